"""Photos that go while they are being used: named and counted, and behind no figure that hides it."""

import csv
import json
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import scenes

from efficientnet_lite.commands.export import export
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.runtimes.model_files import open_model
from efficientnet_lite.storage.cache import Cache

PROVING = "Testing both files"
CALIBRATING = "Quantizing to int8"
WAYS = {
    "deleted": lambda photo: photo.unlink(),
    "cut off": lambda photo: photo.write_bytes(photo.read_bytes()[:40]),
    "another photo": lambda photo: scenes.draw("box", 77).save(photo),
}


def when(title, spoil):
    """A `stage` that lets `spoil` act on the disk just before the stage called `title` begins."""

    @contextmanager
    def stage(name):
        if name == title:
            spoil()
        yield lambda done, total: None

    return stage


@pytest.fixture
def own(tmp_path):
    """Photos to be spoiled, in given splits: three classes of 4 and of 3."""
    for part, first, count in (("train", 0, 4), ("validation", 20, 3)):
        scenes.photograph(tmp_path / "photos" / part, count=count, first=first)
    return tmp_path / "photos"


def card_of(trained):
    return json.loads((trained.run / run_folder.CARD).read_text())


@pytest.mark.parametrize("spoil", WAYS.values(), ids=WAYS)
def test_a_photo_lost_before_its_replay_is_named_and_counted(fit, own, tmp_path, spoil):
    lost = own / "validation" / "ball" / "ball-21.jpg"

    trained = fit(own, tmp_path / "run", progress=when(PROVING, lambda: spoil(lost)))

    card = card_of(trained)
    assert [each["path"] for each in card["data"]["lost"]] == ["validation/ball/ball-21.jpg"]
    assert card["data"]["lost"][0]["reason"]
    assert (card["metrics"]["photos"], card["metrics"]["judged"]) == (9, 8)
    counts = [each["count"] for name in ("float32", "int8") for each in card["metrics"][name]]
    counts += [each["count"] for each in card["verification"]["comparisons"]]
    assert set(counts) == {8}
    assert card["verification"]["verdict"] == "not refuted"
    assert set(card["metrics"]["network_top1"]) == {"crop", "squash"}
    assert "(8 of 9, the others were lost while the run was made)" in (trained.run / "README.md").read_text()
    assert card["data"]["photos"]["validation"] == 9
    with (trained.run / "split.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 21


def test_a_class_that_is_lost_whole_leaves_no_run(fit, own, tmp_path):
    with pytest.raises(UnusableInput) as failure:
        fit(
            own,
            tmp_path / "run",
            progress=when(PROVING, lambda: shutil.rmtree(own / "validation" / "stripes")),
        )

    assert "3 of the 9 validation photos were lost" in failure.value.what
    assert "'stripes'" in failure.value.what
    assert "validation/stripes/stripes-20.png" in failure.value.what
    assert scenes.names(tmp_path) == ["photos"]


def test_photos_lost_with_their_features_are_named_too(fit, own, tmp_path):
    def spoil():
        with Cache() as cache:
            cache.clear()
        (own / "validation" / "ball" / "ball-20.png").unlink()

    trained = fit(own, tmp_path / "run", progress=when(PROVING, spoil))

    card = card_of(trained)
    assert [each["path"] for each in card["data"]["lost"]] == ["validation/ball/ball-20.png"]
    assert (card["metrics"]["judged"], card["metrics"]["network_top1"]) == (8, None)


def test_photos_that_were_to_calibrate_are_named_too(fit, own, tmp_path):
    trained = fit(
        own,
        tmp_path / "run",
        calibration=12,
        progress=when(CALIBRATING, lambda: shutil.rmtree(own / "train" / "box")),
    )

    card = card_of(trained)
    assert [each["split"] for each in card["data"]["lost"]] == ["train"] * 4
    assert {each["path"].split("/")[1] for each in card["data"]["lost"]} == {"box"}
    assert card["metrics"]["judged"] == card["metrics"]["photos"] == 9


def test_without_a_photo_left_to_calibrate_there_is_no_run(fit, own, tmp_path):
    with pytest.raises(UnusableInput, match="all 12 photos that were to calibrate were lost"):
        fit(
            own,
            tmp_path / "run",
            calibration=12,
            progress=when(CALIBRATING, lambda: shutil.rmtree(own / "train")),
        )

    assert scenes.names(tmp_path) == ["photos"]


def test_golden_inputs_are_those_that_are_still_there(fit, own, tmp_path):
    """A photo that goes after its replay is behind the figures, and no golden input."""

    @contextmanager
    def stage(name):
        def on_progress(done, total):
            if name == PROVING and done == total:
                shutil.rmtree(own / "validation" / "ball")

        yield on_progress

    trained = fit(own, tmp_path / "run", progress=stage)

    card = card_of(trained)
    assert card["metrics"]["judged"] == 9
    with np.load(trained.run / run_folder.GOLDEN) as golden:
        assert len(golden["images"]) == 5
    assert open_model(run_folder.open_run(trained.run).export("int8")).labels == scenes.LABELS


def test_verify_names_the_photos_that_go_while_they_are_replayed(trained, photos, tmp_path):
    own = shutil.copytree(photos, tmp_path / "photos")

    found = verify(
        trained.run,
        data=own,
        progress=when("Testing on the photos", lambda: (own / "ball" / "ball-03.jpg").unlink()),
    )

    assert {each.count for each in found.comparisons} == {35}
    assert found.notes[0].startswith("1 of 36 photos could not be used: ball-03.jpg (it cannot be read")
    assert found.verdict == "not refuted"


def test_an_export_names_the_photos_that_it_could_not_use(trained, photos, tmp_path):
    own = shutil.copytree(photos, tmp_path / "photos")
    (own / "ball" / "broken.jpg").write_bytes(b"\xff\xd8\xff")

    found = export(trained.run, tmp_path / "m.tflite", precision="float16", data=own)

    assert found.comparison.count == 36
    assert found.to_json()["skipped"] == [
        {"path": str(own / "ball" / "broken.jpg"), "reason": found.skipped[0].reason}
    ]
    assert any("1 of 37 photos could not be used" in note for note in found.notes)


def test_the_end_of_a_training_says_what_was_lost(fit, own, tmp_path, capsys):
    from efficientnet_lite.cli.console import Console
    from efficientnet_lite.cli.run_summary import show_trained

    trained = fit(
        own,
        tmp_path / "run",
        progress=when(PROVING, lambda: (own / "validation" / "box" / "box-22.png").unlink()),
    )
    show_trained(Console(verbose=1), trained, tmp_path / "run")

    printed = capsys.readouterr().out
    assert "named right, of 8 validation photos" in printed
    assert "! 1 of 9 validation photos was lost during the run: validation/box/box-22.png" in printed
    assert "of all 9" in printed
