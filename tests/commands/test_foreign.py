"""We delete and replace only what we made: every command that writes, over what is not ours, counted."""

import importlib
import json
import shutil
import subprocess
import sys

import foreign
import numpy as np
import pytest
import scenes

from efficientnet_lite.artifacts import coreml, hub_module, saved_model, tf1_checkpoint
from efficientnet_lite.artifacts.firmware import microcontroller
from efficientnet_lite.artifacts.hub_entries import Address
from efficientnet_lite.cli import app, reference
from efficientnet_lite.errors import UsageError
from efficientnet_lite.features.npy_folder import VECTORS
from efficientnet_lite.features.vector_folder import PARTS
from efficientnet_lite.network.plan import VARIANTS
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.storage import files, folders, targets
from efficientnet_lite.storage.listing import is_own, seal
from efficientnet_lite.tflite.identity import Identity
from efficientnet_lite.training import saved_states, shards

ENTRY = Address(VARIANTS["lite0"], "feature-vector", 1)
KERAS = (
    "keras",
    "tensorflow",
    "efficientnet_lite.training.fine_tuned",
    "efficientnet_lite.training.pretraining",
)
HEAVY = tuple(f"efficientnet_lite.artifacts.{name}_graph" for name in ("saved_model", "hub", "reference"))


@pytest.fixture(scope="module")
def source(weights, trained, tmp_path_factory):
    """What the commands read; not to be changed: a checkpoint of random weights, and one of TensorFlow's form."""
    folder = tmp_path_factory.mktemp("source")
    scenes.write_random_weights(folder / "w.safetensors")
    arguments = ["export", trained.run, "--format", "tf1-checkpoint", "--out", folder / "tf1"]
    assert app.run(list(map(str, arguments))) == 0
    scenes.photograph(folder / "photos", count=4)
    return folder


@pytest.fixture(autouse=True)
def without_keras(monkeypatch):
    """Refusals come before Keras or TensorFlow is asked for; what gets as far as them ends there."""
    for name in (*KERAS, *HEAVY):
        package, _, module = name.rpartition(".")
        if package:  # another test may have imported it
            monkeypatch.delattr(importlib.import_module(package), module, raising=False)
        monkeypatch.setitem(sys.modules, name, None)


def train(source, out):
    return [
        "train",
        source / "photos",
        "--out",
        out,
        "--model",
        scenes.MODEL,
        "--weights",
        source / "w.safetensors",
    ]


# Name -> the command line that writes to `out`, from files in `source`.
COMMANDS = {
    "train": train,
    "train --fine-tune": lambda source, out: [*train(source, out), "--fine-tune"],
    "train --recipe": lambda source, out: [*train(source, out), "--recipe", "imagenet"],
    "shards": lambda source, out: ["shards", source / "photos", "--out", out],
    "embed": lambda source, out: [
        *("embed", scenes.MODEL, source / "photos", "--weights", source / "w.safetensors", "--out", out)
    ],
    "embed npy": lambda source, out: [*COMMANDS["embed"](source, out), "--format", "npy"],
    "export tflite": lambda source, out: [
        *("export", source / "w.safetensors", "--model", scenes.MODEL, "--out", out)
    ],
    **{
        f"export {format}": lambda source, out, format=format: [
            *("export", source / "w.safetensors", "--model", scenes.MODEL, "--format", format, "--out", out)
        ]
        for format in ("onnx", "savedmodel", "hub-tf1", "tf1-checkpoint", "tflm")
    },
    "export into a run": lambda source, out: ["export", out, "--precision", "float16"],
    "report": lambda source, out: ["report", out],
    "hub-cache": lambda source, out: [
        *("hub-cache", str(ENTRY), "--weights", source / "w.safetensors", "--dir", out.parent)
    ],
    "hub-cache --remove": lambda source, out: ["hub-cache", str(ENTRY), "--remove", "--dir", out.parent],
    "export_model": lambda source, out: [
        *(
            "--model_name=efficientnet-lite0",
            f"--ckpt_dir={source / 'tf1'}",
            f"--output_saved_model_dir={out}",
        )
    ],
    "export_model tflite": lambda source, out: [
        *("--model_name=efficientnet-lite0", f"--ckpt_dir={source / 'tf1'}", "--quantize=False"),
        *(f"--image_size={scenes.SIZE}", f"--output_tflite={out}"),
    ],
}
FLAGS = {"train --fine-tune": ([], ["--overwrite"], ["--resume"], ["--overwrite", "--resume"])}
FLAGS["train --recipe"] = FLAGS["train --fine-tune"]
NO_FLAGS = ("hub-cache --remove", "export_model", "export_model tflite", "hub-cache")
FOREIGN = {"photos": foreign.photos, "namesakes": foreign.namesakes, "mixed": foreign.mixed}


