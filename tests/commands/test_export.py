"""`export`: one proven file from a run, a checkpoint or published weights, or nothing."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import scenes
from PIL import Image

from efficientnet_lite.artifacts import reduced, tflite
from efficientnet_lite.artifacts.sample import sample_of
from efficientnet_lite.commands.export import export
from efficientnet_lite.errors import (
    ArtifactError,
    CheckpointError,
    UnusableInput,
    UsageError,
    VerificationFailed,
)
from efficientnet_lite.network.plan import DENSE
from efficientnet_lite.quantize import calibration
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.model_files import open_model
from efficientnet_lite.storage import files
from efficientnet_lite.storage.cache import Cache

NAME = scenes.MODEL
SHAPES = {"probabilities": (1, 1000), "logits": (1, 1000), "features": (1, 1280)}


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    return scenes.write_random_weights(tmp_path_factory.mktemp("random") / "lite0.safetensors")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Photos so few that all of them calibrate: 3 x 4."""
    return scenes.photograph(tmp_path_factory.mktemp("few") / "photos", count=4)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Photos enough that some calibrate and the others prove: 3 x 10."""
    return scenes.photograph(tmp_path_factory.mktemp("many") / "photos", count=10)


# Float


@pytest.mark.parametrize("outputs", [("probabilities",), ("logits",), ("features",), ("logits", "features")])
def test_a_float_file_has_the_outputs_that_were_asked_for(weights, tmp_path, outputs):
    found = export(NAME, tmp_path / "m.tflite", outputs=outputs, weights=weights)

    model = open_model(found.path)
    assert {name: tensor.shape for name, tensor in model.outputs.items()} == {
        name: SHAPES[name] for name in outputs
    }
    assert model.input.name == "images"
    assert found.parity.difference < 1e-3
    assert found.comparison is None
    assert found.sha256 == files.sha256_file(found.path)
    assert found.bytes == found.path.stat().st_size
    assert scenes.names(tmp_path) == ["m.tflite", "m.tflite.golden.npz"]


def test_a_run_gives_its_labels_and_the_file_that_it_holds(trained, tmp_path):
    found = export(trained.run, tmp_path / "m.tflite")

    ours, theirs = open_model(found.path), open_model(trained.run / "exports" / "shapes_float32.tflite")
    photo = np.asarray(scenes.draw("box", 7))
    assert ours.labels == scenes.LABELS
    assert ours.contract == theirs.contract
    assert np.array_equal(ours.predict(photo), theirs.predict(photo))


def test_a_checkpoint_is_recognized_by_what_it_holds(random_weights, tmp_path):
    found = export(random_weights, tmp_path / "m.tflite", model=NAME)

    assert open_model(found.path).contract.size == scenes.SIZE


def test_a_tf1_checkpoint_gives_a_file(shared, tmp_path):
    found = export(shared / "reference" / "efficientnet-lite0", tmp_path / "m.tflite", model=NAME)

    assert open_model(found.path).contract.size == scenes.SIZE


def test_a_checkpoint_of_another_variant_says_which_it_is(random_weights, tmp_path):
    with pytest.raises(CheckpointError, match="lite0") as failure:
        export(random_weights, tmp_path / "m.tflite", model="lite1")

    assert failure.value.exit_code == 4
    assert scenes.names(tmp_path) == []


# int8


@pytest.mark.parametrize("outputs", [("probabilities",), ("logits", "probabilities"), ("features",)])
def test_few_photos_prove_an_int8_file_in_two_halves(trained, few, tmp_path, monkeypatch, outputs):
    monkeypatch.setitem(
        reduced.MIN_SNR_DB, "int8", 5.0
    )  # at 32 pixels integers cost more than at a real size
    out = tmp_path / "m.tflite"

    found = export(trained.run, out, precision="int8", outputs=outputs, data=few)

    model = open_model(found.path)
    assert found.cross_fitted is True
    assert found.comparison.count == 12
    assert {name: tensor.shape for name, tensor in model.outputs.items()} == {
        name: (1, 1280 if name == "features" else 3) for name in outputs
    }
    assert model.input.dtype == np.uint8
    assert (model.input.scale, model.input.zero_point) == (1 / 128, 127)
    document = found.to_json()
    assert document["agreement"] == found.comparison.agreement
    assert document["cross_fitted"] is True


def test_photos_beyond_the_calibration_prove_the_file(trained, many, tmp_path):
    found = export(trained.run, tmp_path / "m.tflite", precision="int8", data=many, calibration=10)

    assert found.cross_fitted is False
    assert found.comparison.count == 30 - 10
    assert open_model(found.path).labels == scenes.LABELS
    made = found.int8
    assert [name.partition("/")[0] for name in made.photos.names] == [*scenes.LABELS * 3, scenes.LABELS[0]]
    assert made.photos.contents == tuple(files.sha256_file(many / name) for name in made.photos.names)
    assert {view: made.photos.views.count(view) for view in ("crop", "squash")} == {"crop": 5, "squash": 5}
    assert open_model(found.path).identity.quantization == made.identity
    assert found.to_json()["int8"]["calibration"]["sha256"] == made.identity.calibration_sha256
    assert len(made.gains) > 5
    assert "10 photos set the ranges of int8: with so few it lost" in made.warnings[0]


def test_a_seed_takes_other_photos_and_none_takes_them_by_content(trained, many):
    origin = open_origin(trained.run)
    samples = [sample_of(many, origin, 10, 1, lambda done, total: None, seed=seed) for seed in (0, 0, 1)]

    assert samples[0].photos == samples[1].photos
    assert set(samples[0].photos.names[:10]) != set(samples[2].photos.names[:10])
    assert set(samples[0].photos.names) == set(samples[2].photos.names)


def test_noise_is_no_calibration(weights, tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(reduced.MIN_SNR_DB, "int8", 0.0)  # which holds such a file back otherwise
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(6):
        noise = random.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")

    found = export(
        "lite0@64",
        tmp_path / "m.tflite",
        weights=weights,
        precision="int8",
        data=folder,
        outputs=["features"],
        calibration=3,
    )

    assert [text in line for text, line in zip(("so few", "noise"), found.int8.warnings, strict=True)] == [
        True
    ] * 2
    assert [each.message for each in caplog.records if each.levelname == "WARNING"] == list(
        found.int8.warnings
    )


@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_the_best_effort_is_refused_before_any_work_where_its_extra_is_missing(trained, few, tmp_path):
    with pytest.raises(UsageError, match="`effort='best'` needs TensorFlow") as failure:
        export(trained.run, tmp_path / "m.tflite", precision="int8", data=few, effort="best")

    assert failure.value.fix == "pip install 'efficientnet-lite[train]'"
    assert scenes.names(tmp_path) == []


@pytest.mark.parametrize(
    ("photos", "effort", "fitted"),
    [
        (300, "standard", 100),
        (150, "best", 100),
        (149, "standard", 0),  # all of them, and two halves prove each other
        (149, "best", 100),
        (60, "best", 40),
        (2, "best", 1),
    ],
)
def test_where_one_search_takes_minutes_there_is_one(photos, effort, fitted):
    maker = reduced.Int8Maker(*[None] * 7, effort=effort)

    assert maker._fitted(photos, 100) == fitted


def test_a_copy_of_a_photo_that_calibrated_proves_nothing(trained, many, tmp_path):
    for number, photo in enumerate(sorted(many.rglob("*.png"))):
        for copy in range(2):
            (tmp_path / "photos").mkdir(exist_ok=True)
            (tmp_path / "photos" / f"{number}-{copy}.png").write_bytes(photo.read_bytes())

    found = export(
        trained.run, tmp_path / "m.tflite", precision="int8", data=tmp_path / "photos", calibration=5
    )

    assert found.comparison.count == 15 - 5


def test_photos_without_classes_and_files_that_are_none_will_do(trained, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(6):
        scenes.draw("ball", seed).save(folder / f"{seed}.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "dangling.png").symlink_to(folder / "nowhere.png")

    found = export(trained.run, tmp_path / "m.tflite", precision="int8", data=folder, calibration=3)

    assert found.comparison.count == 3


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_photos_are_an_error(trained, tmp_path, count):
    (tmp_path / "photos").mkdir()
    for seed in range(count):
        scenes.draw("ball", seed).save(tmp_path / "photos" / f"{seed}.png")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff")

    with pytest.raises(UnusableInput, match="photos"):
        export(trained.run, tmp_path / "m.tflite", precision="int8", data=tmp_path / "photos")

    assert scenes.names(tmp_path) == ["photos"]


def test_the_same_call_gives_the_same_bytes_from_the_cache_or_without(trained, few, tmp_path, monkeypatch):
    def write(name, workers):
        out = tmp_path / name
        return export(trained.run, out, precision="int8", data=few, calibration=6, workers=workers).sha256

    warm = [write("a.tflite", 1), write("b.tflite", 2)]
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path / "empty"))
    cold = write("c.tflite", 1)
    with Cache() as cache:
        kept = [held.about for held in cache.held()]

    assert warm == [cold, cold]
    assert any("int8 network" in about for about in kept)


# The gate


def spoil_int8(monkeypatch, code):
    """Overwrite the dense layer's weights, once the file is made."""
    whole = calibration.quantized

    def spoiled(*given, **options):
        made = whole(*given, **options)
        dense = made.network.layers[DENSE]
        made.network.layers[DENSE] = replace(dense, kernel=np.full_like(dense.kernel, code))
        return made

    monkeypatch.setattr(calibration, "quantized", spoiled)


