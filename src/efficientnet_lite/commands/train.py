"""`train`: photos become a proven classifier: what is asked for is checked here, its steps stand in `learn`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from efficientnet_lite.arguments import called, listed
from efficientnet_lite.bars import stages
from efficientnet_lite.commands import learn
from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.network.plan import model_name
from efficientnet_lite.notices import LOG
from efficientnet_lite.photos.contract import FIT_VIEWS, FitView
from efficientnet_lite.photos.dataset import dataset_place
from efficientnet_lite.photos.frames import DataFrame
from efficientnet_lite.progress import Progress
from efficientnet_lite.proof.gate import Bars
from efficientnet_lite.run.config_file import filled_by_config
from efficientnet_lite.run.folder import default_out
from efficientnet_lite.run.publish import Trained
from efficientnet_lite.runtimes.engine import chosen_workers
from efficientnet_lite.training.fine_tuning import Augment, BatchNorm, Optimizer, asked_for
from efficientnet_lite.training.job import Job
from efficientnet_lite.training.settings import FRESH, Settings
from efficientnet_lite.vocabulary import (
    CALIBRATION_PHOTOS,
    MAX_DROP,
    MIN_AGREEMENT,
    TRAINED_MODEL,
    ClassFolders,
    ClassWeights,
    Effort,
    OnBad,
    RecipeName,
)


@called
@filled_by_config
def train(
    photos: str | Path | DataFrame | None = None,
    out: str | Path | None = None,
    *,
    config: str | Path | None = None,
    val: float = 0.2,
    seed: int = 0,
    on_bad: OnBad = "skip",
    links: bool = True,
    class_folders: ClassFolders | None = None,
    labels_locale: Mapping[str, str | Path] | None = None,
    model: str = TRAINED_MODEL,
    weights: str | Path | None = None,
    weights_sha256: str | None = None,
    ema: bool = True,
    views: FitView | Sequence[FitView] = FIT_VIEWS,
    class_weights: ClassWeights = "none",
    calibration: int = CALIBRATION_PHOTOS,
    calibration_seed: int = 0,
    effort: Effort = "standard",
    max_drop: float = MAX_DROP,
    min_agreement: float = MIN_AGREEMENT,
    fine_tune: bool = False,
    fine_tune_blocks: int | Literal["all"] | None = None,
    batch_norm: BatchNorm | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    rate_decay: float | None = None,
    batch_size: int | None = None,
    augment: Augment | None = None,
    label_smoothing: float | None = None,
    mixup: float | None = None,
    ema_decay: float | None = None,
    patience: int | None = None,
    time_budget: str | float | None = None,
    quantization_aware: bool = False,
    tensorboard: str | Path | None = None,
    optimizer: Optimizer | None = None,
    warmup: float | None = None,
    weight_decay: float | None = None,
    draws: int | None = None,
    dropout: float | None = None,
    recipe: RecipeName | None = None,
    set: Mapping[str, object] | None = None,
    devices: int | None = None,
    data_processes: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress = False,
) -> Trained | None:
    """Make a classifier from photos: float32 and int8 files, proven.

    They are proven on the real runtime, and lie in a run folder with all about
    them.

    Args:
        photos: a folder with a folder per class; one with train/ and
            validation/ (and test/) folders of such; a CSV or JSONL manifest; a
            DataFrame of pandas or polars with its columns, path, label and
            perhaps split, relative paths counting from the current folder; or,
            for a recipe, a folder of record files (train-*, validation-*).
        out: the run folder to make; where None, runs/NAME, NAME that of the
            photos' folder or manifest.

    Data:
        config: the config.toml of a run; what the call leaves out is as it
            stands in it, the photos too.
        val: fraction of the photos that is kept back to judge by, where the
            data set does not say which.
        seed: of the choice of those, and of all chance in a training.
        on_bad: what to do about a photo that cannot be used: "skip" it and list
            it, or "fail".
        links: False skips every link in the data set instead of following it.
        class_folders: "outer" or "inner", where the folders can be read in two
            ways.
        labels_locale: class names in other languages: locale ("de") -> a text
            file with one a line.

    Head:
        model: "lite0" to "lite4"; with "@SIZE" for another input size than its
            own, as "lite4@300".
        weights: "imagenet" (installed), "hub" (download), the path of a
            checkpoint, or "none" (random); where None "imagenet", and with a
            recipe "none".
        weights_sha256: what they must be, to the bit.
        ema: of a checkpoint that has both, read the moving averages rather than
            the raw weights.
        views: how the head sees each photo while it is fitted: of "crop",
            "crop-mirrored", "squash" and "squash-mirrored" some; at least
            "crop" or "squash".
        class_weights: "balanced" gives every class the same say, however few
            its photos; or "none".

    Int8:
        calibration: how many training photos set the ranges of numbers in the
            int8 file, of every class in turn.
        calibration_seed: of the choice of those: another number takes others.
        effort: "standard", or "best": the int8 file learns for some minutes
            more, which needs the extra "train".
        max_drop: fraction of top-1 accuracy that the int8 file may lose; beyond
            it nothing is published.
        min_agreement: fraction of photos on which int8 and float32 must name
            the same class.

    Fine-tuning, which needs the extra "train"; what is None has the measured
    default:
        fine_tune: let the upper blocks of the network learn too.
        fine_tune_blocks: how many of them (5), or "all" for the whole network.
        batch_norm: "frozen" (the default) normalizes by the statistics of the
            weights that training begins with; or "train".
        epochs: at most so many (8; 30 with `time_budget`).
        learning_rate: the highest, of the head (3e-4); blocks below learn more
            slowly.
        rate_decay: rate of a block as a fraction of that of the block above it
            (0.8).
        batch_size: photos in a step (32).
        augment: how photos are varied: "none", "light" (the default: moved,
            tinted), or "rand" (zoomed, distorted by RandAugment).
        label_smoothing: share of a label that is spread over all classes (0.1).
        mixup: how strongly two photos are mixed into one, the alpha of mixup; 0
            (the default) is off.
        ema_decay: of the moving average of the weights, which is what is kept
            (0.99); 0 is off.
        patience: epochs without a better one after which training ends (5).
        time_budget: plan the epochs to fit: "90s", "20m", "1.5h", or a number
            of seconds.
        quantization_aware: when all that is done, let the integers of the int8
            file learn to answer as float32 does, from the training photos
            without their labels; kept where the int8 file is better for it.
            For networks that lose much otherwise: it takes as long as several
            epochs of the whole network.
        tensorboard: folder for event files that TensorBoard shows, also of a
            recipe.
        optimizer: "adamw" (the default) or "sgd".
        warmup: epochs of linearly growing rate (1).
        weight_decay: decoupled, times the rate (0).
        draws: random views of a photo that are computed once, where blocks are
            frozen (6).
        dropout: before the head (0.2).

    Recipe, in place of all that; it needs the extra "train":
        recipe: "imagenet", the reference's recipe: the whole network learns,
            from random weights or `weights`.
        set: fields of the recipe -> values, such as {"batch": 64, "epochs":
            100}.
        devices: of JAX, how many share each batch; all where None. Of several
            hosts each calls this.
        data_processes: how many prepare images, for machines with many cores;
            0: threads of this one do.
        resume: go on with a training into `out` that did not end, also of
            `fine_tune`; begin where there is none.

    Output:
        overwrite: replace an earlier run, and forget the states of a training;
            what is not ours in it stays.
        workers: threads; one for each core where None.
        progress: True shows bars, and a line for each epoch.

    Returns:
        The published run, its folder as `run`; None on every host but the first
        of several.

    Raises:
        UsageError, UnusableDataset, UnusableInput, ArtifactError, OutputFailed:
            before anything is written.
        UsageError, CheckpointError: a training cannot go on from its states, or
            its loss is no number any more.
        KeyboardInterrupt: a signal came; what was done by a recipe is saved.
        VerificationFailed: a file is too far from what it was made of; nothing
            is published.

    Example:
        >>> import efficientnet_lite as el
        >>> trained = el.train("photos/", "runs/clothing", model="lite1")
        >>> trained.run.name, trained.accounting.used
        ('clothing', 36)
        >>> trained.summary.next_lines[0]
        'efficientnet-lite predict runs/clothing photo.jpg'
    """
    if photos is None:
        raise UsageError(
            "no `photos=` are given", where=CALL, fix="give a folder or a manifest, or `config=` of a run"
        )
    settings = Settings(
        model=model_name(model),
        weights=str(weights if weights is not None else FRESH if recipe else "imagenet"),
        weights_sha256=weights_sha256,
        ema=ema,
        val=val,
        seed=seed,
        views=cast("tuple[FitView, ...]", listed(views)),
        class_weights=class_weights,
        calibration=calibration,
        calibration_seed=calibration_seed,
        effort=effort,
        bars=Bars(max_drop, min_agreement),
        on_bad=on_bad,
        links=links,
        class_folders=class_folders,
        labels_locale={locale: Path(file) for locale, file in (labels_locale or {}).items()},
        fine_tuning=asked_for(
            fine_tune,
            fine_tune_blocks=fine_tune_blocks,
            batch_norm=batch_norm,
            epochs=epochs,
            learning_rate=learning_rate,
            rate_decay=rate_decay,
            batch_size=batch_size,
            augment=augment,
            label_smoothing=label_smoothing,
            mixup=mixup,
            ema_decay=ema_decay,
            patience=patience,
            time_budget=time_budget,
            quantization_aware=quantization_aware or None,
            optimizer=optimizer,
            warmup=warmup,
            weight_decay=weight_decay,
            draws=draws,
            dropout=dropout,
        ),
        recipe=recipe,
        set={name: str(value) for name, value in (set or {}).items()},
    )
    place = dataset_place(photos)
    job = Job(
        photos=place,
        out=default_out(place) if out is None else Path(out),
        resume=resume,
        overwrite=overwrite,
        tensorboard=None if tensorboard is None else Path(tensorboard),
        devices=devices,
        processes=data_processes,
        workers=chosen_workers(workers),
        stage=stages(progress),
        say=LOG.info,
        warn=LOG.warning,
    )
    return learn.in_its_way(settings, job)
