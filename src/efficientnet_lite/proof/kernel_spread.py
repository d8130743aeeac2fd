"""How far apart LiteRT's kernels are on a file: what an app that runs other ones than this machine must allow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.network.plan import PROBABILITIES
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.vocabulary import Kernels

OTHERS: Mapping[str, tuple[Kernels, int]] = {  # than XNNPACK on one thread, which makes the golden outputs
    "xnnpack, 2 threads": ("xnnpack", 2),
    "optimized": ("optimized", 1),
    "reference": ("reference", 1),
}
# LiteRT's reference SOFTMAX ends the process where exp(logit - largest) sums up to 512, so where the largest of
# 512 probabilities or more is below 1/512. Half of that sum is taken for the limit.
MOST_CLASSES, FEWEST_CODES = 511, 2


@dataclass(frozen=True, slots=True)
class KernelSpread:
    """The largest difference of any output, in codes of 255, from XNNPACK on one thread."""

    inputs: int  # on how many it was measured
    codes: Mapping[
        str, int
    ]  # kernels, by the names in `OTHERS`; those that would end the process are not there

    @property
    def most(self) -> int:
        """Of all kernels that were asked."""
        return max(self.codes.values(), default=0)

    @property
    def where(self) -> str:
        """On which kernels, as people say it."""
        return "every kernel" if self.codes.keys() == OTHERS.keys() else "all kernels but the reference ones"

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        return {"inputs": self.inputs, "codes": dict(self.codes), "most": self.most}


def kernel_spread(
    model: Model, inputs: npt.NDArray[Any], found: Mapping[str, npt.NDArray[Any]]
) -> KernelSpread | None:
    """What all kernels of LiteRT give for `inputs`, raw ones of an int8 file of ours; None where it gives no codes.

    `found` is what the model gave for them, by output. Not for a stranger's file: reference kernels have fewer
    checks than those that everyone uses.
    """
    if any(values.dtype.kind not in "iu" for values in found.values()):
        return None
    codes = {}
    for name, (kernels, threads) in OTHERS.items():
        if kernels == "reference" and _too_flat(model, found):
            continue
        engine = LiteRT(model.data, where=model.where, threads=threads, kernels=kernels)
        gaps = [
            np.abs(values.astype(int) - found[output][place]).max()
            for place, each in enumerate(inputs)
            for output, values in engine(each[None]).items()
        ]
        codes[name] = int(max(gaps))
    return KernelSpread(len(inputs), codes)


def _too_flat(model: Model, found: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Whether the reference SOFTMAX might end the process."""
    if PROBABILITIES not in found or found[PROBABILITIES].shape[-1] <= MOST_CLASSES:
        return False
    above_none = found[PROBABILITIES].astype(int) - model.outputs[PROBABILITIES].zero_point
    return bool((above_none.max(axis=-1) < FEWEST_CODES).any())
