"""Photos whose vectors point almost the same way: all pairs by blocks, in memory that grows with the photos alone.

Nothing is missed. Each vector is written as some coordinates along common directions and one number for the length of
the rest of it; by Cauchy and Schwarz the product of two such sketches is at least their cosine, so only pairs whose
sketches reach the threshold are compared whole. Of 1,280 numbers 128 directions hold nine tenths, so that this takes an
eighth of the time.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.photos.groups import components
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.storage.scratch import scratch

DIRECTIONS = 128
SAMPLE = 4096  # vectors that the directions are taken from
TURNS = 3
FEW = 4096  # vectors, which are compared whole
ROWS, COLUMNS = 1024, 8192  # of a block of pairs
MANY = ROWS * COLUMNS // 64  # pairs of a block
GATHERED = 4096  # pairs whose vectors are in memory at once
ROUNDING = 1e-5  # of a product in float32; a vector's cosine with itself may be that much below one
WAITING = 1 << 20  # pairs that wait to be joined

Pairs = npt.NDArray[np.int64]


def near_vectors(unit: Array, threshold: float, *, on_progress: OnProgress | None = None) -> Pairs:
    """Which vectors belong together where each pair with a cosine of at least `threshold` is joined.

    Args:
        unit: (N, C), of length one; zeros are near nothing. It may be mapped from a file.
        threshold: above 0, at most 1.
        on_progress: told how many vectors' worth of pairs are compared, of how many.

    Returns:
        (P, 2) positions: each vector of a group with the first of its group, in order of the vectors.
    """
    count = len(unit)
    sketches = unit if count <= FEW else _sketches(unit)
    joined = _Joined(count)
    blocks = [
        (top, left) for top in range(0, count, ROWS) for left in range(top - top % COLUMNS, count, COLUMNS)
    ]
    space = np.empty((ROWS, COLUMNS), np.float32)
    for number, (top, left) in enumerate(blocks, 1):
        if not joined.are_one(slice(top, top + ROWS), slice(left, left + COLUMNS)):
            joined.add(_near_in(unit, sketches, top, left, threshold, joined.label, space))
        if on_progress:
            on_progress(count * number // len(blocks), count)
    label = joined.labels()
    members = np.flatnonzero(label != np.arange(count))
    return np.stack([label[members], members], axis=1)


def cosines(unit: Array, pairs: Pairs) -> Array:
    """The cosine of each pair (P, 2) of vectors of length one, (P,)."""
    found = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), GATHERED):
        first, second = pairs[start : start + GATHERED].T
        found[start : start + GATHERED] = np.einsum("ij,ij->i", unit[first], unit[second])
    return np.clip(found, -1, 1, out=found)


def _sketches(unit: Array) -> Array:
    """Coordinates along the directions that most of a sample lies in, and the length of what is left, (N, D + 1)."""
    sample = np.asarray(unit[:: -(-len(unit) // SAMPLE)])
    directions = np.random.default_rng(0).standard_normal(
        (unit.shape[1], min(DIRECTIONS, unit.shape[1])), np.float32
    )
    for _ in range(TURNS):  # towards its first principal components, which need not be met
        directions, _ = np.linalg.qr(sample.T @ (sample @ directions))
    sketches = scratch(len(unit), directions.shape[1] + 1)
    for start in range(0, len(unit), COLUMNS):
        piece = unit[start : start + COLUMNS]
        heads = piece @ directions
        whole, kept = (np.einsum("ij,ij->i", each, each) for each in (piece, heads))
        sketches[start : start + COLUMNS, :-1] = heads
        sketches[start : start + COLUMNS, -1] = np.sqrt(np.maximum(whole - kept, 0) + ROUNDING)
    return sketches


def _near_in(
    unit: Array, sketches: Array, top: int, left: int, threshold: float, label: Pairs, space: Array
) -> Iterator[Pairs]:
    """The pairs of one block that are near and not joined yet, first < second."""
    rows, columns = slice(top, top + ROWS), slice(left, left + COLUMNS)
    pairs = _reaching(sketches, rows, columns, threshold, label, space)
    if sketches is unit or not len(pairs):
        yield pairs
    elif len(pairs) > MANY:  # the block whole is sooner compared than so many single pairs
        yield _reaching(unit, rows, columns, threshold, label, space)
    else:
        yield pairs[cosines(unit, pairs) >= threshold - ROUNDING]


def _reaching(
    vectors: Array, rows: slice, columns: slice, threshold: float, label: Pairs, space: Array
) -> Pairs:
    high, wide = vectors[rows], vectors[columns]
    product = np.matmul(high, wide.T, out=space[: len(high), : len(wide)])
    reaches = product >= np.float32(threshold - ROUNDING)
    if np.count_nonzero(reaches) > MANY:
        reaches &= label[rows, None] != label[columns]
    first, second = np.divmod(np.flatnonzero(reaches), len(wide))  # of two axes at once it takes far longer
    first += rows.start
    second += columns.start
    is_new = (first < second) & (label[first] != label[second])
    return np.stack([first[is_new], second[is_new]], axis=1)


class _Joined:
    """Groups that grow as pairs come: two numbers for each vector, however many pairs there are."""

    def __init__(self, count: int) -> None:
        self.label = np.arange(count)  # of each the first of its group, but for pairs that wait
        self._waiting: list[Pairs] = []
        self._count = 0

    def add(self, found: Iterator[Pairs]) -> None:
        for pairs in found:
            if len(pairs):
                self._waiting.append(pairs)
                self._count += len(pairs)
        if self._count > WAITING:
            self.labels()

    def are_one(self, *some: slice) -> bool:
        """Whether all of these are in one group, as in a crowd from a fixed camera."""
        first = self.label[some[0].start]
        return all(bool((self.label[each] == first).all()) for each in some)

    def labels(self) -> Pairs:
        """The first of each group, (N,)."""
        if self._waiting:
            known = np.stack([self.label, np.arange(len(self.label))], axis=1)
            self.label = components(len(self.label), np.concatenate([known, *self._waiting]))
            self._waiting, self._count = [], 0
        return self.label
