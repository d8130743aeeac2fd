"""The split by content: stable, seeded, stratified, and groups in one piece."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.photos.split import assign


def content(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def shares(labels: list[str], kept: list[bool]) -> dict[str, float]:
    back = Counter(label for label, is_back in zip(labels, kept, strict=True) if is_back)
    return {label: back[label] / n for label, n in Counter(labels).items()}


# Photos as (label, group, copy): copies share a content within their group.
photo = st.tuples(st.sampled_from("abc"), st.integers(0, 12), st.integers(0, 2))


@st.composite
def collections(draw: st.DrawFn) -> tuple[list[str], list[str], list[int]]:
    photos = draw(st.lists(photo, min_size=1, max_size=40))
    labels = [label for label, _, _ in photos]
    return (
        labels,
        [content(100 * group + copy) for _, group, copy in photos],
        [group for _, group, _ in photos],
    )


@settings(deadline=None)
@given(collections(), st.floats(0.01, 0.99), st.integers(0, 5))
def test_every_class_of_two_photos_has_one_on_each_side(
    collection: tuple[list[str], list[str], list[int]], fraction: float, seed: int
) -> None:
    labels, contents, groups = collection
    kept = assign(labels, contents, groups, fraction=fraction, seed=seed)
    for label, count in Counter(labels).items():
        back = sum(own == label and is_back for own, is_back in zip(labels, kept, strict=True))
        assert 1 <= back <= count - 1 if count > 1 else back == 0


@settings(deadline=None)
@given(collections(), st.integers(0, 5))
def test_a_group_is_torn_only_where_a_class_cannot_be_filled_with_whole_groups(
    collection: tuple[list[str], list[str], list[int]], seed: int
) -> None:
    labels, contents, groups = collection
    kept = assign(labels, contents, groups, fraction=0.2, seed=seed)
    sides: dict[int, set[bool]] = {}
    for group, is_back in zip(groups, kept, strict=True):
        sides.setdefault(group, set()).add(is_back)
    torn = {group for group, both in sides.items() if len(both) == 2}
    own_groups = {
        label: {group for own, group in zip(labels, groups, strict=True) if own == label}
        for label in set(labels)
    }
    alone_in_own = all(
        sum(group in groups_of for groups_of in own_groups.values()) == 1 for group in set(groups)
    )
    if alone_in_own:  # no group with two labels: then only a class of one group may be torn
        assert torn <= {min(own) for own in own_groups.values() if len(own) == 1}


@settings(deadline=None)
@given(st.permutations(range(30)), st.integers(0, 5))
def test_the_order_of_the_photos_does_not_matter(order: list[int], seed: int) -> None:
    labels = ["ab"[n % 2] for n in range(30)]
    contents = [content(n) for n in range(30)]
    expected = assign(labels, contents, range(30), fraction=0.2, seed=seed)
    shuffled = assign(
        [labels[n] for n in order], [contents[n] for n in order], list(order), fraction=0.2, seed=seed
    )
    assert shuffled == [expected[n] for n in order]


@pytest.mark.parametrize("seed", range(5))
def test_added_photos_move_no_other_in_classes_of_ordinary_size(seed: int) -> None:
    numbers = range(600)
    labels = ["abc"[n % 3] for n in numbers]
    contents = [content(n) for n in numbers]
    before = assign(labels[:450], contents[:450], range(450), fraction=0.2, seed=seed)
    after = assign(labels, contents, numbers, fraction=0.2, seed=seed)
    assert after[:450] == before


def test_added_photos_move_few_others_in_classes_of_ten() -> None:
    moved = 0
    for seed in range(100):
        contents = [content(1000 * seed + n) for n in range(12)]
        before = assign(["a"] * 10, contents[:10], range(10), fraction=0.2, seed=0)
        after = assign(["a"] * 12, contents, range(12), fraction=0.2, seed=0)
        moved += sum(x != y for x, y in zip(before, after[:10], strict=True))
    assert moved <= 30  # of 1,000, 22 when this was written: where a class had too few or too many kept back


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_the_share_of_every_class_is_near_the_fraction(fraction: float) -> None:
    labels = ["large"] * 5000 + ["medium"] * 400 + ["small"] * 20
    kept = assign(labels, [content(n) for n in range(5420)], range(5420), fraction=fraction, seed=0)
    share = shares(labels, kept)
    assert share["large"] == pytest.approx(fraction, abs=0.02)
    assert share["medium"] == pytest.approx(fraction, abs=0.08)
    assert fraction / 2 - 0.05 <= share["small"] <= fraction * 1.5 + 0.05


def test_small_classes_keep_back_half_to_one_and_a_half_times_their_share() -> None:
    labels = [f"class {n // 20}" for n in range(20 * 200)]
    kept = assign(labels, [content(n) for n in range(4000)], range(4000), fraction=0.2, seed=0)
    counts = Counter(round(share * 20) for share in shares(labels, kept).values())
    assert set(counts) <= {2, 3, 4, 5, 6}


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    labels, contents = ["a"] * 100 + ["b"] * 100, [content(n) for n in range(200)]
    first, again, other = (
        assign(labels, contents, range(200), fraction=0.2, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_the_split_of_release_one_does_not_change() -> None:
    # users go on with models that were trained on one side; print `assign(...)` for a new answer, and say why
    kept = assign(["a"] * 20 + ["b"] * 20, [content(n) for n in range(40)], range(40), fraction=0.2, seed=0)
    assert [n for n, is_back in enumerate(kept) if is_back] == [5, 8, 9, 17, 18, 27, 28, 29, 33, 36, 39]


def test_a_class_of_copies_of_one_photo_is_still_on_both_sides() -> None:
    kept = assign(["a", "a", "a", "b", "b"], ["x", "x", "x", "y", "z"], [0, 0, 0, 3, 4], fraction=0.2, seed=0)
    assert sum(kept[:3]) == 1


def test_a_class_within_one_group_is_divided_photo_by_photo_with_equal_bytes_together() -> None:
    labels = ["a"] * 60 + ["b"] * 10
    contents = [content(n // 2) for n in range(60)] + [content(100 + n) for n in range(10)]
    groups = [0] * 60 + list(range(60, 70))
    for seed in range(10):
        kept = assign(labels, contents, groups, fraction=0.2, seed=seed)
        assert 6 <= sum(kept[:60]) <= 18
        assert kept[0:60:2] == kept[1:60:2]


def test_a_burst_larger_than_the_share_is_not_kept_back() -> None:
    labels, groups = ["a"] * 40, [0] * 30 + list(range(30, 40))
    for seed in range(20):
        kept = assign(labels, [content(n) for n in range(40)], groups, fraction=0.2, seed=seed)
        assert not any(kept[:30])
        assert 4 <= sum(kept) <= 12


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_fraction_that_leaves_a_side_empty_is_the_callers_bug(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction must be above 0 and below 1"):
        assign(["a"], ["x"], [0], fraction=fraction, seed=0)


def test_lists_of_different_lengths_are_the_callers_bug() -> None:
    with pytest.raises(ValueError, match="lengths differ"):
        assign(["a", "b"], ["x"], [0], fraction=0.2, seed=0)
