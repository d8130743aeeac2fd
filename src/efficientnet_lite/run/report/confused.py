"""Which classes one file takes for which, in one view of the photos: counts, and what follows from them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from efficientnet_lite.run.report.fields import MAX_COUNT, an_object, items

# Percent of a color: of one photo, and what a whole class adds; text stays readable on it.
FAINTEST, STRONGER = 14, 34


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
class MixedUp:
    """Two classes, and the photos of one that were taken for the other, both ways."""

    first: str
    second: str
    count: int
    of: int  # photos of both


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """Photos of one class that got one name."""

    label: str  # the name
    count: int
    right: bool
    strength: int  # of its color, percent


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """What the photos of one class were named."""

    label: str
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True, eq=False)
class Confused:
    """What a file named the photos of each class in one view.

    `cells` are int64 (K, 3): true class, named class and how many photos, of all that are more than none, by class.
    """

    labels: tuple[str, ...]
    cells: npt.NDArray[np.int64]

    @classmethod
    def of(cls, labels: tuple[str, ...], matrix: npt.NDArray[np.int64]) -> Self:
        """Of a matrix (C, C), row = true class."""
        true, named = matrix.nonzero()
        return cls(labels, np.stack([true, named, matrix[true, named]], axis=1).astype(np.int64))

    @classmethod
    def read(cls, fields: object, labels: tuple[str, ...]) -> Self:
        """Of a card: `confusion`, a matrix, or `confused`, triples of true class, named class and count.

        Raises ValueError where it is neither.
        """
        if an_object(fields).get("confused") is not None:
            return cls(labels, _triples(an_object(fields), len(labels)))
        return cls.of(labels, _matrix(an_object(fields), len(labels)))

    @cached_property
    def support(self) -> npt.NDArray[np.int64]:
        """(C,): photos of each class."""
        return self._sums(0, self.cells)

    @property
    def classes(self) -> tuple[Class, ...]:
        """Every class, the least recall first, those without photos last."""
        named, right = self._sums(1, self.cells), self._sums(0, self.cells[self._is_right])
        rows = [
            Class(
                at,
                label,
                int(self.support[at]),
                float(right[at] / self.support[at]) if self.support[at] else None,
                float(right[at] / named[at]) if named[at] else None,
            )
            for at, label in enumerate(self.labels)
        ]
        return tuple(
            sorted(rows, key=lambda row: (row.recall is None, row.recall or 0, -row.count, row.label))
        )

    def pairs(self, limit: int) -> tuple[Pair, ...]:
        """The `limit` pairs of classes that are confused most often."""
        true, named, counts = self.cells[~self._is_right].T
        shares = counts / self.support[true]
        order = np.lexsort((named, true, -shares, -counts))[:limit]
        return tuple(
            Pair(self.labels[true[at]], self.labels[named[at]], int(counts[at]), float(shares[at]))
            for at in order
        )

    @property
    def most_mixed_up(self) -> MixedUp | None:
        """The two classes with most photos that were taken for the other one; None where all are right."""
        found = dict[tuple[int, int], int]()
        for true, named, count in self.cells[~self._is_right].tolist():
            pair = (min(true, named), max(true, named))
            found[pair] = found.get(pair, 0) + count
        if not found:
            return None
        first, second = max(found, key=lambda pair: (found[pair], -pair[0], -pair[1]))
        of = int(self.support[first] + self.support[second])
        return MixedUp(self.labels[first], self.labels[second], found[first, second], of)

    @property
    def rows(self) -> tuple[MatrixRow, ...]:
        """The matrix as it is shown, a row for each true class; for few classes."""
        classes = range(len(self.labels))
        counts = {(true, named): count for true, named, count in self.cells.tolist()}

        def cell(true: int, named: int) -> MatrixCell:
            count = counts.get((true, named), 0)
            strength = FAINTEST + int(STRONGER * count / max(self.support[true], 1))
            return MatrixCell(self.labels[named], count, true == named, strength)

        return tuple(
            MatrixRow(self.labels[true], tuple(cell(true, named) for named in classes)) for true in classes
        )

    @property
    def _is_right(self) -> npt.NDArray[np.bool_]:
        return np.equal(self.cells[:, 0], self.cells[:, 1])

    def _sums(self, column: int, cells: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        sums = np.zeros(len(self.labels), np.int64)
        np.add.at(sums, cells[:, column], cells[:, 2])
        return sums


def _matrix(fields: Mapping[str, Any], classes: int) -> npt.NDArray[np.int64]:
    rows = items(fields, "confusion")
    if len(rows) != classes or any(not isinstance(row, list | tuple) or len(row) != classes for row in rows):
        raise ValueError(f"its confusion matrix has not {classes} rows and columns")
    if not all(type(cell) is int and 0 <= cell <= MAX_COUNT // classes**2 for row in rows for cell in row):
        raise ValueError("its confusion matrix holds what is no count")
    return np.array(rows, np.int64).reshape(classes, classes)


def _triples(fields: Mapping[str, Any], classes: int) -> npt.NDArray[np.int64]:
    rows = items(fields, "confused")
    most = MAX_COUNT // max(1, len(rows))
    for row in rows:
        if not isinstance(row, list | tuple) or len(row) != 3 or any(type(value) is not int for value in row):
            raise ValueError("its confused classes are no rows of three whole numbers")
        true, named, count = row
        if not (0 <= true < classes and 0 <= named < classes and 0 < count <= most):
            raise ValueError("its confused classes are out of range")
    cells = np.array(sorted(map(tuple, rows)), np.int64).reshape(-1, 3)
    if len(cells) > 1 and not (cells[1:, :2] != cells[:-1, :2]).any(axis=1).all():
        raise ValueError("its confused classes name a pair twice")
    return cells
