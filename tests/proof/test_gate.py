"""The gate's arithmetic: what is compared, what is missed, what too few photos leave open."""

import math

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from efficientnet_lite.errors import ArtifactError, UsageError, VerificationFailed
from efficientnet_lite.metrics import Interval
from efficientnet_lite.proof.gate import Bars, Comparison, compare, require, score_together
from efficientnet_lite.runtimes.model_files import model_from_bytes
from efficientnet_lite.tflite.label_files import label_files, pack_labels

BARS = Bars(max_drop=0.01, min_agreement=0.97)


def comparison(*, drop=(0.0, 0.0), agreement=(1.0, 1.0)):
    return Comparison(
        view="crop",
        count=100,
        agreement=sum(agreement) / 2,
        agreement_interval=Interval(*agreement),
        drop=None if drop is None else sum(drop) / 2,
        drop_interval=None if drop is None else Interval(*drop),
        top1_parent=None,
        top1_child=None,
        snr_db=20.0,
        max_difference=0.1,
    )


# Bars


@pytest.mark.parametrize(
    ("found", "missed", "decided"),
    [
        (comparison(), 0, True),
        (comparison(drop=(-0.01, 0.01), agreement=(0.97, 1)), 0, True),  # exactly on both bars
        (comparison(drop=(-0.05, 0.05)), 0, False),  # the drop may be anything
        (comparison(drop=(0.01, 0.05)), 0, False),  # the favourable end is on the bar
        (comparison(drop=(0.0101, 0.05)), 1, False),
        (comparison(agreement=(0.9, 0.97)), 0, False),
        (comparison(agreement=(0.9, 0.9699)), 1, False),
        (comparison(drop=(0.02, 0.03), agreement=(0.8, 0.9)), 2, False),
        (comparison(drop=(-0.2, -0.1)), 0, True),  # the child is better
        (comparison(drop=None, agreement=(0.98, 1)), 0, True),  # nobody knows the labels
        (comparison(drop=None, agreement=(0.9, 1)), 0, False),
        (comparison(drop=None, agreement=(0.9, 0.95)), 1, False),
    ],
)
def test_a_bar_is_missed_by_the_favourable_end_and_met_by_the_other(found, missed, decided):
    assert len(found.failures(BARS)) == missed
    assert found.decided(BARS) is decided


@given(
    st.tuples(*[st.floats(-1, 1)] * 2), st.tuples(*[st.floats(0, 1)] * 2), st.floats(0, 1), st.floats(0, 1)
)
def test_nothing_is_both_decided_and_missed(drop, agreement, max_drop, min_agreement):
    found = comparison(drop=tuple(sorted(drop)), agreement=tuple(sorted(agreement)))
    bars = Bars(max_drop, min_agreement)

    assert not (found.decided(bars) and found.failures(bars))


def test_the_message_names_each_bar_and_by_how_much_it_is_missed():
    bad = comparison(drop=(0.02, 0.04), agreement=(0.8, 0.9))

    with pytest.raises(VerificationFailed) as failure:
        require([comparison(), bad], BARS, where="run")

    assert failure.value.exit_code == 5
    assert (
        "top-1 drops by 3.00 points (2.00 points to 4.00 points), more than 1.00 points" in failure.value.what
    )
    assert (
        "both name the same class for 85.0 % (80.0 to 90.0), below 97.0 %, of 100 photos"
        in failure.value.what
    )


def test_nothing_to_complain_of_is_no_error():
    require([comparison(), comparison(drop=None)], BARS, where="run")


@pytest.mark.parametrize(
    "bars", [Bars(math.nan), Bars(-0.1), Bars(math.inf), Bars(0, math.nan), Bars(0, 1.1)]
)
def test_a_bar_that_is_no_fraction_is_wrong_usage(bars):
    with pytest.raises(UsageError, match=r"(max_drop|min_agreement)="):
        bars.check()


# Comparing


def scores(*classes, width=4):
    return np.eye(width, dtype=np.float32)[list(classes)]


