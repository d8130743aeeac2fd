"""Which photos calibrate, how each is looked at, and what the record of them says."""

import hashlib
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.quantize.calibration_photos import (
    MOST_NAMED,
    CalibrationSet,
    shuffled,
    stratified,
    views_in_turn,
)

VIEWS = ("crop", "squash")
labelled = st.lists(st.sampled_from("abcd"), min_size=1, max_size=60)


def contents(count):
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


@settings(max_examples=25)
@given(labels=labelled, count=st.integers(1, 70), seed=st.integers(0, 3))
def test_every_class_has_its_turn_whatever_the_seed(labels, count, seed):
    chosen = stratified(labels, shuffled(contents(len(labels)), seed), count)

    assert len(chosen) == len(set(chosen)) == min(count, len(labels))
    taken, there = Counter(labels[place] for place in chosen), Counter(labels)
    most = max(taken.values())
    assert all(taken[label] >= min(most - 1, there[label]) for label in there)


def test_the_seed_chooses_and_none_keeps_the_order_of_contents():
    known = contents(40)
    chosen = {seed: stratified([""] * 40, shuffled(known, seed), 10) for seed in (0, 1, 2, -1)}

    assert [known[place] for place in chosen[0]] == sorted(known)[:10]
    assert len({tuple(each) for each in chosen.values()}) == 4
    assert chosen[1] == stratified([""] * 40, shuffled(known, 1), 10)


@settings(max_examples=25)
@given(labels=labelled)
def test_every_class_is_seen_in_both_views(labels):
    for label in set(labels):
        seen = Counter(
            view for own, view in zip(labels, views_in_turn(labels, VIEWS), strict=True) if own == label
        )
        assert abs(seen["crop"] - seen["squash"]) <= 1


def test_classes_that_take_turns_do_not_get_a_view_each():
    assert views_in_turn("abab", VIEWS) == ("crop", "squash", "squash", "crop")


def test_the_digest_knows_contents_views_and_their_order():
    whole = CalibrationSet(("x", "y"), ("1" * 64, "2" * 64), VIEWS, seed=0)
    again = CalibrationSet(("other", "names"), ("1" * 64, "2" * 64), VIEWS, seed=5)
    others = [
        whole.part([1, 0]),
        whole.part([0]),
        CalibrationSet(("x", "y"), ("1" * 64, "3" * 64), VIEWS, seed=0),
        CalibrationSet(("x", "y"), ("1" * 64, "2" * 64), VIEWS[::-1], seed=0),
    ]

    assert whole.sha256 == again.sha256
    assert whole.sha256 == hashlib.sha256(f"{'1' * 64} crop\n{'2' * 64} squash\n".encode()).hexdigest()
    assert len({each.sha256 for each in (whole, *others)}) == 5


def test_a_record_names_its_photos_unless_they_are_very_many():
    few = CalibrationSet(("x", "y"), ("1" * 64, "2" * 64), VIEWS, seed=3).to_json()
    many = MOST_NAMED + 1

    assert (few["photos"], few["files"], few["seed"]) == (2, ["x", "y"], 3)
    assert few["views"] == {"crop": 1, "squash": 1}
    assert CalibrationSet(("x",) * many, ("1" * 64,) * many, ("crop",) * many, 0).to_json()["files"] is None
