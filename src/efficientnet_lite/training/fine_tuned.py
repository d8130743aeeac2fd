"""Fine-tuning: the upper blocks of a network learn from a head that is fitted, and the best epoch is kept."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.fold import fold
from efficientnet_lite.notices import Say
from efficientnet_lite.photos.partition import Partition
from efficientnet_lite.photos.split import Split
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.training import loop, saved_states
from efficientnet_lite.training.bookkeeping import Bookkeeping, board_in
from efficientnet_lite.training.code_tuning import Tune
from efficientnet_lite.training.fine_tuning import FineTuning, upper_part
from efficientnet_lite.training.job import Job
from efficientnet_lite.training.kept_features import (
    MAX_KEPT_BYTES,
    Drawn,
    Lower,
    PartInputs,
    keep,
    kept_bytes,
    make_lower,
)
from efficientnet_lite.training.learned import Learned, of_fine_tuning
from efficientnet_lite.training.learner import Journal
from efficientnet_lite.training.settings import Settings
from efficientnet_lite.training.upper_blocks import ChoosingPhotos, TaughtPhotos, UpperBlocks

BEST_BEFORE = "best/"  # in states of version 0.1: before the names of the best epoch's parameters


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

    Of all epochs that with the best top-1 on the photos that choose is kept, mean over the views; where none
    is better than the head alone, that stays.

    Args:
        folder: for a file without a name that holds what does not fit into memory.
        place: the working folder. It gets the state behind each epoch, and the newest one there is gone on from.

    Raises:
        UsageError: the loss is no number any more, or the states are of another training.
        CheckpointError: the states are damaged.
        UnreadablePhoto: a photo has changed meanwhile.
        KeyboardInterrupt: somebody asked for it; the last epoch that was completed is gone on from.
    """
    began = time.monotonic()
    parameters, plan, seed = (
        start.weights.parameters,
        settings.plan(len(photos.dataset.labels)),
        settings.seed,
    )
    part = upper_part(plan, recipe.blocks)
    lower = make_lower(part, fold(plan, parameters), settings.contract, workers=job.workers)
    with job.stage("Running the lower blocks") as on_progress:
        taught, choosing = _shown(lower, photos, settings, recipe, folder, on_progress)

    def learner(recipe: FineTuning) -> UpperBlocks:
        return UpperBlocks(part, parameters, recipe, taught, choosing, seed=seed)

    with board_in(job.tensorboard) as board:
        books = Bookkeeping(
            place, _begun(parameters, photos, recipe), say=job.say, warn=job.warn, board=board
        )
        found, journal = books.newest(), Journal()
        if found is not None:
            with books.taking(found):
                found = _of_this_version(found, photos, recipe, books)
                journal = Journal.of_json(found.journal["training"])
        elif recipe.time_budget_s is not None:
            left = recipe.time_budget_s - (time.monotonic() - began)
            journal.planned = _planned_epochs(learner(recipe), recipe.epochs, left, job.say)
        recipe = replace(recipe, epochs=journal.planned or recipe.epochs)
        upper = learner(recipe)
        if found is not None:
            with books.taking(found):
                upper.restore(found.arrays, found.step)
            job.say(f"goes on behind epoch {journal.rows[-1]['epoch']} of {recipe.epochs}")
        try:
            with job.stage("Fine-tuning") as on_progress:
                books.on_step = lambda done: on_progress(done, upper.timetable.total)
                loop.train(upper, journal, books)
                on_progress(upper.done, upper.done)  # it may have ended early
        except KeyboardInterrupt:
            job.say(
                "interrupted: the same command with `resume=True` goes on behind the last epoch that was completed"
            )
            raise
    best = journal.best_epoch(upper.timetable.per_epoch) or 0
    if best == 0:
        job.say(
            "no epoch was better than the head alone on the validation photos: the network stays as it was"
        )
    return of_fine_tuning(start, books.best(journal), recipe, journal.rows, best)


def int8_tuning(
    photos: Partition, settings: Settings, recipe: FineTuning, job: Job, *, folder: Path, place: Path
) -> Tune | None:
    """What makes the int8 file of a network that was fine-tuned so better; None where nobody asked for it."""
    if not recipe.quantization_aware:
        return None
    from efficientnet_lite.training.quantization_aware import tuner  # TensorFlow

    return tuner(photos, settings, job, folder=folder, place=place)


