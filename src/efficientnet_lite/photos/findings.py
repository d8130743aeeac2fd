"""All that can be said about a data set before training on it: counts, copies, leaks, odd sizes."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.metrics import too_few_to_judge
from efficientnet_lite.photos.accounting import Accounting
from efficientnet_lite.photos.dataset import Dataset
from efficientnet_lite.photos.doubtful import DoubtfulLabels
from efficientnet_lite.photos.looks import Looks
from efficientnet_lite.photos.partition import Assignment
from efficientnet_lite.photos.survey import Survey

SMALL_SIDE = 64  # pixels; below, a photo is mostly invented by enlarging it
LONG_RATIO = 4.0  # long side to short side; above, the crop sees a quarter at most


@dataclass(frozen=True, slots=True)
class ClassCount:
    """Usable photos of one class."""

    label: str
    train: int
    validation: int
    test: int


@dataclass(frozen=True, slots=True)
class OddSize:
    """A photo that is very small or very long."""

    name: str
    height: int
    width: int
    reason: str


@dataclass(frozen=True, slots=True)
class LeakedPhoto:
    """A photo of `split` that also stands in `other_split`."""

    name: str
    split: str
    other: str
    other_split: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found. Names are those of `Row.name`."""

    root: Path
    kind: str  # how the folder or file was read: `Dataset.kind`
    classes: tuple[ClassCount, ...]  # in the order of the outputs
    photos: int  # usable ones
    imbalance: float | None  # largest class / smallest, None where one is empty
    split_given: bool
    fraction: float  # what a split that is not given was made with
    seed: int
    accounting: Accounting  # of every photo found
    refused: tuple[tuple[str, str], ...]  # of the skipped ones those that cannot be read, and reasons
    exact_duplicates: tuple[tuple[str, ...], ...]  # groups
    near_duplicates: tuple[tuple[str, ...], ...]
    two_labels: tuple[tuple[str, ...], ...]  # groups of the same photo under different labels
    leaks: tuple[LeakedPhoto, ...]
    odd_sizes: tuple[OddSize, ...]
    photo_notes: tuple[tuple[str, int], ...]  # what the photo door remarked, and how often
    judged: int  # photos that would say how good a model is: of the test part, else of validation
    too_few_to_judge: bool
    notes: tuple[str, ...]
    problem: str | None  # why training would refuse what is left, with what to do
    doubtful: DoubtfulLabels | None = None  # labels to look at; None where they were not looked for

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        fields = asdict(self)
        del fields["accounting"]
        fields["doubtful"] = self.doubtful.to_json() if self.doubtful else None
        rows = {"skipped_photos": self.accounting.rows()}
        return fields | {"root": str(self.root)} | self.accounting.to_json() | rows


def findings(
    dataset: Dataset, seen: Survey, assignment: Assignment, *, fraction: float, seed: int
) -> Findings:
    """What stands out in a data set that was looked at, and in the split that `fraction` and `seed` make of it."""
    counts = Counter((dataset.rows[position].label, assignment.splits[position]) for position in seen.looks)
    classes = tuple(
        ClassCount(label, counts[label, "train"], counts[label, "validation"], counts[label, "test"])
        for label in dataset.labels
    )
    judged = sum(row.test for row in classes) or sum(row.validation for row in classes)
    few = too_few_to_judge(judged)
    sizes = [row.train + row.validation + row.test for row in classes]
    return Findings(
        root=dataset.root,
        kind=dataset.kind,
        classes=classes,
        photos=len(seen.looks),
        imbalance=max(sizes) / min(sizes) if min(sizes) else None,
        split_given=assignment.given,
        fraction=fraction,
        seed=seed,
        accounting=dataset.accounting(seen.refused),
        refused=tuple((dataset.rows[position].name, reason) for position, reason in seen.refused),
        exact_duplicates=_names(dataset, assignment.exact),
        near_duplicates=_names(dataset, assignment.near),
        two_labels=_names(dataset, assignment.two_labels),
        leaks=_leaks(dataset, assignment),
        odd_sizes=tuple(_odd_sizes(dataset, seen.looks)),
        photo_notes=tuple(Counter(note for look in seen.looks.values() for note in look.notes).most_common()),
        judged=judged,
        too_few_to_judge=few is not None,
        notes=dataset.notes + assignment.notes + ((f"{few}; add photos",) if few else ()),
        problem=_problem(dataset, seen, assignment),
    )


def _names(dataset: Dataset, groups: Iterable[tuple[int, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(dataset.rows[position].name for position in group) for group in groups)


def _leaks(dataset: Dataset, assignment: Assignment) -> tuple[LeakedPhoto, ...]:
    return tuple(
        LeakedPhoto(
            dataset.rows[leak.row].name,
            str(assignment.splits[leak.row]),
            dataset.rows[leak.other].name,
            str(assignment.splits[leak.other]),
            leak.exact,
        )
        for leak in assignment.leaks
    )


def odd_size(name: str, height: int, width: int) -> OddSize | None:
    """The photo of that size in pixels, where it is odd."""
    short, long = sorted((height, width))
    if short < SMALL_SIDE:
        return OddSize(name, height, width, f"its short side has {short} pixels, fewer than {SMALL_SIDE}")
    if long > LONG_RATIO * short:
        return OddSize(name, height, width, f"its long side is {long / short:.1f} times the short one")
    return None


def _odd_sizes(dataset: Dataset, looks: Looks) -> Iterable[OddSize]:
    for position, look in looks.items():
        if odd := odd_size(dataset.rows[position].name, look.height, look.width):
            yield odd


def _problem(dataset: Dataset, seen: Survey, assignment: Assignment) -> str | None:
    try:
        dataset.check_usable(seen.refused)
        assignment.check_labels(dataset, seen.looks)
    except UnusableDataset as error:
        return f"{error.what}; {error.fix}"
    return None
