"""Small pictures of photos: each content once, within so many bytes, and never of another photo than the row's."""

import hashlib
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.neighbors.stored_parts import VectorRow
from efficientnet_lite.neighbors.thumbnails import thumbnails_of

SIDES = (64, 32)


def noisy(folder, name, seed, size=(80, 60)):
    pixels = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return VectorRow(str(path), path.as_posix(), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def rows(tmp_path):
    return [noisy(tmp_path, f"photos/{seed}.png", seed) for seed in range(4)]


def sides_of(found):
    return {max(Image.open(BytesIO(image)).size) for image in found.images}


def test_each_photo_has_its_picture_at_the_largest_side_that_fits(rows):
    large = thumbnails_of(rows, 10**6, sides=SIDES)
    size = sum(map(len, large.images))
    smaller = thumbnails_of(rows, size - 1, sides=SIDES)

    assert (large.side, sides_of(large), large.places) == (64, {64}, [0, 1, 2, 3])
    assert (smaller.side, sides_of(smaller), smaller.places) == (32, {32}, [0, 1, 2, 3])
    assert sum(map(len, smaller.images)) < size


def test_where_not_even_the_smallest_fit_there_are_none(rows):
    found = thumbnails_of(rows, 500, sides=SIDES)

    assert (found.images, found.places, found.side, found.gone) == ((), (None,) * 4, None, 0)


def test_what_is_gone_changed_or_no_photo_has_none(rows, tmp_path):
    (tmp_path / "photos/0.png").unlink()
    noisy(tmp_path, "photos/1.png", 100)
    remote = replace(rows[3], path="https://example.org/photo.png")

    found = thumbnails_of([*rows[:3], remote], 10**6, sides=SIDES)

    assert found.places == [None, None, 0, None]
    assert found.gone == 3


def test_equal_photos_share_a_picture(rows, tmp_path):
    copy = noisy(tmp_path, "again/0.png", 0)

    found = thumbnails_of([*rows, copy], 10**6, sides=SIDES)

    assert found.places == [0, 1, 2, 3, 0]
    assert len(found.images) == 4


def test_photos_that_moved_are_found_by_the_end_of_their_path(rows, tmp_path):
    rows += [noisy(tmp_path, f"photos/{name}/x.png", seed) for seed, name in enumerate("ab", 50)]
    (tmp_path / "photos").rename(tmp_path / "elsewhere")

    assert thumbnails_of(rows, 10**6, sides=SIDES).gone == 6
    found = thumbnails_of(rows, 10**6, photos=str(tmp_path / "elsewhere"), sides=SIDES)

    assert found.places == [0, 1, 2, 3, 4, 5]


def test_without_a_digest_the_path_tells_photos_apart(rows):
    bare = [replace(row, sha256=None) for row in [*rows, rows[0]]]

    assert thumbnails_of(bare, 10**6, sides=SIDES).places == [0, 1, 2, 3, 0]
