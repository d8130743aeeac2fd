"""How a file of float arithmetic stores its weights: as float32, as float16, or as int8 codes.

    float16   every kernel and bias as float16, with a DEQUANTIZE behind it: half the bytes, float arithmetic
    dynamic   the larger kernels as int8 codes, one scale an output channel. The runtime quantizes what they
              are multiplied with by itself, image by image: a quarter of the bytes, and no calibration

Source: what is stored how, from the stock converter's files (TensorFlow 2.21); operator versions and first
runtimes from tensorflow/lite/tools/versioning, op_version.cc and runtime_version.cc.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.plan import Conv, Dense, Step
from efficientnet_lite.tflite.container import Graph, Quantization
from efficientnet_lite.tflite.quantmath import WEIGHT_MAX
from efficientnet_lite.vocabulary import DenseScales

WeightPrecision = Literal["float32", "float16", "dynamic"]

FEWEST_QUANTIZED = 1024  # elements; smaller kernels stay float32, as in the stock converter's files
SMALLEST_SCALE = 2.0**-64  # of a kernel of zeros
FLOAT16_MAX = np.finfo(np.float16).max
DEQUANTIZE_VERSION = 3  # the first that takes float16
CONV_VERSION, DEPTHWISE_VERSION = 5, 6  # int8 kernel with a scale a channel, float32 input
DENSE_VERSIONS: dict[DenseScales, int] = {"per-tensor": 9, "per-channel": 12}
MIN_RUNTIME: dict[WeightPrecision, str] = {"float32": "1.5.0", "float16": "1.15.0", "dynamic": "2.4.0"}
MIN_RUNTIME_PER_CHANNEL_DENSE = "2.17.0"


@dataclass(frozen=True, slots=True)
class WeightForm:
    """How the weights of one file are stored."""

    precision: WeightPrecision = "float32"
    dense: DenseScales = "per-tensor"  # of `dynamic`: runtimes before 2.17 know no other

    def add(self, graph: Graph, step: Conv | Dense, kernel: Array, bias: Array) -> tuple[list[int], int]:
        """Add a layer's kernel, in TFLite's order, and bias; gives their tensors and the operator's version."""
        names = f"{step.name}/kernel", f"{step.name}/bias"
        if self.precision == "float16":
            return [_widened(graph, *part) for part in zip(names, (kernel, bias), strict=True)], 1
        version = self.version(step)
        if version > 1:
            scales, axis = self._scales(step, kernel)
            codes = np.rint(kernel / scales).astype(np.int8)
            quantization = Quantization(scales.ravel(), 0, axis)
            weight = graph.tensor(names[0], kernel.shape, "int8", quantization=quantization, data=codes)
        else:
            weight = graph.tensor(names[0], kernel.shape, "float32", data=kernel)
        return [weight, graph.tensor(names[1], bias.shape, "float32", data=bias)], version

    def version(self, step: Conv | Dense) -> int:
        """Of the operator that `step` becomes; 1 where its kernel is no int8."""
        shape = step.kernel_shape if isinstance(step, Conv) else (step.inputs, step.outputs)
        if self.precision != "dynamic" or math.prod(shape) < FEWEST_QUANTIZED:
            return 1
        if isinstance(step, Dense):
            return DENSE_VERSIONS[self.dense]
        return DEPTHWISE_VERSION if step.depthwise else CONV_VERSION

    def min_runtime(self, steps: Iterable[Step]) -> str:
        """The first runtime that knows every operator version of a file of `steps`."""
        newest = any(
            isinstance(step, Dense) and self.version(step) == DENSE_VERSIONS["per-channel"] for step in steps
        )
        return MIN_RUNTIME_PER_CHANNEL_DENSE if newest else MIN_RUNTIME[self.precision]

    def _scales(self, step: Conv | Dense, kernel: Array) -> tuple[Array, int]:
        """Scales that broadcast against `kernel`, and the axis along which they lie."""
        axis = 3 if isinstance(step, Conv) and step.depthwise else 0
        whole = isinstance(step, Dense) and self.dense == "per-tensor"
        axes = tuple(place for place in range(kernel.ndim) if whole or place != axis)
        largest = np.abs(kernel).max(axis=axes, keepdims=True)
        return np.maximum(largest / np.float32(WEIGHT_MAX), np.float32(SMALLEST_SCALE)), axis


def _widened(graph: Graph, name: str, data: Array) -> int:
    """`data` as float16, saturated, and a DEQUANTIZE that makes float32 of it."""
    half = np.clip(data, -FLOAT16_MAX, FLOAT16_MAX).astype(np.float16)
    stored = graph.tensor(f"{name}/float16", data.shape, "float16", data=half)
    result = graph.tensor(name, data.shape, "float32", batched=False)
    graph.operator("DEQUANTIZE", [stored], [result], schema.DequantizeOptionsT(), version=DEQUANTIZE_VERSION)
    return result