def call(name, source, out, flags=()):
    run = reference.run if name.startswith("export_model") else app.run
    return run([*map(str, COMMANDS[name](source, out)), *flags])


def flags_of(name):
    return ([],) if name in NO_FLAGS else FLAGS.get(name, ([], ["--overwrite"]))


CASES = [(name, flags) for name in COMMANDS for flags in flags_of(name)]
IDS = [" ".join([name, *flags]) for name, flags in CASES]
BOLDEST = [(name, flags_of(name)[-1]) for name in COMMANDS]  # where flags make no difference any more


@pytest.mark.parametrize(("name", "flags"), CASES, ids=IDS)
def test_a_folder_that_is_not_ours_stays_as_it_is(source, tmp_path, name, flags, capsys):
    for kind, fill in FOREIGN.items():
        out = ENTRY.entry(tmp_path / kind) if "hub-cache" in name else tmp_path / kind / "out"
        fill(out)
        foreign.around(out)
        before = foreign.held(tmp_path)

        code = call(name, source, out, flags)

        said = capsys.readouterr().err
        assert code in ((0,) if name == "hub-cache --remove" else (2, 3, 4)), said
        assert foreign.held(tmp_path) == before, said


@pytest.mark.parametrize(("name", "flags"), BOLDEST, ids=list(COMMANDS))
def test_what_lies_around_a_free_target_stays(source, tmp_path, name, flags, capsys):
    out = ENTRY.entry(tmp_path) if "hub-cache" in name else tmp_path / "out"
    foreign.around(out)
    foreign.photos(out.with_name(f".{out.name}.previous"))
    foreign.forged_stage(out.with_name(f".{out.name}.aaaaaaaa.part"), "another")
    before = foreign.held(tmp_path)

    code = call(name, source, out, flags)

    assert code in (0, 2, 3, 4), capsys.readouterr().err
    assert before.items() <= foreign.held(tmp_path).items()
    if code:
        assert foreign.held(tmp_path) == before


@pytest.mark.parametrize(("name", "flags"), BOLDEST, ids=list(COMMANDS))
def test_a_lock_of_somebody_elses_is_neither_emptied_nor_deleted(source, tmp_path, name, flags):
    out = ENTRY.entry(tmp_path) if "hub-cache" in name else tmp_path / "out"
    for path in (out, out.with_name("out.training")):
        foreign.write(path.with_name(f".{path.name}.lock"), f"mine: {path.name}")
    before = foreign.held(tmp_path)

    code = call(name, source, out, flags)

    assert (code == 0) == (name == "hub-cache --remove")
    assert foreign.held(tmp_path) == before


LOCKED = [
    "train",
    "shards",
    "embed",
    "embed npy",
    "export tf1-checkpoint",
    "export tflite",
    "hub-cache --remove",
]


