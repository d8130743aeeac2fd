"""What `describe` says of our own files and of strangers'."""

import json

import numpy as np
import pytest
import tiny
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.strangers.description import OperatorCount, Port, describe
from efficientnet_lite.tflite.container import Graph, Quantization
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.tflite.label_files import pack_labels

FLOAT, INT8 = describe(tiny.tiny("float32")), describe(tiny.tiny("int8"))


def test_operators_are_counted_by_name_and_version_the_most_frequent_first():
    assert INT8.operators == (
        OperatorCount("QUANTIZE", 1, 2),
        OperatorCount("CONV_2D", 3, 1),
        OperatorCount("FULLY_CONNECTED", 4, 1),
        OperatorCount("MEAN", 2, 1),
        OperatorCount("SOFTMAX", 2, 1),
    )


def test_a_full_int8_file_has_no_float_operator():
    assert (FLOAT.float_operators, INT8.float_operators) == (4, 0)


def test_inputs_and_outputs_come_with_their_codes():
    assert FLOAT.inputs == (Port("images", (1, 32, 32, 3), "float32", None, None),)
    assert INT8.inputs == (Port("images", (1, 32, 32, 3), "uint8", 1 / 128, 127),)
    assert INT8.outputs == (Port("probabilities", (1, 4), "uint8", 1 / 256, 0),)


def test_names_are_those_of_the_signature_where_there_is_one():
    def rename(tree):
        tree.subgraphs[0].tensors[0].name = "serving_default_images:0"

    assert describe(pack_labels(tiny.changed(tiny.tiny(), rename), tiny.FILES)).inputs[0].name == "images"


def test_parameters_are_weights_and_biases_alone():
    assert FLOAT.parameters == INT8.parameters == 8 * 3 * 3 * 3 + 8 + 4 * 8 + 4  # the axes of MEAN are none


def test_weights_behind_a_dequantize_are_counted_once():
    graph = Graph()
    image = graph.tensor("image", (1, 4), "float32")
    scale = Quantization(np.ones(1, np.float32))
    stored = graph.tensor("stored", (3, 4), "int8", quantization=scale, data=np.ones((3, 4), np.int8))
    bias = graph.tensor("bias", (3,), "float32", data=np.zeros(3, np.float32))
    kernel, result, again = (
        graph.tensor(name, shape, "float32")
        for name, shape in (("kernel", (3, 4)), ("result", (1, 3)), ("again", (1, 3)))
    )
    graph.operator("DEQUANTIZE", [stored], [kernel], schema.DequantizeOptionsT())
    for output in (result, again):
        graph.operator("FULLY_CONNECTED", [image, kernel, bias], [output], schema.FullyConnectedOptionsT())
    outputs = {"result": result, "again": again}

    assert describe(graph.finish(inputs={"image": image}, outputs=outputs, description="")).parameters == 15


def test_scales_for_each_channel_are_seen():
    assert (FLOAT.per_channel, INT8.per_channel) == (False, True)


def test_our_files_are_aligned_as_the_schema_asks():
    assert FLOAT.aligned
    assert INT8.aligned


def test_files_that_were_written_anew_by_python_are_not_aligned():
    anew = tiny.changed(tiny.tiny(), lambda tree: None)

    assert not describe(pack_labels(anew, tiny.FILES)).aligned


def test_what_a_file_of_ours_says_of_itself_is_there():
    assert FLOAT.identity == tiny.IDENTITY
    assert FLOAT.labels == {"": 4, "de": 4}
    assert list(FLOAT.files) == ["labels.txt", "labels_de.txt"]
    assert FLOAT.text is not None
    assert (FLOAT.text.name, FLOAT.text.license) == ("tiny", "Apache-2.0")


def test_a_file_without_metadata_is_described_as_well():
    plain = describe(tiny.changed(tiny.tiny(), lambda tree: setattr(tree, "metadata", [])))

    assert (plain.text, plain.identity, plain.labels, plain.files) == (None, None, {}, {})
    assert plain.operators == FLOAT.operators


@pytest.mark.parametrize("info", [FLOAT, INT8], ids=["float32", "int8"])
def test_json_says_the_same(info):
    document = json.loads(json.dumps(info.to_json(), allow_nan=False))

    assert document["bytes"] == info.bytes == len(tiny.tiny("float32" if info is FLOAT else "int8"))
    assert document["inputs"][0]["shape"] == [1, 32, 32, 3]
    assert document["identity"]["contract"]["size"] == tiny.SIZE
    assert document["text"]["outputs"][0]["label_files"] == [["", "labels.txt"], ["de", "labels_de.txt"]]


def test_what_is_no_model_is_refused_with_its_name():
    with pytest.raises(ArtifactError) as caught:
        describe(b"\x89PNG\r\n\x1a\n" + bytes(100), where="photo.png")

    assert caught.value.where == "photo.png"


def test_lite0_has_the_published_operators_and_parameters():
    plan = make_plan(VARIANTS["lite0"])
    parameters = {name: np.ones(shape, np.float32) for name, shape in plan.parameter_shapes().items()}

    info = describe(write_float(plan, fold(plan, parameters)))

    # Source: the stock converter makes 61 operators; two more bring [0, 1] to the network's own range.
    assert {operator.name: operator.count for operator in info.operators} == {
        "CONV_2D": 33,
        "DEPTHWISE_CONV_2D": 16,
        "ADD": 9,
        "AVERAGE_POOL_2D": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
        "MUL": 1,
        "SUB": 1,
    }
    channels = sum(step.outputs for step in plan.convs)
    assert info.parameters == VARIANTS["lite0"].parameters - channels  # gamma and beta become one bias
    assert info.aligned
    assert not info.dynamic
    assert info.min_runtime == "1.5.0"
