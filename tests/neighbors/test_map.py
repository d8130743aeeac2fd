"""`map`, from a folder of vectors to its page: where it may lie, what it says, and that nothing half-made is left."""

import re

import pytest

import efficientnet_lite as el
from efficientnet_lite.cli.app import run
from efficientnet_lite.errors import UnusableInput, UsageError


def test_the_page_has_every_photo_that_has_a_vector(vector_folders, tmp_path):
    out = tmp_path / "photos.html"

    mapped = el.map(vector_folders["parts"], out=out, method="pca")

    assert (mapped.photos, mapped.pictures, mapped.gone, mapped.method) == (10, 10, 0, "pca")
    assert mapped.bytes == out.stat().st_size
    first = out.read_bytes()
    el.map(vector_folders["parts"], out=out, method="pca", overwrite=True)
    assert out.read_bytes() == first


@pytest.mark.parametrize("layout", ["float16", "int8", "clip-retrieval", "npy"])
def test_every_layout_has_a_map(vector_folders, tmp_path, layout):
    mapped = el.map(vector_folders[layout], out=tmp_path / "map.html")

    assert (mapped.photos, mapped.pictures) == (10, 10)


def test_few_photos_are_placed_by_pca_and_that_is_said(vector_folders, tmp_path):
    mapped = el.map(vector_folders["parts"], out=tmp_path / "map.html")

    assert mapped.method == "pca"
    assert mapped.notes == ("fewer than 30 photos are placed by PCA",)


def test_pictures_can_be_left_out(vector_folders, tmp_path):
    mapped = el.map(vector_folders["parts"], out=tmp_path / "map.html", pictures=False)

    assert (mapped.pictures, mapped.side, mapped.gone) == (0, None, 0)
    assert "image/webp" not in re.sub("<script>.*", "", (tmp_path / "map.html").read_text(), flags=re.DOTALL)


def test_a_page_of_ours_is_replaced_when_asked_and_nothing_else_is(vector_folders, tmp_path):
    page, foreign = tmp_path / "map.html", tmp_path / "mine.html"
    foreign.write_text("<!DOCTYPE html><p>mine")
    el.map(vector_folders["npy"], out=page)

    with pytest.raises(UsageError, match="the target exists"):
        el.map(vector_folders["npy"], out=page)
    with pytest.raises(UsageError, match="no page of ours"):
        el.map(vector_folders["npy"], out=foreign, overwrite=True)
    with pytest.raises(UsageError, match="HTML"):
        el.map(vector_folders["npy"], out=tmp_path / "map.png")
    assert foreign.read_text() == "<!DOCTYPE html><p>mine"


def test_no_page_lies_among_the_vectors(spoiled):
    folder = spoiled()

    with pytest.raises(UsageError, match="the folder of vectors"):
        el.map(folder, out=folder / "map.html")


def test_a_damaged_part_leaves_no_page(spoiled, tmp_path):
    folder = spoiled()
    part = folder / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"x")

    with pytest.raises(UnusableInput, match=r"part-00001\.parquet is damaged"):
        el.map(folder, out=tmp_path / "map.html")
    assert not (tmp_path / "map.html").exists()


def test_the_command_says_what_there_is_now(vector_folders, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    assert run(["map", str(vector_folders["parts"]), "--quiet"]) == 0

    printed = capsys.readouterr().out
    assert re.fullmatch(
        r"10 photos of 2 classes by PCA, 10 pictures of 192 pixels, [\d.]+ MB: map\.html\n", printed
    )
    assert run(["map", str(tmp_path)]) == 3
    assert "no folder of vectors" in capsys.readouterr().err