@pytest.mark.parametrize("name", LOCKED)
def test_of_two_commands_for_one_target_the_second_is_refused(source, tmp_path, name, capsys):
    out = ENTRY.entry(tmp_path) if "hub-cache" in name else tmp_path / "out"
    foreign.write(out / "notes.txt", "mine") if "hub-cache" in name else None
    with files.locked(out):
        assert call(name, source, out) == 2
    assert "another run is writing to this target" in capsys.readouterr().err
    assert call(name, source, out) == 0


# What is read stays apart from what is written


@pytest.mark.parametrize("spelling", ["{}", "{}/../{name}", "link", "{}/", "./{}"])
@pytest.mark.parametrize("name", ["train", "train --fine-tune", "train --recipe", "shards"])
def test_a_target_on_the_photos_is_refused_however_it_is_spelled(
    source, tmp_path, monkeypatch, name, spelling, capsys
):
    shutil.copytree(source / "photos", tmp_path / "photos")
    (tmp_path / "link").symlink_to("photos")
    monkeypatch.chdir(tmp_path)
    before = foreign.held(tmp_path)
    arguments = COMMANDS[name](source, spelling.format("photos", name="photos"))
    arguments[1] = tmp_path / "photos"

    assert app.run([*map(str, arguments), "--overwrite"]) == 2
    assert "lies inside, above or on the photo folder" in capsys.readouterr().err
    assert foreign.held(tmp_path) == before


def test_photos_behind_a_linked_class_folder_and_those_of_a_manifest_are_photos_too(source, tmp_path, capsys):
    shutil.copytree(source / "photos", tmp_path / "photos")
    shutil.move(tmp_path / "photos" / "ball", tmp_path / "disk" / "ball")
    (tmp_path / "photos" / "ball").symlink_to(tmp_path / "disk" / "ball")
    manifest = tmp_path / "list" / "m.csv"
    foreign.write(manifest, "path,label\n")
    with manifest.open("a") as file:
        file.writelines(f"{path},{path.parent.name}\n" for path in tmp_path.glob("photos/*/*"))
    before = foreign.held(tmp_path)

    for name in ("train", "shards"):
        for photos in (tmp_path / "photos", manifest):
            for out in (tmp_path / "disk", tmp_path / "disk" / "ball", tmp_path / "disk" / "ball" / "out"):
                arguments = COMMANDS[name](source, out)
                arguments[1] = photos
                assert app.run([*map(str, arguments), "--overwrite"]) == 2
                said = capsys.readouterr().err
                refused = "on the photo folder" in said
                assert refused or (name == "shards" and "never replaced" in said), (name, photos, out)
    assert foreign.held(tmp_path) == before


def test_a_target_on_or_above_the_weights_is_refused(trained, source, tmp_path, capsys):
    run = shutil.copytree(trained.run, tmp_path / "shapes")
    checkpoint = shutil.copytree(source / "tf1", tmp_path / "tf1")
    single = tmp_path / "w.safetensors"
    shutil.copy(source / "w.safetensors", single)
    before = foreign.held(tmp_path)

    def train_from(weights, out):
        return ["train", source / "photos", "--model", scenes.MODEL, "--weights", weights, "--out", out]

    def export_from(format, what, out):
        return ["export", what, "--format", format, "--out", out]

    for arguments in (
        train_from(run / "weights.safetensors", run),
        export_from("tf1-checkpoint", checkpoint, checkpoint),
        export_from("tf1-checkpoint", checkpoint / "model.ckpt", checkpoint),
        ["embed", scenes.MODEL, source / "photos", "--weights", checkpoint, "--out", checkpoint],
        ["export", single, "--model", scenes.MODEL, "--format", "tflite", "--out", single],
    ):
        assert app.run([*map(str, arguments), "--overwrite"]) == 2, arguments
        said = capsys.readouterr().err
        assert "above or on the" in said or "ending" in said, said
    assert foreign.held(tmp_path) == before


