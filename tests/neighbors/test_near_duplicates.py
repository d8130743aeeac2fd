"""`duplicates` on a folder of vectors: groups, leaks, what is printed and written, and what is refused."""

import csv
import json
import shutil

import numpy as np
import pytest
from embed_scenes import write
from PIL import Image

import efficientnet_lite as el
from efficientnet_lite.cli.app import run
from efficientnet_lite.errors import UnusableInput, UsageError
from efficientnet_lite.neighbors import near_duplicates
from efficientnet_lite.photos import groups


def drawn(path, seed, *, level=6):
    """A photo of noise; another `level` gives other bytes for the same pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    Image.fromarray(pixels).save(path, compress_level=level)


@pytest.fixture(scope="module")
def parted(small_model, tmp_path_factory):
    """Vectors of three parts; train/a/0.png stands three times, validation/b/3.png twice in its own part."""
    root = tmp_path_factory.mktemp("parted")
    for number, place in enumerate(["train/a/0", "train/a/1", "train/b/2", "val/b/3", "val/a/4", "test/a/5"]):
        drawn(root / f"photos/{place}.png", number)
    drawn(root / "photos/val/a/0 again.png", 0, level=1)
    drawn(root / "photos/val/b/3 again.png", 3, level=1)
    shutil.copy(root / "photos/train/a/0.png", root / "photos/test/a/=0.png")
    write(small_model, root / "photos", root / "vectors")
    return root / "vectors"


def short(path):
    return path.partition("photos/")[2]


def test_groups_come_with_the_largest_first_and_leaks_name_the_equal_file(parted):
    found = el.duplicates(parted, threshold=0.9999)

    assert (found.photos, found.grouped, len(found.groups)) == (9, 5, 2)
    assert [[short(photo.path) for photo in group] for group in found.groups] == [
        ["train/a/0.png", "test/a/=0.png", "val/a/0 again.png"],
        ["val/b/3 again.png", "val/b/3.png"],
    ]
    assert [photo.same_bytes for photo in found.groups[0]] == [True, True, False]
    assert {photo.cosine for group in found.groups for photo in group} == {1.0}
    assert found.splits == {"train": 3, "validation": 4, "test": 2}
    assert [
        (short(leak.path), leak.split, short(leak.other), leak.other_split, leak.same_bytes)
        for leak in found.leaks
    ] == [
        ("test/a/=0.png", "test", "train/a/0.png", "train", True),
        ("val/a/0 again.png", "validation", "train/a/0.png", "train", False),
    ]


def test_a_group_begins_with_the_photo_of_most_pixels(small_model, tmp_path):
    for name, size in {"a": (20, 20), "b": (40, 40), "c": (30, 30)}.items():
        Image.new("RGB", size, (90, 120, 80)).save(tmp_path / f"{name}.png")
    write(small_model, tmp_path, tmp_path / "v")

    (group,) = el.duplicates(tmp_path / "v").groups

    assert [photo.path[-5:] for photo in group] == ["b.png", "c.png", "a.png"]
    assert group[0].cosine == 1


def test_a_leak_names_the_nearest_of_the_other_part(parted):
    found = el.duplicates(parted, threshold=0.01)  # all photos are one group

    assert len(found.groups) == 1
    assert found.notes == ()  # nine photos are no crowd
    near = {short(leak.path): (short(leak.other), leak.cosine) for leak in found.leaks}
    assert near["val/a/0 again.png"] == ("train/a/0.png", 1.0)
    assert 0.01 <= near["val/a/4.png"][1] < 1


def test_a_group_of_most_photos_is_remarked(parted, monkeypatch):
    for module in (near_duplicates, groups):
        monkeypatch.setattr(module, "CROWD", 3)

    found = el.duplicates(parted, threshold=0.01)

    assert len(found.groups) == 1  # whole, which the split would part into equal files
    (note,) = found.notes
    assert note.startswith("the largest group has 9 of 9 photos")


def test_a_manifests_column_names_the_parts(small_model, parted, tmp_path):
    photos = parted.parent / "photos"
    lines = ["path,split", f"{photos}/train/a/0.png,valid", f"{photos}/val/a/0 again.png,train"]
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    write(small_model, tmp_path / "list.csv", tmp_path / "v")

    (leak,) = el.duplicates(tmp_path / "v").leaks

    assert (short(leak.path), leak.split, leak.other_split) == ("train/a/0.png", "validation", "train")


def test_the_command_shows_groups_and_leaks_and_what_to_do(parted, capsys):
    assert run(["duplicates", str(parted), "-q"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("9 photos: 2 groups of near-duplicates with 5 photos (cosine 0.94 or more)\n")
    assert "leaks between 3 train, 4 validation, 2 test: 2\n" in out
    assert "next:" not in out

    assert run(["duplicates", str(parted)]) == 0
    assert f"next: efficientnet-lite duplicates {parted} --csv duplicates.csv\n" in capsys.readouterr().out


def test_the_table_has_a_row_for_each_photo_and_its_leak_and_no_formula(parted, tmp_path, capsys):
    table = tmp_path / "found.csv"

    assert run(["duplicates", str(parted), "--csv", str(table), "--threshold", "0.9999"]) == 0

    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [row["group"] for row in rows] == ["1", "1", "1", "2", "2"]
    assert [short(row["leak"]) for row in rows] == ["", "train/a/0.png", "train/a/0.png", "", ""]
    assert f"5 photos in {table}" in capsys.readouterr().out
    before = table.read_bytes()
    assert run(["duplicates", str(parted), "--csv", str(table)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(["duplicates", str(parted), "--csv", str(table), "--overwrite", "--threshold", "0.9999"]) == 0
    assert table.read_bytes() == before


def test_json_keeps_stdout_clean_and_says_all(parted, capsys):
    assert run(["duplicates", str(parted), "--json", "-v"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"folder", "photos", "threshold", "grouped", "splits", "groups", "leaks", "notes"}
    assert document["groups"][0][0]["cosine"] == 1
    assert document["leaks"][0]["other_split"] == "train"


def test_photos_without_copies_have_no_groups(vector_folders, capsys):
    assert run(["duplicates", str(vector_folders["parts"]), "--threshold", "1"]) == 0
    assert capsys.readouterr().out == "10 photos, no near-duplicates (cosine 1 or more)\n"


@pytest.mark.parametrize("threshold", [0, -0.5, 1.5, float("nan")])
def test_a_threshold_that_is_no_cosine_is_refused(parted, threshold):
    with pytest.raises(UsageError, match="threshold"):
        el.duplicates(parted, threshold=threshold)


def test_a_damaged_part_and_no_folder_of_vectors_are_named(spoiled, tmp_path, capsys):
    folder = spoiled()
    part = folder / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    with pytest.raises(UnusableInput, match="part-00001"):
        el.duplicates(folder)

    assert run(["duplicates", str(folder), "--csv", str(tmp_path / "a.csv")]) == 3
    assert "part-00001.parquet" in capsys.readouterr().err
    assert not (tmp_path / "a.csv").exists()
    assert run(["duplicates", str(tmp_path)]) == 3
    assert run(["duplicates", str(folder), "--csv", str(folder / "new.csv")]) == 2
