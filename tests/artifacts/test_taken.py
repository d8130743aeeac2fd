"""A float .tflite as the source: ours to the byte, a stranger's by its graph alone, and nothing that is not proven."""

import csv
import json
from dataclasses import replace

import altered as forms
import numpy as np
import pytest
import scenes
import tiny
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.artifacts import taken
from efficientnet_lite.artifacts.taken import network_in, take
from efficientnet_lite.cli.app import run
from efficientnet_lite.commands.export import export
from efficientnet_lite.commands.info import info
from efficientnet_lite.errors import (
    EXIT_OK,
    ArtifactError,
    CheckpointError,
    EfficientNetLiteError,
    VerificationFailed,
)
from efficientnet_lite.network.fold import fold, unfold
from efficientnet_lite.network.plan import DENSE, VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.tflite.artifact import About, Form, float_artifact
from efficientnet_lite.tflite.label_files import label_files, pack_labels
from efficientnet_lite.tflite.metadata import TEXT_ENTRY, build_metadata, read_text
from efficientnet_lite.weights.read import load_weights

SIZE, LABELS = 64, ("ball", "box", "stripes")
CONTRACT = Contract(SIZE, "squash", 16)
GERMAN = {"de": ("Ball", "Kiste", "Streifen")}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The plan and layers of a classifier of three classes."""
    weights = load_weights(VARIANTS["lite0"], scenes.weights(tmp_path_factory.mktemp("weights")))
    plan, random = make_plan(VARIANTS["lite0"], size=SIZE, classes=len(LABELS)), np.random.default_rng(5)
    head = {
        f"{DENSE}/kernel": random.normal(0, 0.1, (1280, 3)).astype(np.float32),
        f"{DENSE}/bias": random.normal(0, 0.1, 3).astype(np.float32),
    }
    return plan, fold(plan, weights.parameters | head)


@pytest.fixture(scope="module")
def written(network):
    """`written(outputs, precision, **form)`: a file of ours."""

    def write(*outputs, precision="float32", **form):
        plan, layers = network
        about = About(CONTRACT, "f" * 64, "Apache-2.0", outputs, LABELS, GERMAN)
        if set(outputs) == {"features"}:
            about = replace(about, labels=None, translations={})
        return float_artifact(plan, layers, about, Form(precision, **form))

    return write


@pytest.fixture(scope="module")
def file(written):
    return written("probabilities")


def again(data, network_taken, *outputs, precision="float32", **form):
    """The file that is written of what was taken in."""
    origin = network_taken.origin
    over_classes = set(outputs) != {"features"}
    about = About(
        origin.contract,
        origin.weights.sha256,
        origin.weights.license,
        outputs,
        origin.labels if over_classes else None,
        origin.translations if over_classes else {},
    )
    return float_artifact(origin.plan, origin.layers(), about, Form(precision, **form))


# --- files of ours


@pytest.mark.parametrize(
    ("outputs", "form"),
    [
        (("probabilities",), {}),
        (("logits", "features"), {"any_batch": True}),
        (("features",), {}),
        (("efficientnet-lite0/reduction_3", "probabilities"), {}),
        (("probabilities",), {"precision": "float16"}),
    ],
)
def test_what_is_written_of_a_file_of_ours_is_that_file(written, outputs, form):
    data = written(*outputs, **form)

    found = take(data, where="a file")

    assert again(data, found, *outputs, **form) == data
    assert found.own
    assert found.half == (form.get("precision") == "float16")
    assert found.nearness.difference == 0
    assert found.origin.contract == CONTRACT
    assert found.origin.labels == (LABELS if outputs[0] != "features" else None)


def test_folded_layers_come_back_to_the_bit(network):
    plan, layers = network

    back = fold(plan, unfold(plan, layers))

    for name, layer in layers.items():
        assert np.array_equal(back[name].kernel, layer.kernel)
        assert np.array_equal(back[name].bias, layer.bias)


@pytest.mark.parametrize(
    ("precision", "message"), [("dynamic", r"int8 codes \(dynamic range\)"), ("int8", "an int8 file")]
)
def test_codes_are_refused_with_what_to_give_instead(written, precision, message):
    data = tiny.tiny("int8") if precision == "int8" else written("probabilities", precision=precision)

    with pytest.raises(ArtifactError, match=message) as refused:
        take(data, where="a file")

    assert "the run or checkpoint that it was made from" in refused.value.fix


def test_a_file_of_ours_that_is_not_what_it_says_is_refused(network):
    plan, layers = network
    about = About(CONTRACT, "f" * 64, "", labels=LABELS)
    other = float_artifact(replace(plan, variant=VARIANTS["lite1"]), layers, about)

    with pytest.raises(ArtifactError, match="says of itself"):
        take(other, where="a file")


# --- files of strangers

TAKEN = {
    forms.nothing: "[0, 1]",
    forms.no_names: "[0, 1]",
    forms.batch_norm_behind: "[0, 1]",
    forms.clamps_apart: "[0, 1]",
    forms.pads_apart: "[0, 1]",
    forms.mean_over_axes: "[0, 1]",
    forms.vectors_reshaped: "[0, 1]",
    forms.head_of_a_convolution: "[0, 1]",
    forms.dense_without_a_bias: "[0, 1]",
    forms.scale_in_the_stem: "[0, 1]",
    forms.normalized: "(x - 127) / 128",
    forms.pixels: "0 to 255",
    forms.pixels_by_channel: "0 to 255",
    forms.input_of_uint8: "0 to 255",
}


@pytest.mark.parametrize("form", TAKEN, ids=lambda form: form.__name__)
def test_the_network_is_recognized_in_every_form(network, file, form):
    plan, layers = network
    data = forms.altered(file, form)

    found = take(data, where="a file")

    assert found.feeding.words == TAKEN[form]
    assert found.feeding.said == (form is not forms.normalized)
    assert found.origin.plan == plan
    assert found.origin.labels is None
    assert found.origin.weights.license == "unknown"
    for name, layer in found.origin.layers().items():
        np.testing.assert_allclose(layer.kernel, layers[name].kernel, rtol=1e-5, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(layer.bias, layers[name].bias, rtol=1e-5, atol=1e-5, err_msg=name)


def described(*, mean, std, files=(), license=""):
    """Metadata of a stranger's: the normalization of its input, and its labels."""
    contract = Contract(SIZE, mean=mean, stddev=std)
    return {
        TEXT_ENTRY: build_metadata(
            contract,
            name="m",
            description="",
            version="1",
            outputs=["probabilities"],
            input_range="normalized",
            files=list(files),
            license=license,
        )
    }


