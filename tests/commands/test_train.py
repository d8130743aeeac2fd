"""`train`, from photos to a published run: what lies in it, what is refused, what the gate holds back."""

import csv
import hashlib
import json
import shutil
import tomllib

import numpy as np
import pytest
import scenes

from efficientnet_lite.commands.evaluate import evaluate
from efficientnet_lite.errors import (
    ArtifactError,
    UnreadablePhoto,
    UnusableDataset,
    UnusableInput,
    UsageError,
    VerificationFailed,
)
from efficientnet_lite.features.feature_store import FeatureStore
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import DENSE
from efficientnet_lite.photos import dataset
from efficientnet_lite.photos.contract import FIT_VIEWS, PROOF_VIEWS, Contract
from efficientnet_lite.quantize import calibration
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run import publish
from efficientnet_lite.runtimes.model_files import open_model
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.weights.read import read_checkpoint

FILES = {
    "card.json",
    "README.md",
    "config.toml",
    "labels.txt",
    "split.csv",
    "skipped.csv",
    "weights.safetensors",
    "exports/shapes_float32.tflite",
    "exports/shapes_int8.tflite",
    "exports/golden.npz",
    run_folder.REPORT,
}


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# What a run holds


def test_a_run_holds_what_the_bundle_says_and_nothing_lies_beside_it(trained):
    card = json.loads((trained.run / "card.json").read_text())

    assert set(scenes.contents(trained.run)) == FILES
    assert set(card["files"]) == FILES
    assert scenes.names(trained.run.parent) == ["shapes"]
    assert card == json.loads(json.dumps(trained.card))


def test_the_card_says_what_the_run_is(trained, photos):
    card = trained.card

    assert card["schema"] == 1
    assert (card["variant"], card["size"]) == ("lite0", scenes.SIZE)
    assert Contract.from_json(card["contract"], where="card") == Contract(scenes.SIZE)
    assert tuple(card["labels"]) == scenes.LABELS
    assert card["data"]["photos"]["train"] + card["data"]["photos"]["validation"] == 36
    assert card["data"]["photos"]["test"] == card["data"]["skipped"] == 0
    assert card["metrics"]["split"] == "validation"
    assert card["metrics"]["chosen_on_the_same_photos"] is True
    assert card["head"]["views"] == list(FIT_VIEWS)
    for precision in ("float32", "int8"):
        assert [each["as"] for each in card["metrics"][precision]] == list(PROOF_VIEWS)
        for each in card["metrics"][precision]:
            low, high = each["top1_interval"]
            assert 0 <= low <= each["top1"] <= high <= 1
            assert each["count"] == card["data"]["photos"]["validation"]


def test_the_card_gives_size_and_hash_of_each_export(trained):
    for export in trained.card["exports"]:
        data = (trained.run / export["path"]).read_bytes()

        assert export["bytes"] == len(data)
        assert export["sha256"] == hashlib.sha256(data).hexdigest()
        assert export["top1"] >= 0.9  # three colors; a head that does not tell them apart is broken
        assert export["agreement"] >= 0.9
        assert 0 < export["latency_ms"] <= export["latency_p90_ms"]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_export_knows_its_labels_and_names_a_photo_that_it_has_not_seen(trained, precision):
    model = open_model(run_folder.open_run(trained.run).export(precision))
    unseen = [np.asarray(scenes.draw(label, 100)) for label in scenes.LABELS]

    probabilities = model.predict(unseen)

    assert model.labels == scenes.LABELS
    assert model.contract == Contract(scenes.SIZE)
    assert model.precision == precision
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 2]
    assert np.allclose(probabilities.sum(axis=1), 1, atol=0.02)  # codes have steps of 1/256


def test_the_labels_stand_one_a_line_in_the_order_of_the_outputs(trained):
    assert (trained.run / "labels.txt").read_text() == "ball\nbox\nstripes\n"


