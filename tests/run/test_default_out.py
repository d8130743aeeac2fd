"""Where a run lies when nobody says: below runs/, named as the photos, and never among them."""

import os
from pathlib import Path

import pytest

from efficientnet_lite.errors import UsageError
from efficientnet_lite.run.folder import default_out, export_name


@pytest.fixture
def here(tmp_path, monkeypatch):
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("clothing", "clothing"),
        ("clothing/", "clothing"),
        ("./clothing/.", "clothing"),
        ("clothing/../clothing", "clothing"),
        ("my photos", "my photos"),
        ("clothing/train", "clothing"),
        ("clothing/Training_Set", "clothing"),
        ("写真", "写真"),
        ("new\nline", "new_line"),
        (".hidden", "hidden"),
        ("v1.5", "v1.5"),
        ("-x", "-x"),
    ],
)
def test_a_folder_gives_its_name(here, given, name):
    (here / given).mkdir(parents=True, exist_ok=True)

    assert default_out(Path(given)) == Path("runs") / name
    assert default_out(here / given) == Path("runs") / name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("clothes.csv", "clothes"),
        ("shop/train.jsonl", "shop"),
        ("shop/metadata.csv", "shop"),
        (".csv", "csv"),
        ("a.b.csv", "a.b"),
    ],
)
def test_a_manifest_gives_its_stem(here, given, name):
    (here / given).parent.mkdir(exist_ok=True)
    (here / given).write_text("path,label\n")

    assert default_out(Path(given)) == Path("runs") / name


def test_a_link_gives_the_name_that_the_user_chose(here):
    (here / "disk7").mkdir()
    (here / "clothing").symlink_to(here / "disk7")

    assert default_out(Path("clothing")) == Path("runs/clothing")


def test_a_name_is_cut_where_files_of_the_run_would_have_none(here):
    long = "写" * 80  # 240 bytes
    (here / long).mkdir()

    name = default_out(Path(long)).name

    assert long.startswith(name)
    assert len(os.fsencode(Path(export_name(name, ["float32"], ".tflite.part")).name)) <= 255


@pytest.mark.parametrize("given", [os.sep, "/.."])
def test_the_root_of_a_file_system_has_no_name(here, given):
    with pytest.raises(UsageError, match="no name"):
        default_out(Path(given))


@pytest.mark.parametrize(("given", "place"), [(".", "../runs/work"), ("../work", "../runs/work")])
def test_photos_that_are_the_current_folder_are_no_place_for_a_run(here, given, place):
    with pytest.raises(UsageError, match="inside of the photos") as caught:
        default_out(Path(given))

    assert f"`out={place}`" in caught.value.fix


def test_photos_in_the_folder_of_runs_are_not_written_into(here):
    (here / "runs" / "clothing").mkdir(parents=True)

    with pytest.raises(UsageError, match="inside of the photos") as caught:
        default_out(Path("runs/clothing"))

    assert "`out=runs/runs/clothing`" in caught.value.fix
