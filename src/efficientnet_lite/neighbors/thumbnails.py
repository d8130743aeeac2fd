"""The photos behind vectors as small pictures, as many as a page can hold: read where they lay, or lie now."""

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.addresses import is_address
from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.features.sources.photo_entry import PhotoEntry
from efficientnet_lite.features.sources.photo_list import list_sources
from efficientnet_lite.neighbors.stored_parts import VectorRow
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.progress import OnProgress, ShowStage, silent
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.storage import files
from efficientnet_lite.threads import in_threads

SIDES = (192, 160, 128, 96, 64, 48, 32)  # pixels of the longer side, the largest that fits
SAMPLE = 48  # photos that say how many bytes a picture has
MARGIN = 1.1  # by which the others may be larger
ReadRow = Callable[[VectorRow], bytes]  # raises UnreadablePhoto
_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")  # of a name that is no UTF-8, as Parquet has it


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Small pictures of photos, each content once."""

    images: Sequence[bytes]  # WebP
    places: Sequence[int | None]  # of each row, in `images`; None where the photo is gone, or another by now
    side: int | None  # pixels of the longer side; None where they would be too many for any picture

    @property
    def gone(self) -> int:
        """Photos that could not be read any more; 0 where none was asked for."""
        return 0 if self.side is None else sum(place is None for place in self.places)


def thumbnails_of(
    rows: Sequence[VectorRow],
    limit: int,
    *,
    photos: object = None,
    sides: Sequence[int] = SIDES,
    stage: ShowStage = silent,
) -> Thumbnails:
    """The pictures of `rows`, all of them together at most `limit` bytes.

    Args:
        rows: of a folder of vectors.
        limit: bytes.
        photos: where the photos lie now, as `embed` takes them; None: where they lay, files of this machine alone.
        sides: to choose from, the largest first.

    Raises as `list_sources` where `photos` cannot be used.
    """
    with ExitStack() as held:
        read = _where_they_lay if photos is None else held.enter_context(_Moved(photos, rows))
        kinds = {key: row for row in reversed(rows) if (key := _key(row))}
        chosen = list(dict.fromkeys(map(_key, rows)))
        contents = [kinds[key] for key in chosen]
        for side in _fitting(contents, read, limit, sides):
            with stage("Making small pictures") as on_progress:
                found = _made(contents, read, side, limit, on_progress)
            if found is None:
                continue
            images = [image for image in found if image is not None]
            numbers = iter(range(len(images)))
            known = {
                key: None if image is None else next(numbers)
                for key, image in zip(chosen, found, strict=True)
            }
            return Thumbnails(images, [known[_key(row)] for row in rows], side)
    return Thumbnails((), (None,) * len(rows), None)


def _key(row: VectorRow) -> str:
    """What two rows of one content have in common."""
    return row.sha256 or f"path {row.path}"


def _fitting(rows: Sequence[VectorRow], read: ReadRow, limit: int, sides: Sequence[int]) -> Sequence[int]:
    """The sides at which the pictures of all should fit, the largest first, by those of some."""
    some = rows[:: -(-len(rows) // SAMPLE)]
    totals = dict.fromkeys(sides, 0)
    for row in some:
        if (pixels := _pixels(row, read, sides[0])) is not None:
            for side in sides:
                totals[side] += len(photo_door.small_picture(pixels, side))
    factor = len(rows) / len(some) * (MARGIN if len(some) < len(rows) else 1)
    return [side for side in sides if totals[side] * factor <= limit]


def _made(
    rows: Sequence[VectorRow], read: ReadRow, side: int, limit: int, on_progress: OnProgress
) -> list[bytes | None] | None:
    """A picture of each row; None where all of them do not fit."""

    def made(row: VectorRow) -> bytes | None:
        pixels = _pixels(row, read, side)
        return None if pixels is None else photo_door.small_picture(pixels, side)

    found, size = list[bytes | None](), 0
    for number, image in enumerate(in_threads(made, rows, workers=cores()), 1):
        found.append(image)
        size += len(image or b"")
        if size > limit:
            return None
        on_progress(number, len(rows))
    return found


def _pixels(row: VectorRow, read: ReadRow, side: int) -> NDArray[np.uint8] | None:
    """The photo that the row is of, None where it is gone or has another content by now."""
    try:
        data = read(row)
        if row.sha256 is not None and files.sha256_bytes(data) != row.sha256:
            return None
        return photo_door.decode(data, where=row.path, min_side=side).pixels
    except UnreadablePhoto:
        return None


def _where_they_lay(row: VectorRow) -> bytes:
    if is_address(row.path):
        raise UnreadablePhoto("it is behind an address", where=row.path, fix="give `photos=`")
    path = Path(row.path)
    if not files.lexists(path):
        path = Path(_BYTE.sub(lambda byte: chr(0xDC00 + int(byte[1], 16)), row.path))
    return photo_door.read_bytes(path)


class _Moved:
    """Photos of sources, found by their path, or else by as much of its end as one of them alone has."""

    def __init__(self, photos: object, rows: Sequence[VectorRow]) -> None:
        self.listed = list_sources(photos)
        names = {_ends(row.path)[0] for row in rows}
        self.exact: dict[str, PhotoEntry] = {}
        self.named: dict[str, list[PhotoEntry]] = {}
        for entry in self.listed.entries():
            name = _ends(entry.path)[0]
            if name in names:
                self.exact[entry.path] = entry
                self.named.setdefault(name, []).append(entry)

    def __enter__(self) -> ReadRow:
        return self.read

    def __exit__(self, *exception: object) -> None:
        self.listed.close()

    def read(self, row: VectorRow) -> bytes:
        entry = self.exact.get(row.path) or self._by_end(_ends(row.path))
        if entry is None:
            raise UnreadablePhoto("it is not among the photos given", where=row.path, fix="give `photos=`")
        return self.listed.read(entry)

    def _by_end(self, wanted: Sequence[str]) -> PhotoEntry | None:
        found = self.named.get(wanted[0], [])
        for depth in range(1, len(wanted)):
            if len(found) < 2:
                break
            found = [
                entry for entry in found if _ends(entry.path)[depth : depth + 1] == wanted[depth : depth + 1]
            ]
        return found[0] if len(found) == 1 else None


def _ends(path: str) -> list[str]:
    """The parts of a path, the last one first."""
    return path.split("/")[::-1]
