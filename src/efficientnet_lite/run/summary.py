"""A run in a few lines: what it is good for, what it is not proven to be, and what to do next.

The end of `train`, `info RUN`, a notebook and the tiles of the run's page show this one value. Pure; the card may be a
stranger's, or of an older version.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from efficientnet_lite.errors import printable
from efficientnet_lite.figures import percent, points
from efficientnet_lite.metrics import ENOUGH_TO_JUDGE, Interval, too_few_to_judge
from efficientnet_lite.progress import duration
from efficientnet_lite.proof.gate import Bars, Verdict
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.report.facts import PHONE_VIEWS, Facts, File, Gate, ViewScore, facts_of
from efficientnet_lite.shell import command_line, operand
from efficientnet_lite.vocabulary import MAX_DROP, MIN_AGREEMENT

PHOTO = "photo.jpg"  # in `Summary.next`, for one of the user's
MOST_NAMED = 6  # classes in one sentence
ENOUGH_OF_A_CLASS = 5  # photos; with fewer, nobody can say how well the class is known
CaveatKind = Literal[
    "few", "unproven", "loss", "calibration", "lost", "thin", "leaks", "skipped", "view", "chosen"
]


SEEN = {  # how photos were looked at for the figures
    "mediapipe": "as phones see them",
    "squash": "squashed into a square, as most apps do",
    "crop": "cut to the square in the middle",
}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model file of a run. Fractions are 0 to 1."""

    precision: str  # "float32", "int8"
    path: str  # in the run: "exports/clothing_int8.tflite"
    bytes: int
    top1: float  # on photos as phones see them
    interval: Interval  # 95 % of top1
    latency_ms: float  # median of one image in one thread where the run was made
    # Photos that get the same class as from the float32 file, in the same view; of int8 only.
    agreement: float | None
    agreement_interval: Interval | None  # 95 %


@dataclass(frozen=True, slots=True)
class Caveat:
    """What a person must know of the figures: one plain sentence without a full stop."""

    kind: CaveatKind
    text: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What there is to say of a run first.

    Attributes:
        folder: the run, as it was named.
        name: of the run, on one line.
        classes: how many.
        photos: how many were used: for training, validation and test together.
        seconds: that the training took; None where nobody knows, as for a run that is opened again.
        files: float32 first.
        view: how the photos were looked at for the figures: "mediapipe", and "squash" of older runs.
        split: which photos the figures are of, "validation" or "test".
        judged: how many those are.
        whole: how many there were; more than `judged` where some were lost while the run was made.
        verdict: of the int8 file against the float32 file.
        max_drop: fraction of photos that it was allowed to lose.
        caveats: the gravest first.
        report: the page of the run; None where there is none.
        next: what to do now, each a command as words, with `PHOTO` for a photo of the user's.
    """

    folder: Path
    name: str
    classes: int
    photos: int
    seconds: float | None
    files: tuple[ModelFile, ...]
    view: str
    split: str
    judged: int
    whole: int
    verdict: Verdict
    max_drop: float
    caveats: tuple[Caveat, ...]
    report: Path | None
    next: tuple[tuple[str, ...], ...]

    @property
    def headline(self) -> str:
        """Name, and what it was made of."""
        took = "" if self.seconds is None else f", {duration(self.seconds)}"
        return f"{self.name}: {self.classes:,} classes, {self.photos:,} photos{took}"

    @property
    def basis(self) -> str:
        """What the accuracies are of."""
        photos = f"{self.judged:,} {self.split} photo{'' if self.judged == 1 else 's'}"
        chosen = (
            each.text.replace("the validation photos", "they")
            for each in self.caveats
            if each.kind == "chosen"
        )
        chose = "".join(f"; {text}" for text in chosen)
        seen = SEEN.get(self.view, f"as {self.view}")
        return f"top-1: named right, of {photos} {seen} (95 % interval){chose}"

    @property
    def next_lines(self) -> list[str]:
        """`next` as lines to copy into this system's shell."""
        return [command_line(words, windows=os.name == "nt") for words in self.next]

    @property
    def next_listed(self) -> list[str]:
        """`next_lines` below each other, the first behind "next:"."""
        return [f"{'      ' if number else 'next: '}{line}" for number, line in enumerate(self.next_lines)]

    def remarks(self, more: Mapping[CaveatKind, str] | None = None) -> list[str]:
        """What stands below the figures: the proof where there is one, and the caveats that `basis` does not say.

        `more` has a longer text for some of the caveats.
        """
        proof = [self.proof] if self.verdict == "verified" else []
        others = [each for each in self.caveats if each.kind != "chosen"]
        return [*proof, *(f"! {(more or {}).get(each.kind, each.text)}" for each in others)]

    @property
    def proof(self) -> str:
        """What is known of the int8 file's loss, as a sentence without a full stop."""
        if self.max_drop >= 1:
            return "int8 was allowed to lose any number of points"
        if self.verdict == "verified":
            return f"int8 is proven to within {points(self.max_drop)} of float32"
        return f"int8 is not proven to within {points(self.max_drop)} of float32"


