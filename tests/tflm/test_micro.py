"""TFLite Micro's own interpreter opens our files in the arena that is named, and answers as LiteRT does.

In an environment of its own, see requirements.txt. Its kernels are the reference ones, so LiteRT's reference kernels
give the same codes; XNNPACK rounds a few otherwise.
"""

from dataclasses import replace
from itertools import count, islice

import numpy as np
import pytest
import tiny
from ai_edge_litert import schema_py_generated as schema
from graphs import make
from rounded_network import coarse_images, float_tensors, random_layers, rounded_network

from efficientnet_lite.chips import arena, micro, micro_child
from efficientnet_lite.errors import ArtifactError, VerificationFailed
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.tflite.int8 import write_int8
from efficientnet_lite.tflite.stored_weights import WeightForm

pytest.importorskip("tflite_micro", reason="in an environment of its own: requirements.txt")

MANY = 600  # classes: so many that SOFTMAX may end the program
RESOLVER = ("AddAdd", "AddAveragePool2D", "AddConv2D", "AddDepthwiseConv2D", "AddFullyConnected")


def network_of(classes, size=32):
    plan = make_plan(VARIANTS["lite0"], size=size, classes=classes)
    layers, images = random_layers(plan), coarse_images(plan, 4)
    return plan, layers, images, rounded_network(plan, layers, float_tensors(plan, layers, images))


@pytest.fixture(scope="module")
def lite0():
    return network_of(classes=5)


def raw(images, dtype):
    """What files take for images uint8 (N, S, S, 3)."""
    if dtype == "float32":
        return images.astype(np.float32) / 255
    return images if dtype == "uint8" else (images.astype(int) - 128).astype(np.int8)


def given_by(data, inputs, kernels="xnnpack"):
    engine = LiteRT(data, kernels=kernels)
    return {
        output.name: np.concatenate([engine(each[None])[output.name] for each in inputs])
        for output in engine.outputs
    }


@pytest.mark.parametrize(
    ("io", "outputs", "kept", "more"),
    [
        ("uint8", ("probabilities",), (), ("AddQuantize", "AddSoftmax")),
        ("int8", ("probabilities",), (), ("AddSoftmax",)),
        (
            "float32",
            ("probabilities",),
            (),
            ("AddDequantize", "AddMul", "AddQuantize", "AddSoftmax", "AddSub"),
        ),
        ("uint8", ("logits", "features"), (), ("AddQuantize", "AddReshape")),
        ("uint8", ("probabilities",), ("stem/conv",), ("AddDequantize", "AddQuantize", "AddSoftmax")),
        ("int8", ("logits",), ("head/dense",), ("AddDequantize",)),
    ],
)
def test_an_integer_file_runs_in_the_arena_that_is_named_and_answers_as_litert(
    lite0, io, outputs, kept, more
):
    plan, layers, images, network = lite0
    data = write_int8(plan, network, outputs=outputs, io=io, kept={name: layers[name] for name in kept})
    inputs = raw(images, io)

    report = micro.replayed(data, inputs, given_by(data, inputs, "reference"), where="lite0.tflite")

    assert report.resolver == tuple(sorted((*RESOLVER, *more)))
    assert [(each.output, each.codes) for each in report.gaps] == [(output, 0) for output in outputs]
    assert micro_child.opens(data, report.arena_bytes)
    assert not micro_child.opens(data, report.arena_bytes - 2 * micro_child.STEP)
    assert report.activation_bytes + report.persistent_bytes <= report.arena_bytes
    assert report.notes == ()
    assert arena.estimated_arena(check_model(data)) == pytest.approx(report.arena_bytes, rel=0.01)


def test_a_float_file_runs_too(lite0):
    plan, layers, images, _ = lite0
    data, inputs = write_float(plan, layers), raw(images, "float32")

    report = micro.replayed(data, inputs, given_by(data, inputs), where="lite0.tflite")

    assert report.difference.codes is None
    assert report.difference.reals < 1e-5
    assert report.scratch_bytes == 0


def test_answers_too_far_from_those_of_litert_are_refused_with_how_far(lite0):
    plan, _, images, network = lite0
    data = write_int8(plan, network)
    given = {"probabilities": given_by(data, images, "reference")["probabilities"].astype(int) + 9}

    with pytest.raises(
        VerificationFailed, match="gives probabilities that are 9 codes from those of LiteRT on 4 in"
    ):
        micro.replayed(data, images, given, where="lite0.tflite")


