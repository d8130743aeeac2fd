"""`predict`: the best classes of each photo, one after another."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.dataset import FoundPhotos
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.progress import ShowStage, silent
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


def predict(
    model: str | Path,
    photos: FoundPhotos,
    *,
    top_k: int = 1,
    view: View | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    precision: RunPrecision | None = None,
    labels_map: Path | None = None,
    locale: str | None = None,
    stage: ShowStage = silent,
) -> Iterator[NamedPhoto]:
    """Open the model, and name what is in each photo as soon as it is asked for; then what was skipped before.

    Args:
        model: what `open_source` takes, with `weights`, `ema` and `precision`.
        top_k: how many classes to name.
        labels_map, locale: names of the classes, of a file or of the model in another language.

    Raises:
        UsageError: names are asked for in two ways, or in a language that the model has not.
        UnusableInput, ArtifactError: the model or the map cannot be used.
    """
    workers = min(cores(), len(photos.photos))
    opened = open_source(model, precision=precision, weights=weights, ema=ema, workers=workers)
    names = _names(opened, labels_map, locale)
    return _each(opened, photos, names, top_k, view, stage)


def _names(model: Model, labels_map: Path | None, locale: str | None) -> tuple[str, ...]:
    if labels_map is not None and locale is not None:
        raise UsageError("`labels_map=` and `locale=` exclude each other", where=CALL, fix="give one of them")
    if labels_map is not None:
        return read_labels_map(labels_map, model.classes)
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
