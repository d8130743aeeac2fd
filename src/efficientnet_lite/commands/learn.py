"""The steps of `train`, in the three ways that a network learns.

A head alone is fitted on features; or the upper blocks learn on from there; or all of it learns by the reference's
recipe. Each way ends in a `Learned`, and leaves as a run by `run.publish`.
"""

import time
from collections.abc import Collection, Iterable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

from efficientnet_lite import extras
from efficientnet_lite.classifier.head import fit_on
from efficientnet_lite.features.backbone import backbone_of
from efficientnet_lite.features.feature_store import FeatureStore
from efficientnet_lite.neighbors.doubtful_photos import VIEW, by_features
from efficientnet_lite.photos.dataset import dataset_apart, open_dataset
from efficientnet_lite.photos.partition import Partition, divide
from efficientnet_lite.photos.rows import Row
from efficientnet_lite.quantize.learned.requirement import require_learned
from efficientnet_lite.run.arrivals import building
from efficientnet_lite.run.card import NewRun
from efficientnet_lite.run.folder import RUN
from efficientnet_lite.run.publish import Trained, publish_run
from efficientnet_lite.storage import files
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.targets import Apart, check_apart, check_folder
from efficientnet_lite.tflite.translations import read_translations
from efficientnet_lite.training import installed
from efficientnet_lite.training.job import Job
from efficientnet_lite.training.learned import Learned, of_head
from efficientnet_lite.training.settings import FRESH, Settings, starting_weights
from efficientnet_lite.training.training_data import copy_photos, open_training_data
from efficientnet_lite.training.working_folder import board_apart, check_place, clear, mark, working_folder
from efficientnet_lite.weights.published import sources_apart

MOST_LABELS = (
    50_000  # photos whose labels a training looks at, since each is compared with all; `check` takes more
)


def in_its_way(settings: Settings, job: Job) -> Trained | None:
    """What is asked for is checked, and the network learns; None on every host but the first of several."""
    started = time.monotonic()
    settings.check()
    job.check(settings)
    if settings.effort == "best":
        with extras.loading("TensorFlow", job.stage):
            require_learned()
    trained = whole_network(settings, job) if settings.recipe else from_features(settings, job)
    return None if trained is None else replace(trained, seconds=time.monotonic() - started)


def from_features(settings: Settings, job: Job) -> Trained:
    """A head is fitted on features, and the upper blocks learn on from there where that is asked for."""
    tuning, place = settings.fine_tuning, working_folder(job.out)
    if tuning is not None:
        _check_targets(settings, job, place, resume=job.resume)
        with extras.loading("Keras", job.stage):
            installed.require_fine_tuning(quantization_aware=tuning.quantization_aware)
    if job.tensorboard is not None:
        installed.require_tensorboard()
    dataset = open_dataset(job.photos, links=settings.links, class_folders=settings.class_folders)
    if settings.on_bad == "fail":
        dataset.require_all()
    apart = _apart(settings, job, dataset.rows)
    with ExitStack() as held:
        folder = held.enter_context(building(job.out, overwrite=job.overwrite, apart=apart))
        cache = held.enter_context(Cache())
        if tuning is not None:
            held.enter_context(files.locked(place))
            _begin_place(place, job, [*apart, Apart(job.out, "the target")])
        translations = read_translations(settings.labels_locale, dataset.labels)
        start = starting_weights(settings)
        backbone = backbone_of(str(settings.model), settings.plan(None), start.parameters, settings.contract)
        features = FeatureStore(backbone, dataset.rows, cache, job.workers)
        with job.stage("Looking at the photos") as on_progress:
            features.fill(settings.views, stop_on_bad=settings.on_bad == "fail", on_progress=on_progress)
        photos = divide(dataset, features.survey, fraction=settings.val, seed=settings.seed)
        with job.stage("Fitting the head") as on_progress:
            head = fit_on(features, photos, settings.views, settings.class_weights, on_progress=on_progress)
            learned = of_head(start, head)
        doubtful = tune = None
        if len(photos.survey.looks) <= MOST_LABELS:
            view = VIEW if VIEW in settings.views else settings.base_views[0]
            with job.stage("Looking at the labels") as on_progress:
                doubtful = by_features(features, photos, view=view, on_progress=on_progress)
        if tuning is not None:
            from efficientnet_lite.training.fine_tuned import fine_tune, int8_tuning  # Keras

            learned = fine_tune(learned, photos, settings, tuning, job, folder=folder, place=place)
            features = _features(f"{settings.model} fine-tuned", learned, photos, settings, job, cache)
            tune = int8_tuning(photos, settings, tuning, job, folder=folder, place=place)
        new = NewRun(job.out, job.photos, settings, photos, features, learned, doubtful, translations)
        trained = publish_run(folder, new, cache, job.stage, tune)
    if tuning is not None:
        clear(place)  # its states, which nobody needs any more
    return trained


