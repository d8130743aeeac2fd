"""The ONNX file against numpy and the `.tflite` of the same layers, opened as a model, and hostile files."""

from collections import Counter
from functools import partial

import numpy as np
import pytest
import scenes
from rounded_network import random_layers

from efficientnet_lite import load
from efficientnet_lite.artifacts import kind
from efficientnet_lite.commands.export import export
from efficientnet_lite.commands.train import train
from efficientnet_lite.errors import ArtifactError, UsageError, VerificationFailed, WeightsMissing
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.proof.parity import fixed_inputs, numpy_outputs, parity
from efficientnet_lite.runtimes import litert
from efficientnet_lite.runtimes.model_files import open_model
from efficientnet_lite.runtimes.onnx import OnnxRuntime, check
from efficientnet_lite.storage import files
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.weights.read import load_weights

onnx = pytest.importorskip("onnx", reason="onnx is not installed: make test-all")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: make test-all")

OUTPUTS = ("features", "probabilities", "logits")
export_onnx = partial(export, format="onnx")


def written(plan, layers, **options):
    from efficientnet_lite.artifacts.onnx_graph import write_onnx

    return write_onnx(plan, layers, **options)


@pytest.fixture(scope="module")
def small():
    """A plan of lite0 with five classes at an odd size, its layers and its file."""
    plan = make_plan(VARIANTS["lite0"], size=37, classes=5)
    layers = random_layers(plan)
    return plan, layers, written(plan, layers)


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    return scenes.write_random_weights(tmp_path_factory.mktemp("random") / "lite0.safetensors")


