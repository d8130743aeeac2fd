"""Photos -> their feature vectors, one after another: read ahead, decoded and run by one engine a core, in order.

Memory does not grow with the number of photos: only a few are under way at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.features.backbone import space_of
from efficientnet_lite.features.kept_looks import LOOKS, look_from_bytes
from efficientnet_lite.network.plan import POOLED
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.views import Image, prepare, prepare_pixels
from efficientnet_lite.runtimes.engine import Engine
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.files import sha256_bytes
from efficientnet_lite.threads import AHEAD, in_threads

Asked = TypeVar("Asked")
# Threads that read ahead from the network, where they wait; from a disk one is faster than several.
WAITING_READERS = 8
# Photos that a thread loads, and then runs. One by one, the loader and the network find the caches full of each other,
# and threads wait for one another at each of the loader's short calls: 4.0 ms a photo on two cores, 3.6 by eight.
_PHOTOS_AT_ONCE = 8
_BYTES_AT_ONCE = 4 * 2**20  # of files, from which on a group is full
_GROUPS_AHEAD = 2  # a thread

FloatVector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Extracted(Generic[Asked]):
    """What became of one photo: its vector, or the reason why there is none."""

    item: Asked
    sha256: str | None  # of the file's bytes, hex; None where they could not be read
    width: int | None  # of the upright photo as stored, pixels; None where it could not be decoded
    height: int | None
    vector: FloatVector | None  # (C,)
    error: str | None  # one line
    fix: str = ""  # what can be done about it


@dataclass(frozen=True, slots=True)
class KnownVectors:
    """The vectors of one model and view that the cache holds; they are read and never written."""

    cache: Cache
    space: str

    def find(self, hashes: Sequence[str], columns: int) -> dict[str, tuple[int, int, FloatVector]]:
        """Width, height and vector of the photos with this content, where they are there and not damaged."""
        vectors = dict(self.cache.get(self.space, hashes))
        looks = ((sha, look_from_bytes(sha, seen)) for sha, seen in self.cache.get(LOOKS, list(vectors)))
        return {
            sha: (look.width, look.height, np.frombuffer(vectors[sha], "<f4"))
            for sha, look in looks
            if look is not None and len(vectors[sha]) == 4 * columns
        }


@contextmanager
def known_vectors(model: Model, view: View | None = None) -> Iterator[KnownVectors | None]:
    """What the cache of this machine knows of a model and view; None where it is nothing, which makes no cache."""
    if not Cache.is_there():
        yield None
        return
    with Cache() as cache:
        space = space_of(model.sha256, model.contract, view or model.contract.view)
        yield KnownVectors(cache, space) if cache.has(space) else None


@dataclass(frozen=True, slots=True)
class _Read(Generic[Asked]):
    item: Asked
    data: bytes | None  # None where it is pixels already
    sha256: str | None


@dataclass(frozen=True, slots=True)
class _Loaded(Generic[Asked]):
    read: _Read[Asked]
    image: Image
    full_size: tuple[int, int]  # height and width


_Group = list[_Read[Asked] | Extracted[Asked]]


def extract(
    model: Model,
    items: Iterable[Asked],
    read: Callable[[Asked], bytes | None],
    *,
    view: View | None = None,
    known: KnownVectors | None = None,
    pixels: Callable[[Asked], npt.NDArray[np.uint8]] | None = None,
    readers: int = 1,
) -> Iterator[Extracted[Asked]]:
    """The vector of each photo in the order of `items`, or why there is none.

    Args:
        model: has the output `features`.
        items: what the caller calls its photos by; asked for as they are needed.
        read: the bytes of one photo's file; called by several threads. Raises UnreadablePhoto. Where `pixels` is
            given, None for a photo that is no file.
        view: how the photo is looked at, the contract's own way where None.
        known: vectors that need not be computed again.
        pixels: the pixels (H, W, 3) of a photo that is no file, RGB, upright; called by the engines' threads. Raises
            UnreadablePhoto.
        readers: threads that read ahead.
    """
    views = (view or model.contract.view,)
    columns = model.vector_size

    def bytes_of(item: Asked) -> _Read[Asked] | Extracted[Asked]:
        try:
            data = read(item)
        except UnreadablePhoto as error:
            return Extracted(item, None, None, None, None, error.what, error.fix)
        return _Read(item, data, None if data is None else sha256_bytes(data))

    def looked_up(group: _Group[Asked]) -> _Group[Asked]:
        hashes = [each.sha256 for each in group if isinstance(each, _Read) and each.sha256 is not None]
        found = known.find(hashes, columns) if known is not None and hashes else {}
        return [
            Extracted(each.item, each.sha256, *found[each.sha256], None) if each.sha256 in found else each
            for each in group
        ]

    def image_of(each: _Read[Asked]) -> tuple[Image, tuple[int, int]]:
        if each.data is not None:
            prepared = prepare(each.data, views, model.contract)
            return prepared.images[0], prepared.photo.full_size
        assert pixels is not None
        given = pixels(each.item)
        return prepare_pixels(given, views, model.contract)[0], given.shape[:2]

    def prepared(each: _Read[Asked] | Extracted[Asked]) -> _Loaded[Asked] | Extracted[Asked]:
        if isinstance(each, Extracted):
            return each
        try:
            return _Loaded(each, *image_of(each))
        except UnreadablePhoto as error:
            return Extracted(each.item, each.sha256, None, None, None, error.what, error.fix)

    def of_group(engine: Engine, group: _Group[Asked]) -> list[Extracted[Asked]]:
        seen = [prepared(each) for each in group]  # all of them first: see `_PHOTOS_AT_ONCE`
        return [each if isinstance(each, Extracted) else run(engine, each) for each in seen]

    def run(engine: Engine, seen: _Loaded[Asked]) -> Extracted[Asked]:
        vector = model.on_image(engine, seen.image)[POOLED]
        height, width = seen.full_size
        return Extracted(seen.read.item, seen.read.sha256, width, height, vector, None)

    # From the network each photo is waited for on its own; a disk is faster than it takes to change the thread.
    at_once, ahead = (_PHOTOS_AT_ONCE, 1) if readers == 1 else (1, AHEAD)
    stream = iter(items)
    neighbors = iter(lambda: list(islice(stream, at_once)), [])
    read_ahead = in_threads(lambda some: [*map(bytes_of, some)], neighbors, workers=readers, ahead=ahead)
    groups = map(looked_up, _groups(chain.from_iterable(read_ahead)))
    for group in model.pool.map(of_group, groups, ahead=_GROUPS_AHEAD):
        yield from group


def _groups(stream: Iterable[_Read[Asked] | Extracted[Asked]]) -> Iterator[_Group[Asked]]:
    """Neighbors, so few that their files are not many bytes."""
    group: _Group[Asked] = []
    size = 0
    for each in stream:
        group.append(each)
        size += len(each.data or b"") if isinstance(each, _Read) else 0
        if len(group) == _PHOTOS_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group
