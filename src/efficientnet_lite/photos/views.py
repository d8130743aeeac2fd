"""A photo -> the images that a model sees of it: crop, squash, mirrored, and what other consumers make.

An image is uint8 (size, size, 3), RGB. The view `reference` alone is float32 in 0..255, with bicubic
overshoot beyond both ends, as the reference leaves it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.contract import (
    FIT_VIEWS,
    VIEWS,
    Box,
    Contract,
    FitView,
    View,
    center_crop,
    reference_padding,
)
from efficientnet_lite.photos.decode import Photo
from efficientnet_lite.photos.resample import bilinear, legacy_bicubic
from efficientnet_lite.photos.resizing import resize

Image = NDArray[Any]  # uint8 (size, size, 3); float32 for `reference`

PIXELS_VERSION = 2  # to be raised when the photo door or a view changes what it gives
MIRRORED = "-mirrored"
ANTIALIASED = {"crop", "squash"}  # views that average over pixels, rather than read single ones
OPENCV_STEPS = 32  # per pixel; Source: opencv, imgproc.hpp, `INTER_TAB_SIZE`


@dataclass(frozen=True, slots=True)
class Prepared:
    """The images of one photo, one per view in the order asked for, and the photo they are from."""

    images: tuple[Image, ...]
    photo: Photo


def prepare(
    data: bytes, views: Sequence[View | FitView], contract: Contract, *, where: Path | str = "photo"
) -> Prepared:
    """The images of the photo in `data`; each is the same whatever else is asked for.

    Crop, squash and their mirror images shrink the photo, so a large JPEG is decoded at a fraction of its size for
    them. The other views read single pixels and get all of them: of a large JPEG that is a decode of its own, and so is
    `reference`, which has its own decoder. `photo` is the smallest that was decoded.

    Raises:
        UnreadablePhoto: the bytes are no photo that can be used.
        UsageError: `reference` is asked for and simplejpeg is not installed.
        ValueError: there is no view, or an unknown one.
    """
    _check(views)
    bases = {_base(view) for view in views}
    exact = photo_door.decode_reference(data, where=where) if "reference" in bases else None
    small = full = None
    if bases & ANTIALIASED:
        small = photo_door.decode(data, where=where, min_side=contract.size + contract.crop_padding)
    if bases - ANTIALIASED - {"reference"}:
        full = small if small and small.scale == 1 else photo_door.decode(data, where=where)
    photo = small or full or exact
    assert photo is not None  # there is a view
    return Prepared(_images(views, contract, small or photo, full or photo, exact or photo), photo)


def prepare_pixels(
    pixels: NDArray[np.uint8], views: Sequence[View | FitView], contract: Contract
) -> tuple[Image, ...]:
    """The images of a photo that is pixels already: uint8 (height, width, 3), RGB, upright.

    Raises ValueError for another shape or type, no view, or an unknown one.
    """
    _check(views)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"pixels must be uint8 (height, width, 3), got {pixels.dtype} {pixels.shape}")
    photo = Photo(np.ascontiguousarray(pixels), pixels.shape[:2])
    return _images(views, contract, photo, photo, photo)


def to_float(image: Image, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """An image, or a batch, as float32 in [0, 1], the input of our float files; `reference` overshoots.

    With `out` in that array, which has its shape.
    """
    return np.divide(image, np.float32(255), out=out, dtype=np.float32)


def _check(views: Sequence[str]) -> None:
    known = {*VIEWS, *FIT_VIEWS}
    if not views or not known.issuperset(views):
        raise ValueError(f"expected views of {sorted(known)}, got {list(views)}")


def _base(view: str) -> str:
    return view.removesuffix(MIRRORED)


def _images(
    views: Sequence[str], contract: Contract, small: Photo, full: Photo, exact: Photo
) -> tuple[Image, ...]:
    """One image per view, of the decoded photo that it takes; a view and its mirror image share the work."""

    def seen(base: str) -> Photo:
        return small if base in ANTIALIASED else exact if base == "reference" else full

    made = {base: _image(base, seen(base), contract) for base in dict.fromkeys(map(_base, views))}
    return tuple(_mirrored(made[_base(view)]) if view.endswith(MIRRORED) else made[view] for view in views)


def _mirrored(image: Image) -> Image:
    return image.take(np.arange(image.shape[1])[::-1], axis=1)  # twice as fast as copying [:, ::-1]


def _image(view: str, photo: Photo, contract: Contract) -> Image:
    size = contract.size
    height, width = photo.full_size
    match view:
        case "crop":
            box = center_crop(height, width, size, contract.crop_padding)
            return resize(photo.pixels, box, size, filter="bicubic", scale=photo.scale)
        case "squash":
            box = Box(0, 0, height, width)
            return resize(photo.pixels, box, size, filter="bilinear", scale=photo.scale)
        case "mediapipe":
            return _rounded(bilinear(photo.pixels, size, half_pixel=False, steps=OPENCV_STEPS))
        case "android-bitmap":
            return _rounded(bilinear(photo.pixels, size, half_pixel=True))
        case _:  # reference
            box = center_crop(height, width, size, reference_padding(size))
            crop = photo.pixels[box.top : box.top + box.height, box.left : box.left + box.width]
            return legacy_bicubic(crop, size)


def _rounded(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (image + np.float32(0.5)).astype(np.uint8)  # half up, as both consumers' integer code does
