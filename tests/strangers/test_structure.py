"""Hostile `.tflite` files: each lie is found before LiteRT, which believes everything, opens the file."""

import math
import random
import subprocess
import sys
import time
from contextlib import nullcontext, suppress

import numpy as np
import pytest
import tiny
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.strangers.operators import OPERATORS
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.tflite import slots
from efficientnet_lite.tflite.container import Graph, Quantization

MODELS = {precision: tiny.tiny(precision) for precision in ("float32", "int8")}
FLOAT, INT8 = MODELS.values()
IMAGE, CONVOLVED, KERNEL, BIAS = range(4)  # tensors of the float model
INT8_KERNEL = 3


def graph(tree):
    return tree.subgraphs[0]


def refuse(change, match, model=FLOAT):
    """`model`, spoiled by `change`, is refused with a message that matches."""
    check_model(model)  # so that the change is the reason
    with pytest.raises(ArtifactError, match=match):
        check_model(tiny.changed(model, change))


# --- what passes


@pytest.mark.parametrize("precision", MODELS)
def test_a_sound_model_is_described_as_it_was_written(precision):
    model = check_model(MODELS[precision])

    assert [model.tensors[index].name for index in model.inputs + model.outputs] == [
        "images",
        "probabilities",
    ]
    assert model.tensors[model.inputs[0]].shape == (1, 32, 32, 3)
    assert model.signatures == (
        ("serving_default", {"images": model.inputs[0]}, {"probabilities": model.outputs[0]}, 0),
    )
    assert model.entries == ("TFLITE_METADATA", "EFFICIENTNET_LITE")


def test_operators_come_in_order_with_their_versions():
    model = check_model(INT8)

    assert [(operator.name, operator.version) for operator in model.operators] == [
        ("QUANTIZE", 1),
        ("CONV_2D", 3),
        ("MEAN", 2),
        ("FULLY_CONNECTED", 4),
        ("SOFTMAX", 2),
        ("QUANTIZE", 1),
    ]


def test_quantized_tensors_keep_their_scales():
    tensors = {tensor.name: tensor for tensor in check_model(INT8).tensors}

    assert (tensors["images"].scale, tensors["images"].zero_point) == (1 / 128, 127)
    assert (tensors["kernel"].scales, tensors["kernel"].scale, tensors["kernel"].axis) == (8, None, 0)
    assert tensors["kernel"].constant_bytes == 8 * 3 * 3 * 3


def test_the_position_of_a_constant_leads_to_its_data():
    tensor = next(tensor for tensor in check_model(FLOAT).tensors if tensor.name == "axes")

    assert np.frombuffer(FLOAT, "<i4", 2, tensor.data_at).tolist() == [1, 2]


def test_the_arena_is_what_lives_at_once():
    model = check_model(FLOAT)

    image, convolved, pooled = 32 * 32 * 3 * 4, 16 * 16 * 8 * 4, 8 * 4
    assert model.arena_bytes == image + convolved + pooled


def test_a_memoryview_is_as_good_as_bytes():
    assert check_model(memoryview(FLOAT)) == check_model(FLOAT)


def test_constant_data_are_not_read_so_that_large_models_take_no_longer():
    def enlarge(tree):
        named = {tensor.name: tensor for tensor in graph(tree).tensors}
        for name, shape in ((b"dense/kernel", [3_000_000, 8]), (b"dense/bias", [3_000_000])):
            named[name].shape = shape
            tree.buffers[named[name].buffer].data = np.zeros(4 * math.prod(shape), np.uint8)
        for name in (b"logits", b"probabilities"):
            named[name].shape = [1, 3_000_000]

    large = tiny.changed(FLOAT, enlarge)
    check_model(FLOAT)  # warm

    start = time.process_time()
    check_model(large)

    assert time.process_time() - start < 0.1  # 1 ms here; to hash these bytes takes 60, a list of them 2,000


