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
Numbers = tuple[int, ...]

_SAME_PADDING = 0

_UNCHANGED = [
    *("CAST", "DEQUANTIZE", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "LOG_SOFTMAX", "QUANTIZE", "RELU"),
    *("RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "SOFTMAX", "TANH"),
]
_BROADCAST = ["ADD", "DIV", "MAXIMUM", "MINIMUM", "MUL", "SUB"]
_REDUCED = ["MEAN", "REDUCE_MAX", "SUM"]


def fits(
    name: str,
    inputs: Sequence[Shape],
    options: Sequence[float],
    vector: Numbers,
    numbers: Sequence[Numbers | None],
    outputs: Sequence[Shape],
) -> bool:
    """Whether the operator `name` makes `outputs` of `inputs`.

    Args:
        inputs: shapes; a bias that is left out is not among them.
        options: by slot, with defaults filled in.
        vector: the vector of its options, where they have one.
        numbers: for each input its numbers, where it is a short int32 that is known: paddings, axes, a size.
    """
    try:
        if name == "SPLIT":
            made = _split(inputs[1], numbers[0], int(options[0]))
            return made is not None and list(outputs) == [made] * int(options[0])
        return list(outputs) == [_made(name, inputs, options, vector, numbers)]
    except (IndexError, ValueError):  # too few sides, or sides that do not go together
        return False


def _made(
    name: str,
    inputs: Sequence[Shape],
    options: Sequence[float],
    vector: Numbers,
    numbers: Sequence[Numbers | None],
) -> Shape | None:
    """The shape made; None where the inputs do not go together."""
    first = inputs[0]
    second = numbers[1] if len(numbers) > 1 else None
    if name in _UNCHANGED:
        return first
    if name in _BROADCAST:
        return np.broadcast_shapes(*inputs)
    if name in _REDUCED:
        return _reduced(first, second, keep=bool(options[0]))
    match name:
        case "CONV_2D":
            _, stride_w, stride_h, _, dilation_w, dilation_h, _ = map(int, options)
            filters, height, width, channels = inputs[1]
            groups, left_over = divmod(first[3], channels)
            if left_over or filters % groups or inputs[2:] not in ([], [(filters,)]):
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
        case "FULLY_CONNECTED":
            return _dense(inputs, keep=bool(options[2]))
        case "PRELU":  # one slope for a channel
            return first if math.prod(inputs[1]) == inputs[1][-1] == first[-1] else None
        case "CONCATENATION":
            return _concatenated(inputs, int(options[0]))
        case "PACK":
            same = set(inputs) == {()} and options[0] == len(inputs)
            return (len(inputs),) if same else None
        case "PAD" | "PADV2":
            if second is None or inputs[1] != (len(first), 2) or min(second) < 0:
                return None
            if inputs[2:] not in ([], [()], [(1,)]):
                return None
            return tuple(side + sum(second[2 * i : 2 * i + 2]) for i, side in enumerate(first))
        case "RESIZE_BILINEAR":
            _, _, align_corners, half_pixels = options
            together = second is not None and inputs[1] == (2,) and not (align_corners and half_pixels)
            return (first[0], *second, first[3]) if together and second is not None else None
        case "SHAPE":
            return (len(first),)
        case "RESHAPE":
            if len(inputs) > 1 and (second is None or len(inputs[1]) != 1):
                return None
            return _reshaped(first, vector if second is None else second)
        case "SQUEEZE":
            return _squeezed(first, vector)
        case "EXPAND_DIMS":
            (axis,) = second or ()
            if not -len(first) - 1 <= axis <= len(first):
                return None
            axis %= len(first) + 1
            return (*first[:axis], 1, *first[axis:])
        case "TRANSPOSE":
            if second is None or inputs[1] != (len(first),) or sorted(second) != list(range(len(first))):
                return None
            return tuple(first[axis] for axis in second)
        case "STRIDED_SLICE":
            return (
                sliced(first, options, *numbers[1:]) if {len(shape) for shape in inputs[1:]} == {1} else None
            )
    return None


def sliced(
    shape: Shape,
    options: Sequence[float],
    begins: Numbers | None,
    ends: Numbers | None,
    strides: Numbers | None,
) -> Shape | None:
    """What a STRIDED_SLICE leaves; None where it reaches outside, or walks backwards."""
    spans = spans_of(shape, options, begins, ends, strides)
    if spans is None:
        return None
    shrunk = int(options[4])
    return tuple(len(span) for axis, span in enumerate(spans) if not shrunk >> axis & 1)


def spans_of(
    shape: Shape,
    options: Sequence[float],
    begins: Numbers | None,
    ends: Numbers | None,
    strides: Numbers | None,
) -> list[range] | None:
    """The indices that a STRIDED_SLICE takes along each axis, all of them inside, at least one."""
    begin_mask, end_mask, shrunk = (int(options[slot]) for slot in (0, 1, 4))
    if begins is None or ends is None or strides is None or not len(begins) == len(ends) == len(strides):
        return None
    if len(begins) > len(shape) or any(mask >> len(begins) for mask in (begin_mask, end_mask, shrunk)):
        return None
    spans = [range(side) for side in shape]
    for axis, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        side = shape[axis]
        if stride < 1 or not (-side <= begin < side and -side <= end <= side):
            return None
        start = 0 if begin_mask >> axis & 1 else begin % side
        stop = side if end_mask >> axis & 1 or end == side else end % side
        if shrunk >> axis & 1:
            if begin_mask >> axis & 1 or stride != 1:
                return None
            stop = start + 1
        if stop <= start:
            return None
        spans[axis] = range(start, stop, stride)
    return spans


def _slid(
    shape: Shape, padding: int, window: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> Shape:
    """Height and width after a window has gone over `shape`, (N, H, W, C)."""
    _, *sides, _ = shape
    sizes = []
    for side, reach, step, spread in zip(sides, window, stride, dilation, strict=True):
        covered = 1 if padding == _SAME_PADDING else (reach - 1) * spread + 1
        if covered > side:
            raise ValueError("the window is larger than the image")
        sizes.append((side - covered) // step + 1)
    return tuple(sizes)


def _reduced(shape: Shape, axes: Numbers | None, *, keep: bool) -> Shape | None:
    """What is left of `shape`; each axis may be named once."""
    if not axes or any(not -len(shape) <= axis < len(shape) for axis in axes):
        return None
    gone = {axis % len(shape) for axis in axes}
    if len(gone) != len(axes):
        return None
    return tuple(1 if axis in gone else side for axis, side in enumerate(shape) if keep or axis not in gone)


def _dense(inputs: Sequence[Shape], *, keep: bool) -> Shape | None:
    units, width = inputs[1]
    elements = math.prod(inputs[0])
    if elements % width or inputs[2:] not in ([], [(units,)]):
        return None
    if keep:
        return (*inputs[0][:-1], units) if inputs[0][-1] == width else None
    return (elements // width, units)


def _concatenated(inputs: Sequence[Shape], axis: int) -> Shape | None:
    first = inputs[0]
    if not -len(first) <= axis < len(first) or len({len(shape) for shape in inputs}) != 1:
        return None
    axis %= len(first)
    if len({shape[:axis] + shape[axis + 1 :] for shape in inputs}) != 1:
        return None
    return (*first[:axis], sum(shape[axis] for shape in inputs), *first[axis + 1 :])


def _split(shape: Shape, axes: Numbers | None, parts: int) -> Shape | None:
    (axis,) = axes or ()
    if not -len(shape) <= axis < len(shape) or shape[axis] % parts:
        return None
    axis %= len(shape)
    return (*shape[:axis], shape[axis] // parts, *shape[axis + 1 :])


def _reshaped(shape: Shape, wanted: Numbers) -> Shape | None:
    """`wanted` with its one -1, if any, filled in."""
    rest = math.prod(side for side in wanted if side != -1)
    if wanted.count(-1) > 1 or any(side < 1 and side != -1 for side in wanted) or math.prod(shape) % rest:
        return None
    made = tuple(math.prod(shape) // rest if side == -1 else side for side in wanted)
    return made if math.prod(made) == math.prod(shape) else None


def _squeezed(shape: Shape, axes: Numbers) -> Shape | None:
    """Without the sides of 1 along `axes`; without all such sides where there are none."""
    if any(not -len(shape) <= axis < len(shape) or shape[axis] != 1 for axis in axes):
        return None
    gone = {axis % len(shape) for axis in axes} or {axis for axis, side in enumerate(shape) if side == 1}
    return tuple(side for axis, side in enumerate(shape) if axis not in gone)
