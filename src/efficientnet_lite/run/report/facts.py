"""card.json -> the typed values that the page and its plots show. Pure; the card may be a stranger's.

Fractions are 0 to 1. Every text comes on one line, with an escape for what cannot be shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import ArtifactError, printable
from efficientnet_lite.metrics import Interval, per_class
from efficientnet_lite.run.folder import CARD

Counts = npt.NDArray[np.int64]
Value = TypeVar("Value")

SPLITS = ("train", "validation", "test")
MAX_COUNT = 2**53  # what JSON holds exactly


@dataclass(frozen=True, slots=True)
class ViewScore:
    """Top-1 of one file on photos as one consumer sees them."""

    view: str
    count: int  # photos
    top1: float
    interval: Interval  # 95 %


@dataclass(frozen=True, slots=True)
class File:
    """One exported model file."""

    path: str
    precision: str
    bytes: int
    scores: tuple[ViewScore, ...]  # one for each view
    latency_ms: float  # median, one image, one thread
    latency_p90_ms: float

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(score.view for score in self.scores)


@dataclass(frozen=True, slots=True)
class Gate:
    """The int8 file against the float32 file in one view."""

    view: str
    count: int
    agreement: float
    agreement_interval: Interval
    drop: float  # of top-1, may be negative
    drop_interval: Interval


@dataclass(frozen=True, slots=True)
class TriedStrength:
    """One strength of regularisation that was tried."""

    strength: float
    loss: float
    top1: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Class:
    """One class on the photos of the proof. None where a figure is not defined."""

    class_index: int
    label: str
    count: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Photos of one class that were taken for another."""

    true: str
    predicted: str
    count: int
    share: float  # of the photos of the true class


@dataclass(frozen=True, slots=True)
class Change:
    """Top-1 on the validation photos as one consumer sees them, before a fine-tuning and after it."""

    view: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """A fine-tuning, from the head that was fitted on."""

    epochs: int  # that were run
    chosen: int  # the best one; 0: none was better than the head alone
    blocks: int | None  # that learned; None: all
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Training:
    """A training of the whole network by a recipe."""

    recipe: str
    photos: int  # that it learned from
    step: int  # whose averages were the best and are what the files hold
    epoch: int | None  # in which that step was; None: of an older card


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run's card says, as far as the page shows it."""

    variant: str
    size: int  # pixels
    package: str  # version that made the run
    labels: tuple[str, ...]
    split: str  # which photos the accuracy is of
    view: str  # how the run's own contract sees a photo
    files: tuple[File, ...]
    gates: tuple[Gate, ...]
    enough_photos: bool  # for the gate to be sure
    lost: int  # photos of the split that are behind no figure: they went while the run was made
    attempts: tuple[TriedStrength, ...]
    tuning: Tuning | None  # None: there was no fine-tuning
    training: Training | None  # None: the backbone came trained
    choices: str  # see `choices`
    confusion: Counts  # (C, C) of the float32 file in `view`, row = true class
    photos: Mapping[str, int]  # split -> how many
    skipped: int
    exact_duplicates: int  # groups
    near_duplicates: int  # groups
    leaks: int
    notes: tuple[str, ...]
    weights: str
    license: str
    notice: str

    @property
    def best_epoch(self) -> int | None:
        """The one whose weights the files hold; None where the head alone was fitted, or the card does not say."""
        if self.tuning:
            return self.tuning.chosen
        return self.training.epoch if self.training else None

    @property
    def views(self) -> tuple[str, ...]:
        return self.files[0].views

    @property
    def classes(self) -> tuple[Class, ...]:
        """Every class, the least recall first, those without photos last."""
        rows = [
            Class(row.class_index, label, row.support, row.recall, row.precision)
            for label, row in zip(self.labels, per_class(self.confusion), strict=True)
        ]
        return tuple(
            sorted(rows, key=lambda row: (row.recall is None, row.recall or 0, -row.count, row.label))
        )

    def pairs(self, limit: int) -> tuple[Pair, ...]:
        """The `limit` pairs of classes that are confused most often."""
        wrong = self.confusion * (1 - np.eye(len(self.labels), dtype=np.int64))
        support = self.confusion.sum(axis=1)
        true, predicted = np.nonzero(wrong)
        counts = wrong[true, predicted]
        order = np.lexsort((predicted, true, -counts / np.maximum(support[true], 1), -counts))[:limit]
        return tuple(
            Pair(
                self.labels[true[at]],
                self.labels[predicted[at]],
                int(counts[at]),
                float(counts[at] / support[true[at]]),
            )
            for at in order
        )


