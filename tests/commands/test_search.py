"""`search`: what it finds, by which model it looks, what it refuses, and the page that it writes."""

import json
import re
import shutil
from html import unescape

import numpy as np
import pytest
import scenes
from PIL import Image

import efficientnet_lite as el
from efficientnet_lite.cli.app import run as command_line
from efficientnet_lite.errors import (
    ArtifactError,
    UnreadablePhoto,
    UnusableInput,
    UsageError,
    WrongArgument,
    WrongType,
)

pytest.importorskip("pyarrow", reason="the extra [embed]")


@pytest.fixture(scope="module")
def options(weights):
    return {"weights": weights}


@pytest.fixture(scope="module")
def folder(photos, options, tmp_path_factory):
    """Vectors of a view that is not the model's own; not to be changed."""
    out = tmp_path_factory.mktemp("vectors") / "v"
    el.embed(scenes.MODEL, photos, out, view="squash", part_rows=10, **options)
    return out


@pytest.fixture(scope="module")
def paths(photos):
    return sorted(photos.rglob("*.??g"))


def test_a_photo_is_found_first_in_every_form_and_its_kind_after_it(folder, options, paths):
    opened = el.Vectors(folder, **options)
    vector = opened.matrix()[3] * 7
    with Image.open(paths[3]) as image:
        image.load()
        forms = [
            paths[3],
            str(paths[3]),
            paths[3].read_bytes(),
            image,
            np.asarray(image.convert("RGB")),
            vector,
        ]

        found = [opened.search(form, top_k=4) for form in forms]

    assert {each[0].path for each in found} == {paths[3].as_posix()}
    assert all(abs(each[0].cosine - 1) < 1e-5 for each in found)  # the view is that of the folder
    assert all([one.id for one in each] == [one.id for one in found[0]] for each in found)
    assert [one.label for one in found[0]][:2] == ["ball", "ball"]
    assert found[0][1].cosine == sorted([one.cosine for one in found[0]])[-2]


def test_several_in_one_passage_are_as_one_by_one_and_a_bad_one_has_its_reason(
    folder, options, paths, tmp_path
):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no photo")

    searched = el.search(folder, [paths[0], bad, paths[20]], top_k=3, **options)

    alone = el.Vectors(folder, **options)
    assert searched[0].query == paths[0].as_posix()
    assert searched[1].error
    assert searched[1].found == ()
    for at in (0, 2):
        ids = [one.id for one in searched[at].found]
        assert ids == [one.id for one in alone.search(searched[at].query, top_k=3)]
    with pytest.raises(UnreadablePhoto):
        alone.search(bad)


def test_by_its_id_a_photo_is_not_among_those_found(folder, options, paths):
    id = paths[5].as_posix()

    (searched,) = el.search(folder, id, by_id=True, top_k=35)

    assert len(searched.found) == 35
    assert id not in [one.id for one in searched.found]
    mine = el.Vectors(folder, **options).search(paths[5], top_k=36)
    assert [one.id for one in searched.found] == [one.id for one in mine if one.id != id]
    with pytest.raises(UsageError, match="has the id 'nobody'"):
        el.search(folder, "nobody", by_id=True)


def test_another_model_is_refused_with_both_names(folder, options, paths, tmp_path):
    with pytest.raises(ArtifactError) as caught:
        el.search(folder, paths[0], model="lite0@48", **options)

    assert re.search(
        r"are of lite0@32 \([0-9a-f]{12}\).* model is lite0@48 \([0-9a-f]{12}\)", caught.value.what
    )
    assert caught.value.exit_code == 4
    assert "`model=PATH`" in caught.value.fix


def test_vectors_of_a_run_are_searched_with_that_run(trained, photos, paths, tmp_path):
    el.embed(trained.run, photos, tmp_path / "v")

    with pytest.raises(UsageError, match="a file or run") as caught:
        el.search(tmp_path / "v", paths[0])
    (searched,) = el.search(tmp_path / "v", paths[0], model=trained.run, top_k=1)

    assert "`model=PATH`" in caught.value.fix
    assert searched.found[0].path == paths[0].as_posix()


def test_a_matrix_of_numpy_says_what_it_was_made_with(photos, options, paths, tmp_path):
    el.embed(scenes.MODEL, photos, tmp_path / "v", format="npy", view="squash", **options)

    opened = el.Vectors(tmp_path / "v", **options)

    for _ in range(2):  # the second time by the mapped matrix
        assert opened.search(paths[7], top_k=1)[0].path == str(paths[7].absolute())
    with pytest.raises(ArtifactError):
        el.search(tmp_path / "v", paths[0], model="lite0@48", **options)


@pytest.mark.parametrize(
    ("query", "more", "error"),
    [
        ("photo", {"top_k": 0}, WrongArgument),
        (np.ones(7, np.float32), {}, WrongType),
        (["a.jpg", "b.jpg"], {}, WrongType),
        ("gone.jpg", {}, UnreadablePhoto),
    ],
    ids=["none", "vector", "several", "gone"],
)
def test_what_makes_no_sense_in_python_is_refused(folder, options, query, more, error):
    with pytest.raises(error):
        el.Vectors(folder, **options).search(query, **more)


def test_the_page_has_each_picture_and_says_which_are_gone(photos, options, tmp_path):
    here = shutil.copytree(photos, tmp_path / "photos")
    el.embed(scenes.MODEL, here, tmp_path / "v", **options)
    query = here / "box" / "box-00.png"
    (here / "box" / "box-01.jpg").unlink()
    page = tmp_path / "found.html"

    (searched,) = el.search(tmp_path / "v", query, top_k=36, html=page, **options)

    text = unescape(page.read_text())
    assert len(searched.found) == 36
    assert text.count("data:image/webp;base64,") == 36  # the query's own, and all but one of those found
    assert text.count("not there any more") == 1
    assert "1 of 36 is not where" in text
    assert "<script" not in text
    assert "default-src 'none'" in text
    with pytest.raises(UsageError) as caught:
        el.search(tmp_path / "v", query, html=page, **options)
    assert "`html=`" in str(caught.value) or "`overwrite=True`" in str(caught.value)
    page.write_text("mine")
    with pytest.raises(UsageError, match="no page of ours"):
        el.search(tmp_path / "v", query, html=page, overwrite=True, **options)
    assert page.read_text() == "mine"


def test_the_command_prints_a_table_or_one_document(folder, weights, paths, capsys, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no photo")
    common = [str(folder), str(paths[0]), "--weights", weights, "-k", "2", "--quiet"]

    assert command_line(["search", *common]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["cosine", "label", "photo"]
    assert table[2].split() == ["1.000", "ball", paths[0].as_posix()]

    assert command_line(["search", *common, str(bad), "--json"]) == 0
    out, err = capsys.readouterr()
    first, second = json.loads(out)
    assert first["found"][0]["path"] == paths[0].as_posix()
    assert second["error"] in err

    with pytest.raises(SystemExit) as ending:
        command_line(["search", str(folder), str(bad), "--weights", weights, "--quiet"])
    assert ending.value.code == 3


def test_damaged_parts_end_the_command_with_their_name(folder, options, paths, tmp_path, capsys):
    spoiled = shutil.copytree(folder, tmp_path / "v")
    part = spoiled / "part-00002.parquet"
    part.write_bytes(part.read_bytes()[:-1])

    assert command_line(["search", str(spoiled), paths[0].as_posix(), "--by-id", "--json"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "part-00002.parquet is damaged" in err
    assert "Traceback" not in err
    with pytest.raises(UnusableInput):
        el.Vectors(spoiled, **options).search(paths[0])