@pytest.mark.parametrize("outputs", [("probabilities",), ("logits",)])
def test_an_int8_file_that_disagrees_is_not_published(trained, few, tmp_path, monkeypatch, outputs):
    spoil_int8(monkeypatch, 0)

    with pytest.raises(VerificationFailed, match="nothing is published") as failure:
        export(trained.run, tmp_path / "m.tflite", precision="int8", data=few, outputs=outputs)

    assert failure.value.exit_code == 5
    assert scenes.names(tmp_path) == []


def test_features_that_are_far_from_float_are_not_published(trained, few, tmp_path, monkeypatch):
    monkeypatch.setitem(reduced.MIN_SNR_DB, "int8", 99.0)

    with pytest.raises(VerificationFailed, match="it differs by"):
        export(trained.run, tmp_path / "m.tflite", precision="int8", data=few, outputs=("features",))

    assert scenes.names(tmp_path) == []


@pytest.mark.parametrize("spoil", [np.nan, 0.1])
def test_a_float_file_that_is_not_its_network_is_not_published(trained, tmp_path, monkeypatch, spoil):
    whole = tflite.float_artifact

    def spoiled(plan, layers, *others):
        layer = layers[DENSE]
        wrong = type(layer)(layer.kernel, layer.bias + np.float32(spoil))
        return whole(plan, {**layers, DENSE: wrong}, *others)

    monkeypatch.setattr(tflite, "float_artifact", spoiled)

    with pytest.raises(VerificationFailed, match="nothing is published"):
        export(trained.run, tmp_path / "m.tflite", outputs=("logits",))

    assert scenes.names(tmp_path) == []