@pytest.mark.parametrize("board", ["out/events", "out", "out.training/events"])
def test_event_files_are_not_written_into_what_is_replaced(source, tmp_path, board, capsys):
    arguments = [*train(source, tmp_path / "out"), "--fine-tune", "--tensorboard", tmp_path / board]

    assert app.run(list(map(str, arguments))) == 2
    assert "above or on the folder of --tensorboard" in capsys.readouterr().err
    assert scenes.names(tmp_path) == []


def test_one_place_under_two_spellings_is_one_place(tmp_path, monkeypatch):
    """As on a disk for which `Photos` and `photos` are one name; none can be had here."""
    one = {"photos": (1, 7), "Photos": (1, 7)}
    monkeypatch.setattr(targets.files, "identity", lambda path: one.get(path.name))

    for target in ("Photos", "Photos/run"):
        with pytest.raises(UsageError, match="photo folder"):
            targets.check_apart(tmp_path / target, [targets.Apart(tmp_path / "photos")])
    targets.check_apart(tmp_path / "other", [targets.Apart(tmp_path / "photos")])


# Ours, with something of the user's in it


@pytest.fixture(scope="module")
def made(source, trained, tmp_path_factory):
    """Command -> a folder that it made; not to be changed."""
    place = tmp_path_factory.mktemp("made")
    for name in ("embed", "embed npy", "shards"):
        assert call(name, source, place / name) == 0
    return {
        **dict.fromkeys(("train", "export into a run", "report"), trained.run),
        **{name: place / name for name in ("embed", "embed npy", "shards")},
        "export tf1-checkpoint": source / "tf1",
    }


@pytest.mark.parametrize(
    "name", ["train", "embed", "embed npy", "shards", "export tf1-checkpoint", "export into a run", "report"]
)
def test_what_somebody_put_into_a_folder_of_ours_survives(made, source, tmp_path, name, capsys):
    out = shutil.copytree(made[name], tmp_path / "out")
    foreign.mixed(out)
    foreign.around(out)
    changed = foreign.edited(out)
    foreign.write(out / "exports" / "out_int8.tflite", "mine: under a name that the next run needs")
    ours = {key for key in foreign.held(made[name]) if (out / key) not in changed}
    mine = {
        key: value for key, value in foreign.held(tmp_path).items() if key.removeprefix("out/") not in ours
    }

    assert call(name, source, out) in (0, 2)
    assert call(name, source, out, ["--overwrite"]) in (0, 2), capsys.readouterr().err

    after = foreign.held(tmp_path)
    lost = {
        key for key, value in mine.items() if after.get(key) != value and after.get(f"{key}.kept") != value
    }
    assert lost == set()
    assert not [key for key in after if key.endswith(".lock")]
    again = set(foreign.held(out)) - {key.removeprefix("out/") for key in mine}
    assert {"card.json", "_dataset.json", "embed.json", "shards.json", "efficientnet-lite.json"} & again


def test_a_report_or_a_model_of_the_users_in_a_run_is_not_taken_for_ours(trained, tmp_path, capsys):
    run = shutil.copytree(trained.run, tmp_path / "shapes")
    foreign.write(run / "report.html", "mine: no page of ours")
    foreign.write(run / "exports" / "shapes_float16.tflite", "mine")
    before = foreign.held(tmp_path)

    assert app.run(["report", str(run), "--overwrite"]) == 2
    assert app.run(["export", str(run), "--precision", "float16", "--overwrite"]) == 2
    assert foreign.held(tmp_path) == before


# Every kind of folder, by itself


