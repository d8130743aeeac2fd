"""The integers run in numpy: to the code what LiteRT's reference kernels give, on every layer and at every end."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference_kernels import differing
from rounded_network import coarse_images, float_tensors, random_layers, rounded_network

from efficientnet_lite.network.plan import DENSE, INPUT, POOLED, VARIANTS, Add, Conv, make_plan
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.container import Graph, Quantization
from efficientnet_lite.tflite.crossings import coded
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork, write_int8
from efficientnet_lite.tflite.integer_run import answers, conv_factor, dense, run_integers
from efficientnet_lite.tflite.integer_softmax import softmax_codes
from efficientnet_lite.tflite.quantmath import Scale

PLAN = make_plan(VARIANTS["lite0"], size=32, classes=5)
PER_CHANNEL = make_plan(VARIANTS["lite1"], size=48, classes=9)


@pytest.fixture(scope="module")
def images():
    return coarse_images(PLAN)


@pytest.fixture(scope="module")
def network(images):
    layers = random_layers(PLAN)
    return rounded_network(PLAN, layers, float_tensors(PLAN, layers, images))


def scattered(plan, seed):
    """Integers of no network: any codes, zero points to their limits, factors from 2**-14 to 2**3."""
    random = np.random.default_rng(seed)
    layers, tensors = {}, {}
    scales = {INPUT: Scale(1 / 128, -1)}
    for step in plan.steps:
        scale = float(np.float32(2.0 ** random.uniform(-8, -2)))
        zero_point = int(random.choice([-128, 127, *random.integers(-128, 128, 3)]))
        if isinstance(step, Conv) or step.name == DENSE:
            shape = step.kernel_shape if isinstance(step, Conv) else (step.inputs, step.outputs)
            reads = np.prod(shape[:2]) if isinstance(step, Conv) and step.depthwise else np.prod(shape[:-1])
            factor = 2.0 ** random.uniform(-2, 2, step.outputs) / (40 * np.sqrt(reads))
            factor[::7] = 2.0 ** random.uniform(-14, 3, len(factor[::7]))
            kernel = random.integers(-127, 128, shape).astype(np.int8)
            made = (factor * scale / scales[step.source].scale).astype(np.float32)
            bias = random.integers(-(2**14), 2**14, step.outputs).astype(np.int32)
            layers[step.name] = IntegerLayer(kernel, made, bias)
        elif isinstance(step, Add):  # a term may not be more than some octaves from the sum
            coarser = max(scales[step.source].scale, scales[step.skip].scale)
            scale = float(np.float32(coarser * 2.0 ** random.uniform(-3, 3)))
        elif step.name == POOLED:
            scale, zero_point = scales[step.source].scale, scales[step.source].zero_point
        scales[step.name] = tensors[step.name] = Scale(scale, zero_point)
    del tensors[plan.steps[-1].name]
    return IntegerNetwork(layers, tensors)


def test_every_tensor_has_the_codes_of_the_reference_kernels(network, images):
    tensors = run_integers(PLAN.steps, network, images[:1])

    assert differing(PLAN, network, tensors, images[:1]) == {}
    assert np.ptp(tensors[DENSE].astype(int)) > 50  # it computes something


@pytest.mark.parametrize(("plan", "seed"), [(PLAN, 0), (PLAN, 1), (PER_CHANNEL, 2)], ids=["0", "1", "2"])
def test_so_has_every_tensor_of_any_integers_whatever_their_scales_and_zero_points(plan, seed):
    network = scattered(plan, seed)
    pixels = np.random.default_rng(seed).integers(0, 256, (1, plan.size, plan.size, 3), np.uint8)

    assert differing(plan, network, run_integers(plan.steps, network, pixels), pixels) == {}


@pytest.mark.parametrize("scales", [1, 4000], ids=["one scale", "a scale a class"])
def test_a_dense_layer_of_many_classes_has_the_codes_of_the_reference_kernels(scales):
    random, classes = np.random.default_rng(scales), 4000
    read, made = Scale(float(np.float32(0.0235)), -128), Scale(float(np.float32(0.11)), 3)
    weights = (made.scale / read.scale * 2.0 ** random.uniform(-8, -6, scales)).astype(np.float32)
    kernel = random.integers(-127, 128, (64, classes)).astype(np.int8)
    layer = IntegerLayer(kernel, weights, random.integers(-3000, 3000, classes).astype(np.int32))
    codes = random.integers(-128, 20, (1, 1, 1, 64)).astype(np.int8)

    found = dense(codes, layer, read, made)

    assert np.array_equal(found, dense_by_litert(codes, layer, read, made))
    twice = run_twice(codes, layer, read, made)
    assert (twice != found).any()  # rounded as a convolution is, some would differ


def dense_by_litert(codes, layer, read, made):
    graph = Graph()
    taken = graph.tensor("x", codes.shape, "int8", quantization=coded(read, "int8"))
    products = (layer.scales.astype(np.float64) * read.scale).astype(np.float32)
    kernel = graph.tensor(
        "kernel",
        layer.kernel.T.shape,
        "int8",
        quantization=Quantization(layer.scales, 0, 0),
        data=layer.kernel.T,
    )
    bias = graph.tensor(
        "bias", layer.bias.shape, "int32", quantization=Quantization(products), data=layer.bias
    )
    given = graph.tensor("y", (1, len(layer.bias)), "int8", quantization=coded(made, "int8"))
    graph.operator(
        "FULLY_CONNECTED", [taken, kernel, bias], [given], schema.FullyConnectedOptionsT(), version=4
    )
    data = graph.finish(inputs={"x": taken}, outputs={"y": given}, description="dense")
    return LiteRT(data, kernels="reference")(codes)["y"]


def run_twice(codes, layer, read, made):
    total = (codes.reshape(1, -1).astype(np.int64) - read.zero_point) @ layer.kernel.astype(
        np.int64
    ) + layer.bias
    return (conv_factor(layer, read, made).times(total) + made.zero_point).clip(-128, 127)


@pytest.mark.parametrize("io", ["uint8", "int8", "float32"])
@pytest.mark.parametrize("outputs", [("probabilities",), ("logits", "features")])
def test_a_file_gives_the_same_at_its_ends(network, images, io, outputs):
    runner = LiteRT(write_int8(PLAN, network, outputs=outputs, io=io), kernels="reference")
    signed, unit = (images[:1].astype(int) - 128).astype(np.int8), images[:1] / np.float32(255)

    found, wanted = (
        runner({"uint8": images[:1], "int8": signed, "float32": unit}[io]),
        answers(PLAN, network, images[:1], outputs=outputs, io=io),
    )

    assert found.keys() == wanted.keys()
    for name, values in found.items():
        assert values.dtype == wanted[name].dtype
        assert np.array_equal(values, wanted[name]), name


def softmax_of(logits, scale):
    """Codes that LiteRT's reference kernel gives, and XNNPACK or what stands in for it."""
    graph = Graph()
    taken = graph.tensor("x", logits.shape, "int8", quantization=Quantization(np.float32([scale]), 3))
    made = graph.tensor("y", logits.shape, "int8", quantization=Quantization(np.float32([1 / 256]), -128))
    graph.operator("SOFTMAX", [taken], [made], schema.SoftmaxOptionsT(beta=1.0), version=2)
    data = graph.finish(inputs={"x": taken}, outputs={"y": made}, description="softmax")
    return [LiteRT(data, kernels=each)(logits)["y"] for each in ("reference", "xnnpack")]


@settings(max_examples=20, deadline=None)
@given(
    codes=st.lists(st.integers(-128, 127), min_size=2, max_size=300),
    scale=st.floats(2.0**-20, 4.0, width=32),
)
@example([127] * 250 + [-128] * 50, 0.1)
@example([-128, 127], 1.0)
@example([5, 5], 0.25)
def test_softmax_has_the_codes_of_the_reference_kernel_and_is_within_one_of_the_default(codes, scale):
    logits = np.int8([codes])  # LiteRT's reference kernel ends the process where exp sums up to 512

    found, (reference, default) = softmax_codes(logits, scale), softmax_of(logits, scale)

    assert np.array_equal(found, reference)
    assert np.abs(found.astype(int) - default).max() <= 1
