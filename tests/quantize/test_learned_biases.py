"""Biases learned behind the closed form: what changes, what does not, and when nothing is taken."""

import numpy as np
import pytest
from rounded_network import random_layers

from efficientnet_lite.metrics import snr_db
from efficientnet_lite.network.plan import DENSE, POOLED, VARIANTS, make_plan
from efficientnet_lite.quantize.learned import biases
from efficientnet_lite.quantize.method import Method
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork, write_int8

pytest.importorskip("tensorflow", reason="the extra [train]: make test-all")

PLAN = make_plan(VARIANTS["lite0"], size=64, classes=10)


@pytest.fixture(scope="module")
def images():
    coarse = np.random.default_rng(3).integers(0, 256, (24, 8, 8, 3), np.uint8)
    return list(coarse.repeat(8, axis=1).repeat(8, axis=2))


@pytest.fixture(scope="module")
def layers():
    return random_layers(PLAN)


@pytest.fixture(scope="module")
def network(layers, images):
    return quantize(PLAN, layers, images, workers=1).network


def damaged(network, steps):
    """The same with the classes' biases off by `steps` of the logits, up and down in turn."""
    layer, source = network.layers[DENSE], network.tensors[POOLED].scale
    off = np.tile([steps, -steps], 5) * network.tensors[DENSE].scale / (layer.scales * source)
    bias = (layer.bias + np.rint(off)).astype(np.int32)
    return IntegerNetwork(
        {**network.layers, DENSE: IntegerLayer(layer.kernel, layer.scales, bias)}, network.tensors
    )


def nearness(network, layers, images):
    true, found = (
        LiteRT(write_float(PLAN, layers, outputs=("logits",))),
        LiteRT(write_int8(PLAN, network, outputs=("logits",), io="float32")),
    )
    reals = [image[None] / np.float32(255) for image in images]
    return snr_db(*(np.concatenate([each(real)["logits"] for real in reals]) for each in (true, found)))


def test_biases_that_are_off_are_found_again_and_nothing_else_changes(layers, network, images, monkeypatch):
    monkeypatch.setattr(biases, "RATE", 0.1)
    monkeypatch.setattr(biases, "STEPS", 40)
    monkeypatch.setattr(biases, "AVERAGE", 0.8)
    bad, seen = damaged(network, 8), []
    found = biases.learned_biases(
        PLAN, layers, bad, images, workers=1, on_progress=lambda *now: seen.append(now)
    )

    assert nearness(found, layers, images) > nearness(bad, layers, images) + 1
    assert seen == [(number + 1, 40) for number in range(40)]
    assert found.tensors == bad.tensors
    for name, layer in bad.layers.items():
        np.testing.assert_array_equal(found.layers[name].kernel, layer.kernel)
        np.testing.assert_array_equal(found.layers[name].scales, layer.scales)
    again = biases.learned_biases(PLAN, layers, bad, images, workers=1)
    for name, layer in found.layers.items():
        np.testing.assert_array_equal(again.layers[name].bias, layer.bias)


def test_what_makes_photos_kept_back_worse_is_not_taken(layers, network, images, monkeypatch):
    monkeypatch.setattr(biases, "RATE", 50.0)
    monkeypatch.setattr(biases, "STEPS", 2)

    assert biases.learned_biases(PLAN, layers, network, images, workers=1) is network


def test_the_best_effort_learns_behind_the_last_stage(layers, images, monkeypatch):
    monkeypatch.setattr(biases, "STEPS", 2)
    stages, seen = [], []
    method = Method(effort="best")
    quantize(
        PLAN,
        layers,
        images,
        method=method,
        workers=1,
        on_stage=lambda gain: stages.append(gain.stage),
        on_progress=lambda *now: seen.append(now),
    )

    assert stages[-2:] == ["logits range", "learned biases"]
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    assert len({total for _, total in seen}) == 1
