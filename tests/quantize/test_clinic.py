"""What int8 costs and where: a file's integers read back, the float network behind them, each part's noise alone."""

from dataclasses import replace

import numpy as np
import pytest

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.metrics import snr_db
from efficientnet_lite.network import numpy_run
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import DENSE, INPUT, POOLED, VARIANTS, Conv, Dense, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.quantize.clinic.float_twin import float_twin
from efficientnet_lite.quantize.clinic.integer_file import read_integers
from efficientnet_lite.quantize.clinic.substitution import centred_power, measure_noises, pieces
from efficientnet_lite.quantize.linear_tensors import residual_groups
from efficientnet_lite.quantize.network_part import NetworkPart
from efficientnet_lite.tflite.artifact import About, Form, float_artifact, int8_artifact
from efficientnet_lite.tflite.identity import Int8Identity
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork, write_int8
from efficientnet_lite.tflite.quantmath import (
    INPUT_SCALE,
    activation_scale,
    bias_codes,
    weight_codes,
    weight_scales,
)

PLAN = make_plan(VARIANTS["lite0"], size=32, classes=40)
CONTRACT = Contract(32)
STEM = "stem/conv"
DEAD, ALIVE = 3, 5  # channels of the stem
LABELS = tuple(f"class {number:02}" for number in range(40))


def about(*outputs):
    return About(CONTRACT, "f" * 64, "apache-2.0", outputs, labels=LABELS)


@pytest.fixture(scope="module")
def layers():
    """Random weights; one channel of the stem is dead."""
    random, found = np.random.default_rng(5), {}
    for step in PLAN.steps:
        if isinstance(step, Conv | Dense):
            shape = step.kernel_shape if isinstance(step, Conv) else (step.inputs, step.outputs)
            rows = np.prod(shape[:-1]) if not (isinstance(step, Conv) and step.depthwise) else step.kernel**2
            kernel = random.normal(0, np.sqrt(2 / rows), shape).astype(np.float32)
            found[step.name] = Layer(kernel, random.normal(0, 0.1, step.outputs).astype(np.float32))
    found[STEM].kernel[..., DEAD] *= 1e-6
    found[STEM].bias[DEAD] = -0.5
    return found


@pytest.fixture(scope="module")
def images():
    smooth = np.random.default_rng(3).integers(0, 256, (6, 4, 4, 3), np.uint8)
    return list(smooth.repeat(8, axis=1).repeat(8, axis=2))


@pytest.fixture(scope="module")
def tensors(layers, images):
    """Every tensor of the float network, in numpy."""
    return numpy_run.run(PLAN.steps, layers, (np.stack(images).astype(np.float32) - 127) / 128)


@pytest.fixture(scope="module")
def changed(layers):
    """The same function in another form: scaled linear groups, a stretched stem, the dead channel a copy."""
    random, new = (
        np.random.default_rng(8),
        {name: Layer(*map(np.copy, (each.kernel, each.bias))) for name, each in layers.items()},
    )
    for group in residual_groups(PLAN):
        channels = next(step.outputs for step in PLAN.convs if step.name in group)
        factors = np.exp(random.normal(0, 0.7, channels)).astype(np.float32)
        for step in PLAN.convs:
            layer = new[step.name]
            if step.name in group:
                new[step.name] = Layer(layer.kernel * factors, layer.bias * factors)
            elif step.source in group:
                new[step.name] = Layer(layer.kernel / factors[:, None], layer.bias)
    first, second, third = (new[name] for name in (STEM, "blocks_0/depthwise", "blocks_0/project"))
    constant = np.clip(second.bias[DEAD], 0, 6)
    third.bias[:] += constant * third.kernel[0, 0, DEAD]
    for layer, axis in ((first, -1), (second, -2)):
        np.moveaxis(layer.kernel, axis, 0)[DEAD] = np.moveaxis(layer.kernel, axis, 0)[ALIVE]
        layer.bias[DEAD] = layer.bias[ALIVE]
    third.kernel[0, 0, ALIVE] /= 2
    third.kernel[0, 0, DEAD] = third.kernel[0, 0, ALIVE]
    for channel, shift in ((DEAD, -0.25), (ALIVE, 0.25)):  # of a step, so that both round to a finer one
        first.bias[channel] += shift * 6 / 255
        second.bias[channel] += shift * 6 / 255 * (1 - second.kernel[..., channel, 0].sum())
    stretch = np.linspace(
        1.0, 0.7, 32, dtype=np.float32
    )  # less than 1: nothing reaches 6 that did not before
    new[STEM] = Layer(first.kernel * stretch, first.bias * stretch)
    new["blocks_0/depthwise"] = Layer(second.kernel / stretch[:, None], second.bias)
    return new