# --- the container


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x1c\0\0\0TFL3", b"PK\3\4" + bytes(100), bytes(1000)])
def test_what_is_no_model_is_refused(data):
    with pytest.raises(ArtifactError, match="not a TFLite model"):
        check_model(data)


def test_the_error_names_the_file_and_what_to_do():
    with pytest.raises(ArtifactError) as caught:
        check_model(b"nothing at all", where="strange.tflite")

    assert caught.value.where == "strange.tflite"
    assert "export the file again" in caught.value.fix


@pytest.mark.parametrize("version", [0, 2, 4])
def test_another_schema_version_is_refused(version):
    refuse(lambda tree: setattr(tree, "version", version), f"version is {version}, expected 3")


def test_every_proper_beginning_of_a_model_is_refused():
    bare = tiny.tiny(labels=False)

    for length in range(len(bare)):
        with pytest.raises(ArtifactError):
            check_model(bare[:length])


def test_a_text_that_is_used_over_and_over_is_refused_before_it_fills_the_memory():
    model = bytearray(
        tiny.changed(FLOAT, lambda tree: setattr(graph(tree).tensors[0], "name", "x" * (2 << 20)))
    )
    text = model.index(b"x" * 64) - 4
    for tensor in range(1, 10):
        _name_at(model, tensor, text)
    assert len(model) < 3 << 20

    with pytest.raises(ArtifactError, match="more than 16,777,216 bytes"):
        check_model(bytes(model))


def _name_at(model, number, target):
    """Let the name of tensor `number` be the text at `target`."""
    tensor = schema.Model.GetRootAs(model, 0).Subgraphs(0).Tensors(number)._tab
    at = tensor.Pos + tensor.Offset(4 + 2 * slots.TensorSlot.NAME)
    model[at : at + 4] = (target - at).to_bytes(4, "little")


@pytest.mark.parametrize("offset", [0, 1, 6, 0x7FFFFFFC, 0xFFFFFFFF])
def test_an_offset_that_leads_nowhere_is_refused(offset):
    with pytest.raises(ArtifactError, match="offset at byte 0 leads to"):
        check_model(offset.to_bytes(4, "little") + FLOAT[4:])


def test_a_text_without_its_closing_zero_is_refused():
    model = FLOAT.replace(b"serving_default\0", b"serving_default!")
    assert model != FLOAT

    with pytest.raises(ArtifactError, match="has no end"):
        check_model(model)


def test_more_tensors_than_a_classifier_has_are_refused():
    refuse(lambda tree: setattr(graph(tree), "tensors", graph(tree).tensors[:1] * 10_001), "10,001 tensors")


# --- the graph


def test_two_subgraphs_are_refused():
    refuse(lambda tree: tree.subgraphs.append(tree.subgraphs[0]), "2 subgraphs, expected 1")


def test_no_subgraph_is_refused():
    refuse(lambda tree: setattr(tree, "subgraphs", []), "0 subgraphs, expected 1")


@pytest.mark.parametrize(
    "name", ["CUSTOM", "WHILE", "IF", "CALL_ONCE", "VAR_HANDLE", "GATHER_ND", "HASHTABLE"]
)
def test_operators_beyond_image_classifiers_are_refused_by_name(name):
    code = getattr(schema.BuiltinOperator, name)

    refuse(
        lambda tree: tree.operatorCodes.__setitem__(0, schema.OperatorCodeT(builtinCode=code)),
        f"operator {name}",
    )


def test_the_old_field_of_an_operator_code_counts_as_well():
    refuse(lambda tree: setattr(tree.operatorCodes[0], "deprecatedBuiltinCode", 32), "operator CUSTOM")


def test_a_custom_operator_is_refused_with_its_own_name():
    def flex(tree):
        tree.operatorCodes[0] = schema.OperatorCodeT(
            builtinCode=schema.BuiltinOperator.CUSTOM, customCode="FlexAdd"
        )

    refuse(flex, "CUSTOM 'FlexAdd'")


