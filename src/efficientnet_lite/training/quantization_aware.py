"""Quantization-aware tuning: the integers of an int8 file go on learning from the float network's answers.

The last resort where a file loses much. It begins with what the closed form made, uses the training photos without
their labels, and is judged before the first step and after each epoch as the written file answers on LiteRT.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.metrics import agreement, snr_db
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import LOGITS, Conv, Dense, Plan
from efficientnet_lite.photos.partition import Partition
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize.integer_outputs import integer_outputs
from efficientnet_lite.quantize.learned.simulation import Simulation
from efficientnet_lite.quantize.method import Quantized
from efficientnet_lite.runtimes.file_answers import FileAnswers
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.tflite.int8 import IntegerNetwork
from efficientnet_lite.training import loop
from efficientnet_lite.training.bookkeeping import Bookkeeping, board_in
from efficientnet_lite.training.code_learner import CodeLearner, Judge, UnlabelledPhotos
from efficientnet_lite.training.code_tuning import CodeTuning, Tune, TunedIntegers
from efficientnet_lite.training.fine_tuning import Augment, upper_part
from efficientnet_lite.training.job import Job
from efficientnet_lite.training.kept_features import Drawn, Lower, keep
from efficientnet_lite.training.learner import Journal, Scores
from efficientnet_lite.training.settings import Settings
from efficientnet_lite.training.working_folder import integers_folder

MOST_JUDGING = 1000  # validation photos that are looked at after each epoch
NO_NOISE_DB = 200.0  # for JSON, which knows no infinity
EDGE = 0.25  # of a code: how far a weight lies at most, at the start, from the code that it is rounded to


def tuner(photos: Partition, settings: Settings, job: Job, *, folder: Path, place: Path) -> Tune:
    """`learn_integers` of a network that is yet to be quantized."""

    def tune(plan: Plan, layers: Mapping[str, Layer], start: Quantized) -> TunedIntegers:
        recipe = CodeTuning()
        return learn_integers(plan, layers, start, photos, settings, recipe, job, folder=folder, place=place)

    return tune


def learn_integers(
    plan: Plan,
    layers: Mapping[str, Layer],
    start: Quantized,
    photos: Partition,
    settings: Settings,
    recipe: CodeTuning,
    job: Job,
    *,
    folder: Path,
    place: Path,
) -> TunedIntegers:
    """Let the codes and biases of `start` learn to answer as `layers` do.

    Of all epochs that one is kept whose file has the best logit SNR on validation photos, among those that change no
    more answers than the file of `start`; where there is none, that stays.

    Args:
        layers: the float network.
        folder: for a file without a name that holds what does not fit into memory.
        place: the working folder of the training. It gets the state behind each epoch, and the newest one there is
            gone on from.

    Raises:
        UsageError: the loss is no number any more, or the states are of another network.
        CheckpointError: the states are damaged.
        UnreadablePhoto: a photo has changed meanwhile.
        KeyboardInterrupt: somebody asked for it; the last epoch that was completed is gone on from.
    """
    teacher = FileAnswers(write_float(plan, layers, outputs=(LOGITS,)), workers=job.workers)
    lower = Lower(upper_part(plan, None), settings.contract, None, job.workers)
    training = photos.positions("train")
    augment: Augment = settings.fine_tuning.augment if settings.fine_tuning else "light"
    images = Drawn(lower, photos.surveyed(training).paths, augment, settings.seed)
    with job.stage("Looking at validation photos") as on_progress:
        judge, true = _judge(plan, teacher, lower, photos, settings, job, folder, on_progress)
    learner = CodeLearner(
        Simulation(plan, start.network, near_codes(plan, start)),
        recipe,
        UnlabelledPhotos(images, len(training), teacher),
        judge,
        power=float(np.square(true - true.mean(axis=1, keepdims=True)).mean()),
        seed=settings.seed,
    )
    with board_in(job.tensorboard) as board:
        books = Bookkeeping(
            integers_folder(place), _begun(start.network, recipe), say=job.say, warn=job.warn, board=board
        )
        found, journal = books.newest(), Journal()
        if found is not None:
            with books.taking(found):
                journal = Journal.of_json(found.journal["training"])
                learner.restore(found.arrays, found.step, journal.rows[0])
            job.say(f"int8 goes on behind epoch {journal.rows[-1]['epoch']} of {recipe.epochs}")
        try:
            with job.stage("Quantization-aware tuning") as on_progress:
                books.on_step = lambda done: on_progress(done, learner.timetable.total)
                loop.train(learner, journal, books)
                on_progress(learner.done, learner.done)
        except KeyboardInterrupt:
            job.say(
                "interrupted: the same command with `resume=True` goes on behind the last epoch that was completed"
            )
            raise
    best = journal.best_epoch(learner.timetable.per_epoch) or 0
    if best == 0:
        return TunedIntegers(start.network, recipe, tuple(journal.rows), 0)
    learner.take(books.best(journal))
    return TunedIntegers(learner.network(), recipe, tuple(journal.rows), best)


def near_codes(plan: Plan, start: Quantized) -> dict[str, Array]:
    """Layer -> the float kernel in steps of its scales, held where each weight is rounded to its code in `start`."""
    kernels = {}
    for step in plan.steps:
        if isinstance(step, Conv | Dense):
            layer = start.network.layers[step.name]
            along = layer.scales[:, None] if isinstance(step, Conv) and step.depthwise else layer.scales
            codes = layer.kernel.astype(np.float32)
            kernels[step.name] = np.clip(
                start.prepared[step.name].kernel / along, codes - EDGE, codes + EDGE
            ).astype(np.float32)
    return kernels


def _judge(
    plan: Plan,
    teacher: FileAnswers,
    lower: Lower,
    photos: Partition,
    settings: Settings,
    job: Job,
    folder: Path,
    on_progress: OnProgress,
) -> tuple[Judge, Array]:
    """Who says how near the file of a network is to float, and float's logits on the photos by which he does."""
    choosing = photos.positions("validation")
    every = -(-len(choosing) // MOST_JUDGING)
    kept = keep(
        lower,
        photos.surveyed(choosing[::every]).paths,
        settings.base_views,
        draws=0,
        augment="none",
        seed=settings.seed,
        folder=folder,
        on_progress=on_progress,
    )
    seen = kept.values.reshape(-1, plan.size, plan.size, 3)
    true = teacher(seen)

    def judge(network: IntegerNetwork) -> Scores:
        found = integer_outputs(plan, network, LOGITS, seen, workers=job.workers)
        return {"snr_db": min(snr_db(true, found), NO_NOISE_DB), "agreement": agreement(true, found)}

    return judge, true


def _begun(network: IntegerNetwork, recipe: CodeTuning) -> dict[str, Any]:
    """What a tuning must find as it was when it goes on: name -> plain value."""
    digest = hashlib.sha256()
    for name, layer in sorted(network.layers.items()):
        for array in (layer.kernel, layer.scales, layer.bias):
            digest.update(name.encode() + array.tobytes())
    digest.update(repr(sorted(network.tensors.items())).encode())
    return {"the int8 network": digest.hexdigest(), **asdict(recipe)}
