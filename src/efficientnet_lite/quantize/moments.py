"""Means and covariances of what each convolution reads, for rounding its weights."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from efficientnet_lite.arrays import Array, Float64s
from efficientnet_lite.network.numpy_run import Layer, same_padding
from efficientnet_lite.network.plan import INPUT, Conv, Plan
from efficientnet_lite.photos.contract import MEAN, STDDEV
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize.observed import Observed, drawn, tensor_pool
from efficientnet_lite.runtimes.engine import Engine

PIXELS, FEWEST_PIXELS = 24_000, 60  # that a 1 x 1 convolution reads: of all photos, and of each
# Of the stem and the depthwise convolutions: in all, and of how many photos.
PATCHES, PATCH_PHOTOS = 12_000, 100
TOGETHER = 8  # photos whose products are summed at once
FEWEST = 0.25  # inputs for each weight of an output, below which nothing is said of how they hang together
SUMS_ERROR = 1e-5  # of float32, relative: a channel that never changes has no negative variance


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the inputs of one output, which all outputs share but those of a depthwise convolution.

    `mean` is (inputs,) and `covariance` (inputs, inputs), with the channels in front where it is depthwise. There is
    none where too few inputs were seen to tell how they hang together.
    """

    mean: Array | Float64s
    covariance: Float64s | None


