"""Fine-tuning: the upper part of a network learns from a head that is fitted, and the best epoch is kept."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import DENSE
from efficientnet_lite.notices import Say
from efficientnet_lite.photos.partition import Partition
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.stories.epochs import EpochStates, Reached, begun_of
from efficientnet_lite.training.finetune import FineTuning, Part, upper_part
from efficientnet_lite.training.job import Job
from efficientnet_lite.training.learned import Cell, Learned, of_fine_tuning
from efficientnet_lite.training.settings import Settings
from efficientnet_lite.training.sources import (
    MAX_KEPT_BYTES,
    Drawn,
    Lower,
    Source,
    keep,
    kept_bytes,
    make_lower,
)

if TYPE_CHECKING:  # Keras, and TensorFlow with it, is loaded where it is needed
    from efficientnet_lite.training import loop

Show = Callable[["loop.Epoch"], None]


def fine_tune(
    start: Learned,
    photos: Partition,
    settings: Settings,
    recipe: FineTuning,
    job: Job,
    *,
    folder: Path,
    place: Path,
) -> Learned:
    """Let the upper part of the network learn, from the fitted head on.

    Of all epochs that with the best top-1 on the validation photos is kept, mean over the views; where none
    is better than the head alone, that stays.

    Args:
        folder: for a file without a name that holds what does not fit into memory.
        place: gets the state behind each epoch, from which a training goes on.

    Raises:
        UsageError: Keras is not installed, the loss is no number any more, or the states are of another training.
        CheckpointError: the states are damaged.
        UnreadablePhoto: a photo has changed meanwhile.
    """
    from efficientnet_lite.training import loop

    began = time.monotonic()
    plan = settings.plan(len(photos.dataset.labels))
    began_from = start.weights.parameters
    part = upper_part(plan, recipe.blocks)
    lower = make_lower(part, fold(plan, began_from), settings.contract, workers=job.workers)
    with job.stage("Looking through the frozen blocks") as on_progress:
        examples, validation = _examples(lower, photos, settings, recipe, folder, on_progress)
    kept = EpochStates(place, begun_of(began_from, photos, recipe), job.warn)
    found = kept.newest() if job.resume else None
    if found is not None:
        recipe = replace(recipe, epochs=found.planned)  # a time budget was planned with when it began
        trainer = loop.Trainer(part, began_from, recipe, classes=plan.classes or 0, seed=settings.seed)
    else:
        recipe, trainer = _planned(
            part, began_from, examples, validation, settings.seed, recipe, began, job.say
        )
    with _board(job.tensorboard) as show:
        epochs, chosen, values = _run(trainer, examples, validation, recipe, job, show, kept, found)
    return of_fine_tuning(start, values, recipe, log_rows(epochs), chosen)


def _examples(
    lower: Lower,
    photos: Partition,
    settings: Settings,
    recipe: FineTuning,
    folder: Path,
    on_progress: OnProgress,
) -> "tuple[loop.Examples, loop.Validation]":
    """The training photos and those that choose, as the learning part reads them."""
    from efficientnet_lite.training import loop

    training, chosen = photos.positions("train"), photos.positions("validation")
    truth, rows = photos.truth(training), photos.dataset.rows
    paths, total = [rows[at].path for at in training], len(training) + len(chosen)
    source, done = _source(lower, paths, settings, recipe, folder, lambda done, _: on_progress(done, total))
    kept = keep(
        lower,
        [rows[at].path for at in chosen],
        settings.base_views,
        draws=0,
        augment="none",
        seed=settings.seed,
        folder=folder,
        on_progress=lambda more, _: on_progress(done + more, total),
    )
    counts = np.bincount(truth) if settings.class_weights == "balanced" else np.ones(int(truth.max()) + 1)
    weights = (1 / counts[truth]).astype(np.float32)
    return (
        loop.Examples(source, truth, weights / weights.mean()),
        loop.Validation(kept, settings.base_views, photos.truth(chosen)),
    )


def _source(
    lower: Lower,
    paths: Sequence[Path],
    settings: Settings,
    recipe: FineTuning,
    folder: Path,
    on_progress: OnProgress,
) -> tuple[Source, int]:
    """The training photos, kept where the lower blocks are frozen and there is room; and how many are done."""
    views = settings.views
    if lower.model is None or kept_bytes(lower, len(paths), len(views) + recipe.draws) > MAX_KEPT_BYTES:
        return Drawn(lower, paths, recipe.augment, settings.seed), 0
    draws = 0 if recipe.augment == "none" else recipe.draws
    kept = keep(
        lower,
        paths,
        views,
        draws=draws,
        augment=recipe.augment,
        seed=settings.seed,
        folder=folder,
        on_progress=on_progress,
    )
    return kept, len(paths)


def _planned(
    part: Part,
    start: Mapping[str, Array],
    examples: "loop.Examples",
    validation: "loop.Validation",
    seed: int,
    recipe: FineTuning,
    began: float,
    say: Say,
) -> "tuple[FineTuning, loop.Trainer]":
    """A trainer, and the recipe with as many epochs as the time budget has room for, at least one."""
    from efficientnet_lite.training import loop

    classes = len(start[f"{DENSE}/bias"])
    if recipe.time_budget_s is not None:
        measured = loop.Trainer(part, start, recipe, classes=classes, seed=seed)
        each = measured.epoch_seconds(examples, validation)
        left = recipe.time_budget_s - (time.monotonic() - began)
        planned = max(1, min(recipe.epochs, int(left / each)))
        say(f"an epoch takes {each:.1f} s and {max(0, left):.0f} s are left: {planned} epochs are planned")
        recipe = replace(recipe, epochs=planned)
    return recipe, loop.Trainer(part, start, recipe, classes=classes, seed=seed)


def _run(
    trainer: "loop.Trainer",
    examples: "loop.Examples",
    validation: "loop.Validation",
    recipe: FineTuning,
    job: Job,
    show: Show,
    kept: EpochStates,
    found: Reached | None,
) -> "tuple[tuple[loop.Epoch, ...], int, dict[str, Array]]":
    """Every epoch, the number of the best one, and the part's parameters there."""
    epochs: list[loop.Epoch] = []
    best, parameters, done = 0, trainer.parameters(), None
    if found is not None:
        epochs, best, parameters = found.epochs, found.best, found.parameters
        done = epochs[-1].number
        kept.restore(trainer, found)
        job.say(f"goes on behind epoch {done} of {recipe.epochs}")
    try:
        with job.stage("Fine-tuning") as on_progress:
            last = recipe.epochs if done is None or done - best < recipe.patience else done
            for epoch in trainer.epochs(examples, validation, last, on_progress, done=done):
                epochs.append(epoch)
                show(epoch)
                if epoch.rank > epochs[best].rank:
                    best, parameters = epoch.number, trainer.parameters()
                job.say(_line(epoch, recipe.epochs, is_best=epoch.number == best))
                kept.save(trainer, Reached(recipe.epochs, epochs, best, parameters))
                if epoch.number - best >= recipe.patience:
                    job.say(f"no better epoch in {recipe.patience}: training ends")
                    break
    except KeyboardInterrupt:
        job.say(
            "interrupted: the same command with `resume=True` goes on behind the last epoch that was completed"
        )
        raise
    if best == 0:
        job.say(
            "no epoch was better than the head alone on the validation photos: the network stays as it was"
        )
    return tuple(epochs), best, parameters


