"""Training of a whole network by the reference's recipe, on one device or many, from random weights or from others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.keras_arrays import read_parameters
from efficientnet_lite.network.plan import DENSE, Plan
from efficientnet_lite.notices import Say
from efficientnet_lite.storage import files
from efficientnet_lite.training import devices, loop
from efficientnet_lite.training.augment import Augmentation, mixup, mixup_shares
from efficientnet_lite.training.backend import backend_name
from efficientnet_lite.training.batches import Batch, eval_batches, steps_per_epoch, train_batches
from efficientnet_lite.training.bookkeeping import Bookkeeping, board_in
from efficientnet_lite.training.devices import Placement
from efficientnet_lite.training.evaluation import make_evaluation
from efficientnet_lite.training.examples import Examples
from efficientnet_lite.training.job import Job
from efficientnet_lite.training.learned import Cell, Learned, LogRow, of_recipe
from efficientnet_lite.training.learner import Journal, Losses, Scores, Timetable
from efficientnet_lite.training.recipe import Recipe, completed
from efficientnet_lite.training.settings import FRESH, Settings
from efficientnet_lite.training.step import build_network, make_step
from efficientnet_lite.training.train_state import TrainState, from_arrays, start_state, to_arrays
from efficientnet_lite.training.training_data import PROOF, TrainingData
from efficientnet_lite.weights.read import Weights

ALONE = Placement()  # one device
LOOK_EVERY = 16  # steps after which losses are looked at; each look waits for the device
WARNED = 10  # photos that cannot be read are named so often, then counted


def pretrain(
    origin: Weights | None, data: TrainingData, settings: Settings, job: Job, place: Path
) -> Learned | None:
    """Go on from the newest state in `place`, or begin; the averages of the best evaluation are what is learned.

    Gives None on every host but the first of several, which alone writes.

    Args:
        origin: weights to begin with; None: random ones.
        place: the working folder.

    Raises:
        UsageError: the loss is no number any more, or the states are of another training.
        UnusableInput, CheckpointError: the data or the states are damaged.
        KeyboardInterrupt: a signal came; what was done is saved.
    """
    training, validation = data.training, data.validation
    recipe = completed(
        settings.set, seed=settings.seed, whole=data.whole, training=len(training), validation=len(validation)
    )
    plan = settings.plan(len(data.labels))
    placement = devices.place(job.devices, batches={"batch": recipe.batch, "eval_batch": recipe.eval_batch})
    begun = {
        "model": str(settings.model),
        "weights": FRESH if origin is None else origin.sha256,
        "backend": backend_name(),
        "labels": list(data.labels),
        "training photos": training.digest,
        "validation photos": validation.digest,
        **asdict(recipe),
    }
    writes = placement.this == 0
    with board_in(job.tensorboard if writes else None) as board:
        books = Bookkeeping(
            place, begun, say=job.say, warn=job.warn, board=board, shows_log=True, writes=writes
        )
        with job.stage("Making the network"):
            state, journal = _begin(plan, recipe, origin, place, books)
        if placement.devices > 1:
            job.say(
                f"{placement.devices} devices on {placement.hosts} hosts share each batch of {recipe.batch:,}"
            )
        with job.stage("Training") as on_progress:
            books.on_step = lambda done: on_progress(done, recipe.total_steps)
            learner = Pretraining(
                plan,
                recipe,
                training,
                validation,
                state,
                job.workers,
                placement,
                job.processes,
                warn=books.warn,
            )
            try:
                loop.train(learner, journal, books)
                on_progress(learner.done, learner.done)  # it may have ended early
            except loop.Stopped:
                job.say(
                    f"interrupted; saved: the same command with `resume=True` goes on from step {books.saved:,}"
                )
                raise
    if not writes:
        return None
    return of_recipe(
        _weights(plan, books.best(journal), origin, place),
        recipe,
        journal.rows,
        journal.best or {},
        journal.best_epoch(learner.timetable.per_epoch),
        given=settings.set,
        images=len(training),
        backend=begun["backend"],
        proof=None if data.seen else PROOF,
    )


def _begin(
    plan: Plan, recipe: Recipe, origin: Weights | None, place: Path, books: Bookkeeping
) -> tuple[TrainState, Journal]:
    """The newest state, or a first one."""
    found = books.newest()
    if found is None:
        books.say(f"{recipe.total_steps:,} steps; saved in {place}")
        return first_state(plan, recipe, origin.parameters if origin else None), Journal()
    with books.taking(found):
        state, journal = from_arrays(found.arrays), Journal.of_json(found.journal["training"])
        if {name: value.shape for name, value in state.weights.items()} != plan.parameter_shapes():
            raise ValueError(f"its weights are not those of {plan.variant.name}")
    books.say(f"goes on from step {state.step:,} of {recipe.total_steps:,}")
    return state, journal


def _weights(plan: Plan, averages: Mapping[str, Array], origin: Weights | None, place: Path) -> Weights:
    """What was trained, with where it comes from."""
    parameters = {name: averages[name] for name in plan.parameter_shapes()}
    return Weights(
        parameters,
        plan.variant,
        f"trained by the reference's recipe from {'random weights' if origin is None else origin.source}",
        "unknown" if origin is None else origin.license,
        files.sha256_bytes(b"".join(parameters[name].tobytes() for name in sorted(parameters))),
        plan.classes,
        None,
        place,
        "" if origin is None else origin.notice,
    )


def first_state(plan: Plan, recipe: Recipe, origin: Mapping[str, Array] | None) -> TrainState:
    """Step 0: random weights by the recipe's seed, or those of `origin`, but for a last layer of other classes."""
    keras.utils.set_random_seed(recipe.seed)
    values = read_parameters(build_network(plan, recipe))
    same = origin is not None and origin.get(f"{DENSE}/bias", np.empty(0)).shape == (plan.classes,)
    values |= {name: value for name, value in (origin or {}).items() if same or not name.startswith(DENSE)}
    return start_state(values)


