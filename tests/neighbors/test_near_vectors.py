"""Groups of near vectors against the slow obvious version, whatever the blocks, the crowd or the threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.neighbors import near_vectors as module
from efficientnet_lite.neighbors.near_vectors import cosines, near_vectors
from efficientnet_lite.photos.groups import components


def slow_groups(unit, threshold):
    alike = unit.astype(np.float64) @ unit.T.astype(np.float64)
    return components(len(unit), np.argwhere(np.triu(alike >= threshold, 1)))


def groups_of(pairs, count):
    first = np.arange(count)
    first[pairs[:, 1]] = pairs[:, 0]
    return first


def vectors(seed, count, *, size=160, copies=0.3, spread=0.4):
    """Vectors without negative numbers, some of them copies of earlier ones with more or less noise."""
    random = np.random.default_rng(seed)
    found = np.maximum(random.normal(0, 1, (count, size)), 0).astype(np.float32)
    for place in range(1, count):
        if random.random() < copies:
            noise = random.normal(0, spread * random.random(), size)
            found[place] = np.maximum(found[random.integers(place)] + noise, 0)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def small_blocks(patch):
    for name, value in {
        "FEW": 8,
        "DIRECTIONS": 16,
        "SAMPLE": 32,
        "ROWS": 16,
        "COLUMNS": 48,
        "MANY": 9,
        "GATHERED": 7,
        "WAITING": 5,
    }.items():
        patch.setattr(module, name, value)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 150), st.sampled_from([0.3, 0.7, 0.9, 0.98]))
def test_groups_are_those_of_a_comparison_of_all_pairs(seed, count, threshold):
    unit = vectors(seed, count)
    apart = np.abs(unit.astype(np.float64) @ unit.T.astype(np.float64) - threshold)
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        pairs = near_vectors(unit, threshold)

    assert (pairs[:, 0] < pairs[:, 1]).all()
    if not (apart < 2e-5).any():  # else rounding decides
        assert groups_of(pairs, count).tolist() == slow_groups(unit, threshold).tolist()


def test_few_vectors_are_compared_whole_and_many_by_sketches_with_one_result(monkeypatch):
    unit = vectors(1, 300, size=1280)
    whole = near_vectors(unit, 0.94)
    small_blocks(monkeypatch)

    assert len(whole)
    assert near_vectors(unit, 0.94).tolist() == whole.tolist()


def test_a_crowd_of_equal_vectors_is_one_group_and_its_pairs_are_not_kept(monkeypatch):
    small_blocks(monkeypatch)
    unit = np.tile(vectors(2, 1), (200, 1))

    pairs = near_vectors(unit, 1.0)

    assert pairs.tolist() == [[0, each] for each in range(1, 200)]


def test_several_crowds_are_as_many_groups(monkeypatch):
    small_blocks(monkeypatch)
    unit = vectors(6, 5, copies=0)[np.random.default_rng(0).integers(0, 5, 300)]

    assert groups_of(near_vectors(unit, 0.99), 300).tolist() == slow_groups(unit, 0.99).tolist()


def test_vectors_of_zeros_are_near_nothing():
    unit = vectors(3, 4)
    unit[[1, 3]] = 0

    assert near_vectors(unit, 0.01).tolist() == [[0, 2]]


def test_progress_ends_with_all_vectors(monkeypatch):
    small_blocks(monkeypatch)
    calls = []

    near_vectors(vectors(4, 100), 0.9, on_progress=lambda done, total: calls.append((done, total)))

    assert calls[-1] == (100, 100)
    assert len(calls) > 10


def test_a_cosine_is_never_above_one():
    unit = vectors(5, 50)
    pairs = np.stack([np.arange(50), np.arange(50)], axis=1)

    assert cosines(unit, pairs).max() == 1
    assert np.allclose(cosines(unit, np.array([[0, 1]])), unit[0] @ unit[1])