@contextmanager
def _board(folder: Path | None) -> Iterator[Show]:
    """What shows an epoch in TensorBoard, where a folder is given."""
    if folder is None:
        yield lambda epoch: None
        return
    from efficientnet_lite.training.tensorboard import TensorBoard

    board = TensorBoard(folder)

    def show(epoch: "loop.Epoch") -> None:
        top1 = {f"top1/{view}": value for view, value in epoch.top1.items()}
        losses = {"loss/training": epoch.loss, "loss/validation": epoch.validation_loss}
        board.scalars(epoch.number, losses | top1 | {"learning_rate": epoch.learning_rate})

    try:
        yield show
    finally:
        board.close()


def _line(epoch: "loop.Epoch", epochs: int, *, is_best: bool) -> str:
    top1 = ", ".join(f"{view} {100 * value:.1f} %" for view, value in epoch.top1.items())
    best = "  <- best so far" if is_best else ""
    if epoch.number == 0:
        return f"the head alone: validation loss {epoch.validation_loss:.4f}, top-1 {top1}{best}"
    return (
        f"epoch {epoch.number} of {epochs}: loss {epoch.loss:.4f}, validation loss {epoch.validation_loss:.4f}, "
        f"top-1 {top1}, rate {epoch.learning_rate:.1e}, {epoch.seconds:.1f} s{best}"
    )


def log_rows(epochs: "Sequence[loop.Epoch]") -> list[dict[str, Cell]]:
    """A row for each epoch, the network before them as epoch 0. No time of the clock is among them."""
    return [
        {
            "epoch": epoch.number,
            "loss": None if epoch.number == 0 else epoch.loss,
            "validation_loss": epoch.validation_loss,
            **{f"top1_{view}": top1 for view, top1 in epoch.top1.items()},
            "learning_rate": epoch.learning_rate,
        }
        for epoch in epochs
    ]