@pytest.mark.parametrize(
    ("operator", "chip"), [("ethos-u", "an Arm Ethos-U"), ("edgetpu-custom-op", "a Coral Edge TPU")]
)
def test_a_file_that_is_compiled_for_a_chip_is_known_as_such(operator, chip):
    def compiled(tree):
        tree.operatorCodes[0] = schema.OperatorCodeT(
            builtinCode=schema.BuiltinOperator.CUSTOM, customCode=operator
        )

    refuse(compiled, f"compiled for {chip}")


def test_every_operator_on_the_list_is_one_of_the_runtimes():
    known = vars(schema.BuiltinOperator)

    assert set(OPERATORS) <= set(known)
    assert {rule.options for rule in OPERATORS.values()} - {""} <= set(vars(schema.BuiltinOptions))


@pytest.mark.parametrize("name", OPERATORS)
def test_the_layout_of_each_operators_options_has_a_letter_for_each_field(name):
    rule = OPERATORS[name]
    fields = vars(getattr(schema, f"{rule.options}T")()) if rule.options else {}

    layout = rule.layout.removeprefix("--")  # retired fields are not generated
    kinds = {int: "abiopstd0-", bool: "?0", float: "1l", type(None): "v-"}
    assert len(layout) >= len(fields)  # the schema of an older runtime lacks the newest fields
    for letter, value in zip(layout, fields.values(), strict=False):
        assert letter in kinds[type(value)], (rule.options, fields)


@pytest.mark.parametrize("index", [-1, -2, 99, 2**31 - 1])
def test_an_operator_that_reads_a_tensor_which_is_not_there_is_refused(index):
    refuse(
        lambda tree: setattr(graph(tree).operators[0], "inputs", [index, KERNEL, BIAS]), f"tensor {index} of"
    )


def test_a_dense_layer_may_leave_out_its_bias():
    def drop(tree):
        dense = graph(tree).operators[2]
        dense.inputs = [*dense.inputs[:2], -1]

    assert check_model(tiny.changed(FLOAT, drop)).operators[2].inputs[2] == -1


@pytest.mark.parametrize("inputs", [[IMAGE, KERNEL, -1], [IMAGE, KERNEL]])
def test_a_convolution_without_a_bias_is_refused_as_litert_refuses_it(inputs):
    refuse(lambda tree: setattr(graph(tree).operators[0], "inputs", inputs), "tensor -1|2 inputs")


def test_a_tensor_that_is_read_before_it_is_made_is_refused():
    refuse(lambda tree: graph(tree).operators.reverse(), "before it is made")


def test_a_tensor_that_is_written_twice_is_refused():
    refuse(lambda tree: graph(tree).operators.insert(0, graph(tree).operators[0]), "which exists")


def test_an_operator_that_writes_over_the_weights_is_refused():
    refuse(lambda tree: setattr(graph(tree).operators[0], "outputs", [KERNEL]), "which exists")


def test_an_input_that_is_a_constant_is_refused():
    refuse(lambda tree: setattr(graph(tree), "inputs", [KERNEL]), "is a constant")


def test_an_output_that_nobody_makes_is_refused():
    refuse(lambda tree: setattr(graph(tree), "outputs", [CONVOLVED + 1, 0, 99]), "tensor 99")
    refuse(lambda tree: graph(tree).operators.pop(), "made by no operator")


@pytest.mark.parametrize("which", ["inputs", "outputs"])
def test_a_model_without_inputs_or_outputs_is_refused(which):
    refuse(lambda tree: setattr(graph(tree), which, []), "0 " + which)


def test_an_operator_code_that_is_not_there_is_refused():
    refuse(lambda tree: setattr(graph(tree).operators[0], "opcodeIndex", 77), "code 77")


@pytest.mark.parametrize("field", ["strideH", "strideW", "dilationHFactor", "dilationWFactor"])
@pytest.mark.parametrize("value", [0, -1, -(2**31)])
def test_strides_by_which_nothing_can_be_divided_are_refused(field, value):
    refuse(lambda tree: setattr(graph(tree).operators[0].builtinOptions, field, value), "at least 1")


