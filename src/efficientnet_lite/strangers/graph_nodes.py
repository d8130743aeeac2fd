"""A float file's operators as the few kinds of nodes that EfficientNet-Lite has, whatever a converter made of them.

One network comes in many forms. Normalization is operators on the input, or lies in the stem's kernel; a convolution
pads by itself, or a PAD stands before it; batch norm is folded, or is a MUL and an ADD behind; ReLU6 is fused, an
operator, or two clamps; the mean is AVERAGE_POOL_2D or MEAN, the head a dense layer or a 1x1 convolution, and what only
gives a vector another shape may stand anywhere between. Weights are not read here, but for what scales a channel.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import same_padding
from efficientnet_lite.strangers.operators import OperatorInfo
from efficientnet_lite.strangers.structure import CheckedModel
from efficientnet_lite.strangers.tensors import TensorInfo

INPUT = -1  # in place of a node
NodeKind = Literal["convolution", "depthwise convolution", "addition", "mean", "dense layer", "softmax"]
Values = npt.NDArray[np.float64]
_DTYPES = {"float32": "<f4", "float16": "<f2"}
_RELU6 = (0.0, 6.0)
_FUSED = ((-math.inf, math.inf), (0.0, math.inf), (-1.0, 1.0), _RELU6)  # by the schema's number
_CLAMPS = {"RELU": _FUSED[1], "RELU_N1_TO_1": _FUSED[2], "RELU6": _RELU6, "RELU_0_TO_1": (0.0, 1.0)}
_ACTIVATION_SLOT = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 0, "AVERAGE_POOL_2D": 5}
_SHAPES_ALONE = ("SHAPE", "PACK")  # of a batch that may change; what they make is known


class Strange(Exception):
    """The operator is in no network of this family; the text says why."""


@dataclass(slots=True)
class GraphNode:
    """One layer of the network, or an addition, the mean, or softmax."""

    kind: NodeKind
    sources: tuple[int, ...]  # nodes, or INPUT
    operator: int  # its place in the file
    channels: int  # of what it makes
    inputs: int = 0  # channels that it reads
    kernel: int = -1  # tensor
    bias: int = -1  # tensor; -1: it has none
    side: int = 0  # of the kernel
    stride: int = 1
    low: float = -math.inf
    high: float = math.inf
    factor: Values | None = None  # what operators behind it multiply each channel with, and add: batch norm
    shift: Values | None = None

    @property
    def activation(self) -> str:
        """What stands behind it, in words; "" where nothing does."""
        if (self.low, self.high) == (-math.inf, math.inf):
            return ""
        if (self.low, self.high) == _FUSED[1]:
            return "ReLU"
        return "ReLU6" if (self.low, self.high) == _RELU6 else f"a clamp to {self.low:g} and {self.high:g}"


@dataclass(frozen=True, slots=True)
class Affine:
    """factor * x + shift of each of three channels."""

    factor: Values
    shift: Values


class GraphNodes:
    """The nodes of a checked file, in order of execution, up to the first operator that has no place among them.

    `strange` is its place and why, None where all have a place. `stem` is what the operators on the input make of
    it; `made` has for each tensor its node; `half` says that some weights are float16.
    """

    def __init__(self, data: bytes | memoryview, model: CheckedModel) -> None:
        self.nodes: list[GraphNode] = []
        self.strange: tuple[int, str] | None = None
        self.stem = Affine(np.ones(3), np.zeros(3))
        self.made: dict[int, int] = {model.inputs[0]: INPUT}
        self.half = False
        self._data, self._tensors = data, model.tensors
        self._readers = Counter(index for operator in model.operators for index in operator.inputs)
        self._readers.update(model.outputs)
        self._affine = {model.inputs[0]: self.stem}
        self._widened: dict[int, int] = {}  # float16 constants that a DEQUANTIZE widens
        self._padded: dict[
            int, tuple[int, tuple[int, ...]]
        ] = {}  # padded tensor -> the bare one, and the pads
        for place, operator in enumerate(model.operators):
            try:
                self._add(place, operator)
            except Strange as error:
                self.strange = place, f"{operator.name} {error}"
                break

    def constant(self, index: int) -> Array | None:
        """A float constant as float32 in a memory of its own; None for what is computed, or no float."""
        tensor = self._tensors[self._widened.get(index, index)]
        if tensor.constant_bytes is None or tensor.dtype not in _DTYPES or tensor.scales:
            return None
        values = np.frombuffer(self._data, _DTYPES[tensor.dtype], tensor.elements, tensor.data_at)
        return values.astype(np.float32).reshape(tensor.shape)

    def _numbers(self, tensor: TensorInfo) -> tuple[int, ...]:
        """The int32 of a short constant."""
        return tuple(np.frombuffer(self._data, "<i4", tensor.elements, tensor.data_at).tolist())

    def _add(self, place: int, operator: OperatorInfo) -> None:
        name = operator.name
        if name in _SHAPES_ALONE or (name == "STRIDED_SLICE" and self._dtype(operator.outputs[0]) == "int32"):
            return
        if name == "DEQUANTIZE":
            self._widen(operator)
        elif name in _CLAMPS:
            self._clamp(operator, *_CLAMPS[name])
        elif name in ("MINIMUM", "MAXIMUM"):
            self._clamp_by_constant(operator)
        elif handler := self._handlers().get(name):
            handler(place, operator)
        else:
            raise Strange("is no operator of this family")

    def _handlers(self) -> dict[str, Callable[[int, OperatorInfo], None]]:
        return {
            "ADD": self._sum,
            "AVERAGE_POOL_2D": self._mean,
            "CAST": self._cast,
            "CONV_2D": self._convolution,
            "DEPTHWISE_CONV_2D": self._convolution,
            "DIV": self._scale,
            "EXPAND_DIMS": self._reshape,
            "FULLY_CONNECTED": self._dense,
            "MEAN": self._mean,
            "MUL": self._scale,
            "PAD": self._pad,
            "RESHAPE": self._reshape,
            "SOFTMAX": self._softmax,
            "SQUEEZE": self._reshape,
            "SUB": self._scale,
        }

    def _dtype(self, index: int) -> str:
        return self._tensors[index].dtype

    def _source(self, index: int) -> int:
        if index not in self.made:
            raise Strange("reads no tensor of the network")
        return self.made[index]

    def _put(self, tensor: int, node: GraphNode) -> None:
        self.made[tensor] = len(self.nodes)
        self.nodes.append(node)

    def _only_reader(self, index: int) -> GraphNode:
        """The node whose result is read here alone, so that what is done to it may be taken into it."""
        source = self._source(index)
        if source == INPUT:
            raise Strange("stands before the first convolution")
        if self._readers[index] > 1:
            raise Strange("changes what others read as well")
        return self.nodes[source]

    # --- weights, and the input

    def _widen(self, operator: OperatorInfo) -> None:
        stored = self._tensors[operator.inputs[0]]
        if stored.dtype != "float16" or stored.constant_bytes is None:
            raise Strange("makes floats of int8 codes")
        self._widened[operator.outputs[0]] = operator.inputs[0]
        self.half = True

    def _cast(self, place: int, operator: OperatorInfo) -> None:
        if self._source(operator.inputs[0]) != INPUT or self._dtype(operator.inputs[0]) != "uint8":
            raise Strange("stands elsewhere than behind pixels of uint8")
        self.made[operator.outputs[0]] = INPUT
        self._affine[operator.outputs[0]] = self._affine[operator.inputs[0]]

    def _pad(self, place: int, operator: OperatorInfo) -> None:
        pads = self._tensors[operator.inputs[1]]
        self._source(operator.inputs[0])
        if pads.constant_bytes is None or operator.inputs[0] in self._padded:
            raise Strange("pads by what is computed, or twice")
        self._padded[operator.outputs[0]] = operator.inputs[0], self._numbers(pads)

    # --- layers

    def _convolution(self, place: int, operator: OperatorInfo) -> None:
        depthwise = operator.name == "DEPTHWISE_CONV_2D"
        padding, stride_w, stride_h, *rest = map(int, operator.options)
        dilations = rest[2:4] if depthwise else rest[1:3]
        read, kernel, *bias = operator.inputs
        bare, pads = self._padded.get(read, (read, None))
        shape, window = self._tensors[bare].shape, self._tensors[kernel].shape
        _, height, width, _ = window
        if height != width or stride_h != stride_w or dilations != [1, 1]:
            raise Strange(
                f"has a window of {height} x {width}, steps of {stride_h} x {stride_w}, or is dilated"
            )
        if depthwise and rest[0] != 1:
            raise Strange(f"makes {rest[0]} channels of each")
        if not depthwise and window[3] != shape[3]:
            raise Strange("has groups of channels")
        made = self._tensors[operator.outputs[0]].shape
        self._check_padding(shape, height, stride_h, same=padding == 0, pads=pads)
        low, high = _FUSED[int(operator.options[_ACTIVATION_SLOT[operator.name]])]
        source = self._source(bare)
        after_the_mean = source != INPUT and self.nodes[source].kind in ("mean", "dense layer")
        if after_the_mean and not depthwise and height == 1 and shape[1:3] == (1, 1):
            kind: NodeKind = "dense layer"
        else:
            kind = "depthwise convolution" if depthwise else "convolution"
        node = GraphNode(
            kind, (source,), place, made[3], shape[3], kernel, bias[0] if bias else -1, height, stride_h
        )
        node.low, node.high = low, high
        if source == INPUT:
            self.stem = self._affine[bare]
        self._put(operator.outputs[0], node)

    def _check_padding(
        self, shape: tuple[int, ...], side: int, stride: int, *, same: bool, pads: tuple[int, ...] | None
    ) -> None:
        """Raise Strange where it pads otherwise than TensorFlow's SAME."""
        wanted = (0, 0, *same_padding(shape[1], side, stride), *same_padding(shape[2], side, stride), 0, 0)
        given = (0,) * 8 if pads is None else pads
        if (same and any(given)) or (not same and given != wanted):
            raise Strange(
                f"pads by {list(given[2:6])}, expected {list(wanted[2:6])} (top, bottom, left, right)"
            )

    def _dense(self, place: int, operator: OperatorInfo) -> None:
        read, kernel, *bias = operator.inputs
        units, width = self._tensors[kernel].shape
        node = GraphNode(
            "dense layer", (self._source(read),), place, units, width, kernel, bias[0] if bias else -1
        )
        node.low, node.high = _FUSED[int(operator.options[0])]
        self._put(operator.outputs[0], node)

    def _mean(self, place: int, operator: OperatorInfo) -> None:
        shape, made = (self._tensors[index].shape for index in (operator.inputs[0], operator.outputs[0]))
        if operator.name == "AVERAGE_POOL_2D":
            _, _, _, width, height, activation = map(int, operator.options)
            whole = (height, width) == shape[1:3] and made[1:3] == (1, 1) and activation == 0
        else:
            axes = self._tensors[operator.inputs[1]]
            numbers = self._numbers(axes) if axes.constant_bytes else ()
            whole = len(shape) == 4 and sorted(axis % 4 for axis in numbers) == [1, 2]
        if not whole:
            raise Strange("is no mean over the whole map")
        self._put(
            operator.outputs[0],
            GraphNode("mean", (self._source(operator.inputs[0]),), place, shape[3], shape[3]),
        )

    def _softmax(self, place: int, operator: OperatorInfo) -> None:
        source = self._source(operator.inputs[0])
        channels = self._tensors[operator.outputs[0]].shape[-1]
        if math.prod(self._tensors[operator.outputs[0]].shape) != channels:
            raise Strange("goes over a map")
        self._put(operator.outputs[0], GraphNode("softmax", (source,), place, channels))

    def _reshape(self, place: int, operator: OperatorInfo) -> None:
        source = self._source(operator.inputs[0])
        if (
            source == INPUT
            or math.prod(self._tensors[operator.outputs[0]].shape) != self.nodes[source].channels
        ):
            raise Strange("gives a map another shape")
        self.made[operator.outputs[0]] = source

    # --- arithmetic: additions, and what is taken into the layer before

    def _sum(self, place: int, operator: OperatorInfo) -> None:
        if any(self.constant(index) is not None for index in operator.inputs):
            self._scale(place, operator)
            return
        sources = tuple(self._source(index) for index in operator.inputs)
        shapes = {self._tensors[index].shape for index in (*operator.inputs, *operator.outputs)}
        if INPUT in sources or len(shapes) != 1 or int(operator.options[0]):
            raise Strange("adds the input, or tensors of two shapes, or clamps the sum")
        self._put(operator.outputs[0], GraphNode("addition", sources, place, next(iter(shapes))[-1]))

    def _scale(self, place: int, operator: OperatorInfo) -> None:
        """A MUL, DIV, ADD or SUB with a constant: of the input, or of what a layer makes."""
        first, second = (self.constant(index) for index in operator.inputs)
        if (first is None) == (second is None):
            raise Strange("takes two computed tensors")
        by, read = (second, operator.inputs[0]) if first is None else (first, operator.inputs[1])
        assert by is not None
        source = self._source(read)
        channels = 3 if source == INPUT else self.nodes[source].channels
        if by.size not in (1, channels) or (by.size > 1 and by.shape[-1] != channels):
            raise Strange(f"has a constant of {list(by.shape)} for {channels} channels")
        values = np.broadcast_to(by.astype(np.float64).ravel(), (channels,))
        factor, shift = _affine_of(operator.name, values, constant_first=first is not None)
        low, high = _FUSED[int(operator.options[0])]
        if source == INPUT:
            if (low, high) != _FUSED[0]:
                raise Strange("clamps the input")
            before = self._affine[read]
            self.made[operator.outputs[0]] = INPUT
            self._affine[operator.outputs[0]] = Affine(before.factor * factor, before.shift * factor + shift)
            return
        node = self._only_reader(read)
        if node.kernel == -1 or node.activation:
            raise Strange("stands behind no layer that it could be taken into")
        node.factor = factor if node.factor is None else node.factor * factor
        node.shift = shift if node.shift is None else node.shift * factor + shift
        node.low, node.high = low, high
        self.made[operator.outputs[0]] = source

    def _clamp(self, operator: OperatorInfo, low: float, high: float) -> None:
        node = self._only_reader(operator.inputs[0])
        node.low, node.high = max(node.low, low), min(node.high, high)
        self.made[operator.outputs[0]] = self.made[operator.inputs[0]]

    def _clamp_by_constant(self, operator: OperatorInfo) -> None:
        first, second = (self.constant(index) for index in operator.inputs)
        bound = second if first is None else first
        if bound is None or bound.size != 1 or (first is None) == (second is None):
            raise Strange("compares two computed tensors, or channels")
        read, value = operator.inputs[0 if first is None else 1], float(bound.ravel()[0])
        node = self._only_reader(read)
        node.low = max(node.low, value) if operator.name == "MAXIMUM" else node.low
        node.high = min(node.high, value) if operator.name == "MINIMUM" else node.high
        self.made[operator.outputs[0]] = self.made[read]


def _affine_of(name: str, values: Values, *, constant_first: bool) -> tuple[Values, Values]:
    """What x is multiplied with, and what is added, by an operator of x and the constant `values`."""
    none, ones = np.zeros_like(values), np.ones_like(values)
    match name:
        case "ADD":
            return ones, values
        case "SUB":
            return (-ones, values) if constant_first else (ones, -values)
        case "MUL":
            return values, none
    if constant_first or not values.all():
        raise Strange("divides a constant, or by zero")
    return 1 / values, none