IDENTITY = json.loads(
    Identity("lite0", Contract(32), "float32", ("features",), None, None, "0" * 64, "0.1.0").to_bytes()
)
PART = {"files": 1, "photos": 1, "bytes": 1, "encoded_again": 0, "turned": 0}
SHARDS = {
    "made_by": "efficientnet-lite 0.1.0",
    "format": "tfrecord",
    "parts": {"train": PART, "validation": PART},
}
RUN = {"schema": 1, "labels": ["a"], "contract": {}, "metrics": {}, "verification": {}, "exports": []}
TF1 = {"format": "tf1-checkpoint", "variant": "lite0", "contract": {}}
# Kind, its marker, and files that it needs.
PROVENANCE = {
    "model": "lite0",
    "model_sha256": "0" * 64,
    "contract": {},
    "pixels": 1,
    "runtime": "r",
    "package": "0",
    "layout": "parts",
    "dtype": "float32",
    "size": 1280,
    "part_rows": 1,
    "rows": 2,
    "list_sha256": "0",
    "columns": {},
}
KINDS = {
    "run": (run_folder.RUN, RUN, ["README.md", "exports/out_int8.tflite"]),
    "features": (
        VECTORS,
        {"made_by": "efficientnet-lite 0.1.0", "photos": 1, "columns": 1},
        ["features.npy", "index.csv", "skipped.csv"],
    ),
    "parts": (
        PARTS,
        {"made_by": "efficientnet-lite 0.1.0", "complete": True, "provenance": PROVENANCE},
        ["part-00000.parquet", "part-00001.parquet"],
    ),
    "records": (shards.FOLDER, SHARDS, ["train-00000-of-00001", "validation-00000-of-00001", "labels.txt"]),
    "SavedModel": (
        saved_model.SAVED_MODEL,
        IDENTITY | {"format": "savedmodel"},
        ["saved_model.pb", "variables/variables.index"],
    ),
    "Core ML package": (
        coreml.COREML,
        IDENTITY | {"format": "coreml"},
        ["Manifest.json", "Data/com.apple.CoreML/model.mlmodel"],
    ),
    "Hub module": (hub_module.HUB_MODULE, IDENTITY, ["saved_model.pb", "tfhub_module.pb"]),
    "firmware": (microcontroller.FIRMWARE, IDENTITY | {"format": "tflm"}, ["model.tflite", "model.c"]),
    "TF1 checkpoint": (tf1_checkpoint.TF1_CHECKPOINT, TF1, ["model.ckpt.index", "checkpoint"]),
}


def make(out, name, text, **options):
    kind, document, names = KINDS[name]
    with folders.replacing(out, kind, **options) as folder:
        for each in names:
            foreign.write(folder / each, text)
        (folder / kind.marker).parent.mkdir(exist_ok=True)
        seal(folder, kind, document)


@pytest.mark.parametrize("name", KINDS)
def test_a_folder_of_any_kind_is_replaced_and_what_is_not_ours_moves_over(tmp_path, name):
    kind, _, names = KINDS[name]
    out = tmp_path / "out"
    make(out, name, "first")
    foreign.mixed(out)
    foreign.write(out / names[0], "mine: edited")
    with pytest.raises(folders.EfficientNetLiteError, match="the target exists"):
        make(out, name, "second")

    make(out, name, "second", overwrite=True)
    make(out, name, "third", overwrite=True)

    held = foreign.held(out)
    assert is_own(out, kind)
    assert {held[each][1] for each in names} == {b"third"}
    assert held[f"{names[0]}.kept"][1] == b"mine: edited"
    assert set(held) - {kind.marker, *names, f"{names[0]}.kept"} == {
        *("notes.txt", "exports/mine.tflite", "deep/er/photo.jpg", "deep/link", "more", ".hidden")
    }
    assert scenes.names(tmp_path) == ["out"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "spoiled", ["[]", "{}", "no JSON", "[" * 100_000, '{"written": {"../x": {}}}', "a link"]
)
def test_a_marker_that_is_not_ours_makes_no_folder_ours(tmp_path, name, spoiled):
    kind, _, _ = KINDS[name]
    make(tmp_path / "out", name, "first")
    marker = tmp_path / "out" / kind.marker
    whole = json.loads(marker.read_text())
    if spoiled == "a link":
        marker.rename(tmp_path / "elsewhere.json")
        marker.symlink_to(tmp_path / "elsewhere.json")
    else:
        marker.write_text(spoiled)
    before = foreign.held(tmp_path)

    with pytest.raises(folders.EfficientNetLiteError, match="never replaced"):
        make(tmp_path / "out", name, "second", overwrite=True)
    assert foreign.held(tmp_path) == before

    for key, value in {
        "../outside": {"bytes": 1, "sha256": ""},
        "/etc/passwd": {"bytes": 1, "sha256": ""},
        "a": None,
        "b": {"bytes": "1", "sha256": ""},
    }.items():
        marker.unlink()
        marker.write_text(json.dumps(whole | {"written": {key: value}}))
        with pytest.raises(folders.EfficientNetLiteError, match="never replaced"):
            make(tmp_path / "out", name, "second", overwrite=True)