def test_metadata_say_how_the_input_is_normalized_and_what_the_classes_are_called(file):
    entries = described(mean=127, std=128, files=tiny.FILES, license="CC-BY")
    model = forms.altered(file, forms.normalized, entries=entries)
    data = pack_labels(model, label_files(LABELS, GERMAN))
    found = take(data, where="a file")

    assert (found.feeding.said, found.feeding.words) == (True, "(x - 127) / 128")
    assert (found.origin.labels, found.origin.translations) == (LABELS, GERMAN)
    assert found.origin.weights.license == read_text(data).license == "CC-BY"
    with pytest.raises(ArtifactError, match="4 labels for 3 classes"):
        take(pack_labels(model, tiny.FILES), where="a file")


@pytest.mark.parametrize("inside", [True, False], ids=["by its operators", "by its metadata"])
def test_another_zero_than_ours_is_refused_with_the_figure(file, inside):
    entries = {} if inside else described(mean=120, std=128)
    data = forms.altered(file, forms.half_of_unit if inside else forms.normalized, entries=entries)

    with pytest.raises(
        VerificationFailed, match=rf"by 0\.\d+.* of which {'127.5' if inside else '120'} in 0 to 255"
    ):
        take(data, where="a file")


def other_window(tree):
    """A depthwise kernel of 5 where the family has 3, the third."""
    operator = tree.of("DEPTHWISE_CONV_2D")[2]
    kernel = tree.values(operator.inputs[1])
    tree.set(operator, 1, np.pad(kernel, ((0, 0), (1, 1), (1, 1), (0, 0))))


def other_activation(tree):
    tree.of("CONV_2D")[2].builtinOptions.fusedActivationFunction = forms.RELU


def other_skip(tree):
    """A sum of one tensor with itself."""
    add = tree.of("ADD")[0]
    add.inputs = np.array([add.inputs[0]] * 2, np.int32)


def a_layer_less(tree):
    """Without the head convolution: the last block is pooled."""
    pool, conv = tree.of("AVERAGE_POOL_2D")[0], tree.of("CONV_2D")[-1]
    pool.inputs = conv.inputs[:1]
    tree.operators.remove(conv)
    dense = tree.of("FULLY_CONNECTED")[0]
    shape = tree.graph.tensors[conv.inputs[0]].shape
    tree.graph.tensors[pool.outputs[0]].shape = np.array([1, 1, 1, shape[3]], np.int32)
    tree.set(dense, 1, np.ones((3, shape[3]), np.float32))


def of_one_operator_more(tree):
    tree.behind(tree.of("CONV_2D")[0], "HARD_SWISH", (), schema.HardSwishOptionsT())


def two_heads(tree):
    dense = tree.of("FULLY_CONNECTED")[0]
    tree.behind(
        dense,
        "FULLY_CONNECTED",
        [tree.constant(np.eye(3, dtype=np.float32)), tree.constant(np.zeros(3, np.float32))],
        schema.FullyConnectedOptionsT(),
    )


