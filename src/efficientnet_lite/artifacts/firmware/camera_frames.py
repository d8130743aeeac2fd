"""What preprocess.c does, in numpy: a camera's frame to the model's input. The checksums in golden.c come from here.

The same whole numbers as in C, so the bytes are equal. Pure.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.photos.contract import Box, Contract, View, center_crop, reference_padding

FrameFormat = Literal["RGB888", "RGB565_LE", "RGB565_BE"]
FrameView = Literal["CROP", "STRETCH"]
FrameFilter = Literal["NEAREST", "BILINEAR", "BOX"]
PIXEL_BYTES: dict[FrameFormat, int] = {"RGB888": 3, "RGB565_LE": 2, "RGB565_BE": 2}
MAX_SIDE = 4096  # of a frame, pixels
SEED, FACTOR, STEP = (
    20200316,
    1664525,
    1013904223,
)  # of the bytes of golden frames; Source: Numerical Recipes, 7.1
_SHARES = 256  # of a pixel, in bilinear


def frame_view(view: View) -> FrameView:
    """How a frame is cut for a model of that view."""
    return "CROP" if view in ("crop", "reference") else "STRETCH"


def frame_filter(view: View) -> FrameFilter:
    """What is nearest to what a model of that view was trained on: views of other programs read single pixels."""
    return "BILINEAR" if view in ("mediapipe", "android-bitmap") else "BOX"


def padding_of(contract: Contract) -> int:
    """The crop is size / (size + this) of the shorter side."""
    return reference_padding(contract.size) if contract.view == "reference" else contract.crop_padding


def smaller_crops(contract: Contract) -> list[int]:
    """The shorter sides for which `center_crop`, which reckons in doubles, is a pixel smaller than in integers."""
    size, padding = contract.size, padding_of(contract)
    exact = [max(1, size * side // (size + padding)) for side in range(1, MAX_SIDE + 1)]
    sides = [center_crop(side, side, size, padding).height for side in range(1, MAX_SIDE + 1)]
    return [at for at, (found, wanted) in enumerate(zip(sides, exact, strict=True), 1) if found < wanted]


def frame_pixels(data: bytes, width: int, height: int, stride: int, format: FrameFormat) -> NDArray[np.uint8]:
    """uint8 (height, width, 3), RGB, of a buffer; of five and six bits the upper ones are repeated below."""
    rows = np.frombuffer(data.ljust(height * stride, b"\0"), np.uint8)[: height * stride].reshape(
        height, stride
    )
    pixels = rows[:, : width * PIXEL_BYTES[format]].reshape(height, width, -1)
    if format == "RGB888":
        return pixels
    high, low = (pixels[..., at].astype(int) for at in ((1, 0) if format == "RGB565_LE" else (0, 1)))
    code = high << 8 | low
    red, green, blue = code >> 11, code >> 5 & 63, code & 31
    colors = red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2
    return np.stack(colors, axis=-1).astype(np.uint8)


def prepared_frame(
    pixels: NDArray[np.uint8], contract: Contract, view: FrameView, filter: FrameFilter
) -> NDArray[np.uint8]:
    """The model's input, uint8 (S, S, 3), of a frame uint8 (height, width, 3)."""
    height, width = pixels.shape[:2]
    box = Box(0, 0, height, width)
    if view == "CROP":
        box = center_crop(height, width, contract.size, padding_of(contract))
    part = pixels[box.top : box.top + box.height, box.left : box.left + box.width]
    if filter == "NEAREST":
        rows, columns = ((2 * np.arange(contract.size) + 1) * side // (2 * contract.size) for side in box[2:])
        return np.ascontiguousarray(part[rows][:, columns])
    weights = _shared if filter == "BILINEAR" else _covered
    down, across = (weights(side, contract.size) for side in box[2:])
    lines = (down @ part.reshape(len(part), -1).astype(np.float64)).reshape(contract.size, -1, 3)
    sums = np.matmul(across, lines)  # whole numbers below 2 to the 33rd, so exact
    whole = down[0].sum() * across[0].sum()
    return np.asarray((sums + whole // 2) // whole, np.uint8)


def _shared(side: int, size: int) -> NDArray[np.float64]:
    """(size, side): shares, in 1/256, of the two pixels next to each output pixel's middle."""
    unit = 2 * size
    place = np.maximum((2 * np.arange(size) + 1) * side - size, 0)
    first, share = place // unit, (place % unit * _SHARES + size) // unit
    share = np.where(first + 1 < side, share, 0)
    first = np.minimum(first, side - 1)
    weights = np.zeros((size, side))
    np.add.at(weights, (np.arange(size), first), _SHARES - share)
    np.add.at(weights, (np.arange(size), np.minimum(first + 1, side - 1)), share)
    return weights


def _covered(side: int, size: int) -> NDArray[np.float64]:
    """(size, side): what each output pixel has in common with each pixel, in 1/size of one."""
    low, begin = np.arange(size)[:, None] * side, np.arange(side) * size
    shared = np.minimum(begin + size, low + side) - np.maximum(begin, low)
    return np.asarray(np.maximum(shared, 0), np.float64)


@dataclass(frozen=True, slots=True)
class GoldenFrame:
    """A frame of pseudo-random bytes that main.cc makes itself, and the Adler-32 of the input that comes of it."""

    width: int
    height: int
    stride: int
    format: FrameFormat
    view: FrameView
    filter: FrameFilter
    checksum: int

    @property
    def bytes(self) -> int:
        return self.height * self.stride


def golden_frames(contract: Contract) -> list[GoldenFrame]:
    """Small frames that take every branch: larger than the input in one direction, smaller, with bytes between rows."""
    return list(_golden_frames(contract))


def _golden_frames(contract: Contract) -> Iterator[GoldenFrame]:
    wide = 3 * contract.size + 5
    frames: list[tuple[int, int, FrameFormat, FrameView, FrameFilter]] = [
        (wide, 2, "RGB565_BE", "STRETCH", "BOX"),
        (2, wide, "RGB565_LE", "STRETCH", "BOX"),
        (wide, 3, "RGB888", "STRETCH", "BILINEAR"),
        (wide, 1, "RGB565_LE", "STRETCH", "NEAREST"),
        (48, 37, "RGB565_BE", "CROP", "BOX"),
        (36, 49, "RGB888", "CROP", "BILINEAR"),
        (49, 36, "RGB565_LE", "CROP", "NEAREST"),
        (40, 30, "RGB888", frame_view(contract.view), frame_filter(contract.view)),
    ]
    for at, (width, height, format, view, filter) in enumerate(frames):
        stride = width * PIXEL_BYTES[format] + at
        pixels = frame_pixels(random_bytes(height * stride), width, height, stride, format)
        made = prepared_frame(pixels, contract, view, filter)
        yield GoldenFrame(width, height, stride, format, view, filter, zlib.adler32(made.tobytes()))


def random_bytes(count: int) -> bytes:
    """The upper bytes of a linear congruential generator of 32 bits."""
    made, state = bytearray(), SEED
    for _ in range(count):
        state = (state * FACTOR + STEP) & 0xFFFFFFFF
        made.append(state >> 24)
    return bytes(made)
