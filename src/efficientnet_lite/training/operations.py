"""The sixteen operations of AutoAugment and RandAugment on one image, pixel for pixel as the reference does them.

An image is uint8 (height, width, 3), RGB, and so is every result; nothing is changed in place. Several
operations are not what their names say; they are kept so, because published accuracies rest on them. Pure numpy.

Source: tensorflow/tpu, models/official/efficientnet/autoaugment.py; tensorflow, core/kernels/image/image_ops.h
(`nearest_interpolation`, rounding half away from zero) and python/ops/image_ops_impl.py (`rgb_to_grayscale`,
`convert_image_dtype`).
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]  # (height, width, 3), RGB

FILL = 128  # gray, where a geometric operation finds nothing, and under a cutout
GRAY = np.array([0.2989, 0.5870, 0.1140], np.float32)
SOLARIZE_ADD_BELOW = 128
MOST_SHIFT = 7  # of a byte; Source: tensorflow, core/kernels/cwise_ops.h, `right_shift_op`
_LEVELS = np.arange(256)


def blend(first: Pixels, second: Pixels, factor: float) -> Pixels:
    """first + factor * (second - first), truncated; `second` itself at 1, clipped beyond."""
    if factor in (0.0, 1.0):
        return second if factor else first
    start = first.astype(np.float32)
    mixed = second.astype(np.float32)
    mixed -= start
    mixed *= np.float32(factor)
    mixed += start
    if not 0 < factor < 1:
        np.clip(mixed, 0, 255, out=mixed)
    return mixed.astype(np.uint8)


# ------------------------------------------------------------------- color


def auto_contrast(image: Pixels) -> Pixels:
    """Each channel stretched to 0 .. 255; a flat one stays."""
    return _by_channel(image, _stretched)


def equalize(image: Pixels) -> Pixels:
    """Each channel's histogram made level.

    The step leaves the last used level out, and a channel with fewer than 255 pixels beside it stays.
    """
    return _by_channel(image, _equalized)


def invert(image: Pixels) -> Pixels:
    inverted: Pixels = np.bitwise_not(image)
    return inverted


def posterize(image: Pixels, bits: int) -> Pixels:
    """The highest `bits` of each value. 0 bits keep one, and so do more than 8: the shift is a byte, at most 7."""
    shift = min((8 - bits) % 256, MOST_SHIFT)
    return (image >> shift << shift).astype(np.uint8, copy=False)


def solarize(image: Pixels, threshold: int) -> Pixels:
    """Values from `threshold` on inverted. A threshold of 256 is the byte 0: then everything is inverted."""
    return _lookup(image, np.where(threshold % 256 > _LEVELS, _LEVELS, 255 - _LEVELS))


def solarize_add(image: Pixels, addition: int) -> Pixels:
    """`addition` added to values below 128, at most 255."""
    return _lookup(
        image, np.where(_LEVELS < SOLARIZE_ADD_BELOW, np.minimum(_LEVELS + addition, 255), _LEVELS)
    )


def color(image: Pixels, factor: float) -> Pixels:
    """Less (below 1) or more color."""
    return blend(np.repeat(_gray(image), 3, axis=2), image, factor)


def contrast(image: Pixels, factor: float) -> Pixels:
    """Less or more contrast, around a gray that is the *number of pixels* / 256, at most 255: 196 at 224 x 224."""
    gray = min(255, image.shape[0] * image.shape[1] // 256)
    return _lookup(image, blend(np.full(256, gray, np.uint8), _LEVELS.astype(np.uint8), factor))


def brightness(image: Pixels, factor: float) -> Pixels:
    """Values times `factor`."""
    return _lookup(image, blend(np.zeros(256, np.uint8), _LEVELS.astype(np.uint8), factor))


def sharpness(image: Pixels, factor: float) -> Pixels:
    """Blurred (below 1) or sharpened, but for the border of one pixel. An image without an inside stays.

    The blur weighs a pixel 5/13 and its eight neighbors 1/13 each.
    """
    height, width = image.shape[:2]
    if min(height, width) < 3:
        return image
    weight = np.float32(1) / np.float32(13)
    light = image.astype(np.float32) * weight
    center = image[1:-1, 1:-1].astype(np.float32) * (np.float32(5) / np.float32(13))
    total = np.zeros_like(center)
    for row in range(3):
        for column in range(3):
            part = light[row : row + height - 2, column : column + width - 2]
            total += center if row == column == 1 else part
    blurred = image.copy()
    blurred[1:-1, 1:-1] = np.clip(total, 0, 255)
    return blend(blurred, image, factor)


# ---------------------------------------------------------------- geometry


def rotate(image: Pixels, degrees: float) -> Pixels:
    """Turned about its middle, by nearest neighbors."""
    height, width = image.shape[:2]
    angle = np.float32(degrees) * np.float32(math.pi / 180)
    cosine, sine = np.cos(angle), np.sin(angle)  # float32, like all that follows
    right, bottom = np.float32(width - 1), np.float32(height - 1)
    across = (right - (cosine * right - sine * bottom)) / np.float32(2)
    down = (bottom - (sine * right + cosine * bottom)) / np.float32(2)
    return _moved(image, (cosine, -sine, across), (sine, cosine, down))


def shear_x(image: Pixels, level: float) -> Pixels:
    """Row y reads `level` * y pixels further right."""
    return _moved(image, (1, level, 0), (0, 1, 0))


def shear_y(image: Pixels, level: float) -> Pixels:
    """Column x reads `level` * x pixels further down."""
    return _moved(image, (1, 0, 0), (level, 1, 0))


def translate_x(image: Pixels, pixels: float) -> Pixels:
    """Moved left by `pixels`."""
    return _moved(image, (1, 0, pixels), (0, 1, 0))


def translate_y(image: Pixels, pixels: float) -> Pixels:
    """Moved up by `pixels`."""
    return _moved(image, (1, 0, 0), (0, 1, pixels))


def cutout(image: Pixels, half: int, center: tuple[int, int]) -> Pixels:
    """A gray square of 2 * `half` pixels a side around `center` (row, column), as far as the image goes."""
    row, column = center
    result = image.copy()
    result[max(0, row - half) : row + half, max(0, column - half) : column + half] = FILL
    return result


# ------------------------------------------------------------------- parts


def _lookup(image: Pixels, table: npt.NDArray[Any]) -> Pixels:
    found: Pixels = table.astype(np.uint8).take(image)
    return found


def _gray(image: Pixels) -> Pixels:
    """(height, width, 1), scaled to 0 .. 1 and back by 255.5, truncated."""
    scaled = image.astype(np.float32) * np.float32(1 / 255)
    gray = scaled[..., 0] * GRAY[0] + scaled[..., 1] * GRAY[1] + scaled[..., 2] * GRAY[2]
    codes: Pixels = (gray * np.float32(255.5)).astype(np.uint8)[..., None]
    return codes


def _by_channel(image: Pixels, table_of: Callable[[Pixels], npt.NDArray[Any]]) -> Pixels:
    """Each channel through the table (256,) that `table_of` makes of it."""
    return np.stack([_lookup(image[..., c], table_of(image[..., c])) for c in range(3)], axis=-1)


def _stretched(channel: Pixels) -> npt.NDArray[Any]:
    low, high = channel.min(), channel.max()
    if low == high:
        return _LEVELS
    scale = np.float32(255) / (np.float32(high) - np.float32(low))
    values = _LEVELS.astype(np.float32) * scale + -np.float32(low) * scale
    stretched: npt.NDArray[np.float32] = np.clip(values, 0, 255)
    return stretched


def _equalized(channel: Pixels) -> npt.NDArray[Any]:
    counts = np.bincount(channel.ravel(), minlength=256)
    step = int(counts.sum() - counts[np.flatnonzero(counts)[-1]]) // 255
    if not step:
        return _LEVELS
    table = np.zeros(256, np.int64)
    table[1:] = ((counts.cumsum() + step // 2) // step)[:-1]
    return np.minimum(table, 255)


@cache
def _grid(height: int, width: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    return np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]


Line = tuple[float, float, float]


def _moved(image: Pixels, across: Line, down: Line) -> Pixels:
    """Output pixel (x, y) is input pixel (across . (x, y, 1), down . (x, y, 1)), rounded; gray outside."""
    height, width = image.shape[:2]
    x, y = _grid(height, width)
    columns = _rounded(np.float32(across[0]) * x + np.float32(across[1]) * y + np.float32(across[2]))
    rows = _rounded(np.float32(down[0]) * x + np.float32(down[1]) * y + np.float32(down[2]))
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    place = np.where(inside, rows * width + columns, height * width)
    pixels = np.concatenate([image.reshape(-1, 3), np.full((1, 3), FILL, np.uint8)])
    moved: Pixels = pixels.take(place, axis=0)
    return moved


def _rounded(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Half away from zero. In float64, where nothing below a half becomes one by adding."""
    return np.trunc(values.astype(np.float64) + np.copysign(0.5, values)).astype(np.int64)
