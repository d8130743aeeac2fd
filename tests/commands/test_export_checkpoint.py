"""`export --format tf1-checkpoint`: weights as the reference's programs read them, proven and replayed."""

import json
import shutil

import checkpoint_files
import numpy as np
import pytest
import scenes

from efficientnet_lite.artifacts import tf1_checkpoint as story
from efficientnet_lite.artifacts.tf1_checkpoint import publish_checkpoint, unequal
from efficientnet_lite.commands.export import export as export_artifact
from efficientnet_lite.commands.reference import Flags, export_reference
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import CheckpointError, UsageError, VerificationFailed
from efficientnet_lite.network.plan import DENSE, VARIANTS, make_plan
from efficientnet_lite.run.folder import WEIGHTS
from efficientnet_lite.run.source import open_source
from efficientnet_lite.runtimes.model_files import open_model
from efficientnet_lite.storage import files
from efficientnet_lite.training.train_state import start_state
from efficientnet_lite.weights import read as read_module
from efficientnet_lite.weights.read import read_checkpoint
from efficientnet_lite.weights.safetensors import write_safetensors
from efficientnet_lite.weights.tf1_read import read_index, read_tensors
from efficientnet_lite.weights.tf1_write import checkpoint_entries, write_checkpoint

FORMAT = "tf1-checkpoint"
PARTS = ["checkpoint", "efficientnet-lite.json", "model.ckpt.data-00000-of-00001", "model.ckpt.index"]
PLAN = make_plan(VARIANTS["lite0"], size=scenes.SIZE, classes=3)


@pytest.fixture(scope="module")
def parameters(tmp_path_factory):
    """Random weights of lite0 for three classes; not to be changed."""
    path = scenes.write_random_weights(tmp_path_factory.mktemp("weights") / "all.safetensors")
    found = dict(read_checkpoint(path).parameters)
    found[f"{DENSE}/kernel"] = found[f"{DENSE}/kernel"][:, :3].copy()
    found[f"{DENSE}/bias"] = np.float32([0.1, 0.2, 0.3])
    return found


@pytest.fixture
def both(parameters, tmp_path):
    """A TF1 checkpoint whose raw weights are not its averages, and the averages."""
    averages = {name: array * np.float32(0.5) for name, array in parameters.items()}
    (tmp_path / "both").mkdir()
    write_checkpoint(tmp_path / "both", checkpoint_entries(PLAN, parameters, averages=averages, step=9))
    return tmp_path / "both", averages


def weights_in(folder):
    """Averages and raw weights."""
    return [read_checkpoint(folder, ema=ema).parameters for ema in (True, False)]


def stored_in(folder):
    index = read_index((folder / "model.ckpt.index").read_bytes(), where=folder)
    data = (folder / "model.ckpt.data-00000-of-00001").read_bytes()
    return {name: stored.load() for name, stored in read_tensors(index, [data], where=folder).items()}


# Sources


def test_a_run_becomes_a_checkpoint_of_its_classes(run, tmp_path):
    found = export_artifact(run, tmp_path / "c", format=FORMAT)

    wanted = read_checkpoint(run / WEIGHTS).parameters
    assert wanted[f"{DENSE}/bias"].shape == (3,)
    assert all(unequal(weights, wanted) == [] for weights in weights_in(found.path))
    assert scenes.names(tmp_path / "c") == [*PARTS[:2], "labels.txt", *PARTS[2:]]
    assert (tmp_path / "c/labels.txt").read_text(encoding="utf-8").split() == list(scenes.LABELS)
    assert stored_in(found.path)["global_step"] == 0
    assert found.bytes == sum(path.stat().st_size for path in found.path.iterdir())
    assert found.sha256 == files.sha256_folder(found.path)
    assert any("raw weights and the moving averages in it are the same" in note for note in found.notes)
    assert not (tmp_path / "c.golden.npz").exists()


def test_a_checkpoint_keeps_its_raw_weights_and_its_averages(both, parameters, tmp_path):
    source, averages = both

    found = export_artifact(source, tmp_path / "c", format=FORMAT, model=scenes.MODEL)

    written_averages, written_raw = weights_in(found.path)
    assert unequal(written_averages, averages) == []
    assert unequal(written_raw, parameters) == []
    assert len(found.notes) == 1
    assert "global_step is 0" in found.notes[0]


