"""The nearest of all vectors to some, exactly: cosines block by block, on every core, in memory that does not grow.

Cosines are products in float32 of vectors at length one. Of equal ones the
earlier place comes first, so an answer does not depend on which core was faster.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.neighbors.vectors import StoredVectors, lengths_of
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.threads import share

# 20 MB of 1280 numbers. Smaller blocks cost calls, of larger ones the last is waited for.
BLOCK_ROWS = 4096
MOST_QUERIES = 1024  # whose cosines with a block are held at once

RowPlaces = npt.NDArray[np.intp]


class Nearest(NamedTuple):
    """The nearest to each of Q vectors, the nearest first."""

    places: RowPlaces  # (Q, k), rows of all vectors
    cosines: Array  # (Q, k), -1 to 1


@dataclass(frozen=True, slots=True)
class Block:
    """Some vectors, and the place of the first among all."""

    start: int
    vectors: Array  # (n, C)
    lengths: Array | None = None  # (n,); None where each is one


def blocks_of(matrix: Array, lengths: Array | None = None) -> Iterator[Block]:
    """A matrix (N, C) whose rows have length one, or these lengths."""
    for start in range(0, len(matrix), BLOCK_ROWS):
        stop = start + BLOCK_ROWS
        yield Block(start, matrix[start:stop], None if lengths is None else lengths[start:stop])


def as_stored(batches: Iterable[tuple[int, Array]]) -> Iterator[Block]:
    """Vectors as `StoredVectors.batches` gives them, of any length."""
    for start, vectors in batches:
        yield Block(start, vectors, lengths_of(vectors))


def nearest(blocks: Iterable[Block], queries: Array, k: int) -> Nearest:
    """The `k` nearest to each of the queries, fewer where there are fewer vectors.

    Args:
        blocks: all vectors, from `blocks_of` or `as_stored`.
        queries: float32 (Q, C), at length one.
        k: at least 1.
    """
    best = _Best(len(queries), k)

    def look(block: Block) -> None:
        for first in range(0, len(queries), MOST_QUERIES):
            cosines = queries[first : first + MOST_QUERIES] @ block.vectors.T
            if block.lengths is not None:
                cosines /= block.lengths
            best.offer(first, block.start, cosines)

    with _one_thread_each():
        share(look, blocks, workers=cores())
    return best.nearest()


def nearest_in(
    stored: StoredVectors, queries: Array, k: int, on_progress: OnProgress | None = None
) -> Nearest:
    """The `k` nearest of a folder of vectors; see `nearest`.

    A matrix that is at hand is gone through; else the parts are read once, in memory that does not grow.
    """
    at_hand = stored.in_memory()
    blocks = as_stored(stored.batches(BLOCK_ROWS)) if at_hand is None else blocks_of(*at_hand)
    return nearest(_told(blocks, len(stored), on_progress), queries, k)


def _told(blocks: Iterable[Block], total: int, on_progress: OnProgress | None) -> Iterator[Block]:
    for block in blocks:
        yield block
        if on_progress:
            on_progress(block.start + len(block.vectors), total)


class _Best:
    """The nearest of what was seen so far; several threads offer more."""

    def __init__(self, queries: int, k: int) -> None:
        self._k, self._lock = k, Lock()
        self._places, self._cosines = (
            [np.empty(0, np.intp)] * queries,
            [np.empty(0, np.float32)] * queries,
        )
        self._worst = np.full(queries, -np.inf, np.float32)  # of those that are kept, once there are k

    def offer(self, first: int, start: int, cosines: Array) -> None:
        """Those of a block, (Q, n): of the queries from `first` on, and of the vectors from `start` on."""
        worst = self._worst[first : first + len(cosines)]
        for row in np.flatnonzero(cosines.max(axis=1) >= worst).tolist():
            mine, query = cosines[row], first + row
            good = np.flatnonzero(mine >= self._floor(mine, query))
            with self._lock:
                self._keep(query, good + start, mine[good])

    def _floor(self, cosines: Array, query: int) -> np.float32:
        """What a cosine must have to be one of the k of its block, and of all so far."""
        among = len(cosines) - self._k
        of_block = np.partition(cosines, among)[among] if among > 0 else np.float32(-np.inf)
        return max(of_block, self._worst[query])

    def _keep(self, query: int, places: RowPlaces, cosines: Array) -> None:
        places = np.concatenate([self._places[query], places])
        cosines = np.concatenate([self._cosines[query], cosines])
        order = np.lexsort((places, -cosines))[: self._k]
        self._places[query], self._cosines[query] = places[order], cosines[order]
        if len(order) == self._k:
            self._worst[query] = cosines[order[-1]]

    def nearest(self) -> Nearest:
        return Nearest(np.stack(self._places), np.stack(self._cosines).clip(-1, 1))


def _one_thread_each() -> Any:
    """While it lasts the library behind numpy's products takes one thread: there is one for each core already."""
    return _libraries().limit(limits=1, user_api="blas")


@cache
def _libraries() -> Any:
    """Those that are loaded; asking for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
