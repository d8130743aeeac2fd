"""Antialiased resizing to the square of an input, as Pillow does it: two products with band matrices, left to BLAS.

As in Pillow, columns come before rows, and the image between them is rounded to eight bits. Its weights have 22 bits,
these have 15: of a small photo one value in two hundred differs, by one. They are so few that every sum of a product is
exact in float32, so that an image does not depend on the order of summation: on library, processor, number of threads.
Six tenths of the time of Pillow's, whose loops go from pixel to pixel. Pure numpy; for any thread.

Source: Pillow, src/libImaging/Resample.c (support, kernels); Keys 1981, "Cubic convolution", a = -1/2.
"""

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.arrays import Array
from efficientnet_lite.photos.contract import Box

Filter = Literal["bicubic", "bilinear"]

_SUPPORT: dict[Filter, float] = {"bicubic": 2.0, "bilinear": 1.0}  # pixels of the smaller side on either side
_WEIGHT = 2.0**-15  # of which weights are multiples
_LINES = 8  # of the output in one product: more of them multiply more zeros, fewer make more calls
_MOST_PRODUCTS = 2**18  # in one call: beyond, OpenBLAS shares a call among threads, which ours are already
_MOST_KEPT = 2**20  # numbers of one matrix that a thread keeps
_kept = threading.local()


def resize(
    pixels: NDArray[np.uint8], box: Box | None, size: int, *, filter: Filter, scale: int = 1
) -> NDArray[np.uint8]:
    """`box` of a photo, or all of it, stretched to a square of (size, size, 3) uint8, antialiased.

    `pixels` (height, width, 3) may be decoded at 1 / `scale` of the photo (see `Photo`); `box` is in the pixels of the
    full photo all the same, and within it. Pixels beside it count as far as the kernel reaches.
    """
    height, width = pixels.shape[:2]
    top, left, high, wide = (side / scale for side in box) if box is not None else (0, 0, height, width)
    rows = _bands(height, top, top + high, size, filter)
    columns = _colored(width, left, left + wide, size, filter)
    lines = pixels[rows.first : rows.last, columns.first : columns.last].reshape(rows.last - rows.first, -1)
    between = _by_columns(lines, columns, size)
    return _clipped(_by_rows(between, rows, size)).astype(np.uint8).reshape(size, size, 3)


@dataclass(frozen=True, slots=True)
class _Bands:
    """One side's weights: band n of the output's lines is `weights[n]` times `reach` input lines, neighbors.

    Lines beyond the output's last are copies of it.
    """

    first: int  # input lines that are read at all: first <= line < last
    last: int
    lines: NDArray[np.intp]  # (bands * reach,): those that each band reads, counted from `first`
    weights: Array  # (bands, _LINES, reach)