def test_a_folder_that_a_link_took_the_place_of_loses_nothing_behind_the_link(tmp_path):
    make(tmp_path / "out", "run", "first")
    shutil.move(tmp_path / "out" / "exports", tmp_path / "disk")
    (tmp_path / "out" / "exports").symlink_to(tmp_path / "disk", target_is_directory=True)

    make(tmp_path / "out", "run", "second", overwrite=True)

    assert (tmp_path / "disk" / "out_int8.tflite").read_text() == "first"
    assert (tmp_path / "out" / "exports.kept").is_symlink()
    assert (tmp_path / "out" / "exports" / "out_int8.tflite").read_text() == "second"


def test_somebody_elses_folder_where_the_old_one_would_be_set_aside_is_in_the_way(tmp_path):
    make(tmp_path / "out", "run", "first")
    foreign.photos(tmp_path / ".out.previous")
    before = foreign.held(tmp_path)

    with pytest.raises(folders.EfficientNetLiteError, match="its place is needed"):
        make(tmp_path / "out", "run", "second", overwrite=True)

    assert foreign.held(tmp_path) == before


def test_a_removed_folder_is_gone_whole_or_all_of_it_stays(tmp_path):
    make(tmp_path / "out", "Hub module", "first")
    make(tmp_path / "mixed", "Hub module", "first")
    foreign.mixed(tmp_path / "mixed")
    (tmp_path / "link").symlink_to(tmp_path / "mixed")
    before = foreign.held(tmp_path / "mixed")

    kind = KINDS["Hub module"][0]
    assert folders.remove(tmp_path / "out", kind)
    assert not folders.remove(tmp_path / "mixed", kind)
    assert not folders.remove(tmp_path / "link", kind)
    assert not folders.remove(tmp_path / "none", kind)

    assert foreign.held(tmp_path / "mixed") == before
    assert scenes.names(tmp_path) == ["link", "mixed"]


NAMESAKES = ("IMG_1.heic", "scan.tif", "notes.md", "report.docx", "notes", "m.tflite.bak", "m.ckpt-1")


@pytest.mark.parametrize("name", ["export tflite", "export_model tflite"])
@pytest.mark.parametrize("file", NAMESAKES)
def test_overwriting_replaces_no_file_that_is_no_model_nor_named_as_one(source, tmp_path, name, file, capsys):
    foreign.write(tmp_path / file, "mine")
    before = foreign.held(tmp_path)

    flags = [] if name in NO_FLAGS else ["--overwrite"]
    assert call(name, source, tmp_path / file, flags) == 2

    assert "never replaced" in capsys.readouterr().err
    assert foreign.held(tmp_path) == before


def test_a_model_of_another_ending_is_replaced_and_so_is_what_is_named_as_a_model(source, tmp_path):
    foreign.write(tmp_path / "m.tflite", "mine")
    assert call("export tflite", source, tmp_path / "m.tflite", ["--overwrite"]) == 0
    assert call("export tflite", source, tmp_path / "model.v2") == 0
    assert call("export tflite", source, tmp_path / "model.v2", ["--overwrite"]) == 0