def not_a_number(tree):
    operator = tree.of("CONV_2D")[4]
    kernel = tree.values(operator.inputs[1])
    kernel.ravel()[7] = np.nan
    tree.set(operator, 1, kernel)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (
            other_window,
            r"layer 8 \(operator 9\) is a depthwise convolution 5 x 5, 144 to 144 channels and ReLU6; "
            r"lite0 has a depthwise convolution 3 x 3, 144 to 144",
        ),
        (
            other_activation,
            r"layer 4 \(operator 5\) is a convolution 1 x 1.*channels and ReLU; .*ReLU6 there",
        ),
        (other_skip, "is an addition, which reads other tensors"),
        (a_layer_less, "is a mean; lite0 has a convolution 1 x 1, 320 to 1280 channels and ReLU6 there"),
        (of_one_operator_more, "its operator 3, HARD_SWISH is no operator of this family"),
        (two_heads, "is a dense layer 1 x 1, 3 to 3 channels; lite0 has a softmax there"),
        (lambda tree: forms.pads_apart(tree, 1), r"CONV_2D pads by \[1, 0, 1, 0\], expected \[0, 1, 0, 1\]"),
        (not_a_number, "blocks_2/expand .* has NaN or infinite weights"),
        (forms.no_known_zero, r"make zero of \[3.0, 3.0, 3.0\]"),
    ],
)
def test_what_is_no_network_of_this_family_is_refused_with_what_differs_first(file, form, message):
    data = forms.altered(file, form)
    check_model(data)  # it is a sound file

    with pytest.raises(ArtifactError, match=message):
        take(data, where="a file")


def test_a_small_network_of_another_family_is_told_apart():
    assert network_in(tiny.tiny(), where="a file") == (
        None,
        "no EfficientNet-Lite: its layer 1 (operator 0) is a convolution 3 x 3, stride 2, 3 to 8 channels and ReLU6; "
        "lite0 has a convolution 3 x 3, stride 2, 3 to 32 channels and ReLU6 there",
    )


def test_weights_that_are_read_wrongly_are_found_by_the_proof(file, monkeypatch):
    """The proof is of the file's own answers: a layer that came out a little different is refused."""
    recognize = taken.recognize

    def wrongly(*arguments, **named):
        found = recognize(*arguments, **named)
        layer = found.layers["blocks_3/project"]
        layers = {**found.layers, "blocks_3/project": replace(layer, kernel=layer.kernel * np.float32(1.01))}
        return replace(found, layers=layers)

    monkeypatch.setattr(taken, "recognize", wrongly)

    with pytest.raises(VerificationFailed, match=r"answers otherwise than the file itself: by 0\.\d+"):
        take(file, where="a file")


def test_no_hostile_model_is_taken_in(shared):
    folder = shared / "data/hostile-models"
    with (folder / "expected.csv").open(newline="") as table:
        names = [row["file"] for row in csv.DictReader(table) if row["file"].endswith(".tflite")]
    assert len(names) > 20

    for name in names:
        with pytest.raises(EfficientNetLiteError):
            take((folder / name).read_bytes(), where=name)


# --- the doors


@pytest.fixture
def at(tmp_path, file):
    path = tmp_path / "old.tflite"
    path.write_bytes(file)
    return path


def test_export_takes_it_and_writes_the_same_network(at, tmp_path, file):
    exported = export(at, tmp_path / "new.tflite")

    assert exported.path.read_bytes() == file
    assert exported.parity.difference < 1e-3


def test_the_size_and_the_variant_may_be_asked_for(at, tmp_path):
    exported = export(at, tmp_path / "new.tflite", model="lite0@32")

    assert info(exported.path).inputs[0].shape == (1, 32, 32, 3)
    with pytest.raises(CheckpointError, match="the file is of lite0, expected lite1"):
        export(at, tmp_path / "other.tflite", model="lite1")


def test_what_was_assumed_and_what_is_lost_already_is_said(tmp_path, written, capsys):
    stranger, half = tmp_path / "normalized.tflite", tmp_path / "half.tflite"
    stranger.write_bytes(forms.altered(written("probabilities"), forms.normalized))
    half.write_bytes(written("probabilities", precision="float16"))

    for path in (stranger, half):
        assert run(["export", str(path), "--out", str(tmp_path / f"of_{path.name}")]) == EXIT_OK
    said = " ".join(capsys.readouterr().err.split())

    assert "nothing in it says which input it wants: (x - 127) / 128 is assumed" in said
    assert "its weights are float16" in said


def test_info_says_whether_it_can_be_requantized(at, capsys):
    assert run(["info", str(at)]) == EXIT_OK
    shown = capsys.readouterr().out
    assert run(["info", str(at), "--json"]) == EXIT_OK
    document = json.loads(capsys.readouterr().out)

    assert "EfficientNet-Lite0, 64 pixels, 3 classes, input [0, 1]" in shown
    assert "yes: export it with --precision int8" in shown
    assert document["network"].startswith("EfficientNet-Lite0, 64 pixels")
    assert document["not_taken"] is None
