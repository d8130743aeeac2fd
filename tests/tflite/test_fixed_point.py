"""Requantization in integers against exact rational numbers."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from efficientnet_lite.tflite.fixed_point import factor, half_away, high_product, rounding_shift, wrapped

int32s = st.integers(-(2**31), 2**31 - 1)
HALF = Fraction(1, 2)


def away(exact):
    """The nearest whole number, halves away from 0."""
    return floor(exact + HALF) if exact >= 0 else -floor(-exact + HALF)


@settings(max_examples=40, deadline=None)
@given(left=int32s, right=int32s)
@example(-(2**31), -(2**31))
@example(1, 2**30)
@example(-1, 2**30)
def test_a_high_product_is_the_rounded_one_halves_up_and_the_largest_saturates(left, right):
    (found,) = high_product(np.int64([left]), np.int64([right]))

    assert found == min(floor(Fraction(left * right, 2**31) + HALF), 2**31 - 1)


@settings(max_examples=40, deadline=None)
@given(value=int32s, bits=st.integers(0, 31))
@example(-3, 1)
@example(3, 1)
def test_a_rounding_shift_is_the_rounded_quotient_halves_away_from_0(value, bits):
    (found,) = rounding_shift(np.int64([value]), bits)

    assert found == away(Fraction(value, 2**bits))


@settings(max_examples=40, deadline=None)
@given(real=st.floats(2.0**-32, 2.0**30))
@example(0.5)
@example(1 - 2.0**-40)
@example(1.0)
def test_a_factor_has_31_bits_of_the_real_number(real):
    found = factor(real)

    exact = Fraction(int(found.significand), 2**31) * Fraction(2) ** int(found.shift)
    assert 2**30 <= found.significand < 2**31
    assert abs(exact - Fraction(real)) <= Fraction(real) / 2**31


@pytest.mark.parametrize("real", [0.0, 2.0**-33, 1e-300])
def test_a_factor_below_the_smallest_is_0(real):
    assert factor(real).times(np.int64([2**31 - 1])) == 0


@settings(max_examples=40, deadline=None)
@given(real=st.floats(2.0**-20, 0.999), value=st.integers(-(2**24), 2**24))
def test_a_product_is_rounded_to_a_whole_number_and_then_by_the_shift(real, value):
    by = factor(real)
    (found,) = by.times(np.int64([value]))

    once = floor(Fraction(value * int(by.significand), 2**31) + HALF)
    assert found == away(Fraction(once) * Fraction(2) ** int(by.shift))
    assert abs(found - value * Fraction(real)) <= HALF + HALF * Fraction(2) ** int(by.shift) + Fraction(
        1, 2**6
    )


def test_a_product_just_below_a_half_is_rounded_up_as_it_is_rounded_twice():
    by = factor(0.75 * 2.0**-3)

    assert by.times(np.int64([5])) == 1  # 0.469: first 3.75 to 4, then 0.5 to 1
    assert by.times(np.int64([-5])) == -1


@settings(max_examples=40, deadline=None)
@given(real=st.floats(-(2.0**40), 2.0**40))
@example(0.49999999999999994)
@example(-2.5)
def test_halves_go_away_from_0(real):
    assert half_away(np.float64(real)) == away(Fraction(real))


@settings(max_examples=40, deadline=None)
@given(value=st.integers(-(2**40), 2**40))
def test_a_register_of_32_bits_wraps(value):
    assert wrapped(np.int64(value)) == np.int64(value).astype(np.int32)


@settings(max_examples=40, deadline=None)
@given(real=st.floats(2.0**-20, 0.999), value=st.integers(-(2**24), 2**24))
@example(0.5, -1)
def test_a_product_that_is_rounded_once_is_the_nearest_halves_up(real, value):
    by = factor(real)

    exact = Fraction(value * int(by.significand), 2**31) * Fraction(2) ** int(by.shift)
    assert by.times_once(np.int64([value])) == floor(exact + HALF)