def read_facts(card: Mapping[str, Any]) -> Facts:
    """The facts of a card whose form `open_run` has looked at.

    Raises:
        ValueError: something is missing, of the wrong kind, out of range, or does not add up.
    """
    labels = tuple(_text(label) for label in _list(card, "labels"))
    weights, data, head = (_part(card, name) for name in ("weights", "data", "head"))
    measured, verification = _part(card, "metrics"), _part(card, "verification")
    view = _text(_get(_part(card, "contract"), "view", str))
    files = tuple(_file(export, measured) for export in _list(card, "exports"))
    if not files or not files[0].scores or any(file.views != files[0].views for file in files):
        raise ValueError("its exports and metrics do not add up")
    counts = _part(data, "photos")
    strength = _number(head, "strength")
    return Facts(
        variant=_text(_get(card, "variant", str)),
        size=_count(card, "size"),
        package=_text(_get(_part(card, "package"), "efficientnet-lite", str)),
        labels=labels,
        split=_text(_get(measured, "split", str)),
        view=view,
        files=files,
        gates=tuple(_gate(each) for each in _list(verification, "comparisons")),
        enough_photos=_enough(verification),
        lost=_lost(data, _get(measured, "split", str)),
        attempts=tuple(_attempt(each, strength) for each in _list(head, "path")),
        tuning=_tuning(card.get("fine_tuning")),
        training=_training(card.get("training")),
        choices=choices(card),
        confusion=_confusion(measured, view, len(labels)),
        photos={split: _count(counts, split) for split in SPLITS},
        skipped=_count(data, "skipped"),
        exact_duplicates=_count(data, "exact_duplicates"),
        near_duplicates=_count(data, "near_duplicates"),
        leaks=_count(data, "leaks"),
        notes=tuple(_text(note) for note in _list(data, "notes")),
        weights=_text(_get(weights, "source", str)),
        license=_text(_get(weights, "license", str)),
        notice=_text(_get(weights, "notice", str)),
    )


def facts_of(card: Mapping[str, Any], folder: Path) -> Facts:
    """The facts of the card in the run `folder`; raises ArtifactError where it is damaged."""
    try:
        return read_facts(card)
    except ValueError as error:
        raise ArtifactError(
            f"the card cannot be shown: {error}", where=folder / CARD, fix="train the run again"
        ) from error


def choices(card: Mapping[str, Any]) -> str:
    """What the validation photos chose, as part of a sentence."""
    if card.get("training") is not None:
        return "the step of the training that was kept"
    epoch = "" if card.get("fine_tuning") is None else " and the epoch of the fine-tuning that was kept"
    return f"the head's regularisation{epoch}"


def _enough(verification: Mapping[str, Any]) -> bool:
    """Whether the gate was sure; a card of an older version has no verdict."""
    said = verification.get("verdict")
    return _get(verification, "enough_photos", bool) if said is None else said == "verified"


def _lost(data: Mapping[str, Any], split: str) -> int:
    return sum(_get(each, "split", str) == split for each in _list({"lost": [], **data}, "lost"))


def _file(export: object, measured: Mapping[str, Any]) -> File:
    precision = _get(export, "precision", str)
    return File(
        path=_text(_get(export, "path", str)),
        precision=_text(precision),
        bytes=_count(export, "bytes"),
        scores=tuple(_score(each) for each in _list(measured, precision)),
        latency_ms=_number(export, "latency_ms"),
        latency_p90_ms=_number(export, "latency_p90_ms"),
    )


def _score(fields: object) -> ViewScore:
    return ViewScore(
        _text(_get(fields, "as", str)),
        _count(fields, "count"),
        _fraction(fields, "top1"),
        _interval(fields, "top1_interval"),
    )


