"""The stages of quantization one by one: arithmetic, equalization, correction, and the way through the cache."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from efficientnet_lite.network import numpy_run
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.quantize import stored_network
from efficientnet_lite.quantize.activations import choose_scales, measure
from efficientnet_lite.quantize.correct import correct, segments
from efficientnet_lite.quantize.equalize import equalize, residual_groups
from efficientnet_lite.quantize.stages import Gain, Quantized, quantize
from efficientnet_lite.tflite import quantmath
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork
from efficientnet_lite.tflite.quantmath import RELU6_SCALE, Scale, activation_scale

PLAN = make_plan(VARIANTS["lite0"], size=32, classes=None)
reals = st.floats(-1e4, 1e4, width=32)


def random_layers(seed=0):
    random = np.random.default_rng(seed)
    layers = {}
    for step in PLAN.convs:
        inputs = step.kernel**2 * (1 if step.depthwise else step.inputs)
        kernel = random.normal(0, np.sqrt(2 / inputs), step.kernel_shape).astype(np.float32)
        layers[step.name] = Layer(kernel, random.normal(0, 0.1, step.outputs).astype(np.float32))
    return layers


@pytest.fixture(scope="module")
def layers():
    return random_layers()


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


def test_equalizing_changes_ranges_and_not_the_function(layers, images):
    activations = measure(PLAN, layers, images, workers=2)
    even, after = equalize(PLAN, layers, activations)
    x = (images[0][None].astype(np.float32) - 127) / 128

    before = numpy_run.run(PLAN.steps, layers, x)["features"]
    assert np.abs(numpy_run.run(PLAN.steps, even, x)["features"] - before).max() < 1e-4
    assert any(np.any(even[name].kernel != layers[name].kernel) for name in layers)
    name = "blocks_2/add"
    spread = [np.ptp(np.log(np.maximum(-each.low, each.high))) for each in (activations[name], after[name])]
    assert spread[1] < spread[0]


def test_relu6_tensors_have_their_whole_range(layers, images):
    scales = choose_scales(PLAN, measure(PLAN, layers, images, workers=2))

    assert scales["stem/conv"] == scales["features"] == RELU6_SCALE


def test_segments_are_the_whole_network_in_order():
    parts = list(segments(PLAN))

    assert [step for _, steps in parts for step in steps] == list(PLAN.steps[:-1])  # all but the pool
    assert len(parts) == 17
    for source, steps in parts[1:]:
        assert {step.source for step in steps} - {step.name for step in steps} == {source}


def test_what_is_not_rounded_is_not_corrected(layers, images):
    corrections = correct(PLAN, layers, layers, images[:4], workers=2)

    for name, correction in corrections.items():
        assert np.allclose(correction.gain, 1, atol=1e-3), name
        assert np.allclose(correction.bias, layers[name].bias, atol=1e-4), name


def test_corrected_channels_have_their_means_back(layers, images):
    random = np.random.default_rng(5)
    rounded = {
        name: Layer(layer.kernel + random.normal(0, 0.02, layer.kernel.shape).astype(np.float32), layer.bias)
        for name, layer in layers.items()
    }
    corrections = correct(PLAN, layers, rounded, images, workers=2)
    mended = {}
    for step in PLAN.convs:
        correction, kernel = corrections[step.name], rounded[step.name].kernel
        gain = correction.gain[:, None] if step.depthwise else correction.gain
        mended[step.name] = Layer(kernel * gain, correction.bias)
    x = (np.stack(images).astype(np.float32) - 127) / 128
    tensors = [numpy_run.run(PLAN.steps, net, x) for net in (layers, rounded, mended)]
    means = [net["blocks_5/project"].mean(axis=(0, 1, 2)) for net in tensors]

    assert np.abs(means[2] - means[0]).max() < 0.2 * np.abs(means[1] - means[0]).max()


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

    even, _ = equalize(PLAN, dead, measure(PLAN, dead, images, workers=2))

    reading, before = (net["blocks_1/expand"].kernel[0, 0, 3] for net in (even, dead))
    assert np.allclose(before / reading, 1000**0.5, rtol=1e-4)  # as for a thousandth of the largest
    assert not even["blocks_0/project"].kernel[..., 3].any()
