"""The layer plan and its arrays, written as a float32 `.tflite` file. No converter is involved.

`quantized.py` writes the full-int8 file; what both share is here.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import (
    DENSE,
    INPUT,
    LOGITS,
    POOLED,
    PROBABILITIES,
    Add,
    Conv,
    Dense,
    Plan,
    Pool,
    Step,
)
from efficientnet_lite.photos.contract import MEAN, STDDEV
from efficientnet_lite.tflite.container import DType, Graph, Quantization, runtime_entry
from efficientnet_lite.tflite.quantmath import Scale
from efficientnet_lite.tflite.stored_weights import WeightForm

IMAGES = "images"  # the input, as the Hub contract names it
DESCRIPTION = "EfficientNet-Lite, written by efficientnet-lite"

Output = Literal["probabilities", "logits", "features"]
Number = TypeVar("Number", bound=np.generic)
FLOAT32: Final = WeightForm()
TENSORS: dict[str, str] = {
    PROBABILITIES: PROBABILITIES,
    LOGITS: DENSE,
    POOLED: POOLED,
}  # public name -> the plan's


def tensors_of(plan: Plan, outputs: Sequence[str]) -> dict[str, str]:
    """Public name -> the plan's tensor, for `outputs` and for endpoints under `plan.endpoint_output`.

    Raises:
        ValueError: there is no such output.
    """
    known = TENSORS | {plan.endpoint_output(name): tensor for name, tensor in plan.endpoints.items()}
    if missing := [name for name in outputs if name not in known]:
        raise ValueError(f"no such outputs: {', '.join(missing)}")
    return {name: known[name] for name in outputs}


def options(step: Step, side: int) -> tuple[str, Any]:
    """Operator name and options table of `step`, which reads a tensor of `side` pixels."""
    match step:
        case Conv():
            relu6 = schema.ActivationFunctionType.RELU6 if step.relu6 else schema.ActivationFunctionType.NONE
            table = (
                schema.DepthwiseConv2DOptionsT(depthMultiplier=1)
                if step.depthwise
                else schema.Conv2DOptionsT()
            )
            table.padding = schema.Padding.SAME
            table.strideH = table.strideW = step.stride
            table.fusedActivationFunction = relu6
            return ("DEPTHWISE_CONV_2D" if step.depthwise else "CONV_2D"), table
        case Add():
            return "ADD", schema.AddOptionsT()
        case Pool():
            table = schema.Pool2DOptionsT(
                padding=schema.Padding.VALID, strideH=side, strideW=side, filterHeight=side, filterWidth=side
            )
            return "AVERAGE_POOL_2D", table
        case Dense():
            return "FULLY_CONNECTED", schema.FullyConnectedOptionsT()
        case _:
            return "SOFTMAX", schema.SoftmaxOptionsT(beta=1.0)


def stored_kernel(step: Conv | Dense, kernel: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """`kernel` in TFLite's order: OHWI, (1, k, k, C) for a depthwise one, (outputs, inputs) for a dense one."""
    if isinstance(step, Dense):
        return kernel.T
    return kernel.transpose(3, 0, 1, 2)  # for (k, k, C, 1) this gives (1, k, k, C)


def needed_steps(plan: Plan, outputs: Sequence[str]) -> list[Step]:
    """The steps that the tensors `outputs` need, in order."""
    wanted = set(outputs)
    kept: list[Step] = []
    for step in reversed(plan.steps):
        if step.name in wanted:
            kept.append(step)
            wanted.update({step.source, step.skip} if isinstance(step, Add) else {step.source})
    return kept[::-1]


