"""The gate that needs no photos: an artifact's outputs against the numpy run of its layer plan, on fixed inputs."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import CheckpointError, VerificationFailed
from efficientnet_lite.network import numpy_run
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import DENSE, LOGITS, POOLED, PROBABILITIES, Plan
from efficientnet_lite.photos.contract import MEAN, STDDEV

FLOAT_TOLERANCE = 1e-3  # of a logit or feature, a runtime against numpy; measured on official weights: 1e-5
# Largest value of an output up to which that is absolute; official logits reach 15. Rounding grows with the values:
# deep networks of random weights are up to 1e-4 of their largest off, in timm's float32 as in ours (tests/peers).
LARGE = 16.0


def proportion(wanted: npt.NDArray[Any]) -> float:
    """How many times FLOAT_TOLERANCE an output may differ: once up to LARGE, in proportion beyond."""
    return max(1.0, float(np.abs(wanted).max()) / LARGE)


def allowance(wanted: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The same for each value where both sides ran as files of one kind: relative beyond 1, `proportion` at least."""
    return np.maximum(proportion(wanted), np.abs(wanted.astype(np.float64)))


@dataclass(frozen=True, slots=True)
class Parity:
    """How near an artifact is to what it was made of, over some inputs and all outputs that both have."""

    difference: float  # largest, of one value of an output
    cosine: float  # smallest, of an output of one input
    snr_db: float  # of the farthest output but the probabilities; infinite where nothing differs
    agreement: float | None  # fraction of inputs with the same top-1; None where no output is over classes
    miss: float = 0.0  # as `difference`, but in proportion where an output's largest value is beyond LARGE
    logits_difference: float | None = None  # None where both have none

    def require(self, tolerance: float = FLOAT_TOLERANCE, *, what: str, where: Path | str) -> None:
        """Raises VerificationFailed where the miss is above `tolerance`, or no number."""
        if not self.miss <= tolerance:
            raise VerificationFailed(
                f"{what} is {self.difference:.2g} from the numpy run of the same layers, more than {tolerance:g} "
                f"(in proportion where values are beyond {LARGE:g}: {self.miss:.2g}), so nothing is published",
                where=where,
                fix="look at the weights: in a network far from a trained one roundings decide; if it is one, report "
                "this: it is a fault of the package or the runtime",
            )

    def to_json(self) -> dict[str, float | None]:
        """A document of plain values; what is no finite number is null."""
        return {
            name: value if value is not None and math.isfinite(value) else None
            for name, value in asdict(self).items()
            if name not in ("miss", "logits_difference")
        }


@dataclass(slots=True)
class Gauge:
    """Takes one input's outputs after another, so that feature maps of many photos need no memory."""

    differences: dict[str, float] = field(default_factory=dict)  # of each output
    miss: float = 0.0
    cosine: float = 1.0
    same: int = 0  # inputs with the same top-1
    inputs: int = 0
    over_classes: bool = False
    energies: dict[str, tuple[float, float]] = field(default_factory=dict)  # output -> signal, error

    def add(self, found: Mapping[str, npt.NDArray[Any]], wanted: Mapping[str, npt.NDArray[Any]]) -> None:
        """The outputs of one input, each of any shape, over the names of `found`."""
        self.inputs += 1
        for name, values in found.items():
            ours, true = (np.asarray(each, np.float64).ravel() for each in (values, wanted[name]))
            difference = np.abs(ours - true).max()
            self.differences[name] = float(
                np.maximum(self.differences.get(name, 0.0), difference)
            )  # NaN stays
            self.miss = float(np.maximum(self.miss, difference / proportion(true)))
            if name == LOGITS:  # softmax does not see a shift
                ours, true = ours - ours.mean(), true - true.mean()
            length = float(np.linalg.norm(ours) * np.linalg.norm(true))
            self.cosine = float(np.minimum(self.cosine, float(ours @ true) / length if length else 1.0))
            signal, error = self.energies.get(name, (0.0, 0.0))
            self.energies[name] = signal + float(true @ true), error + float(np.square(ours - true).sum())
        if over_classes := [name for name in (LOGITS, PROBABILITIES) if name in found]:
            self.over_classes = True
            self.same += int(found[over_classes[0]].argmax() == wanted[over_classes[0]].argmax())

    def parity(self) -> Parity:
        """Over everything so far."""
        counted = [name for name in self.energies if name != PROBABILITIES] or list(self.energies)
        pairs = [self.energies[name] for name in counted]  # a probability says little: it saturates
        ratios = [signal / error if error else math.inf for signal, error in pairs]
        with np.errstate(divide="ignore"):
            snr = 10 * float(np.log10(np.min(ratios))) if ratios else math.inf  # NaN stays
        return Parity(
            float(np.max(list(self.differences.values()), initial=0.0)),
            self.cosine,
            snr,
            self.same / self.inputs if self.over_classes else None,
            self.miss,
            self.differences.get(LOGITS),
        )


EQUAL = Parity(difference=0.0, cosine=1.0, snr_db=math.inf, agreement=None)  # of the same file


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

    Raises CheckpointError where one of them is no finite number.
    """
    normalized = (images.astype(np.float32) - MEAN) / np.float32(STDDEV)
    with np.errstate(all="ignore"):  # what overflows is refused
        tensors = numpy_run.run(plan.steps, layers, normalized)
    for step in plan.steps:
        if not np.isfinite(tensors[step.name]).all():
            raise CheckpointError(
                f"with these weights {step.name} is no finite number for an ordinary image",
                where=plan.variant.name,
                fix="look at the weights: a training that diverged leaves such ones",
            )
    tensors[POOLED] = tensors[POOLED].reshape(len(images), -1)
    if plan.classes is not None:
        tensors[LOGITS] = tensors[DENSE]
    return tensors | {plan.endpoint_output(name): tensors[tensor] for name, tensor in plan.endpoints.items()}


def parity(found: Mapping[str, npt.NDArray[Any]], wanted: Mapping[str, Array]) -> Parity:
    """`found` against `wanted`, over the names of `found`; each (N, ...) with the same number of elements."""
    gauge = Gauge()
    for place in range(len(next(iter(found.values())))):
        gauge.add(*({name: each[name][place] for name in found} for each in (found, wanted)))
    return gauge.parity()
