"""`evaluate`: how good a model is on labelled photos, as each consumer sees them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.photos.contract import View
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof.evaluate import Measured, measure
from efficientnet_lite.proof.judged import from_dataset, from_indices
from efficientnet_lite.run.source import open_source
from efficientnet_lite.vocabulary import ClassFolders, RunPrecision


def evaluate(
    model: str | Path,
    data: Path | None = None,
    *,
    views: Sequence[View] = (),
    split: Literal["train", "validation", "test", "all"] | None = None,
    images: str | None = None,
    labels: Path | None = None,
    links: bool = True,
    class_folders: ClassFolders | None = None,
    num_images: int | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    precision: RunPrecision | None = None,
    stage: ShowStage = silent,
) -> Measured:
    """Measure a model on a data set, or on a glob of photos with a file of class indices.

    Args:
        model: what `open_source` takes, with `weights`, `ema` and `precision`.
        data: a data set whose classes the model knows, with `split`, `links` and `class_folders`.
        views: how photos are looked at; where none is given the model's own way, or "reference" for `images`.
        images, labels, num_images: instead of a data set: the glob, the file, and how many photos at most.

    Raises:
        UsageError: photos are named in both ways or in neither, or an option belongs to the other way.
        UnusableInput, ArtifactError: the model, the data set or every photo cannot be used.
    """
    if (data is None) == (images is None) or (images is None) != (labels is None):
        raise UsageError(
            "photos come as a data set, or as `images=` with `labels=`", where=CALL, fix="give one of the two"
        )
    if data is None:
        _refuse({"split=": split, "links=False": not links, "class_folders=": class_folders}, "a data set")
    else:
        _refuse({"num_images=": num_images}, "`images=`")
    opened = open_source(model, precision=precision, weights=weights, ema=ema)
    usual: View
    if images is not None and labels is not None:
        judged, usual = from_indices(images, labels, opened, num_images), "reference"
    else:
        assert data is not None
        judged = from_dataset(data, opened, split, links=links, class_folders=class_folders)
        usual = opened.contract.view
    with stage("Evaluating") as on_progress:
        return measure(opened, judged, tuple(dict.fromkeys(views)) or (usual,), on_progress=on_progress)


def _refuse(options: dict[str, object], user: str) -> None:
    """Raises UsageError for the first option that was given though photos come the other way."""
    for option in (option for option, value in options.items() if value):
        raise UsageError(f"`{option}` is for {user}", where=CALL, fix="leave it out")
