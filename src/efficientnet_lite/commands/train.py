"""`train`: photos become a proven classifier: what is asked for is checked here, its steps stand in `learn`."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.commands import learn
from efficientnet_lite.network.plan import model_name
from efficientnet_lite.notices import Say
from efficientnet_lite.photos.contract import FIT_VIEWS, FitView
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof.gate import Bars
from efficientnet_lite.run.folder import default_out
from efficientnet_lite.run.publish import Trained
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.training.fine_tuning import FineTuning
from efficientnet_lite.training.job import Job
from efficientnet_lite.training.settings import FRESH, Settings
from efficientnet_lite.vocabulary import (
    CALIBRATION_PHOTOS,
    MAX_DROP,
    MIN_AGREEMENT,
    ClassFolders,
    ClassWeights,
    OnBad,
    RecipeName,
)


@called
def train(
    photos: str | Path,
    out: str | Path | None = None,
    *,
    model: str = "lite1",
    weights: str | Path | None = None,
    weights_sha256: str | None = None,
    ema: bool = True,
    val: float = 0.2,
    seed: int = 0,
    views: Sequence[FitView] = FIT_VIEWS,
    class_weights: ClassWeights = "none",
    calibration_photos: int = CALIBRATION_PHOTOS,
    max_drop: float = MAX_DROP,
    min_agreement: float = MIN_AGREEMENT,
    on_bad: OnBad = "skip",
    links: bool = True,
    class_folders: ClassFolders | None = None,
    labels_locale: Mapping[str, Path] | None = None,
    fine_tuning: FineTuning | None = None,
    recipe: RecipeName | None = None,
    set: Mapping[str, object] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    tensorboard: str | Path | None = None,
    devices: int | None = None,
    data_processes: int = 0,
    workers: int | None = None,
    stage: ShowStage = silent,
    say: Say = lambda line: None,
    warn: Say = lambda line: None,
) -> Trained | None:
    """Make a classifier from photos, prove it on the real runtime, and publish it as a run folder.

    What is not named here is a setting that config.toml holds: see `training.settings.Settings`.

    Args:
        photos: a folder with a folder per class, one with train/ and validation/ (and test/) folders of such, a CSV or
            JSONL manifest, or, for a recipe, a folder of record files (train-*, validation-*).
        out: the run folder to make; where None, runs/NAME, NAME that of the photos' folder or manifest.
        model: "lite0" to "lite4", with "@SIZE" for another input size than its own.
        weights: where None, "imagenet", and with a recipe "none".
        max_drop, min_agreement: what the int8 file may lose; see `proof.gate`.
        resume: go on with a fine-tuning or a recipe into `out` that did not end; begin it where there is none.
        overwrite: replace an earlier run, and forget states of a training; what is not ours stays.
        tensorboard: folder for the figures of a training, as TensorBoard reads them.
        devices: of JAX, how many work on each batch of a recipe; None: all. With several hosts, see
            `training.devices.connect`, each process calls this; the first one writes.
        data_processes: that prepare images for a recipe, each with `workers` threads; 0: threads of this one do.
        stage: shows progress; see `progress`.
        say: takes what a person may follow meanwhile, one line an epoch.
        warn: takes what a person should look at, such as a saved state that is damaged.

    Returns:
        The published run; None on every host but the first of several.

    Raises:
        UsageError, UnusableDataset, UnusableInput, ArtifactError, OutputFailed: before anything is written.
        UsageError, CheckpointError: a training cannot go on from its states, or its loss is no number any more.
        KeyboardInterrupt: a signal came; what was done by a recipe is saved.
        VerificationFailed: a file is too far from its parent; nothing is published.
    """
    started = time.monotonic()
    settings = Settings(
        model=model_name(model),
        weights=str(weights if weights is not None else FRESH if recipe else "imagenet"),
        weights_sha256=weights_sha256,
        ema=ema,
        val=val,
        seed=seed,
        views=tuple(views),
        class_weights=class_weights,
        calibration_photos=calibration_photos,
        bars=Bars(max_drop, min_agreement),
        on_bad=on_bad,
        links=links,
        class_folders=class_folders,
        labels_locale={locale: Path(file) for locale, file in (labels_locale or {}).items()},
        fine_tuning=fine_tuning,
        recipe=recipe,
        set={name: str(value) for name, value in (set or {}).items()},
    )
    job = Job(
        photos=Path(photos),
        out=default_out(Path(photos)) if out is None else Path(out),
        resume=resume,
        overwrite=overwrite,
        tensorboard=None if tensorboard is None else Path(tensorboard),
        devices=devices,
        processes=data_processes,
        workers=workers or cores(),
        stage=stage,
        say=say,
        warn=warn,
    )
    settings.check()
    job.check(settings)
    trained = learn.whole_network(settings, job) if settings.recipe else learn.from_features(settings, job)
    return None if trained is None else replace(trained, seconds=time.monotonic() - started)
