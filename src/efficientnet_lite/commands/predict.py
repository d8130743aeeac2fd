"""`predict`: the best classes of each photo, one after another."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import CALL, UsageError, wrong_argument
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.dataset import FoundPhotos
from efficientnet_lite.photos.found import PhotoPaths, find_photos
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.progress import Progress, ShowStage, silent
from efficientnet_lite.run.source import open_source
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.runtimes.labels_map import read_labels_map
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.runtimes.prediction import Prediction, best_of
from efficientnet_lite.vocabulary import RunPrecision


@dataclass(frozen=True, slots=True)
class NamedPhoto:
    """A photo and its best classes, the surest first; or why there are none."""

    path: Path
    name: str  # to show
    predictions: tuple[Prediction, ...]
    reason: str | None = None
    with_synsets: bool = False  # the model's classes are ImageNet's


@called
def predict(
    model: str | Path,
    photos: PhotoPaths,
    *,
    top_k: int = 1,
    view: View | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    precision: RunPrecision | None = None,
    labels_map: str | Path | None = None,
    locale: str | None = None,
    links: bool = True,
    progress: Progress = False,
) -> list[NamedPhoto]:
    """Name what is in each photo.

    For pixels, and for photos as they come, there is `load(model).predict` and
    `load(model).classify`.

    Args:
        model: a .tflite file, a run folder, a checkpoint, or a model such as
            "lite1".
        photos: files, folders (searched recursively) or globs, one or several.
        top_k: how many classes to name for each photo.
        view: how the photo is looked at, instead of the model's own way:
            "crop", "squash", "mediapipe", "android-bitmap" or "reference".
        weights: for a model name: "imagenet", "hub", or the path of a
            checkpoint.
        ema: of a checkpoint that has both, read the moving averages rather than
            the raw weights.
        precision: of a run, which file to use, "float32" or "int8"; int8 where
            None.
        labels_map: class names instead of the file's own: one a line, or JSON
            such as {"0": "tench"}.
        locale: language of the class names, where the file has several.
        links: False skips every link instead of following it.
        progress: True shows a bar.

    Returns:
        One for each photo: its `path`, and its `predictions`, the surest first,
        each with `label`, `index` and `probability`; or the `reason` why there
        are none.

    Raises:
        UsageError: names are asked for in two ways, or in a language that the
            model has not.
        UnusableInput, ArtifactError: no photo is found, or the model or the map
            cannot be used.

    Example:
        >>> import efficientnet_lite as el
        >>> photos = ["photo.jpg", "photos/shoes/*.jpg"]
        >>> for photo in el.predict("runs/clothing", photos):
        ...     best = photo.predictions[0]
        ...     print(photo.name, best.label)
        photo.jpg shirt
        photos/shoes/01.jpg shoes
    """
    if top_k < 1:
        raise wrong_argument("top_k", top_k, fix="give at least 1")
    named = predict_each(
        model,
        find_photos(photos, links=links),
        top_k=top_k,
        view=view,
        weights=weights,
        ema=ema,
        precision=precision,
        labels_map=labels_map,
        locale=locale,
        stage=stages(progress),
    )
    return list(named)


def predict_each(
    model: str | Path,
    photos: FoundPhotos,
    *,
    top_k: int = 1,
    view: View | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    precision: RunPrecision | None = None,
    labels_map: str | Path | None = None,
    locale: str | None = None,
    stage: ShowStage = silent,
) -> Iterator[NamedPhoto]:
    """Open the model, and name what is in each photo as soon as it is asked for; then what was skipped before.

    Arguments and errors are those of `predict`.
    """
    workers = min(cores(), len(photos.photos))
    opened = open_source(model, precision=precision, weights=weights, ema=ema, workers=workers)
    names = _names(opened, labels_map, locale)
    return _each(opened, photos, names, top_k, view, stage)


def _names(model: Model, labels_map: str | Path | None, locale: str | None) -> tuple[str, ...]:
    if labels_map is not None and locale is not None:
        raise UsageError("`labels_map=` and `locale=` exclude each other", where=CALL, fix="give one of them")
    if labels_map is not None:
        return read_labels_map(Path(labels_map), model.classes)
    return model.names if locale is None else model.names_in(locale)


def _each(
    model: Model, photos: FoundPhotos, names: tuple[str, ...], top_k: int, view: View | None, stage: ShowStage
) -> Iterator[NamedPhoto]:
    synsets = model.synsets
    listed = [*photos.photos, *((Path(each.name), each.name) for each in photos.skipped)]
    with stage("Predicting") as on_progress:
        predicted = model.predict_each((path for path, _ in photos.photos), view=view)
        outcomes = chain(predicted, (Refused(each.name, each.reason) for each in photos.skipped))
        for number, ((path, name), outcome) in enumerate(zip(listed, outcomes, strict=True), 1):
            on_progress(min(number, len(photos.photos)), len(photos.photos))
            if isinstance(outcome, Refused):
                yield NamedPhoto(path, name, (), outcome.reason, synsets is not None)
            else:
                best = best_of(outcome, top_k, names, synsets)
                yield NamedPhoto(path, name, best, with_synsets=synsets is not None)
