"""Photos for a proof: of any folder, with their classes where it is a data set of the model's classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.doors.dataset import list_photos, open_dataset
from efficientnet_lite.errors import UnusableInput


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


def labelled_photos(data: Path, labels: Sequence[str] | None) -> tuple[list[Path], list[int] | None]:
    """Photos of `data`, with class indices where all its classes are among `labels`.

    Raises:
        UnusableInput: there is no such folder.
    """
    try:
        dataset = open_dataset(data, to_learn=False)
        index = {label: number for number, label in enumerate(labels or ())}
        if set(dataset.labels) <= set(index):
            return [row.path for row in dataset.rows], [index[row.label] for row in dataset.rows]
    except UnusableInput:
        pass
    return [path for path, _ in list_photos([data]).photos], None
