"""Integer arithmetic of 8-bit quantization: ranges to scales, reals to codes. Pure.

real = scale * (code - zero_point). Weights are symmetric (zero point 0) with one scale an output
channel; activations have one scale and zero point a tensor.

Source: TensorFlow Lite 8-bit quantization specification.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.photos.contract import MEAN, STDDEV

INT8_MIN, INT8_MAX = -128, 127
WEIGHT_MAX = 127  # symmetric: -128 is not used
# Of all codes of a tensor; below, runtimes round to nothing or refuse the file.
SMALLEST_TENSOR_SCALE = 2.0**-40
BIAS_LIMIT = 2**30  # a bias code may reach half of int32, so that the accumulator has the other half


@dataclass(frozen=True, slots=True)
class Scale:
    """Quantization of one activation tensor in int8: real = scale * (code - zero_point)."""

    scale: float  # exactly representable in float32
    zero_point: int  # -128 to 127

    def codes(self, real: Array) -> npt.NDArray[np.int8]:
        """The nearest codes, saturated."""
        codes = np.rint(real / np.float32(self.scale)) + self.zero_point
        return _saturated(codes, INT8_MIN, INT8_MAX)

    def reals(self, codes: npt.NDArray[np.int8]) -> Array:
        """What the codes stand for."""
        return (codes.astype(np.float32) - self.zero_point) * np.float32(self.scale)


# Raw pixels 0..255 are the codes 0..255 of (x - 127) / 128: scale 1/128, zero point 127 as uint8.
INPUT_SCALE = Scale(1 / STDDEV, MEAN - 128)
RELU6_SCALE = Scale(float(np.float32(6 / 255)), -128)
SOFTMAX_SCALE = Scale(1 / 256, -128)  # fixed by the operator's kernels


def activation_scale(low: float, high: float) -> Scale:
    """The scale that covers [low, high], widened to contain 0, which gets an exact code.

    A range of nothing but 0, or so small that no runtime tells it from 0, gets the scale 1/128, so that no
    division by zero follows.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255))
    if scale < SMALLEST_TENSOR_SCALE:
        return Scale(1 / 128, 0)
    return Scale(scale, int(np.clip(round(INT8_MIN - low / scale), INT8_MIN, INT8_MAX)))


def weight_scales(kernel: Array, bias: Array, input_scale: float) -> Array:
    """One scale for each index of the last axis of `kernel`, float32: max |w| / 127, bounded below.

    The bound keeps the int32 bias, whose scale is input_scale * weight_scale, within `BIAS_LIMIT`: a
    dead channel (weights of 1e-9 beside a bias of 2) would overflow otherwise. Its weights round to 0
    then, and its bias stays exact.
    """
    largest = np.abs(kernel).reshape(-1, kernel.shape[-1]).max(axis=0) / WEIGHT_MAX
    floor = np.abs(bias) / (input_scale * BIAS_LIMIT)
    scales: Array = np.maximum(np.maximum(largest, floor), smallest_scale(input_scale)).astype(np.float32)
    return scales


def smallest_scale(input_scale: float) -> float:
    """The smallest scale of weights whose product with `input_scale` is a normal float32."""
    return float(np.finfo(np.float32).tiny) / min(input_scale, 1.0)


def weight_codes(kernel: Array, scales: Array) -> npt.NDArray[np.int8]:
    """`kernel` rounded to int8, one scale for each index of its last axis."""
    return _saturated(np.rint(kernel / scales), -WEIGHT_MAX, WEIGHT_MAX)


def _saturated(codes: Array, low: int, high: int) -> npt.NDArray[np.int8]:
    return codes.clip(low, high).astype(np.int8)


def bias_codes(bias: Array, scales: Array, input_scale: float) -> npt.NDArray[np.int32]:
    """`bias` as int32 with the scale input_scale * scales."""
    codes = np.rint(bias.astype(np.float64) / (scales.astype(np.float64) * input_scale))
    return np.clip(codes, -(2**31) + 1, 2**31 - 1).astype(np.int32)
