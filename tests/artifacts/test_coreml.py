"""The Core ML package against numpy: read back by coremltools, and computed from what stands in its files.

Core ML itself runs on Apple's systems alone, so nothing here is a run on a device.
"""

import json
from functools import partial

import pytest
import scenes
from rounded_network import random_layers

from efficientnet_lite.artifacts import coreml
from efficientnet_lite.commands.export import export
from efficientnet_lite.commands.train import train
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import ArtifactError, UsageError, VerificationFailed
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.proof.golden import golden_path, read_golden
from efficientnet_lite.proof.parity import fixed_inputs, numpy_outputs, parity
from efficientnet_lite.storage import files
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity

pytest.importorskip("coremltools", reason="coremltools is not installed: make test-all, or test-engines")

from efficientnet_lite.artifacts import coreml_graph as graph

export_coreml = partial(export, format="coreml")
TEXT = graph.PackageText("Not run on a device", "Apache-2.0", {"a": "b"})


def written(place, plan, layers, *, outputs=("probabilities",), labels=None, halves=False):
    """Write a package into the new folder `place` and read it back."""
    place.mkdir()
    graph.write_package(
        place, plan, layers, outputs=outputs, labels=labels, halves=halves, text=TEXT, items={}
    )
    return graph.read_package(place)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of three classes."""
    folder = tmp_path_factory.mktemp("shapes")
    weights = scenes.write_random_weights(folder / "lite0.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(folder / "cache"))
        return train(
            scenes.photograph(folder / "photos"),
            folder / "shapes",
            model=scenes.MODEL,
            weights=weights,
            calibration=8,
            workers=2,
        ).run


@pytest.mark.parametrize("name", ["lite0", "lite4"])
@pytest.mark.parametrize("size", [45, 64])  # odd: SAME pads evenly; even: the odd pixel comes behind
def test_a_package_holds_what_numpy_computes(tmp_path, name, size):
    plan = make_plan(VARIANTS[name], size=size, classes=7)
    layers, images = random_layers(plan), fixed_inputs(size)

    found = written(tmp_path / "m.mlpackage", plan, layers, outputs=("logits", "features"))

    assert (found.image, found.rgb, found.labels) == ((size, size), True, None)
    assert found.outputs == ("logits", "features")
    values = found.compute(images)
    assert {key: value.shape for key, value in values.items()} == {"logits": (3, 7), "features": (3, 1280)}
    assert parity(values, numpy_outputs(plan, layers, images)).difference < 1e-3


def test_equal_arguments_give_equal_bytes(tmp_path):
    plan = make_plan(VARIANTS["lite0"], size=32, classes=3)
    layers = random_layers(plan)

    for name in ("a", "b"):
        written(tmp_path / name, plan, layers, labels=["x", "y", "z"])

    assert files.sha256_folder(tmp_path / "a") == files.sha256_folder(tmp_path / "b")


def test_another_padding_in_the_file_would_be_found(tmp_path, monkeypatch):
    plan = make_plan(VARIANTS["lite0"], size=64, classes=3)
    layers, images = random_layers(plan), fixed_inputs(64)
    monkeypatch.setattr(graph, "same_padding", lambda side, kernel, stride: (kernel // 2, kernel // 2))

    found = written(tmp_path / "m.mlpackage", plan, layers, outputs=("logits",))

    assert parity(found.compute(images), numpy_outputs(plan, layers, images)).difference > 0.1


def test_a_run_becomes_a_classifier_with_its_labels(run, tmp_path):
    found = export_coreml(run, tmp_path / "shapes.mlpackage")

    package = graph.read_package(found.path)
    assert (found.format, found.precision, found.outputs) == ("coreml", "float32", ("probabilities",))
    assert found.parity.difference < 1e-3
    assert found.sha256 == files.sha256_folder(found.path)
    assert package.labels == scenes.LABELS
    assert package.outputs == ("classLabel", "classLabel_probs")
    assert package.description.startswith("Not run on a device. EfficientNet-Lite0")
    assert package.metadata["status"] == "not run on a device"
    identity = Identity.from_bytes(package.metadata[OWN_ENTRY].encode(), where=found.path)
    assert (identity.classes, identity.precision) == (3, "float32")
    card = (found.path / coreml.CARD).read_text()
    assert next(iter(json.loads(card).items())) == ("status", "not run on a device")
    golden = read_golden(golden_path(found.path), ("images", "probabilities"))
    assert parity(package.compute(golden["images"]), golden).difference < 1e-6


def test_halves_lose_little_and_say_what(run, tmp_path):
    whole = export_coreml(run, tmp_path / "m.mlpackage", outputs=("logits",))
    half = export_coreml(run, tmp_path / "h.mlpackage", outputs=("logits",), precision="float16")

    assert half.precision == "float16"
    assert half.bytes < 0.55 * whole.bytes
    assert half.parity.difference < 1e-3  # from the network with weights of 16 bits
    assert half.reduction.snr_db > 30
    assert half.reduction.difference > half.parity.difference


def test_a_run_keeps_it_and_verify_says_that_it_was_not_run(run):
    found = export_coreml(run)

    checked = verify(run)

    assert found.path == run / "exports/shapes.mlpackage"
    assert any("Core ML runs on Apple's systems alone" in note for note in checked.notes)


def test_a_package_is_replaced_and_what_the_user_put_there_stays(run, tmp_path):
    out = tmp_path / "m.mlpackage"
    export_coreml(run, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="the target exists"):
        export_coreml(run, out)

    export_coreml(run, out, outputs=("features",), overwrite=True)

    assert graph.read_package(out).outputs == ("features",)
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("out", "options", "what"),
    [
        ("m", {}, "must end in .mlpackage"),
        ("m.mlpackage", {"precision": "int8"}, "no Core ML package of ours in int8"),
        ("m.mlpackage", {"outputs": ("logits", "logits")}, "cannot be"),
        ("m.mlpackage", {"data": "photos"}, "not for coreml"),
        ("m.tflite", {}, "contradicts the ending"),
    ],
)
def test_a_call_that_cannot_work_is_refused_before_any_work(tmp_path, out, options, what):
    with pytest.raises(UsageError, match=what):
        export_coreml("lite0", tmp_path / out, weights=tmp_path / "none", **options)

    assert scenes.names(tmp_path) == []


def test_a_package_that_computes_something_else_is_not_published(run, tmp_path, monkeypatch):
    operators = {**graph._OPERATORS, "relu6": graph._OPERATORS["cast"]}
    monkeypatch.setattr(graph, "_OPERATORS", operators)

    with pytest.raises(VerificationFailed, match="nothing is published"):
        export_coreml(run, tmp_path / "m.mlpackage")

    assert scenes.names(tmp_path) == []


def test_a_package_that_says_something_else_is_not_published(run, tmp_path, monkeypatch):
    monkeypatch.setattr(coreml, "NOT_RUN", "Run everywhere")
    monkeypatch.setattr(graph, "SHARES", "shares")

    with pytest.raises(ArtifactError, match="something else than was asked for"):
        export_coreml(run, tmp_path / "m.mlpackage")
