"""The working folder of a training by the recipe: states, best averages, log, and what it says meanwhile."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from efficientnet_lite.errors import CheckpointError, UsageError
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.notices import Say
from efficientnet_lite.storage import files
from efficientnet_lite.stories.examples import Examples
from efficientnet_lite.stories.workplace import BEST, STATES
from efficientnet_lite.training import states
from efficientnet_lite.training.learned import best_epoch
from efficientnet_lite.training.log import publish_log
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.settings import FRESH, Settings
from efficientnet_lite.weights.read import Weights

if TYPE_CHECKING:  # Keras, and TensorFlow with it, is loaded where it is needed
    from efficientnet_lite.training import pretrain
    from efficientnet_lite.training.evaluation import Score
    from efficientnet_lite.training.state import TrainState
    from efficientnet_lite.training.tensorboard import TensorBoard


WARNED = 10  # photos that cannot be read are named so often, then counted


def began_with(
    settings: Settings, examples: Examples, origin: Weights | None, recipe: Recipe
) -> dict[str, Any]:
    """What a training must find as it was when it goes on: name -> plain value."""
    from efficientnet_lite.training.backend import backend_name

    return {
        "model": str(settings.model),
        "weights": FRESH if origin is None else origin.sha256,
        "backend": backend_name(),
        "labels": list(examples.labels),
        "training photos": examples.training.digest,
        "validation photos": examples.validation.digest,
        **asdict(recipe),
    }


def check_same(place: Path, now: Mapping[str, Any], begun: object) -> None:
    """Raise UsageError, which names the first field, where a training was `begun` otherwise than `now`."""
    before = begun if isinstance(begun, dict) else {}
    for name, value in now.items():
        was = before.get(name)
        if was != value:
            long = isinstance(value, list) or len(str(value)) == 64
            change = "is another one" if long else f"was {was!r}, now it is {value!r}"
            raise UsageError(
                f"the training cannot go on: {name} {change}",
                where=place,
                fix="give what it was begun with, or another `out=`, or `overwrite=True` to begin anew",
            )


def _silent(line: str) -> None:
    pass


class Keeper:
    """The working folder of one training: see `training.pretrain.Keeper`."""

    def __init__(
        self,
        place: Path,
        recipe: Recipe,
        begun: Mapping[str, Any],
        origin: Weights | None,
        *,
        writes: bool,
        say: Say,
        warn: Say,
    ) -> None:
        """`begun` is what `began_with` gave; of several hosts the first one `writes` and speaks."""
        self._place, self._recipe, self._origin, self._begun = place, recipe, origin, begun
        self._writes, self._say, self._warn = writes, say if writes else _silent, warn
        self._unreadable: set[str] = set()
        self.saved = 0
        self.board: TensorBoard | None = None
        self.progress: Callable[[int], None] = lambda done: None

    def begin(self, plan: Plan) -> "tuple[TrainState, pretrain.Journal]":
        """The newest state, or a first one.

        Raises UsageError where that was begun with other settings, CheckpointError where it is damaged.
        """
        from efficientnet_lite.training import pretrain
        from efficientnet_lite.training.state import from_arrays

        found = states.newest(self._place / STATES, warn=self._warn)
        if found is None:
            origin = None if self._origin is None else self._origin.parameters
            self._say(f"{self._recipe.total_steps:,} steps; saved in {self._place}")
            return pretrain.first_state(plan, self._recipe, origin), pretrain.Journal()
        check_same(self._place, self._begun, found.journal.get("begun"))
        try:
            state, journal = from_arrays(found.arrays), pretrain.Journal.of_json(found.journal["training"])
            if {name: value.shape for name, value in state.weights.items()} != plan.parameter_shapes():
                raise ValueError(f"its weights are not those of {plan.variant.name}")
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"the state of step {found.step} does not fit: {error}", where=self._place, fix="begin anew"
            ) from error
        self.saved = state.step
        self._say(f"goes on from step {state.step:,} of {self._recipe.total_steps:,}")
        return state, journal

    def save(self, state: "TrainState", journal: "pretrain.Journal") -> None:
        from efficientnet_lite.training.state import to_arrays

        self.saved = state.step
        if not self._writes:
            return
        content = {"begun": dict(self._begun), "training": journal.to_json()}
        states.save(self._place / STATES, state.step, to_arrays(state), content)
        if journal.rows:
            best = best_epoch(journal.rows, journal.best) if journal.best else None
            publish_log(self._place, journal.rows, best)

    def archive(self, state: "TrainState", score: "Score") -> None:
        if not self._writes:
            return
        averages = {name: np.asarray(value) for name, value in state.averages.items()}
        states.save(self._place / BEST, state.step, averages, asdict(score), kept=1)

    def best(self, journal: "pretrain.Journal", plan: Plan) -> tuple[Weights, dict[str, float]]:
        """The averages of the best evaluation as weights, and what it found."""
        wanted = dict(journal.best or {})
        found = states.newest(self._place / BEST, warn=self._warn)
        if found is None or found.step != wanted["step"]:
            raise CheckpointError(
                f"the weights of step {wanted['step']:,}, the best, are gone",
                where=self._place / BEST,
                fix="give `resume=True` with an earlier state, or begin anew",
            )
        origin = self._origin
        source = "random weights" if origin is None else origin.source
        checked = {name: found.arrays[name] for name in plan.parameter_shapes()}
        weights = Weights(
            checked,
            plan.variant,
            f"trained by the reference's recipe from {source}",
            "unknown" if origin is None else origin.license,
            files.sha256_bytes(b"".join(checked[name].tobytes() for name in sorted(checked))),
            plan.classes,
            None,
            self._place,
            "" if origin is None else origin.notice,
        )
        return weights, wanted

    def row(self, journal: "pretrain.Journal", seconds: float) -> None:
        row = journal.rows[-1]
        text = f"epoch {row['epoch']}, step {row['step']:,} of {self._recipe.total_steps:,}: loss {row['loss']:.4f}"
        if row["top1"] is not None:
            text += f", validation loss {row['validation_loss']:.4f}, top-1 {100 * row['top1']:.1f} %"
            if journal.best and journal.best["step"] == row["step"]:
                text += " <- best so far"
        if self.board is not None and self._writes:
            figures = ("loss", "cross_entropy", "validation_loss", "top1", "top5", "learning_rate")
            self.board.scalars(int(row["step"] or 0), {name: row[name] for name in figures})
        self._say(f"{text}, rate {row['learning_rate']:.1e}, {seconds:.1f} s")

    def step(self, done: int) -> None:
        self.progress(done)

    def warn(self, line: str) -> None:
        if line in self._unreadable:
            return
        self._unreadable.add(line)
        if len(self._unreadable) <= WARNED:
            self._warn(line)
        elif len(self._unreadable) == WARNED + 1:
            self._warn("more photos cannot be read; they are not named any more")