def test_the_weights_hold_backbone_and_head_and_say_what_they_are(trained):
    found = read_checkpoint(trained.run)

    assert found.labels == scenes.LABELS
    assert found.variant.name == "lite0"
    assert np.array_equal(found.parameters[f"{DENSE}/kernel"], trained.head.layer.kernel)
    assert found.license == trained.card["weights"]["license"]


def test_the_golden_outputs_are_what_the_files_give(trained):
    models = {name: open_model(run_folder.open_run(trained.run).export(name)) for name in ("float32", "int8")}
    with np.load(trained.run / run_folder.GOLDEN) as golden:
        images, outputs = golden["images"], {name: golden[name] for name in models}

    found = {
        "float32": models["float32"].run(images / np.float32(255))["probabilities"],
        "int8": models["int8"].run(images)["probabilities"],
    }

    assert images.shape == (5, scenes.SIZE, scenes.SIZE, 3)
    assert images.dtype == np.uint8
    assert np.abs(found["float32"] - outputs["float32"]).max() <= 1e-6
    assert np.array_equal(found["int8"], outputs["int8"])


def test_the_config_reproduces_the_run(trained, fit, tmp_path):
    config = tomllib.loads((trained.run / "config.toml").read_text())

    again = fit(
        config["photos"],
        tmp_path / "shapes",
        model=config["model"],
        weights=config["weights"],
        val=config["val"],
        seed=config["seed"],
        views=config["views"],
        class_weights=config["class_weights"],
        calibration=config["calibration"],
    )

    assert exports(again) == exports(trained)


def test_split_csv_beside_the_photos_is_a_manifest_of_the_same_split(trained, photos, fit, tmp_path):
    copy = shutil.copytree(photos, tmp_path / "photos")
    manifest = shutil.copy(trained.run / "split.csv", copy)

    rows = {row.name: (row.label, row.split) for row in dataset.open_dataset(copy / "split.csv").rows}
    again = fit(manifest, tmp_path / "again" / "shapes")

    assert rows == {row["path"]: (row["label"], row["split"]) for row in read_csv(trained.run / "split.csv")}
    assert again.card["data"]["split_given"] is True
    assert exports(again) == exports(trained)


def exports(trained):
    return {export["precision"]: export["sha256"] for export in trained.card["exports"]}


# The same in, the same out


def test_the_files_are_equal_to_the_byte_in_another_process_state_and_with_any_number_of_workers(
    trained, fit, photos, tmp_path, monkeypatch
):
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path / "empty"))
    cold = fit(photos, tmp_path / "cold" / "shapes", workers=1)
    warm = fit(photos, tmp_path / "warm" / "shapes", workers=2)

    for name in ("exports/shapes_float32.tflite", "exports/shapes_int8.tflite", "weights.safetensors"):
        assert scenes.contents(cold.run)[name] == scenes.contents(trained.run)[name]
        assert scenes.contents(warm.run)[name] == scenes.contents(trained.run)[name]


def test_a_second_run_looks_at_no_photo_again(trained, fit, photos, tmp_path, monkeypatch):
    stores = []
    fill = FeatureStore.fill
    monkeypatch.setattr(
        FeatureStore, "fill", lambda store, *a, **k: stores.append(store) or fill(store, *a, **k)
    )
    with Cache() as cache:
        before = {(held.about, held.entries) for held in cache.held()}

    fit(photos, tmp_path / "shapes")

    with Cache() as cache:
        assert {(held.about, held.entries) for held in cache.held()} == before
    assert [store.computed for store in stores] == [0]


# Variations


def test_two_classes_are_enough(fit, tmp_path):
    photos = scenes.photograph(tmp_path / "photos", labels=("ball", "box"), count=5)

    trained = fit(photos, tmp_path / "run")

    assert trained.card["labels"] == ["ball", "box"]
    model = open_model(run_folder.open_run(trained.run).export("int8"))
    assert model.predict(np.asarray(scenes.draw("box", 50))).argmax() == 1