# Wrong use


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": "float64"}, "float64"),
        ({"precision": ""}, "precision="),
        ({"batch": ""}, "batch="),
        ({"precision": "int8"}, "photos"),
        ({"outputs": ("logits", "logits")}, "outputs"),
        ({"outputs": ("classes",)}, "outputs"),
        ({"precision": "int8", "data": "photos", "calibration": 0}, "calibration=0"),
        ({"precision": "int8", "data": "photos", "min_agreement": float("nan")}, "min_agreement=nan"),
        ({"precision": "float16", "data": "photos", "max_drop": 2.0}, "max_drop=2.0"),
        ({"io": "uint8"}, "io="),
        ({"precision": "int8", "data": "photos", "io": "int16"}, "io="),
        ({"batch": "2"}, "batch="),
        ({"dense": "per-channel"}, "dense="),
        ({"effort": "best"}, "effort="),
        ({"precision": "int8", "data": "photos", "effort": "most"}, "effort="),
        ({"precision": "float16", "data": "photos", "calibration_seed": 1}, "calibration_seed="),
        ({"endpoints": ("block_99",)}, "block_99"),
        ({"endpoints": ("block_0", "reduction_1")}, "one tensor"),
        ({"model": "lite1"}, "model="),
        ({"source": "lite7"}, "no such model"),
        ({"source": "nowhere/run"}, "no such file"),
    ],
)
def test_a_call_that_makes_no_sense_is_wrong_usage(weights, tmp_path, options, says):
    call = {"source": NAME, "out": tmp_path / "m.tflite", "weights": weights} | options

    with pytest.raises(UsageError, match=says):
        export(**call)

    assert scenes.names(tmp_path) == []


