"""How far two runtimes are apart on one file: in codes where integers are behind an output, else as numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.strangers.structure import CheckedModel

Outputs = Mapping[str, npt.NDArray[Any]]  # (N, ...) by name, codes as they are


@dataclass(frozen=True, slots=True)
class Distance:
    """The largest difference of an output, over all inputs."""

    output: str
    codes: int | None  # of 255; None where no integers are behind the output
    reals: float  # the same as the numbers that it stands for; NaN where one side gives no number
    size: float  # the largest of those numbers

    @property
    def said(self) -> str:
        """As people read it."""
        if self.codes is None:
            return f"{self.reals:.2g}"
        return f"{self.codes} code{'' if self.codes == 1 else 's'}"

    def beyond(self, *, codes: int, reals: float) -> bool:
        """Whether it is more than `codes`, or than `reals` of an output whose largest number is at most 1."""
        if self.codes is not None:
            return self.codes > codes
        return not self.reals <= reals * max(1.0, self.size)  # NaN neither


def steps_of(model: CheckedModel) -> list[float | None]:
    """What one code of each output stands for; None where no integers are behind it."""
    behind = {
        operator.outputs[0]: operator.inputs[0]
        for operator in model.operators
        if operator.name == "DEQUANTIZE"
    }
    return [model.tensors[behind.get(index, index)].scale for index in model.outputs]


def distances(found: Outputs, wanted: Outputs, steps: Sequence[float | None]) -> tuple[Distance, ...]:
    """How far each output of `found` is from `wanted`; `steps` as `steps_of` gives them, in the order of `found`."""
    return tuple(
        _distance(name, values, wanted[name], step)
        for (name, values), step in zip(found.items(), steps, strict=True)
    )


def _distance(name: str, found: npt.NDArray[Any], wanted: npt.NDArray[Any], step: float | None) -> Distance:
    gap = float(np.abs(found.astype(float) - wanted.astype(float)).max())
    size = float(np.abs(wanted.astype(float)).max())
    if step is None:
        return Distance(name, None, gap, size)
    if found.dtype.kind == "f":
        return Distance(name, round(gap / step), gap, size)
    return Distance(name, round(gap), gap * step, size * step)
