"""A photo's bytes -> upright RGB pixels; every failure is one `UnreadablePhoto` with its reason.

The only module that knows Pillow and simplejpeg. Formats are told by content, never by the name.
"""

import os
import stat
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from efficientnet_lite.contract import Box
from efficientnet_lite.errors import UnreadablePhoto

MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 2**20
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo.

    `pixels` is the upright photo at 1 / `scale` of its sides, rounded up; `scale` is 1 unless
    `decode` was allowed to shrink.
    """

    pixels: NDArray[np.uint8]  # (height, width, 3), RGB, C-contiguous
    full_size: tuple[int, int]  # height and width of the upright photo as stored, pixels
    notes: tuple[str, ...] = ()  # what was left out or guessed: "first of 2 frames"
    scale: int = 1  # 1, 2, 4 or 8


def read_bytes(path: Path) -> bytes:
    """The content of a photo's file, at most 256 MB; never waits for a pipe or device.

    Raises UnreadablePhoto where it is missing, no regular file, unreadable or larger.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise refused("not a regular file", path)
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise refused(f"it cannot be read: {error.strerror or error}", path) from error
    if len(data) > MAX_BYTES:
        raise refused("larger than 256 MB", path)
    return data


def decode(data: bytes, *, where: Path | str = "photo", min_side: int | None = None) -> Photo:
    """The first picture in `data`, upright, RGB, as stored: no color management.

    With `min_side` the caller promises to shrink the photo to that many pixels or fewer on its short
    side: a large JPEG may then be decoded at 1/2, 1/4 or 1/8.
    """
    del min_side
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise refused(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}", where)
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except UnreadablePhoto:
        raise
    except Exception as error:
        raise refused(f"it cannot be decoded: {error}", where) from error
    pixels = np.array(upright)
    return Photo(pixels, (pixels.shape[0], pixels.shape[1]))


def decode_reference(data: bytes, *, where: Path | str = "photo") -> Photo:
    """Like `decode`, but a JPEG goes through the fast-integer DCT, as in TensorFlow's default decoder."""
    import simplejpeg

    if data[:2] != b"\xff\xd8":
        return decode(data, where=where)
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=False)
    except ValueError as error:
        raise refused(f"it cannot be decoded: {error}", where) from error
    return Photo(pixels, (pixels.shape[0], pixels.shape[1]))


def resize(
    pixels: NDArray[np.uint8],
    box: Box | None,
    size: int,
    *,
    filter: Literal["bicubic", "bilinear"],
    scale: int = 1,
) -> NDArray[np.uint8]:
    """`box` of a photo (all of it where None) stretched to (size, size, 3), antialiased.

    `box` is in the pixels of the full photo; `pixels` may be decoded at 1 / `scale` of it.
    """
    height, width = pixels.shape[:2]
    box = box or Box(0, 0, height * scale, width * scale)
    region = (
        box.left / scale,
        box.top / scale,
        (box.left + box.width) / scale,
        (box.top + box.height) / scale,
    )
    resampling = Image.Resampling.BICUBIC if filter == "bicubic" else Image.Resampling.BILINEAR
    return np.array(Image.fromarray(pixels).resize((size, size), resampling, region))


def refused(reason: str, where: Path | str) -> UnreadablePhoto:
    """The error of this door."""
    return UnreadablePhoto(reason, where=where, fix="open it in an image editor and save it as JPEG")
