"""What running a file takes, in steps and bytes, so that a small file cannot ask for hours or gigabytes.

Both are estimates from above: LiteRT holds a second copy of every kernel in the order that its loops want,
rows of windows laid out for them, and what lives at once more than once (its own plan and XNNPACK's).

Source: measured on LiteRT 2.3.0; XNNPACK's packing of kernels (channels in groups of up to 32) and its
table of one pointer for each place of a window.
"""

import math
from collections.abc import Sequence

from efficientnet_lite.strangers.operators import OperatorInfo
from efficientnet_lite.strangers.tensors import TensorInfo

# ResNet152 has 15, ResNet50 6, lite4 at 380 pixels 5: at most some 3 s of one core.
MAX_STEPS = 20_000_000_000
MAX_EXTRA_BYTES = 512 << 20  # beyond what the file itself takes
ARENAS = 3  # LiteRT's plan, XNNPACK's, and what falls between

_GROUP = 32  # channels that are computed together
_PER_OPERATOR = 20_000
_WINDOWED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "MAX_POOL_2D")
_SLOW, _SLOWEST = 16, 64  # steps for one multiply-add outside of the fast loops, and for an element of others


def steps(operator: OperatorInfo, tensors: Sequence[TensorInfo]) -> int:
    """About how long `operator` takes, in multiply-adds of a convolution."""
    shapes = [tensors[index].shape for index in operator.inputs if index != -1]
    made = sum(tensors[index].elements for index in operator.outputs)
    read = sum(math.prod(shape) for shape in shapes)
    if operator.name not in _WINDOWED:
        return _PER_OPERATOR + (made + read) * _SLOWEST
    kernel = math.prod(shapes[1]) if len(shapes) > 1 else 0  # brought into another order, once
    fixed = _PER_OPERATOR + (read - kernel) * _SLOW + kernel * _SLOWEST
    match operator.name:
        case "CONV_2D":
            filters, *window = shapes[1]
            grouped = _SLOW if shapes[0][-1] > window[-1] else 1
            return fixed + made // filters * _up(filters) * (math.prod(window) + 8) * grouped
        case "FULLY_CONNECTED":
            units, width = shapes[1]
            return fixed + made // units * _up(units) * (width + 8)
        case "DEPTHWISE_CONV_2D":
            places = math.prod(shapes[1][1:3])
        case _:
            places = int(operator.options[3]) * int(operator.options[4])
    return fixed + made * (places + 1) * _SLOW


def bytes_kept(operator: OperatorInfo, tensors: Sequence[TensorInfo]) -> int:
    """What LiteRT keeps for `operator` as long as the file is open."""
    names = [tensors[index] for index in operator.inputs if index != -1]
    made = tensors[operator.outputs[0]]
    match operator.name:
        case "CONV_2D" | "DEPTHWISE_CONV_2D" | "FULLY_CONNECTED":
            kernel = names[1]
            wide = 4 if kernel.dtype == "float32" else 2  # codes are packed twice
            filters = kernel.shape[-1 if operator.name == "DEPTHWISE_CONV_2D" else 0]
            inner = kernel.elements // filters
            packed = _up(filters) * ((inner + 7) // 8 * 8 * wide + 16)
            rows = math.prod(made.shape[1:3]) if len(made.shape) == 4 else 0
            window = math.prod(kernel.shape[1:3]) if len(kernel.shape) == 4 else 1
            return packed + rows * window * 8
        case "AVERAGE_POOL_2D" | "MAX_POOL_2D":
            window = int(operator.options[3]) * int(operator.options[4])
            return math.prod(made.shape[1:3]) * window * 8
        case "RESIZE_BILINEAR":
            return math.prod(made.shape[1:3]) * 48
        case "DEQUANTIZE" if names[0].constant_bytes is not None:
            return 2 * made.memory_bytes
    return sum(tensor.memory_bytes for tensor in names if tensor.constant_bytes is not None)


def bytes_lent(operator: OperatorInfo, tensors: Sequence[TensorInfo]) -> int:
    """What `operator` takes while it runs, beside its inputs and outputs."""
    made = tensors[operator.outputs[0]]
    if operator.name == "CONV_2D":  # every window as a row
        kernel = tensors[operator.inputs[1]]
        places = made.elements // kernel.shape[0]
        wide = 4 if made.dtype == "float32" else 1
        return places * math.prod(kernel.shape[1:]) * wide + made.elements * 4
    return made.elements * 4


def _up(channels: int) -> int:
    return (channels + _GROUP - 1) // _GROUP * _GROUP
