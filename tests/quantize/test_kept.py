"""What parts of an integer network gain in float: which steps to keep for it, and the figures."""

from dataclasses import replace

import numpy as np
import pytest
from rounded_network import coarse_images, float_tensors, random_layers, rounded_network

from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.plan import DENSE, VARIANTS, make_plan
from efficientnet_lite.network.step_names import steps_named
from efficientnet_lite.quantize.kept import gains, steps_for
from efficientnet_lite.quantize.network_part import NetworkPart
from efficientnet_lite.tflite.quantmath import activation_scale

PLAN = make_plan(VARIANTS["lite0"], size=32, classes=5)


@pytest.fixture(scope="module")
def layers():
    return random_layers(PLAN)


@pytest.fixture(scope="module")
def images():
    return coarse_images(PLAN)


@pytest.fixture(scope="module")
def tensors(layers, images):
    return float_tensors(PLAN, layers, images)


def gain(network, layers, images, tensors, *part):
    (found,) = gains(PLAN, network, layers, images, tensors[DENSE], [NetworkPart(*part)], workers=1)
    return found


def test_a_tensor_is_kept_by_its_maker_and_all_that_read_it():
    assert steps_for(PLAN, NetworkPart("activation", "stem/conv")) == ("stem/conv", "blocks_0/depthwise")
    assert steps_for(PLAN, NetworkPart("activation", "blocks_1/project")) == (
        "blocks_1/project",
        "blocks_2/expand",
        "blocks_2/add",
    )
    assert steps_for(PLAN, NetworkPart("activation", "head/conv")) == ("head/conv",)  # the pool follows
    assert steps_for(PLAN, NetworkPart("activation", DENSE)) == (DENSE,)
    assert steps_for(PLAN, NetworkPart("weights", "stem/conv")) == ("stem/conv",)


def test_a_tensor_with_few_codes_is_the_one_that_gains(layers, images, tensors):
    name = "blocks_5/expand"
    network = rounded_network(PLAN, layers, tensors, {name: activation_scale(0, 200)})  # 8 codes up to 6

    ruined = gain(network, layers, images, tensors, "activation", name)
    other = gain(network, layers, images, tensors, "activation", "blocks_9/expand")

    assert ruined.gain_db > 4
    assert abs(other.gain_db) < 1
    assert ruined.gain_16_bits_db == pytest.approx(ruined.gain_db, abs=0.02)
    assert ruined.keep_gain_db == pytest.approx(ruined.gain_db, abs=1.5)
    assert 0 <= ruined.agreement <= 1


def test_a_layer_with_few_codes_is_the_one_that_gains(layers, images, tensors):
    name = "blocks_5/project"
    network = rounded_network(PLAN, layers, tensors)
    made = network.layers[name]
    network.layers[name] = replace(made, kernel=(made.kernel // 32 * 32).astype(np.int8))

    ruined = gain(network, layers, images, tensors, "weights", name)
    other = gain(network, layers, images, tensors, "weights", "blocks_9/project")
    tensor = gain(network, layers, images, tensors, "activation", name)

    assert ruined.gain_db > 6
    assert abs(other.gain_db) < 1
    assert abs(tensor.gain_db) < 1  # its weights stay what they are
    assert tensor.keep_gain_db > 6  # of a file that keeps the layer and the one behind it


def test_the_logits_rounding_is_theirs_alone(layers, images, tensors):
    network = rounded_network(PLAN, layers, tensors, {DENSE: activation_scale(-30, 30)})

    found = [gain(network, layers, images, tensors, kind, DENSE) for kind in ("activation", "weights")]

    assert found[0].gain_db > 3 > 1 > abs(found[1].gain_db)
    assert found[1].keep_gain_db > 3  # the file gives float logits


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (["stem/conv"], ("stem/conv",)),
        (["head", "stem"], ("stem/conv", "head/conv", DENSE)),
        (["logits", DENSE], (DENSE,)),
        (["blocks_2"], ("blocks_2/expand", "blocks_2/depthwise", "blocks_2/project", "blocks_2/add")),
        (["features"], ("features",)),
    ],
)
def test_layers_are_named_as_the_plan_and_as_people_do(names, steps):
    assert steps_named(PLAN, names) == steps


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("block_3", "blocks_3"),
        ("blocks_3/depth", "blocks_3/depthwise"),
        ("stem/conv2d", "stem/conv"),
        ("head/desne", "head/dense"),
        ("blocks_77", "blocks_7"),
        ("", "layers are stem/conv"),
        ("x" * 10_000, "layers are stem/conv"),
    ],
)
def test_a_layer_that_is_not_there_gets_the_names_that_may_be_meant(name, near):
    with pytest.raises(UsageError) as failure:
        steps_named(PLAN, ["stem/conv", name])

    assert near in failure.value.fix
    assert len(str(failure.value)) < 600
