"""Photos that set the activation ranges: which of those at hand, how each is looked at, and the record of both."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.photos.contract import Contract, FitView, View
from efficientnet_lite.photos.images import Refused, images_of
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.threads import in_threads

MOST_NAMED = 1000  # photos in a record; of more it has the digest, and the seed that chose them


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """The photos that set the ranges of an int8 file, in the order in which they did."""

    names: tuple[str, ...]  # as the data set has them
    contents: tuple[str, ...]  # SHA-256 of each
    views: tuple[FitView | View, ...]  # how each was looked at
    seed: int  # of their choice

    @property
    def sha256(self) -> str:
        """Over a line for each photo, its SHA-256 and its view, with a space between."""
        lines = (f"{content} {view}\n" for content, view in zip(self.contents, self.views, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def part(self, places: Sequence[int]) -> "CalibrationSet":
        """Those at `places`, in that order."""
        return CalibrationSet(
            tuple(self.names[place] for place in places),
            tuple(self.contents[place] for place in places),
            tuple(self.views[place] for place in places),
            self.seed,
        )

    def to_json(self) -> dict[str, Any]:
        """A document of plain values; `files` is null of very many photos."""
        return {
            "photos": len(self.names),
            "seed": self.seed,
            "views": dict(sorted(Counter(self.views).items())),
            "sha256": self.sha256,
            "files": list(self.names) if len(self.names) <= MOST_NAMED else None,
        }


def shuffled(contents: Sequence[str], seed: int) -> list[str]:
    """What the photos of these contents, SHA-256 each, are ordered by: of seed 0 the contents themselves."""
    if not seed:
        return list(contents)
    return [hashlib.sha256(f"{seed}|{content}".encode()).hexdigest() for content in contents]


def stratified(
    labels: Sequence[str], order: Sequence[str] | npt.NDArray[np.integer[Any]], count: int
) -> list[int]:
    """Positions of `count` photos, every class in turn, each class by `order`: hashes, or the ranks of these."""
    queues: dict[str, list[int]] = defaultdict(list)
    for position in np.argsort(np.asarray(order), kind="stable"):
        if len(queue := queues[labels[position]]) < count:
            queue.append(int(position))
    chosen: list[int] = []
    for turn in range(max(map(len, queues.values()), default=0)):
        chosen += [queue[turn] for _, queue in sorted(queues.items()) if turn < len(queue)]
    return chosen[:count]


def views_in_turn(labels: Sequence[str], views: Sequence[FitView]) -> tuple[FitView, ...]:
    """A view for each photo, by its class: the views take turns within each class, and the classes begin in turn.

    By place alone, classes that take turns themselves would be seen in one view each.
    """
    met: Counter[str] = Counter()
    first: dict[str, int] = {}
    found = []
    for label in labels:
        turn = first.setdefault(label, len(first)) + met[label]
        met[label] += 1
        found.append(views[turn % len(views)])
    return tuple(found)


def images_by_place(
    photos: Sequence[Path],
    contents: Sequence[str],
    contract: Contract,
    views: Sequence[FitView],
    *,
    workers: int,
    on_progress: OnProgress = lambda done, total: None,
) -> tuple[dict[int, npt.NDArray[np.uint8]], dict[int, Refused]]:
    """The image of each photo that can be used, in its own view, and why the others cannot be used, by place.

    `contents` has the SHA-256 of each photo; one that has another content by now is refused.
    """
    work = list(zip(photos, contents, views, strict=True))
    outcomes = in_threads(
        lambda item: images_of(item[0], [item[2]], contract, sha256=item[1]), work, workers=workers
    )
    images, refused = {}, {}
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, Refused):
            refused[place] = outcome
        else:
            images[place] = outcome[0]
        on_progress(place + 1, len(work))
    return images, refused
