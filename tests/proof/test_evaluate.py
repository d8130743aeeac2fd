"""Accuracy of a file on labelled photos, counted by hand."""

import json

import numpy as np
import pytest
import tiny
from PIL import Image

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.proof.evaluate import evaluation, score
from efficientnet_lite.runtimes.latency import latency
from efficientnet_lite.runtimes.model_files import model_from_bytes
from efficientnet_lite.tflite.label_files import pack_labels


@pytest.fixture
def model():
    return model_from_bytes(tiny.tiny("int8"), where="tiny", workers=2)


@pytest.fixture
def photos(tmp_path):
    random = np.random.default_rng(1)
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (60, 40, 3), np.uint8)).save(path)
    return paths


def test_scores_are_what_predict_gives_in_each_view(model, photos):
    views = ("crop", "squash", "mediapipe", "android-bitmap")

    found = score(model, photos, [0] * 7, views)

    for view in views:
        assert np.array_equal(found.scores[view], model.predict(photos, view=view))
    assert len({found.scores[view].tobytes() for view in views}) > 1


def test_the_truth_moves_up_where_a_photo_falls_out(model, photos):
    photos[2].write_bytes(b"broken")
    seen = []

    found = score(model, photos, [0, 1, 2, 3, 0, 1, 2], ["crop"], on_progress=lambda *at: seen.append(at))

    assert found.kept == (0, 1, 3, 4, 5, 6)
    assert found.truth.tolist() == [0, 1, 3, 0, 1, 2]
    assert found.scores["crop"].shape == (6, 4)
    assert found.refused[0].where == str(photos[2])
    assert seen[-1] == (7, 7)


def test_no_photo_gives_no_scores(model):
    found = score(model, [], [], ["crop"])

    assert found.scores["crop"].shape == (0, 4)


def test_a_file_without_classes_cannot_be_scored(photos):
    def rename(tree):
        tree.signatureDefs[0].outputs[0].name = b"features"

    features = model_from_bytes(pack_labels(tiny.changed(tiny.tiny(), rename), tiny.FILES), where="features")

    with pytest.raises(ArtifactError, match="feature vectors"):
        score(features, photos, [0] * 7, ["crop"])


def test_the_measures_are_those_counted_by_hand():
    scores = np.array(
        [[9, 1, 0, 0, 0, 0], [8, 7, 6, 5, 4, 3], [0, 9, 1, 1, 1, 1], [0, 0, 9, 0, 0, 0]], np.float32
    )
    truth = np.array([0, 5, 1, 0])  # right; wrong and last of all; right; wrong

    found = evaluation(scores, truth, "squash")

    assert (found.view, found.count) == ("squash", 4)
    assert found.top1 == 0.5
    assert found.interval.low < 0.5 < found.interval.high
    assert found.top5 == 0.75
    assert found.balanced_accuracy == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert found.confusion[0].tolist() == [1, 0, 1, 0, 0, 0]
    assert found.confusion[5].tolist() == [1, 0, 0, 0, 0, 0]
    assert found.confusion.sum() == 4


def test_json_has_the_keys_that_scripts_rely_on_and_plain_values():
    found = evaluation(np.eye(3, dtype=np.float32), np.arange(3), "crop")

    document = json.loads(json.dumps(found.to_json(["a", "b", "c"]), allow_nan=False))

    assert (document["as"], document["count"], document["top1"], document["top5"]) == ("crop", 3, 1, 1)
    assert [row["label"] for row in document["classes"]] == ["a", "b", "c"]
    assert document["confusion"] == np.eye(3, dtype=int).tolist()
    assert [row["label"] for row in found.to_json(None)["classes"]] == ["0", "1", "2"]


def test_names_of_another_number_than_the_classes_are_the_callers_bug():
    found = evaluation(np.eye(3, dtype=np.float32), np.arange(3), "crop")

    with pytest.raises(ValueError, match="argument 2"):
        found.to_json(["a", "b"])


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_latency_is_measured_in_order(precision):
    found = latency(model_from_bytes(tiny.tiny(precision), where="tiny", workers=1))

    assert 0 < found.median_ms <= found.p90_ms