@pytest.mark.parametrize("name", [each for each in LOCKED if "hub" not in each])
def test_a_target_below_a_file_is_wrong_usage_for_every_command(source, tmp_path, name):
    foreign.write(tmp_path / "file", "mine")

    assert call(name, source, tmp_path / "file" / "out") == 2
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture
def mounted(tmp_path):
    """`mounted(folder)` begins another file system there, as a volume of a container does."""
    made = []

    def mount(folder):
        folder.mkdir()
        if (
            shutil.which("mount") is None
            or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=1m", "test", folder], capture_output=True
            ).returncode
        ):
            pytest.skip("needs the right to mount a file system")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    "name", [each for each in LOCKED if each not in ("hub-cache --remove", "export tflite", "embed")]
)
def test_a_mounted_target_is_refused_before_the_work(source, tmp_path, mounted, name, capsys):
    out = mounted(tmp_path / "out")

    assert call(name, source, out) == 2

    said = capsys.readouterr().err
    assert "a file system is mounted here" in said
    assert not said.startswith(("Looking", "Embedding", "Writing")), said
    assert scenes.names(tmp_path) == ["out"]


def test_parts_are_written_into_a_mounted_folder_itself(source, tmp_path, mounted):
    out = mounted(tmp_path / "out")

    assert call("embed", source, out) == 0
    assert call("embed", source, out, ["--overwrite"]) == 0
    assert scenes.names(out) == ["_dataset.json", "part-00000.parquet"]
    assert scenes.names(tmp_path) == ["out"]


def test_a_run_with_a_mounted_folder_in_it_is_not_replaced(trained, source, tmp_path, mounted, capsys):
    run = shutil.copytree(trained.run, tmp_path / "run")
    foreign.write(mounted(run / "disk") / "photo.jpg", "mine")
    before = foreign.held(tmp_path)

    assert call("train", source, run, ["--overwrite"]) == 2

    assert "a file system is mounted here" in capsys.readouterr().err
    assert foreign.held(tmp_path) == before


# Earlier versions, whose markers had no list


def older(folder, name):
    """Take the list out of a folder's marker, as version 0.1 wrote it."""
    marker = folder / {"run": "card.json", "records": "shards.json"}.get(name, KINDS[name][0].marker)
    card = json.loads(marker.read_text())
    del card["written"]
    marker.write_text(json.dumps(card))


def test_an_older_run_loses_what_its_layout_names_and_nothing_else(trained, source, tmp_path):
    run = shutil.copytree(trained.run, tmp_path / "out")
    foreign.mixed(run)
    older(run, "run")
    card = json.loads((run / "card.json").read_text())
    foreign.write(run / "photos" / "ball" / "train-00000.jpg", "mine")
    # a card that claims what no run has
    card["files"] += ["notes.txt", "deep/er/photo.jpg", "photos/ball/train-00000.jpg"]
    (run / "card.json").write_text(json.dumps(card))

    assert call("train", source, run, ["--overwrite", "--calibration", "8"]) == 0

    assert (run / "notes.txt").read_text().startswith("mine")
    assert (run / "deep/er/photo.jpg").read_text().startswith("mine")
    assert (run / "photos/ball/train-00000.jpg").read_text() == "mine"
    assert not (run / "exports/shapes_int8.tflite").exists()
    assert not list(run.rglob("*.kept"))


