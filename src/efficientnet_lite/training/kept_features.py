"""What the learning part of a network reads of each photo: computed once and kept, or anew in each epoch.

Below the part nothing changes, so LiteRT computes what it reads, once for each view, and an epoch costs
only the blocks that learn. Where that takes more room than there is, or the whole network learns, the
views are drawn anew in each epoch.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import INPUT
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.contract import Contract, FitView
from efficientnet_lite.photos.views import prepare, to_float
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.runtimes.engine import Engine, EnginePool
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import write_steps
from efficientnet_lite.threads import in_threads
from efficientnet_lite.training.chance import generator
from efficientnet_lite.training.fine_tuning import Augment, LearningPart
from efficientnet_lite.training.random_views import draw

MEMORY_BYTES = 2 * 10**9  # above it what is kept lies in a file
MAX_KEPT_BYTES = 20 * 10**9  # above it nothing is kept
LARGEST = 65504.0  # of float16


class PartInputs(Protocol):
    """Where what the part reads comes from."""

    def batches(self, order: Sequence[int], epoch: int, size: int) -> Iterator[Array]:
        """What the part reads of the photos at the places `order`, `size` at a time: (N, height, width, C)."""


@dataclass(frozen=True, slots=True)
class Lower:
    """The frozen part below: an image to what the learning part reads."""

    part: LearningPart
    contract: Contract
    model: bytes | None  # None: there is no frozen part, and the image itself is read
    workers: int

    @property
    def dtype(self) -> type[np.generic]:
        return np.uint8 if self.model is None else np.float16

    def each(self, function: Callable[[Engine | None, int], Any], places: Sequence[int]) -> Iterator[Any]:
        """`function(runner, place)` of every place in order, in threads."""
        if self.model is None:
            return in_threads(lambda place: function(None, place), places, workers=self.workers)
        return EnginePool(LiteRT, self.model, workers=self.workers).map(function, places)

    def read(self, runner: Engine | None, image: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """`part.shape` of `dtype`, of one image."""
        if runner is None:
            return image
        values: npt.NDArray[np.float32] = runner(to_float(image)[None])[_OUT][0]
        return np.clip(values, -LARGEST, LARGEST).astype(np.float16)


_OUT = "cut"


def make_lower(part: LearningPart, layers: Mapping[str, Layer], contract: Contract, *, workers: int) -> Lower:
    """The steps below `part`, batch norm folded in, as a file for LiteRT."""
    if part.source == INPUT:
        return Lower(part, contract, None, workers)
    shape = (1, contract.size, contract.size, 3)
    model = write_steps(
        part.below, layers, source=INPUT, shape=shape, outputs={_OUT: part.source}, unit_input=True
    )
    return Lower(part, contract, model, workers)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the part reads of every view of every photo, computed once."""

    values: npt.NDArray[Any]  # (photos, views, *part.shape), float16, or uint8 for images
    seed: int

    def batches(self, order: Sequence[int], epoch: int, size: int) -> Iterator[Array]:
        """One view of each photo, drawn by (seed, epoch, place)."""
        count = self.values.shape[1]
        views = [int(generator(self.seed, epoch, place, "choice").integers(count)) for place in order]
        for start in range(0, len(order), size):
            yield self.values[order[start : start + size], views[start : start + size]].astype(np.float32)

    def view(self, number: int, size: int) -> Iterator[Array]:
        """One and the same view of all photos, `size` at a time."""
        for start in range(0, len(self.values), size):
            yield self.values[start : start + size, number].astype(np.float32)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Views drawn anew in each epoch."""

    lower: Lower
    paths: Sequence[Path]
    augment: Augment
    seed: int

    def batches(self, order: Sequence[int], epoch: int, size: int) -> Iterator[Array]:
        def one(runner: Engine | None, place: int) -> npt.NDArray[Any]:
            random = generator(self.seed, epoch, place, "view")
            (image,) = _drawn(self.paths[place], [random], self.lower.contract, self.augment)
            return self.lower.read(runner, image)

        held: list[npt.NDArray[Any]] = []
        for values in self.lower.each(one, order):
            held.append(values)
            if len(held) == size:
                yield np.stack(held).astype(np.float32)
                held = []
        if held:
            yield np.stack(held).astype(np.float32)


def keep(
    lower: Lower,
    paths: Sequence[Path],
    views: Sequence[FitView],
    *,
    draws: int,
    augment: Augment,
    seed: int,
    folder: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Kept:
    """Compute what the part reads of `views` of each photo and of `draws` random views, which follow from `seed`.

    Args:
        folder: where the file lies that holds what does not fit into memory; it has no name and goes with the process.

    Raises:
        UnreadablePhoto: a photo cannot be read any more.
    """

    def one(runner: Engine | None, place: int) -> list[npt.NDArray[Any]]:
        images = list(
            prepare(photo_door.read_bytes(paths[place]), views, lower.contract, where=paths[place]).images
        )
        randoms = [generator(seed, number, place, "kept view") for number in range(draws)]
        images += _drawn(paths[place], randoms, lower.contract, augment)
        return [lower.read(runner, image) for image in images]

    shape = (len(paths), len(views) + draws, *lower.part.shape)
    values = _room(shape, lower.dtype, folder)
    for place, found in enumerate(lower.each(one, range(len(paths)))):
        values[place] = found
        if on_progress:
            on_progress(place + 1, len(paths))
    return Kept(values, seed)


def kept_bytes(lower: Lower, photos: int, views: int) -> int:
    """What `keep` takes."""
    return int(np.prod(lower.part.shape)) * np.dtype(lower.dtype).itemsize * photos * views


def _room(shape: tuple[int, ...], dtype: type[np.generic], folder: Path | None) -> npt.NDArray[Any]:
    """An array in memory, or in a file without a name where it is large."""
    if int(np.prod(shape)) * np.dtype(dtype).itemsize <= MEMORY_BYTES:
        return np.empty(shape, dtype)
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # the array holds it open for as long as it lives
    return np.memmap(file, dtype, "w+", shape=shape)


def _drawn(
    path: Path, randoms: Sequence[np.random.Generator], contract: Contract, augment: Augment
) -> list[npt.NDArray[np.uint8]]:
    """One random view for each generator, of a photo that is decoded once."""
    if not randoms:
        return []
    # A crop shows no less than SMALLEST of the still one, so that many more pixels are enough.
    photo = photo_door.decode(photo_door.read_bytes(path), where=path, min_side=2 * contract.size)
    return [draw(photo, contract, augment, random) for random in randoms]