def test_model_is_refused_for_a_run_which_has_its_own(trained, tmp_path):
    with pytest.raises(UsageError, match="`model="):
        export(trained.run, tmp_path / "m.tflite", model="lite0")


def test_an_existing_file_is_replaced_only_when_asked(trained, tmp_path):
    out = tmp_path / "m.tflite"
    out.write_text("mine")

    with pytest.raises(UsageError, match="the target exists"):
        export(trained.run, out)
    assert out.read_text() == "mine"

    export(trained.run, out, overwrite=True)
    assert open_model(out).labels == scenes.LABELS
    assert scenes.names(tmp_path) == ["m.tflite", "m.tflite.golden.npz"]


def test_a_file_that_appears_meanwhile_is_not_replaced(trained, tmp_path, monkeypatch):
    out, whole = tmp_path / "m.tflite", tflite.float_artifact

    def slowly(*arguments):
        out.write_text("somebody's")
        return whole(*arguments)

    monkeypatch.setattr(tflite, "float_artifact", slowly)
    with pytest.raises(UsageError, match="the target exists"):
        export(trained.run, out)

    assert out.read_text() == "somebody's"
    assert scenes.names(tmp_path) == ["m.tflite"]


@pytest.mark.parametrize("out", [".", "missing/m.tflite"])
def test_a_place_that_cannot_be_is_wrong_usage(trained, tmp_path, out):
    with pytest.raises(UsageError, match="folder"):
        export(trained.run, tmp_path / out)


def test_a_features_file_names_no_classes(trained, tmp_path):
    model = open_model(export(trained.run, tmp_path / "m.tflite", outputs=("features",)).path)

    with pytest.raises(ArtifactError, match="feature vectors, not classes"):
        model.predict(np.asarray(scenes.draw("box", 1)))


def test_of_the_runs_files_the_float_one_is_a_source_and_the_int8_one_is_not(trained, tmp_path):
    exports = trained.run / "exports"

    found = export(exports / "shapes_float32.tflite", tmp_path / "m.tflite")

    assert found.path.read_bytes() == (exports / "shapes_float32.tflite").read_bytes()
    with pytest.raises(ArtifactError, match="an int8 file") as refused:
        export(exports / "shapes_int8.tflite", tmp_path / "n.tflite")
    assert "the run or checkpoint" in refused.value.fix
    with pytest.raises(CheckpointError, match="exported model") as refused:
        export("lite0@32", tmp_path / "n.tflite", weights=exports / "shapes_float32.tflite")
    assert "give it to `export`" in refused.value.fix
