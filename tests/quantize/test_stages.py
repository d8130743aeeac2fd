"""The stages of quantization one by one: arithmetic, equalization, correction, and the way through the cache."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rounded_network import random_layers

from efficientnet_lite.metrics import snr_db
from efficientnet_lite.network import numpy_run
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.quantize import copied_channels, stored_network
from efficientnet_lite.quantize.activation_scales import (
    full_scales,
    least_noise_scale,
    least_noise_scales,
    noise,
)
from efficientnet_lite.quantize.compensation import compensated, nearest
from efficientnet_lite.quantize.copied_channels import copy_channels
from efficientnet_lite.quantize.factors import equalize
from efficientnet_lite.quantize.linear_tensors import residual_groups
from efficientnet_lite.quantize.method import Gain, Method, Quantized
from efficientnet_lite.quantize.moments import moments
from efficientnet_lite.quantize.observed import Observed, observe, with_costs
from efficientnet_lite.quantize.sensitivity import costs
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.tflite import quantmath
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork
from efficientnet_lite.tflite.quantmath import RELU6_SCALE, Scale, activation_scale

PLAN = make_plan(VARIANTS["lite0"], size=32, classes=None)
reals = st.floats(-1e4, 1e4, width=32)


@pytest.fixture(scope="module")
def layers():
    return random_layers(PLAN)


@pytest.fixture(scope="module")
def images():
    return list(np.random.default_rng(3).integers(0, 256, (10, 32, 32, 3), np.uint8))


@given(low=reals, high=reals)
def test_zero_has_an_exact_code_and_the_range_is_covered(low, high):
    low, high = min(low, high), max(low, high)
    scale = activation_scale(low, high)

    assert -128 <= scale.zero_point <= 127
    assert scale.reals(scale.codes(np.zeros(1, np.float32)))[0] == 0
    ends = np.array([min(low, 0), max(high, 0)], np.float32)
    assert np.abs(scale.reals(scale.codes(ends)) - ends).max() <= scale.scale * 1.01


@given(st.lists(reals, min_size=1, max_size=50))
def test_codes_are_within_half_a_step_inside_the_range(values):
    reals = np.array(values, np.float32)
    scale = activation_scale(float(reals.min()), float(reals.max()))

    inside = (reals >= (-128 - scale.zero_point) * scale.scale) & (
        reals <= (127 - scale.zero_point) * scale.scale
    )
    error = np.abs(scale.reals(scale.codes(reals)) - reals)
    assert np.all(error[inside] <= scale.scale * 0.501)


@given(
    weight=st.floats(0, 1e3, width=32),
    bias=st.floats(-1e3, 1e3, width=32),
    source=st.floats(2**-20, 8, width=32),
)
def test_no_bias_overflows_however_dead_its_channel(weight, bias, source):
    kernel, biases = np.full((1, 1, 4, 1), weight, np.float32), np.array([bias], np.float32)
    scales = quantmath.weight_scales(kernel, biases, source)
    codes = quantmath.bias_codes(biases, scales, source)

    assert np.all(scales > 0)
    assert abs(int(codes[0])) <= quantmath.BIAS_LIMIT * 1.001
    step = float(scales[0]) * source
    assert abs(float(codes[0]) * step - bias) <= 0.51 * step + 1e-6 * abs(bias)


def test_the_input_scale_is_exact():
    assert quantmath.INPUT_SCALE.scale == 1 / 128
    assert quantmath.INPUT_SCALE.zero_point + 128 == 127


def test_groups_are_what_additions_tie_together():
    groups = {frozenset(group) for group in residual_groups(PLAN)}

    assert frozenset({"blocks_0/project"}) in groups
    assert frozenset({"blocks_1/project", "blocks_2/project", "blocks_2/add"}) in groups
    assert sum(map(len, groups)) == len(set().union(*groups))  # no tensor is in two


def features(layers, images):
    x = (np.stack(images).astype(np.float32) - 127) / 128
    return numpy_run.run(PLAN.steps, layers, x)["features"].reshape(len(images), -1)


@pytest.fixture(scope="module")
def seen(layers, images):
    return with_costs(observe(PLAN, layers, images, workers=2), costs(PLAN, layers, images, workers=2))


def test_what_is_observed_is_what_numpy_computes(layers, images, seen):
    x = (np.stack(images).astype(np.float32) - 127) / 128
    tensors = numpy_run.run(PLAN.steps, layers, x)

    for name in ("stem/conv", "blocks_2/add", "blocks_3/depthwise"):
        pixels = tensors[name].reshape(-1, tensors[name].shape[-1])
        assert np.allclose(seen[name].high, pixels.max(0).clip(0), atol=1e-4)
        assert np.allclose(seen[name].low, pixels.min(0).clip(None, 0), atol=1e-4)
        assert np.allclose(seen[name].mean, pixels.mean(0), atol=1e-4)


@pytest.mark.parametrize("name", ["stem/conv", "blocks_1/depthwise", "blocks_4/add", "blocks_10/project"])
def test_noise_costs_what_was_said(layers, images, seen, name):
    """Noise put into a tensor moves the features by what one backward pass a photo foretells."""
    random, amount = np.random.default_rng(7), 1e-3
    x = (np.stack(images).astype(np.float32) - 127) / 128
    tensors = numpy_run.run(PLAN.steps, layers, x)
    steps = list(PLAN.steps)
    after = steps[[step.name for step in steps].index(name) + 1 :]
    moved = []
    for _ in range(8):
        noise = random.normal(0, amount, tensors[name].shape).astype(np.float32)
        if not name.endswith(("add", "project")):
            noise *= (tensors[name] > 0) & (tensors[name] < 6)
        again = dict(tensors) | {name: tensors[name] + noise}
        for step in after:
            again[step.name] = numpy_run.run_step(step, layers, again)
        moved.append(np.square(again["features"] - tensors["features"]).sum())
    power = np.square(tensors["features"]).sum()

    assert np.mean(moved) / power == pytest.approx(amount**2 * seen[name].cost.sum(), rel=0.35)


def test_changes_that_cost_less_leave_the_function(layers, images, seen):
    wide = {
        **layers,
        "blocks_2/expand": Layer(layers["blocks_2/expand"].kernel / 8, layers["blocks_2/expand"].bias),
    }
    looked = with_costs(
        observe(PLAN, wide, images, workers=2), {name: each.cost for name, each in seen.items()}
    )
    true = features(wide, images)

    even, after = equalize(PLAN, wide, looked)

    assert np.abs(features(even, images) - true).max() < 1e-4
    before, behind = (
        sum(noise(each[name], full_scales(PLAN, each)[name]) for name in residual_groups(PLAN)[1])
        for each in (looked, after)
    )
    assert behind < before


def test_dead_channels_become_copies_that_round_finer_together(layers, images, seen):
    kernel, bias = layers["blocks_1/expand"].kernel.copy() / 8, layers["blocks_1/expand"].bias.copy()
    kernel[..., :3], bias[:3] = 1e-6, -1
    dead = {**layers, "blocks_1/expand": Layer(kernel, bias)}
    looked = with_costs(
        observe(PLAN, dead, images, workers=2), {name: each.cost for name, each in seen.items()}
    )

    filled, after = copy_channels(PLAN, dead, looked)

    assert not looked["blocks_1/expand"].high[:3].any()
    assert after["blocks_1/expand"].high[:3].all()
    true, found = features(dead, images), features(filled, images)
    assert snr_db(true, found) > 45  # the shifts of copies show where ReLU6 clips alone


def test_shifted_copies_round_to_a_finer_step():
    places = np.array([0, 1, 0, 0, 1])
    shares, shifts = copied_channels.shared(places)
    values = np.random.default_rng(4).uniform(0.5, 5.5, (1000, 1))

    codes = np.rint(values + shifts)
    for source, times in ((0, 3), (1, 2)):
        mean = (codes * shares)[:, places == source].sum(axis=1)
        assert shifts[places == source].sum() == pytest.approx(0)
        assert np.abs(mean - values[:, 0]).max() <= 0.5 / times + 1e-6


def test_scales_let_an_outlier_saturate(seen):
    sample = np.random.default_rng(6).normal(0, 1, (400_000, 1)).astype(np.float32)
    sample[0] = 12
    low, high = sample.min(axis=0), sample.max(axis=0)
    one = np.ones(1, np.float32)
    tensor = Observed(low, high, 0 * one, sample, one)
    full, chosen = activation_scale(float(low[0]), 12), least_noise_scale(tensor, 1)

    assert chosen.scale < 0.9 * full.scale
    assert noise(tensor, chosen) < 0.9 * noise(tensor, full)
    assert least_noise_scale(tensor, 2).scale == pytest.approx(2 * chosen.scale)  # of few photos
    scales = least_noise_scales(PLAN, seen)
    assert scales["stem/conv"] == scales["features"] == scales["blocks_3/expand"] == RELU6_SCALE


@pytest.mark.parametrize("each_output", [False, True])
def test_rounding_that_compensates_loses_less_of_the_output(each_output):
    random = np.random.default_rng(2)
    inputs = random.normal(0, 1, (400, 9)) @ random.normal(0, 1, (9, 9))
    matrix = random.normal(0, 1, (9, 24)).astype(np.float32)
    scales = (np.abs(matrix).max(axis=0) / 7).astype(np.float32)
    covariance = inputs.T @ inputs / 400
    many = np.repeat(covariance[None], 24, axis=0) if each_output else covariance

    lost = [
        np.square(inputs @ (codes * scales - matrix)).sum()
        for codes in (compensated(matrix, scales, many), nearest(matrix, scales))
    ]

    assert lost[0] < 0.7 * lost[1]


def test_moments_are_those_of_the_inputs(layers, images, seen):
    found = moments(PLAN, layers, images, seen, workers=2)
    x = (np.stack(images).astype(np.float32) - 127) / 128
    tensor = numpy_run.run(PLAN.steps, layers, x)["blocks_6/add"]
    pixels = tensor.reshape(-1, tensor.shape[-1]).astype(float)  # of 2 x 2 pixels all are read

    read = found["blocks_7/expand"]
    assert np.allclose(read.mean, pixels.mean(0), atol=1e-4)
    assert np.allclose(read.covariance, np.cov(pixels.T, bias=True), atol=0.02)
    assert found["blocks_7/depthwise"].covariance.shape == (480, 9, 9)
    assert found["stem/conv"].covariance.shape == (27, 27)
    assert found["head/conv"].covariance is None  # 320 channels at 10 pixels


def test_every_stage_is_named_and_measured_in_its_order(layers, images):
    told = []
    made = quantize(PLAN, layers, images, workers=2, on_stage=told.append)

    assert tuple(told) == made.gains
    assert [gain.stage for gain in told] == [
        "nearest codes",
        "copied channels",
        "factors",
        "activation scales",
        "rounding",
    ]
    assert told[-1].snr_db > told[0].snr_db
    few = []
    quantize(
        PLAN, layers, images, method=Method(copied=False, rounding=False), workers=2, on_stage=few.append
    )
    assert [gain.stage for gain in few] == [
        "nearest codes",
        "factors",
        "activation scales",
    ]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("spoil", [0.0, 1.0])
def test_few_photos_and_dead_weights_give_a_network(layers, images, count, spoil):
    """Of zeros nothing can be divided; of one photo there is no covariance of features."""
    some = {name: Layer(layer.kernel * np.float32(spoil), layer.bias) for name, layer in layers.items()}

    made = quantize(PLAN, some, images[:count], workers=1)

    assert all(
        np.isfinite(layer.scales).all() and layer.scales.min() > 0 for layer in made.network.layers.values()
    )
    assert not made.network.layers["head/conv"].kernel.any() or spoil


def test_a_network_survives_the_cache_and_other_bytes_do_not(layers, images):
    made = quantize(PLAN, layers, images, workers=2)
    again = stored_network.from_bytes(stored_network.to_bytes(made))

    assert again is not None
    assert again.network.tensors == made.network.tensors
    assert again.gains == made.gains
    for name, layer in made.prepared.items():
        assert np.array_equal(again.prepared[name].kernel, layer.kernel)
        assert np.array_equal(again.prepared[name].bias, layer.bias)
    for name, layer in made.network.layers.items():
        assert np.array_equal(again.network.layers[name].kernel, layer.kernel)
        assert np.array_equal(again.network.layers[name].scales, layer.scales)
        assert np.array_equal(again.network.layers[name].bias, layer.bias)
    assert stored_network.from_bytes(b"no archive") is None
    assert stored_network.from_bytes(stored_network.to_bytes(made)[:-100]) is None
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED):  # dictionaries of 4 GB; a bomb
        assert stored_network.from_bytes(packed(stored_network.to_bytes(made), method)) is None


def packed(data, method):
    """The same archive, compressed, which we never do."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return stream.getvalue()


