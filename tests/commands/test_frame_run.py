"""A run on a DataFrame: it keeps the rows, so that it is verified, evaluated and made again like any other."""

import json
import shutil
import tomllib

import pytest
import scenes

from efficientnet_lite.commands.evaluate import evaluate
from efficientnet_lite.commands.shards import shards
from efficientnet_lite.commands.train import train
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import UsageError


class Table:
    """Columns by name; tests/photos/test_frames.py has pandas and polars."""

    def __init__(self, columns):
        self.columns, self._columns = list(columns), columns

    def __getitem__(self, name):
        return self._columns[name]


@pytest.fixture(scope="module")
def table(photos):
    paths = sorted(str(path) for path in photos.rglob("*.*"))
    labels = [path.split("/")[-2] for path in paths]
    return Table({"path": [*paths, str(photos / "gone.png")], "label": [*labels, "ball"]})


@pytest.fixture(scope="module")
def framed(fit, table, tmp_path_factory):
    """What `train` gave for the table; not to be changed."""
    return fit(table, tmp_path_factory.mktemp("framed") / "run")


def test_a_run_on_a_frame_keeps_its_rows_and_finds_its_photos_again(framed, table, photos, tmp_path):
    trained = framed

    assert trained.accounting.rows() == [(str(photos / "gone.png"), "no such file (row 36)")]
    kept = [json.loads(line) for line in (trained.run / "photos.jsonl").read_text().splitlines()]
    assert kept[0] == {"path": table["path"][0], "label": "ball"}
    assert len(kept) == 37
    assert "photos.jsonl" in trained.card["files"]
    config = tomllib.loads((trained.run / "config.toml").read_text())
    assert config["photos"] == str(trained.run / "photos.jsonl")
    moved = shutil.copytree(trained.run, tmp_path / "moved")
    verified = verify(moved)
    assert verified.comparisons[0].count == trained.proof.comparisons[0].count
    assert verified.notes == ()


def test_a_run_on_a_frame_is_made_again_from_its_config(framed, tmp_path):
    again = train(config=framed.run / "config.toml", out=tmp_path / "again", workers=2)

    found, wanted = scenes.contents(again.run), scenes.contents(framed.run)
    assert found["weights.safetensors"] == wanted["weights.safetensors"]
    assert found["exports/again_int8.tflite"] == wanted["exports/run_int8.tflite"]
    assert verify(again.run).notes == ()


def test_a_frame_is_the_same_data_set_as_its_folder(framed, trained, table, photos, tmp_path):
    assert (
        scenes.contents(framed.run)["weights.safetensors"]
        == scenes.contents(trained.run)["weights.safetensors"]
    )
    by_frame, by_folder = (evaluate(trained.run, data, split="all") for data in (table, photos))
    assert by_frame.evaluations[0].top1 == by_folder.evaluations[0].top1
    assert verify(trained.run, data=table).comparisons[0].count == 36
    written = shards(table, tmp_path / "records", train_shards=1, validation_shards=1)
    assert sum(part.photos for part in written.parts.values()) == 36


def test_a_run_on_a_frame_needs_a_place(fit, table):
    with pytest.raises(UsageError, match="a DataFrame has no name"):
        fit(table)