@pytest.fixture(scope="module")
def trained(random_weights, tmp_path_factory):
    """A finished run of three classes."""
    folder = tmp_path_factory.mktemp("shapes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(folder / "cache"))
        yield train(
            scenes.photograph(folder / "photos"),
            folder / "runs" / "shapes",
            model=scenes.MODEL,
            weights=random_weights,
            calibration=8,
            workers=2,
        )


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("size", [45, 64])  # odd: SAME pads evenly; even: the odd pixel comes behind
def test_every_variant_computes_what_numpy_and_the_tflite_file_compute(name, size):
    plan = make_plan(VARIANTS[name], size=size, classes=7)
    layers = random_layers(plan)
    images = fixed_inputs(size)
    inputs = images.astype(np.float32) / np.float32(255)

    found = OnnxRuntime(written(plan, layers, outputs=OUTPUTS))(inputs)

    assert list(found) == list(OUTPUTS)
    assert {key: value.shape for key, value in found.items()} == {
        "features": (3, 1280),
        "probabilities": (3, 7),
        "logits": (3, 7),
    }
    assert parity(found, numpy_outputs(plan, layers, images)).difference < 1e-3
    tflite = litert.LiteRT(write_float(plan, layers, outputs=OUTPUTS))
    for row, one in enumerate(inputs):
        theirs = tflite(one[None])
        assert max(np.abs(found[key][row] - theirs[key][0]).max() for key in OUTPUTS) < 1e-3


def test_the_official_weights_give_the_same_probabilities_at_batch_1_and_3():
    try:
        weights = load_weights(VARIANTS["lite0"])
    except WeightsMissing as missing:
        pytest.skip(str(missing.what))
    plan = make_plan(VARIANTS["lite0"])
    layers = fold(plan, weights.parameters)
    images = fixed_inputs(plan.size)
    inputs = images.astype(np.float32) / np.float32(255)
    runner = OnnxRuntime(written(plan, layers))

    together = runner(inputs)
    found = parity(together, numpy_outputs(plan, layers, images))

    assert found.difference < 1e-5
    assert found.agreement == 1
    alone = np.concatenate([runner(one[None])["probabilities"] for one in inputs])
    assert np.abs(alone - together["probabilities"]).max() < 1e-6


def test_the_graph_has_folded_operators_names_and_a_free_batch(small):
    _, _, data = small
    model = onnx.load_from_string(data)
    kinds = Counter(node.op_type for node in model.graph.node)

    assert kinds == Counter(
        Conv=49, Clip=33, Add=9, Mul=1, Sub=1, Transpose=1, GlobalAveragePool=1, Flatten=1, Gemm=1, Softmax=1
    )
    shapes = {
        each.name: [side.dim_param or side.dim_value for side in each.type.tensor_type.shape.dim]
        for each in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"images": ["batch", 37, 37, 3], "probabilities": ["batch", 5]}
    assert model.opset_import[0].version == 13
    assert model.ir_version == 7


def test_a_file_of_features_alone_has_no_classifier(small):
    plan, layers, _ = small

    data = written(plan, layers, outputs=("features",))

    kinds = {node.op_type for node in onnx.load_from_string(data).graph.node}
    assert not kinds & {"Gemm", "Softmax"}


def test_equal_arguments_give_equal_bytes(small):
    plan, layers, data = small

    assert written(plan, layers) == data
    texts = {"b": "2", "a": "1"}
    assert written(plan, layers, metadata=texts) == written(
        plan, layers, metadata=dict(reversed(texts.items()))
    )


# The story


def test_an_exported_file_predicts_what_the_tflite_file_predicts(trained, tmp_path):
    found = export_onnx(trained.run, tmp_path / "m.onnx", outputs=("probabilities", "features"))
    theirs = export(trained.run, tmp_path / "m.tflite", outputs=("probabilities", "features"))

    ours, parent = load(found.path), open_model(theirs.path)

    assert (found.format, found.precision, found.outputs) == (
        "onnx",
        "float32",
        ("probabilities", "features"),
    )
    assert found.sha256 == files.sha256_file(found.path)
    assert found.bytes == found.path.stat().st_size
    assert found.parity.difference < 1e-3
    assert ours.labels == parent.labels == scenes.LABELS
    assert ours.contract == parent.contract
    assert ours.identity == parent.identity
    photos = [np.asarray(scenes.draw(label, 30)) for label in scenes.LABELS]
    assert np.abs(ours.predict(photos) - parent.predict(photos)).max() < 1e-5
    assert ours.precision == "float32"
    assert scenes.names(tmp_path) == ["m.onnx", "m.onnx.golden.npz", "m.tflite", "m.tflite.golden.npz"]


def test_a_checkpoint_gives_a_file_of_another_size(random_weights, tmp_path):
    found = export_onnx(random_weights, tmp_path / "m.onnx", model="lite0@40", outputs=("logits",))

    model = open_model(found.path)
    assert model.contract.size == 40
    assert model.predict(np.asarray(scenes.draw("box", 0))).shape == (1, 1000)


def test_an_existing_target_stays_without_overwrite(random_weights, tmp_path):
    (tmp_path / "m.onnx").write_text("mine")

    with pytest.raises(UsageError, match="the target exists"):
        export_onnx(random_weights, tmp_path / "m.onnx", model=scenes.MODEL)

    assert (tmp_path / "m.onnx").read_text() == "mine"
    found = export_onnx(random_weights, tmp_path / "m.onnx", model=scenes.MODEL, overwrite=True)
    assert found.bytes > 10**6


@pytest.mark.parametrize(
    ("out", "outputs", "what"),
    [
        ("m.lite", ("probabilities",), "must end in .onnx"),
        ("missing/m.onnx", ("probabilities",), "folder does not exist"),
        ("m.onnx", ("logits", "logits"), "cannot be"),
    ],
)
def test_a_call_that_cannot_work_is_refused_before_any_work(tmp_path, out, outputs, what):
    with pytest.raises(UsageError, match=what):
        export_onnx("lite0", tmp_path / out, outputs=outputs, weights=tmp_path / "none")

    assert scenes.names(tmp_path) == []


def test_a_file_that_computes_something_else_is_not_published(random_weights, tmp_path, monkeypatch):
    true = kind.numpy_outputs

    def other(plan, layers, images):
        return {name: values + 1 for name, values in true(plan, layers, images).items()}

    monkeypatch.setattr(kind, "numpy_outputs", other)

    with pytest.raises(VerificationFailed, match="nothing is published"):
        export_onnx(random_weights, tmp_path / "m.onnx", model=scenes.MODEL)

    assert scenes.names(tmp_path) == []


# Hostile files


def test_a_file_that_breaks_off_or_is_no_onnx_is_refused(small):
    _, _, data = small
    ends = [0, 1, 7, 100, 5000, len(data) // 2, len(data) - 1]

    for damaged in [*(data[:end] for end in ends), b"TFL3" * 100, b"<html>", bytes(5000)]:
        with pytest.raises(ArtifactError):
            OnnxRuntime(damaged)


def node(model, kind):
    return next(each for each in model.graph.node if each.op_type == kind)


def external(model):
    tensor = model.graph.initializer[-1]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def spread(model):
    arrays = [
        onnx.numpy_helper.from_array(np.ones(shape, np.float32), name)
        for name, shape in (("row", (1, 90_000)), ("column", (90_000, 1)))
    ]
    model.graph.initializer.extend(arrays)
    model.graph.node.append(onnx.helper.make_node("Add", ["column", "row"], ["much"]))


def padded(model):
    (pads,) = [each for each in node(model, "Conv").attribute if each.name == "pads"]
    pads.ints[:] = [30_000] * 4


def looping(model):
    body = onnx.helper.make_graph([], "body", [], [])
    model.graph.node.append(onnx.helper.make_node("Loop", ["scale"], ["x"], body=body))


def foreign(model):
    node(model, "Clip").domain = "com.microsoft"


def endless(model):
    model.graph.node.extend([node(model, "Clip")] * 1000)


@pytest.mark.parametrize("change", [external, spread, padded, looping, foreign, endless])
def test_what_only_a_hostile_file_has_is_refused_before_the_runtime_opens_it(small, change):
    model = onnx.load_from_string(small[2])
    change(model)

    with pytest.raises(ArtifactError, match="no ONNX file of an EfficientNet-Lite"):
        check(model.SerializeToString(), where="hostile.onnx")


def test_a_graph_that_does_not_fit_together_is_refused_by_the_runtime_in_one_line(small):
    model = onnx.load_from_string(small[2])
    node(model, "Gemm").input[1] = "stem/conv/kernel"

    with pytest.raises(ArtifactError, match="ONNX Runtime cannot open it") as caught:
        OnnxRuntime(model.SerializeToString())

    assert "\n" not in caught.value.what


@pytest.mark.parametrize("name", [b"strides", b"images", b"probabilities"])
def test_a_name_that_is_no_utf8_is_refused_and_nothing_is_printed(small, capsys, name):
    with pytest.raises(ArtifactError, match="ONNX Runtime cannot open it"):
        OnnxRuntime(small[2].replace(name, name[:-1] + b"\x80"))

    assert capsys.readouterr().out == ""


def test_inputs_of_another_shape_or_type_are_a_caller_error(small):
    runner = OnnxRuntime(small[2])

    with pytest.raises(ValueError, match="expected float32"):
        runner(np.zeros((1, 37, 37, 3), np.uint8))
    with pytest.raises(ValueError, match="expected float32"):
        runner(np.zeros((1, 36, 37, 3), np.float32))


@pytest.mark.parametrize(
    ("metadata", "what"),
    [
        ({}, "nothing in it says how its input"),
        ({"EFFICIENTNET_LITE": "{"}, "is no JSON"),
        ({"EFFICIENTNET_LITE": "of another file"}, "its contract says"),
    ],
)
def test_a_file_that_does_not_say_what_it_is_is_refused(small, random_weights, tmp_path, metadata, what):
    plan, layers, _ = small
    if "of another file" in metadata.values():  # 40 pixels, written into a file of 37
        found = export_onnx(random_weights, tmp_path / "other.onnx", model="lite0@40")
        metadata = {"EFFICIENTNET_LITE": OnnxRuntime(found.path.read_bytes()).metadata["EFFICIENTNET_LITE"]}
    (tmp_path / "m.onnx").write_bytes(written(plan, layers, metadata=metadata))

    with pytest.raises(ArtifactError, match=what):
        open_model(tmp_path / "m.onnx")