def _shown(
    lower: Lower,
    photos: Partition,
    settings: Settings,
    recipe: FineTuning,
    folder: Path,
    on_progress: OnProgress,
) -> tuple[TaughtPhotos, ChoosingPhotos]:
    """The photos as the learning part reads them."""
    training, choosing = photos.positions("train"), photos.positions("validation")
    total, views = len(training) + len(choosing), settings.base_views
    inputs, done = _inputs(
        lower,
        photos.surveyed(training).paths,
        settings,
        recipe,
        folder,
        lambda done, _: on_progress(done, total),
    )
    kept = keep(
        lower,
        photos.surveyed(choosing).paths,
        views,
        draws=0,
        augment="none",
        seed=settings.seed,
        folder=folder,
        on_progress=lambda more, _: on_progress(done + more, total),
    )
    truth = photos.truth(training)
    counts = np.bincount(truth) if settings.class_weights == "balanced" else np.ones(int(truth.max()) + 1)
    weights = (1 / counts[truth]).astype(np.float32)
    return (
        TaughtPhotos(inputs, truth, weights / weights.mean()),
        ChoosingPhotos(kept, views, photos.truth(choosing)),
    )


def _inputs(
    lower: Lower,
    paths: Sequence[Path],
    settings: Settings,
    recipe: FineTuning,
    folder: Path,
    on_progress: OnProgress,
) -> tuple[PartInputs, int]:
    """The training photos, kept where the lower blocks are frozen and there is room; and how many are done."""
    views, seed = settings.views, settings.seed
    if lower.model is None or kept_bytes(lower, len(paths), len(views) + recipe.draws) > MAX_KEPT_BYTES:
        return Drawn(lower, paths, recipe.augment, seed), 0
    draws = 0 if recipe.augment == "none" else recipe.draws
    kept = keep(
        lower,
        paths,
        views,
        draws=draws,
        augment=recipe.augment,
        seed=seed,
        folder=folder,
        on_progress=on_progress,
    )
    return kept, len(paths)


def _planned_epochs(measured: UpperBlocks, most: int, budget: float, say: Say) -> int:
    """As many as so many seconds have room for, at least one; `measured` is used up."""
    began = time.monotonic()
    each = measured.epoch_seconds()
    left = budget - (time.monotonic() - began)
    planned = max(1, min(most, int(left / each)))
    say(f"an epoch takes {each:.1f} s and {max(0, left):.0f} s are left: {planned} epochs are planned")
    return planned


def _begun(start: Mapping[str, Array], photos: Partition, recipe: FineTuning) -> dict[str, Any]:
    """What a fine-tuning must find as it was when it goes on: name -> plain value."""
    weights, shown = hashlib.sha256(), hashlib.sha256()
    for name in sorted(start):
        weights.update(name.encode() + start[name].tobytes())
    splits: tuple[Split, ...] = ("train", "validation")
    for split in splits:
        for at in photos.positions(split):
            shown.update(
                f"{split} {photos.survey.looks.sha256(at)} {photos.dataset.rows[at].label}\n".encode()
            )
    asked = asdict(recipe)
    del asked["quantization_aware"]  # comes after it
    return {"weights or head": weights.hexdigest(), "photos": shown.hexdigest(), **asked}


def _of_this_version(
    found: saved_states.Saved, photos: Partition, recipe: FineTuning, books: Bookkeeping
) -> saved_states.Saved:
    """A state of version 0.1, which counted epochs and held the best parameters itself, as one of today.

    Raises KeyError or TypeError where it is none.
    """
    if "epochs" not in found.journal:
        return found
    before = found.journal
    per_epoch = -(-len(photos.positions("train")) // recipe.batch)
    rows = [
        {
            "epoch": epoch["number"],
            "loss": epoch["loss"],
            "validation_loss": epoch["validation_loss"],
            **{f"top1_{view}": top1 for view, top1 in epoch["top1"].items()},
            "learning_rate": epoch["learning_rate"],
        }
        for epoch in before["epochs"]
    ]
    score = {name: value for name, value in rows[before["best"]].items() if name.startswith(("val", "top1"))}
    best = {"step": before["best"] * per_epoch, **score}
    parameters = {
        name.removeprefix(BEST_BEFORE): array
        for name, array in found.arrays.items()
        if name.startswith(BEST_BEFORE)
    }
    books.archive(best["step"], parameters, score)
    arrays = {name: array for name, array in found.arrays.items() if not name.startswith(BEST_BEFORE)}
    journal = Journal(rows, rate=rows[-1]["learning_rate"], best=best, planned=before["planned"])
    return saved_states.Saved(found.step * per_epoch, arrays, {"training": journal.to_json()})