def test_a_run_on_crops_alone_is_proven_on_crops_and_as_phones_see_photos(fit, photos, tmp_path):
    trained = fit(photos, tmp_path / "run", views=("crop",))

    assert [each.view for each in trained.proof.comparisons] == ["crop", "mediapipe"]
    assert trained.card["head"]["views"] == ["crop"]


def test_a_run_on_squashed_photos_alone_squashes_what_it_predicts(fit, photos, tmp_path):
    trained = fit(photos, tmp_path / "run", views=("squash", "squash-mirrored"))

    model = open_model(run_folder.open_run(trained.run).export("float32"))
    assert model.contract.view == "squash"
    assert [each.view for each in trained.proof.comparisons] == ["squash", "mediapipe"]


def test_accuracy_is_of_the_test_part_where_there_is_one(fit, tmp_path):
    for part, first in (("train", 0), ("val", 20), ("test", 40)):
        scenes.photograph(tmp_path / "photos" / part, count=4, first=first)

    # A head that learned from twelve photos judges twelve: what int8 does to near ties is not asked here.
    trained = fit(tmp_path / "photos", tmp_path / "run", min_agreement=0.5, max_drop=0.5)

    assert trained.card["data"]["photos"] == {"train": 12, "validation": 12, "test": 12}
    assert trained.card["data"]["split_given"] is True
    assert trained.card["metrics"]["split"] == "test"
    assert trained.card["metrics"]["chosen_on_the_same_photos"] is False
    for precision in ("float32", "int8"):
        views = trained.card["metrics"][precision]
        measured = evaluate(
            str(trained.run), tmp_path / "photos", view=[each["as"] for each in views], precision=precision
        )
        assert [each.to_json(scenes.LABELS) for each in measured.evaluations] == views


def test_translations_travel_in_both_files(fit, photos, tmp_path):
    german = tmp_path / "german.txt"
    german.write_text("Ball\nKiste\nStreifen\n", encoding="utf-8")

    trained = fit(photos, tmp_path / "run", labels_locale={"de": german})

    for export in run_folder.open_run(trained.run).exports:
        assert open_model(export.path).translations["de"] == ("Ball", "Kiste", "Streifen")


@pytest.mark.parametrize("content", [b"Ball\nKiste\n", b"\xff\xfe", b"Ball\nKi\x00ste\nStreifen\n"])
def test_a_translation_that_does_not_fit_is_refused(fit, photos, tmp_path, content):
    (tmp_path / "german.txt").write_bytes(content)

    with pytest.raises(UnusableInput, match="de"):
        fit(photos, tmp_path / "run", labels_locale={"de": tmp_path / "german.txt"})

    assert scenes.names(tmp_path) == ["german.txt"]


def test_odd_names_of_run_and_classes_come_through(fit, tmp_path):
    names = ("=1+1", "Café, größer", "日本")
    for name, label in zip(names, scenes.LABELS, strict=True):
        scenes.photograph(tmp_path / "drawn", labels=(label,), count=4)
        shutil.copytree(tmp_path / "drawn" / label, tmp_path / "photos" / name)

    trained = fit(tmp_path / "photos", tmp_path / ("läuft [1]* " + "x" * 100))

    run = run_folder.open_run(trained.run)
    assert run.labels == names
    assert open_model(run.export("int8")).labels == names
    assert {row["label"] for row in read_csv(trained.run / "split.csv")} == {"'=1+1", "Café, größer", "日本"}
    assert scenes.names(tmp_path) == ["drawn", trained.run.name, "photos"]


# Photos that cannot be used


