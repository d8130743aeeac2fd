"""The resamplings of other programs, as they do it: without antialiasing, pixel for pixel.

Each output pixel reads two (bilinear) or four (bicubic) pixels a side, so only these are gathered: a
photo of 12 megapixels takes milliseconds. Antialiased resizing is in `photos/resizing.py`.
Pure numpy.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BICUBIC_A = -0.75  # of the cubic kernel; Source: tensorflow, image_resizer_state.h, `ResizeBicubic`
BICUBIC_STEPS = 1024  # entries of the reference's weight table for one pixel
BAND = 32  # lines that are summed at once: they stay in the cache, which is twice as fast as all of them


def bilinear(
    pixels: NDArray[np.uint8], size: int, *, half_pixel: bool, steps: int | None = None
) -> NDArray[np.float32]:
    """The whole photo (height, width, 3) stretched to (size, size, 3) float32 in 0..255, bilinear.

    Output pixel i reads at i * side / size or, with `half_pixel`, at (i + 0.5) * side / size - 0.5,
    clamped to the photo. `steps` rounds that position to 1 / steps of a pixel, as fixed-point code does.
    """
    rows = _bilinear_taps(pixels.shape[0], size, half_pixel, steps)
    columns = _bilinear_taps(pixels.shape[1], size, half_pixel, steps)
    return _weigh(pixels, rows, columns)


def legacy_bicubic(pixels: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """`pixels` (height, width, 3) stretched to (size, size, 3) float32, as the reference's input.

    Reads at i * side / size (float32, no half-pixel shift) with a cubic kernel whose weights come from
    a table; neighbors beyond the border repeat it. Overshoot below 0 and above 255 stays.

    Source: tensorflow, core/kernels/image/resize_bicubic_op.cc with `half_pixel_centers` false.
    """
    return _weigh(pixels, _bicubic_taps(pixels.shape[0], size), _bicubic_taps(pixels.shape[1], size))


Taps = tuple[NDArray[np.intp], NDArray[np.float32]]  # positions and weights, both (taps, size)


def _bilinear_taps(side: int, size: int, half_pixel: bool, steps: int | None) -> Taps:
    out = np.arange(size, dtype=np.float64)
    place = (out + 0.5) * (side / size) - 0.5 if half_pixel else out * (side / size)
    if steps is not None:
        place = np.rint(place * steps) / steps
    place = np.clip(place, 0, side - 1)
    first = place.astype(np.intp)
    share = (place - first).astype(np.float32)
    return np.stack([first, np.minimum(first + 1, side - 1)]), np.stack([1 - share, share])


def _bicubic_taps(side: int, size: int) -> Taps:
    place = np.arange(size, dtype=np.float32) * (np.float32(side) / np.float32(size))
    first = place.astype(np.intp)
    entry = np.rint((place - first.astype(np.float32)) * np.float32(BICUBIC_STEPS))
    share = entry.astype(np.float32) / np.float32(BICUBIC_STEPS)
    positions = np.clip(first + np.arange(-1, 3)[:, None], 0, side - 1)
    weights = np.stack([_outer(1 + share), _inner(share), _inner(1 - share), _outer(2 - share)])
    return positions, weights


def _inner(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cubic kernel at a distance of 0 to 1 pixels."""
    return ((BICUBIC_A + 2) * x - (BICUBIC_A + 3)) * x * x + 1


def _outer(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cubic kernel at a distance of 1 to 2 pixels."""
    return ((BICUBIC_A * x - 5 * BICUBIC_A) * x + 8 * BICUBIC_A) * x - 4 * BICUBIC_A


def _weigh(pixels: NDArray[Any], rows: Taps, columns: Taps) -> NDArray[np.float32]:
    """The weighted sums of the pixels that the taps name: first along columns, then along rows.

    Whole lines are gathered, so the second sum runs on the image laid on its side, color by color: single pixels
    take three times as long, and so does turning all colors at once.
    """
    needed, inverse = np.unique(columns[0], return_inverse=True)
    if len(needed) < pixels.shape[1]:
        pixels = pixels.take(needed, 1)
    lines = _summed(pixels, rows)
    channels = range(pixels.shape[2])
    side = np.empty((len(needed), len(channels), len(lines)), np.float32)
    for channel in channels:
        side[:, channel] = lines[..., channel].T
    turned = _summed(side, (inverse.reshape(columns[0].shape), columns[1]))
    image = np.empty((len(lines), len(turned), len(channels)), np.float32)
    for channel in channels:
        image[..., channel] = turned[:, channel].T
    return image


def _summed(pixels: NDArray[Any], taps: Taps) -> NDArray[np.float32]:
    """Weighted sums (size, ...) of the lines (first axis) of `pixels` that the taps name."""
    size = taps[0].shape[1]
    lines = pixels.reshape(len(pixels), -1)
    total = np.zeros((size, lines.shape[1]), np.float32)
    for start in range(0, size, BAND):
        band = total[start : start + BAND]
        for position, weight in zip(*taps, strict=True):
            part = lines.take(position[start : start + BAND], 0).astype(np.float32, copy=False)
            part *= weight[start : start + BAND, None]
            band += part
    return total.reshape(size, *pixels.shape[1:])
