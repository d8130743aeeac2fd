"""Means and covariances of what each convolution reads, for rounding its weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer, same_padding
from efficientnet_lite.network.plan import INPUT, Conv, Plan
from efficientnet_lite.photos.contract import MEAN, STDDEV
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize.observed import drawn, tensor_pool
from efficientnet_lite.runtimes.engine import Engine

PIXELS = 60  # of each photo, that a 1 x 1 convolution reads
PATCHES, PATCH_PHOTOS = 120, 40  # of the stem and the depthwise convolutions
_Sums = tuple[int, npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the inputs of one output, which all outputs share but those of a depthwise convolution.

    `mean` is (inputs,) and `covariance` (inputs, inputs), with the channels in front where it is depthwise.
    """

    mean: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]


def moments(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[Image],
    *,
    workers: int,
    on_progress: OnProgress | None = None,
) -> dict[str, Moments]:
    """Convolution -> `Moments`, over `images`, uint8 (S, S, 3)."""
    convs = list(plan.convs)
    with_patches = set(range(len(images))[:: max(1, len(images) // PATCH_PHOTOS)][:PATCH_PHOTOS])

    def look(engine: Engine, numbered: tuple[int, Image]) -> dict[str, _Sums]:
        number, image = numbered
        tensors = engine(image[None] / np.float32(255))
        tensors[INPUT] = (image[None].astype(np.float32) - MEAN) / np.float32(STDDEV)
        return {
            step.name: _sums(step, tensors[step.source], number)
            for step in convs
            if step.kernel == 1 or number in with_patches
        }

    totals: dict[str, _Sums] = {}
    pool = tensor_pool(plan, layers, workers=workers)
    for done, found in enumerate(pool.map(look, list(enumerate(images)), ahead=2), 1):
        for name, (count, mean, square) in found.items():
            if name in totals:
                before = totals[name]
                mean += before[1]
                square += before[2]
                count += before[0]
            totals[name] = count, mean, square
        if on_progress:
            on_progress(done, len(images))
    return {name: _moments(*sums) for name, sums in totals.items()}


def _moments(count: int, sums: npt.NDArray[np.float64], squares: npt.NDArray[np.float64]) -> Moments:
    mean = sums / count
    return Moments(mean, squares / count - mean[..., :, None] * mean[..., None, :])


def _sums(step: Conv, tensor: Array, number: int) -> _Sums:
    if step.kernel == 1:
        rows = drawn(tensor.reshape(-1, tensor.shape[-1]), PIXELS, number)
        return len(rows), rows.sum(axis=0, dtype=np.float64), (rows.T @ rows).astype(np.float64)
    patches = _patches(step, tensor, np.random.default_rng(number))  # (n, k * k, C)
    if step.depthwise:
        each = np.ascontiguousarray(patches.transpose(2, 1, 0))
        return len(patches), each.sum(axis=2, dtype=np.float64), (each @ each.swapaxes(1, 2)).astype(np.float64)
    rows = patches.reshape(len(patches), -1)
    return len(rows), rows.sum(axis=0, dtype=np.float64), (rows.T @ rows).astype(np.float64)


def _patches(step: Conv, tensor: Array, random: np.random.Generator) -> Array:
    """Some of the places that the kernel visits, (n, k * k, C)."""
    _, height, width, _ = tensor.shape
    k, stride = step.kernel, step.stride
    pads = [same_padding(side, k, stride) for side in (height, width)]
    padded = np.pad(tensor[0], (*pads, (0, 0)))
    rows, columns = -(-height // stride), -(-width // stride)
    places = random.permutation(rows * columns)[:PATCHES]
    down, across = (places // columns) * stride, (places % columns) * stride
    offsets = np.arange(k * k)
    return padded[down[:, None] + offsets // k, across[:, None] + offsets % k]
