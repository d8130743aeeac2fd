"""The part of a photo that a network is shown in training from scratch: a distorted box, as the reference draws it.

Source: tensorflow/tpu, models/official/efficientnet/preprocessing.py, `_decode_and_random_crop` and
`preprocess_for_train`; tensorflow, core/kernels/image/sample_distorted_bounding_box_op.cc, `GenerateRandomCrop`.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.photos.contract import Box, center_crop, reference_padding
from efficientnet_lite.photos.resample import legacy_bicubic
from efficientnet_lite.training.augment import Augmentation, augment

AREA = (0.08, 1.0)  # of the photo
ASPECT = (3 / 4, 4 / 3)  # width / height
LEAST_COVERED = 0.1  # of the object, which is the whole photo: smaller crops are drawn, and thrown away
ATTEMPTS = 10

_BELOW_HALF = 0.5 - 1e-7


def random_box(height: int, width: int, random: np.random.Generator) -> Box:
    """A random part of a photo of `height` x `width` pixels; the whole of it where ten attempts fail.

    Its height is uniform between what the areas allow, its corner uniform but for the last place.
    """
    for _ in range(ATTEMPTS):
        box = _attempt(height, width, ASPECT[0] + (ASPECT[1] - ASPECT[0]) * random.random(), random)
        if box is not None and box.height * box.width >= max(1, LEAST_COVERED * height * width):
            return box
    return Box(0, 0, height, width)


def training_image(
    pixels: npt.NDArray[np.uint8], size: int, augmentation: Augmentation, random: np.random.Generator
) -> npt.NDArray[Any]:
    """What the network is shown of a decoded photo, (size, size, 3) in 0 .. 255.

    A random box, resized by the reference's bicubic filter, mirrored or not. Without augmentation it is float32
    and overshoots both ends; with one it is clipped, truncated to uint8 and augmented.

    Args:
        pixels: uint8 (height, width, 3), RGB, as the reference's decoder leaves them.
        random: the only source of chance.
    """
    height, width = pixels.shape[:2]
    box = random_box(height, width, random)
    if (box.height, box.width) == (height, width):
        box = center_crop(height, width, size, reference_padding(size))
    image = legacy_bicubic(pixels[box.top : box.top + box.height, box.left : box.left + box.width], size)
    if random.random() < 0.5:
        image = image[:, ::-1]
    if augmentation.name == "none":
        return np.ascontiguousarray(image)
    return augment(np.clip(image, 0, 255).astype(np.uint8), augmentation, random)


def _attempt(height: int, width: int, aspect: float, random: np.random.Generator) -> Box | None:
    """A box of about this width / height, or None where rounding leaves none."""
    low, high = AREA[0] * width * height, AREA[1] * width * height
    tallest = round(math.sqrt(high / aspect))
    if round(tallest * aspect) > width:
        tallest = int((width + _BELOW_HALF) / aspect)
        if round(tallest * aspect) > width:
            tallest -= 1
    tallest = min(tallest, height)
    tall = min(round(math.sqrt(low / aspect)), tallest)
    tall += int(random.integers(tallest - tall + 1))
    if tall * round(tall * aspect) < low:  # by rounding
        tall += 1
    if tall * round(tall * aspect) > high:
        tall -= 1
    wide = round(tall * aspect)
    if not (low <= tall * wide <= high and 0 < wide <= width and 0 < tall <= height):
        return None
    return Box(_corner(height, tall, random), _corner(width, wide, random), tall, wide)


def _corner(whole: int, part: int, random: np.random.Generator) -> int:
    """0 to whole - part, of which the reference never takes the last."""
    return int(random.integers(whole - part)) if part < whole else 0
