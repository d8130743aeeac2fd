"""Fingerprints, near pairs against the slow obvious version, and groups."""

from io import BytesIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from efficientnet_lite.photos import duplicates
from efficientnet_lite.photos.duplicates import alike, difference_hashes, fingerprint, near_pairs
from efficientnet_lite.photos.groups import components, find_groups, find_leaks

Pixels = NDArray[np.uint8]


def slow_fingerprint(pixels: Pixels) -> list[int]:
    height, width = pixels.shape[:2]
    means = []
    for row in range(8):
        for column in range(9):
            top, left = row * height // 8, column * width // 9
            bottom, right = (row + 1) * height // 8, (column + 1) * width // 9
            cell = pixels[top : max(bottom, top + 1), left : max(right, left + 1)].reshape(-1, 3)
            means += [int(np.rint(cell[:, channel].astype(np.float64).mean())) for channel in range(3)]
    return means


def slow_pairs(hashes: NDArray[np.uint64], distance: int) -> set[tuple[int, int]]:
    return {
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= distance
    }


def cells_of(*images: Pixels) -> Pixels:
    return np.stack([np.frombuffer(fingerprint(image), np.uint8) for image in images])


def scene(seed: int, size: tuple[int, int] = (200, 150)) -> Pixels:
    """A picture with soft large shapes, different for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_fingerprint_is_the_mean_of_each_cell_for_every_size(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert list(fingerprint(pixels)) == slow_fingerprint(pixels)


def test_a_fingerprint_does_not_overflow_on_a_large_white_photo() -> None:
    assert set(fingerprint(np.full((4000, 3000, 3), 255, np.uint8))) == {255}


def test_a_hash_has_one_bit_for_each_step_to_the_right() -> None:
    ramp = np.broadcast_to(np.arange(0, 90, 10, dtype=np.uint8)[None, :, None], (8, 9, 3))
    falling = ramp[:, ::-1]
    assert difference_hashes(cells_of(ramp, falling)).tolist() == [2**64 - 1, 0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.integers(0, 6), st.randoms(use_true_random=False))
def test_near_pairs_are_those_that_a_comparison_of_all_finds(
    seeds: list[int], distance: int, random: object
) -> None:
    import random as random_module

    assert isinstance(random, random_module.Random)
    # around each seed some hashes with up to eight bits flipped, so that near ones exist
    hashes = [
        seed ^ sum(1 << bit for bit in random.sample(range(64), random.randint(0, 8)))
        for seed in seeds
        for _ in range(3)
    ]
    array = np.array(hashes, np.uint64)
    assert {tuple(pair) for pair in near_pairs(array, distance).tolist()} == slow_pairs(array, distance)


def test_six_bits_in_six_different_bytes_are_found_wherever_they_are() -> None:
    for bytes_hit in combinations(range(8), 6):
        other = sum(1 << (8 * byte + byte % 3) for byte in bytes_hit)
        assert near_pairs(np.array([0, other], np.uint64)).tolist() == [[0, 1]]


def test_near_pairs_of_a_crowd_are_bounded_in_number() -> None:
    crowd = np.zeros(800, np.uint64)
    pairs = near_pairs(crowd)
    assert len(pairs) <= 800 * duplicates.WINDOW
    assert (pairs[:, 0] < pairs[:, 1]).all()


def test_a_distance_that_the_search_cannot_keep_is_the_callers_bug() -> None:
    with pytest.raises(ValueError, match="max_distance must be 0 to 6, got 7"):
        near_pairs(np.zeros(2, np.uint64), 7)


def test_no_photos_have_no_pairs_and_no_groups() -> None:
    nothing = np.empty((0, duplicates.FINGERPRINT_BYTES), np.uint8)
    assert near_pairs(np.empty(0, np.uint64)).shape == (0, 2)
    assert find_groups(np.empty(0, np.int32), alike(nothing)).near.tolist() == []


@pytest.mark.parametrize("seed", range(10))
def test_copies_in_another_size_quality_or_brightness_are_alike(seed: int) -> None:
    original = scene(seed)
    image, file = Image.fromarray(original), BytesIO()
    image.save(file, "JPEG", quality=40)
    jpeg = np.asarray(Image.open(file).convert("RGB"))
    smaller = np.asarray(image.resize((77, 60), Image.Resampling.BICUBIC))
    darker = (original * 0.8).astype(np.uint8)
    for copy in (jpeg, smaller, darker):
        assert alike(cells_of(original, copy)).tolist() == [[0, 1]]


def test_different_pictures_are_not_alike() -> None:
    assert len(alike(cells_of(*map(scene, range(200))))) == 0


def test_flat_pictures_are_never_alike() -> None:
    rng = np.random.default_rng(0)
    walls = [np.full((64, 64, 3), level, np.uint8) for level in range(0, 250, 5)]
    noisy = [(wall + rng.integers(0, 6, wall.shape)).astype(np.uint8) for wall in walls]
    assert len(alike(cells_of(*walls, *noisy))) == 0


def test_pictures_whose_hash_is_equal_are_told_apart_by_their_cells() -> None:
    steps = np.arange(9, dtype=np.float64)
    even = np.broadcast_to((10 + 25 * steps)[None, :, None], (8, 9, 3)).astype(np.uint8)
    late = np.broadcast_to((10 + 25 * steps**2 / 8)[None, :, None], (8, 9, 3)).astype(np.uint8)
    cells = cells_of(even, late)
    assert len(set(difference_hashes(cells).tolist())) == 1
    assert len(alike(cells)) == 0


def test_handwritten_digits_do_not_collapse_into_groups() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    pictures = [
        np.asarray(
            Image.fromarray(np.rint(digit * 255 / 16).astype(np.uint8))
            .resize((32, 32), Image.Resampling.BICUBIC)
            .convert("RGB")
        )
        for digit in datasets.load_digits().images
    ]
    cells = cells_of(*pictures)
    groups = find_groups(np.arange(len(pictures)), alike(cells))
    assert len(near_pairs(difference_hashes(cells))) > 10_000  # what the hash alone would join
    assert np.bincount(groups.near).max() <= 5
    assert len(set(groups.near.tolist())) >= len(pictures) - 15


def test_ordinary_photos_are_not_alike(shared: Path) -> None:
    files = sorted((shared / "data/imagenet-300").glob("*.[jJ]*"))[::3]
    cells = cells_of(*(np.asarray(Image.open(file).convert("RGB")) for file in files))
    assert len(files) >= 90
    assert len(alike(cells)) == 0


def test_equal_bytes_are_one_group_even_where_they_are_flat() -> None:
    flat = np.zeros((8, 9, 3), np.uint8)
    groups = find_groups(np.array([0, 1, 0]), alike(cells_of(flat, flat)))
    assert groups.exact.tolist() == groups.near.tolist() == [0, 1, 0]


def test_being_alike_is_passed_on_and_joins_copies() -> None:
    one, other = scene(1), scene(2)
    smaller = np.asarray(Image.fromarray(one).resize((99, 80)))
    groups = find_groups(np.array([1, 0, 1, 2]), alike(cells_of(other, one, smaller)))
    assert groups.exact.tolist() == [0, 1, 0, 3]
    assert groups.near.tolist() == [0, 1, 0, 0]


def test_a_crowd_as_from_a_fixed_camera_is_resolved_into_equal_files() -> None:
    base = scene(3).astype(np.int64)
    rng = np.random.default_rng(0)
    frames = [np.clip(base + rng.integers(-3, 4, base.shape), 0, 255).astype(np.uint8) for _ in range(60)]
    groups = find_groups(np.array([*range(59), 0]), alike(cells_of(*frames[:59])))
    assert groups.crowded == 60
    assert groups.near.tolist() == [*range(59), 0]


@settings(deadline=None)
@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
def test_components_are_those_of_a_walk_through_the_pairs(count: int, raw: list[tuple[int, int]]) -> None:
    pairs = [(a % count, b % count) for a, b in raw]
    expected = list(range(count))
    for _ in range(count):
        for a, b in pairs:
            expected[a] = expected[b] = min(expected[a], expected[b])
    array = np.array(pairs, np.int64).reshape(-1, 2)
    assert components(count, array).tolist() == expected


def test_pairs_of_contents_that_no_photo_has_are_passed_over() -> None:
    pairs = np.array([[0, 7], [1, 9], [0, 1]])
    assert find_groups(np.array([1, 0, 5]), pairs).near.tolist() == [0, 0, 2]


def test_a_crowd_stays_where_it_is_asked_for() -> None:
    chain = np.stack([np.arange(59), np.arange(1, 60)], axis=1)
    assert set(find_groups(np.arange(60), chain).near.tolist()) == set(range(60))
    assert set(find_groups(np.arange(60), chain, keep_crowds=True).near.tolist()) == {0}


def test_a_photo_without_a_split_leaks_nowhere() -> None:
    groups = find_groups(np.array([0, 1, 2, 0]), np.array([[0, 1], [1, 2]]))
    assert find_leaks(groups, [None, "validation", None, None]) == ()
    found = find_leaks(groups, [None, "validation", "train", "test"])
    assert [(leak.row, leak.other, leak.exact) for leak in found] == [(1, 2, False), (3, 2, False)]
