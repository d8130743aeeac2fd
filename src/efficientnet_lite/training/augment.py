"""AutoAugment v0, RandAugment and mixup, by a generator that is given: equal generators make equal images.

Source: tensorflow/tpu, models/official/efficientnet/autoaugment.py, `build_and_apply_nas_policy`,
`distort_image_with_randaugment`; imagenet_input.py, `mixup`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from efficientnet_lite.training import operations
from efficientnet_lite.training.chance import generator
from efficientnet_lite.training.operations import Pixels
from efficientnet_lite.training.policies import RANDAUGMENT, SIGNED, V0, Name, Operation, argument

REVERSED = slice(None, None, -1)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Which augmentation, and how much of it. Raises ValueError for numbers that make no sense."""

    name: Name = "none"
    layers: int = 2  # operations on one image; RandAugment alone
    magnitude: float = 10  # level of every operation; RandAugment alone

    def __post_init__(self) -> None:
        if self.name not in ("none", "autoaugment", "randaugment"):
            raise ValueError(f"name must be none, autoaugment or randaugment, got {self.name!r}")
        if not 1 <= self.layers <= 16 or not 0 <= self.magnitude <= 30:
            raise ValueError(
                f"layers must be 1 to 16 and magnitude 0 to 30, got {self.layers}, {self.magnitude}"
            )


def augment(image: Pixels, augmentation: Augmentation, random: np.random.Generator) -> Pixels:
    """`image`, uint8 (height, width, 3), as the augmentation leaves it; the same object where nothing is done."""
    match augmentation.name:
        case "none":
            return image
        case "autoaugment":
            for operation, probability, level in V0[int(random.integers(len(V0)))]:
                if random.random() < probability:
                    image = apply(image, operation, level, "autoaugment", random)
        case _:
            for _ in range(augmentation.layers):
                operation = RANDAUGMENT[int(random.integers(len(RANDAUGMENT)))]
                image = apply(image, operation, augmentation.magnitude, "randaugment", random)
    return image


def apply(
    image: Pixels,
    operation: Operation,
    level: float,
    policy: Literal["autoaugment", "randaugment"],
    random: np.random.Generator,
) -> Pixels:
    """One operation at `level`; chance chooses a direction, and the middle of a cutout."""
    value = argument(operation, level, policy)
    if operation in SIGNED and random.random() < 0.5:
        value = -value
    if operation == "Cutout":
        center = int(random.integers(image.shape[0])), int(random.integers(image.shape[1]))
        return operations.cutout(image, int(value), center)
    return _FUNCTIONS[operation](image, value)


_FUNCTIONS: dict[str, Callable[[Pixels, Any], Pixels]] = {
    "AutoContrast": lambda image, _: operations.auto_contrast(image),
    "Equalize": lambda image, _: operations.equalize(image),
    "Invert": lambda image, _: operations.invert(image),
    "Rotate": operations.rotate,
    "Posterize": operations.posterize,
    "Solarize": operations.solarize,
    "SolarizeAdd": operations.solarize_add,
    "Color": operations.color,
    "Contrast": operations.contrast,
    "Brightness": operations.brightness,
    "Sharpness": operations.sharpness,
    "ShearX": operations.shear_x,
    "ShearY": operations.shear_y,
    "TranslateX": operations.translate_x,
    "TranslateY": operations.translate_y,
}


def mixup_shares(
    alpha: float, seed: int, epoch: int, indices: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.float32]:
    """The share (N,), 0.5 to 1, that each example keeps of itself; it depends on the example alone."""
    drawn = [generator(seed, epoch, int(index), "mixup").beta(alpha, alpha) for index in indices]
    shares = np.array(drawn, np.float32)
    return np.maximum(shares, 1 - shares)


def mixup(
    values: npt.NDArray[Any],
    shares: npt.NDArray[np.float32],
    partners: npt.NDArray[np.integer[Any]] | slice = REVERSED,
) -> npt.NDArray[np.float32]:
    """Each of `values` (N, ...), images or labels as shares, mixed with that of its partner; float32.

    Args:
        shares: (N,), what each keeps of itself.
        partners: (N,) places in the batch. The reference takes the reversed batch.

    Source: Zhang et al., mixup, arXiv:1710.09412.
    """
    own = shares.reshape(-1, *[1] * (values.ndim - 1))
    mixed = values.astype(np.float32, copy=False) * own
    mixed += values[partners] * (np.float32(1) - own)
    return mixed