def test_agreement_and_drop_are_counted_by_hand():
    parent, child, truth = scores(0, 1, 2, 3, 0), scores(0, 1, 2, 0, 1), np.array([0, 1, 1, 3, 1])

    found = compare(parent, child, truth, "crop")

    assert (found.count, found.view) == (5, "crop")
    assert found.agreement == 3 / 5
    assert (found.top1_parent, found.top1_child) == (3 / 5, 3 / 5)  # one lost, one won
    assert found.drop == 0
    assert found.drop_interval.low < 0 < found.drop_interval.high
    assert found.agreement_interval.low < 3 / 5 < found.agreement_interval.high
    assert found.max_difference == 1


def test_without_labels_only_agreement_is_known():
    found = compare(scores(0, 1), scores(0, 2), None, "squash")

    assert found.drop is found.drop_interval is found.top1_parent is found.top1_child is None
    assert found.agreement == 0.5


def test_equal_scores_have_no_noise_and_json_says_null():
    found = compare(scores(0, 1, 2), scores(0, 1, 2), None, "crop")

    assert found.snr_db == math.inf
    assert found.to_json()["snr_db"] is None
    assert found.to_json()["as"] == "crop"
    assert "view" not in found.to_json()


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=60))
def test_every_fraction_lies_within_its_interval(rows):
    parent, child, truth = (list(column) for column in zip(*rows, strict=True))

    found = compare(scores(*parent), scores(*child), np.array(truth), "crop")

    assert 0 <= found.agreement_interval.low <= found.agreement <= found.agreement_interval.high <= 1
    assert -1 <= found.drop_interval.low <= found.drop <= found.drop_interval.high <= 1
    assert math.isclose(found.drop, found.top1_parent - found.top1_child, abs_tol=1e-12)


def test_scores_that_are_no_numbers_agree_with_nothing_and_do_not_pass_the_gate():
    parent = scores(*[1] * 400)

    found = compare(parent, np.full_like(parent, np.nan), np.ones(400, int), "crop")

    assert len(found.failures(BARS)) == 2


# Scoring


@pytest.fixture
def models():
    return [model_from_bytes(tiny.tiny(name), where=name, workers=2) for name in ("float32", "int8")]


@pytest.fixture
def photos(tmp_path):
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(9)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (40, 60, 3), np.uint8)).save(path)
    paths[4].write_bytes(b"broken")
    return paths


def test_both_see_the_same_photos_and_bad_ones_are_left_out_of_all(models, photos):
    seen = []

    found = score_together(
        models, photos, list(range(9)), ["crop", "squash"], on_progress=lambda *at: seen.append(at)
    )

    for model, each in zip(models, found, strict=True):
        assert each.kept == (0, 1, 2, 3, 5, 6, 7, 8)
        assert each.truth.tolist() == list(each.kept)
        assert [refused.where for refused in each.refused] == [str(photos[4])]
        good = [photo for photo in photos if photo != photos[4]]
        for view in ("crop", "squash"):
            assert np.array_equal(each.scores[view], model.predict(good, view=view))
    assert seen == [(number, 9) for number in range(1, 10)]


def test_no_usable_photo_gives_empty_scores(models, photos):
    found = score_together(models, photos[4:5], None, ["crop"])

    assert [each.scores["crop"].shape for each in found] == [(0, 4), (0, 4)]
    assert [each.kept for each in found] == [(), ()]


def test_files_of_different_classes_are_not_compared(models, photos):
    def fewer(tree):
        for tensor in tree.subgraphs[0].tensors:
            if tensor.name in (b"logits", b"probabilities"):
                tensor.shape = [1, 3]
            if tensor.name in (b"dense/kernel", b"dense/bias"):
                tensor.shape = [3, *tensor.shape[1:]]
                buffer = tree.buffers[tensor.buffer]
                buffer.data = buffer.data[: len(buffer.data) * 3 // 4]

    labels = label_files(tiny.LABELS[:3], {"de": tiny.GERMAN[:3]})
    other = model_from_bytes(pack_labels(tiny.changed(tiny.tiny(), fewer), labels), where="other")

    with pytest.raises(ArtifactError, match="has 3 classes, the file that it is tested against 32 and 4"):
        score_together([models[0], other], photos, None, ["crop"])
