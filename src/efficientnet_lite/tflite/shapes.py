"""The shape that each operator makes, against the one that a file records.

LiteRT computes shapes again, but its XNNPACK delegate takes recorded ones at their word in places: a
float16 weight whose DEQUANTIZE records a larger result is read beyond its end, and the process dies
(2.3.0). It also bounds memory: only a true shape says what a tensor takes.

Source: tensorflow/lite/kernels/padding.h (`ComputeOutSize`) and the Prepare functions of the kernels.
"""

import math
from collections.abc import Sequence

import numpy as np

Shape = tuple[int, ...]

_SAME_PADDING = 0

_UNCHANGED = [
    "ABS",
    "CAST",
    "DEQUANTIZE",
    "ELU",
    "EXP",
    "GELU",
    "HARD_SWISH",
    "L2_NORMALIZATION",
    "LEAKY_RELU",
    "LOCAL_RESPONSE_NORMALIZATION",
    "LOGISTIC",
    "LOG_SOFTMAX",
    "NEG",
    "QUANTIZE",
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "RSQRT",
    "SOFTMAX",
    "SQRT",
    "SQUARE",
    "TANH",
]
_BROADCAST = ["ADD", "DIV", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB"]
_REARRANGED = ["EXPAND_DIMS", "RESHAPE", "SQUEEZE", "TRANSPOSE"]
_REDUCED = ["MEAN", "REDUCE_MAX", "SUM"]


def fits(
    name: str,
    inputs: Sequence[Shape],
    options: Sequence[float],
    second: list[int] | None,
    outputs: Sequence[Shape],
) -> bool:
    """Whether the operator `name` makes `outputs` of `inputs`.

    Args:
        inputs: shapes; a bias that is left out is not among them.
        options: by slot, with defaults filled in.
        second: the numbers of the second input where that is a short constant of int32: paddings, axes, a size.
    """
    try:
        if name == "SPLIT":
            return all(math.prod(output) * len(outputs) == math.prod(inputs[1]) for output in outputs)
        (output,) = outputs
        if name in _REARRANGED:
            return math.prod(output) == math.prod(inputs[0])
        if name in _REDUCED:
            return math.prod(output) == _reduced(inputs[0], second)
        if name == "STRIDED_SLICE":
            return math.prod(output) <= math.prod(inputs[0])
        if name == "FULLY_CONNECTED":
            return _dense(inputs, output)
        return output == _made(name, inputs, options, second)
    except (IndexError, ValueError):  # too few sides, or sides that do not go together
        return False


def _made(
    name: str, inputs: Sequence[Shape], options: Sequence[float], second: list[int] | None
) -> Shape | None:
    """The shape made; None where the inputs do not go together."""
    first = inputs[0]
    if name in _UNCHANGED:
        return first
    if name in _BROADCAST:
        return np.broadcast_shapes(*inputs)
    match name:
        case "CONV_2D":
            _, stride_w, stride_h, _, dilation_w, dilation_h, _ = map(int, options)
            filters, height, width, channels = inputs[1]
            if first[3] % channels or inputs[2:] not in ([], [(filters,)]):
                return None
            window = (height, width), (stride_h, stride_w), (dilation_h, dilation_w)
            return (first[0], *_slid(first, int(options[0]), *window), filters)
        case "DEPTHWISE_CONV_2D":
            _, stride_w, stride_h, multiplier, _, dilation_w, dilation_h = map(int, options)
            one, height, width, filters = inputs[1]
            if one != 1 or first[3] * multiplier != filters or inputs[2:] not in ([], [(filters,)]):
                return None
            window = (height, width), (stride_h, stride_w), (dilation_h, dilation_w)
            return (first[0], *_slid(first, int(options[0]), *window), filters)
        case "AVERAGE_POOL_2D" | "MAX_POOL_2D":
            _, stride_w, stride_h, width, height, _ = map(int, options)
            window = (height, width), (stride_h, stride_w), (1, 1)
            return (first[0], *_slid(first, int(options[0]), *window), first[3])
        case "CONCATENATION":
            return _concatenated(inputs, int(options[0]))
        case "PACK":
            axis = int(options[1]) % (len(first) + 1)
            same = len(set(inputs)) == 1 and options[0] == len(inputs)
            return (*first[:axis], len(inputs), *first[axis:]) if same else None
        case "PAD" | "PADV2" | "MIRROR_PAD":
            if second is None or len(second) != 2 * len(first) or min(second) < 0:
                return None
            return tuple(side + sum(second[2 * i : 2 * i + 2]) for i, side in enumerate(first))
        case "RESIZE_BILINEAR" | "RESIZE_NEAREST_NEIGHBOR":
            return (first[0], *second, first[3]) if second is not None and len(second) == 2 else None
        case "SHAPE":
            return (len(first),)
        case "BATCH_MATMUL":
            return _multiplied(first, inputs[1], bool(options[0]), bool(options[1]))
    return None


def _slid(
    shape: Shape, padding: int, window: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> Shape:
    """Height and width after a window has gone over `shape`, (N, H, W, C)."""
    _, *sides, _ = shape
    sizes = []
    for side, reach, step, spread in zip(sides, window, stride, dilation, strict=True):
        covered = 1 if padding == _SAME_PADDING else (reach - 1) * spread + 1
        sizes.append((side - covered) // step + 1)
    return tuple(sizes)


def _reduced(shape: Shape, axes: list[int] | None) -> int | None:
    """Elements that are left of `shape`."""
    if axes is None or any(not -len(shape) <= axis < len(shape) for axis in axes):
        return None
    gone = {axis % len(shape) for axis in axes}
    return math.prod(side for axis, side in enumerate(shape) if axis not in gone)


def _dense(inputs: Sequence[Shape], output: Shape) -> bool:
    units, width = inputs[1]
    elements = math.prod(inputs[0])
    return (
        elements % width == 0
        and math.prod(output) == elements // width * units
        and output[-1] == units
        and inputs[2:] in ([], [(units,)])
    )


def _concatenated(inputs: Sequence[Shape], axis: int) -> Shape | None:
    first = inputs[0]
    if not -len(first) <= axis < len(first) or len({len(shape) for shape in inputs}) != 1:
        return None
    axis %= len(first)
    if len({shape[:axis] + shape[axis + 1 :] for shape in inputs}) != 1:
        return None
    return (*first[:axis], sum(shape[axis] for shape in inputs), *first[axis + 1 :])


def _multiplied(left: Shape, right: Shape, left_turned: bool, right_turned: bool) -> Shape | None:
    *left_batch, rows, inner = (*left[:-2], left[-1], left[-2]) if left_turned else left
    *right_batch, other, columns = (*right[:-2], right[-1], right[-2]) if right_turned else right
    if inner != other:
        return None
    return (*np.broadcast_shapes(tuple(left_batch), tuple(right_batch)), rows, columns)