@pytest.fixture(scope="module")
def network(changed, tensors, images):
    """`changed` rounded to the nearest integers."""
    values = numpy_run.run(PLAN.steps, changed, tensors[INPUT])
    scales = {
        step.name: activation_scale(float(values[step.name].min()), float(values[step.name].max()))
        for step in PLAN.steps[:-1]
    }
    scales[INPUT], scales[POOLED] = INPUT_SCALE, scales["head/conv"]  # no pool changes its scale
    integers = {}
    for step in PLAN.steps:
        if isinstance(step, Conv | Dense):
            layer, source = changed[step.name], scales[step.source].scale
            kernel = layer.kernel[..., 0] if isinstance(step, Conv) and step.depthwise else layer.kernel
            own = weight_scales(kernel, layer.bias, source)
            integers[step.name] = IntegerLayer(
                weight_codes(kernel, own).reshape(layer.kernel.shape),
                own,
                bias_codes(layer.bias, own, source),
            )
    return IntegerNetwork(integers, scales)


@pytest.mark.parametrize("io", ["uint8", "int8", "float32"])
@pytest.mark.parametrize("outputs", [("probabilities",), ("logits", "features")])
def test_what_was_written_is_read_back_to_the_code(network, io, outputs):
    data = int8_artifact(PLAN, network, about(*outputs), Form("int8", io))
    found = read_integers(data, where="x.tflite")

    assert found.plan == PLAN
    assert found.network.tensors == network.tensors
    for name, layer in network.layers.items():
        for part in ("kernel", "scales", "bias"):
            assert np.array_equal(getattr(found.network.layers[name], part), getattr(layer, part)), name


def test_a_file_that_is_not_int8_or_not_ours_is_refused(layers, network):
    with pytest.raises(ArtifactError, match="the file is float32"):
        read_integers(float_artifact(PLAN, layers, about("logits")), where="x.tflite")
    with pytest.raises(ArtifactError, match="not one that `export` or `train`"):
        read_integers(write_int8(PLAN, network), where="x.tflite")
    mixed = replace(about("logits"), quantization=Int8Identity("standard", "2", 100, "0" * 64, kept=(STEM,)))
    with pytest.raises(ArtifactError, match=f"layers compute in float.*{STEM}"):
        read_integers(int8_artifact(PLAN, network, mixed), where="x.tflite")
    data = int8_artifact(PLAN, network, about("logits"))
    assert data.count(b'"variant":"lite0"') == 1
    with pytest.raises(ArtifactError, match="not the one that its metadata name"):
        read_integers(data.replace(b'"variant":"lite0"', b'"variant":"lite1"'), where="x.tflite")


def test_the_float_network_behind_the_integers_is_found_whatever_its_form(layers, changed, network, tensors):
    twin = float_twin(PLAN, layers, network)

    logits = numpy_run.run(PLAN.steps, twin, tensors[INPUT])[DENSE]
    assert snr_db(tensors[DENSE], logits) > 45  # int8 itself has 20 to 26
    for name in (STEM, "blocks_0/depthwise", "blocks_0/project", "blocks_5/expand"):
        assert np.allclose(twin[name].kernel, changed[name].kernel, rtol=0.03, atol=1e-3), name


@pytest.fixture(scope="module")
def twin(layers, network):
    return float_twin(PLAN, layers, network)


@pytest.fixture(scope="module")
def noises(twin, network, images):
    return measure_noises(PLAN, twin, network, images, workers=1)


def test_each_part_alone_and_all_together_add_up(noises, tensors):
    parts = {NetworkPart("weights", step.name) for step in PLAN.steps if isinstance(step, Conv | Dense)}
    parts |= {NetworkPart("activation", step.name) for piece in pieces(PLAN) for step in piece.steps}
    assert set(noises.alone) == parts
    for kind, together in (("weights", noises.weights), ("activation", noises.activations)):
        alone = sum(power.sum() for part, power in noises.alone.items() if part.kind == kind)
        assert alone == pytest.approx(together.sum(), rel=0.5), kind
    assert noises.signal == pytest.approx(centred_power(tensors[DENSE]), rel=0.01)


@pytest.mark.parametrize("name", ["blocks_15/project", "head/conv", POOLED, DENSE])
def test_a_part_alone_is_what_numpy_says_of_it(noises, twin, network, tensors, name):
    true = numpy_run.run(PLAN.steps, twin, tensors[INPUT])
    scale = network.tensors[name]
    after = {**true, name: scale.reals(scale.codes(true[name]))}
    place = [step.name for step in PLAN.steps].index(name)
    for step in PLAN.steps[place + 1 : -1]:
        own = [replace(step, source=INPUT)]
        after[step.name] = numpy_run.run(own, twin, after[step.source])[step.name]

    expected = centred_power(after[DENSE] - true[DENSE])
    # at a tie the last digit of a float decides between two codes
    assert noises.alone[NetworkPart("activation", name)] == pytest.approx(expected, rel=0.15)
