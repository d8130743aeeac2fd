"""`check` with labels: wrong ones among photos and among vectors, its table, what it is refused for."""

import csv
import json
import shutil

import pytest
import scenes

from efficientnet_lite.cli.app import run as command_line
from efficientnet_lite.commands.check import check
from efficientnet_lite.commands.embed import embed
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.features.feature_store import FeatureStore
from efficientnet_lite.photos.doubtful import CSV_COLUMNS


@pytest.fixture(scope="module")
def mistaken(photos, tmp_path_factory):
    """The photos, one of them in the folder of another class; not to be changed."""
    place = shutil.copytree(photos, tmp_path_factory.mktemp("mistaken") / "photos")
    first, second = sorted(path.name for path in place.iterdir())[:2]
    moved = min((place / first).iterdir())
    moved.rename(place / second / f"moved{moved.suffix}")
    return place, f"{second}/moved{moved.suffix}", first, second


@pytest.fixture(scope="module")
def looked_at(mistaken, weights):
    return check(mistaken[0], labels=True, model=scenes.MODEL, weights=weights)


@pytest.fixture(scope="module")
def vectors(mistaken, weights, tmp_path_factory):
    pytest.importorskip("pyarrow", reason="the extra [embed]")
    out = tmp_path_factory.mktemp("vectors") / "vectors"
    embed(scenes.MODEL, mistaken[0], out, weights=weights)
    return out


def test_a_photo_in_the_wrong_folder_stands_first(mistaken, looked_at):
    _, name, first, second = mistaken
    found = looked_at.doubtful
    assert (found.rows[0].name, found.rows[0].label, found.rows[0].suspected) == (name, second, first)
    assert found.rows[0].example.startswith(f"{first}/")
    assert found.judged == looked_at.photos
    assert looked_at.to_json()["doubtful"]["rows"][0]["evidence"] == found.rows[0].evidence
    json.dumps(looked_at.to_json())


def test_labels_are_looked_at_where_that_is_asked_for_alone(photos):
    assert check(photos).doubtful is None
    assert check(photos).to_json()["doubtful"] is None


def test_photos_that_train_has_seen_are_not_computed_again(photos, trained, weights, monkeypatch):
    computed = []
    run = FeatureStore._look_and_run
    monkeypatch.setattr(FeatureStore, "_look_and_run", lambda *item: computed.append(item[2]) or run(*item))
    found = check(photos, labels=True, model=scenes.MODEL, weights=weights)
    assert found.doubtful.judged == found.photos
    assert computed == []


def test_the_table_has_a_row_for_each_and_replaces_nothing_unasked(
    mistaken, looked_at, weights, tmp_path, capsys
):
    table = tmp_path / "labels.csv"
    line = ["check", str(mistaken[0]), "--model", scenes.MODEL, "--weights", str(weights), "-q"]
    assert command_line([*line, "--labels", "--csv", str(table)]) == 0
    written = table.read_bytes()
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["path"] for row in rows] == [row.name for row in looked_at.doubtful.rows]
    assert rows[0]["evidence"] == looked_at.doubtful.rows[0].evidence
    table.write_text("mine")
    for given, said in (
        (["--labels", "--csv", str(table)], "choose another --csv, or give --overwrite"),
        (["--labels", "--csv", str(mistaken[0] / "labels.csv")], "the photo folder"),
        (["--csv", str(tmp_path / "other.csv")], "give --labels too"),
    ):
        assert command_line([*line, *given]) == 2
        assert said in capsys.readouterr().err
    assert table.read_text() == "mine"
    assert command_line([*line, "--labels", "--csv", str(table), "--overwrite"]) == 0
    assert table.read_bytes() == written


def test_vectors_are_looked_at_with_the_labels_in_them(mistaken, looked_at, vectors):
    found = check(vectors=vectors)
    assert [row.label for row in found.classes] == [row.label for row in looked_at.classes]
    assert found.photos == looked_at.photos
    row = found.doubtful.rows[0]
    assert (row.name.endswith(mistaken[1]), row.label, row.suspected) == (True, mistaken[3], mistaken[2])


def test_folders_that_are_parts_are_no_classes_of_vectors(mistaken, weights, tmp_path):
    pytest.importorskip("pyarrow", reason="the extra [embed]")
    for part in ("train", "val"):
        shutil.copytree(mistaken[0], tmp_path / "set" / part)
    embed(scenes.MODEL, tmp_path / "set", tmp_path / "vectors", weights=weights)
    found = check(vectors=tmp_path / "vectors")
    assert len(found.classes) == 3
    assert all(row.train == row.validation > 0 for row in found.classes)
    assert len(found.exact_duplicates) == len(found.leaks) == found.photos // 2


def test_vectors_without_labels_are_said_to_have_none(mistaken, weights, tmp_path):
    photos = sorted(mistaken[0].rglob("*.*"))
    embed(scenes.MODEL, photos, tmp_path / "vectors", weights=weights, format="npy")
    found = check(vectors=tmp_path / "vectors")
    assert found.classes == found.doubtful.rows == ()
    assert f"{len(photos)} of {len(photos)} photos have no label" in found.doubtful.notes[0]


def test_a_damaged_part_and_what_is_no_folder_of_vectors_are_refused(vectors, tmp_path):
    spoiled = shutil.copytree(vectors, tmp_path / "spoiled")
    part = spoiled / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    for place, said in ((spoiled, "part-00000.parquet is damaged"), (tmp_path, "no folder of vectors")):
        with pytest.raises(UnusableInput, match=said):
            check(vectors=place)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "give a folder of photos, or vectors by --vectors FOLDER"),
        (["photos", "--csv", "t.csv"], "--csv is for doubtful labels"),
        (["nothing-here", "--labels"], "no such folder or file"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_give(line, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command_line(["check", *line]) in (2, 3)
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""


def test_the_command_line_names_label_suspicion_evidence_and_example(mistaken, looked_at, weights, capsys):
    line = ["check", str(mistaken[0]), "--labels", "--model", scenes.MODEL, "--weights", str(weights), "-q"]
    assert command_line(line) == 0
    row = looked_at.doubtful.rows[0]
    printed = " ".join(capsys.readouterr().out.split())
    assert f"labels to look at, of {looked_at.photos} compared by {scenes.MODEL}: " in printed
    assert f"{row.name} ({row.label}, perhaps {row.suspected}: {row.evidence}; like {row.example})" in printed
