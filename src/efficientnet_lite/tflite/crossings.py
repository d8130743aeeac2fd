"""Where a file goes over from codes to reals and back, for tensors that one step makes and others read.

A tensor is made in one form; the other is made of it the first time that a step asks for it: a QUANTIZE or a
DEQUANTIZE, at most one for each tensor. A run of float steps so stays float from its first to its last.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.network.plan import POOLED, Add, Conv, Dense, Step
from efficientnet_lite.tflite.container import Graph, Quantization
from efficientnet_lite.tflite.quantmath import Scale

Codes = Literal["uint8", "int8"]
QUANTIZE_VERSION, DEQUANTIZE_VERSION = 1, 2


def float_steps(steps: Iterable[Step], kept: Collection[str]) -> frozenset[str]:
    """Names of those of `steps` that compute in float32 where those named `kept` do.

    A step without weights (an addition, the pool, the softmax) does too where all that it reads is float: going
    over to codes and back would cost accuracy and time.
    """
    found: set[str] = set()
    for step in steps:
        reads = {step.source, step.skip} if isinstance(step, Add) else {step.source}
        if step.name in kept or (not isinstance(step, Conv | Dense) and reads <= found):
            found.add(step.name)
    return frozenset(found)


@dataclass(slots=True)
class Crossings:
    """The plan's tensors in `graph`, by name, as int8 codes and as reals."""

    graph: Graph
    scales: Mapping[str, Scale]
    shapes: Mapping[str, tuple[int, ...]]
    _codes: dict[str, int] = field(default_factory=dict)
    _reals: dict[str, int] = field(default_factory=dict)

    def made(self, name: str, tensor: int, *, real: bool) -> None:
        """The graph's `tensor` is the plan's tensor `name`, as reals or as codes."""
        (self._reals if real else self._codes)[name] = tensor

    def read(self, name: str, *, real: bool) -> int:
        """The plan's tensor `name` as reals or as codes, whichever way it was made."""
        forms = self._reals if real else self._codes
        if name not in forms:
            forms[name] = self._other(name, real=real)
        return forms[name]

    def _other(self, name: str, *, real: bool) -> int:
        text, shape = form_name(name, real=real), self.shapes[name]
        if real:
            return dequantized(self.graph, self._codes[name], text, shape)
        return quantized(self.graph, self._reals[name], text, shape, self.scales[name], "int8")


def form_name(name: str, *, real: bool) -> str:
    """What the plan's tensor `name` is called in a file where it is no output in that form."""
    plain = "pooled_features" if name == POOLED else name  # `features` is the flat one
    return f"{plain}/{'float32' if real else 'int8'}"


def coded(scale: Scale, dtype: Codes) -> Quantization:
    """`scale`, which is in int8 codes; uint8 codes are those plus 128."""
    zero_point = scale.zero_point + (128 if dtype == "uint8" else 0)
    return Quantization(np.array([scale.scale], np.float32), zero_point)


def quantized(graph: Graph, tensor: int, name: str, shape: Sequence[int], scale: Scale, dtype: Codes) -> int:
    """The same reals in codes of `dtype`, as a new tensor `name`."""
    result = graph.tensor(name, shape, dtype, quantization=coded(scale, dtype))
    graph.operator("QUANTIZE", [tensor], [result], schema.QuantizeOptionsT(), version=QUANTIZE_VERSION)
    return result


def dequantized(graph: Graph, tensor: int, name: str, shape: Sequence[int]) -> int:
    """What the codes stand for, as a new float32 tensor `name`."""
    result = graph.tensor(name, shape, "float32")
    graph.operator("DEQUANTIZE", [tensor], [result], schema.DequantizeOptionsT(), version=DEQUANTIZE_VERSION)
    return result