SMALL = stored_network.to_bytes(
    Quantized(
        IntegerNetwork(
            {"a": IntegerLayer(np.ones((1, 1, 2, 2), np.int8), np.ones(2, np.float32), np.ones(2, np.int32))},
            {"a": Scale(0.5, 1)},
        ),
        {"a": Layer(np.ones((1, 1, 2, 2), np.float32), np.zeros(2, np.float32))},
        (Gain("rounding", 20.0, 1.0),),
    )
)


@settings(max_examples=500)
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=3))
@example([(SMALL.index(b"PK\x01\x02") + 8, 1)])  # "encrypted"
@example([(SMALL.index(b"PK\x01\x02") + 10, 99)])  # another compression
def test_damaged_bytes_give_none_or_the_same_network(changes):
    data = bytearray(SMALL)
    for position, value in changes:
        data[position] = value

    found = stored_network.from_bytes(bytes(data))

    assert found is None or stored_network.to_bytes(found) == SMALL


def test_the_groups_of_lite0_by_hand():
    plan = make_plan(VARIANTS["lite0"])
    chains = [[0], [1, 2], [3, 4], [5, 6, 7], [8, 9, 10], [11, 12, 13, 14], [15]]  # blocks of one stage

    wanted = {
        frozenset([f"blocks_{b}/project" for b in chain] + [f"blocks_{b}/add" for b in chain[1:]])
        for chain in chains
    }
    assert {frozenset(group) for group in residual_groups(plan)} == wanted


def test_dead_channels_get_no_huge_factor(layers, images):
    dead = {
        **layers,
        "blocks_0/project": Layer(layers["blocks_0/project"].kernel.copy(), np.zeros(16, np.float32)),
    }
    dead["blocks_0/project"].kernel[..., 3] = 0

    even, _ = equalize(PLAN, dead, observe(PLAN, dead, images, workers=2))

    reading, before = (net["blocks_1/expand"].kernel[0, 0, 3] for net in (even, dead))
    assert np.abs(before / reading).max() < 1000
    assert not even["blocks_0/project"].kernel[..., 3].any()