@pytest.mark.parametrize("kind", ["TF1 checkpoint", "torch .pth"])
def test_a_source_of_both_is_opened_once(both, parameters, tmp_path, monkeypatch, kind):
    source, averages = both
    if kind == "torch .pth":
        source = tmp_path / "both.pth"
        source.write_bytes(pth_of_both(parameters, averages))
    opened, whole = [], read_module._open

    def counted(path, *, ema):
        opened.append(path)
        return whole(path, ema=ema)

    monkeypatch.setattr(read_module, "_open", counted)
    found = export_artifact(source, tmp_path / "c", format=FORMAT, model=scenes.MODEL)

    assert opened.count(source) == 1
    written_averages, written_raw = weights_in(found.path)
    assert unequal(written_averages, averages) == []
    assert unequal(written_raw, parameters) == []


def pth_of_both(raw, averages):
    """Torch's file of raw weights and of their averages."""
    parts = {"state_dict": raw, "state_dict_ema": averages}
    tensors = {
        (part, name): array
        for part, weights in parts.items()
        for name, array in checkpoint_files.to_dialect(weights, PLAN, "timm").items()
    }
    seen = checkpoint_files.views(tensors)
    root = {part: {name: seen[each, name] for each, name in seen if each == part} for part in parts}
    storages = {str(number): checkpoint_files.numbers(array) for number, array in enumerate(tensors.values())}
    return checkpoint_files.zip_pth(root, storages)


def test_without_averages_the_raw_weights_are_both(both, parameters, tmp_path):
    found = export_artifact(both[0], tmp_path / "c", format=FORMAT, ema=False)

    assert all(unequal(weights, parameters) == [] for weights in weights_in(found.path))
    assert "the same" in found.notes[0]


def test_of_averages_alone_they_are_the_raw_weights_too(both, tmp_path):
    source, averages = both
    shadows = {name: array for name, array in stored_in(source).items() if name.endswith("Average")}
    write_checkpoint(source, shadows)

    found = export_artifact(source, tmp_path / "c", format=FORMAT)

    assert all(unequal(weights, averages) == [] for weights in weights_in(found.path))
    assert "as moving averages only" in found.notes[0]


def test_weights_without_a_classifier_stay_so(parameters, tmp_path):
    backbone = {name: array for name, array in parameters.items() if not name.startswith(DENSE)}
    write_safetensors(tmp_path / "w.safetensors", backbone, {})

    found = export_artifact(tmp_path / "w.safetensors", tmp_path / "c", format=FORMAT)

    assert unequal(weights_in(found.path)[0], backbone) == []
    assert scenes.names(tmp_path / "c") == PARTS


def test_a_training_in_progress_is_published_with_slots_and_step(parameters, tmp_path):
    state = start_state(parameters)
    state.momentum["stem/conv/kernel"] += np.float32(0.25)
    entries = checkpoint_entries(
        PLAN,
        state.weights,
        averages=state.averages,
        accumulators=state.accumulators,
        momentum=state.momentum,
        step=1234,
    )

    publish_checkpoint(tmp_path / "c", PLAN, entries, labels=scenes.LABELS, about={"source": "a training"})

    assert unequal(stored_in(tmp_path / "c"), entries) == []
    assert unequal(weights_in(tmp_path / "c")[1], parameters) == []
    card = json.loads((tmp_path / "c/efficientnet-lite.json").read_text(encoding="utf-8"))
    assert (card["format"], card["classes"], card["source"]) == (FORMAT, 3, "a training")


# Consumers


def test_the_folder_is_a_source_like_any_other(run, tmp_path):
    folder = export_artifact(run, tmp_path / "c", format=FORMAT).path
    image = np.full((64, 64, 3), 90, np.uint8)

    again = export_artifact(folder, tmp_path / "again.tflite", model=scenes.MODEL)

    wanted = open_source(run, precision="float32").predict(image)
    assert open_model(again.path).predict(image) == pytest.approx(wanted, abs=1e-5)
    assert open_source(folder).predict(image).shape == (1, 3)


def test_the_references_exporter_takes_the_folder(run, tmp_path):
    folder = export_artifact(run, tmp_path / "c", format=FORMAT).path
    flags = Flags(
        "efficientnet-lite0",
        str(folder),
        output_tflite=str(tmp_path / "r.tflite"),
        quantize=False,
        image_size=scenes.SIZE,
    )

    (found,) = export_reference(flags)

    image = np.full((64, 64, 3), 90, np.uint8)
    wanted = open_source(run, precision="float32").predict(image)
    assert found.path.is_file()
    assert open_model(found.path).predict(image) == pytest.approx(wanted, abs=1e-5)


# The place


