"""The integer network as a TensorFlow function: what it gives is what the written file gives, and it has gradients."""

import numpy as np
import pytest
from rounded_network import random_layers

from efficientnet_lite.network.plan import DENSE, VARIANTS, Conv, make_plan
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.int8 import write_int8
from efficientnet_lite.tflite.quantmath import Scale

tf = pytest.importorskip("tensorflow", reason="the extra [train]: make test-all")

PLAN = make_plan(VARIANTS["lite0"], size=64, classes=10)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).integers(0, 256, (8, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def network(images):
    return quantize(PLAN, random_layers(PLAN), list(images), workers=1).network


def codes_of_the_file(network, images):
    runner = LiteRT(write_int8(PLAN, network, outputs=("logits",), io="int8"))
    return np.concatenate(
        [runner((image[None].astype(np.int16) - 128).astype(np.int8))["logits"] for image in images]
    )


def simulated(network, images):
    from efficientnet_lite.quantize.learned.simulation import Simulation

    simulation = Simulation(PLAN, network)
    codes = tf.function(simulation.codes)(tf.constant(images))[DENSE].numpy()
    return simulation, codes + network.tensors[DENSE].zero_point


def test_it_gives_what_the_written_file_gives(network, images):
    simulation, codes = simulated(network, images)
    file = codes_of_the_file(network, images)

    assert np.ptp(file.astype(int)) > 100
    assert (codes == file).mean() > 0.99  # 1.0 with XNNPACK on x86; other kernels round ties otherwise
    again = simulation.network()
    for name, layer in network.layers.items():
        for part in ("kernel", "scales", "bias"):
            np.testing.assert_array_equal(getattr(again.layers[name], part), getattr(layer, part))
    assert again.tensors == network.tensors


def test_a_changed_tensor_scale_is_computed_with_and_written_down(network, images):
    from efficientnet_lite.quantize.learned.simulation import Simulation

    simulation = Simulation(PLAN, network)
    for step in PLAN.steps:
        if isinstance(step, Conv):
            simulation.variables[f"{step.name}/gain"].assign(0.875)
    changed = simulation.network()
    codes = simulation.codes(tf.constant(images))[DENSE].numpy() + network.tensors[DENSE].zero_point

    before, after = network.tensors["stem/conv"], changed.tensors["stem/conv"]
    assert after == Scale(float(np.float32(before.scale) * np.float32(0.875)), before.zero_point)
    assert (codes == codes_of_the_file(changed, images)).mean() > 0.99
    assert (codes != codes_of_the_file(network, images)).any()


def test_every_variable_has_a_gradient(network, images):
    from efficientnet_lite.quantize.learned.simulation import Simulation

    simulation = Simulation(PLAN, network)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(simulation.logits(tf.constant(images)) - 1))
    gradients = tape.gradient(loss, simulation.variables)

    assert all(np.abs(gradient).max() > 0 for gradient in gradients.values())
    bias = simulation.variables[f"{DENSE}/bias"]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(simulation.logits(tf.constant(images)))
    slope = tape.gradient(loss, bias).numpy()
    step = network.tensors[DENSE].scale
    # A step of a class's bias is one of its logit, but for the photos whose logit saturates.
    np.testing.assert_allclose([np.median(slope), slope.max()], step / 10, rtol=1e-4)
    assert slope.min() > 0
