"""A real factor as an int32 and a power of two, and integers multiplied by it: how runtimes without floats requantize.

Every operation is that of LiteRT's reference kernels, to the bit. Pure; arrays are int64 and hold int32 values.

Source: TensorFlow Lite, kernels/internal/quantization_util.cc (`QuantizeMultiplier`) and common.h
(`MultiplyByQuantizedMultiplier`, with and without TFLITE_SINGLE_ROUNDING); gemmlowp, fixedpoint.h
(`SaturatingRoundingDoublingHighMul`, `RoundingDivideByPOT`).
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Integers: TypeAlias = npt.NDArray[np.int64]
Reals: TypeAlias = npt.NDArray[np.float64]

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True)
class Factor:
    """significand / 2**31 * 2**shift, where the significand has all 31 bits: 2**30 to 2**31 - 1, or it is 0."""

    significand: Integers
    shift: Integers

    def times(self, values: Integers) -> Integers:
        """`values` times the factor, rounded twice: to the high word of the product, then by the shift.

        Halves go up in the first rounding and away from 0 in the second, so a product within 2**-31 of a
        half may go to the other side of it than it would if it were rounded once.
        """
        shifted = wrapped(values << np.maximum(self.shift, 0))
        return rounding_shift(high_product(shifted, self.significand), np.maximum(-self.shift, 0))

    def times_once(self, values: Integers) -> Integers:
        """`values` times the factor, rounded once, halves up; FULLY_CONNECTED alone does so."""
        bits = 31 - self.shift
        product: Integers = (values * self.significand + (np.int64(1) << (bits - 1))) >> bits
        return product


def factor(real: Any) -> Factor:
    """The nearest `Factor` to each real number, at least 0 and below 2**31; below 2**-32 it is 0."""
    fraction, shift = np.frexp(np.asarray(real, np.float64))
    significand = half_away(fraction * 2.0**31).astype(np.int64)
    full = significand == 2**31
    significand, shift = np.where(full, 2**30, significand), shift + full
    gone = shift < -31
    return Factor(np.where(gone, 0, significand), np.where(gone, 0, shift).astype(np.int64))


def half_away(real: Reals) -> Reals:
    """The nearest whole number, halves away from 0: C's `round`."""
    whole = np.trunc(real)
    rounded: Reals = whole + np.where(np.abs(real - whole) >= 0.5, np.sign(real), 0)
    return rounded


def wrapped(values: Integers) -> Integers:
    """What an int32 register holds of them."""
    return (values + 2**31) % 2**32 - 2**31


def high_product(left: Integers, right: Integers) -> Integers:
    """left * right / 2**31, rounded to the nearest, halves up; the one product that is too large saturates."""
    product = left * right
    nudged = product + np.where(product >= 0, 2**30, 1 - 2**30)
    quotient = np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31))  # towards 0, as C divides
    return np.minimum(quotient, INT32_MAX)


def rounding_shift(values: Integers, bits: Any) -> Integers:
    """values / 2**bits, rounded to the nearest, halves away from 0; `bits` 0 to 31."""
    mask = (np.int64(1) << np.asarray(bits, np.int64)) - 1
    threshold = (mask >> 1) + (values < 0)
    shifted: Integers = (values >> bits) + ((values & mask) > threshold)
    return shifted
