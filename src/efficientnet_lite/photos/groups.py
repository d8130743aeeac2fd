"""Groups of photos that show the same, and which of them stand on two sides: from pairs of any origin. Pure.

The difference hash (`duplicates`) and feature vectors (`neighbors.near_vectors`) find pairs; what follows from pairs is
said here, once for `check`, for the split of `train` and for the command `duplicates`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from efficientnet_lite.photos.split import Split
from efficientnet_lite.sequences import Made

Places = npt.NDArray[np.intp]  # of photos, in order
CROWD = 50  # photos; and a tenth of all: a group that is larger than both says nothing


class Groups(NamedTuple):
    """For each photo the position of the first photo of its group, its own where it is alone."""

    exact: npt.NDArray[np.int64]  # (N,) photos with equal bytes
    near: npt.NDArray[np.int64]  # (N,) photos with equal bytes or alike
    crowded: int  # photos in groups so large that only equal bytes were kept together


@dataclass(frozen=True, slots=True)
class Leak:
    """A photo that stands in two splits. `row` and `other` are positions; `other` is in training if it can be."""

    row: int
    other: int
    exact: bool  # equal bytes; else alike


def find_groups(
    contents: npt.NDArray[np.integer[Any]], pairs: npt.NDArray[np.int64], *, keep_crowds: bool = False
) -> Groups:
    """Groups of the same photo.

    Being alike is passed on: if A is like B and B like C, the three are one group. A near group of more
    than 50 photos and a tenth of all says nothing of copies (a fixed camera, a scanner): there only equal
    bytes are kept together.

    Args:
        contents: for each photo the number of its content, equal for equal bytes, (N,).
        pairs: contents that are alike, by number, (P, 2).
        keep_crowds: groups stay whole, however large.
    """
    firsts, node = numbered(contents)
    count = int(contents.max(initial=-1)) + 1
    place = np.full(count, -1)
    place[contents[firsts]] = np.arange(len(firsts))
    both = place[pairs[(pairs < count).all(axis=1)]]
    joined = components(len(firsts), both[(both >= 0).all(axis=1)])
    crowd = np.zeros(len(firsts), np.bool_)
    if not keep_crowds:
        photos = np.bincount(joined[node], minlength=len(firsts))
        members = np.bincount(joined, minlength=len(firsts))
        crowd = (photos[joined] > max(CROWD, len(contents) // 10)) & (members[joined] > 1)
        joined[crowd] = np.flatnonzero(crowd)
    return Groups(firsts[node], firsts[joined[node]], int(crowd[node].sum()))


def numbered(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each value comes first, in order (M,), and for each value the number of that among them (N,)."""
    _, first, node = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[node]


def components(count: int, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each of `count` nodes the smallest node that is connected to it."""
    label = np.arange(count)
    while True:
        first, second = label[pairs[:, 0]], label[pairs[:, 1]]
        if np.array_equal(first, second):
            return label
        low = np.minimum(first, second)
        np.minimum.at(label, first, low)
        np.minimum.at(label, second, low)
        while not np.array_equal(label, label[label]):
            label = label[label]


def together(groups: Places) -> list[Places]:
    """The groups that have two or more members, in order of their first."""
    several = np.flatnonzero(np.bincount(groups)[groups] > 1)
    order = several[np.argsort(groups[several], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(order) else []


def find_leaks(groups: Groups, splits: Sequence[Split | None]) -> Sequence[Leak]:
    """One leak for each photo outside of training that has its like in another split, in order of groups.

    Args:
        splits: of each photo; one without a split leaks nowhere.
    """
    found = [leak for group in together(groups.near) for leak in _leaks(group, splits, groups.exact)]
    rows, others, equal = np.array(found, np.intp).reshape(-1, 3).T
    return Made(len(rows), lambda at: Leak(int(rows[at]), int(others[at]), bool(equal[at])))


def _leaks(
    group: Places, splits: Sequence[Split | None], contents: npt.NDArray[np.int64]
) -> Iterator[tuple[int, int, bool]]:
    """Of each photo outside of training, one with which it stands on two sides, and whether their bytes are equal.

    Equal bytes come first, then those in training; photos of the test part may also stand in validation.
    """
    first: dict[tuple[Split | None, int | None], int] = {}  # split, and content or None for any -> place
    held = contents[group].tolist()
    for place, content in zip(group.tolist(), held, strict=True):
        first.setdefault((splits[place], content), place)
        first.setdefault((splits[place], None), place)
    for place, content in zip(group.tolist(), held, strict=True):
        if splits[place] in ("train", None):
            continue
        sides: tuple[Split, ...] = ("train", "validation") if splits[place] == "test" else ("train",)
        for kind in (content, None):
            other = next((first[side, kind] for side in sides if (side, kind) in first), None)
            if other is not None:
                yield place, other, kind is not None
                break
