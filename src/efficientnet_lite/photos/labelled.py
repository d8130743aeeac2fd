"""Photos for a proof: of any folder, with their classes where it is a data set of the model's classes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.labels import ClassNames
from efficientnet_lite.photos.accounting import Skipped, account
from efficientnet_lite.photos.classes import some
from efficientnet_lite.photos.dataset import DatasetPlace, list_photos, open_dataset
from efficientnet_lite.photos.frames import Frame
from efficientnet_lite.storage import files


@dataclass(frozen=True, slots=True)
class Surveyed:
    """Labelled photos, and what they held when they were looked at."""

    names: Sequence[str]  # as split.csv has them
    paths: Sequence[Path]
    truth: Sequence[int]  # class indices
    contents: Sequence[str]  # SHA-256 of each


@dataclass(frozen=True, slots=True)
class LostPhoto:
    """A photo that was there when the data set was looked at, and could not be used when it was needed."""

    name: str
    split: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


class ForProof(NamedTuple):
    """Photos that a file is proven on."""

    paths: list[Path]
    truth: list[int] | None  # class indices
    notes: list[str]  # why there is no truth, and what was skipped before a photo was opened


def labelled_photos(data: DatasetPlace, known: ClassNames | None) -> ForProof:
    """Photos of `data`, with class indices where all its classes are `known`; else a note says why not.

    Raises:
        UnusableInput: there is no such folder, or a manifest cannot be used.
    """
    why = "a pattern names photos and no classes"
    is_table = isinstance(data, Frame) or files.is_file(data)
    if isinstance(data, Frame) or is_table or files.is_dir(data):
        try:
            dataset = open_dataset(data, to_learn=False)
        except UnusableInput as error:
            if is_table:  # whose lines, and not itself, would be the photos
                raise
            why = error.what
        else:
            places = {label: known.places(label) if known else () for label in dataset.labels}
            strange = [repr(label) for label, found in places.items() if not found]
            twofold = known.ambiguous(dataset.labels) if known else []
            if not strange and not twofold:
                truth = [places[row.label][0] for row in dataset.rows]
                return ForProof([row.path for row in dataset.rows], truth, _lost(dataset.skipped))
            why = f"the model has no class {some(strange)}" if strange else some(twofold, 2)
            why = why if known else "the model has no names of classes"
            if is_table:
                return ForProof(
                    [row.path for row in dataset.rows], None, [_unlabelled(why), *_lost(dataset.skipped)]
                )
    assert not isinstance(data, Frame)
    listing = list_photos([data])
    return ForProof([path for path, _ in listing.photos], None, [_unlabelled(why), *_lost(listing.skipped)])


def _unlabelled(why: str) -> str:
    return f"the photos are used without labels: {why}"


def _lost(skipped: Iterable[Skipped]) -> list[str]:
    found = account(0, skipped)
    return [f"{len(found.skipped)} photos are skipped; {found.reasons()}"] if found.skipped else []