@pytest.fixture
def mixed(photos, tmp_path):
    """The photos, and among them files that are none."""
    folder = shutil.copytree(photos, tmp_path / "photos")
    whole = (folder / "ball" / "ball-01.jpg").read_bytes()
    (folder / "ball" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "box" / "empty.png").write_bytes(b"")
    (folder / "box" / "text.jpg").write_text("no photo at all")
    (folder / "stripes" / "postscript.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    return folder


def test_what_cannot_be_used_is_listed_with_its_reason(fit, mixed, trained, tmp_path):
    found = fit(mixed, tmp_path / "shapes")

    rows = {row["path"]: row["reason"] for row in read_csv(found.run / "skipped.csv")}
    assert set(rows) == {"ball/cut.jpg", "box/empty.png", "box/text.jpg", "stripes/postscript.png"}
    assert all(rows.values())
    assert found.card["data"]["skipped"] == 4
    assert exports(found) == exports(trained)  # they change nothing


def test_the_hostile_images_cost_a_line_each_and_no_more(fit, photos, shared, tmp_path):
    hostile = shared / "data" / "hostile-images"
    with (hostile / "expected.csv").open(newline="", encoding="utf-8") as file:
        refused = {
            row["file"]
            for row in csv.DictReader(file)
            if row["verdict"] == "reject" and (hostile / row["file"]).is_file()
        }
    folder = shutil.copytree(photos, tmp_path / "photos")
    for name in refused:
        shutil.copy(hostile / name, folder / "box")

    found = fit(folder, tmp_path / "run", views=("crop",))

    listed = {row["path"]: row["reason"] for row in read_csv(found.run / "skipped.csv")}
    assert len(refused) > 20
    assert set(listed) >= {f"box/{name}" for name in refused}
    assert all(listed.values())


def test_on_bad_fail_stops_at_the_first_and_publishes_nothing(fit, mixed, tmp_path):
    with pytest.raises(UnreadablePhoto) as failure:
        fit(mixed, tmp_path / "run", on_bad="fail")

    assert failure.value.exit_code == 3
    assert scenes.names(tmp_path) == ["photos"]


def test_a_class_that_only_bad_photos_would_fill_is_named(fit, tmp_path):
    photos = scenes.photograph(tmp_path / "photos", labels=("ball", "box"), count=4)
    for number in range(3):
        (photos / "void").mkdir(exist_ok=True)
        (photos / "void" / f"{number}.jpg").write_bytes(b"\xff\xd8\xff")

    with pytest.raises(UnusableDataset, match="void"):
        fit(photos, tmp_path / "run")

    assert scenes.names(tmp_path) == ["photos"]


# Wrong use


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"val": 0}, "val="),
        ({"val": 1}, "val="),
        ({"val": float("nan")}, "val="),
        ({"views": ("crop-mirrored",)}, "keep crop or squash"),
        ({"views": ()}, "keep crop or squash"),
        ({"views": ("crop", "fisheye")}, "fisheye"),
        ({"calibration": 0}, "calibration="),
        ({"max_drop": float("inf")}, "max_drop="),
        ({"max_drop": float("nan")}, "max_drop="),
        ({"max_drop": -0.1}, "max_drop="),
        ({"min_agreement": 1.5}, "min_agreement="),
        ({"min_agreement": float("nan")}, "min_agreement="),
        ({"class_weights": "Balanced"}, "class_weights="),
        ({"on_bad": "ignore"}, "on_bad="),
        ({"model": "lite9"}, "no such model"),
        ({"model": "lite0@7"}, "7 pixels"),
        ({"recipe": "cifar"}, "recipe="),
        ({"recipe": "imagenet", "val": 2}, "val="),
        ({"recipe": "imagenet", "set": {"batches": 64}}, "did you mean|no field 'batches'"),
        ({"recipe": "imagenet", "class_weights": "balanced"}, "no class weights"),
        ({"recipe": "imagenet", "fine_tune": True}, "`recipe=` and `fine_tune=True` exclude"),
        ({"fine_tune": True, "epochs": 0}, "epochs=0"),
        ({"fine_tune": True, "batch_size": 0}, "batch_size=0"),
        ({"fine_tune": True, "fine_tune_blocks": 99}, "fine_tune_blocks=99"),
        ({"fine_tune": True, "time_budget": "soon"}, "time_budget='soon'"),
        ({"epochs": 3}, "`epochs=` is given without `fine_tune=True`"),
        ({"quantization_aware": True}, "`quantization_aware=` is given without `fine_tune=True`"),
        ({"recipe": "imagenet", "quantization_aware": True}, "`quantization_aware=` is given without"),
        ({"workers": 0}, "workers=0"),
        ({"set": {"batch": 64}}, "`set=` is given without `recipe=`"),
        ({"devices": 2}, "`devices=` is given without"),
        ({"data_processes": 2}, "`data_processes=` is given without"),
        ({"resume": True}, "`resume=` is given without"),
        ({"tensorboard": "board"}, "`tensorboard=` is given"),
    ],
)
def test_a_call_that_makes_no_sense_is_wrong_usage(fit, photos, tmp_path, options, says):
    with pytest.raises(UsageError, match=says) as failure:
        fit(photos, tmp_path / "run", **options)

    assert failure.value.exit_code == 2
    assert "--" not in str(failure.value)
    assert scenes.names(tmp_path) == []


