"""Softmax of int8 logits in integers alone, as LiteRT's reference kernels compute it. Pure.

Fixed-point numbers are int32 held in int64; "of b bits" says how many stand before the point, the sign aside.

Source: TensorFlow Lite, kernels/internal/reference/softmax.h, kernels/internal/common.h (`GetReciprocal`) and
quantization_util.cc (`PreprocessSoftmaxScaling`, `CalculateInputRadius`); gemmlowp, fixedpoint.h
(`exp_on_negative_values`, `one_over_one_plus_x_for_x_in_0_1`).
"""

import numpy as np
import numpy.typing as npt

from efficientnet_lite.tflite.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    Integers,
    factor,
    high_product,
    rounding_shift,
)

DIFFERENCE_BITS, SUM_BITS = (
    5,
    12,
)  # before the point, of differences of logits and of the sum of their exponentials


def softmax_codes(logits: npt.NDArray[np.int8], scale: float) -> npt.NDArray[np.int8]:
    """Probabilities of `logits` (N, classes) of that scale, int8 codes of scale 1/256 and zero point -128.

    Where the exponentials, of which the largest is 1, sum up to 512 or more, every code is -128; LiteRT's kernel
    ends the process there.
    """
    by = factor(min(scale * 2.0 ** (31 - DIFFERENCE_BITS), 2.0**31 - 1))
    span = ((1 << DIFFERENCE_BITS) - 1) * 2 ** (31 - DIFFERENCE_BITS)
    lowest = -(span >> int(by.shift))
    below = logits.astype(np.int64) - logits.max(axis=1, keepdims=True)
    counted = below >= lowest
    powers = np.where(counted, exp_of_negative(by.times(np.where(counted, below, 0))), 0)
    total = rounding_shift(powers, SUM_BITS).sum(axis=1, keepdims=True)
    inverse, bits = _reciprocal(total)
    shares = rounding_shift(high_product(inverse, powers), bits + 31 - 8)
    return np.where(counted, shares - 128, -128).clip(-128, 127).astype(np.int8)


def exp_of_negative(values: Integers) -> Integers:
    """exp of each number <= 0 of `DIFFERENCE_BITS`, as a number of 0 bits; exp(0) is the largest below 1.

    The part within a quarter goes through a polynomial; the rest is a product of exp(-2**k) for its bits.
    """
    point = 31 - DIFFERENCE_BITS
    quarter = 1 << (point - 2)
    within = (values & (quarter - 1)) - quarter  # -1/4 <= within < 0
    rest = within - values
    result = _exp_within_quarter(within << DIFFERENCE_BITS)
    for power in range(-2, DIFFERENCE_BITS):
        bit = (rest >> (point + power)) & 1
        constant = _number(np.exp(-(2.0**power)))
        result = np.where(bit, high_product(result, constant), result)
    return np.where(values == 0, INT32_MAX, result)


def _exp_within_quarter(values: Integers) -> Integers:
    """exp of numbers of 0 bits, -1/4 to 0: the first five terms of the series around -1/8."""
    start, third = _number(np.exp(-1 / 8)), _number(1 / 3)
    x = values + (1 << 28)
    square = high_product(x, x)
    cube, fourth = high_product(square, x), high_product(square, square)
    higher = high_product(rounding_shift(fourth, 2) + cube, third)  # x^4 / 12 + x^3 / 3
    return start + high_product(start, x + rounding_shift(higher + square, 1))


def _reciprocal(values: Integers) -> tuple[Integers, Integers]:
    """1 / value of numbers of `SUM_BITS`, at least 1, as one of 0 bits and the bits by which it is too large."""
    leading = 31 - np.floor(np.log2(values)).astype(np.int64)  # zeros of the 32, before the first one
    fraction = (values << leading) - 2**31  # value = (1 + fraction) * 2**(SUM_BITS - leading)
    return _one_over_one_plus(fraction), SUM_BITS - leading


def _one_over_one_plus(values: Integers) -> Integers:
    """1 / (1 + x) of numbers of 0 bits, 0 to 1, by three steps of Newton and Raphson; inside, numbers of 2 bits."""
    half = (values + INT32_MAX + 1) >> 1  # (x + 1) / 2
    x = high_product(half, _number(-32 / 17, bits=2)) + _number(48 / 17, bits=2)
    for _ in range(3):
        error = (1 << 29) - high_product(half, x)
        x = x + _shifted_left(high_product(x, error), 2)
    return _shifted_left(x, 1)


def _shifted_left(values: Integers, bits: int) -> Integers:
    shifted: Integers = np.clip(values << bits, INT32_MIN, INT32_MAX)
    return shifted


def _number(real: float, *, bits: int = 0) -> Integers:
    """`real` as a number of `bits`."""
    return np.asarray(round(real * 2 ** (31 - bits)), np.int64)