@pytest.mark.parametrize("field", ["strideH", "strideW", "filterHeight", "filterWidth"])
@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_a_pool_over_nothing_is_refused(kind, field):
    sides = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2, field: 0}
    graph = Graph()
    image, pooled = (graph.tensor(str(side), (1, side, side, 3), "float32") for side in (8, 4))
    graph.operator(kind, [image], [pooled], schema.Pool2DOptionsT(**sides))

    with pytest.raises(ArtifactError, match="at least 1"):
        check_model(graph.finish(inputs={"image": image}, outputs={"pooled": pooled}, description=""))


def test_a_convolution_without_options_has_no_stride_and_is_refused():
    def drop(tree):
        graph(tree).operators[0].builtinOptions = None
        graph(tree).operators[0].builtinOptionsType = 0

    refuse(drop, "no Conv2DOptions")


@pytest.mark.parametrize(
    ("operator", "option", "value"),
    [
        (0, "fusedActivationFunction", schema.ActivationFunctionType.TANH),
        (0, "padding", 2),
        (0, "dilationHFactor", 65),
        (0, "strideW", 1025),
        (2, "weightsFormat", 1),
        (3, "beta", 2.0),
        (3, "beta", float("nan")),
    ],
)
def test_options_that_no_classifier_has_are_refused_and_not_called_damage(operator, option, value):
    model = tiny.changed(
        FLOAT, lambda tree: setattr(graph(tree).operators[operator].builtinOptions, option, value)
    )

    with pytest.raises(ArtifactError, match=r"its [A-Z_0-9]+ has \S+ for option") as caught:
        check_model(model)

    assert "damaged" not in caught.value.what


def test_options_of_another_operator_are_refused():
    def swap(tree):
        graph(tree).operators[0].builtinOptions = schema.AddOptionsT()
        graph(tree).operators[0].builtinOptionsType = schema.BuiltinOptions.AddOptions

    refuse(swap, "AddOptions, expected Conv2DOptions")


@pytest.mark.parametrize("inputs", [[0], [0, 1, 2, 2]])
def test_a_wrong_number_of_inputs_is_refused(inputs):
    refuse(lambda tree: setattr(graph(tree).operators[0], "inputs", inputs), f"{len(inputs)} inputs")


def test_a_depthwise_convolution_of_two_inputs_is_refused_since_litert_dies_of_it():
    def depthwise(tree):
        tree.operatorCodes[0].builtinCode = tree.operatorCodes[0].deprecatedBuiltinCode = 4
        graph(tree).operators[0].builtinOptions = schema.DepthwiseConv2DOptionsT(
            strideH=1, strideW=1, depthMultiplier=1
        )
        graph(tree).operators[0].builtinOptionsType = schema.BuiltinOptions.DepthwiseConv2DOptions
        graph(tree).operators[0].inputs = [IMAGE, KERNEL]

    refuse(depthwise, "DEPTHWISE_CONV_2D has 2 inputs")


@pytest.mark.parametrize("ratio", [2**13, 2**14, 2**20])
def test_sums_at_whose_scales_litert_aborts_are_refused(ratio):
    graph = Graph()
    scales = [Quantization(np.array([scale], np.float32)) for scale in (0.01, 0.01 / ratio)]
    left, right = (graph.tensor(name, (1, 8), "int8", quantization=scales[0]) for name in ("left", "right"))
    total = graph.tensor("total", (1, 8), "int8", quantization=scales[1])
    graph.operator("ADD", [left, right], [total], schema.AddOptionsT(), version=2)
    model = graph.finish(inputs={"left": left, "right": right}, outputs={"total": total}, description="")

    with pytest.raises(ArtifactError, match="for their sum") if ratio > 2**13 else nullcontext():
        check_model(model)


# --- shapes