def _by_columns(lines: NDArray[np.uint8], columns: _Bands, size: int) -> Array:
    """(height, size * 3), whole numbers from 0 to 255, of lines (height, width * 3)."""
    bands, reach, width = columns.weights.shape  # both of them three times as many as pixels
    image = _scratch("between", len(lines), width * bands)
    parts = -(-len(lines) * reach * width // _MOST_PRODUCTS)
    step = -(-len(lines) // parts)
    for top in range(0, len(lines), step):
        part, out = _floats(lines[top : top + step]), image[top : top + step]
        for place, (read, matrix) in enumerate(zip(columns.lines.tolist(), columns.weights, strict=True)):
            np.matmul(part[:, read : read + reach], matrix, out=out[:, width * place : width * (place + 1)])
    return np.floor(_clipped(image), out=image)[:, : 3 * size]


def _by_rows(lines: Array, rows: _Bands, size: int) -> Array:
    """(size, width * 3), not rounded, of lines (height, width * 3)."""
    bands, height, reach = rows.weights.shape
    image = _scratch("image", bands * height, lines.shape[1]).reshape(bands, height, -1)
    step = max(1, _MOST_PRODUCTS // (height * reach))
    for left in range(0, lines.shape[1], step):
        part = lines[:, left : left + step]
        read = _scratch("read", bands * reach, part.shape[1])
        np.take(part, rows.lines, axis=0, out=read, mode="clip")  # another mode would make a copy first
        # One call for all bands: each call is a moment at which threads may wait for one another.
        np.matmul(rows.weights, read.reshape(bands, reach, -1), out=image[:, :, left : left + step])
    return image.reshape(bands * height, -1)[:size]


def _clipped(image: Array) -> Array:
    """What, cut to whole numbers, is `image` rounded half up, as Pillow does, and from 0 to 255."""
    image += np.float32(0.5)
    return np.clip(image, 0, 255, out=image)


def _floats(lines: NDArray[np.uint8]) -> Array:
    part = _scratch("part", *lines.shape)
    part[...] = lines
    return part


def _scratch(name: str, height: int, width: int) -> Array:
    """A float32 matrix that this thread has used before, where it is not too large to be kept.

    Fresh memory would cost as much as the products: the system hands it out, and takes it back, page by page.
    """
    size = height * width
    if size > _MOST_KEPT:
        return np.empty((height, width), np.float32)
    kept: Any = getattr(_kept, name, None)
    if kept is None or len(kept) < size:
        kept = np.empty(size, np.float32)
        setattr(_kept, name, kept)
    matrix: Array = kept[:size].reshape(height, width)
    return matrix


@lru_cache(maxsize=256)  # two for each size of a photo
def _bands(side: int, low: float, high: float, size: int, filter: Filter) -> _Bands:
    """The weights by which the part from `low` to `high` of `side` pixels becomes `size`."""
    scale = (high - low) / size
    stretch = max(scale, 1.0)
    reach = _SUPPORT[filter] * stretch
    center = low + (np.arange(size) + 0.5) * scale
    first = np.maximum(center - reach + 0.5, 0).astype(np.intp)
    last = np.minimum(center + reach + 0.5, side).astype(np.intp)
    place = first[:, None] + np.arange(int((last - first).max()))
    weights = _kernel((place + 0.5 - center[:, None]) / stretch, filter) * (place < last[:, None])
    weights = np.rint(weights / weights.sum(1, keepdims=True) / _WEIGHT) * _WEIGHT
    weights[np.arange(size), weights.argmax(1)] += 1 - weights.sum(1)  # so that an even area keeps its color

    rows = np.arange(0, size, _LINES)[:, None] + np.arange(_LINES)
    rows = np.minimum(rows, size - 1)  # the last band may end in copies of the last line
    begins = first[rows[:, 0]]
    widest = min(int((last[rows[:, -1]] - begins).max()), side)
    reads = np.minimum(begins, side - widest)
    bands = np.zeros(
        (*rows.shape, widest + weights.shape[1]), np.float32
    )  # weights of 0 may stand beyond the widest
    np.put_along_axis(bands, place[rows] - reads[:, None, None], weights[rows].astype(np.float32), 2)
    lowest = int(reads[0])
    return _Bands(
        lowest,
        int(reads[-1]) + widest,
        ((reads - lowest)[:, None] + np.arange(widest)).reshape(-1),
        np.ascontiguousarray(bands[:, :, :widest]),
    )


@lru_cache(maxsize=32)  # so many sizes of photos in turns; a hundred kilobytes each
def _colored(side: int, low: float, high: float, size: int, filter: Filter) -> _Bands:
    """The same for lines in which colors stand side by side, to be multiplied from the right.

    Each color has its own third of the rows and columns of a band, weights (bands, 3 * reach, 3 * _LINES); `lines` has
    only the first number that each band reads.
    """
    plain = _bands(side, low, high, size, filter)
    bands, lines, reach = plain.weights.shape
    weights = np.zeros((bands, reach, 3, lines, 3), np.float32)
    for color in range(3):
        weights[:, :, color, :, color] = plain.weights.transpose(0, 2, 1)
    first = 3 * plain.lines[::reach]
    return _Bands(plain.first, plain.last, first, weights.reshape(bands, 3 * reach, 3 * lines))


def _kernel(x: NDArray[np.float64], filter: Filter) -> NDArray[np.float64]:
    """The filter at a distance of `x` pixels of the smaller image."""
    x = np.abs(x)
    if filter == "bilinear":
        return np.maximum(1 - x, 0)
    return np.where(
        x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0)
    )