def output_shape(step: Step, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Shape of the tensor that `step` makes, given those it reads."""
    batch, height, width, channels = (*shapes[step.source], 1, 1, 1)[:4]
    match step:
        case Conv():
            return (batch, math.ceil(height / step.stride), math.ceil(width / step.stride), step.outputs)
        case Pool():
            return (batch, 1, 1, channels)
        case Dense():
            return (batch, step.outputs)
        case _:
            return shapes[step.source]


def write_float(
    plan: Plan,
    layers: Mapping[str, Layer],
    *,
    outputs: Sequence[str] = ("probabilities",),
    weights: WeightForm = FLOAT32,
    any_batch: bool = False,
    normalized_input: bool = False,
    metadata: Mapping[str, bytes] | None = None,
) -> bytes:
    """A file of float arithmetic: `images` (1, S, S, 3) in [0, 1] to each of `outputs`.

    `probabilities` and `logits` are (1, classes), `features` the pooled (1, 1280), an endpoint
    (`plan.endpoint_output`) a feature map (1, H, W, C). The normalisation (255 x - 127) / 128 is two scalar
    operators in front; values beyond [0, 1] are not clamped.

    Args:
        weights: how they are stored.
        any_batch: let the caller change the batch from 1.
        normalized_input: leave the two operators out; the input is then (x - 127) / 128.
    """
    tensors = tensors_of(plan, outputs)
    steps = needed_steps(plan, list(tensors.values()))
    return write_steps(
        steps,
        layers,
        source=INPUT,
        shape=(1, plan.size, plan.size, 3),
        outputs=tensors,
        unit_input=not normalized_input,
        weights=weights,
        any_batch=any_batch,
        metadata={"min_runtime_version": runtime_entry(weights.min_runtime(steps)), **(metadata or {})},
    )


def write_steps(
    steps: Sequence[Step],
    layers: Mapping[str, Layer],
    *,
    source: str,
    shape: tuple[int, int, int, int],
    outputs: Mapping[str, str],
    means: Mapping[str, str] | None = None,
    unit_input: bool = False,
    weights: WeightForm = FLOAT32,
    any_batch: bool = False,
    rounded: Mapping[str, Scale] | None = None,
    metadata: Mapping[str, bytes] | None = None,
) -> bytes:
    """Any run of steps as a file of its own; quantization measures single blocks this way.

    Args:
        source, shape: the tensor that the first step reads, and its shape.
        outputs: public name -> tensor of the plan.
        means: public name -> tensor whose mean over height and width is wanted, (1, C).
        unit_input: the input is [0, 1] and is normalised in front; else it is `source` as it stands.
        weights, any_batch: see `write_float`.
        rounded: tensor -> the int8 scale that it is rounded to and back for all that read it.
    """
    graph, rounded = Graph(any_batch), rounded or {}
    image = graph.tensor(IMAGES, shape, "float32")
    index = {source: normalized(graph, image, source, shape) if unit_input else image}
    if source in rounded:
        index[source] = _to_int8_and_back(graph, index[source], source, shape, rounded[source])
    shapes: dict[str, tuple[int, ...]] = {source: shape}
    public = {tensor: name for name, tensor in outputs.items()}
    for step in steps:
        shapes[step.name] = output_shape(step, shapes)
        inputs, version = [index[step.source]], 1
        if isinstance(step, Conv | Dense):
            layer = layers[step.name]
            constants, version = weights.add(graph, step, stored_kernel(step, layer.kernel), layer.bias)
            inputs += constants
        elif isinstance(step, Add):
            inputs.append(index[step.skip])
        name = tensor_name(step, public)
        index[step.name] = graph.tensor(name, shapes[step.name], "float32")
        kind, table = options(step, shapes[step.source][1])
        if isinstance(step, Dense) and version > 1:
            table.asymmetricQuantizeInputs = True  # features are never negative: else half the codes lie idle
        graph.operator(kind, inputs, [index[step.name]], table, version=version)
        if step.name in rounded:
            index[step.name] = _to_int8_and_back(
                graph, index[step.name], name, shapes[step.name], rounded[step.name]
            )
    results = {}
    for name, tensor in outputs.items():
        results[name] = index[tensor]
        if name == POOLED:
            results[name] = flatten(graph, index[tensor], name, shapes[tensor], "float32")
    for name, tensor in (means or {}).items():
        axes = graph.tensor(f"{name}/axes", (2,), "int32", data=np.array([1, 2], np.int32))
        results[name] = graph.tensor(name, (shape[0], shapes[tensor][3]), "float32")
        graph.operator("MEAN", [index[tensor], axes], [results[name]], schema.ReducerOptionsT())
    return graph.finish(inputs={IMAGES: image}, outputs=results, description=DESCRIPTION, metadata=metadata)


def _to_int8_and_back(graph: Graph, tensor: int, name: str, shape: Sequence[int], scale: Scale) -> int:
    """The float32 `tensor` as the reals that its int8 codes stand for, a new tensor."""
    quantization = Quantization(np.array([scale.scale], np.float32), scale.zero_point)
    codes = graph.tensor(f"{name}/codes", shape, "int8", quantization=quantization)
    graph.operator("QUANTIZE", [tensor], [codes], schema.QuantizeOptionsT())
    reals = graph.tensor(f"{name}/rounded", shape, "float32")
    graph.operator("DEQUANTIZE", [codes], [reals], schema.DequantizeOptionsT(), version=2)
    return reals


def tensor_name(step: Step, public: Mapping[str, str]) -> str:
    """What `step`'s tensor is called in the file: its public name where it is an output.

    The pooled tensor is flattened on its way out, so there the public name belongs to the flat one.
    """
    if isinstance(step, Pool):
        return "pooled_features"
    return public.get(step.name, step.name)


def flatten(
    graph: Graph,
    tensor: int,
    name: str,
    shape: Sequence[int],
    dtype: DType,
    quantization: Quantization | None = None,
) -> int:
    """Reshape `tensor`, (N, 1, 1, C), to a new tensor `name` of (N, C)."""
    flat = np.array([-1 if graph.any_batch else shape[0], shape[3]], np.int32)
    wanted = graph.tensor(f"{name}/shape", (2,), "int32", data=flat)
    result = graph.tensor(name, (shape[0], shape[3]), dtype, quantization=quantization)
    graph.operator("RESHAPE", [tensor, wanted], [result], schema.ReshapeOptionsT(newShape=flat))
    return result


def normalized(graph: Graph, image: int, name: str, shape: Sequence[int]) -> int:
    """Two scalar operators that turn `image` in [0, 1] into (255 x - 127) / 128.

    Scalars, not (1, 1, 3) constants: the second version of the Hub modules changed to them for the
    sake of CPU speed and GPU delegates.
    """
    scale = graph.tensor("scale", (), "float32", data=np.array(255 / STDDEV, np.float32))
    offset = graph.tensor("offset", (), "float32", data=np.array(MEAN / STDDEV, np.float32))
    scaled = graph.tensor("scaled", shape, "float32")
    result = graph.tensor(name, shape, "float32")
    graph.operator("MUL", [image, scale], [scaled], schema.MulOptionsT())
    graph.operator("SUB", [scaled, offset], [result], schema.SubOptionsT())
    return result
