"""Scales with which all runtimes round alike: every accumulator near a half code, rounded in two ways."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rounded_network import coarse_images, float_tensors, random_layers, rounded_network

from efficientnet_lite.network.plan import VARIANTS, Add, make_plan
from efficientnet_lite.quantize.alike import alike_scales, alike_sums
from efficientnet_lite.tflite.fixed_point import factor
from efficientnet_lite.tflite.quantmath import RELU6_SCALE, Scale

PLAN = make_plan(VARIANTS["lite0"], size=32, classes=5)
octaves = st.floats(-10, 0)


def twice(accumulators, read, scales, made):
    """As the reference kernels round."""
    by = factor(read.scale * scales.astype(np.float64) / made.scale)
    return by.times(accumulators) + made.zero_point


def once(accumulators, read, scales, made):
    """As XNNPACK rounds: by a factor in float32, halves to even."""
    by = np.float32(read.scale) * scales / np.float32(made.scale)
    return np.rint(accumulators.astype(np.float32) * by).astype(int) + made.zero_point


def apart(scales, read, made):
    """Of each channel: how many accumulators become different codes in int8's range."""
    halves = np.arange(-256, 256)[:, None] + 0.5
    inverse = made.scale / (read.scale * scales.astype(np.float64))
    near = np.rint(halves * inverse).astype(np.int64)
    count = np.zeros(len(scales), int)
    for step in (-2, -1, 0, 1, 2):
        first, second = (way(near + step, read, scales, made).clip(-128, 127) for way in (twice, once))
        count += (first != second).sum(axis=0)
    return count


def drawn(seed, zero_point, octave):
    """Scales of 40 channels whose 1 / M is 6 to 4000, and of the two tensors."""
    random = np.random.default_rng(seed)
    read = Scale(float(np.float32(2.0**octave * random.uniform(1, 2))), -128)
    made = Scale(float(np.float32(random.uniform(0.001, 0.5))), zero_point)
    inverse = 2.0 ** random.uniform(np.log2(6), 12, 40)
    return (made.scale / (read.scale * inverse)).astype(np.float32), read, made


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), zero_point=st.integers(-128, 127), octave=octaves)
def test_no_accumulator_is_rounded_otherwise_by_another_runtime(seed, zero_point, octave):
    scales, read, made = drawn(seed, zero_point, octave)

    found = alike_scales(scales, read, made)

    assert found.dtype == np.float32
    assert not apart(found, read, made).any()
    assert apart(scales, read, made).sum() > 200  # as they were: several in every channel
    assert (found >= scales / 1.02).all()
    assert (found <= scales * 2).all()


def test_a_scale_moves_by_little_and_its_largest_weight_is_not_clipped():
    scales, read, made = drawn(0, -128, -4)
    inverse = made.scale / (read.scale * scales.astype(np.float64))
    usual = (inverse > 64) & (inverse < 1024)

    growth = alike_scales(scales, read, made)[usual] / scales[usual]

    assert growth.mean() < 1.015
    assert growth.min() > 1 / 1.005  # half a code


def test_dead_channels_and_the_coarsest_keep_their_scale():
    read, made = RELU6_SCALE, Scale(0.01, 0)
    scales = np.float32([made.scale / (read.scale * inverse) for inverse in (2.0**24, 2.0**17, 3.1, 0.5)])

    assert np.array_equal(alike_scales(scales, read, made), scales)


def test_scales_of_a_residual_group_are_whole_units_and_sums_lie_far_from_halves():
    layers = random_layers(PLAN)
    network = rounded_network(PLAN, layers, float_tensors(PLAN, layers, coarse_images(PLAN)))

    found = alike_sums(PLAN, network.tensors)

    codes = np.arange(-255, 256)
    sums = [step for step in PLAN.steps if isinstance(step, Add)]
    for step in sums:
        made, terms = found[step.name].scale, [found[step.source].scale, found[step.skip].scale]
        exact = codes[:, None] * (terms[0] / made) + codes * (terms[1] / made)
        from_half = np.abs(exact - np.floor(exact) - 0.5)
        assert from_half.min() > 1 / 600  # XNNPACK's factors have 20 bits: 1 / 4000 of a code
    for name, scale in found.items():
        assert scale.zero_point == network.tensors[name].zero_point
        assert scale.scale == pytest.approx(network.tensors[name].scale, rel=0.02)
