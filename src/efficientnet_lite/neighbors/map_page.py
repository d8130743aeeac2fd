"""Photos as the points of a page, with what its script needs of each: where it lies, what it is, how it looks.

The page is one HTML file; names of photos and classes in it are data and never markup. The same map gives the same
bytes.
"""

import base64
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import printable
from efficientnet_lite.features.provenance import MadeWith
from efficientnet_lite.neighbors.own_page import embedded_json, own_text, policy, renderer
from efficientnet_lite.neighbors.plane import Plane
from efficientnet_lite.neighbors.stored_parts import VectorRow
from efficientnet_lite.neighbors.thumbnails import Thumbnails
from efficientnet_lite.photos.splitwords import split_of
from efficientnet_lite.version import __version__

MAX_PAGE_PICTURES = 15 * 2**20  # bytes: 20 MB of text
NONE = 65_535  # the code of a photo without a group
MAX_GROUPS = 65_000  # the others count as without one
LEGENDS = {"class": "class", "part": "part of the data set"}


def render(
    rows: Sequence[VectorRow],
    plane: Plane,
    thumbnails: Thumbnails | None,
    *,
    title: str,
    made: MadeWith | None,
) -> bytes:
    """The page as UTF-8.

    Args:
        rows: a point each, at least one.
        thumbnails: None where no pictures were wanted.
        title: what the map is of.
        made: what the vectors were made with, where that is known.
    """
    style, script = own_text("map.css"), own_text("map.js")
    folder = common_folder([row.path for row in rows])
    groups = groups_of(rows)
    facts = {
        "x": _coded(squared(plane.points)[0]),
        "y": _coded(squared(plane.points)[1]),
        "names": [printable(row.path[len(folder) :]) for row in rows],
        "groups": groups,
        **_pictures(thumbnails, len(rows)),
    }
    text = _renderer()(
        title=printable(title),
        policy=policy(style, script),
        package=__version__,
        style=style,
        script=script,
        data=embedded_json(facts),
        pictures=_joined(thumbnails),
        count=len(rows),
        classes=len(groups[0]["names"]) if groups else 0,
        folder=printable(folder),
        model=printable(made.model) if made else None,
        method=plane.method,
        kept=plane.kept,
        wanted=thumbnails is not None,
        side=thumbnails.side if thumbnails else None,
        gone=thumbnails.gone if thumbnails else 0,
        groups=groups,
    )
    return text.encode()


def squared(points: Array) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """x and y of points (N, 2) as uint16, in the middle of a square that just holds them; y goes down as on screens."""
    low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
    reach = float((high - low).max()) or 1.0
    codes = np.rint(65535 * (0.5 + (points - (low + high) / 2) / reach)).clip(0, 65535).astype("<u2")
    return codes[:, 0], 65535 - codes[:, 1]


def groups_of(rows: Sequence[VectorRow]) -> list[dict[str, Any]]:
    """By what the points can be colored: classes, and parts such as train and validation; each where there are any.

    `names` are in the order of their photos, the most first, `counts` so many, `codes` the place of each photo's.
    """
    columns = {"class": [row.label for row in rows], "part": _parts_of(rows)}
    found = []
    for kind, column in columns.items():
        counts = Counter(each for each in column if each is not None)
        if not counts or (kind == "part" and len(counts) < 2):
            continue
        names = sorted(counts, key=lambda name: (-counts[name], name))[:MAX_GROUPS]
        places = {name: place for place, name in enumerate(names)}
        codes = np.array([places.get(each, NONE) if each is not None else NONE for each in column], "<u2")
        found.append(
            {
                "kind": LEGENDS[kind],
                "names": [printable(name) for name in names],
                "counts": [counts[name] for name in names],
                "codes": _coded(codes),
            }
        )
    return found


def _parts_of(rows: Sequence[VectorRow]) -> list[str | None]:
    """The part of the data set that each photo is of: as a manifest says, or the folders it lies in."""

    def part_of(row: VectorRow) -> str | None:
        if row.split is not None:
            return split_of(row.split) or row.split
        return next(filter(None, map(split_of, row.path.split("/")[:-1])), None)

    return [part_of(row) for row in rows]


def common_folder(paths: Sequence[str]) -> str:
    """What all paths begin with, up to a slash; empty where nothing."""
    first, last = min(paths), max(paths)
    length = next(
        (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first)
    )
    return first[: first.rfind("/", 0, length) + 1]


def _pictures(thumbnails: Thumbnails | None, count: int) -> Mapping[str, Any]:
    """Which picture each point has, 0 for none, and where each begins in the text that holds them."""
    if thumbnails is None or not thumbnails.images:
        return {}
    places = np.array([0 if place is None else place + 1 for place in thumbnails.places], "<u4")
    starts = np.cumsum([0, *(4 * -(-len(image) // 3) for image in thumbnails.images)])
    return {"picture": _coded(places), "starts": _coded(starts.astype("<u4")), "side": thumbnails.side}


def _joined(thumbnails: Thumbnails | None) -> str:
    return "".join(base64.b64encode(image).decode() for image in thumbnails.images) if thumbnails else ""


def _coded(numbers: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(numbers.tobytes()).decode()


@cache
def _renderer() -> Callable[..., str]:
    return renderer("map.html.j2")
