"""`evaluate`: how good a model is on labelled photos, as each consumer sees them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from efficientnet_lite.arguments import called
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import CALL, UsageError, wrong_argument
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.dataset import dataset_place
from efficientnet_lite.photos.frames import DataFrame
from efficientnet_lite.progress import Progress
from efficientnet_lite.proof.evaluate import Measured, measure
from efficientnet_lite.proof.judged import from_dataset, from_indices
from efficientnet_lite.run.folder import is_run, open_run
from efficientnet_lite.run.proven import trained_on
from efficientnet_lite.run.source import open_source
from efficientnet_lite.vocabulary import ClassFolders, RunPrecision


@called
def evaluate(
    model: str | Path,
    data: str | Path | DataFrame | None = None,
    *,
    view: View | Sequence[View] = (),
    split: Literal["train", "validation", "test", "all"] | None = None,
    images: str | None = None,
    labels: str | Path | None = None,
    links: bool = True,
    class_folders: ClassFolders | None = None,
    num_images: int | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    precision: RunPrecision | None = None,
    progress: Progress = False,
) -> Measured:
    """Measure a model on labelled photos.

    Top-1, top-5, macro-F1, balanced accuracy, each class, confusions.

    Args:
        model: a .tflite file, a run folder, a checkpoint, or a model such as
            "lite1".
        data: a folder, a manifest or a DataFrame, as `train` takes it, whose
            classes the model knows.
        view: how photos are looked at: "crop", "squash", "mediapipe",
            "android-bitmap" or "reference", one or several. Where none is given
            it is the model's own way, or "reference" with `images`.
        split: "train", "validation", "test" or "all" of the data set; where
            None test where there is one, else validation, else all.
        images: instead of a data set, a glob of photos, in the manner of the
            reference's eval_ckpt_main.py.
        labels: for `images`, a file with one class index a line, in the sorted
            order of the photos' names.
        links: False skips every link in the data set instead of following it.
        class_folders: "outer" or "inner", where the folders can be read in two
            ways.
        num_images: for `images`, only the first so many.
        weights: for a model name: "imagenet", "hub", or the path of a
            checkpoint.
        ema: of a checkpoint that has both, read the moving averages rather than
            the raw weights.
        precision: of a run, which file to use, "float32" or "int8"; int8 where
            None.
        progress: True shows a bar.

    Returns:
        The measures. `evaluations` has one for each view, with `top1`, its 95 %
        `interval`, `top5`, `macro_f1`, `balanced_accuracy`, `classes` and
        `confusion`; `names` are the classes. Of a run `trained_on` says how
        many of these photos it was trained on, which makes the figures too
        good.

    Raises:
        UsageError: photos are named in both ways or in neither, or an argument
            belongs to the other way.
        UnusableInput, ArtifactError: the model, the data set or every photo
            cannot be used.

    Example:
        >>> import efficientnet_lite as el
        >>> views = ["squash", "mediapipe"]
        >>> measured = el.evaluate("runs/clothing", "photos/", view=views)
        >>> [(each.view, each.count) for each in measured.evaluations]
        [('squash', 36), ('mediapipe', 36)]
    """
    if num_images is not None and num_images < 1:
        raise wrong_argument("num_images", num_images, fix="give at least 1")
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
        judged, usual = from_indices(images, Path(labels), opened, num_images), "reference"
    else:
        assert data is not None
        judged = from_dataset(dataset_place(data), opened, split, links=links, class_folders=class_folders)
        usual = opened.contract.view
    views: Sequence[View] = (view,) if isinstance(view, str) else view
    with stages(progress)("Evaluating") as on_progress:
        measured = measure(opened, judged, tuple(dict.fromkeys(views)) or (usual,), on_progress=on_progress)
    if not is_run(Path(model)):
        return measured
    return replace(measured, trained_on=trained_on(open_run(Path(model)), judged.names))


def _refuse(options: dict[str, object], user: str) -> None:
    """Raises UsageError for the first option that was given though photos come the other way."""
    for option in (option for option, value in options.items() if value):
        raise UsageError(f"`{option}` is for {user}", where=CALL, fix="leave it out")
