"""Artifacts that `export` adds to a run: their place, the card, the golden file, and `verify` over all of them."""

import importlib.util
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import scenes

from efficientnet_lite.artifacts.kind import Making
from efficientnet_lite.artifacts.kinds import KINDS
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.artifacts.publication import publish
from efficientnet_lite.commands.export import export as export_artifact
from efficientnet_lite.commands.train import train
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import ArtifactError, UsageError
from efficientnet_lite.proof.golden import golden_path
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.arrivals import Arrivals
from efficientnet_lite.run.artifacts import artifacts_of
from efficientnet_lite.run.folder import open_run
from efficientnet_lite.run.source import open_origin


def missing(*modules):
    return [name for name in modules if importlib.util.find_spec(name) is None]


needs_onnx = pytest.mark.skipif(
    bool(missing("onnx", "onnxruntime")), reason="the extra [onnx]: make test-all"
)
needs_tensorflow = pytest.mark.skipif(
    bool(missing("tensorflow", "keras")), reason="the extra [train]: make test-all"
)


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained.run, tmp_path / "shapes")


def card(run):
    return json.loads((run / "card.json").read_text(encoding="utf-8"))


def test_a_file_without_a_target_goes_into_its_run(run):
    found = export_artifact(run, precision="float16")

    assert found.path == run / "exports" / "shapes_float16.tflite"
    (entry,) = card(run)["artifacts"]
    assert (entry["path"], entry["precision"]) == ("exports/shapes_float16.tflite", "float16")
    assert entry["float_difference"] < 1e-3 < entry["reduction"]["snr_db"]
    assert {"exports/shapes_float16.tflite", "exports/shapes_float16.tflite.golden.npz"} <= set(
        card(run)["files"]
    )
    assert verify(run).passed


def test_exporting_again_needs_overwrite_and_lists_it_once(run):
    export_artifact(run, precision="float16")
    with pytest.raises(UsageError, match="exists"):
        export_artifact(run, precision="float16")

    export_artifact(run, precision="float16", overwrite=True)

    assert len(card(run)["artifacts"]) == 1


def test_what_the_run_has_from_training_is_not_made_again(run):
    with pytest.raises(UsageError, match="already"):
        export_artifact(run)


def test_a_model_that_is_no_run_needs_a_target(weights):
    with pytest.raises(UsageError, match="`out=`"):
        export_artifact("lite0", weights=weights)


def test_training_anew_takes_the_artifacts_of_the_old_run_away(run, photos, weights):
    export_artifact(run, precision="float16")

    train(photos, run, model=scenes.MODEL, weights=weights, overwrite=True)

    assert not (run / "exports" / "shapes_float16.tflite").exists()
    assert not (run / "exports" / "shapes_float16.tflite.golden.npz").exists()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "SHA-256 differs"),
        (lambda path: path.unlink(), "is missing"),
    ],
)
def test_an_artifact_that_is_not_what_the_card_names_is_a_fault(run, spoil, says):
    spoil(export_artifact(run, precision="float16").path)

    found = verify(run)

    assert not found.passed
    assert says in found.faults[0]


def test_other_golden_outputs_of_an_artifact_are_a_fault(run):
    path = golden_path(export_artifact(run, precision="float16").path)
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, **(content | {"probabilities": content["probabilities"] + np.float32(0.1)}))

    assert (
        "shapes_float16.tflite (probabilities) differ from the expected ones by 0.1" in verify(run).faults[0]
    )


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_a_golden_file_that_is_none_is_an_error(run, content):
    golden_path(export_artifact(run, precision="float16").path).write_bytes(content)

    with pytest.raises(ArtifactError, match="expected outputs"):
        verify(run)


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "../outside.tflite"},
        {"path": "/etc/passwd"},
        {"path": 7},
        {"outputs": [7]},
        {"sha256": None},
    ],
)
def test_a_card_of_a_stranger_cannot_name_files_elsewhere(run, entry):
    export_artifact(run, precision="float16")
    content = card(run)
    content["artifacts"][0] |= entry
    (run / "card.json").write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(ArtifactError, match="artifacts"):
        artifacts_of(open_run(run))


@pytest.mark.parametrize(
    "arriving",
    [
        *({"entry": {"path": path}} for path in ("../outside.tflite", "/etc/passwd", "", 7, None)),
        *({"entry": {"outputs": [7]}}, {"entry": {"format": []}}, {"entry": {"sha256": None}}, {"entry": 7}),
        *([], 7, "text", None),
    ],
)
def test_a_card_of_a_stranger_lets_nothing_arrive_from_elsewhere(run, arriving):
    export_artifact(run, precision="float16")
    content = card(run)
    (entry,) = content["artifacts"]
    if isinstance(arriving, dict) and isinstance(arriving["entry"], dict):
        arriving = {"mark": entry["sha256"], "entry": entry | arriving["entry"]}
    content["arriving"] = [arriving]
    (run / "card.json").write_text(json.dumps(content), encoding="utf-8")
    before = scenes.contents(run.parent)

    for command in (
        lambda: artifacts_of(open_run(run)),
        lambda: verify(run),
        lambda: export_artifact(run, precision="float16", overwrite=True),
    ):
        with pytest.raises(ArtifactError, match="artifacts cannot be read"):
            command()

    assert scenes.contents(run.parent) == before


