"""A float `.tflite` of anyone's, recognized as an EfficientNet-Lite by its graph, its weights by the plan's names.

Names say nothing: what counts are operators, shapes, strides and what reads what, in `graph_nodes`. How the input wants
to be prepared is what the file's metadata and the operators on its input say together, brought into the stem's kernel,
so that the network taken in reads (x - 127) / 128 as every network here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import (
    INPUT,
    MAX_SIZE,
    MIN_SIZE,
    POOLED,
    VARIANTS,
    Add,
    Conv,
    Dense,
    Plan,
    Pool,
    Step,
    make_plan,
)
from efficientnet_lite.photos.contract import MEAN, STDDEV
from efficientnet_lite.strangers.graph_nodes import INPUT as INPUT_NODE
from efficientnet_lite.strangers.graph_nodes import Affine, GraphNode, GraphNodes, NodeKind, Values
from efficientnet_lite.strangers.structure import CheckedModel

RATHER = "give the float32 file, or the run or checkpoint that it was made from"
SAME_FACTOR, SAME_ZERO = 1e-6, 1e-5  # what is no more than float32's rounding of the constants on the input
_CODES = ("int8", "uint8")

Normalization = tuple[tuple[float, ...], tuple[float, ...]]  # mean and std for x in 0..255


@dataclass(frozen=True, slots=True)
class Feeding:
    """How pixels 0..255 become the file's input: x * factor + shift."""

    factor: float | tuple[float, ...]
    shift: float | tuple[float, ...]
    words: str  # "[0, 1]"
    said: bool  # by the file; else assumed

    def __call__(self, images: Array) -> Array:
        """Images (N, S, S, 3) as the file's float input."""
        fed: Array = (images * np.asarray(self.factor) + np.asarray(self.shift)).astype(np.float32)
        return fed


UNIT = Feeding(1 / 255, 0.0, "[0, 1]", said=True)
PIXELS = Feeding(1.0, 0.0, "0 to 255", said=True)
NORMALIZED = Feeding(1 / STDDEV, -MEAN / STDDEV, f"(x - {MEAN}) / {STDDEV}", said=False)


@dataclass(frozen=True, slots=True)
class Recognized:
    """The network that a file holds."""

    plan: Plan
    layers: Mapping[str, Layer]  # by the plan's names; the stem reads (x - 127) / 128
    outputs: Mapping[int, str]  # tensor of the file -> tensor of the plan
    feeding: Feeding
    half: bool  # some weights are float16 in the file
    zero: float  # the value of 0 to 255 that is the network's zero, with which it pads photos: here 127


class _Kind(NamedTuple):
    """What two layers must have in common to be one."""

    kind: NodeKind
    side: int = 0
    stride: int = 1
    inputs: int = 0
    channels: int = 0
    activation: str = ""

    def __str__(self) -> str:
        if self.side == 0:
            return f"a {self.kind}" if self.kind != "addition" else "an addition"
        steps = f", stride {self.stride}" if self.stride > 1 else ""
        behind = f" and {self.activation}" if self.activation else ""
        return f"a {self.kind} {self.side} x {self.side}{steps}, {self.inputs} to {self.channels} channels{behind}"


def refused_codes(model: CheckedModel, where: Path | str) -> ArtifactError | None:
    """Why a file of integers is not taken in; None where all that it computes with are floats."""
    if any(
        tensor.dtype in _CODES and tensor.scales and tensor.constant_bytes is None for tensor in model.tensors
    ):
        return ArtifactError(
            "an int8 file: its weights and what it computes with them are rounded already, and what rounding took is "
            "not in it any more",
            where=where,
            fix=RATHER,
        )
    if any(tensor.dtype in _CODES and tensor.scales for tensor in model.tensors):
        return ArtifactError(
            "its kernels are int8 codes (dynamic range), rounded already, and what rounding took is not in it any more",
            where=where,
            fix=RATHER,
        )
    return None


def recognize(
    data: bytes | memoryview,
    model: CheckedModel,
    *,
    normalization: Normalization | None = None,
    where: Path | str = "the model",
) -> Recognized:
    """The network in `data`, which `check_model` has passed.

    Args:
        normalization: what the file's metadata say of its input, (0, 255) of a file of ours; None: nothing.

    Raises:
        ArtifactError: it is none of this family, and what differs first; or its weights are no floats, or not finite.
    """
    if (refusal := refused_codes(model, where)) is not None:
        raise refusal
    size = _size(model, where)
    graph = GraphNodes(data, model)
    plan, tensors = _plan(graph, size, where)
    found = [tensors[graph.made[index]] if index in graph.made else "" for index in model.outputs]
    outputs = {index: name for index, name in zip(model.outputs, found, strict=True) if name}
    steps = {step.name: step for step in plan.steps}
    layers = {
        name: _layer(graph, graph.nodes[place], step, where)
        for place, name in tensors.items()
        if isinstance(step := steps.get(name), Conv | Dense)
    }
    feeding = _feeding(model, graph.stem, normalization, where)
    stem = plan.steps[0].name
    layers[stem], zero = _for_normalized(layers[stem], graph.stem, feeding)
    return Recognized(plan, layers, outputs, feeding, graph.half, zero)


