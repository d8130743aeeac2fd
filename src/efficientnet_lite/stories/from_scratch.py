"""`train --recipe imagenet`: a network learns by the reference's recipe, and leaves by the way of every other.

While it learns, its states lie beside the target, in `OUT.training/`, where `--resume` finds them; the target comes
into being whole, at the end.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite import bundle
from efficientnet_lite.checkpoints import states
from efficientnet_lite.checkpoints.read import Weights, load_weights
from efficientnet_lite.contract import Contract
from efficientnet_lite.doors import files
from efficientnet_lite.doors.cache import Cache
from efficientnet_lite.doors.litert import cores
from efficientnet_lite.errors import CheckpointError, UnusableInput, UsageError
from efficientnet_lite.forward import Layer
from efficientnet_lite.head.fit import Attempt, Head
from efficientnet_lite.inference.features import Backbone, FeatureStore
from efficientnet_lite.spec import DENSE, Plan, make_plan
from efficientnet_lite.stories import scratch
from efficientnet_lite.stories.examples import PROOF, Examples, open_examples, unpack
from efficientnet_lite.stories.finetune import LOG
from efficientnet_lite.stories.finish import Finished, Trained, publish_run
from efficientnet_lite.stories.material import Material, Settings
from efficientnet_lite.stories.progress import Stage, silent
from efficientnet_lite.stories.translations import read_translations
from efficientnet_lite.tflite.fold import fold
from efficientnet_lite.tflite.write import write_float
from efficientnet_lite.training.recipe import Recipe

if TYPE_CHECKING:  # Keras, and TensorFlow with it, is loaded where it is needed
    from efficientnet_lite.training import pretrain
    from efficientnet_lite.training.evaluation import Score
    from efficientnet_lite.training.state import TrainState

Array = npt.NDArray[np.float32]
Say = Callable[[str], None]

FRESH = "none"  # --weights: random ones
SUFFIX = ".training"
IMAGENET = 1_281_167
WARNED = 10  # photos that cannot be read are named so often, then counted


def working_folder(out: Path) -> Path:
    """Where the states of the training of `out` lie."""
    return out.absolute().with_name(out.name + SUFFIX)


def train_from_scratch(
    photos: Path,
    out: Path,
    settings: Settings,
    given: Mapping[str, str],
    *,
    resume: bool = False,
    overwrite: bool = False,
    labels_locale: Mapping[str, Path] | None = None,
    workers: int | None = None,
    stage: Stage = silent,
    say: Say = lambda line: None,
    warn: Say = lambda line: None,
) -> Trained:
    """Train by the reference's recipe, evaluate the averages, export the best of them and prove both files.

    Args:
        photos: a folder, a manifest, or a folder of record files (train-*, validation-*).
        settings: `weights` is "none" for random ones.
        given: fields of the recipe -> values as text. What is not given and depends on the data follows from them.
        resume: go on from the newest state of an earlier training into the same `out`.
        overwrite: replace a run, and forget states that lie there.
        say, warn: take a line each.

    Raises:
        UsageError: a field makes no sense, Keras is missing, another training is under way or was begun with
            other settings, the loss is no number any more.
        UnusableInput, UnusableDataset, CheckpointError: the data or the states are damaged.
        KeyboardInterrupt: a signal came; what was done is saved.
        VerificationFailed: a file is too far from its parent; nothing is published.
    """
    Recipe.from_settings(given)
    _check(photos, settings)
    pretrain = _require_training()
    workers, place = workers or cores(), working_folder(out)
    bundle.check_target(out, photos=[photos] if photos.is_dir() else [photos.parent], overwrite=overwrite)
    with files.locked(place), Cache() as cache:
        _check_place(place, resume=resume, overwrite=overwrite)
        place.mkdir(parents=True, exist_ok=True)
        examples = open_examples(photos, settings, given, index=place, workers=workers, stage=stage)
        translations = read_translations(labels_locale or {}, examples.labels)
        recipe = complete(given, examples, settings.seed)
        plan = make_plan(settings.model.variant, size=settings.model.size, classes=len(examples.labels))
        origin = None if settings.weights == FRESH else _load(settings)
        keeper = _Keeper(place, recipe, settings, examples, origin, say, warn)
        state, journal = keeper.begin(plan)
        with stage("Training") as on_progress:
            keeper.progress = lambda done: on_progress(done, recipe.total_steps)
            try:
                training = pretrain.Pretraining(plan, recipe, examples.training, examples.validation, workers)
                state = training.run(state, journal, keeper, time.monotonic)
            except pretrain.Stopped:
                say(f"interrupted; saved: the same command with --resume goes on from step {keeper.saved:,}")
                raise KeyboardInterrupt from None
        weights, best = keeper.best(state, journal, plan)
        trained = scratch.Scratch(
            recipe,
            given,
            len(examples.training),
            journal.rows,
            best,
            keeper.begun["backend"],
            None if examples.seen else PROOF,
        )
        places = {photos} if photos.is_dir() else {photos.parent}
        with bundle.building(out, photos=places, overwrite=overwrite) as folder:
            seen = examples.seen or unpack(examples, folder, settings.calibration, workers=workers)
            contract = Contract(settings.model.size, view=settings.base_views[0])
            layers = fold(plan, weights.parameters)
            backbone = Backbone(
                str(settings.model), write_float(plan, layers, outputs=("features",)), contract
            )
            store = FeatureStore(
                backbone, seen.dataset.rows, cache, workers, seen.survey.looks, list(seen.survey.refused)
            )
            material = Material(seen.dataset, store, seen.assignment)
            layer = Layer(weights.parameters[f"{DENSE}/kernel"], weights.parameters[f"{DENSE}/bias"])
            head = Head(
                layer, Attempt(0.0, best["top1"], best["loss"], int(best["step"]), converged=True), ()
            )
            finished = Finished(
                out,
                photos,
                settings,
                weights,
                contract,
                material,
                head,
                layers,
                plan,
                translations,
                scratch=trained,
            )
            result = publish_run(folder, finished, cache, stage)
        shutil.rmtree(place, ignore_errors=True)
    return result


def _check(photos: Path, settings: Settings) -> None:
    """Refuse what makes no sense together."""
    for wrong, what, fix in (
        (settings.fine_tuning is not None, "--recipe and --fine-tune exclude each other", "give one"),
        (settings.class_weights != "none", "the recipe has no class weights", "leave --class-weights out"),
        (not 0 < settings.fraction < 1, f"--val is {settings.fraction}", "give a fraction between 0 and 1"),
        (settings.calibration < 1, f"--calibration is {settings.calibration}", "give at least 1 photo"),
        (not settings.base_views, "--views names neither crop nor squash", "keep at least one of them"),
    ):
        if wrong:
            raise UsageError(what, where="the command line", fix=fix)
    settings.bars.check()
    if not photos.exists():
        raise UnusableInput(
            "no such folder or file", where=photos, fix="give photos, a manifest, or record files"
        )


def complete(given: Mapping[str, str], examples: Examples, seed: int) -> Recipe:
    """The recipe with what follows from the data where it was not given.

    For a data set of ImageNet's size nothing does. Else an epoch is one of the data, evaluated and saved at its end.
    """
    values = {"seed": str(seed), **given}
    if examples.whole == IMAGENET:
        return Recipe.from_settings(values)
    count = len(examples.training)
    values = {"train_images": str(count), "eval_images": str(len(examples.validation)), **values}
    values["holdout_shards"] = "0"  # counted already: the reference's formula is one of 1024 files
    recipe = Recipe.from_settings(values)
    an_epoch = str(max(1, recipe.images // recipe.batch))
    return Recipe.from_settings({"eval_every": an_epoch, "save_every": an_epoch, **values})


def _require_training() -> Any:
    """The module `training.pretrain`. Raises UsageError where Keras, its backend or Grain is not installed."""
    try:
        from efficientnet_lite.training import pretrain
    except ImportError as error:
        raise UsageError(
            f"--recipe needs Keras, TensorFlow or JAX, and Grain: {error}",
            where="the command line",
            fix="pip install 'efficientnet-lite[train]'",
        ) from error
    return pretrain


def _check_place(place: Path, *, resume: bool, overwrite: bool) -> None:
    if overwrite and not resume:
        shutil.rmtree(place, ignore_errors=True)
    if place.exists() and not resume and any(place.glob("states/*")):
        raise UsageError(
            "a training that did not end lies here",
            where=place,
            fix="give --resume to go on with it, or --overwrite to begin anew",
        )


def _load(settings: Settings) -> Weights:
    return load_weights(settings.model.variant, settings.weights, ema=settings.ema)


class _Keeper:
    """The working folder of one training: see `training.pretrain.Keeper`."""

    def __init__(
        self,
        place: Path,
        recipe: Recipe,
        settings: Settings,
        examples: Examples,
        origin: Weights | None,
        say: Say,
        warn: Say,
    ) -> None:
        from efficientnet_lite.training.backend import backend_name

        self._place, self._recipe, self._origin, self._say, self._warn = place, recipe, origin, say, warn
        self.begun: dict[str, Any] = {
            "model": str(settings.model),
            "weights": FRESH if origin is None else origin.sha256,
            "backend": backend_name(),
            "labels": list(examples.labels),
            "training photos": examples.training.digest,
            "validation photos": examples.validation.digest,
            **asdict(recipe),
        }
        self._unreadable: set[str] = set()
        self.saved = 0
        self.progress: Callable[[int], None] = lambda done: None

    def begin(self, plan: Plan) -> "tuple[TrainState, pretrain.Journal]":
        """The newest state, or a first one.

        Raises UsageError where that was begun with other settings, CheckpointError where it is damaged.
        """
        from efficientnet_lite.training import pretrain
        from efficientnet_lite.training.state import from_arrays

        found = states.newest(self._place / "states", warn=self._warn)
        if found is None:
            origin = None if self._origin is None else self._origin.parameters
            self._say(f"{self._recipe.total_steps:,} steps; saved in {self._place}")
            return pretrain.first_state(plan, self._recipe, origin), pretrain.Journal()
        self._check_same(found.journal.get("begun"))
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

    def _check_same(self, begun: object) -> None:
        before = begun if isinstance(begun, dict) else {}
        for name, now in self.begun.items():
            was = before.get(name)
            if was != now:
                long = isinstance(now, list) or len(str(now)) == 64
                change = "is another one" if long else f"was {was!r}, now it is {now!r}"
                raise UsageError(
                    f"the training cannot go on: {name} {change}",
                    where=self._place,
                    fix="give what it was begun with, or another --out, or --overwrite to begin anew",
                )

    def save(self, state: "TrainState", journal: "pretrain.Journal") -> None:
        from efficientnet_lite.training.state import to_arrays

        content = {"begun": self.begun, "training": journal.to_json()}
        states.save(self._place / "states", state.step, to_arrays(state), content)
        scratch.publish_log(self._place / LOG, journal.rows)
        self.saved = state.step

    def archive(self, state: "TrainState", score: "Score") -> None:
        averages = {name: np.asarray(value) for name, value in state.averages.items()}
        states.save(self._place / "best", state.step, averages, asdict(score), kept=1)

    def best(
        self, state: "TrainState", journal: "pretrain.Journal", plan: Plan
    ) -> tuple[Weights, dict[str, float]]:
        """The averages of the best evaluation as weights, and what it found."""
        wanted = dict(journal.best or {})
        found = states.newest(self._place / "best", warn=self._warn)
        if found is None or found.step != wanted["step"]:
            raise CheckpointError(
                f"the weights of step {wanted['step']:,}, the best, are gone",
                where=self._place / "best",
                fix="give --resume with an earlier state, or begin anew",
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