@pytest.mark.parametrize("out", ["photos", "photos/run", "photos/ball/run", "."])
def test_a_target_on_above_or_within_the_photos_is_wrong_usage(fit, tmp_path, out):
    photos = scenes.photograph(tmp_path / "photos", count=2)
    before = scenes.contents(tmp_path)

    with pytest.raises(UsageError, match="photo folder"):
        fit(photos, tmp_path / out, overwrite=True)

    assert scenes.contents(tmp_path) == before


def test_a_target_that_leads_to_the_photos_by_a_link_is_wrong_usage(fit, tmp_path):
    photos = scenes.photograph(tmp_path / "photos", count=2)
    (tmp_path / "link").symlink_to(photos)

    with pytest.raises(UsageError, match="photo folder"):
        fit(photos, tmp_path / "link" / "run")


def test_a_run_may_lie_beside_a_manifest_but_not_among_its_photos(trained, fit, photos, tmp_path):
    rows = [f"{photos}/{row['path']},{row['label']}" for row in read_csv(trained.run / "split.csv")]
    manifest = tmp_path / "photos.csv"
    manifest.write_text("path,label\n" + "\n".join(rows) + "\n")

    found = fit(manifest, tmp_path / "run")
    with pytest.raises(UsageError, match="photo folder"):
        fit(manifest, photos / "ball" / "run")

    assert found.card["data"]["kind"] == "manifest"
    assert scenes.names(tmp_path) == ["photos.csv", "run"]


@pytest.mark.parametrize("counts", [{"ball": 3}, {"ball": 3, "box": 1}, {}])
def test_too_little_to_learn_from_is_said_before_any_work(fit, tmp_path, counts):
    (tmp_path / "photos").mkdir()
    for label, count in counts.items():
        scenes.photograph(tmp_path / "photos", labels=(label,), count=count)

    with pytest.raises(UnusableDataset) as failure:
        fit(tmp_path / "photos", tmp_path / "run")

    assert failure.value.exit_code == 3
    assert scenes.names(tmp_path) == ["photos"]


def test_a_missing_photo_folder_is_named(fit, tmp_path):
    with pytest.raises(UnusableInput, match="no such"):
        fit(tmp_path / "nowhere", tmp_path / "run")


def test_weights_that_are_none_are_refused(fit, photos, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"nothing like weights")

    with pytest.raises(ArtifactError):
        fit(photos, tmp_path / "run", weights=str(tmp_path / "weights.pth"))

    assert scenes.names(tmp_path) == ["weights.pth"]


# Replacing


def test_an_existing_target_is_left_alone(fit, photos, run):
    before = scenes.contents(run)

    with pytest.raises(UsageError, match="the target exists"):
        fit(photos, run)

    assert scenes.contents(run) == before


@pytest.mark.parametrize(
    "files", [{"notes.txt": "mine"}, {"card.json": '{"mine": true}'}, {"card.json": "["}]
)
def test_a_foreign_folder_is_never_replaced(fit, photos, tmp_path, files):
    (tmp_path / "run").mkdir()
    for name, text in files.items():
        (tmp_path / "run" / name).write_text(text)
    before = scenes.contents(tmp_path)

    with pytest.raises(UsageError, match="no run of ours"):
        fit(photos, tmp_path / "run", overwrite=True)

    assert scenes.contents(tmp_path) == before


