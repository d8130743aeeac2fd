"""How far two runtimes are apart on one file: in codes where it computes in integers, else as numbers.

A code is 1/255 of an output's range: that of its scale, or where floats follow on integers, of what it gave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.strangers.structure import CheckedModel

MOST_CODE = 255
RawOutputs = Mapping[str, npt.NDArray[Any]]  # (N, ...) by name, codes as they are


@dataclass(frozen=True, slots=True)
class OutputGap:
    """The largest difference of an output, over all inputs."""

    output: str
    codes: int | None  # of 255; None where the file computes in floats alone
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
    """What one code of each output stands for: None in a file of floats, 0 where floats follow on integers."""
    behind = {
        operator.outputs[0]: operator.inputs[0]
        for operator in model.operators
        if operator.name == "DEQUANTIZE"
    }
    integers = any(model.tensors[operator.outputs[0]].scale for operator in model.operators)
    return [
        model.tensors[behind.get(index, index)].scale or (0.0 if integers else None)
        for index in model.outputs
    ]


def output_gaps(
    found: RawOutputs, wanted: RawOutputs, steps: Sequence[float | None]
) -> tuple[OutputGap, ...]:
    """How far each output of `found` is from `wanted`; `steps` as `steps_of` gives them, in the order of `found`."""
    return tuple(
        _gap(name, values, wanted[name], step)
        for (name, values), step in zip(found.items(), steps, strict=True)
    )


def _gap(name: str, found: npt.NDArray[Any], wanted: npt.NDArray[Any], step: float | None) -> OutputGap:
    true = wanted.astype(float)
    most, size = float(np.abs(found.astype(float) - true).max()), float(np.abs(true).max())
    if found.dtype.kind != "f" and step:
        return OutputGap(name, round(most), most * step, size * step)
    step = float(np.ptp(true)) / MOST_CODE if step == 0 else step
    if not step or not np.isfinite(most / step):
        return OutputGap(name, None, most, size)
    return OutputGap(name, round(most / step), most, size)