def whole_network(settings: Settings, job: Job) -> Trained | None:
    """The whole network learns by a recipe; None on every host but the first of several."""
    place = working_folder(job.out)
    _check_targets(settings, job, place, resume=True)
    with extras.loading("Keras", job.stage):
        installed.require_recipe()
    if job.tensorboard is not None:
        installed.require_tensorboard()
    from efficientnet_lite.training import devices, pretraining  # Keras

    is_first = devices.join_hosts()
    with files.locked(place) if is_first else nullcontext(), Cache() as cache:
        if is_first:
            _begin_place(place, job, _apart(settings, job))
            mark(place)
        place.mkdir(parents=True, exist_ok=True)
        data = open_training_data(job.photos, settings, index=place, workers=job.workers, stage=job.stage)
        apart = _apart(settings, job, data.seen.dataset.rows if data.seen else ())
        for target in (job.out, place):
            check_apart(target, apart)
        translations = read_translations(settings.labels_locale, data.labels)
        start = None if settings.weights == FRESH else starting_weights(settings)
        learned = pretraining.pretrain(start, data, settings, job, place)
        if learned is None:
            return None
        with building(job.out, overwrite=job.overwrite, apart=apart) as folder:
            photos = data.seen or copy_photos(data, folder, settings.calibration, workers=job.workers)
            features = _features(str(settings.model), learned, photos, settings, job, cache)
            new = NewRun(job.out, job.photos, settings, photos, features, learned, None, translations)
            trained = publish_run(folder, new, cache, job.stage)
        clear(place)
    return trained


def _features(
    name: str, learned: Learned, photos: Partition, settings: Settings, job: Job, cache: Cache
) -> FeatureStore:
    """Those of photos that were looked at, by the backbone that has learned; made when asked for."""
    backbone = backbone_of(name, settings.plan(None), learned.weights.parameters, settings.contract)
    return FeatureStore(backbone, photos.dataset.rows, cache, job.workers, photos.survey.looks)


def _apart(settings: Settings, job: Job, rows: Iterable[Row] = ()) -> list[Apart]:
    """Places from which all that is written stays apart."""
    return [*dataset_apart(job.photos, rows), *sources_apart(settings.weights), *board_apart(job.tensorboard)]


def _check_targets(settings: Settings, job: Job, place: Path, *, resume: bool) -> None:
    """Refuse the run folder or the working folder before any work is done."""
    apart = _apart(settings, job)
    check_folder(job.out, RUN, overwrite=job.overwrite, apart=apart)
    check_place(place, resume=resume, overwrite=job.overwrite, apart=[*apart, Apart(job.out, "the target")])


def _begin_place(place: Path, job: Job, apart: Collection[Apart]) -> None:
    """The working folder, which is held now, with the states to go on from or none."""
    check_place(place, resume=job.resume, overwrite=job.overwrite, apart=apart)
    if not job.resume:
        clear(place)