def test_a_file_is_never_replaced(fit, photos, tmp_path):
    (tmp_path / "run").write_text("mine")

    with pytest.raises(UsageError, match="no run of ours"):
        fit(photos, tmp_path / "run", overwrite=True)

    assert (tmp_path / "run").read_text() == "mine"


def test_overwriting_replaces_what_the_card_lists_and_keeps_the_rest(fit, photos, run):
    (run / "notes.txt").write_text("mine")
    (run / "exports" / "mine.tflite").write_text("mine too")
    (run / "labels.txt").write_text("spoiled")
    (run / "deep" / "er").mkdir(parents=True)
    (run / "deep" / "er" / "link").symlink_to("../../notes.txt")

    fit(photos, run, overwrite=True, views=("crop",))

    assert (run / "notes.txt").read_text() == (run / "deep" / "er" / "link").read_text() == "mine"
    assert (run / "exports" / "mine.tflite").read_text() == "mine too"
    assert (run / "labels.txt").read_text() == "ball\nbox\nstripes\n"
    assert json.loads((run / "card.json").read_text())["head"]["views"] == ["crop"]
    assert scenes.names(run.parent) == ["shapes"]


# The gate


@pytest.fixture
def without_a_head(monkeypatch):
    """The int8 file loses its dense kernel, so that it names one class for every photo."""
    whole = calibration.quantized

    def spoiled(plan, layers, *others, **options):
        head = Layer(np.zeros_like(layers[DENSE].kernel), np.array([1, 0, 0], np.float32))
        return whole(plan, {**layers, DENSE: head}, *others, **options)

    monkeypatch.setattr(calibration, "quantized", spoiled)


def test_a_file_that_is_too_far_from_its_parent_is_not_published(without_a_head, fit, photos, tmp_path):
    with pytest.raises(VerificationFailed) as failure:
        fit(photos, tmp_path / "run", max_drop=0)

    assert failure.value.exit_code == 5
    assert "crop: top-1 drops by" in failure.value.what
    assert "more than 0.00 points" in failure.value.what
    assert "crop: both name the same class for " in failure.value.what
    assert "below 97.0 %" in failure.value.what
    assert scenes.names(tmp_path) == []


def test_a_failed_replacement_leaves_the_old_run_as_it_was(without_a_head, fit, photos, run):
    before = scenes.contents(run)

    with pytest.raises(VerificationFailed):
        fit(photos, run, overwrite=True)

    assert scenes.contents(run) == before
    assert scenes.names(run.parent) == ["shapes"]


@pytest.mark.parametrize("spoil", [np.nan, 1e-3])
def test_a_float_file_that_is_not_its_network_is_not_published(fit, photos, tmp_path, monkeypatch, spoil):
    whole = publish.float_artifact

    def spoiled(plan, layers, about):
        bias = layers[DENSE].bias + np.array([spoil, 0, 0], np.float32)
        return whole(plan, layers | {DENSE: Layer(layers[DENSE].kernel, bias)}, about)

    monkeypatch.setattr(publish, "float_artifact", spoiled)
    monkeypatch.setattr("efficientnet_lite.proof.replay.FLOAT_TOLERANCE", 1e-8)

    with pytest.raises(VerificationFailed, match="float32 file"):
        fit(photos, tmp_path / "run")

    assert scenes.names(tmp_path) == []


def test_few_photos_that_all_agree_pass_and_the_card_says_that_they_are_few(trained):
    verification = trained.card["verification"]

    assert verification["enough_photos"] is False
    assert (verification["max_drop"], verification["min_agreement"]) == (0.01, 0.97)
    for each in verification["comparisons"]:
        assert each["count"] < 20
        assert each["agreement_interval"][0] < 0.97 <= each["agreement_interval"][1]
