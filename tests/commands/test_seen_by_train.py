"""Photos that `train` has seen cost `embed` nothing, through whichever door the same weights come."""

from dataclasses import replace

import numpy as np
import pytest
import scenes
from checkpoint_files import write_saved_model

from efficientnet_lite.commands.embed import embed
from efficientnet_lite.commands.train import train
from efficientnet_lite.features.extract import extract, known_vectors
from efficientnet_lite.photos.contract import FIT_VIEWS
from efficientnet_lite.photos.decode import read_bytes
from efficientnet_lite.run.source import open_features
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.weights.read import read_checkpoint

COUNT = 20  # photos of each of three classes
DOORS = ("name", "run", "checkpoint", "SavedModel")


class Counted(LiteRT):
    """The engine itself, and how often it was run."""

    runs = 0

    def filled(self, fill):
        type(self).runs += 1
        return super().filled(fill)


@pytest.fixture(scope="module")
def seen(weights, tmp_path_factory):
    """A run of 60 photos, what else has its weights, by door, and its photos, with a cache of their own."""
    folder = tmp_path_factory.mktemp("seen")
    photos = scenes.photograph(folder / "photos", count=COUNT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(folder / "cache"))
        run = train(photos, folder / "run", model=scenes.MODEL, weights=weights, calibration=8, workers=2).run
        found = read_checkpoint(run / "weights.safetensors")
        contract = {"size": scenes.SIZE, "view": "crop", "crop_padding": 32, "mean": 127, "stddev": 128}
        saved = write_saved_model(
            folder / "saved", found.parameters, variant="lite0", contract=contract, classes=found.classes
        )
        doors = (scenes.MODEL, run, run / "weights.safetensors", saved)
        yield dict(zip(DOORS, doors, strict=True)), sorted(photos.rglob("*.??g"))


@pytest.fixture
def embedded(seen, weights):
    """What `extract` makes of all photos by a door, with or without the cache, and how often the engine ran."""

    def of(door, *, kept, view="crop"):
        sources, paths = seen
        model = open_features(sources[door], weights=weights if door == "name" else "imagenet")
        Counted.runs = 0
        with known_vectors(model, view) as known:
            assert (known is None) == (view not in FIT_VIEWS)  # train looks in those
            counted = replace(model, open_engine=Counted)
            found = list(extract(counted, paths, read_bytes, view=view, known=known if kept else None))
        assert len(found) == 3 * COUNT
        return found, Counted.runs

    return of


@pytest.mark.parametrize("view", ["crop", "squash"])
@pytest.mark.parametrize("door", DOORS)
def test_nothing_is_computed_and_not_a_bit_differs(embedded, door, view):
    found, runs = embedded(door, kept=True, view=view)
    plain, all_runs = embedded(door, kept=False, view=view)

    assert (runs, all_runs) == (0, 3 * COUNT)
    for one, other in zip(found, plain, strict=True):
        assert one.vector.tobytes() == other.vector.tobytes()
        assert one.vector.dtype == np.float32
        assert (one.sha256, one.width, one.height) == (other.sha256, other.width, other.height)
        assert one.width == scenes.WIDTH


def test_a_view_that_no_training_has_looked_at_is_computed(embedded):
    assert embedded("name", kept=True, view="mediapipe")[1] == 3 * COUNT


@pytest.mark.parametrize("format", ["parquet", "npy"])
def test_embed_writes_the_same_folder_without_running_the_engine(seen, tmp_path, monkeypatch, format):
    if format == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra `embed`")
    sources, paths = seen
    runs = []
    invoked = LiteRT._invoked
    monkeypatch.setattr(LiteRT, "_invoked", lambda self: [runs.append(1), invoked(self)][1])

    embed(sources["run"], paths, tmp_path / "seen", format=format)
    assert runs == []
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path / "empty"))
    embed(sources["run"], paths, tmp_path / "unseen", format=format)

    assert len(runs) == 3 * COUNT
    assert scenes.contents(tmp_path / "seen") == scenes.contents(tmp_path / "unseen")
    assert not (tmp_path / "empty").exists()  # which embed does not fill