def test_older_record_files_are_known_by_their_sizes(made, source, tmp_path):
    out = shutil.copytree(made["shards"], tmp_path / "out")
    older(out, "records")
    with (out / "train-00000-of-00001").open("ab") as file:
        file.write(b"mine")
    before = foreign.held(tmp_path)
    assert call("shards", source, out, ["--overwrite"]) == 2
    assert foreign.held(tmp_path) == before

    shutil.copy(made["shards"] / "train-00000-of-00001", out)
    assert call("shards", source, out, ["--overwrite"]) == 0
    assert foreign.held(out) == foreign.held(made["shards"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda out: (out / "index.csv").write_text("path,row,sha256\n"),
        lambda out: (out / "skipped.csv").unlink(),
        lambda out: np.save(out / "features.npy", np.zeros((2, 3))),
        lambda out: (out / "features.npy").write_bytes(b"\x93NUMPY"),
        lambda out: foreign.write(out / "notes.txt", "mine"),
    ],
)
def test_an_older_folder_of_features_is_known_by_the_form_of_its_files(made, source, tmp_path, spoil):
    out = shutil.copytree(made["embed npy"], tmp_path / "out")
    (out / "embed.json").unlink()
    assert is_own(out, VECTORS)
    spoil(out)
    before = foreign.held(tmp_path)

    assert call("embed npy", source, out, ["--overwrite"]) == 2
    assert foreign.held(tmp_path) == before


# The working folder of a training


STATE = {"a": np.zeros(3, np.float32)}


def begun(place):
    saved_states.save(place / "states", 1, STATE, {"begun": {}})
    saved_states.save(place / "best", 1, STATE, {})


@pytest.mark.parametrize("command", ["train --fine-tune", "train --recipe"])
@pytest.mark.parametrize("flags", FLAGS["train --recipe"], ids=" ".join)
def test_photos_in_the_working_folder_are_never_touched(source, tmp_path, command, flags, capsys):
    place = shutil.copytree(source / "photos", tmp_path / "X.training")
    before = foreign.held(tmp_path)
    arguments = [
        place if each == source / "photos" else each for each in COMMANDS[command](source, tmp_path / "X")
    ]

    assert app.run([*map(str, arguments), *flags]) == 2

    assert "lies inside, above or on the photo folder" in capsys.readouterr().err
    assert foreign.held(tmp_path) == before


@pytest.mark.parametrize("link", ["X.training", "photos"])
def test_the_working_folder_is_compared_through_links(source, tmp_path, link, capsys):
    shutil.copytree(source / "photos", tmp_path / ("photos" if link == "X.training" else "X.training"))
    (tmp_path / link).symlink_to("photos" if link == "X.training" else "X.training")
    before = foreign.held(tmp_path)
    arguments = COMMANDS["train --fine-tune"](source, tmp_path / "X")
    arguments[1] = tmp_path / "photos"

    assert app.run([*map(str, arguments), "--overwrite"]) == 2
    assert "lies inside, above or on the photo folder" in capsys.readouterr().err
    assert foreign.held(tmp_path) == before


def test_only_names_of_its_layout_are_removed_from_a_working_folder(tmp_path):
    from efficientnet_lite.training import working_folder

    place = tmp_path / "X.training"
    begun(place)  # as version 0.1 left it, without a marker
    for name in ("log.csv", "train.npz", "states/.step-00000000001.json.0a1b2c3d.part"):
        foreign.write(place / name, "ours")
    foreign.mixed(place)
    for name in (
        "states/step-1.json",
        "states/notes.json",
        "best/cat.jpg",
        "states/step-00000000001.json.bak",
    ):
        foreign.write(place / name, f"mine: {name}")
    mine = {key: value for key, value in foreign.held(place).items() if not working_folder.is_own_name(key)}

    working_folder.mark(place)
    saved_states.save(place / "states", 2, STATE, {"begun": {}}, kept=1)
    working_folder.clear(place)

    assert foreign.held(place) == mine
    assert "log.csv" not in mine
    before = foreign.held(tmp_path)
    working_folder.clear(place)  # now it is nobody's but the user's
    assert foreign.held(tmp_path) == before


def test_a_working_folder_that_holds_ours_alone_goes_whole(tmp_path):
    from efficientnet_lite.training import working_folder

    begun(tmp_path / "X.training")
    working_folder.mark(tmp_path / "X.training")
    working_folder.clear(tmp_path / "X.training")

    assert scenes.names(tmp_path) == []