def test_a_card_of_a_stranger_cannot_have_a_file_read_a_thousand_times(run):
    export_artifact(run, precision="float16")
    content = card(run)
    (entry,) = content["artifacts"]
    content["arriving"] = [{"mark": entry["sha256"], "entry": entry}] * 1000
    (run / "card.json").write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(ArtifactError, match="1000 artifacts are arriving at once"):
        artifacts_of(open_run(run))


def test_a_card_whose_arrivals_are_damaged_is_replaced_as_any_run(run, fit, photos):
    content = card(run) | {"arriving": 7}
    (run / "card.json").write_text(json.dumps(content), encoding="utf-8")

    fit(photos, run, overwrite=True)

    assert "arriving" not in card(run)
    assert verify(run).passed


def test_an_artifact_does_not_come_to_a_run_that_has_replaced_its_own(run, trained):
    def replaced(making, place):
        run.rename(run.with_name("old"))
        shutil.copytree(trained.run, run)
        place.parent.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(run.with_name("old") / place.parent.relative_to(run), place.parent)
        return KINDS["tflite"].write(making, place)

    kind, options = KINDS["tflite"], ExportOptions(format="tflite", precision="float16")
    arrivals = Arrivals.to(run)
    making = Making(open_origin(run), options, arrivals.place_of(kind, options))

    with pytest.raises(UsageError, match="replaced by another"):
        publish(replace(kind, write=replaced), making, entering=arrivals.entering)

    assert scenes.names(run / "exports") == scenes.names(trained.run / "exports")
    assert "artifacts" not in card(run)


def test_an_unknown_format_is_a_note(run):
    export_artifact(run, precision="float16")
    content = card(run)
    content["artifacts"][0]["format"] = "tflite-9"
    (run / "card.json").write_text(json.dumps(content), encoding="utf-8")

    found = verify(run)

    assert found.passed
    assert "was not replayed" in found.notes[0]


@pytest.mark.parametrize("option", [{"precision": "int8"}, {"batch": "dynamic"}, {"endpoints": ("stem",)}])
def test_options_of_tflite_are_refused_for_other_formats(run, option):
    with pytest.raises(UsageError, match=r"is for \.tflite files"):
        export_artifact(run, format="onnx", **option)


@needs_onnx
def test_an_onnx_file_joins_the_run(run):
    found = export_artifact(run, format="onnx", outputs=("logits",))

    assert found.path == run / "exports" / "shapes_logits.onnx"
    assert verify(run).passed


@needs_tensorflow
@pytest.mark.parametrize("format", ["savedmodel", "hub-tf1"])
def test_a_folder_of_tensorflow_joins_the_run_and_is_executed_only_when_trusted(run, format):
    found = export_artifact(run, format=format, outputs=("logits",))

    assert found.path == run / "exports" / f"shapes_{format}_logits"
    cautious, trusting = verify(run), verify(run, trust=True)
    assert cautious.passed
    assert "`trust=True`" in cautious.notes[0]
    assert trusting.passed
    assert not trusting.notes


@needs_tensorflow
def test_a_spoiled_folder_is_a_fault(run):
    found = export_artifact(run, format="savedmodel")
    (found.path / "saved_model.pb").write_bytes(b"")

    assert "SHA-256 differs" in verify(run, trust=True).faults[0]


@pytest.mark.parametrize("key", ["artifacts", "exports"])
def test_a_card_that_names_a_file_twice_is_refused_before_it_is_read_a_thousand_times(run, key):
    card = json.loads((run / run_folder.CARD).read_text())
    once = {"path": "exports", "format": "tflite", "sha256": "0" * 64, "outputs": []}
    card[key] = [*card.get(key, []), *[once | {"precision": "int8"}] * 2]
    (run / run_folder.CARD).write_text(json.dumps(card))

    with pytest.raises(ArtifactError, match="names 'exports' twice"):
        verify(run)


def test_nothing_is_written_into_a_run_whose_card_cannot_list_it(run):
    card = json.loads((run / run_folder.CARD).read_text())
    card["artifacts"] = [{"path": "../elsewhere"}]
    (run / run_folder.CARD).write_text(json.dumps(card))
    before = scenes.contents(run)

    with pytest.raises(ArtifactError, match="artifacts cannot be read"):
        export_artifact(run, format="tf1-checkpoint")

    assert scenes.contents(run) == before
