"""A photo -> the images that a model sees of it: crop, squash, mirrored, and what other consumers make."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.contract import Contract, FitView, View, center_crop
from efficientnet_lite.doors import photos
from efficientnet_lite.doors.photos import Photo


@dataclass(frozen=True, slots=True)
class Prepared:
    """The images of one photo, one per view in the order asked for, and the photo itself."""

    images: tuple[NDArray[Any], ...]  # (size, size, 3) uint8; float32 for `reference`
    photo: Photo


def prepare(
    data: bytes, views: Sequence[View | FitView], contract: Contract, *, where: Path | str = "photo"
) -> Prepared:
    """The images of the photo in `data`, decoded once. Raises UnreadablePhoto."""
    photo = photos.decode(data, where=where)
    return Prepared(prepare_pixels(photo.pixels, views, contract), photo)


def prepare_pixels(
    pixels: NDArray[np.uint8], views: Sequence[View | FitView], contract: Contract
) -> tuple[NDArray[Any], ...]:
    """The images of an upright photo (height, width, 3), one per view."""
    images: dict[str, NDArray[Any]] = {}
    for name in {view.removesuffix("-mirrored") for view in views}:
        if name == "crop":
            box = center_crop(*pixels.shape[:2], contract.size, contract.crop_padding)
            images[name] = photos.resize(pixels, box, contract.size, filter="bicubic")
        else:
            images[name] = photos.resize(pixels, None, contract.size, filter="bilinear")
    return tuple(
        np.ascontiguousarray(images[view.removesuffix("-mirrored")][:, ::-1])
        if view.endswith("-mirrored")
        else images[view]
        for view in views
    )


def to_float(image: NDArray[Any]) -> NDArray[np.float32]:
    """`image` as float32 in [0, 1]; the view `reference` overshoots a little."""
    return image.astype(np.float32) / np.float32(255)
