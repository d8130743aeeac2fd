"""What was asked for, and what a search gives for it: photos, the nearest first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import EfficientNetLiteError
from efficientnet_lite.neighbors.search import Nearest
from efficientnet_lite.neighbors.stored_parts import VectorRow
from efficientnet_lite.neighbors.vectors import StoredVectors

SIX = 6  # decimals of a cosine; float32 has no more

FindNearest = Callable[[Array, int], Nearest]  # vectors at length one (Q, C) and how many


@dataclass(frozen=True, slots=True)
class Query:
    """A photo whose neighbors are asked for: its vector at length one (C,), or why there is none."""

    name: str  # its path or id
    vector: Array | None
    place: int | None = None  # its own among all vectors, where it was named by its id
    error: EfficientNetLiteError | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A photo that is near."""

    id: str
    path: str  # as it was given to `embed`
    label: str | None
    cosine: float  # with the photo that was asked for: 1 for the same, 0 for nothing in common

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        return {"id": self.id, "path": self.path, "label": self.label, "cosine": self.cosine}


@dataclass(frozen=True, slots=True)
class Searched:
    """A photo that was asked for, and those that are near, the nearest first; or why it could not be used."""

    query: str  # its path or id
    found: tuple[Found, ...] = ()
    error: str | None = None
    rows: tuple[VectorRow, ...] = ()  # what else is known of those found
    own: VectorRow | None = None  # and of the photo itself, where it was named by its id

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        if self.error is not None:
            return {"query": self.query, "error": self.error}
        return {"query": self.query, "found": [each.to_json() for each in self.found]}


def asked_by_id(stored: StoredVectors, ids: Sequence[str]) -> list[Query]:
    """Photos of the folder itself. Raises UsageError where one has no such id."""
    places = [stored.place_of(each) for each in ids]
    return [Query(id, stored.vector_at(place), place) for id, place in zip(ids, places, strict=True)]


def answers(stored: StoredVectors, asked: Sequence[Query], top_k: int, find: FindNearest) -> list[Searched]:
    """For each that was asked for those that are near, without itself where it was named by its id."""
    used = [each for each in asked if each.vector is not None]
    if not used:
        return [_unused(each) for each in asked]
    more = any(each.place is not None for each in used)
    nearest = find(np.stack([each.vector for each in used if each.vector is not None]), top_k + more)
    chosen = [
        [(place, cosine) for place, cosine in zip(places, cosines, strict=True) if place != each.place][
            :top_k
        ]
        for each, places, cosines in zip(used, nearest.places.tolist(), nearest.cosines.tolist(), strict=True)
    ]
    own = {each.place for each in used if each.place is not None}
    wanted = sorted(own | {place for pairs in chosen for place, _ in pairs})
    rows = dict(zip(wanted, stored.rows_at(wanted), strict=True))
    answered = iter(chosen)
    return [_unused(each) if each.vector is None else _answer(each, next(answered), rows) for each in asked]


def _unused(asked: Query) -> Searched:
    return Searched(asked.name, error=asked.error.what if asked.error else "")


def _answer(asked: Query, pairs: Sequence[tuple[int, float]], rows: dict[int, VectorRow]) -> Searched:
    there = tuple(rows[place] for place, _ in pairs)
    found = tuple(
        Found(row.id, row.path, row.label, round(cosine, SIX))
        for row, (_, cosine) in zip(there, pairs, strict=True)
    )
    own = None if asked.place is None else rows[asked.place]
    return Searched(asked.name, found, rows=there, own=own)