def _strange(what: str, where: Path | str) -> ArtifactError:
    return ArtifactError(
        f"no EfficientNet-Lite: {what}",
        where=where,
        fix="give a float .tflite of this family, a run, a checkpoint, or a model such as lite1",
    )


def _size(model: CheckedModel, where: Path | str) -> int:
    """Side of the input; raises ArtifactError where that is no single square image."""
    inputs = [model.tensors[index] for index in model.inputs]
    shape = inputs[0].shape
    square = len(shape) == 4 and (shape[0], shape[3]) == (1, 3) and shape[1] == shape[2]
    if len(inputs) != 1 or not square or not MIN_SIZE <= shape[1] <= MAX_SIZE:
        listed = ", ".join(f"{each.dtype} {list(each.shape)}" for each in inputs)
        raise _strange(
            f"its inputs are {listed}, expected one RGB image [1, S, S, 3] of {MIN_SIZE} to {MAX_SIZE} pixels",
            where,
        )
    return shape[1]


# --- which network it is


def _plan(graph: GraphNodes, size: int, where: Path | str) -> tuple[Plan, dict[int, str]]:
    """The plan that the nodes follow, and for each node the name of its tensor there."""
    nodes = graph.nodes
    dense = next((node.channels for node in nodes if node.kind == "dense layer"), None)
    plans = [make_plan(variant, size=size, classes=dense) for variant in VARIANTS.values()]
    same = [_in_common(plan.steps, graph) for plan in plans]
    plan, common = max(zip(plans, same, strict=True), key=lambda pair: pair[1])
    complete = common == len(nodes) and graph.strange is None
    names = [step.name for step in plan.steps[:common]]
    if complete and POOLED in names:
        ends = plan if dense is not None else make_plan(plan.variant, size=size, classes=None)
        return ends, {INPUT_NODE: INPUT, **dict(enumerate(names))}
    raise _strange(_difference(plan, common, graph), where)


def _in_common(steps: Sequence[Step], graph: GraphNodes) -> int:
    """How many of the first nodes are those of the plan."""
    names: dict[int, str] = {INPUT_NODE: INPUT}
    for place, (step, node) in enumerate(zip(steps, graph.nodes, strict=False)):
        # what comes behind the last one may have been the operator that has no place
        unsure = place == len(graph.nodes) - 1 and graph.strange is not None
        wanted, found = _kind_of_step(step), _kind_of_node(node)
        if unsure:
            wanted, found = wanted._replace(activation=""), found._replace(activation="")
        read = {step.source, step.skip} if isinstance(step, Add) else {step.source}
        if wanted != found or {names[source] for source in node.sources} != read:
            return place
        names[place] = step.name
    return min(len(steps), len(graph.nodes))


def _difference(plan: Plan, common: int, graph: GraphNodes) -> str:
    """What differs first, in words."""
    steps, nodes, name = plan.steps, graph.nodes, plan.variant.name
    expected = (
        f"{name} has {_kind_of_step(steps[common])} there" if common < len(steps) else f"{name} ends there"
    )
    if common < len(nodes):
        node = nodes[common]
        found = _kind_of_node(node)
        what = str(found)
        if common < len(steps) and found == _kind_of_step(steps[common]):
            what += ", which reads other tensors"
        return f"its layer {common + 1} (operator {node.operator}) is {what}; {expected}"
    if graph.strange is not None:
        place, why = graph.strange
        return f"behind {common} of the layers of {name} its operator {place}, {why}; {expected}"
    return f"it ends behind {common} of the layers of {name}, before the feature vector; {expected}"


def _kind_of_step(step: Step) -> _Kind:
    match step:
        case Conv():
            kind: NodeKind = "depthwise convolution" if step.depthwise else "convolution"
            activation = "ReLU6" if step.relu6 else ""
            return _Kind(kind, step.kernel, step.stride, step.inputs, step.outputs, activation)
        case Add():
            return _Kind("addition")
        case Pool():
            return _Kind("mean")
        case Dense():
            return _Kind("dense layer", 1, 1, step.inputs, step.outputs)
        case _:
            return _Kind("softmax")