@pytest.mark.parametrize(
    ("tensor", "shape"),
    [
        (CONVOLVED, [1, 17, 16, 8]),
        (CONVOLVED, [1, 15, 16, 8]),
        (CONVOLVED, [1, 16, 16, 9]),
        (CONVOLVED, [2, 16, 16, 8]),
        (CONVOLVED, [1, 16, 16]),
        (IMAGE, [1, 32, 32, 4]),
        (IMAGE, [1, 40, 32, 3]),
    ],
)
def test_a_shape_that_the_operator_does_not_make_is_refused(tensor, shape):
    refuse(lambda tree: setattr(graph(tree).tensors[tensor], "shape", shape), r"operator 0 \(CONV_2D\)")


# --- tensors


@pytest.mark.parametrize("shape", [[1, 0, 32, 3], [1, -1, 32, 3], [1 << 14, 1 << 14, 2, 1], [1] * 9])
def test_shapes_that_no_tensor_has_are_refused(shape):
    refuse(lambda tree: setattr(graph(tree).tensors[IMAGE], "shape", shape), "shape")


def test_a_product_of_sides_does_not_overflow_into_something_small():
    sides = [1 << 16] * 4  # 2**64: 0 in a machine word

    refuse(lambda tree: setattr(graph(tree).tensors[IMAGE], "shape", sides), "shape")


@pytest.mark.parametrize("shape", [[8, 3, 3, 4], [7, 3, 3, 3], [8, 3, 3, 3, 2]])
def test_a_constant_of_another_size_than_its_shape_is_refused(shape):
    refuse(lambda tree: setattr(graph(tree).tensors[KERNEL], "shape", shape), "864 bytes of data")


@pytest.mark.parametrize("kind", ["STRING", "RESOURCE", "VARIANT", "COMPLEX64"])
def test_types_that_no_classifier_has_are_refused_by_name(kind):
    code = getattr(schema.TensorType, kind)

    refuse(lambda tree: setattr(graph(tree).tensors[CONVOLVED], "type", code), f"type {kind}")


def test_a_buffer_that_is_not_there_is_refused():
    refuse(lambda tree: setattr(graph(tree).tensors[KERNEL], "buffer", 400), "buffer 400")


def test_state_between_runs_is_refused():
    refuse(lambda tree: setattr(graph(tree).tensors[CONVOLVED], "isVariable", True), "state")


def test_sparse_weights_are_refused():
    def sparse(tree):
        graph(tree).tensors[KERNEL].sparsity = schema.SparsityParametersT()

    refuse(sparse, "sparse")


def test_weights_behind_the_model_are_refused():
    refuse(lambda tree: setattr(tree.buffers[1], "offset", 64), "2 GB")


def test_weights_in_other_files_are_refused():
    refuse(lambda tree: setattr(graph(tree).tensors[KERNEL], "externalBuffer", 1), "another file")
    refuse(lambda tree: setattr(tree, "externalBuffers", [schema.ExternalBufferT()]), "other files")


def test_a_signature_of_another_length_than_the_shape_is_refused():
    refuse(lambda tree: setattr(graph(tree).tensors[IMAGE], "shapeSignature", [-1, 32]), "signature")


def test_an_open_batch_is_seen():
    model = tiny.changed(
        FLOAT, lambda tree: setattr(graph(tree).tensors[IMAGE], "shapeSignature", [-1, 32, 32, 3])
    )

    assert check_model(model).tensors[IMAGE].dynamic


@pytest.mark.parametrize("scale", [0.0, -0.1, float("nan"), float("inf")])
def test_a_scale_that_cannot_be_is_refused(scale):
    refuse(
        lambda tree: setattr(graph(tree).tensors[0].quantization, "scale", np.array([scale], np.float32)),
        "scale",
        INT8,
    )


@pytest.mark.parametrize("zero_point", [-1, 256, 2**40])
def test_a_zero_point_outside_of_the_type_is_refused(zero_point):
    refuse(
        lambda tree: setattr(graph(tree).tensors[0].quantization, "zeroPoint", np.array([zero_point])),
        "outside 0 to 255",
        INT8,
    )


