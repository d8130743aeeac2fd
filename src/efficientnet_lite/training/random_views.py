"""What a network sees of a photo in fine-tuning: a crop or a squash of it, moved, mirrored, tinted by chance.

All chance comes from a generator that is given; see `chance`. Pure.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from efficientnet_lite.photos.contract import Box, Contract, center_crop
from efficientnet_lite.photos.decode import Photo
from efficientnet_lite.photos.resizing import resize
from efficientnet_lite.training.augment import Augmentation
from efficientnet_lite.training.augment import augment as distorted
from efficientnet_lite.training.fine_tuning import Augment
from efficientnet_lite.training.operations import Pixels

SMALLEST = {"light": 0.7, "rand": 0.4}  # side of a random crop, as a fraction of what the still view shows
TINT = 0.15  # how far light takes brightness, contrast and color from 1
RANDAUGMENT = Augmentation("randaugment", layers=2, magnitude=5)  # half of the reference's: few photos
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Source: ITU-R BT.601


def draw(photo: Photo, contract: Contract, augment: Augment, random: np.random.Generator) -> Pixels:
    """A random view of `photo`, uint8 (size, size, 3): a crop or a squash, with equal chances, or its mirror image.

    With "none" it is one of the views that consumers have; else it is moved and zoomed as well, and tinted
    by "light", distorted by RandAugment with "rand".
    """
    height, width = photo.full_size
    squash = bool(random.random() < 0.5)
    mirrored = bool(random.random() < 0.5)
    box = (
        Box(0, 0, height, width)
        if squash
        else center_crop(height, width, contract.size, contract.crop_padding)
    )
    if augment != "none":
        box = _moved(box, height, width, SMALLEST[augment], random, squash=squash)
    image = resize(
        photo.pixels, box, contract.size, filter="bilinear" if squash else "bicubic", scale=photo.scale
    )
    if mirrored:
        image = np.ascontiguousarray(image[:, ::-1])
    if augment == "light":
        return _tinted(image, TINT, random)
    return distorted(image, RANDAUGMENT, random) if augment == "rand" else image


def _moved(
    box: Box, height: int, width: int, smallest: float, random: np.random.Generator, *, squash: bool
) -> Box:
    """A part of the photo of the same kind as `box`: a square, or nearly all of it in its own proportions."""
    if squash:
        shrink = random.uniform(smallest, 1.0, 2)
        rows, columns = height * float(shrink[0]), width * float(shrink[1])
    else:
        side = min(height, width)
        rows = columns = side * float(random.uniform(smallest * box.height / side, 1.0))
    tall, wide = max(1, round(rows)), max(1, round(columns))
    top, left = int(random.integers(0, height - tall + 1)), int(random.integers(0, width - wide + 1))
    return Box(top, left, tall, wide)


def _tinted(image: Pixels, far: float, random: np.random.Generator) -> Pixels:
    """Brightness, contrast and color, each times a factor of 1 - `far` to 1 + `far`."""
    light, contrast, color = (np.float32(factor) for factor in random.uniform(1 - far, 1 + far, 3))
    values = image.astype(np.float32)
    gray = (values @ LUMA)[..., None]
    colored = gray + color * (values - gray)
    mean = gray.mean()
    tinted = light * (mean + contrast * (colored - mean))
    result: Pixels = np.clip(tinted + np.float32(0.5), 0, 255).astype(np.uint8)
    return result


def soft_targets(
    labels: Sequence[int] | npt.NDArray[np.intp], classes: int, smoothing: float
) -> npt.NDArray[np.float32]:
    """(N, classes): 1 - smoothing for the label, and `smoothing` spread over all classes evenly."""
    return (np.eye(classes, dtype=np.float32)[labels] * (1 - smoothing) + smoothing / classes).astype(
        np.float32
    )
