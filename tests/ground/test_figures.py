"""Figures as people read them: no more digits than the photos bear, and what is not all is never all."""

import pytest

from efficientnet_lite.figures import megabytes, milliseconds, noise, percent, points
from efficientnet_lite.metrics import Interval, wilson_interval


@pytest.mark.parametrize(
    ("fraction", "interval", "text"),
    [
        (0.8768, Interval(0.838, 0.908), "88 % (84-91)"),
        (0.8823, Interval(0.8794, 0.8851), "88.2 % (87.9-88.5)"),  # 50,000 photos
        (1.0, Interval(0.9, 1.0), "100 % (90-100)"),
        (0.0, Interval(0.0, 0.1), "0 % (0-10)"),
        (0.988, None, "99 %"),
        (0.9971, None, "99.7 %"),
        (0.99991, None, "99.9 %"),
        (0.004, None, "0.4 %"),
        (0.0001, None, "0.1 %"),
    ],
)
def test_a_fraction_has_the_digits_that_the_photos_bear(fraction, interval, text):
    assert percent(fraction, interval) == text


def test_one_wrong_answer_of_any_number_is_never_all_right():
    for count in (1, 2, 3, 10, 200, 201, 5_000, 100_000):
        shown = percent((count - 1) / count, wilson_interval(count - 1, count))

        assert not shown.startswith("100 %")


@pytest.mark.parametrize(
    ("value", "shown", "text"),
    [
        (4_878_282, megabytes, "4.9 MB"),
        (16_510_698, megabytes, "16.5 MB"),
        (30_200, megabytes, "0.03 MB"),
        (3.08, milliseconds, "3.1 ms"),
        (9.96, milliseconds, "10 ms"),
        (21.7, milliseconds, "22 ms"),
        (0.01, points, "1 point"),
        (0.005, points, "0.5 points"),
        (0.02, points, "2 points"),
        (0.0, points, "0 points"),
        (51.7, noise, "0.26 %"),
        (20.0, noise, "10 %"),
        (-6.02, noise, "200 %"),
        (float("inf"), noise, "0 %"),
        (float("nan"), noise, "what is no number"),
    ],
)
def test_a_quantity_has_its_unit(value, shown, text):
    assert shown(value) == text