class Pretraining:
    """A `Learner`: a whole network by the reference's recipe."""

    name = "the training"

    def __init__(
        self,
        plan: Plan,
        recipe: Recipe,
        training: Examples,
        validation: Examples,
        state: TrainState,
        workers: int,
        placement: Placement = ALONE,
        processes: int = 0,
        *,
        warn: Say = lambda line: None,
    ) -> None:
        """`state` is what it goes on from; `warn` takes a line for a photo that cannot be read."""
        self.plan, self.recipe, self.placement = plan, recipe, placement
        self._training, self._validation = training, validation
        self._workers, self._processes = workers, processes
        self._warn, self._unreadable = warn, set[str]()
        self._step = placement.step(make_step(plan, recipe))
        self._evaluation = make_evaluation(plan, recipe)
        self._state = placement.state(state)
        self.timetable = Timetable(
            recipe.total_steps,
            # whole steps of an epoch of the data; the schedule counts by the recipe's, which has a fraction
            per_epoch=steps_per_epoch(len(training), recipe.batch),
            evaluate_every=recipe.eval_every,
            save_every=recipe.save_every,
            look_every=LOOK_EVERY,
            heeds_signals=placement.hosts == 1,
        )

    @property
    def done(self) -> int:
        return self._state.step

    def batches(self) -> Iterator[Batch]:
        """Those of the steps that are left."""
        recipe, done, total = self.recipe, self.done, self.timetable.total
        augmentation = Augmentation(recipe.augment, recipe.randaugment_layers, recipe.randaugment_magnitude)
        while done < total:
            epoch, at = divmod(done, self.timetable.per_epoch)
            batches = train_batches(
                self._training,
                self.plan.size,
                augmentation,
                batch=recipe.batch,
                seed=recipe.seed,
                epoch=epoch,
                start_batch=at,
                workers=self._workers,
                host=(self.placement.this, self.placement.hosts),
                processes=self._processes,
            )
            for batch in batches:
                yield batch
                done += 1
                if done == total:
                    return

    def step(self, batch: Batch) -> Losses:
        images, labels = self._mixed(batch, self.done // self.timetable.per_epoch)
        self._state, losses = self._step(self._state, images, labels)
        self._name_unreadable(batch.unreadable)
        return losses

    def _mixed(self, batch: Batch, epoch: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Images and labels, those of a batch with mixup as shares of the classes."""
        if not self.recipe.mixup:
            return batch.images, batch.labels
        shares = mixup_shares(self.recipe.mixup, self.recipe.seed, epoch, batch.indices)
        one_hot = np.eye(self.plan.classes or 0, dtype=np.float32)[batch.labels]
        return mixup(batch.images, shares), mixup(one_hot, shares)

    def _name_unreadable(self, lines: Sequence[str]) -> None:
        for line in lines:
            if line in self._unreadable:
                continue
            self._unreadable.add(line)
            if len(self._unreadable) <= WARNED:
                self._warn(line)
            elif len(self._unreadable) == WARNED + 1:
                self._warn("more photos cannot be read; they are not named any more")

    def evaluate(self) -> Scores:
        """The figures of `evaluation.Score`."""
        batches = eval_batches(
            self._validation,
            self.plan.size,
            batch=self.recipe.eval_batch,
            host=(self.placement.this, self.placement.hosts),
            workers=self._workers,
        )
        return asdict(self._evaluation(self._state.averages, batches, self.placement))

    def rank(self, scores: Scores) -> tuple[float, ...]:
        return (scores["top1"],)

    def averages(self) -> dict[str, Array]:
        return self.placement.to_host(self._state).averages

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return to_arrays(self.placement.to_host(self._state))

    def row(self, epoch: int, journal: Journal) -> dict[str, Cell]:
        scores = journal.score or {}
        return {
            "epoch": epoch,
            "step": self.done,
            "loss": journal.loss / journal.steps,
            "cross_entropy": journal.cross_entropy / journal.steps,
            "learning_rate": journal.rate,
            "validation_loss": scores.get("loss"),
            "top1": scores.get("top1"),
            "top5": scores.get("top5"),
        }

    def line(self, row: LogRow, *, is_best: bool, seconds: float) -> str:
        text = (
            f"epoch {row['epoch']}, step {row['step']:,} of {self.timetable.total:,}: loss {row['loss']:.4f}"
        )
        if row["top1"] is not None:
            text += f", validation loss {row['validation_loss']:.4f}, top-1 {100 * row['top1']:.1f} %"
        best = " <- best so far" if is_best else ""
        return f"{text}{best}, rate {row['learning_rate']:.1e}, {seconds:.1f} s"

    def figures(self, row: LogRow) -> tuple[int, Mapping[str, Cell]]:
        names = ("loss", "cross_entropy", "validation_loss", "top1", "top5", "learning_rate")
        return self.done, {name: row[name] for name in names}

    def slower(self) -> str:
        return f"begin anew with `set=base_rate={self.recipe.base_rate / 4:.2g}`, or a longer warm-up"