def test_a_target_that_exists_is_replaced_only_where_it_is_ours(run, tmp_path):
    out = tmp_path / "c"
    out.mkdir()
    (out / "model.ckpt.index").write_bytes(b"mine")
    (out / "efficientnet-lite.json").write_text('{"format": "savedmodel"}')
    with pytest.raises(UsageError, match="the target exists"):
        export_artifact(run, out, format=FORMAT)
    for card in ('{"format": "savedmodel"}', "[]", "no JSON", "[" * 100_000):
        (out / "efficientnet-lite.json").write_text(card)
        with pytest.raises(UsageError, match="no TF1 checkpoint of ours"):
            export_artifact(run, out, format=FORMAT, overwrite=True)
    assert (out / "model.ckpt.index").read_bytes() == b"mine"
    shutil.rmtree(out)
    export_artifact(run, out, format=FORMAT)
    (out / "old.txt").touch()
    with pytest.raises(UsageError, match="the target exists"):
        export_artifact(run, out, format=FORMAT)

    export_artifact(run, out, format=FORMAT, overwrite=True)

    assert (out / "old.txt").exists()  # not ours
    assert {*PARTS, "labels.txt", "old.txt"} == set(scenes.names(out))
    assert "c" in scenes.names(tmp_path)
    assert not any(name.startswith(".c") for name in scenes.names(tmp_path))


@pytest.mark.parametrize(
    "ending", ["stem/conv2d/kernel", "stem/conv2d/kernel/ExponentialMovingAverage", "step"]
)
def test_what_reads_otherwise_than_it_was_is_not_published(run, tmp_path, monkeypatch, ending):
    def write_wrong(folder, tensors):
        spoiled = {name: array.copy() for name, array in tensors.items()}
        (name,) = (each for each in tensors if each.endswith(ending))
        spoiled[name].reshape(-1).view(np.uint8)[0] ^= 1  # the last bit of one number
        write_checkpoint(folder, spoiled)

    monkeypatch.setattr(story, "write_checkpoint", write_wrong)

    with pytest.raises(
        VerificationFailed, match=f"1 tensors of the written checkpoint read otherwise.*{ending}"
    ):
        export_artifact(run, tmp_path / "c", format=FORMAT)
    assert not (tmp_path / "c").exists()


def test_weights_that_no_reader_would_take_are_not_published(parameters, tmp_path):
    broken = parameters | {"stem/conv/beta": np.full(32, np.nan, np.float32)}

    with pytest.raises(
        VerificationFailed, match=r"cannot be read[\s\S]*stem/conv/beta[\s\S]*NaN[\s\S]*in:  .*/c\n"
    ):
        publish_checkpoint(tmp_path / "c", PLAN, checkpoint_entries(PLAN, broken))
    assert scenes.names(tmp_path) == []


def test_it_has_no_outputs_and_no_precision(run, tmp_path):
    with pytest.raises(UsageError, match="has no outputs"):
        export_artifact(run, tmp_path / "c", format=FORMAT, outputs=("logits",))
    with pytest.raises(UsageError, match=r"is for \.tflite files"):
        export_artifact(run, tmp_path / "c", format=FORMAT, precision="int8")


# Of a run


def test_it_joins_the_run_and_is_replayed(run):
    found = export_artifact(run, format=FORMAT)

    assert found.path == run / "exports" / "shapes_tf1-checkpoint"
    (entry,) = json.loads((run / "card.json").read_text(encoding="utf-8"))["artifacts"]
    assert (entry["path"], entry["outputs"]) == ("exports/shapes_tf1-checkpoint", [])
    verified = verify(run)
    assert verified.passed
    assert not any("was not replayed" in note for note in verified.notes)


def test_a_spoiled_checkpoint_of_a_run_is_a_fault(run):
    part = export_artifact(run, format=FORMAT).path / "model.ckpt.data-00000-of-00001"
    part.write_bytes(part.read_bytes()[:-1] + b"\1")

    assert "SHA-256 differs" in verify(run).faults[0]


def test_other_weights_of_the_run_are_a_fault(run):
    export_artifact(run, format=FORMAT)
    weights = dict(read_checkpoint(run / WEIGHTS).parameters)
    weights["stem/conv/beta"] = np.nextafter(weights["stem/conv/beta"], np.float32(9))
    write_safetensors(run / WEIGHTS, weights, {})

    assert verify(run).faults == (
        "the moving averages of exports/shapes_tf1-checkpoint differ from weights.safetensors: stem/conv/beta",
        "the raw weights of exports/shapes_tf1-checkpoint differ from weights.safetensors: stem/conv/beta",
    )


def test_the_checkpoint_of_a_run_brings_its_labels_and_its_input_size(trained, tmp_path):
    folder = export_artifact(trained.run, tmp_path / "checkpoint", format=FORMAT).path

    for source in (folder, trained.run / WEIGHTS):
        found = open_source(source)
        assert (found.labels, found.contract.size) == (scenes.LABELS, scenes.SIZE)
    (folder / "labels.txt").write_text("only one\n")
    with pytest.raises(CheckpointError, match="it has 1 labels, expected 3"):
        open_source(folder)
