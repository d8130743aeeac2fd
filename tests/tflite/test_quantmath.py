"""Scales and codes: edges that photos do not have and damaged weights do."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from efficientnet_lite.tflite import quantmath
from efficientnet_lite.tflite.quantmath import (
    INPUT_SCALE,
    RELU6_SCALE,
    SOFTMAX_SCALE,
    Scale,
    activation_scale,
)

TINY = float(np.finfo(np.float32).tiny)
reals = st.floats(-(2.0**100), 2.0**100, width=32)
codes = st.integers(-128, 127)


@given(low=reals, high=reals)
@example(0.0, 0.0)
@example(0.0, 1e-44)
@example(-1e-45, 0.0)
def test_every_range_has_a_normal_scale_that_is_a_float32(low, high):
    scale = activation_scale(min(low, high), max(low, high))

    assert scale.scale >= TINY
    assert float(np.float32(scale.scale)) == scale.scale
    assert -128 <= scale.zero_point <= 127


@pytest.mark.parametrize("scale", [INPUT_SCALE, RELU6_SCALE, SOFTMAX_SCALE, Scale(0.37, 5)])
def test_codes_survive_the_way_to_reals_and_back(scale):
    every = np.arange(-128, 128).astype(np.int8)

    assert np.array_equal(scale.codes(scale.reals(every)), every)


@given(real=st.floats(-1e6, 1e6, width=32), zero_point=codes)
def test_what_is_beyond_the_range_saturates(real, zero_point):
    scale = Scale(0.5, zero_point)
    (code,) = scale.codes(np.array([real], np.float32)).tolist()

    assert code == max(-128, min(127, round(real / 0.5) + zero_point))  # both round half to even


def test_relu6_covers_its_range_exactly():
    ends = RELU6_SCALE.reals(np.array([-128, 127], np.int8))

    assert ends.tolist() == pytest.approx([0, 6], abs=1e-6)


@given(st.lists(st.floats(-100, 100, width=32), min_size=6, max_size=6), st.floats(2**-10, 4, width=32))
def test_weights_round_to_half_a_step_and_use_their_whole_range(values, source):
    kernel = np.array(values, np.float32).reshape(1, 1, 3, 2)
    scales = quantmath.weight_scales(kernel, np.zeros(2, np.float32), source)
    found = quantmath.weight_codes(kernel, scales)

    assert np.abs(found * scales - kernel).max() <= 0.501 * scales.max()
    assert found.min() >= -127  # the symmetric range: -128 has no opposite
    for channel in range(2):
        if np.abs(kernel[..., channel]).max() > 1e-30:
            assert np.abs(found[..., channel]).max() == 127


@given(source=st.floats(2**-40, 2**20))
def test_the_smallest_scale_keeps_the_bias_scale_normal(source):
    smallest = quantmath.smallest_scale(source)

    assert smallest >= TINY
    assert smallest * source >= TINY * 0.999 or source > 1


def test_a_bias_that_cannot_be_represented_saturates_and_does_not_wrap():
    bias = np.array([1e30, -1e30], np.float32)

    assert quantmath.bias_codes(bias, np.ones(2, np.float32), 1.0).tolist() == [2**31 - 1, -(2**31) + 1]
