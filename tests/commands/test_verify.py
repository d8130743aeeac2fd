"""`verify`: what was written still is what it was, or the fault is named; a stranger's run does no harm."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import scenes

from efficientnet_lite.commands.export import export
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import ArtifactError, EfficientNetLiteError, UnusableInput, UsageError
from efficientnet_lite.photos.contract import PROOF_VIEWS
from efficientnet_lite.proof import golden
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.storage import files


def change_card(run, **changes):
    card = json.loads((run / run_folder.CARD).read_text())
    (run / run_folder.CARD).write_text(json.dumps(card | changes))


def flip(path, place=0.5):
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)


# A run


def test_a_fresh_run_passes_on_the_photos_that_proved_it(trained):
    found = verify(trained.run)
    document = found.to_json()

    assert found.passed
    assert found.faults == found.notes == ()
    assert [each.to_json() for each in found.comparisons] == [
        each.to_json() for each in trained.proof.comparisons
    ]
    assert document["passed"] is True
    assert document["agreement"] == min(each.agreement for each in trained.proof.comparisons)
    assert document["drop"] == max(each.drop for each in trained.proof.comparisons)
    assert document["snr_db"] == min(each.snr_db for each in trained.proof.comparisons)
    json.dumps(document, allow_nan=False)


@pytest.mark.parametrize("judged", [["crop", "squash"], ["crop"], [7], 7])
def test_a_run_that_was_not_judged_as_phones_see_photos_is_not_now_either(run, judged):
    card = json.loads((run / run_folder.CARD).read_text())
    given = [{"as": view} for view in judged] if isinstance(judged, list) else judged
    change_card(run, verification=card["verification"] | {"comparisons": given})

    assert [each.view for each in verify(run).comparisons] == ["crop", "squash"]


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.9999])
def test_one_flipped_bit_is_a_fault(run, precision, place):
    flip(run / "exports" / f"shapes_{precision}.tflite", place)

    found = verify(run)

    assert not found.passed
    assert found.to_json()["passed"] is False
    assert len(found.faults) == 1
    assert f"shapes_{precision}.tflite" in found.faults[0]
    assert "SHA-256" in found.faults[0]


def test_a_missing_export_is_a_fault(run):
    (run / "exports" / "shapes_int8.tflite").unlink()

    assert verify(run).faults == ("shapes_int8.tflite is missing",)


@pytest.mark.parametrize(("name", "by"), [("float32", 0.01), ("float32", np.nan), ("int8", 5)])
def test_other_golden_outputs_are_a_fault(run, name, by):
    with np.load(run / run_folder.GOLDEN) as arrays:
        content = {key: arrays[key] for key in arrays.files}
    spoiled = content[name].astype(float)
    spoiled[0, 0] += by
    np.savez(run / run_folder.GOLDEN, **(content | {name: spoiled}))

    found = verify(run)

    assert not found.passed
    assert f"the outputs of the run's files ({name}) differ" in found.faults[0]


def test_photos_that_went_are_a_note_and_no_fault(fit, tmp_path):
    photos = scenes.photograph(tmp_path / "photos", count=6)
    run = fit(photos, tmp_path / "run").run
    photos.rename(tmp_path / "moved")

    found = verify(run)

    assert found.passed
    assert found.comparisons == ()
    assert "`data=`" in found.notes[0]
    assert found.to_json()["agreement"] is None
    found = verify(run, data=tmp_path / "moved")
    assert [each.view for each in found.comparisons] == list(PROOF_VIEWS)


def test_a_photo_with_another_content_is_not_taken_for_the_one_that_proved(fit, tmp_path):
    photos = scenes.photograph(tmp_path / "photos", count=6)
    run = fit(photos, tmp_path / "run").run
    for photo in photos.rglob("*.png"):
        scenes.draw("ball", 99).save(photo)

    found = verify(run)

    assert found.comparisons == ()
    assert "not there as they were" in found.notes[0]


def test_labelled_photos_tell_the_drop_and_others_the_agreement_alone(trained, photos, tmp_path):
    labelled = verify(trained.run, data=photos)
    (tmp_path / "loose").mkdir()
    for photo in photos.rglob("*.png"):
        shutil.copy(photo, tmp_path / "loose")
    (tmp_path / "loose" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    loose = verify(trained.run, data=tmp_path / "loose")

    assert [each.count for each in labelled.comparisons] == [36, 36, 36]
    assert all(each.drop is not None for each in labelled.comparisons)
    assert [each.count for each in loose.comparisons] == [18, 18, 18]
    assert all(each.drop is None for each in loose.comparisons)
    assert loose.to_json()["drop"] is None
    assert loose.notes[0].startswith("1 of 19 photos could not be used: broken.jpg (damaged or cut off")
    assert "no labels" in loose.notes[1]


@pytest.mark.parametrize("content", [None, b"\xff\xd8\xff"])
def test_data_without_a_usable_photo_is_an_error(trained, tmp_path, content):
    (tmp_path / "photos").mkdir()
    if content:
        (tmp_path / "photos" / "broken.jpg").write_bytes(content)

    with pytest.raises(UnusableInput):
        verify(trained.run, data=tmp_path / "photos")


# A file against the one that it was made from


def test_a_file_is_held_against_its_parent(trained, photos):
    float_file, int8_file = (run_folder.open_run(trained.run).export(name) for name in ("float32", "int8"))

    found = verify(int8_file, parent=float_file, data=photos)

    assert found.passed
    assert found.target == int8_file
    assert [each.view for each in found.comparisons] == list(PROOF_VIEWS)


def test_a_file_equal_to_its_parent_has_no_snr_in_json(trained, photos):
    path = run_folder.open_run(trained.run).export("float32")

    document = verify(path, parent=path, data=photos).to_json()

    assert document["snr_db"] is None
    assert document["agreement"] == 1
    json.dumps(document, allow_nan=False)


def test_a_file_of_other_weights_fails_and_says_by_how_much(trained, photos, fit, tmp_path):
    relabelled = tmp_path / "photos"
    for new, old in zip(scenes.LABELS, ("stripes", "ball", "box"), strict=True):
        shutil.copytree(photos / old, relabelled / new)
    other = fit(relabelled, tmp_path / "run").run
    parent, child = (run_folder.open_run(folder).export("float32") for folder in (trained.run, other))

    found = verify(child, parent=parent, data=photos)

    assert not found.passed
    assert "crop: top-1 drops by 100.00 points" in found.faults[0]
    assert "crop: both name the same class for 0.0 %" in found.faults[1]


@pytest.mark.parametrize("given", [{}, {"parent": "x"}, {"data": "x"}])
def test_a_file_needs_parent_and_photos(trained, given):
    with pytest.raises(UsageError, match="parent"):
        verify(run_folder.open_run(trained.run).export("int8"), **given)


def test_a_file_of_another_size_or_other_classes_is_no_child(trained, photos, weights, tmp_path):
    parent = run_folder.open_run(trained.run).export("float32")
    classes = export(scenes.MODEL, tmp_path / "classes.tflite", weights=weights).path
    larger = export("lite0@40", tmp_path / "larger.tflite", weights=weights).path

    with pytest.raises(ArtifactError, match="1000 classes"):
        verify(classes, parent=parent, data=photos)
    with pytest.raises(ArtifactError, match="40 pixels"):
        verify(larger, parent=classes, data=photos)


@pytest.mark.parametrize("bars", [{"max_drop": float("nan")}, {"min_agreement": -1}, {"max_drop": 2}])
def test_a_bar_that_is_no_fraction_is_wrong_usage(trained, bars):
    with pytest.raises(UsageError, match=r"(max_drop|min_agreement)="):
        verify(trained.run, **bars)


# A stranger's run


@pytest.mark.parametrize(
    "changes",
    [
        {"verification": {"max_drop": "0.01"}},
        {"verification": {"max_drop": 99}},
        {"verification": {"min_agreement": None}},
        {"verification": {"min_agreement": True}},
        {"verification": []},
        {"exports": []},
        {"contract": None},
    ],
)
def test_a_card_that_lies_is_an_error(run, changes):
    change_card(run, **changes)

    with pytest.raises(ArtifactError):
        verify(run)


@pytest.mark.parametrize("split", [["validation"], {}, None, "elsewhere"])
def test_a_card_that_names_no_split_costs_the_photos_alone(run, split):
    change_card(run, metrics={"split": split})

    found = verify(run)

    assert found.passed
    assert found.comparisons == ()


@pytest.mark.parametrize(
    "content",
    [b"\xff", b"path,label\nball/ball-00.png,ball\n", b'path,label,split,sha256\n"', b"a\x00b,c\n1,2\n"],
)
def test_a_damaged_split_is_an_error(run, content):
    (run / "split.csv").write_bytes(content)

    with pytest.raises(ArtifactError, match="the split cannot be read"):
        verify(run)


@pytest.mark.parametrize("content", [b"", b"path,label,split,sha256\n"])
def test_a_split_without_photos_is_a_note(run, content):
    (run / "split.csv").write_bytes(content)

    assert len(verify(run).notes) == 1


@pytest.mark.parametrize(
    "content", [b"", b"photos = ", b"photos = 1\n", b'photos = "/nowhere"\n', b'photos = "\\ud800"', b"\xff"]
)
def test_a_config_that_leads_nowhere_is_a_note(run, content):
    (run / "config.toml").write_bytes(content)

    found = verify(run)

    assert found.passed
    assert len(found.notes) == 1


def archive(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return stream.getvalue()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


IMAGES = np.zeros((5, scenes.SIZE, scenes.SIZE, 3), np.uint8)
OUTPUTS = np.zeros((5, 3), np.float32)
HUGE = npy(OUTPUTS).replace(b"(5, 3)", b"(9999999999999, 3)").replace(b"            \n", b"\n", 1)
GOLDEN = {
    "empty": b"",
    "no archive": b"PK nonsense",
    "cut": archive(images=npy(IMAGES), float32=npy(OUTPUTS), int8=npy(OUTPUTS))[:-40],
    "lacks a part": archive(images=npy(IMAGES), float32=npy(OUTPUTS)),
    "pickles": archive(images=npy(np.array([{}], object)), float32=npy(OUTPUTS), int8=npy(OUTPUTS)),
    "another size": archive(images=npy(IMAGES[:, 1:]), float32=npy(OUTPUTS), int8=npy(OUTPUTS)),
    "another type": archive(images=npy(IMAGES.astype(float)), float32=npy(OUTPUTS), int8=npy(OUTPUTS)),
    "texts": archive(images=npy(IMAGES), float32=npy(OUTPUTS.astype(str)), int8=npy(OUTPUTS)),
    "one number": archive(images=npy(IMAGES), float32=npy(OUTPUTS[0, 0]), int8=npy(OUTPUTS)),
    "no images": archive(images=npy(IMAGES[:0]), float32=npy(OUTPUTS[:0]), int8=npy(OUTPUTS[:0])),
    "claims terabytes": archive(images=HUGE, float32=npy(OUTPUTS), int8=npy(OUTPUTS)),
    "no array": archive(images=b"no array", float32=npy(OUTPUTS), int8=npy(OUTPUTS)),
}


@pytest.mark.parametrize("content", GOLDEN.values(), ids=GOLDEN)
def test_golden_outputs_that_are_none_are_an_error(run, content):
    (run / run_folder.GOLDEN).write_bytes(content)

    with pytest.raises(ArtifactError, match="expected outputs cannot be read"):
        verify(run)


def test_golden_outputs_that_unpack_to_more_than_they_can_be_are_not_unpacked(run, monkeypatch):
    monkeypatch.setattr(golden, "MAX_BYTES", 100_000)
    bomb = archive(images=bytes(10_000_000), float32=npy(OUTPUTS), int8=npy(OUTPUTS))
    (run / run_folder.GOLDEN).write_bytes(bomb)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was unpacked"))

    assert len(bomb) < 100_000
    with pytest.raises(ArtifactError, match="more than they can have"):
        verify(run)


def test_exports_that_are_no_models_are_refused_before_the_runtime_sees_them(run):
    path = run / "exports" / "shapes_int8.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + b"\xff" * 1000)
    card = json.loads((run / run_folder.CARD).read_text())
    card["exports"][1]["sha256"] = files.sha256_file(path)
    (run / run_folder.CARD).write_text(json.dumps(card))

    with pytest.raises(ArtifactError):
        verify(run)


def test_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(EfficientNetLiteError):
        verify(tmp_path / "nowhere.tflite", parent=tmp_path / "x", data=tmp_path)
    with pytest.raises(UnusableInput, match="no run here"):
        verify(tmp_path)
