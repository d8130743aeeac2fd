"""Training by the reference's recipe: steps from a state on, evaluation of the averages, the best of them kept.

Everything that a training does follows from its state, its journal and its data, so one that goes on from a saved
pair is the same to the bit as one that was never interrupted.
"""

import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from types import FrameType
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.keras_arrays import read_parameters
from efficientnet_lite.network.plan import DENSE, Plan
from efficientnet_lite.training import data, devices
from efficientnet_lite.training.augment import Augmentation, mixup, mixup_shares
from efficientnet_lite.training.devices import Placement
from efficientnet_lite.training.evaluation import Evaluate, Score, make_evaluation
from efficientnet_lite.training.listed import Source
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.state import TrainState, start_state
from efficientnet_lite.training.step import Losses, build_network, make_step

ALONE = Placement()  # one device
LOOK_EVERY = 16  # steps after which losses are looked at; each look waits for the device


def first_state(
    plan: Plan, recipe: Recipe, origin: Mapping[str, npt.NDArray[np.float32]] | None
) -> TrainState:
    """Step 0: random weights by the recipe's seed, or those of `origin`, but for a last layer of other classes."""
    keras.utils.set_random_seed(recipe.seed)
    values = read_parameters(build_network(plan, recipe))
    same = origin is not None and origin.get(f"{DENSE}/bias", np.empty(0)).shape == (plan.classes,)
    values |= {name: value for name, value in (origin or {}).items() if same or not name.startswith(DENSE)}
    return start_state(values)


class Stopped(Exception):  # no error: somebody asked for it
    """A signal asked the training to end; state and journal are those that were saved."""


@dataclass(slots=True)
class Journal:
    """What a training remembers beside its tensors; `to_json` and `of_json` are exact."""

    rows: list[dict[str, float | int | None]] = field(default_factory=list)  # of the log
    steps: int = 0  # of the epoch under way whose losses are in the sums
    loss: float = 0.0  # sums
    cross_entropy: float = 0.0
    rate: float = 0.0  # of the last step
    score: dict[str, float] | None = None  # of the last evaluation in this epoch
    best: dict[str, float] | None = None  # the best evaluation, with its "step"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Journal":
        """Raises ValueError for values that `to_json` did not make."""
        try:
            journal = cls(**values)
        except TypeError as error:
            raise ValueError(f"no journal of a training: {error}") from error
        return journal


class Keeper(Protocol):
    """Where a training's states go."""

    def save(self, state: TrainState, journal: Journal) -> None:
        """Keep both, so that a training can go on from them."""

    def archive(self, state: TrainState, score: Score) -> None:
        """Keep the averages, which are the best so far."""

    def row(self, journal: Journal, seconds: float) -> None:
        """The log has one row more; the epoch took so long."""

    def step(self, done: int) -> None:
        """So many steps are done."""

    def warn(self, line: str) -> None:
        """Something that a person should know: a photo that cannot be read."""


