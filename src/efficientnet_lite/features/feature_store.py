"""Feature vectors of photos: every photo decoded once, all its views through the backbone, kept by content.

The vectors go into the cache as they are made and are read back when a head is fitted, so memory does
not grow with the number of photos, an interrupted run goes on where it was, and a second one only reads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import UnreadablePhoto, UnusableInput
from efficientnet_lite.features.backbone import Backbone
from efficientnet_lite.features.kept_looks import LOOKS, look_from_bytes, look_to_bytes
from efficientnet_lite.network.plan import FEATURES, POOLED
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.contract import FitView
from efficientnet_lite.photos.looks import Look, Looks
from efficientnet_lite.photos.rows import Row
from efficientnet_lite.photos.survey import CHANGED, Survey, look_at
from efficientnet_lite.photos.views import Image, prepare, to_float
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.runtimes.engine import Engine, EnginePool
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.storage import files
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.files import sha256_file
from efficientnet_lite.threads import in_threads

_BATCH = 64  # photos between two writes to the cache


@dataclass(slots=True)
class FeatureStore:
    """The photos of a data set and, through the cache, their feature vectors."""

    backbone: Backbone
    rows: Sequence[Row]
    cache: Cache
    workers: int
    looks: Looks = field(default_factory=Looks)
    refused: list[tuple[int, str]] = field(default_factory=list)  # position and reason
    computed: int = 0  # photos that were not in the cache
    _pool: EnginePool | None = None

    @property
    def survey(self) -> Survey:
        """What was seen of the photos once the store is filled."""
        return Survey(self.looks, tuple(self.refused))

    def fill(
        self, views: Sequence[FitView], *, stop_on_bad: bool = False, on_progress: OnProgress | None = None
    ) -> None:
        """Look at every photo and see to it that the cache holds its vectors for `views`.

        A photo that cannot be used is noted in `refused`; with `stop_on_bad` it raises UnreadablePhoto.
        `on_progress(done, total)` counts photos.
        """
        there = {view: self.cache.keys(self.backbone.space(view)) for view in views}
        hashes = dict(enumerate(in_threads(_hash_or_none, self.rows, workers=self.workers)))
        known = dict(self._known_looks([sha for sha in hashes.values() if sha]))
        missing: list[tuple[int, Sequence[FitView]]] = []
        for position, sha in hashes.items():
            lacking = [view for view in views if sha not in there[view]]
            if sha in known and not lacking:
                self.looks.add(position, known[sha])
            else:
                missing.append((position, lacking or views))
        done = len(self.rows) - len(missing)
        pending: list[_Seen] = []
        for seen in self._run(missing):
            done += 1
            if isinstance(seen, _LostRow):
                if stop_on_bad:
                    where = self.rows[seen.position].path
                    raise UnreadablePhoto(
                        seen.reason, where=where, fix="mend it, or leave it out (`on_bad='skip'`)"
                    )
                self.refused.append((seen.position, seen.reason))
            else:
                self.looks.add(seen.position, seen.look)
                self.computed += 1
                pending.append(seen)
            if len(pending) >= _BATCH:
                self._keep(pending)
                pending = []
            if on_progress:
                on_progress(done, len(self.rows))
        self._keep(pending)
        self.looks.complete()
        self.cache.touch([LOOKS, *map(self.backbone.space, views)])
        self.refused.sort()

    def matrix(
        self,
        positions: Sequence[int] | npt.NDArray[np.intp],
        view: FitView,
        *,
        lost: dict[int, str] | None = None,
    ) -> Array:
        """The feature vectors of the photos at `positions`, float32 (len(positions), 1280).

        Vectors that the cache has lost meanwhile, or that are damaged, are computed again and kept. Where
        a photo is lost as well, its position and the reason go into `lost`, and its row is NaN.

        Raises UnreadablePhoto for such a photo where `lost` is None.
        """
        result = np.empty((len(positions), FEATURES), np.float32)
        places: dict[str, list[int]] = {}
        for place, position in enumerate(map(int, positions)):
            places.setdefault(self.looks.sha256(position), []).append(place)
        for sha, value in self.cache.get(self.backbone.space(view), list(places)):
            if len(value) == FEATURES * 4:
                result[places.pop(sha)] = np.frombuffer(value, "<f4")
        absent = [(int(positions[found[0]]), [view]) for found in places.values()]
        found_again: list[_Seen] = []
        for seen in self._run(absent):
            sha = self.looks.sha256(seen.position)
            if isinstance(seen, _LostRow) or seen.look.sha256 != sha:  # it was another a moment ago
                reason = seen.reason if isinstance(seen, _LostRow) else CHANGED
                if lost is None:
                    raise UnreadablePhoto(
                        reason,
                        where=self.rows[seen.position].path,
                        fix="leave the photos in place during a run",
                    )
                result[places[sha]] = np.nan
                lost |= {int(positions[place]): reason for place in places[sha]}
                continue
            result[places[sha]] = seen.vectors[view]
            found_again.append(seen)
        self._keep(found_again)
        return result

    def _run(self, work: Sequence[tuple[int, Sequence[FitView]]]) -> Iterator["_Seen | _LostRow"]:
        if not work:
            return iter(())
        if self._pool is None:
            self._pool = EnginePool(LiteRT, self.backbone.model, workers=self.workers)
        return self._pool.map(self._look_and_run, work)

    def _look_and_run(self, runner: Engine, item: tuple[int, Sequence[FitView]]) -> "_Seen | _LostRow":
        position, views = item
        path = self.rows[position].path
        try:
            data = photo_door.read_bytes(path)
            prepared = prepare(data, views, self.backbone.contract, where=path)
        except UnreadablePhoto as error:
            return _LostRow(position, error.what)
        vectors = {
            view: runner.filled(partial(_as_floats, image))[POOLED][0]
            for view, image in zip(views, prepared.images, strict=True)
        }
        return _Seen(position, look_at(data, prepared.photo), vectors)

    def _keep(self, seen: Sequence["_Seen"]) -> None:
        """Write what was computed to the cache, one transaction a view."""
        by_view: dict[FitView, dict[str, bytes]] = {}
        for one in seen:
            for view, vector in one.vectors.items():
                by_view.setdefault(view, {})[one.look.sha256] = vector.astype("<f4").tobytes()
        for view, entries in by_view.items():
            about = f"features of {self.backbone.name} at {self.backbone.contract.size} pixels, {view}"
            self.cache.put(self.backbone.space(view), entries, about=about)
        if seen:
            looks = {one.look.sha256: look_to_bytes(one.look) for one in seen}
            self.cache.put(LOOKS, looks, about="sizes and fingerprints of photos")

    def _known_looks(self, hashes: Sequence[str]) -> Iterator[tuple[str, Look]]:
        for sha, value in self.cache.get(LOOKS, hashes):
            if look := look_from_bytes(sha, value):
                yield sha, look


@dataclass(frozen=True, slots=True)
class _Seen:
    position: int
    look: Look
    vectors: dict[FitView, Array]


@dataclass(frozen=True, slots=True)
class _LostRow:
    position: int
    reason: str


def _as_floats(image: Image, given: Array) -> None:
    to_float(image, given[0])


def _hash_or_none(row: Row) -> str | None:
    """The content's hash, or None where the photo door will say why it cannot be read."""
    try:
        return sha256_file(row.path) if files.is_file(row.path) else None
    except (OSError, UnusableInput):
        return None
