"""What int8 costs on photos, and how many calibration photos are enough: the arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite.metrics import Interval, snr_db
from efficientnet_lite.quantize.clinic.damage import Distance, by_class, changed_photos, distance
from efficientnet_lite.quantize.clinic.enough import CalibrationCurve, CalibrationPoint, counts_for, parted

LABELS = ("cat", "dog", "owl")


@pytest.fixture
def logits():
    """Float and int8 of 40 photos; the first three photos get another answer."""
    random = np.random.default_rng(2)
    true = random.normal(0, 1, (40, 3)).astype(np.float32)
    true[np.arange(40), np.arange(40) % 3] += 4
    found = true + random.normal(0, 0.1, (40, 3)).astype(np.float32)
    found[:3] = found[:3, [1, 2, 0]]
    return true, found


def test_a_distance_has_the_ratio_of_metrics_inside_its_interval(logits):
    of = distance(*logits, classes=True)

    assert of.snr_db == pytest.approx(snr_db(*logits), abs=1e-3)
    assert of.snr_interval.low < of.snr_db < of.snr_interval.high
    assert of.agreement == pytest.approx(37 / 40)
    assert of.agreement_interval.low < of.agreement < of.agreement_interval.high


def test_no_noise_is_infinite_and_features_agree_on_no_class():
    values = np.ones((3, 4), np.float32) * np.arange(4, dtype=np.float32)
    of = distance(values, values, classes=False)

    assert of.snr_db == math.inf
    assert of.agreement is None


def test_the_changed_photos_are_those_with_another_answer_the_surest_first(logits):
    true, found = logits
    rows = changed_photos(true, found, [f"{place}.jpg" for place in range(40)], LABELS, None)

    assert sorted(row.place for row in rows) == [0, 1, 2]
    assert [row.float_probability for row in rows] == sorted(
        (row.float_probability for row in rows), reverse=True
    )
    assert all(row.float_answer != row.int8_answer for row in rows)


def test_classes_are_the_true_ones_or_else_what_float_says(logits):
    true, found = logits
    truth = np.array([place % 3 for place in range(40)], np.intp)

    rows = by_class(true, found, LABELS, truth)
    assert {row.label: row.count for row in rows} == {"cat": 14, "dog": 13, "owl": 13}
    assert sum(row.changed for row in rows) == sum(row.lost for row in rows) == 3
    assert [row.changed / row.count for row in rows] == sorted(
        (row.changed / row.count for row in rows), reverse=True
    )
    assert all(row.lost is None for row in by_class(true, found, LABELS, None))


@given(st.integers(3, 400))
def test_no_photo_both_calibrates_and_judges(count):
    fitting, judging = parted(count)

    assert sorted(fitting + judging) == list(range(count))
    assert abs(len(judging) - count / 3) < 1


def test_counts_are_those_asked_for_or_grow_to_all():
    assert counts_for(200) == [10, 25, 50, 100, 200]
    assert counts_for(24) == [10, 24]
    assert counts_for(24, [5, 30, 100]) == [5, 24]


@pytest.mark.parametrize(
    ("decibels", "enough"), [((20, 22, 22.05), 25), ((20, 21, 22), None), ((22, 22, 22), 10), ((22,), None)]
)
def test_enough_is_the_fewest_that_comes_within_a_tenth_of_the_best(decibels, enough):
    points = tuple(
        CalibrationPoint(photos, Distance(30, snr, Interval(snr - 1, snr + 1), 1.0, Interval(0.9, 1.0)))
        for photos, snr in zip((10, 25, 50), decibels, strict=False)
    )
    assert CalibrationCurve(points, 30, ()).enough == enough