@dataclass(frozen=True, slots=True)
class Pretraining:
    """A training as it is asked for."""

    plan: Plan
    recipe: Recipe
    training: Source
    validation: Source
    workers: int
    placement: Placement = ALONE
    processes: int = 0  # that prepare images; 0: threads of this one

    @property
    def per_epoch(self) -> int:
        """Whole steps of an epoch of the data; the schedule counts by the recipe's, which has a fraction."""
        return data.steps_per_epoch(len(self.training), self.recipe.batch)

    def run(
        self, state: TrainState, journal: Journal, keeper: Keeper, clock: Callable[[], float]
    ) -> TrainState:
        """All steps from `state` on; `journal`, which belongs to it, is written on.

        Evaluates the averages every `eval_every` steps and at the end, saves every `save_every` and at the end.

        Raises:
            Stopped: SIGINT or SIGTERM came; what was done is saved.
            UsageError: the loss is no number any more; nothing of it is saved.
            UnusableInput: the data are damaged.
        """
        step = self.placement.step(make_step(self.plan, self.recipe))
        evaluate = make_evaluation(self.plan, self.recipe)
        state = self.placement.state(state)
        total, pending, began = self.recipe.total_steps, list[Losses](), clock()
        with _stopping(alone=self.placement.hosts == 1) as is_asked:
            for batch in self._batches(state.step):
                images, labels = self._mixed(batch, state.step // self.per_epoch)
                state, losses = step(state, images, labels)
                pending.append(losses)
                for line in batch.unreadable:
                    keeper.warn(line)
                done, asked = state.step, is_asked()
                ends = done == total
                measures = ends or done % self.recipe.eval_every == 0
                saves = ends or asked or done % self.recipe.save_every == 0
                turns = ends or done % self.per_epoch == 0
                if measures or saves or turns or len(pending) == LOOK_EVERY:
                    self._take(pending, state, journal)
                    keeper.step(done)
                if measures:
                    self._evaluate(evaluate, state, journal, keeper)
                if turns:
                    _close_epoch(journal, (done - 1) // self.per_epoch + 1, done)
                    keeper.row(journal, clock() - began)
                    began = clock()
                if saves:
                    keeper.save(self.placement.to_host(state), journal)
                if asked and not ends:
                    raise Stopped
        return state

    def _batches(self, done: int) -> Iterator[data.Batch]:
        """Those of the steps that are left."""
        recipe = self.recipe
        augmentation = Augmentation(recipe.augment, recipe.randaugment_layers, recipe.randaugment_magnitude)
        while done < recipe.total_steps:
            epoch, at = divmod(done, self.per_epoch)
            batches = data.train_batches(
                self.training,
                self.plan.size,
                augmentation,
                batch=recipe.batch,
                seed=recipe.seed,
                epoch=epoch,
                start_batch=at,
                workers=self.workers,
                host=(self.placement.this, self.placement.hosts),
                processes=self.processes,
            )
            for batch in batches:
                yield batch
                done += 1
                if done == recipe.total_steps:
                    return

    def _mixed(self, batch: data.Batch, epoch: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Images and labels, those of a batch with mixup as shares of the classes."""
        if not self.recipe.mixup:
            return batch.images, batch.labels
        shares = mixup_shares(self.recipe.mixup, self.recipe.seed, epoch, batch.indices)
        one_hot = np.eye(self.plan.classes or 0, dtype=np.float32)[batch.labels]
        return mixup(batch.images, shares), mixup(one_hot, shares)

    def _take(self, pending: list[Losses], state: TrainState, journal: Journal) -> None:
        """Add the losses of the last steps to the journal; they are waited for here."""
        first = state.step - len(pending)
        for number, losses in enumerate(pending, first):
            total = float(np.asarray(losses.total))
            if not math.isfinite(total):
                raise self._lost(number, losses.rate)
            journal.loss += total
            journal.cross_entropy += float(np.asarray(losses.cross_entropy))
            journal.rate = losses.rate
        journal.steps += len(pending)
        pending.clear()

    def _evaluate(self, evaluate: Evaluate, state: TrainState, journal: Journal, keeper: Keeper) -> None:
        batches = devices.evaluation_batches(
            self.validation,
            self.plan.size,
            batch=self.recipe.eval_batch,
            host=(self.placement.this, self.placement.hosts),
            workers=self.workers,
        )
        score = evaluate(state.averages, batches, self.placement)
        journal.score = asdict(score)
        if journal.best is None or score.top1 > journal.best["top1"]:
            journal.best = {"step": state.step, **asdict(score)}
            keeper.archive(self.placement.to_host(state), score)

    def _lost(self, step: int, rate: float) -> UsageError:
        epoch = step // self.per_epoch + 1
        return UsageError(
            f"the loss is no number any more at step {step + 1}, in epoch {epoch}, at a rate of {rate:.3g}",
            where="the training",
            fix=f"most likely the rate is too high: begin anew with `set=base_rate={self.recipe.base_rate / 4:.2g}`, "
            "or a longer warm-up",
        )


def _close_epoch(journal: Journal, epoch: int, step: int) -> None:
    """Make a row of what was summed, and begin the next epoch's."""
    score = journal.score or {}
    journal.rows.append(
        {
            "epoch": epoch,
            "step": step,
            "loss": journal.loss / journal.steps,
            "cross_entropy": journal.cross_entropy / journal.steps,
            "learning_rate": journal.rate,
            "validation_loss": score.get("loss"),
            "top1": score.get("top1"),
            "top5": score.get("top5"),
        }
    )
    journal.steps, journal.loss, journal.cross_entropy, journal.score = 0, 0.0, 0.0, None


@contextmanager
def _stopping(*, alone: bool) -> Iterator[Callable[[], bool]]:
    """Ask the function that it gives whether SIGINT or SIGTERM came; the second SIGINT interrupts at once.

    Outside of the main thread signals are not ours to take. Of several hosts none may stop by itself, since the
    others would wait for it: there a signal does what it always does, and the newest state is gone on from.
    """
    if not alone or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
