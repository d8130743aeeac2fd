"""The published weights name their classes on every way to a user: predict, load, export, info, evaluate, verify."""

import csv
import io
import json
import shutil

import pytest

from efficientnet_lite.cli.app import main
from efficientnet_lite.commands.evaluate import evaluate
from efficientnet_lite.commands.export import export
from efficientnet_lite.errors import ArtifactError, WeightsMissing
from efficientnet_lite.labels import digest
from efficientnet_lite.network.plan import VARIANTS
from efficientnet_lite.photos.labelled import labelled_photos
from efficientnet_lite.run.source import open_source
from efficientnet_lite.runtimes.model_files import open_model
from efficientnet_lite.weights.imagenet import classes, labels
from efficientnet_lite.weights.read import load_weights

PANDA = 388


@pytest.fixture(scope="module", autouse=True)
def official():
    try:
        return load_weights(VARIANTS["lite0"])
    except WeightsMissing as error:
        pytest.skip(f"no weights of lite0: {error.fix}")


@pytest.fixture(scope="module")
def panda(shared):
    return shared / "reference/panda.jpg"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "lite0.tflite"
    export("lite0@64", path)
    return path


@pytest.fixture
def printed(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ending:
            main(list(map(str, arguments)))
        assert ending.value.code in (0, None), capsys.readouterr().err
        return capsys.readouterr().out

    return run


def test_the_first_command_of_many_people_names_the_panda(file, panda, printed):
    text = printed("predict", "lite0", panda)
    (row,) = json.loads(printed("predict", "lite0", panda, "--json"))
    (line,) = csv.DictReader(io.StringIO(printed("predict", file, panda, "--csv")))

    assert "giant panda (n02510455)" in text
    (best,) = row["predictions"]
    assert (best["label"], best["index"], best["synset"]) == ("giant panda", PANDA, "n02510455")
    seen = classes()[int(line["index"])]  # at 64 pixels it need be no panda
    assert (line["label"], line["synset"]) == (seen.label, seen.synset)


def test_a_map_gives_other_names_and_the_synset_stays(panda, printed, tmp_path):
    (tmp_path / "de.txt").write_text("\n".join(f"Klasse {index}" for index in range(1000)), encoding="utf-8")

    assert "Klasse 388 (n02510455)" in printed("predict", "lite0", panda, "--labels-map", tmp_path / "de.txt")


def test_a_loaded_model_and_an_exported_file_have_the_same_labels(file):
    model, opened = open_source("lite0"), open_model(file)

    assert model.labels == opened.labels == labels()
    assert model.labels[PANDA] == "giant panda"
    assert model.synsets[PANDA] == opened.synsets[PANDA] == "n02510455"
    assert opened.identity.labels_sha256 == digest(labels())


def test_a_file_that_ends_at_the_features_has_no_labels(tmp_path):
    path = tmp_path / "features.tflite"
    export("lite0@64", path, outputs=("features",))

    assert open_model(path).labels is None
    assert open_model(path).identity.labels_sha256 is None
    assert b"giant panda" not in path.read_bytes()


def test_an_onnx_file_has_the_labels(tmp_path, panda):
    pytest.importorskip("onnx", reason="the extra `onnx`: make test-all")
    path = tmp_path / "lite0.onnx"
    export("lite0@64", path)

    assert open_model(path).labels == labels()


def test_info_shows_the_first_names_and_json_has_all(file, printed):
    text, document = printed("info", file), json.loads(printed("info", file, "--json"))

    assert "1,000: tench, goldfish" in text
    assert "toilet tissue" not in text
    assert document["names"][""] == list(labels())
    assert document["labels"] == {"": 1000}
    assert json.loads(printed("info", "lite4", "--json"))["labels"] == list(labels())
    assert "1,000: tench, goldfish" in printed("info", "lite4")


def folders(root, shared, *named):
    """One photo in each folder: `named` has the folder, and the beginning of the photo's file name."""
    for folder, start in named:
        (photo,) = (shared / "data/imagenet-300").glob(f"{start}*")
        (root / folder).mkdir(parents=True)
        shutil.copy(photo, root / folder)
    return root


def test_photos_are_judged_in_folders_of_names_or_of_synsets(file, shared, tmp_path, printed):
    data = folders(
        tmp_path / "data",
        shared,
        ("n01440764", "n01440764"),
        ("indigo bunting", "n01537544"),
        ("n01531178_goldfinch", "n01531178"),
    )
    document = json.loads(printed("evaluate", file, data, "--json"))

    judged = document["classes"]
    assert [(each["class_index"], each["synset"]) for each in judged if each["support"]] == [
        (0, "n01440764"),
        (11, "n01531178"),
        (14, "n01537544"),
    ]
    assert document["unknown_classes"] == {}
    assert sorted(labelled_photos(data, open_model(file).class_names).truth) == [0, 11, 14]


def test_a_name_of_two_classes_is_one_message_that_names_both_synsets(file, shared, tmp_path):
    data = folders(tmp_path / "data", shared, ("crane", "n01440764"), ("tench", "n01531178"))

    with pytest.raises(ArtifactError, match=r"crane.*n02012849.*n03126707") as refused:
        evaluate(file, data)
    assert "synset" in refused.value.fix
    assert refused.value.where == data
    photos = labelled_photos(data, open_model(file).class_names)
    assert photos.truth is None
    assert "n03126707" in photos.notes[0]
