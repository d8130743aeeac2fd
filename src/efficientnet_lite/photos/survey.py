"""One look at every photo, without a model: is it readable, how large is it, what is it a copy of?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos import duplicates
from efficientnet_lite.photos.looks import Look, Looks
from efficientnet_lite.photos.rows import Row
from efficientnet_lite.storage.files import sha256_bytes
from efficientnet_lite.threads import in_threads

# Large JPEGs are decoded smaller, as for the small variants; the fingerprint has 8 x 9 cells.
MIN_SIDE = 256
PHOTOS_AHEAD = 2  # a worker, in memory
CHANGED = "it changed during the run"


@dataclass(frozen=True, slots=True)
class Survey:
    """A look at each readable row, by its position, and the reasons of the others."""

    looks: Looks
    refused: tuple[tuple[int, str], ...]  # position of the row and reason, in order


def look_at(data: bytes, photo: photo_door.Photo) -> Look:
    """What is kept of a photo, from its bytes and what they decode to."""
    height, width = photo.full_size
    return Look(sha256_bytes(data), duplicates.fingerprint(photo.pixels), height, width, photo.notes)


def survey(
    rows: Sequence[Row], *, workers: int, on_progress: Callable[[int, int], None] | None = None
) -> Survey:
    """Look at every photo in `workers` threads; an unreadable one is kept with its reason.

    `on_progress(done, total)` is called in this thread. At most two photos a worker are in memory; equal files are
    decoded once, as a rule.
    """
    looks, refused = Looks(), list[tuple[int, str]]()
    outcomes = in_threads(lambda row: _seen(row, looks.holds), rows, workers=workers, ahead=PHOTOS_AHEAD)
    for position, outcome in enumerate(outcomes):
        if isinstance(outcome, Look):
            looks.add(position, outcome)
        elif isinstance(outcome, _Again):
            looks.add_equal(position, outcome.sha256)
        else:
            refused.append((position, outcome))
        if on_progress is not None:
            on_progress(position + 1, len(rows))
    looks.complete()
    return Survey(looks, tuple(refused))


class _Again(NamedTuple):
    """A photo whose content has been looked at."""

    sha256: str


def _seen(row: Row, known: Callable[[str], bool]) -> Look | _Again | str:
    try:
        data = photo_door.read_bytes(row.path)
        if known(sha256 := sha256_bytes(data)):
            return _Again(sha256)
        return look_at(data, photo_door.decode(data, where=row.path, min_side=MIN_SIDE))
    except UnreadablePhoto as error:
        return error.what
