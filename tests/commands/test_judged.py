"""`evaluate` judges what it gets, and says what is missing: no refusal that is made for training."""

import json
import shutil

import pytest
import scenes

from efficientnet_lite.cli.app import main
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import ArtifactError, UnusableInput
from efficientnet_lite.labels import ClassNames
from efficientnet_lite.photos.labelled import labelled_photos
from efficientnet_lite.proof.evaluate import measure
from efficientnet_lite.proof.judged import NOT_OF_THE_MODEL, from_dataset
from efficientnet_lite.runtimes.model_files import open_model

BALL, BOX, STRIPES = scenes.LABELS
SETS = {  # folder -> classes and photos of each; split that is judged, photos judged, absent classes
    "one photo a class": ({"": (scenes.LABELS, 1)}, "all", 3, []),
    "one class": ({"": ((BALL,), 5)}, "all", 5, [BOX, STRIPES]),
    "one photo": ({"": ((BOX,), 1)}, "all", 1, [BALL, STRIPES]),
    "a class missing": ({"": ((BALL, BOX), 3)}, "all", 6, [STRIPES]),
    "less in validation": (
        {"train": (scenes.LABELS, 2), "validation": ((BALL,), 2)},
        "validation",
        2,
        [BOX, STRIPES],
    ),
    "others in test": ({"train": ((BALL,), 2), "test": ((BOX, STRIPES), 1)}, "test", 2, [BALL]),
    "a test alone": ({"test": (scenes.LABELS, 2)}, "all", 6, []),
    "a validation alone": ({"Validation": ((BOX,), 2)}, "all", 2, [BALL, STRIPES]),
    "validation and test": ({"val": ((BOX,), 2), "test": ((BALL,), 3)}, "test", 3, [BOX, STRIPES]),
}


@pytest.fixture
def model(trained):
    return open_model(trained.run / "exports" / "shapes_float32.tflite")


def made(folder, parts):
    for part, (labels, count) in parts.items():
        scenes.photograph(folder / part, labels=labels, count=count, first=40)
    return folder


def measured(model, folder, split=None):
    return measure(model, from_dataset(folder, model, split), ["crop"], on_progress=lambda *_: None)


@pytest.mark.parametrize(("parts", "split", "count", "absent"), SETS.values(), ids=SETS)
def test_what_is_there_is_judged(model, tmp_path, parts, split, count, absent):
    found = measured(model, made(tmp_path / "data", parts))

    assert found.split == split
    assert [each.count for each in found.evaluations] == [count]
    assert [scenes.LABELS[index] for index in found.absent] == absent
    assert (found.unknown, found.unjudged) == ({}, ())
    assert found.accounting.used == count


def test_a_manifest_of_one_photo_is_judged(model, tmp_path):
    made(tmp_path / "data", {"": ((BALL,), 1)})
    (tmp_path / "one.csv").write_text("path,label\ndata/ball/ball-40.png,ball\n")

    assert measured(model, tmp_path / "one.csv").evaluations[0].count == 1


def test_photos_of_classes_that_the_model_lacks_are_skipped_and_counted(model, tmp_path):
    folder = made(tmp_path / "data", {"": (scenes.LABELS, 2)})
    shutil.copytree(folder / BALL, folder / "balloon")

    found = measured(model, folder)

    assert found.evaluations[0].count == 6
    assert found.unknown == {"balloon": 2}
    assert [each.reason for each in found.accounting.skipped] == [NOT_OF_THE_MODEL] * 2
    assert found.accounting.found == 8


def test_a_data_set_of_which_the_model_knows_nothing_is_an_error(model, tmp_path):
    folder = made(tmp_path / "data", {"": (scenes.LABELS, 1)})
    for label in scenes.LABELS:
        (folder / label).rename(folder / f"a {label}")

    with pytest.raises(ArtifactError, match="knows none of them: a ball, a box, a stripes"):
        measured(model, folder)


def test_without_a_photo_there_is_nothing_to_judge(model, tmp_path):
    (tmp_path / "data" / BALL).mkdir(parents=True)

    with pytest.raises(UnusableInput):
        measured(model, tmp_path / "data")
    with pytest.raises(UnusableInput, match="no test photos"):
        measured(model, made(tmp_path / "other", {"": (scenes.LABELS, 1)}), "test")


