"""`evaluate`: a model and labelled photos -> how good it is, as each consumer sees the photos."""

import glob
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from efficientnet_lite.contract import View
from efficientnet_lite.doors import files
from efficientnet_lite.doors.dataset import open_dataset
from efficientnet_lite.errors import ArtifactError, UnusableInput
from efficientnet_lite.inference.evaluate import Evaluation, evaluation, score
from efficientnet_lite.inference.predict import Model, Refused
from efficientnet_lite.spec import IMAGENET_CLASSES

Part = Literal["train", "validation", "test", "all"]

MAX_LABELS_BYTES = 256 * 2**20
SHOWN = 5  # names in a message


@dataclass(frozen=True, slots=True)
class Labelled:
    """Photos and their true classes."""

    photos: tuple[Path, ...]
    truth: tuple[int, ...]  # class index of each
    part: Part | None  # of the data set; None where the photos come from a list


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A model on labelled photos."""

    views: tuple[Evaluation, ...]
    labels: tuple[str, ...]  # names of the classes, in the order of the outputs
    part: Part | None
    refused: tuple[Refused, ...]


def class_names(model: Model) -> tuple[str, ...]:
    """The model's labels, or the numbers of its classes where it has none."""
    return model.labels or tuple(str(index) for index in range(model.classes))


def from_dataset(data: Path, labels: Sequence[str], part: Part | None = None) -> Labelled:
    """The photos of one part of a data set, their labels found among the model's by name.

    Without `part` it is the test part, else the validation part, else everything.

    Raises:
        UnusableDataset: the data set cannot be opened.
        UnusableInput: it has no such part.
        ArtifactError: it has a label that the model does not know, or knows twice.
    """
    dataset = open_dataset(data)
    given = {row.split for row in dataset.rows}
    if part is None:
        part = "test" if "test" in given else "validation" if "validation" in given else "all"
    if given == {None} and part != "all":
        raise UnusableInput(
            f"the data set has no {part} part: it gives no parts at all",
            where=data,
            fix="leave --split out to use every photo",
        )
    rows = [row for row in dataset.rows if part in ("all", row.split or "train")]
    if not rows:
        found = ", ".join(sorted({row.split or "train" for row in dataset.rows}))
        raise UnusableInput(
            f"the data set has no {part} part, only {found}", where=data, fix="choose another --split"
        )
    index = _indices(dataset.labels, labels, data)
    return Labelled(tuple(row.path for row in rows), tuple(index[row.label] for row in rows), part)


def from_lists(pattern: str, labels: Path, classes: int, *, limit: int | None = None) -> Labelled:
    """The photos that match `pattern`, sorted, with the class indices of a text file, one a line.

    For a model with 1,001 classes, of which the first is the background, the indices of the file, 0 to
    999, are shifted by one. `limit` keeps only the first photos.

    Raises:
        UnusableInput: nothing matches, the file cannot be read, a line is no class index, or there are
            more or fewer lines than photos.

    Source: tensorflow/tpu, models/official/efficientnet/eval_ckpt_main.py, `eval_imagenet`.
    """
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - sorts as strings, as the reference does
    photos = sorted(name for name in matches if not Path(name).is_dir())
    if not photos:
        raise UnusableInput("no photo matches", where=pattern, fix="check the pattern, and quote it")
    shift = int(classes == IMAGENET_CLASSES + 1)
    truth = [index + shift for index in _read_indices(labels, classes - shift)]
    if len(truth) != len(photos):
        raise UnusableInput(
            f"{len(truth)} lines of labels for {len(photos)} photos",
            where=labels,
            fix="give one class index a line, in the order of the photos' sorted names",
        )
    return Labelled(tuple(map(Path, photos))[:limit], tuple(truth)[:limit], None)


def evaluate(
    model: Model,
    labelled: Labelled,
    views: Sequence[View],
    *,
    labels: Sequence[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluated:
    """The measures of `model` in each of `views`; photos that cannot be used are left out and listed.

    Raises:
        UnusableInput: none of the photos can be used.
        ArtifactError: the model has no output over classes.
    """
    scored = score(model, labelled.photos, labelled.truth, views, on_progress=on_progress)
    if not scored.kept:
        raise UnusableInput(
            f"none of the {len(labelled.photos)} photos can be used; the first: {scored.refused[0].reason}",
            where=scored.refused[0].where,
            fix="check that these are photos",
        )
    return Evaluated(
        tuple(evaluation(scored.scores[view], scored.truth, view) for view in views),
        tuple(labels or class_names(model)),
        labelled.part,
        scored.refused,
    )


def _indices(wanted: Sequence[str], labels: Sequence[str], where: Path) -> dict[str, int]:
    """Class index of each label of the data set. Names that look the same are the same."""
    normal = [unicodedata.normalize("NFC", label) for label in labels]
    counts, index = Counter(normal), {label: number for number, label in enumerate(normal)}
    found = {label: unicodedata.normalize("NFC", label) for label in wanted}
    unknown = [label for label, name in found.items() if name not in index]
    if unknown:
        raise ArtifactError(
            f"the model does not know {len(unknown)} of the {len(wanted)} labels: {_some(unknown)}",
            where=where,
            fix=f"name the classes as the model does: {_some(labels)}",
        )
    if twice := [label for label, name in found.items() if counts[name] > 1]:
        raise ArtifactError(
            f"the model has several classes called {_some(twice)}",
            where=where,
            fix="give names that tell them apart (--labels-map)",
        )
    return {label: index[name] for label, name in found.items()}


def _read_indices(path: Path, classes: int) -> list[int]:
    data = files.read_bytes(path, limit=MAX_LABELS_BYTES, what="a file of class indices")
    indices = []
    for number, line in enumerate(data.rstrip().split(b"\n") if data.strip() else [], start=1):
        text = line.strip()
        if not re.fullmatch(rb"[0-9]{1,7}", text) or int(text) >= classes:
            raise UnusableInput(
                f"line {number} is {text[:40].decode(errors='backslashreplace')!r}, "
                f"expected a class index from 0 to {classes - 1}",
                where=path,
                fix="give one class index a line",
            )
        indices.append(int(text))
    return indices


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
