"""The gate that needs no photos: an artifact's outputs against the numpy run of its layer plan, on fixed inputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from efficientnet_lite import forward
from efficientnet_lite.contract import MEAN, STDDEV
from efficientnet_lite.errors import VerificationFailed
from efficientnet_lite.forward import Layer
from efficientnet_lite.spec import DENSE, LOGITS, POOLED, PROBABILITIES, Plan

Array = npt.NDArray[np.float32]

FLOAT_TOLERANCE = 1e-3  # of a logit or feature, a runtime against numpy; measured on official weights: 1e-5


@dataclass(frozen=True, slots=True)
class Parity:
    """How near an artifact is to what it was made of, over `fixed_inputs` and all outputs that both have."""

    difference: float  # largest, of one value of an output
    cosine: float  # smallest, of an output of one image
    agreement: float | None  # fraction of inputs with the same top-1; None where no output is over classes

    def require(self, tolerance: float = FLOAT_TOLERANCE, *, what: str, where: Path | str) -> None:
        """Raises VerificationFailed where the largest difference is above `tolerance`, or no number."""
        if not self.difference <= tolerance:
            raise VerificationFailed(
                f"{what} is {self.difference:.2g} from the numpy run of the same layers, "
                f"more than {tolerance:g}, so nothing is published",
                where=where,
                fix="report this: it is a fault of the package or the runtime",
            )


def fixed_inputs(size: int) -> npt.NDArray[np.uint8]:
    """Three images that need no photo: a color ramp, coarse and fine noise; uint8 (3, size, size, 3)."""
    row, column = np.mgrid[0:size, 0:size] * (255 / max(1, size - 1))
    ramp = np.stack([row, column, 255 - row], axis=-1).astype(np.uint8)
    random = np.random.default_rng(20200316)
    coarse = random.integers(0, 256, (-(-size // 16), -(-size // 16), 3), np.uint8)
    blocks = coarse.repeat(16, axis=0).repeat(16, axis=1)[:size, :size]
    return np.stack([ramp, blocks, random.integers(0, 256, (size, size, 3), np.uint8)])


def numpy_outputs(plan: Plan, layers: Mapping[str, Layer], images: npt.NDArray[np.uint8]) -> dict[str, Array]:
    """Every tensor of the plan for `images` uint8 (N, S, S, 3), by the plan's name and by its public names.

    `logits` and `probabilities` are (N, classes), `features` (N, 1280), feature maps (N, H, W, C).
    """
    normalized = (images.astype(np.float32) - MEAN) / np.float32(STDDEV)
    tensors = forward.run(plan.steps, layers, normalized)
    tensors[POOLED] = tensors[POOLED].reshape(len(images), -1)
    if plan.classes is not None:
        tensors[LOGITS] = tensors[DENSE]
    return tensors | {plan.endpoint_output(name): tensors[tensor] for name, tensor in plan.endpoints.items()}


def parity(found: Mapping[str, npt.NDArray[np.floating]], wanted: Mapping[str, Array]) -> Parity:
    """`found` against `wanted`, over the names of `found`; each (N, ...) with the same number of elements."""
    difference, cosine, agreement = 0.0, 1.0, None
    for name, values in found.items():
        ours, true = (
            np.asarray(each, np.float64).reshape(len(values), -1) for each in (values, wanted[name])
        )
        gap = float(np.abs(ours - true).max())
        difference = gap if not gap <= difference else difference  # NaN stays
        lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(true, axis=1)
        cosines = (ours * true).sum(axis=1) / np.where(lengths == 0, 1, lengths)
        cosine = min(cosine, float(np.where(lengths == 0, 1, cosines).min()))
        if name in (LOGITS, PROBABILITIES):
            agreement = float((ours.argmax(axis=1) == true.argmax(axis=1)).mean())
    return Parity(difference, cosine, agreement)