def _gate(fields: object) -> Gate:
    return Gate(
        _text(_get(fields, "as", str)),
        _count(fields, "count"),
        _fraction(fields, "agreement"),
        _interval(fields, "agreement_interval"),
        _number(fields, "drop"),
        _interval(fields, "drop_interval"),
    )


def _attempt(fields: object, strength: float) -> TriedStrength:
    own = _number(fields, "strength")
    if own <= 0:
        raise ValueError(f"its strength {own} is not positive")
    return TriedStrength(own, _number(fields, "loss"), _fraction(fields, "top1"), own == strength)


def _tuning(fields: object) -> Tuning | None:
    if fields is None:
        return None
    before, after = _part(fields, "before"), _part(fields, "after")
    if set(before) != set(after):
        raise ValueError("its fine-tuning names other views before than after")
    return Tuning(
        epochs=_count(fields, "epochs_run"),
        chosen=_count(fields, "chosen_epoch"),
        blocks=None if _mapping(fields).get("blocks") is None else _count(fields, "blocks"),
        changes=tuple(
            Change(_text(view), _fraction(before, view), _fraction(after, view)) for view in before
        ),
    )


def _training(fields: object) -> Training | None:
    if fields is None:
        return None
    return Training(
        recipe=_text(_get(fields, "recipe", str)),
        photos=_count(fields, "images"),
        step=int(_number(_part(fields, "best"), "step")),
        epoch=None if _mapping(fields).get("best_epoch") is None else _count(fields, "best_epoch"),
    )


def _confusion(measured: Mapping[str, Any], view: str, classes: int) -> Counts:
    """The float32 file's matrix in `view`, in the first view where that was not measured."""
    scores = _list(measured, "float32")
    own = [each for each in scores if _get(each, "as", str) == view] or scores[:1]
    rows = _list(own[0], "confusion") if own else []
    if len(rows) != classes or any(not isinstance(row, list | tuple) or len(row) != classes for row in rows):
        raise ValueError(f"its confusion matrix has not {classes} rows and columns")
    if not all(type(count) is int and 0 <= count <= MAX_COUNT // classes**2 for row in rows for count in row):
        raise ValueError("its confusion matrix holds what is no count")
    return np.array(rows, np.int64).reshape(classes, classes)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"it has {str(value)[:50]!r} in place of an object")
    return value


def _get(fields: object, name: str, kind: type[Value]) -> Value:
    value = _mapping(fields).get(name)
    if type(value) is not kind:
        raise ValueError(f"it has no {name!r} of type {kind.__name__}")
    return value


def _part(fields: object, name: str) -> Mapping[str, Any]:
    return _mapping(_mapping(fields).get(name))


def _list(fields: object, name: str) -> Sequence[Any]:
    value = _mapping(fields).get(name)
    if not isinstance(value, list | tuple):
        raise ValueError(f"it has no list {name!r}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"it has {str(value)[:50]!r} in place of a text")
    return printable(value)


def _count(fields: object, name: str) -> int:
    value = _get(fields, name, int)
    if not 0 <= value <= MAX_COUNT:
        raise ValueError(f"its {name!r} is no count")
    return value


def _finite(value: object, name: str) -> float:
    if type(value) not in (int, float) or not -MAX_COUNT <= value <= MAX_COUNT:  # type: ignore[operator]
        raise ValueError(f"its {name!r} is no number")
    return float(value)  # type: ignore[arg-type]


def _number(fields: object, name: str) -> float:
    return _finite(_mapping(fields).get(name), name)


def _fraction(fields: object, name: str) -> float:
    value = _number(fields, name)
    if not 0 <= value <= 1:
        raise ValueError(f"its {name!r} is no fraction")
    return value


def _interval(fields: object, name: str) -> Interval:
    ends = [_finite(end, name) for end in _list(fields, name)]
    if len(ends) != 2 or not -1 <= ends[0] <= ends[1] <= 1:
        raise ValueError(f"its {name!r} is no interval")
    return Interval(*ends)