@pytest.mark.parametrize("count", [0, 2, 7])
def test_scales_and_zero_points_that_differ_in_number_are_refused(count):
    def shorten(tree):
        graph(tree).tensors[INT8_KERNEL].quantization.zeroPoint = np.zeros(count, np.int64)

    refuse(shorten, f"8 scales and {count} zero points", INT8)


@pytest.mark.parametrize("axis", [-1, 1, 4, 2**31 - 1])
def test_scales_along_another_axis_are_refused(axis):
    refuse(
        lambda tree: setattr(graph(tree).tensors[INT8_KERNEL].quantization, "quantizedDimension", axis),
        f"8 scales along axis {axis}",
        INT8,
    )


def test_a_dead_channel_may_have_a_scale_of_zero():
    scales = np.array([0, *[0.01] * 7], np.float32)
    model = tiny.changed(
        INT8, lambda tree: setattr(graph(tree).tensors[INT8_KERNEL].quantization, "scale", scales)
    )

    assert check_model(model).tensors[INT8_KERNEL].scales == 8


@pytest.mark.parametrize(
    ("side", "message"),
    [
        (2000, "takes about 1,[0-9]{3},[0-9]{3},[0-9]{3} bytes to run, more than"),
        (5700, "billion steps, more than"),
    ],
)
def test_more_memory_or_time_than_a_classifier_takes_is_refused(side, message):
    def grow(tree):
        options = graph(tree).operators[0].builtinOptions
        options.strideH = options.strideW = 1
        graph(tree).tensors[IMAGE].shape = [1, side, side, 3]
        graph(tree).tensors[CONVOLVED].shape = [1, side, side, 8]

    refuse(grow, message)


def test_a_signature_that_names_other_tensors_is_refused():
    refuse(lambda tree: setattr(tree.signatureDefs[0].inputs[0], "tensorIndex", KERNEL), "signature")


# --- whatever else


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(MODELS)), st.data())
def test_flipped_and_missing_bytes_are_refused_or_make_another_sound_model(precision, data):
    model = bytearray(MODELS[precision])
    for _ in range(data.draw(st.integers(1, 4))):
        model[data.draw(st.integers(0, len(model) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.integers(0, len(model))) if data.draw(st.booleans()) else len(model)

    with suppress(ArtifactError):
        check_model(bytes(model[:length]))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_behind_the_identifier_are_refused(data):
    with pytest.raises(ArtifactError):
        check_model(b"\x10\0\0\0TFL3" + data)


RUN = """
import os, sys
from pathlib import Path
import numpy as np
from ai_edge_litert.interpreter import Interpreter
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
for path in sys.argv[1:]:
    print(path, flush=True)
    try:
        interpreter = Interpreter(model_content=Path(path).read_bytes())
        interpreter.allocate_tensors()
        for tensor in interpreter.get_input_details():
            interpreter.set_tensor(tensor["index"], np.ones(tensor["shape"], tensor["dtype"]))
        interpreter.invoke()
    except (ValueError, RuntimeError):
        pass
print("survived")
"""


def test_litert_survives_whatever_passes(tmp_path):
    chance = random.Random(20261125)
    extremes = [0, 1, 2, 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7F800000, 0x3F800000]
    passed = []
    for number in range(400):
        model = bytearray(chance.choice([FLOAT, INT8]))
        at = chance.randrange(0, len(model) - 4, 4)
        model[at : at + 4] = chance.choice([*extremes, chance.getrandbits(32)]).to_bytes(4, "little")
        with suppress(ArtifactError):
            check_model(bytes(model))
            path = tmp_path / f"{number}.tflite"
            path.write_bytes(model)
            passed.append(str(path))

    run = subprocess.run([sys.executable, "-c", RUN, *passed], capture_output=True, text=True, timeout=120)

    assert len(passed) > 50
    assert run.stdout.split()[-1] == "survived", (
        f"LiteRT ended with {run.returncode} in {run.stdout.split()[-1]}"
    )