def moments(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[Image],
    seen: Mapping[str, Observed],
    *,
    workers: int,
    on_progress: OnProgress | None = None,
) -> Mapping[str, Moments]:
    """Convolution -> `Moments`, over `images`, uint8 (S, S, 3), which have these tensors `seen`.

    Sums are of distances from the means, so that float32 is exact enough. They alone are held, 170 MB of lite4: a
    convolution's moments, which take twice the memory, are computed when they are asked for.
    """
    convs = list(plan.convs)
    with_patches = set(range(len(images))[:: max(1, len(images) // PATCH_PHOTOS)][:PATCH_PHOTOS])
    pixels = max(FEWEST_PIXELS, PIXELS // len(images))
    patches = PATCHES // len(with_patches)

    def add(engine: Engine, number: int, sums: Mapping[str, _Sums]) -> None:
        tensors = engine(images[number][None] / np.float32(255))
        tensors[INPUT] = (images[number][None].astype(np.float32) - MEAN) / np.float32(STDDEV)
        for step in convs:
            if step.kernel == 1:
                sums[step.name].add_pixels(tensors[step.source], pixels, number)
            elif number in with_patches:
                sums[step.name].add_patches(tensors[step.source], patches, number)

    def look(engine: Engine, start: int) -> dict[str, _Sums]:
        sums = {step.name: _Sums(step, seen.get(step.source)) for step in convs}
        for number in range(start, min(start + TOGETHER, len(images))):
            add(engine, number, sums)  # whose tensors are gone before those of the next photo come
        for each in sums.values():
            each.settle(fewest=each.inputs)  # fewer take less memory than their products
        return sums

    totals = {step.name: _Sums(step, seen.get(step.source)) for step in convs}
    pool = tensor_pool(plan, layers, workers=workers)
    starts = range(0, len(images), TOGETHER)
    for start, found in zip(starts, pool.map(look, starts, ahead=1), strict=True):
        for name, sums in found.items():
            totals[name].join(sums)
        if on_progress:
            on_progress(min(start + TOGETHER, len(images)), len(images))
    return _MomentsOf(totals)


class _MomentsOf(Mapping[str, Moments]):
    """Computed when one is asked for."""

    def __init__(self, totals: Mapping[str, "_Sums"]) -> None:
        self._totals = totals

    def __getitem__(self, name: str) -> Moments:
        return self._totals[name].moments()

    def __iter__(self) -> Iterator[str]:
        return iter(self._totals)

    def __len__(self) -> int:
        return len(self._totals)


class _Sums:
    """Inputs of one convolution, their distances from the channels' means, and the products of these.

    Products are much larger than a few photos' inputs, so these wait until there are many, or the photos end.
    """

    def __init__(self, step: Conv, source: Observed | None) -> None:
        self.step = step
        self.center = np.zeros(step.inputs, np.float32) if source is None else source.mean
        self.count = 0
        self.inputs = step.kernel**2 * (1 if step.depthwise else step.inputs)
        self.enough = 128 if step.depthwise else 2 * self.inputs
        self.totals: tuple[Array, Array] | None = None  # (inputs,) and (inputs, inputs), once there are any
        self.waiting: list[Array] = []

    def add_pixels(self, tensor: Array, count: int, photo: int) -> None:
        """Some pixels of a tensor."""
        self._add(drawn(tensor.reshape(-1, tensor.shape[-1]), count, photo))

    def add_patches(self, tensor: Array, count: int, photo: int) -> None:
        """Some of the places of a tensor that the kernel visits, or as many as there are."""
        random = np.random.default_rng(photo)
        count = min(count, math.prod(-(-side // self.step.stride) for side in tensor.shape[1:3]))
        for _ in range(0, count, self.enough):
            self._add(_patches(self.step, tensor, min(count, self.enough), random))

    def _add(self, inputs: Array) -> None:
        self.waiting.append(inputs - self.center)
        self.settle(fewest=self.enough)

    def settle(self, *, fewest: int = 1) -> None:
        """Sum what waits, if there are so many."""
        if sum(map(len, self.waiting)) < fewest:
            return
        inputs = np.concatenate(self.waiting)
        self.waiting = []
        self.count += len(inputs)
        if self.step.depthwise:  # (n, k * k, C)
            columns = np.ascontiguousarray(inputs.transpose(2, 1, 0))
            self._add_sums(columns.sum(axis=2), columns @ columns.swapaxes(1, 2))
        else:
            rows = inputs.reshape(len(inputs), -1)
            self._add_sums(rows.sum(axis=0), rows.T @ rows)

    def _add_sums(self, sums: Array, products: Array) -> None:
        if self.totals is None:
            self.totals = sums, products
        else:
            np.add(self.totals[0], sums, out=self.totals[0])
            np.add(self.totals[1], products, out=self.totals[1])

    def join(self, other: "_Sums") -> None:
        """Add all that `other` has, which is of no use afterwards."""
        other.settle()
        self.count += other.count
        if other.totals is not None:
            self._add_sums(*other.totals)
        other.totals = None

    def moments(self) -> Moments:
        assert self.totals is not None  # there is at least one photo
        sums, products = self.totals
        mean = sums.astype(np.float64) / self.count
        center = self.center[:, None] if self.step.depthwise else np.resize(self.center, mean.shape)
        if self.count < FEWEST * mean.shape[-1]:
            return Moments(mean + center, None)
        covariance = products / self.count - mean[..., :, None] * mean[..., None, :]
        power = np.diagonal(products, axis1=-2, axis2=-1) / self.count + np.square(center)
        unsure = SUMS_ERROR * power.sum(axis=-1)[..., None, None] * np.eye(mean.shape[-1])
        return Moments(mean + center, covariance + unsure)


def _patches(step: Conv, tensor: Array, count: int, random: np.random.Generator) -> Array:
    """Some of the places that the kernel visits, (n, k * k, C)."""
    _, height, width, _ = tensor.shape
    k, stride = step.kernel, step.stride
    pads = [same_padding(side, k, stride) for side in (height, width)]
    padded = np.pad(tensor[0], (*pads, (0, 0)))
    rows, columns = -(-height // stride), -(-width // stride)
    places = random.integers(0, rows * columns, count)
    down, across = (places // columns) * stride, (places % columns) * stride
    offsets = np.arange(k * k)
    patches: Array = padded[down[:, None] + offsets // k, across[:, None] + offsets % k]
    return patches
