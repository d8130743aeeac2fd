"""Photos to judge a model by: those of a data set, or the reference's way, a glob of photos and a file of indices."""

import glob
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from efficientnet_lite.errors import ArtifactError, UnusableInput
from efficientnet_lite.network.plan import IMAGENET_CLASSES
from efficientnet_lite.photos.accounting import Skipped
from efficientnet_lite.photos.classes import some
from efficientnet_lite.photos.dataset import DatasetPlace, open_dataset
from efficientnet_lite.plaintext import plain_text
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.storage import files
from efficientnet_lite.vocabulary import ClassFolders

MAX_INDEX_BYTES = 64 * 2**20
NOT_OF_THE_MODEL = "its class is none of the model's"


@dataclass(frozen=True, slots=True)
class Judged:
    """Photos and their class indices in the model's outputs."""

    photos: list[Path]
    truth: list[int]
    split: str  # "test", "validation", "train" or "all"
    skipped: tuple[Skipped, ...] = ()  # of the data set, before any photo was opened
    passed_over: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[Path, str] = field(default_factory=dict)  # of the photos in the data set
    unknown: Mapping[str, int] = field(default_factory=dict)  # classes that the model has not -> photos


def from_dataset(
    path: DatasetPlace,
    model: Model,
    split: str | None,
    *,
    links: bool = True,
    class_folders: ClassFolders | None = None,
) -> Judged:
    """The photos of a data set; its test split where there is one, else validation, else all.

    Classes are found by name, ImageNet's by synset too; names that look the same in Unicode are the same. It
    judges what there is: one photo of a class, one class, splits that differ; photos of classes that the model does
    not know are skipped.

    Raises:
        ArtifactError: the model knows none of the classes, or several by one name.
        UnusableInput: the wanted split has no photos.
    """
    dataset = open_dataset(path, links=links, class_folders=class_folders, to_learn=False)
    known = model.class_names
    if twofold := known.ambiguous(dataset.labels):
        raise ArtifactError(
            f"the model has several classes of one name: {some(twofold)}",
            where=dataset.root if model.synsets else model.where,
            fix="name the folders by what tells them apart, for example by synset"
            if model.synsets
            else "evaluate it by class indices: `images=` with `labels=`",
        )
    index = {label: places[0] for label in dataset.labels if (places := known.places(label))}
    there = {row.split for row in dataset.rows}
    wanted = split or next((name for name in ("test", "validation") if name in there), "all")
    rows = [row for row in dataset.rows if wanted == "all" or row.split == wanted]
    if not rows:
        raise UnusableInput(
            f"the data set has no {wanted} photos", where=dataset.root, fix="give another `split=`, or all"
        )
    strange = [row for row in rows if row.label not in index]
    unknown = Counter(row.label for row in strange)
    rows = [row for row in rows if row.label not in unknown]
    if not rows:
        raise ArtifactError(
            f"the data set has {len(unknown)} classes, and the model knows none of them: {some(sorted(unknown))}",
            where=model.where,
            fix=f"name the folders as the model's classes: {some(model.names)}"
            + (", or by synset" if model.synsets else ""),
        )
    return Judged(
        [row.path for row in rows],
        [index[row.label] for row in rows],
        wanted,
        (*dataset.skipped, *(Skipped(row.name, NOT_OF_THE_MODEL) for row in strange)),
        dataset.passed_over,
        {row.path: row.name for row in rows},
        dict(sorted(unknown.items())),
    )


def from_indices(pattern: str, labels: Path, model: Model, limit: int | None) -> Judged:
    """The reference's way: photos of a glob in sorted order, one class index a line of `labels`.

    A model of 1,001 classes has the background at 0, so indices are shifted by one for it. `limit` keeps
    the first photos.

    Raises:
        UnusableInput: nothing matches, a line is no class index, or there is not one line for each photo.

    Source: tensorflow/tpu, models/official/efficientnet/eval_ckpt_main.py.
    """
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - sorts as texts, as the reference does
    photos = [Path(name) for name in sorted(matches) if not files.is_dir(name)]
    if not photos:
        raise UnusableInput(
            files.missing(pattern) if files.obstacle(pattern) else "no photo matches",
            where=pattern,
            fix="check the pattern, and quote it",
        )
    shift = 1 if model.classes == IMAGENET_CLASSES + 1 else 0
    truth = [index + shift for index in _read_indices(labels, model.classes - shift)]
    if len(truth) != len(photos):
        raise UnusableInput(
            f"it has {len(truth)} class indices for {len(photos)} photos",
            where=labels,
            fix="give one line for each photo, in the sorted order of the file names",
        )
    return Judged(photos[:limit], truth[:limit], "all")


def _read_indices(path: Path, classes: int) -> list[int]:
    try:
        text = plain_text(
            files.read_bytes(path, limit=MAX_INDEX_BYTES, what="a file of class indices")
        ).rstrip()
    except ValueError as error:
        raise UnusableInput(
            str(error), where=path, fix="give one class index a line, counted from 0"
        ) from error
    indices = []
    for number, line in enumerate(text.split("\n") if text else [], start=1):
        digits = line.strip()
        if not re.fullmatch("[0-9]{1,9}", digits) or int(digits) >= classes:
            raise UnusableInput(
                f"line {number} is {digits[:40]!r}, expected a class index from 0 to {classes - 1}",
                where=path,
                fix="give one class index a line, counted from 0",
            )
        indices.append(int(digits))
    return indices
