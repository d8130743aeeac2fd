"""`evaluate`: a model on a data set, or the reference's way on a glob of photos and a file of indices."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.contract import View
from efficientnet_lite.doors import files
from efficientnet_lite.doors.dataset import list_photos, open_dataset
from efficientnet_lite.errors import ArtifactError, UnusableInput
from efficientnet_lite.inference.evaluate import Evaluation, evaluation, score
from efficientnet_lite.inference.predict import Model, Refused
from efficientnet_lite.stories.progress import OnProgress

MAX_INDEX_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Labelled:
    """Photos and their class indices in the model's outputs."""

    photos: list[Path]
    truth: list[int]
    split: str  # "test", "validation", "train" or "all"


@dataclass(frozen=True, slots=True)
class Measured:
    """The measures for each view."""

    evaluations: tuple[Evaluation, ...]
    refused: tuple[Refused, ...]
    split: str


def from_dataset(path: Path, model: Model, split: str | None) -> Labelled:
    """The photos of a data set; its test split where there is one, else validation, else all.

    Raises:
        ArtifactError: the data set has classes that the model does not know.
        UnusableInput: the wanted split has no photos.
    """
    dataset = open_dataset(path)
    names = model.labels or tuple(str(index) for index in range(model.classes))
    index = {name: number for number, name in enumerate(names)}
    unknown = [label for label in dataset.labels if label not in index]
    if unknown:
        raise ArtifactError(
            f"the data set has {len(unknown)} classes that the model does not know: {', '.join(unknown[:8])}",
            where=model.where,
            fix=f"name the folders as the model's classes: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}",
        )
    there = {row.split for row in dataset.rows}
    wanted = split or next((name for name in ("test", "validation") if name in there), "all")
    rows = [row for row in dataset.rows if wanted == "all" or row.split == wanted]
    if not rows:
        raise UnusableInput(
            f"the data set has no {wanted} photos", where=path, fix="give another --split, or all"
        )
    return Labelled([row.path for row in rows], [index[row.label] for row in rows], wanted)


def from_indices(pattern: str, labels: Path, model: Model, limit: int | None) -> Labelled:
    """The reference's way: photos of a glob in sorted order, one class index a line of `labels`.

    A model of 1,001 classes has the background at 0, so indices are shifted by one for it.

    Source: tensorflow/tpu, models/official/efficientnet/eval_ckpt_main.py.
    """
    photos = [path for path, _ in sorted(list_photos([Path(pattern)]).photos, key=lambda item: str(item[0]))]
    text = files.read_bytes(labels, limit=MAX_INDEX_BYTES, what="a file of class indices")
    try:
        indices = [int(line) for line in text.decode("ascii").split()]
    except ValueError as error:
        raise UnusableInput(
            f"a line is no class index: {error}", where=labels, fix="give one number a line"
        ) from error
    if (len(indices) < len(photos) and limit is None) or (
        limit is not None and len(indices) < min(limit, len(photos))
    ):
        raise UnusableInput(
            f"it has {len(indices)} class indices for {len(photos)} photos",
            where=labels,
            fix="give one line for each photo, in the sorted order of the file names",
        )
    photos = photos[:limit]
    shift = 1 if model.classes == 1001 else 0
    truth = [index + shift for index in indices[: len(photos)]]
    beyond = [index for index in truth if not 0 <= index < model.classes]
    if beyond:
        raise UnusableInput(
            f"the class index {beyond[0] - shift} is outside of the model's {model.classes} classes",
            where=labels,
            fix="count classes from 0",
        )
    return Labelled(photos, truth, "all")


def measure(model: Model, labelled: Labelled, views: Sequence[View], *, on_progress: OnProgress) -> Measured:
    """Run the model on every photo in every view.

    Raises UnusableInput where no photo can be used.
    """
    scored = score(model, labelled.photos, labelled.truth, views, on_progress=on_progress)
    if not scored.kept:
        reason = scored.refused[0].reason if scored.refused else "there is none"
        raise UnusableInput(
            f"none of {len(labelled.photos)} photos can be used; the first: {reason}",
            where=labelled.photos[0] if labelled.photos else "the data",
            fix="give photos",
        )
    evaluations = tuple(evaluation(scored.scores[view], scored.truth, view) for view in views)
    return Measured(evaluations, scored.refused, labelled.split)
