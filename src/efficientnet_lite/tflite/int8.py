"""The layer plan with integer arrays, written as a full-int8 `.tflite` file: no float operator in it.

The operator versions are the lowest that mean int8 with per-channel weights, which runtimes of 2020 and
the Edge TPU compiler know: CONV_2D 3, DEPTHWISE_CONV_2D 3, ADD 2, AVERAGE_POOL_2D 2, FULLY_CONNECTED 4,
SOFTMAX 2, QUANTIZE 1, DEQUANTIZE 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.network.plan import INPUT, POOLED, PROBABILITIES, Add, Conv, Dense, Plan, Pool
from efficientnet_lite.tflite.container import Graph, Quantization, runtime_entry
from efficientnet_lite.tflite.float import (
    DESCRIPTION,
    IMAGES,
    flatten,
    needed_steps,
    normalized,
    options,
    output_shape,
    stored_kernel,
    tensors_of,
)
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, SOFTMAX_SCALE, Scale
from efficientnet_lite.vocabulary import Io

Codes = Literal["uint8", "int8"]
IOS: tuple[Io, ...] = get_args(Io)
MIN_RUNTIME = "1.14.0"
VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "ADD": 2,
    "AVERAGE_POOL_2D": 2,
    "FULLY_CONNECTED": 4,
    "SOFTMAX": 2,
    "QUANTIZE": 1,
    "DEQUANTIZE": 2,
}


@dataclass(frozen=True, slots=True)
class IntegerLayer:
    """One layer in integers.

    `kernel` is int8 in the plan's layout; `scales` float32, one for each output channel, or a single one
    for a dense layer; `bias` int32 with the scale input scale * `scales`.
    """

    kernel: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    bias: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class IntegerNetwork:
    """Every layer by name, and the scale of every tensor by name."""

    layers: dict[str, IntegerLayer]
    tensors: dict[str, Scale]


def write_int8(
    plan: Plan,
    network: IntegerNetwork,
    *,
    outputs: Sequence[str] = ("probabilities",),
    io: Io = "uint8",
    any_batch: bool = False,
    metadata: Mapping[str, bytes] | None = None,
) -> bytes:
    """A full-int8 file: `images` (1, S, S, 3) to each of `outputs`, integers throughout.

    With `io` "uint8" the input is raw pixels, scale 1/128 and zero point 127, and a QUANTIZE stands at
    either end; with "int8" it is the pixels minus 128. With "float32" the input is [0, 1] and the outputs
    are reals: two float operators normalise it before a QUANTIZE, and a DEQUANTIZE stands at the end.
    Probabilities have the scale 1/256. `outputs` and `any_batch` are those of `write_float`.
    """
    graph, scales = Graph(any_batch), {INPUT: INPUT_SCALE, PROBABILITIES: SOFTMAX_SCALE, **network.tensors}
    shape = (1, plan.size, plan.size, 3)
    shapes: dict[str, tuple[int, ...]] = {INPUT: shape}
    image, codes = _input(graph, shape, io)
    index = {INPUT: codes}
    tensors = tensors_of(plan, outputs)
    public = {tensor: name for name, tensor in tensors.items() if io == "int8"}
    for step in needed_steps(plan, list(tensors.values())):
        shapes[step.name] = output_shape(step, shapes)
        inputs = [index[step.source]]
        if isinstance(step, Conv | Dense):
            inputs += _constants(graph, step, network.layers[step.name], scales[step.source])
        elif isinstance(step, Add):
            inputs.append(index[step.skip])
        name = "pooled_features" if isinstance(step, Pool) else public.get(step.name, f"{step.name}/int8")
        quantization = _activation(scales[step.name], "int8")
        index[step.name] = graph.tensor(name, shapes[step.name], "int8", quantization=quantization)
        kind, table = options(step, shapes[step.source][1])
        graph.operator(kind, inputs, [index[step.name]], table, version=VERSIONS[kind])
    results = {}
    for name, tensor in tensors.items():
        result, dims, scale = index[tensor], shapes[tensor], scales[tensor]
        if name == POOLED:
            flat_name = name if io == "int8" else f"{name}/int8"
            result = flatten(graph, result, flat_name, dims, "int8", _activation(scale, "int8"))
            dims = (dims[0], dims[3])
        results[name] = _output(graph, result, name, dims, scale, io)
    return graph.finish(
        inputs={IMAGES: image},
        outputs=results,
        description=DESCRIPTION,
        metadata={"min_runtime_version": runtime_entry(MIN_RUNTIME), **(metadata or {})},
    )


def _input(graph: Graph, shape: tuple[int, int, int, int], io: Io) -> tuple[int, int]:
    """The file's input, and the int8 tensor that the stem reads."""
    if io == "float32":
        image = graph.tensor(IMAGES, shape, io)
        real = normalized(graph, image, f"{INPUT}/float32", shape)
        return image, _requantized(graph, real, INPUT, shape, INPUT_SCALE, "int8")
    image = graph.tensor(IMAGES, shape, io, quantization=_activation(INPUT_SCALE, io))
    return image, image if io == "int8" else _requantized(graph, image, INPUT, shape, INPUT_SCALE, "int8")


def _output(graph: Graph, tensor: int, name: str, shape: Sequence[int], scale: Scale, io: Io) -> int:
    """The int8 `tensor` as the file's output `name`."""
    if io == "int8":
        return tensor
    if io == "uint8":
        return _requantized(graph, tensor, name, shape, scale, io)
    result = graph.tensor(name, shape, io)
    graph.operator(
        "DEQUANTIZE", [tensor], [result], schema.DequantizeOptionsT(), version=VERSIONS["DEQUANTIZE"]
    )
    return result


def _activation(scale: Scale, dtype: Codes) -> Quantization:
    """`scale` is in int8 codes; uint8 codes are those plus 128."""
    zero_point = scale.zero_point + (128 if dtype == "uint8" else 0)
    return Quantization(np.array([scale.scale], np.float32), zero_point)


def _requantized(
    graph: Graph, tensor: int, name: str, shape: Sequence[int], scale: Scale, dtype: Codes
) -> int:
    """The same reals in codes of `dtype`, as a new tensor `name`."""
    result = graph.tensor(name, shape, dtype, quantization=_activation(scale, dtype))
    graph.operator("QUANTIZE", [tensor], [result], schema.QuantizeOptionsT(), version=VERSIONS["QUANTIZE"])
    return result


def _constants(graph: Graph, step: Conv | Dense, layer: IntegerLayer, source: Scale) -> list[int]:
    """Kernel and bias of `layer` as constant tensors."""
    kernel: npt.NDArray[Any] = stored_kernel(step, layer.kernel)
    axis = 3 if isinstance(step, Conv) and step.depthwise else 0
    bias_scales = (layer.scales.astype(np.float64) * source.scale).astype(np.float32)
    return [
        graph.tensor(
            f"{step.name}/kernel",
            kernel.shape,
            "int8",
            quantization=Quantization(layer.scales, 0, axis),
            data=kernel,
        ),
        graph.tensor(
            f"{step.name}/bias",
            layer.bias.shape,
            "int32",
            quantization=Quantization(bias_scales),
            data=layer.bias,
        ),
    ]
