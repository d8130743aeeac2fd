"""What `embed` gives: the feature vectors of photos, in memory or in a folder."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from efficientnet_lite.addresses import is_address
from efficientnet_lite.errors import printable
from efficientnet_lite.features.npy_folder import FEATURES, INDEX
from efficientnet_lite.features.parts import FloatMatrix
from efficientnet_lite.features.vector_folder import VectorFolder
from efficientnet_lite.photos.accounting import Accounting, Tally
from efficientnet_lite.storage import tables


def photo_place(shown: str) -> Path | str:
    """Where a photo lies, of what a list calls it; an address stays text, since a path would lose a slash of it."""
    return shown if is_address(shown) else Path(shown)


class VectorPlace(Protocol):
    """Where vectors are."""

    def paths(self) -> tuple[Path | str, ...]: ...

    def features(self) -> FloatMatrix: ...


@dataclass(frozen=True, slots=True, repr=False)
class Embedded:
    """The features of photos, in memory or in a published folder."""

    accounting: Accounting | Tally  # of all photos
    vectors: VectorPlace
    folder: Path | str | None = None  # where they were published; a text where that is an address
    parts: int = 0  # of the folder
    photos_per_second: float | None = None  # of this call; None where all of them were there

    def __repr__(self) -> str:
        place = "in memory" if self.folder is None else f"in {printable(str(self.folder))}"
        return f"<Embedded: {self.count:,} feature vectors {place}>"

    @property
    def count(self) -> int:
        """How many photos could be used."""
        return self.accounting.used

    @property
    def rows(self) -> int:
        """How many photos there are, used or not."""
        return self.accounting.found

    @property
    def skipped(self) -> int:
        """How many photos could not be used."""
        return self.rows - self.count

    @property
    def paths(self) -> tuple[Path | str, ...]:
        """The photos that could be used, an address as text; a row of `features` each.

        Read from the folder, where there is one.
        """
        return self.vectors.paths()

    @property
    def features(self) -> FloatMatrix:
        """The matrix, float32 (N, C): mapped from features.npy, or read from all parts into memory."""
        return self.vectors.features()


@dataclass(frozen=True, slots=True)
class HeldVectors:
    """In memory."""

    names: tuple[Path | str, ...]
    matrix: FloatMatrix

    def paths(self) -> tuple[Path | str, ...]:
        return self.names

    def features(self) -> FloatMatrix:
        return self.matrix


@dataclass(frozen=True, slots=True)
class NpyVectors:
    """In a folder with a matrix and its index."""

    folder: Path

    def paths(self) -> tuple[Path | str, ...]:
        with (self.folder / INDEX).open(encoding="utf-8", newline="") as file:
            return tuple(photo_place(tables.csv_text(row["path"])) for row in csv.DictReader(file))

    def features(self) -> FloatMatrix:
        return np.asarray(np.load(self.folder / FEATURES, mmap_mode="r", allow_pickle=False))


@dataclass(frozen=True, slots=True)
class PartVectors:
    """In the parts of a folder, which may be behind an address."""

    folder: VectorFolder

    def paths(self) -> tuple[Path | str, ...]:
        return tuple(photo_place(name) for names, _ in self._parts() for name in names)

    def features(self) -> FloatMatrix:
        return np.concatenate([matrix for _, matrix in self._parts()])

    def _parts(self) -> Iterator[tuple[list[str], FloatMatrix]]:
        for number in range(self.folder.made.parts):
            with self.folder.at_hand(number) as paths:
                yield self.folder.layout.vectors(paths)
