"""card.json -> the typed values that the page, its drawings and the summary of a run show. Pure.

The card may be a stranger's, or of an older version. Fractions are 0 to 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.metrics import Interval
from efficientnet_lite.photos.contract import PHONE_VIEW, VIEWS, View
from efficientnet_lite.photos.doubtful import DoubtfulLabel
from efficientnet_lite.run.folder import CARD
from efficientnet_lite.run.report.confused import Class, Confused
from efficientnet_lite.run.report.fields import (
    an_object,
    count,
    fraction,
    get,
    interval,
    items,
    number,
    part,
    text,
)
from efficientnet_lite.run.report.int8_facts import Int8Facts, int8_facts

SPLITS = ("train", "validation", "test")
# How apps on phones look at photos, the truest first: older runs were not measured as MediaPipe sees them.
PHONE_VIEWS: tuple[View, ...] = (PHONE_VIEW, "squash")
MOST_DOUBTED = 24  # labels to show, of whatever card
FileInView = tuple[str, str]  # one file in one view: a precision, and how the photos are looked at


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
class Doubted:
    """Labels that the photos alike speak against."""

    judged: int  # photos
    found: int  # of them those whose labels are doubted
    first: tuple[DoubtfulLabel, ...]  # the most doubtful ones


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
    int8: Int8Facts | None  # how the int8 file was made; None: of an older card
    lost: int  # photos of the split that are behind no figure: they went while the run was made
    attempts: tuple[TriedStrength, ...]
    tuning: Tuning | None  # None: there was no fine-tuning
    training: Training | None  # None: the backbone came trained
    choices: str  # see `choices`
    confusions: Mapping[FileInView, Confused]  # of each file in each view
    photos: Mapping[str, int]  # split -> how many
    skipped: int
    exact_duplicates: int  # groups
    near_duplicates: int  # groups
    leaks: int
    doubtful: Doubted | None  # labels to look at; None: they were not looked at
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
    def phone_view(self) -> str:
        """How phones look at photos, as far as this was measured."""
        return next((view for view in PHONE_VIEWS if view in self.views), self.views[0])

    @property
    def first_choice(self) -> FileInView:
        """What the page shows first: the int8 file on photos as phones see them."""
        precisions = [file.precision for file in self.files]
        return ("int8" if "int8" in precisions else precisions[0]), self.phone_view

    @property
    def classes(self) -> tuple[Class, ...]:
        """Every class by the first choice, the least recall first, those without photos last."""
        return self.confusions[self.first_choice].classes

    def score(self, precision: str, view: str) -> ViewScore:
        """What one file reached in one view."""
        file = next(file for file in self.files if file.precision == precision)
        return next(score for score in file.scores if score.view == view)

    def gate(self, view: str) -> Gate | None:
        """The comparison in that view, where there was one."""
        return next((gate for gate in self.gates if gate.view == view), None)


def read_facts(card: Mapping[str, Any]) -> Facts:
    """The facts of a card whose form `open_run` has looked at.

    Raises:
        ValueError: something is missing, of the wrong kind, out of range, or does not add up.
    """
    labels = tuple(text(label) for label in items(card, "labels"))
    weights, data, head = (part(card, name) for name in ("weights", "data", "head"))
    measured, verification = part(card, "metrics"), part(card, "verification")
    view = text(get(part(card, "contract"), "view", str))
    files = tuple(_file(export, measured) for export in items(card, "exports"))
    views = files[0].views if files else ()
    if not views or len(set(views)) < len(views) or not {*VIEWS}.issuperset(views):
        raise ValueError("its metrics are of no views that are known, each once")
    if any(file.views != views for file in files) or len({file.precision for file in files}) < len(files):
        raise ValueError("its exports and metrics do not add up")
    counts = part(data, "photos")
    strength = number(head, "strength")
    return Facts(
        variant=text(get(card, "variant", str)),
        size=count(card, "size"),
        package=text(get(part(card, "package"), "efficientnet-lite", str)),
        labels=labels,
        split=text(get(measured, "split", str)),
        view=view,
        files=files,
        gates=tuple(_gate(each) for each in items(verification, "comparisons")),
        enough_photos=_enough(verification),
        int8=int8_facts(card.get("int8")),
        lost=_lost(data, get(measured, "split", str)),
        attempts=tuple(_attempt(each, strength) for each in items(head, "path")),
        tuning=_tuning(card.get("fine_tuning")),
        training=_training(card.get("training")),
        choices=choices(card),
        confusions={
            (file.precision, text(get(each, "as", str))): Confused.read(each, labels)
            for file in files
            for each in items(measured, file.precision)
        },
        photos={split: count(counts, split) for split in SPLITS},
        skipped=count(data, "skipped"),
        exact_duplicates=count(data, "exact_duplicates"),
        near_duplicates=count(data, "near_duplicates"),
        leaks=count(data, "leaks"),
        doubtful=_doubtful(data.get("doubtful_labels")),
        notes=tuple(text(note) for note in items(data, "notes")),
        weights=text(get(weights, "source", str)),
        license=text(get(weights, "license", str)),
        notice=text(get(weights, "notice", str)),
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
    return f"the head{epoch}"


def _enough(verification: Mapping[str, Any]) -> bool:
    """Whether the gate was sure; a card of an older version has no verdict."""
    said = verification.get("verdict")
    return get(verification, "enough_photos", bool) if said is None else said == "verified"


def _lost(data: Mapping[str, Any], split: str) -> int:
    return sum(get(each, "split", str) == split for each in items({"lost": [], **data}, "lost"))


def _file(export: object, measured: Mapping[str, Any]) -> File:
    precision = get(export, "precision", str)
    return File(
        path=text(get(export, "path", str)),
        precision=text(precision),
        bytes=count(export, "bytes"),
        scores=tuple(_score(each) for each in items(measured, precision)),
        latency_ms=number(export, "latency_ms"),
        latency_p90_ms=number(export, "latency_p90_ms"),
    )


def _score(fields: object) -> ViewScore:
    return ViewScore(
        text(get(fields, "as", str)),
        count(fields, "count"),
        fraction(fields, "top1"),
        interval(fields, "top1_interval"),
    )


def _gate(fields: object) -> Gate:
    return Gate(
        text(get(fields, "as", str)),
        count(fields, "count"),
        fraction(fields, "agreement"),
        interval(fields, "agreement_interval"),
        number(fields, "drop"),
        interval(fields, "drop_interval"),
    )


def _attempt(fields: object, strength: float) -> TriedStrength:
    own = number(fields, "strength")
    if own <= 0:
        raise ValueError(f"its strength {own} is not positive")
    return TriedStrength(own, number(fields, "loss"), fraction(fields, "top1"), own == strength)


def _tuning(fields: object) -> Tuning | None:
    if fields is None:
        return None
    before, after = part(fields, "before"), part(fields, "after")
    if set(before) != set(after):
        raise ValueError("its fine-tuning names other views before than after")
    return Tuning(
        epochs=count(fields, "epochs_run"),
        chosen=count(fields, "chosen_epoch"),
        blocks=None if an_object(fields).get("blocks") is None else count(fields, "blocks"),
        changes=tuple(Change(text(view), fraction(before, view), fraction(after, view)) for view in before),
    )


def _doubtful(fields: object) -> Doubted | None:
    if fields is None:
        return None
    rows = tuple(
        DoubtfulLabel(
            name=get(each, "name", str),  # as the split has it
            label=text(get(each, "label", str)),
            suspected=text(get(each, "suspected", str)),
            doubt=fraction(each, "doubt"),
            nearest=count(each, "nearest"),
            nearest_label=count(each, "nearest_label"),
            nearest_suspected=count(each, "nearest_suspected"),
            probability_label=fraction(each, "probability_label"),
            probability_suspected=fraction(each, "probability_suspected"),
            example=get(each, "example", str),
        )
        for each in items(fields, "first")[:MOST_DOUBTED]
    )
    return Doubted(count(fields, "judged"), count(fields, "found"), rows)


def _training(fields: object) -> Training | None:
    if fields is None:
        return None
    return Training(
        recipe=text(get(fields, "recipe", str)),
        photos=count(fields, "images"),
        step=int(number(part(fields, "best"), "step")),
        epoch=None if an_object(fields).get("best_epoch") is None else count(fields, "best_epoch"),
    )
