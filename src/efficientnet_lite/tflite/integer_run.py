"""The integer network run in plain numpy: what the arithmetic of an int8 file means, to the code.

Slow, obvious, and independent of every runtime. LiteRT's reference kernels give the same codes for every
tensor; its optimised kernels and XNNPACK round some of them otherwise (docs/int8.md says which). Tests hold
the files that we write to this. It stands beside the writer, as what is written and what it means go together. Pure.

Source: TensorFlow Lite, kernels/internal/reference/integer_ops (conv.h, depthwise_conv.h, add.h, pooling.h,
fully_connected.h) and what prepares them, kernels/kernel_util.cc and kernels/add.cc.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from efficientnet_lite.network.numpy_run import same_padding
from efficientnet_lite.network.plan import INPUT, POOLED, PROBABILITIES, Add, Conv, Dense, Plan, Pool, Step
from efficientnet_lite.tflite.fixed_point import Factor, Integers, factor, half_away
from efficientnet_lite.tflite.float import needed_steps, tensors_of
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork
from efficientnet_lite.tflite.integer_softmax import softmax_codes
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, INT8_MAX, INT8_MIN, SOFTMAX_SCALE, Scale
from efficientnet_lite.vocabulary import Io

Int8Tensor: TypeAlias = npt.NDArray[np.int8]
ADD_BITS = 20  # by which the terms of a sum are shifted left before they are scaled


def run_integers(
    steps: Iterable[Step], network: IntegerNetwork, pixels: npt.NDArray[np.uint8]
) -> dict[str, Int8Tensor]:
    """Every tensor of `steps` by name, int8, for `pixels`, uint8 (N, S, S, 3).

    Convolutions give (N, H, W, C), `features` (N, 1, 1, 1280), logits and probabilities (N, classes).
    """
    scales = {INPUT: INPUT_SCALE, PROBABILITIES: SOFTMAX_SCALE, **network.tensors}
    tensors: dict[str, Int8Tensor] = {INPUT: (pixels.astype(np.int16) - 128).astype(np.int8)}
    for step in steps:
        x, made = tensors[step.source], scales[step.name]
        if isinstance(step, Conv):
            y = convolved(x, step, network.layers[step.name], scales[step.source], made)
        elif isinstance(step, Add):
            y = added(x, tensors[step.skip], scales[step.source], scales[step.skip], made)
        elif isinstance(step, Pool):
            y = pooled(x)
        elif isinstance(step, Dense):
            y = dense(x, network.layers[step.name], scales[step.source], made)
        else:
            y = softmax_codes(x, scales[step.source].scale)
        tensors[step.name] = y
    return tensors


def answers(
    plan: Plan,
    network: IntegerNetwork,
    pixels: npt.NDArray[np.uint8],
    *,
    outputs: Sequence[str] = (PROBABILITIES,),
    io: Io = "uint8",
) -> dict[str, npt.NDArray[Any]]:
    """What the file that `write_int8` makes with these arguments gives for `pixels`, uint8 (N, S, S, 3)."""
    scales = {PROBABILITIES: SOFTMAX_SCALE, **network.tensors}
    tensors = tensors_of(plan, outputs)
    codes = run_integers(needed_steps(plan, list(tensors.values())), network, pixels)
    given = {}
    for name, tensor in tensors.items():
        values = codes[tensor].reshape(len(pixels), -1) if name == POOLED else codes[tensor]
        given[name] = _handed_out(values, scales[tensor], io)
    return given


def _handed_out(codes: Int8Tensor, scale: Scale, io: Io) -> npt.NDArray[Any]:
    if io == "int8":
        return codes
    if io == "uint8":
        return (codes.astype(np.int16) + 128).astype(np.uint8)
    reals = (codes.astype(np.float64) - scale.zero_point) * scale.scale
    return reals.astype(np.float32)


def convolved(x: Int8Tensor, step: Conv, layer: IntegerLayer, read: Scale, made: Scale) -> Int8Tensor:
    """SAME convolution of `x`; what lies beyond its edge has the code of 0."""
    k, stride = step.kernel, step.stride
    rows, columns = (-(-side // stride) for side in x.shape[1:3])
    # Sums of whole numbers below 2**53 are exact in float64, and a matrix product of those is fast.
    around = ((0, 0), same_padding(x.shape[1], k, stride), same_padding(x.shape[2], k, stride), (0, 0))
    padded = np.pad(x.astype(np.float64) - read.zero_point, around)
    total = np.broadcast_to(layer.bias.astype(np.float64), (len(x), rows, columns, step.outputs)).copy()
    for i in range(k):
        for j in range(k):
            window = padded[
                :, i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride
            ]
            weights = layer.kernel[i, j].astype(np.float64)
            total += window * weights[:, 0] if step.depthwise else window @ weights
    low, high = clamp(made, relu6=step.relu6)
    return _requantized(total.astype(np.int64), conv_factor(layer, read, made), made, low, high)


def conv_factor(layer: IntegerLayer, read: Scale, made: Scale) -> Factor:
    """From an accumulator of each output channel to the codes of `made`."""
    return factor(np.float64(read.scale) * layer.scales.astype(np.float64) / np.float64(made.scale))


def dense(x: Int8Tensor, layer: IntegerLayer, read: Scale, made: Scale) -> Int8Tensor:
    """`x` (N, 1, 1, C) times the kernel, (N, classes)."""
    total = (x.reshape(len(x), -1).astype(np.float64) - read.zero_point) @ layer.kernel.astype(np.float64)
    # Unlike a convolution it rounds once, which was found by trying: of 4,000 outputs 5 tell the two ways apart.
    codes = conv_factor(layer, read, made).times_once(total.astype(np.int64) + layer.bias) + made.zero_point
    return codes.clip(INT8_MIN, INT8_MAX).astype(np.int8)


def added(x: Int8Tensor, other: Int8Tensor, read: Scale, read_other: Scale, made: Scale) -> Int8Tensor:
    """The sum: both terms scaled to twice the coarser of their scales, in 2**-20 of its steps, then to `made`."""
    twice = 2 * max(read.scale, read_other.scale)
    first, second = (
        factor(scale.scale / twice).times((values.astype(np.int64) - scale.zero_point) << ADD_BITS)
        for values, scale in ((x, read), (other, read_other))
    )
    result = factor(twice / (2**ADD_BITS * made.scale))
    return _requantized(first + second, result, made, INT8_MIN, INT8_MAX)


def pooled(x: Int8Tensor) -> Int8Tensor:
    """The mean over height and width, rounded to the nearest code, halves away from code 0. (N, 1, 1, C)."""
    total, count = x.sum(axis=(1, 2), keepdims=True, dtype=np.int64), x.shape[1] * x.shape[2]
    mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
    codes: Int8Tensor = mean.astype(np.int8)
    return codes


def clamp(made: Scale, *, relu6: bool) -> tuple[int, int]:
    """The lowest and highest code that a layer gives."""
    if not relu6:
        return INT8_MIN, INT8_MAX
    six = made.zero_point + int(half_away(np.asarray(np.float32(6) / np.float32(made.scale), np.float64)))
    return max(INT8_MIN, made.zero_point), min(INT8_MAX, six)


def _requantized(total: Integers, by: Factor, made: Scale, low: int, high: int) -> Int8Tensor:
    return (by.times(total) + made.zero_point).clip(low, high).astype(np.int8)
