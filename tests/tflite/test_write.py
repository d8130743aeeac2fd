"""The files that we write: operators and versions, names, alignment, determinism, and int8 against float."""

from collections import Counter

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.metrics import snr_db
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import DENSE, VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.strangers.description import describe
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.tflite.int8 import write_int8
from efficientnet_lite.weights.read import load_weights

PLAN = make_plan(VARIANTS["lite0"], size=64, classes=5)


def random_layers(plan, seed=0):
    """Folded layers whose activations stay of one size; every tenth channel of the stem is dead."""
    random = np.random.default_rng(seed)
    parameters = {}
    for name, shape in plan.parameter_shapes().items():
        if name.endswith(("gamma", "moving_variance")):
            parameters[name] = random.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            inputs = shape[0] * shape[1] * (shape[2] if shape[-1] > 1 else 1) if len(shape) == 4 else shape[0]
            parameters[name] = (random.normal(0, 1, shape) * np.sqrt(2 / inputs)).astype(np.float32)
    parameters["stem/conv/moving_variance"][::10] = 0
    parameters["stem/conv/kernel"][..., ::10] = 1e-9
    parameters["stem/conv/beta"][::10] = 2
    return fold(plan, parameters)


@pytest.fixture(scope="module")
def layers():
    return random_layers(PLAN)


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(1)
    coarse = random.integers(0, 256, (24, 8, 8, 3), np.uint8)
    return list(coarse.repeat(8, axis=1).repeat(8, axis=2))


@pytest.fixture(scope="module")
def network(layers, images):
    return quantize(PLAN, layers, images, workers=2).network


def operators(data):
    return Counter((each.name, each.version) for each in check_model(data).operators)


def test_a_float_file_has_the_operators_of_the_stock_converter_and_two_scalar_ones():
    plan = make_plan(VARIANTS["lite0"])
    found = operators(write_float(plan, random_layers(plan)))

    assert found == {
        ("CONV_2D", 1): 33,
        ("DEPTHWISE_CONV_2D", 1): 16,
        ("ADD", 1): 9,
        ("AVERAGE_POOL_2D", 1): 1,
        ("FULLY_CONNECTED", 1): 1,
        ("SOFTMAX", 1): 1,
        ("MUL", 1): 1,
        ("SUB", 1): 1,
    }


def test_an_int8_file_has_versions_that_old_runtimes_know_and_no_float_operator(network):
    data = write_int8(PLAN, network)

    assert operators(data) == {
        ("CONV_2D", 3): 33,
        ("DEPTHWISE_CONV_2D", 3): 16,
        ("ADD", 2): 9,
        ("AVERAGE_POOL_2D", 2): 1,
        ("FULLY_CONNECTED", 4): 1,
        ("SOFTMAX", 2): 1,
        ("QUANTIZE", 1): 2,
    }
    assert describe(data).float_operators == 0
    assert describe(data).min_runtime == "1.14.0"


def test_the_int8_input_takes_pixels_as_they_are(network):
    (tensor,) = LiteRT(write_int8(PLAN, network)).inputs

    assert (tensor.name, tensor.dtype, tensor.scale, tensor.zero_point) == ("images", np.uint8, 1 / 128, 127)


@pytest.mark.parametrize(
    "outputs", [("probabilities",), ("logits",), ("features",), ("features", "probabilities")]
)
def test_outputs_have_the_public_names_and_shapes(layers, network, outputs):
    shapes = {"probabilities": (1, 5), "logits": (1, 5), "features": (1, 1280)}

    for data in (write_float(PLAN, layers, outputs=outputs), write_int8(PLAN, network, outputs=outputs)):
        checked = check_model(data)
        runner = LiteRT(data)
        assert [checked.tensors[index].name for index in checked.outputs] == list(outputs)
        assert [(tensor.name, tensor.shape) for tensor in runner.outputs] == [
            (name, shapes[name]) for name in outputs
        ]


def test_int8_input_and_output_give_the_same_codes_as_uint8(network, images):
    unsigned = LiteRT(write_int8(PLAN, network))(images[0][None])["probabilities"]
    signed = LiteRT(write_int8(PLAN, network, io="int8"))(
        (images[0].astype(np.int16) - 128).astype(np.int8)[None]
    )

    assert np.array_equal(unsigned.astype(np.int16) - 128, signed["probabilities"])


def test_constants_lie_at_multiples_of_16_bytes_and_bytes_are_the_same_twice(layers, network):
    for write, made in ((write_float, layers), (write_int8, network)):
        data = write(PLAN, made)

        assert describe(data).aligned
        assert data == write(PLAN, made)


def test_every_bias_has_the_product_of_the_scales(network):
    data = write_int8(PLAN, network)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = model.subgraphs[0]
    weighted = [each for each in graph.operators if len(each.inputs) == 3]

    assert len(weighted) == 50
    for operator in weighted:
        source, kernel, bias = (graph.tensors[index].quantization for index in operator.inputs)
        product = np.float64(source.scale[0]) * np.float64(kernel.scale)
        assert np.array_equal(np.float32(product), bias.scale)
        assert not np.any(kernel.zeroPoint)


def test_dead_channels_survive(layers, network):
    assert all(
        np.isfinite(layer.scales).all() and (layer.scales > 0).all() for layer in network.layers.values()
    )
    stem = network.layers["stem/conv"]
    assert not stem.kernel[..., ::10].any()  # weights of 1e-9 beside such a bias round to nothing,
    reals = stem.bias[::10] * stem.scales[::10].astype(np.float64) / 128
    assert np.allclose(reals, layers["stem/conv"].bias[::10], atol=0.01)  # and the bias stays what it was


def test_int8_of_the_official_weights_stays_near_float(shared):
    plan = make_plan(VARIANTS["lite0"], size=128)
    try:
        layers = fold(plan, load_weights(plan.variant).parameters)
    except WeightsMissing as error:
        pytest.skip(f"no weights of lite0: {error.fix}")
    paths = sorted((shared / "data/imagenet-300").glob("*.JPEG"))[:72]
    images = [prepare(path.read_bytes(), ["crop"], Contract(128), where=path).images[0] for path in paths]
    calibrating, others = images[::2], images[1::2]
    network = quantize(plan, layers, calibrating, workers=2).network
    parent = LiteRT(write_float(plan, layers, outputs=("logits",)))
    child = LiteRT(write_int8(plan, network, outputs=("logits",)))
    (output,) = child.outputs

    true = np.concatenate([parent(image[None] / np.float32(255))["logits"] for image in others])
    codes = np.concatenate([child(image[None])["logits"] for image in others])
    found = (codes.astype(np.float32) - output.zero_point) * np.float32(output.scale)

    assert snr_db(true, found) > 20  # measured 23.0; rounding alone, without the corrections, has 16


def test_quantizing_twice_gives_the_same_integers(layers, images, network):
    again = quantize(PLAN, layers, images, workers=1).network

    assert write_int8(PLAN, again) == write_int8(PLAN, network)


def test_data_of_another_size_or_type_are_refused():
    from efficientnet_lite.tflite.container import Graph

    with pytest.raises(ValueError, match="declared int8"):
        Graph().tensor("kernel", (2, 2), "int8", data=np.zeros(4, np.float32))


def test_a_missing_layer_is_a_key_error(layers):
    with pytest.raises(KeyError):
        write_float(PLAN, {name: layer for name, layer in layers.items() if name != DENSE})
    assert isinstance(layers[DENSE], Layer)
