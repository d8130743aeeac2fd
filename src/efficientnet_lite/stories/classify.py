"""`train`: a folder of photos -> features -> a head -> float32 and int8 files -> proof -> a run folder."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from efficientnet_lite.classifier.features import Backbone, FeatureStore
from efficientnet_lite.classifier.head import ClassWeights, Head, fit_head
from efficientnet_lite.errors import UnusableInput, wrong_argument
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import Plan, make_plan, model_name
from efficientnet_lite.photos.contract import FIT_VIEWS, Contract, FitView
from efficientnet_lite.photos.dataset import Dataset, open_dataset
from efficientnet_lite.photos.layout import ClassFolders
from efficientnet_lite.photos.partition import plan_split
from efficientnet_lite.photos.places import dataset_apart
from efficientnet_lite.progress import OnProgress, ShowStage, silent
from efficientnet_lite.proof.gate import MAX_DROP, MIN_AGREEMENT, Bars
from efficientnet_lite.quantize import calibration
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.storage import files
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.targets import Apart, check_folder
from efficientnet_lite.stories import finetune
from efficientnet_lite.stories.finish import Finished, Trained, publish_run
from efficientnet_lite.stories.material import Material, OnBad, Settings
from efficientnet_lite.stories.translations import read_translations
from efficientnet_lite.stories.workplace import board_apart, check_place, clear, working_folder
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.training.finetune import FineTuning
from efficientnet_lite.training.learned import of_head
from efficientnet_lite.weights.published import sources_apart
from efficientnet_lite.weights.read import Weights, load_weights


def train(
    photos: str | Path,
    out: str | Path,
    *,
    model: str = "lite1",
    weights: str = "imagenet",
    weights_sha256: str | None = None,
    ema: bool = True,
    val: float = 0.2,
    seed: int = 0,
    views: Sequence[FitView] = FIT_VIEWS,
    class_weights: ClassWeights = "none",
    calibration_photos: int = calibration.PHOTOS,
    max_drop: float = MAX_DROP,
    min_agreement: float = MIN_AGREEMENT,
    on_bad: OnBad = "skip",
    links: bool = True,
    class_folders: ClassFolders | None = None,
    overwrite: bool = False,
    labels_locale: Mapping[str, Path] | None = None,
    fine_tuning: FineTuning | None = None,
    resume: bool = False,
    tensorboard: str | Path | None = None,
    workers: int | None = None,
    stage: ShowStage = silent,
    say: Callable[[str], None] = lambda line: None,
    warn: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Make a classifier from photos, prove it on the real runtime, and publish it as a run folder.

    Args:
        photos: a folder with a folder per class, one with train/ and validation/ (and test/) folders of
            such, or a CSV or JSONL manifest.
        out: the run folder to make.
        model: "lite0" to "lite4", with "@SIZE" for another input size than its own.
        weights: "imagenet", "hub", or the path of a checkpoint.
        weights_sha256: refuse weights of another content.
        ema: of a checkpoint that has both, read the moving averages rather than the raw weights.
        val: fraction of the photos that is kept back for choosing, where the data set does not say.
        views: the views of each photo that the head is fitted on; "crop" or "squash" is among them.
        class_weights: "balanced" gives every class the same say.
        calibration_photos: training photos that set the int8 ranges.
        max_drop, min_agreement: what the int8 file may lose; see `proof.gate`.
        on_bad: "fail" stops at the first photo that would be skipped.
        links, class_folders: how the photos are read; see `photos.dataset.open_dataset`.
        overwrite: replace an earlier run; what is not ours in it stays.
        labels_locale: locale ("de") -> a text file with the class names in that language, one a line.
        fine_tuning: let the upper blocks learn too; needs the extra `train`.
        resume: go on with a fine-tuning into `out` that did not end; begin it where there is none.
        tensorboard: folder for the figures of the fine-tuning, as TensorBoard reads them.
        stage: shows progress; see `progress`.
        say: takes what a person may follow meanwhile, one line an epoch.
        warn: takes what a person should look at, such as a saved state that is damaged.

    Raises:
        UsageError, UnusableDataset, UnusableInput, ArtifactError, OutputFailed: before anything is written.
        VerificationFailed: a file is too far from its parent; nothing is published.
    """
    photos, out = Path(photos), Path(out)
    place = working_folder(out)
    settings = Settings(
        model_name(model),
        str(weights),
        ema,
        val,
        seed,
        tuple(views),
        class_weights,
        calibration_photos,
        Bars(max_drop, min_agreement),
        on_bad,
        fine_tuning,
        tuple(f"{locale}={Path(file).absolute()}" for locale, file in (labels_locale or {}).items()),
        links,
        class_folders,
    )
    _check(settings, photos)
    sources = [*sources_apart(weights), *board_apart(tensorboard)]
    if fine_tuning is not None:
        check_folder(out, run_folder.RUN, overwrite=overwrite, apart=[*dataset_apart(photos), *sources])
        check_place(place, resume=resume, overwrite=overwrite, apart=[*dataset_apart(photos), *sources])
        finetune.require_keras()
    board = finetune.require_tensorboard(tensorboard, settings) if tensorboard is not None else None
    dataset = open_dataset(photos, links=links, class_folders=class_folders)
    if on_bad == "fail":
        dataset.require_all()
    apart = [*dataset_apart(photos, dataset.rows), *sources]
    with ExitStack() as held:
        folder = held.enter_context(run_folder.building(out, overwrite=overwrite, apart=apart))
        cache = held.enter_context(Cache())
        if fine_tuning is not None:
            held.enter_context(files.locked(place))
            check_place(place, resume=resume, overwrite=overwrite, apart=[*apart, Apart(out, "the target")])
            if not resume:
                clear(place)
        translations = read_translations(labels_locale or {}, dataset.labels)
        loaded = load_weights(settings.model.variant, weights, ema=ema)
        _check_same(loaded.sha256, weights_sha256, weights)
        plan = make_plan(settings.model.variant, size=settings.model.size, classes=len(dataset.labels))
        layers = fold(
            make_plan(settings.model.variant, size=settings.model.size, classes=None), loaded.parameters
        )
        contract = Contract(settings.model.size, view=settings.base_views[0])
        backbone = Backbone(str(settings.model), write_float(plan, layers, outputs=("features",)), contract)
        store = FeatureStore(backbone, dataset.rows, cache, workers or cores())
        material = _gather(dataset, store, settings, stage)
        with stage("Fitting the head") as on_progress:
            learned = of_head(loaded, _fit(material, settings, on_progress))
        if fine_tuning is not None:
            learned = finetune.fine_tune(
                learned,
                material,
                settings,
                fine_tuning,
                folder=folder,
                place=place,
                resume=resume,
                stage=stage,
                say=say,
                warn=warn,
                tensorboard=board,
            )
            material = _seen_by(learned.weights, material, plan)
        trained = publish_run(
            folder,
            Finished(
                out,
                photos,
                settings,
                contract,
                material,
                learned,
                plan,
                translations,
            ),
            cache,
            stage,
        )
    if fine_tuning is not None:
        clear(place)  # its states, which nobody needs any more
    return trained


