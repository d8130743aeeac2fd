"""The main job and every command after it, as a script calls them: exit codes, and JSON on a clean stdout."""

import csv
import io
import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.cli.app import main
from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.network.plan import VARIANTS
from efficientnet_lite.weights.published import PACKAGES
from efficientnet_lite.weights.read import load_weights

MODEL = "lite0@64"  # small, so that the whole chain takes seconds
COLORS = {"blue": (40, 60, 200), "green": (40, 180, 70), "red": (210, 50, 40)}
PHOTOS = 14


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three classes of blobs on noise, a broken file, and a text file that is no photo."""
    root = tmp_path_factory.mktemp("data") / "photos"
    random = np.random.default_rng(0)
    for name, color in COLORS.items():
        (root / name).mkdir(parents=True)
        for number in range(PHOTOS):
            pixels = random.integers(90, 160, (70, 90, 3), np.uint8)
            top, left = random.integers(0, 30, 2)
            pixels[top : top + 35, left : left + 45] = color
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    (root / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    (root / "red" / "notes.txt").write_text("no photo")
    return root


@pytest.fixture(scope="module")
def weights():
    """The installed weights, or a skip that says what is missing."""
    try:
        load_weights(VARIANTS["lite0"])
    except WeightsMissing as error:
        pytest.skip(f"no weights of lite0 ({PACKAGES['lite0'].distribution}): {error.fix}")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(folder))
        yield folder


class Called:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def document(self):
        return json.loads(self.out)


@pytest.fixture
def call(cache, weights, capfd):
    """Run a command line in this process: its exit code, stdout and stderr."""

    def run(*arguments):
        capfd.readouterr()
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as ending:
            code = ending.code or 0
        return Called(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory, cache, weights):
    """A finished run, and the document that `train --json` printed."""
    import subprocess

    folder = tmp_path_factory.mktemp("runs") / "shapes"
    command = [
        sys.executable,
        "-m",
        "efficientnet_lite",
        "train",
        photos,
        "--model",
        MODEL,
        "--out",
        folder,
        "--json",
    ]
    done = subprocess.run(
        [*map(str, command), "--calibration", "12"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_train_prints_what_scripts_rely_on(run):
    folder, document = run

    assert document["run"] == str(folder)
    assert document["metrics"]["split"] == "validation"
    assert [export["precision"] for export in document["exports"]] == ["float32", "int8"]
    for export in document["exports"]:
        assert export["path"].startswith(str(folder))
        assert export["bytes"] > 1_000_000
        assert 0.9 <= export["top1"] <= 1  # three colors: a head that does not learn them is broken
        assert 0.9 <= export["agreement"] <= 1
        assert export["latency_ms"] > 0


def test_the_run_folder_is_complete_and_lists_what_was_skipped(run):
    folder, _ = run
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    card = json.loads((folder / "card.json").read_text())

    assert names == {
        "card.json",
        "README.md",
        "config.toml",
        "labels.txt",
        "split.csv",
        "skipped.csv",
        "weights.safetensors",
        "exports/golden.npz",
        "exports/shapes_float32.tflite",
        "exports/shapes_int8.tflite",
        "report.html",
    }
    assert set(card["files"]) == names
    assert card["schema"] == 1
    assert card["labels"] == sorted(COLORS)
    assert (folder / "labels.txt").read_text().split() == sorted(COLORS)
    assert "red/broken.jpg" in (folder / "skipped.csv").read_text()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # no lock, no part is left


def test_predict_names_the_color(run, photos, call):
    called = call("predict", run[0], photos / "blue", photos / "red" / "broken.jpg", "--json", "-k", 2)

    assert called.code == 0
    *used, refused = called.document
    assert len(used) == PHOTOS
    assert all(row["predictions"][0]["label"] == "blue" for row in used)
    assert {"label", "index", "probability"} == set(used[0]["predictions"][0])
    assert used[0]["predictions"][0]["probability"] >= used[0]["predictions"][1]["probability"]
    assert refused["path"].endswith("broken.jpg")
    assert refused["error"]
    assert "predictions" not in refused


def test_predict_without_one_usable_photo_exits_with_3(run, photos, call):
    called = call("predict", run[0], photos / "red" / "broken.jpg", "--json")

    assert called.code == 3
    assert "error" in called.document[0]


def test_predict_streams_one_object_a_line(run, photos, call):
    called = call("predict", run[0], photos / "green", "--jsonl")

    assert len([json.loads(line) for line in called.out.splitlines()]) == PHOTOS


def test_predict_reads_paths_from_stdin(run, photos, call, monkeypatch):
    names = "\n".join(str(photos / "red" / f"{number}.png") for number in range(3))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(names.encode())))
    called = call("predict", run[0], "-", "--csv")

    assert called.out.splitlines()[0] == "path,rank,label,index,probability"
    assert [line.split(",")[2] for line in called.out.splitlines()[1:]] == ["red"] * 3


def test_evaluate_gives_one_object_and_a_list_for_several_views(run, photos, call):
    one = call("evaluate", run[0], photos, "--json").document
    several = call("evaluate", run[0], photos, "--as", "mediapipe", "--as", "squash", "--json").document

    assert {"top1", "top5", "count", "as"} <= set(one)
    assert one["as"] == "crop"
    assert one["count"] == 3 * PHOTOS
    assert [each["as"] for each in several] == ["mediapipe", "squash"]


def test_check_ends_with_the_command_that_trains_on_what_was_looked_at(photos, call):
    said = call("check", photos, "--val", "0.3", "--seed", "2").out.splitlines()

    assert said[-1] == f"next: efficientnet-lite train {photos} --val 0.3 --seed 2"
    assert not any(line.startswith("next") for line in call("check", photos, "-q").out.splitlines())


def test_evaluate_says_how_many_photos_the_run_was_trained_on(run, photos, call, tmp_path):
    folder = run[0]
    rows = csv.DictReader(io.StringIO((folder / "split.csv").read_text()))
    learned = [row["path"] for row in rows if row["split"] == "train"]
    others = shutil.copytree(photos, tmp_path / "others")
    (others / learned[0]).write_bytes((others / learned[1]).read_bytes())  # another photo of that name

    known, partly = (call("evaluate", folder, data, "--json") for data in (photos, others))

    assert known.document["trained_on"] == len(learned)
    assert f"the model was trained on {len(learned)} of these photos" in known.err
    assert partly.document["trained_on"] == len(learned) - 1
    for path in learned:
        (others / path).unlink()
    new = call("evaluate", folder, others, "--json")
    assert new.document["trained_on"] == 0
    assert "trained on" not in new.err


def test_evaluate_reads_a_glob_and_indices_as_the_reference_does(run, photos, call, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("0\n" * PHOTOS)
    called = call("evaluate", run[0], "--images", photos / "blue" / "*.png", "--labels", labels, "--json")

    assert called.code == 0
    assert called.document["count"] == PHOTOS
    assert called.document["top1"] >= 0.9

    labels.write_text("0\n" * 3)
    assert call("evaluate", run[0], "--images", photos / "blue" / "*.png", "--labels", labels).code == 3


def test_evaluate_refuses_classes_that_the_model_does_not_know(run, photos, call, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.png").write_bytes((photos / "red" / f"{number}.png").read_bytes())
    called = call("evaluate", run[0], tmp_path)

    assert called.code == 4
    assert "cat" in called.err


def test_verify_passes_and_fails_by_one_flipped_byte(run, call, tmp_path):
    import shutil

    document = call("verify", run[0], "--json").document
    assert document["passed"] is True
    assert {"agreement", "drop", "snr_db"} <= set(document)

    copy = tmp_path / "run"
    shutil.copytree(run[0], copy)
    file = copy / "exports/shapes_int8.tflite"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    called = call("verify", copy, "--json")
    assert called.code == 5
    assert called.document["passed"] is False


def test_export_writes_each_output_and_proves_int8_on_other_photos(run, photos, call, tmp_path):
    features = call("export", run[0], "--out", tmp_path / "f.tflite", "--output", "features", "--json")
    arguments = ("--precision", "int8", "--output", "logits", "--data", photos, "--calibration", 20)
    logits = call("export", run[0], "--out", tmp_path / "l.tflite", *arguments, "--json")

    assert features.document["precision"] == "float32"
    assert features.document["float_difference"] < 1e-3
    assert logits.document["agreement"] >= 0.9
    assert logits.document["count"] == 3 * PHOTOS - 20
    assert call("predict", tmp_path / "f.tflite", photos).code == 4
    assert call("export", run[0], "--out", tmp_path / "f.tflite").code == 2
    assert call("export", run[0], "--out", tmp_path / "g.tflite", "--precision", "int8").code == 2


def test_embed_writes_vectors_and_an_index(photos, call, tmp_path):
    called = call(
        *("embed", MODEL, photos / "red", "--out", tmp_path / "vectors", "--format", "npy", "--json")
    )
    vectors = np.load(tmp_path / "vectors/features.npy")

    assert called.code == 0
    assert vectors.shape == (PHOTOS, 1280)
    assert vectors.dtype == np.float32
    assert len((tmp_path / "vectors/index.csv").read_text().splitlines()) == PHOTOS + 1
    assert "broken.jpg" in (tmp_path / "vectors/skipped.csv").read_text()
    assert call("embed", MODEL, photos / "red", "--out", tmp_path / "vectors", "--format", "npy").code == 2


def test_check_counts_and_says_what_cannot_be_used(photos, call):
    document = call("check", photos, "--json").document

    assert document["photos"] == 3 * PHOTOS
    assert [name for name, _ in document["refused"]] == ["red/broken.jpg"]


def test_info_models_and_cache_answer_in_json(run, call, cache):
    assert call("info", run[0] / "exports/shapes_int8.tflite", "--json").document["float_operators"] == 0
    assert call("info", run[0], "--json").document["card"]["schema"] == 1
    assert call("info", "lite4@300", "--json").document["size"] == 300
    assert [model["model"] for model in call("models", "--json").document] == list(VARIANTS)
    assert call("cache", "list", "--json").document["folder"] == str(cache)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["train", "{photos}", "--out", "{photos}/run"], 2, "photo folder"),
        (["train", "{photos}", "--out", "{run}"], 2, "exists"),
        (["train", "{photos}/red", "--out", "{new}"], 3, "class"),
        (["train", "{photos}", "--out", "{new}", "--model", "lite9"], 2, "no such model"),
        (["train", "{photos}", "--out", "{new}", "--val", "2"], 2, "--val"),
        (["train", "{photos}", "--out", "{new}", "--on-bad", "fail", "--model", MODEL], 3, "broken.jpg"),
        (["train", "{photos}", "--out", "{new}", "--nonsense"], 2, "nonsense"),
        (["predict", "lite9", "{photos}"], 2, "no such model"),
        (["predict", "{run}", "{photos}/nothing"], 3, "nothing"),
        (["verify", "{photos}"], 3, "card.json"),
    ],
)
def test_bad_input_ends_with_its_code_and_no_traceback(arguments, code, says, run, photos, call, tmp_path):
    places = {"photos": photos, "run": run[0], "new": tmp_path / "new"}
    called = call(*(argument.format(**places) for argument in arguments))

    assert called.code == code, called.err
    assert says in called.err
    assert "Traceback" not in called.err
    assert called.out == ""
    assert not list(tmp_path.iterdir())