def _kind_of_node(node: GraphNode) -> _Kind:
    if node.kind in ("addition", "mean", "softmax"):
        return _Kind(node.kind, activation=node.activation)
    side = 1 if node.kind == "dense layer" else node.side
    return _Kind(node.kind, side, node.stride, node.inputs, node.channels, node.activation)


# --- its weights


def _layer(graph: GraphNodes, node: GraphNode, step: Conv | Dense, where: Path | str) -> Layer:
    """Kernel and bias in the plan's layout, with what operators behind the layer do taken in."""
    kernel = graph.constant(node.kernel)
    bias = np.zeros(node.channels, np.float32) if node.bias == -1 else graph.constant(node.bias)
    if kernel is None or bias is None:
        raise _strange(f"the weights of its operator {node.operator} are no float constants", where)
    if isinstance(step, Dense):
        kernel = np.ascontiguousarray(kernel.reshape(step.outputs, step.inputs).T)
    else:  # of a depthwise one (1, k, k, C) becomes (k, k, C, 1)
        kernel = np.ascontiguousarray(kernel.transpose(1, 2, 3, 0))
    if node.factor is not None and node.shift is not None:
        along = node.factor[:, None] if isinstance(step, Conv) and step.depthwise else node.factor
        with np.errstate(over="ignore"):
            kernel = (kernel * along).astype(np.float32)
            bias = (bias * node.factor + node.shift).astype(np.float32)
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        raise ArtifactError(
            f"{step.name} (its operator {node.operator}) has NaN or infinite weights",
            where=where,
            fix="use an earlier file of that training",
        )
    return Layer(kernel, bias)


# --- its input


def _feeding(
    model: CheckedModel, stem: Affine, normalization: Normalization | None, where: Path | str
) -> Feeding:
    """How the file wants its pixels: as its type or its metadata say, else as the operators on its input do.

    Those map one value to the network's zero, with which it pads: 127 of 0 to 255, or half of [0, 1], or zero itself.
    """
    if model.tensors[model.inputs[0]].dtype == "uint8":
        return PIXELS
    if normalization is not None:
        mean, std = (each if len(each) > 1 else each[0] for each in normalization)
        factor, shift = 1 / np.asarray(std), -np.asarray(mean) / np.asarray(std)
        if (mean, std) == (0.0, 255.0):
            return UNIT
        words = f"(x - {_listed(mean)}) / {_listed(std)}"
        return Feeding(_plain(factor), _plain(shift), words, said=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        zero = -stem.shift / stem.factor
    if (np.abs(zero) < SAME_ZERO).all() and (np.abs(stem.factor - 1) < SAME_ZERO).all():
        return NORMALIZED
    if ((zero > 0.3) & (zero < 0.7)).all():
        return UNIT
    if ((zero > 80) & (zero < 180)).all():
        return PIXELS
    raise ArtifactError(
        f"the operators on its input make zero of {zero.tolist()}, and nothing in it says which values it wants",
        where=where,
        fix="add metadata to it (mean and std of its input)",
    )


def _listed(value: float | tuple[float, ...]) -> str:
    return f"{value:g}" if isinstance(value, float) else str(list(value))


def _plain(value: Values) -> float | tuple[float, ...]:
    return float(value) if value.ndim == 0 else tuple(value.tolist())


def _for_normalized(layer: Layer, stem: Affine, feeding: Feeding) -> tuple[Layer, float]:
    """The stem for an input of (x - 127) / 128, and the value of 0 to 255 that was its zero.

    Where that is another, the file pads photos with another color, which no bias makes good at the edge.
    """
    fed = np.asarray(feeding.factor), np.asarray(feeding.shift)
    factor = stem.factor * fed[0] * STDDEV
    shift = stem.factor * (fed[0] * MEAN + fed[1]) + stem.shift
    if np.abs(factor - 1).max() < SAME_FACTOR:
        factor = np.ones(3)
    with np.errstate(divide="ignore", invalid="ignore"):
        zeros = -shift / factor
    if np.abs(zeros).max() < SAME_ZERO:
        zeros, shift = np.zeros(3), np.zeros(3)
    kernel, bias = layer.kernel, layer.bias
    with np.errstate(over="ignore"):  # what overflows is refused by the proof
        if (factor != 1).any():
            kernel = (kernel * factor[:, None]).astype(np.float32)
        if shift.any():
            bias = (bias + np.einsum("hwio,i->o", layer.kernel.astype(np.float64), shift)).astype(np.float32)
    return Layer(kernel, bias), MEAN + STDDEV * float(zeros[np.abs(zeros).argmax()])