def summary_of(card: Mapping[str, Any], folder: Path, *, seconds: float | None = None) -> Summary:
    """The summary of the run in `folder`, whose card is this.

    Raises ArtifactError where the card is damaged.
    """
    facts = facts_of(card, folder)
    verification = card["verification"]
    bars = Bars(
        _fraction(verification.get("max_drop"), MAX_DROP),
        _fraction(verification.get("min_agreement"), MIN_AGREEMENT),
    )
    said = verification.get("verdict")
    view = facts.phone_view
    judged = _seen(facts.files[0], view).count
    listed = card.get("files")
    report = folder / run_folder.REPORT if listed and run_folder.REPORT in listed else None
    return Summary(
        folder=folder,
        name=printable(folder.absolute().name),
        classes=len(facts.labels),
        photos=max(sum(facts.photos.values()), facts.training.photos if facts.training else 0),
        seconds=seconds,
        files=tuple(_file(each, facts, view) for each in facts.files),
        view=view,
        split=facts.split,
        judged=judged,
        whole=judged + facts.lost,
        verdict=said if said in get_args(Verdict) else "verified" if facts.enough_photos else "not refuted",
        max_drop=bars.max_drop,
        caveats=tuple(_caveats(facts, bars, view, judged)),
        report=report,
        next=_next(folder, report),
    )


def _fraction(value: object, usual: float) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else usual


def _seen(file: File, view: str) -> ViewScore:
    return next(score for score in file.scores if score.view == view)


def _file(file: File, facts: Facts, view: str) -> ModelFile:
    score, gate = _seen(file, view), None
    if file.precision != "float32":
        gate = next((each for each in facts.gates if each.view == view), None)
    return ModelFile(
        file.precision,
        file.path,
        file.bytes,
        score.top1,
        score.interval,
        file.latency_ms,
        gate.agreement if gate else None,
        gate.agreement_interval if gate else None,
    )


def _caveats(facts: Facts, bars: Bars, view: str, judged: int) -> list[Caveat]:
    found = list[Caveat]()

    def add(kind: CaveatKind, text: str) -> None:
        found.append(Caveat(kind, text))

    photos = f"{judged:,} {facts.split} photo{'' if judged == 1 else 's'}"
    if few := too_few_to_judge(judged):
        add("few", f"the {facts.split} photos are {few}")
    elif (unproven := _unproven(facts.gates, bars)) is not None:
        add("unproven", f"{photos} cannot prove {unproven}")
    if (
        loss := next((each for each in facts.gates if each.view == view), None)
    ) and loss.drop_interval.low > MAX_DROP:
        add(
            "loss",
            f"int8 is right on {points(round(loss.drop, 3))} fewer of these photos than float32; ship float32, or "
            "calibrate with more photos",
        )
    for text in facts.int8.warnings if facts.int8 else ():
        add("calibration", text)
    if facts.lost:
        add(
            "lost",
            f"{facts.lost:,} {facts.split} photos were lost while the run was made: the figures are of the other "
            f"{judged:,}",
        )
    if judged >= ENOUGH_TO_JUDGE and (thin := _thin(facts)):
        add("thin", f"too few {facts.split} photos to say how well it knows {thin}")
    if facts.leaks:
        add(
            "leaks",
            f"{facts.leaks:,} photos for judging are copies of photos in another part: the figures are better than "
            "they should be",
        )
    if facts.skipped:
        add("skipped", f"{facts.skipped:,} photos could not be used: skipped.csv in the run says why")
    if view != PHONE_VIEWS[0]:
        add(
            "view",
            "an older version made this run: it measured photos squashed into a square, not as MediaPipe sees them"
            if view in PHONE_VIEWS
            else f"not measured on photos as phones see them: these figures are of photos as {view}",
        )
    if facts.split == "validation":
        add(
            "chosen",
            f"the validation photos also chose {_chosen(facts)}, so new photos may do a little worse",
        )
    return found


def _thin(facts: Facts) -> str:
    """The classes with too few photos to judge them by, or how many those are; empty where there is none."""
    thin = sorted(
        ((each.class_index, each) for each in facts.classes if each.count < ENOUGH_OF_A_CLASS),
        key=lambda pair: pair[0],
    )
    if len(thin) > MOST_NAMED:
        return f"{len(thin):,} of the classes, each with fewer than {ENOUGH_OF_A_CLASS}"
    return ", ".join(f"{each.label} ({each.count})" for _, each in thin)


def _chosen(facts: Facts) -> str:
    """What the validation photos chose, in few words."""
    if facts.training:
        return "the epoch"
    return "the head and the epoch" if facts.tuning else "the head"


def _unproven(gates: Sequence[Gate], bars: Bars) -> str | None:
    """What the photos are too few to prove of the int8 file; None where they are enough."""
    if any(gate.drop_interval.high > bars.max_drop for gate in gates):
        return f"int8 to within {points(bars.max_drop)}"
    if any(gate.agreement_interval.low < bars.min_agreement for gate in gates):
        return f"that int8 gives the same class as float32 on {percent(bars.min_agreement)} of photos"
    return None


def _next(folder: Path, report: Path | None) -> tuple[tuple[str, ...], ...]:
    program, run = "efficientnet-lite", operand(folder)
    look = (program, "report", run) if report is None else ("open", operand(report))
    return (program, "predict", run, PHOTO), look
