"""The arena of TFLite Micro by arithmetic, where its package is not there to search; and what other kernels ask beside.

Tensors share their places, and its planner reached the most that is alive at once on all that was tried; what stays are
records of tensors and operators, and two numbers for each channel that is made. Within 1 % of the search.

The reference kernels, which the package runs, ask for nothing beside tensors, so no search on this machine finds what
those of CMSIS-NN do: rows laid out for their loops. What stands here is the most that a Cortex-M with DSP or MVE
instructions asks, by the formulas of the source; not run here.

Source: CMSIS-NN 7: arm_convolve_get_buffer_sizes_s8.c, arm_depthwise_conv_get_buffer_sizes_s8.c,
arm_avgpool_get_buffer_sizes_s8.c, arm_fully_connected_get_buffer_sizes_s8.c; CH_IN_BLOCK_MVE of
arm_nnsupportfunctions.h.
"""

import math
from itertools import accumulate

from efficientnet_lite.strangers.operators import OperatorInfo
from efficientnet_lite.strangers.structure import CheckedModel

# Measured by print_allocations of the package of 2026-10-23, with pointers of 64 bits; of 32 bits they are smaller.
_OF_TENSOR, _OF_OPERATOR, _OF_CHANNEL = 24, 64 + 112, 8  # bytes
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_MVE_CHANNELS, _BUFFERS, _LANES = 124, 4, 16


def estimated_arena(model: CheckedModel) -> int:
    """About how many bytes the arena of a file needs with reference kernels."""
    channels = sum(
        model.tensors[operator.outputs[0]].shape[-1]
        for operator in model.operators
        if operator.name in _WEIGHTED
    )
    records = _OF_TENSOR * len(model.tensors) + _OF_OPERATOR * len(model.operators)
    return tensor_bytes(model) + records + _OF_CHANNEL * channels


def tensor_bytes(model: CheckedModel) -> int:
    """The most that tensors alive at once take, inputs among them until they are read for the last time."""
    return max(_alive(model), default=0)


def scratch_bytes(model: CheckedModel) -> int:
    """By how much the arena of a file may have to grow for them, where the most is alive at once."""
    alive = _alive(model)
    asked = [_asked(operator, model) for operator in model.operators]
    return max(map(sum, zip(alive, asked, strict=True)), default=0) - max(alive, default=0)


def _alive(model: CheckedModel) -> list[int]:
    """For each operator, the bytes of all tensors that were made, or given, and will still be read."""
    made = dict.fromkeys(model.inputs, 0)
    last = dict.fromkeys(model.outputs, len(model.operators))
    for place, operator in enumerate(model.operators):
        made.update(dict.fromkeys(operator.outputs, place))
        for index in operator.inputs:
            last[index] = max(place, last.get(index, 0))
    alive = [0] * (len(model.operators) + 1)  # by what comes and goes with each
    for index, first in made.items():
        alive[first] += model.tensors[index].memory_bytes
        end = last.get(index, first) + 1
        if end < len(alive):
            alive[end] -= model.tensors[index].memory_bytes
    return list(accumulate(alive))[:-1]


def _asked(operator: OperatorInfo, model: CheckedModel) -> int:
    read = model.tensors[operator.inputs[0]] if operator.inputs else None
    if read is None or read.dtype != "int8":
        return 0
    match operator.name:
        case "CONV_2D":
            window = model.tensors[operator.inputs[1]].shape[1:]
            if window[:2] == (1, 1):
                return 4 * read.shape[-1]
            return _BUFFERS * math.ceil(math.prod(window) / _LANES) * _LANES
        case "DEPTHWISE_CONV_2D":
            places = math.prod(model.tensors[operator.inputs[1]].shape[1:3])
            return max(2 * read.shape[-1] * places, _BUFFERS * _MVE_CHANNELS * places)
        case "AVERAGE_POOL_2D":
            return 4 * read.shape[-1]
        case "FULLY_CONNECTED":
            return 4 * model.tensors[operator.outputs[0]].shape[-1]
    return 0
