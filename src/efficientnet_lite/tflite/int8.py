"""The layer plan with integer arrays, written as a full-int8 `.tflite` file: no float operator but what is kept so.

The operator versions are the lowest that mean int8 with per-channel weights, which runtimes of 2020 and
the Edge TPU compiler know: CONV_2D 3, DEPTHWISE_CONV_2D 3, ADD 2, AVERAGE_POOL_2D 2, FULLY_CONNECTED 4,
SOFTMAX 2, QUANTIZE 1, DEQUANTIZE 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import INPUT, POOLED, PROBABILITIES, Add, Conv, Dense, Plan, Pool, Step
from efficientnet_lite.tflite.container import Graph, Quantization, runtime_entry
from efficientnet_lite.tflite.crossings import (
    Crossings,
    coded,
    dequantized,
    float_steps,
    form_name,
    quantized,
)
from efficientnet_lite.tflite.float import (
    DESCRIPTION,
    FLOAT32,
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

IOS: tuple[Io, ...] = get_args(Io)
MIN_RUNTIME = "1.14.0"
VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "ADD": 2,
    "AVERAGE_POOL_2D": 2,
    "FULLY_CONNECTED": 4,
    "SOFTMAX": 2,
}
ALL_INT8: Mapping[str, Layer | None] = MappingProxyType({})


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
    kept: Mapping[str, Layer | None] = ALL_INT8,
    outputs: Sequence[str] = ("probabilities",),
    io: Io = "uint8",
    any_batch: bool = False,
    metadata: Mapping[str, bytes] | None = None,
) -> bytes:
    """An int8 file: `images` (1, S, S, 3) to each of `outputs`, integers throughout but for what is kept in float.

    With `io` "uint8" the input is raw pixels, scale 1/128 and zero point 127, and a QUANTIZE stands at
    either end; with "int8" it is the pixels minus 128. With "float32" the input is [0, 1] and the outputs
    are reals: two float operators normalise it before a QUANTIZE, and a DEQUANTIZE stands at the end.
    Probabilities have the scale 1/256. `outputs` and `any_batch` are those of `write_float`.

    Args:
        kept: step -> its float layer, or None for a step without weights. Those compute in float32, and so do
            the steps of `float_steps`; an output that is kept is float32 whatever `io` says.
    """
    graph, scales = Graph(any_batch), {INPUT: INPUT_SCALE, PROBABILITIES: SOFTMAX_SCALE, **network.tensors}
    shape = (1, plan.size, plan.size, 3)
    shapes: dict[str, tuple[int, ...]] = {INPUT: shape}
    tensors = tensors_of(plan, outputs)
    steps = needed_steps(plan, list(tensors.values()))
    floats, crossings = float_steps(steps, kept), Crossings(graph, scales, shapes)
    from_reals = steps[0].name in floats
    image, first = _input(graph, shape, io, real=from_reals)
    crossings.made(INPUT, first, real=from_reals)
    given: dict[str, Io] = {tensor: "float32" if tensor in kept else io for tensor in tensors.values()}
    public = {tensor: name for name, tensor in tensors.items() if given[tensor] == _dtype(tensor in floats)}
    for step in steps:
        shapes[step.name] = output_shape(step, shapes)
        real = step.name in floats
        layer = kept.get(step.name) if real else network.layers.get(step.name)
        name = public.get(step.name, form_name(step.name, real=real))
        _add(crossings, step, layer, "pooled_features" if isinstance(step, Pool) else name, real=real)
    return graph.finish(
        inputs={IMAGES: image},
        outputs={
            name: _output(crossings, name, tensor, _dtype(tensor in floats), given[tensor])
            for name, tensor in tensors.items()
        },
        description=DESCRIPTION,
        metadata={"min_runtime_version": runtime_entry(MIN_RUNTIME), **(metadata or {})},
    )


def _add(
    crossings: Crossings, step: Step, layer: IntegerLayer | Layer | None, name: str, *, real: bool
) -> None:
    """`step` as an operator that makes a tensor `name`, in float32 or in int8, with the arrays of `layer`."""
    graph = crossings.graph
    inputs = [crossings.read(step.source, real=real)]
    if isinstance(step, Conv | Dense):
        inputs += _constants(graph, step, layer, crossings.scales[step.source])
    elif isinstance(step, Add):
        inputs.append(crossings.read(step.skip, real=real))
    quantization = None if real else coded(crossings.scales[step.name], "int8")
    made = graph.tensor(name, crossings.shapes[step.name], _dtype(real), quantization=quantization)
    crossings.made(step.name, made, real=real)
    kind, table = options(step, crossings.shapes[step.source][1])
    graph.operator(kind, inputs, [made], table, version=1 if real else VERSIONS[kind])


def _dtype(real: bool) -> Literal["float32", "int8"]:
    """The type in which a step makes its tensor."""
    return "float32" if real else "int8"


def _input(graph: Graph, shape: tuple[int, int, int, int], io: Io, *, real: bool) -> tuple[int, int]:
    """The file's input, and the tensor that the stem reads: reals where it is kept, else int8."""
    if io == "float32":
        image = graph.tensor(IMAGES, shape, io)
        reals = normalized(graph, image, f"{INPUT}/float32", shape)
        return image, reals if real else quantized(graph, reals, INPUT, shape, INPUT_SCALE, "int8")
    image = graph.tensor(IMAGES, shape, io, quantization=coded(INPUT_SCALE, io))
    if real:
        return image, dequantized(graph, image, f"{INPUT}/float32", shape)
    return image, image if io == "int8" else quantized(graph, image, INPUT, shape, INPUT_SCALE, "int8")


def _output(crossings: Crossings, name: str, tensor: str, made: Io, given: Io) -> int:
    """The plan's `tensor`, which is of the type `made`, as the file's output `name` of the type `given`."""
    graph, shape, scale = crossings.graph, crossings.shapes[tensor], crossings.scales[tensor]
    result = crossings.read(tensor, real=made == "float32")
    if name == POOLED:
        flat = name if made == given else f"{name}/{made}"
        quantization = None if made == "float32" else coded(scale, "int8")
        result = flatten(graph, result, flat, shape, made, quantization)
        shape = (shape[0], shape[3])
    if made == given:
        return result
    if given == "float32":
        return dequantized(graph, result, name, shape)
    return quantized(graph, result, name, shape, scale, given)


def _constants(
    graph: Graph, step: Conv | Dense, layer: IntegerLayer | Layer | None, source: Scale
) -> list[int]:
    """Kernel and bias of `layer` as constant tensors."""
    if layer is None:
        raise KeyError(f"{step.name} has no layer")
    kernel: npt.NDArray[Any] = stored_kernel(step, layer.kernel)
    if isinstance(layer, Layer):
        return FLOAT32.add(graph, step, kernel, layer.bias)[0]
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
