"""int8 files in which some steps stay float: where they cross over, what they are called, what they compute."""

from collections import Counter

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from rounded_network import coarse_images, float_tensors, random_layers, rounded_network

from efficientnet_lite.metrics import softmax
from efficientnet_lite.network.plan import DENSE, VARIANTS, make_plan
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.strangers.description import describe
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.tflite.int8 import write_int8

PLAN = make_plan(VARIANTS["lite0"], size=32, classes=5)
NAMES = [step.name for step in PLAN.steps]


@pytest.fixture(scope="module")
def layers():
    return random_layers(PLAN)


@pytest.fixture(scope="module")
def images():
    return coarse_images(PLAN)


@pytest.fixture(scope="module")
def tensors(layers, images):
    return float_tensors(PLAN, layers, images)


@pytest.fixture(scope="module")
def network(layers, tensors):
    return rounded_network(PLAN, layers, tensors)


def kept_of(names, layers):
    return {name: layers.get(name) for name in names}


def reals_of(data, images):
    """What the file of any batch gives for them, as reals, (N, C)."""
    runner = LiteRT(data, batch=len(images))
    (output,) = runner.outputs
    return output.reals(runner(images)[output.name])


def written(network, **options):
    return write_int8(PLAN, network, any_batch=True, **options)


def distance(data, images, true):
    """Root of the mean squared error of its logits."""
    return float(np.sqrt(np.square(reals_of(data, images) - true).mean()))


def crossings(data):
    return Counter(
        each.name for each in check_model(data).operators if each.name in ("QUANTIZE", "DEQUANTIZE")
    )


def types(data):
    """Operator -> types of what it reads first and makes first."""
    model = check_model(data)
    return {
        model.tensors[each.outputs[0]].name: (
            model.tensors[each.inputs[0]].dtype,
            model.tensors[each.outputs[0]].dtype,
        )
        for each in model.operators
    }


@pytest.mark.parametrize(
    ("names", "quantize", "dequantize"),
    [
        ((), 2, 0),  # raw pixels to int8, int8 to raw probabilities
        (("stem/conv",), 2, 1),  # the pixels become reals at once
        (("blocks_3/depthwise",), 3, 1),
        (("blocks_3/expand", "blocks_3/depthwise"), 3, 1),  # float in between
        (("blocks_2/expand", "blocks_2/depthwise", "blocks_2/project", "blocks_2/add"), 3, 1),
        (("head/conv",), 3, 1),  # the pool behind it stays float; its vector becomes codes
        (("head/conv", DENSE), 2, 1),  # and so does all to the end, where the probabilities become codes
        ((DENSE,), 2, 1),
        (NAMES, 0, 1),
    ],
)
def test_a_file_crosses_over_only_where_it_must(layers, network, names, quantize, dequantize):
    data = write_int8(PLAN, network, kept=kept_of(names, layers))

    assert crossings(data) == Counter(QUANTIZE=quantize, DEQUANTIZE=dequantize)


@settings(max_examples=8)
@given(
    names=st.sets(st.sampled_from(NAMES)),
    io=st.sampled_from(["uint8", "int8", "float32"]),
    output=st.sampled_from(["probabilities", "logits", "features"]),
)
def test_any_steps_may_be_kept(layers, network, names, io, output):
    data = write_int8(PLAN, network, kept=kept_of(names, layers), io=io, outputs=[output])

    model = check_model(data)  # what we open must be what we write
    LiteRT(data)
    assert len({tensor.name for tensor in model.tensors}) == len(model.tensors)
    assert describe(data).aligned
    kept = {"logits": DENSE}.get(output, output) in names
    assert model.tensors[model.outputs[0]].dtype == ("float32" if kept else io)
    assert model.tensors[model.inputs[0]].dtype == io


@settings(max_examples=8)
@given(names=st.sets(st.sampled_from(NAMES)))
def test_answers_are_no_farther_from_float_than_those_of_int8(layers, network, tensors, images, names):
    files = [written(network, kept=kept_of(each, layers), outputs=["logits"]) for each in (names, (), NAMES)]
    mixed, int8, float32 = (distance(data, images, tensors[DENSE]) for data in files)

    assert float32 < 1e-4  # with every step kept it is the float network
    assert mixed <= 1.5 * int8  # roundings that are left no longer cancel by chance


def test_kept_layers_are_those_that_are_given(layers, network, images):
    """The head kept, all before it in integers: the float head on the features of the codes."""
    features = reals_of(written(network, outputs=["features"]), images)
    found = reals_of(written(network, kept={DENSE: layers[DENSE]}, outputs=["logits"]), images)

    assert np.abs(found - (features @ layers[DENSE].kernel + layers[DENSE].bias)).max() < 1e-4


def test_additions_stay_float_between_kept_convolutions_alone(layers, network):
    one = write_int8(PLAN, network, kept=kept_of(["blocks_2/project"], layers))
    block = [name for name in NAMES if name.startswith(("blocks_1/", "blocks_2/"))]
    all_of_it = write_int8(PLAN, network, kept=kept_of([each for each in block if "add" not in each], layers))

    assert types(one)["blocks_2/add/int8"] == ("int8", "int8")
    assert types(all_of_it)["blocks_2/add/float32"] == ("float32", "float32")


def test_probabilities_behind_kept_logits_are_rounded_once_and_stay_codes(layers, network, images):
    kept = {DENSE: layers[DENSE]}
    logits = reals_of(written(network, kept=kept, outputs=["logits"]), images)

    codes = LiteRT(written(network, kept=kept), batch=len(images))(images)["probabilities"]
    assert codes.dtype == np.uint8
    assert np.abs(codes - np.clip(softmax(logits) * 256, 0, 255)).max() <= 0.51


def test_a_mixed_file_has_the_same_bytes_twice_and_float_operators_of_version_1(layers, network):
    kept = kept_of(["blocks_0/depthwise", DENSE], layers)
    data = write_int8(PLAN, network, kept=kept)

    assert data == write_int8(PLAN, network, kept=dict(reversed(kept.items())))
    model = check_model(data)
    floats = {
        (each.name, each.version)
        for each in model.operators
        if model.tensors[each.inputs[0]].dtype == "float32" and each.name != "QUANTIZE"
    }
    assert floats == {("DEPTHWISE_CONV_2D", 1), ("FULLY_CONNECTED", 1), ("SOFTMAX", 1)}


def test_biases_of_integer_layers_keep_the_product_of_the_scales_beside_kept_ones(layers, network):
    data = write_int8(PLAN, network, kept=kept_of(["blocks_1/expand", "blocks_5/project"], layers))
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0)).subgraphs[0]

    for operator in (each for each in graph.operators if len(each.inputs) == 3):
        source, kernel, bias = (graph.tensors[index].quantization for index in operator.inputs)
        if bias is not None and bias.scale is not None:
            assert np.array_equal(
                np.float32(np.float64(source.scale[0]) * np.float64(kernel.scale)), bias.scale
            )


def test_a_layer_that_is_kept_without_its_arrays_is_refused(network):
    with pytest.raises(KeyError, match="stem/conv"):
        write_int8(PLAN, network, kept={"stem/conv": None})