def test_answers_are_held_to_those_of_litert_reference_kernels_besides(lite0, monkeypatch):
    plan, _, images, network = lite0
    data = write_int8(plan, network)
    monkeypatch.setattr(micro, "SAME_CODES", -1)  # nothing on this machine is further than 0

    with pytest.raises(
        VerificationFailed, match="are 0 codes from those of LiteRT's reference kernels on 4 inputs"
    ):
        micro.replayed(data, images, given_by(data, images, "reference"), where="lite0.tflite")


def test_of_a_slow_file_as_many_inputs_are_run_as_there_is_time_for_but_one(lite0):
    plan, _, images, network = lite0

    report = micro.measured(write_int8(plan, network), images, where="lite0.tflite", seconds=0)

    assert report.inputs == 1
    assert len(report.outputs["probabilities"]) == 1
    assert report.within


def test_too_small_an_arena_ends_the_process_and_not_the_search(lite0):
    plan, _, _, network = lite0
    data = write_int8(plan, network)

    assert not micro_child.opens(data, 16)  # with a bad address, as of the package of 2026-10-23
    assert 150_000 < micro_child.smallest_arena(data) < 250_000


def with_relu_n1_to_1(tree):
    """In place of SOFTMAX."""
    relu = schema.BuiltinOperator.RELU_N1_TO_1
    softmax = next(code for code in tree.operatorCodes if code.builtinCode == schema.BuiltinOperator.SOFTMAX)
    softmax.builtinCode, softmax.deprecatedBuiltinCode = relu, relu
    last = tree.subgraphs[0].operators[-1]
    last.builtinOptions, last.builtinOptionsType = None, schema.BuiltinOptions.NONE


def with_float16_weights(lite0):
    plan, layers, _, _ = lite0
    return write_float(plan, layers, weights=WeightForm("float16"))


def quantizing_floats(lite0):
    plan, layers, _, network = lite0
    return write_int8(plan, network, kept={"head/dense": layers["head/dense"]})


@pytest.mark.parametrize(
    ("made", "message", "fix"),
    [
        (
            quantizing_floats,
            r"does not run it: operator \d+, QUANTIZE; its own words: .*FLOAT32, output UINT8 not supp",
            "io='int8'",
        ),
        (
            with_float16_weights,
            r"does not open it: operator \d+, DEQUANTIZE; its own words: input->type == kTfLiteInt8 .* was not true\.",
            "precision='int8'",
        ),
        (
            lambda _: tiny.changed(tiny.tiny(), with_relu_n1_to_1),
            "does not open it: it has no operator RELU_N1_TO_1; its own words: ",
            "precision='int8'",
        ),
    ],
    ids=("uint8 of floats", "float16", "an operator that it lacks"),
)
def test_what_it_refuses_is_said_in_its_own_words_with_the_operator(lite0, made, message, fix):
    data = made(lite0)
    dtype = "uint8" if made is quantizing_floats else "float32"

    with pytest.raises(ArtifactError, match=message) as caught:
        micro.measured(data, np.zeros((1, 32, 32, 3), dtype), where="lite0.tflite")

    assert fix in caught.value.fix
    assert "Node " not in caught.value.what
    assert "tensorflow/" not in caught.value.what


def test_a_softmax_that_ends_the_program_is_named_and_warned_of():
    plan, _, images, network = network_of(MANY)
    data = write_int8(plan, network)
    gray = np.full_like(images[:1], 127)
    dense = network.layers["head/dense"]
    nothing = replace(dense, kernel=np.zeros_like(dense.kernel), bias=np.zeros_like(dense.bias))
    even = write_int8(plan, replace(network, layers=network.layers | {"head/dense": nothing}))

    report = micro.measured(data, images, where="many.tflite")
    with pytest.raises(ArtifactError, match=r"it died of it \(SIGABRT\)") as caught:
        micro.measured(even, gray, where="many.tflite")

    assert "ends the program on a photo for which no class stands out" in report.notes[0]
    assert caught.value.fix.startswith(
        "export it with `outputs=['logits']`: SOFTMAX of more than 511 classes"
    )


def strangers():
    """Generated files that our check lets pass."""
    for number in count(0, 3):
        data = make(number, seed=21)
        try:
            check_model(data)
        except ArtifactError:
            continue
        yield pytest.param(data, id=str(number))


@pytest.mark.parametrize("data", list(islice(strangers(), 50)))
def test_files_of_strangers_run_or_are_refused_and_none_ends_this_process(data):
    model = check_model(data)
    image = model.tensors[model.inputs[0]]
    given = np.zeros((1, *image.shape[1:]), image.dtype)

    try:
        report = micro.measured(data, given, where="strange.tflite")
    except ArtifactError as refused:
        report = refused

    assert isinstance(report, ArtifactError) or report.arena_bytes >= report.persistent_bytes