def test_a_class_whose_photos_go_meanwhile_is_named(model, tmp_path):
    folder = made(tmp_path / "data", {"": (scenes.LABELS, 2)})
    labelled = from_dataset(folder, model, None)
    shutil.rmtree(folder / BOX)

    found = measure(model, labelled, ["crop"], on_progress=lambda *_: None)

    assert found.evaluations[0].count == 4
    assert found.unjudged == (scenes.LABELS.index(BOX),)
    assert found.absent == ()
    assert (found.accounting.used, len(found.accounting.skipped)) == (4, 2)


def test_the_command_says_what_is_missing(trained, tmp_path, capsys):
    folder = made(tmp_path / "data", {"": ((BALL,), 2)})
    shutil.copytree(folder / BALL, folder / "balloon")

    with pytest.raises(SystemExit) as ending:
        main(["evaluate", str(trained.run), str(folder), "--json"])

    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert ending.value.code in (0, None)
    assert document["absent_classes"] == [BOX, STRIPES]
    assert document["unknown_classes"] == {"balloon": 2}
    assert document["unjudged_classes"] == []
    assert (document["found"], document["used"], document["skipped"]) == (4, 2, 2)
    assert "2 photos were not judged, of 1 classes that the model does not know: balloon" in printed.err
    assert "no photos of 2 of the model's 3 classes" in printed.err


def test_verify_takes_labels_from_one_photo_a_class(trained, tmp_path):
    folder = made(tmp_path / "data", {"": (scenes.LABELS, 1)})

    assert labelled_photos(folder, ClassNames(scenes.LABELS))[1] == [0, 1, 2]
    assert all(each.drop is not None for each in verify(trained.run, data=folder).comparisons)


def ambiguous(folder):
    return made(folder, {f"{camera}": (scenes.LABELS, 2) for camera in ("left", "right")})


def strange(folder):
    made(folder, {"": (scenes.LABELS, 2)})
    (folder / BALL).rename(folder / "balloon")
    return folder


def loose(folder):
    made(folder, {"": ((BALL,), 2)})
    (folder / BALL / "away.jpg").symlink_to("nowhere")
    return folder / BALL


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (ambiguous, "can be read in two ways"),
        (strange, "the model has no class 'balloon'"),
        (loose, "no photos in class folders"),
    ],
)
def test_verify_and_export_say_why_photos_have_no_labels(trained, tmp_path, capsys, make, why):
    folder = make(tmp_path / "data")
    exporting = (
        "export",
        trained.run,
        "--precision",
        "float16",
        "--out",
        tmp_path / "m.tflite",
        "--data",
        folder,
    )

    verifying = (
        "verify",
        trained.run,
        "--data",
        folder,
        "--min-agreement",
        "0",
    )  # of drawn photos: no matter here
    for line in (verifying, exporting):
        for form in ([], ["--json"]):
            with pytest.raises(SystemExit) as ending:
                main([*map(str, line), *form, *(["--overwrite"] if line[0] == "export" else [])])
            said = capsys.readouterr().err
            assert ending.value.code in (0, None), said
            assert said.count("used without labels: ") == 1
            assert why in said
            assert ("1 photos are skipped; 1 x a link to nothing" in said) is (make is loose)


def test_a_manifest_that_cannot_be_used_is_refused_by_verify_and_export_with_its_cause(
    trained, tmp_path, capsys
):
    made(tmp_path / "data", {"": (scenes.LABELS, 2)})
    table = tmp_path / "data" / "photos.csv"
    table.write_text("picture,label\nball.jpg,ball\n")
    for line in (
        ("verify", trained.run, "--data", table),
        (
            "export",
            trained.run,
            "--precision",
            "int8",
            "--io",
            "int8",
            "--out",
            tmp_path / "m.tflite",
            "--data",
            table,
        ),
    ):
        with pytest.raises(SystemExit) as ending:
            main([*map(str, line)])
        assert ending.value.code == 3
        assert "names no column of paths, it has 'picture', 'label'" in capsys.readouterr().err
