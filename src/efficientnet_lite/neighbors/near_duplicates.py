"""Near-duplicates among the photos of a folder of vectors, and which of them stand in two parts of a data set."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.neighbors.near_vectors import cosines, near_vectors
from efficientnet_lite.neighbors.path_splits import splits_of
from efficientnet_lite.neighbors.stored_parts import VectorRow
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.photos.groups import CROWD, Groups, find_groups, find_leaks, numbered, together
from efficientnet_lite.photos.split import Split
from efficientnet_lite.progress import ShowStage, silent

MOST_COMPARED = 100  # photos of a group, among which the nearest to a leaked one is named
CSV_COLUMNS = (
    "group",
    "path",
    "id",
    "label",
    "split",
    "cosine",
    "same_bytes",
    "sha256",
    "leak",
    "leak_split",
)


@dataclass(frozen=True, slots=True)
class AlikePhoto:
    """A photo of a group of near-duplicates."""

    path: str  # as `embed` got it
    id: str
    label: str | None
    split: Split | None  # of a manifest's column, or of the words in its path
    sha256: str | None
    cosine: float  # with the first photo of its group
    same_bytes: bool  # as another photo of its group


@dataclass(frozen=True, slots=True)
class LeakedVector:
    """A photo of `split` that also stands in `other_split`."""

    path: str
    split: Split
    other: str
    other_split: Split
    cosine: float
    same_bytes: bool


@dataclass(frozen=True, slots=True, repr=False)
class Duplicates:
    """What was found among the photos of a folder of vectors."""

    folder: Path
    photos: int  # those that have a vector
    threshold: float  # of the cosine
    groups: tuple[tuple[AlikePhoto, ...], ...]  # largest first, begun by the photo of most pixels
    leaks: tuple[LeakedVector, ...]  # one for each photo of validation or test, in order of photos
    splits: dict[Split, int] = field(default_factory=dict)  # photos of each part; empty where nothing says so
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Duplicates: {len(self.groups):,} groups, {len(self.leaks):,} leaks>"

    @property
    def grouped(self) -> int:
        """Photos in groups."""
        return sum(map(len, self.groups))

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        return {
            "folder": self.folder,
            "photos": self.photos,
            "threshold": self.threshold,
            "grouped": self.grouped,
            "splits": self.splits,
            "groups": [list(map(asdict, group)) for group in self.groups],
            "leaks": list(map(asdict, self.leaks)),
            "notes": self.notes,
        }

    def csv_rows(self) -> Iterator[tuple[object, ...]]:
        """A row for each photo in a group, see `CSV_COLUMNS`; groups are numbered from 1, the largest first."""
        leaks = {leak.path: leak for leak in self.leaks}
        for number, group in enumerate(self.groups, 1):
            for photo in group:
                leak = leaks.get(photo.path)
                yield (
                    number,
                    photo.path,
                    photo.id,
                    photo.label or "",
                    photo.split or "",
                    round(photo.cosine, 4),
                    int(photo.same_bytes),
                    photo.sha256 or "",
                    leak.other if leak else "",
                    leak.other_split if leak else "",
                )


def find_duplicates(vectors: StoredVectors, threshold: float, show: ShowStage = silent) -> Duplicates:
    """Groups in which each photo is joined to another by a cosine of `threshold` or by equal bytes, and leaks.

    Raises UnusableInput where a part is damaged.
    """
    rows = vectors.rows
    unit, _, groups = grouped(vectors, threshold, show, keep_crowds=True)
    splits = splits_of([row.path for row in rows], [row.split for row in rows])
    found = sorted(together(groups.near), key=len, reverse=True)  # stable: else by the first photo
    return Duplicates(
        folder=vectors.folder,
        photos=len(rows),
        threshold=threshold,
        groups=tuple(_group(group, rows, splits, groups, unit) for group in found),
        leaks=_leaks(rows, splits, groups, unit),
        splits={split: splits.count(split) for split in get_args(Split) if split in splits},
        notes=_notes(len(rows), len(found[0]) if found else 0),
    )


def grouped(
    vectors: StoredVectors, threshold: float, show: ShowStage = silent, *, keep_crowds: bool = False
) -> tuple[Array, npt.NDArray[np.int64], Groups]:
    """The vectors at length one, the number of each photo's content, and the groups by both; see `find_groups`.

    Raises UnusableInput where a part is damaged.
    """
    with show("Reading vectors") as on_progress:
        unit = vectors.matrix(on_progress)
    with show("Comparing photos") as on_progress:
        pairs = near_vectors(unit, threshold, on_progress=on_progress)
    _, contents = numbered(_contents(vectors.rows))
    return unit, contents, find_groups(contents, contents[pairs], keep_crowds=keep_crowds)


def _contents(rows: Sequence[VectorRow]) -> npt.NDArray[np.bytes_]:
    """What tells whose bytes are equal, (N,): a digest, or a name of its own where there is none."""
    return np.array([(row.sha256 or f"- {place}").encode()[:64] for place, row in enumerate(rows)])


def _pixels(row: VectorRow) -> int:
    return (row.width or 0) * (row.height or 0)


def _group(
    members: Any, rows: Sequence[VectorRow], splits: Sequence[Split | None], groups: Groups, unit: Any
) -> tuple[AlikePhoto, ...]:
    def order(place: int) -> tuple[int, bool]:
        return -_pixels(rows[place]), splits[place] != "train"

    members = np.array(sorted(members.tolist(), key=order))
    near = cosines(unit, np.stack([np.full(len(members), members[0]), members], axis=1))
    copies = Counter(groups.exact[members].tolist())
    return tuple(
        AlikePhoto(
            rows[place].path,
            rows[place].id,
            rows[place].label,
            splits[place],
            rows[place].sha256,
            1.0 if groups.exact[place] == groups.exact[members[0]] else round(float(cosine), 6),
            copies[int(groups.exact[place])] > 1,
        )
        for place, cosine in zip(members.tolist(), near, strict=True)
    )


def _leaks(
    rows: Sequence[VectorRow], splits: Sequence[Split | None], groups: Groups, unit: Any
) -> tuple[LeakedVector, ...]:
    found = sorted(find_leaks(groups, splits), key=lambda leak: leak.row)
    sides: dict[tuple[int, Split | None], list[int]] = defaultdict(
        list
    )  # first of a group, split -> its photos there
    for place, first in enumerate(groups.near.tolist() if found else ()):
        if len(side := sides[first, splits[place]]) < MOST_COMPARED:
            side.append(place)
    result = []
    for leak in found:
        split, other_split = splits[leak.row], splits[leak.other]
        assert split is not None
        assert other_split is not None  # else it is no leak
        other, near = leak.other, 1.0
        if not leak.exact:
            there = sides[int(groups.near[leak.row]), other_split]
            alike = cosines(unit, np.array([(leak.row, place) for place in there], np.int64))
            other, near = there[int(alike.argmax())], round(float(alike.max()), 6)
        result.append(
            LeakedVector(rows[leak.row].path, split, rows[other].path, other_split, near, leak.exact)
        )
    return tuple(result)


def _notes(photos: int, largest: int) -> tuple[str, ...]:
    if largest <= max(CROWD, photos // 10):
        return ()
    return (
        f"the largest group has {largest:,} of {photos:,} photos: they look alike as from a fixed camera, or a "
        "chain of neighbors joins them; a higher `threshold=` parts them",
    )