def _check(settings: Settings, photos: Path) -> None:
    """Refuse what makes no sense, before any work is done."""
    views, classes = settings.views, settings.class_weights
    rules: tuple[tuple[str, object, bool, str], ...] = (
        ("views", list(views), set(views) <= set(FIT_VIEWS), f"choose from {', '.join(FIT_VIEWS)}"),
        ("views", list(views), bool(settings.base_views), "keep crop or squash among them"),
        ("val", settings.fraction, 0 < settings.fraction < 1, "give a fraction between 0 and 1"),
        (
            "seed",
            settings.seed,
            settings.fine_tuning is None or 0 <= settings.seed < 2**32,
            f"give 0 to {2**32 - 1}, with fine-tuning",
        ),
        ("calibration_photos", settings.calibration, settings.calibration >= 1, "give at least 1 photo"),
        ("class_weights", classes, classes in get_args(ClassWeights), f"give {_either(ClassWeights)}"),
        ("on_bad", settings.on_bad, settings.on_bad in get_args(OnBad), f"give {_either(OnBad)}"),
    )
    for argument, value, holds, fix in rules:
        if not holds:
            raise wrong_argument(argument, value, fix=fix)
    settings.bars.check()
    if settings.fine_tuning is not None:
        settings.fine_tuning.check(make_plan(settings.model.variant))
    if not files.exists(photos):
        raise UnusableInput(
            files.missing(photos, "folder or file"),
            where=photos,
            fix="give the folder of photos or a manifest",
        )


def _either(kind: object) -> str:
    return " or ".join(get_args(kind))


def _check_same(found: str, wanted: str | None, where: str) -> None:
    """Refuse weights that are not those which a config was written with."""
    if wanted not in (None, found):
        raise UnusableInput(
            f"the weights have the SHA-256 {found}, but weights_sha256 in the config is {wanted}",
            where=where,
            fix="give those that the run was made with, or others with `weights=`",
        )


def _gather(dataset: Dataset, store: FeatureStore, settings: Settings, stage: ShowStage) -> Material:
    """Look at every photo, extract its features, and split."""
    with stage("Looking at the photos") as on_progress:
        store.fill(settings.views, stop_on_bad=settings.on_bad == "fail", on_progress=on_progress)
    dataset.check_usable(store.refused)
    assignment = plan_split(dataset, store.looks, fraction=settings.fraction, seed=settings.seed)
    assignment.check_labels(dataset, store.looks)
    return Material(dataset, store, assignment)


def _seen_by(weights: Weights, material: Material, plan: Plan) -> Material:
    """The same photos, whose features are those of the backbone with these weights, made when asked for."""
    store = material.store
    model = write_float(plan, fold(plan, weights.parameters), outputs=("features",))
    backbone = Backbone(f"{store.backbone.name} fine-tuned", model, store.backbone.contract)
    seen = FeatureStore(backbone, store.rows, store.cache, store.workers, store.looks, store.refused)
    return replace(material, store=seen)


def _fit(material: Material, settings: Settings, on_progress: OnProgress) -> Head:
    training, validation = material.positions("train"), material.positions("validation")
    store, truth = material.store, material.truth(training)
    features = np.concatenate([store.matrix(training, view) for view in settings.views])
    return fit_head(
        features,
        np.tile(truth, len(settings.views)),
        {view: store.matrix(validation, view) for view in settings.base_views},
        material.truth(validation),
        classes=len(material.dataset.labels),
        class_weights=settings.class_weights,
        on_progress=on_progress,
    )
