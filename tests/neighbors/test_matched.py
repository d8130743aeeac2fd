"""`check --vectors`: copies that only vectors find join the groups and the leaks, and change no split."""

import json

import pytest
from embed_scenes import write
from PIL import Image
from trees import photograph

from efficientnet_lite.cli.app import run
from efficientnet_lite.commands.check import check
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.photos.findings import LeakedPhoto


@pytest.fixture(scope="module")
def data(small_model, tmp_path_factory):
    """A data set with a test part, and the vectors of its photos. In each part is one photo of a wall, with the same
    pixels in other bytes: the difference hash pairs no flat photos, and the vectors are equal."""
    root = tmp_path_factory.mktemp("data")
    for number in range(4):
        for label in "ab":
            photograph(root / f"photos/train/{label}/{number}.jpg", number + 100 * (label == "b"))
    photograph(root / "photos/test/b/9.jpg", 900)
    wall = Image.new("RGB", (90, 80), (120, 130, 125))
    wall.save(root / "photos/train/a/wall.png")
    (root / "photos/test/a").mkdir()
    wall.save(root / "photos/test/a/wall.png", compress_level=0)
    write(small_model, root / "photos", root / "vectors")
    return root


def test_copies_by_vectors_are_groups_and_leaks_and_the_split_stays(data):
    plain, found = check(data / "photos"), check(data / "photos", vectors=data / "vectors")

    assert plain.near_duplicates == plain.leaks == ()
    assert found.classes == plain.classes
    assert found.near_duplicates == (("test/a/wall.png", "train/a/wall.png"),)
    assert found.leaks == (LeakedPhoto("test/a/wall.png", "test", "train/a/wall.png", "train", exact=False),)
    assert [note for note in found.notes if "by their vectors alone" in note]


def test_photos_without_a_vector_are_counted_and_others_vectors_refused(
    data, vector_folders, tmp_path, capsys
):
    photograph(data / "photos/train/a/new.jpg", 555)
    try:
        assert run(["check", str(data / "photos"), "--vectors", str(data / "vectors"), "--json"]) == 0
    finally:
        (data / "photos/train/a/new.jpg").unlink()
    streams = capsys.readouterr()
    assert "1 photos have no vector" in streams.err
    assert json.loads(streams.out)["photos"] == 12

    with pytest.raises(UnusableInput, match="none of the 11 photos has a vector here"):
        check(data / "photos", vectors=vector_folders["parts"])
    assert run(["check", str(data / "photos"), "--vectors", str(tmp_path)]) == 3
