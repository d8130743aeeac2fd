"""Antialiased resizing: Pillow's but for rounding, whatever the sizes, and the same however the work is divided."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from efficientnet_lite.photos import resizing
from efficientnet_lite.photos.contract import Box
from efficientnet_lite.photos.resizing import resize

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
sides = st.integers(1, 90)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def by_pillow(pixels: np.ndarray, box: Box, size: int, filter: str, scale: int = 1) -> np.ndarray:
    """In two steps, since Pillow from 13 on takes rows first of photos that are much higher than wide."""
    top, left, high, wide = (side / scale for side in box)
    height = pixels.shape[0]
    between = Image.fromarray(pixels).resize((size, height), FILTERS[filter], (left, 0, left + wide, height))
    return np.asarray(between.resize((size, size), FILTERS[filter], (0, top, size, top + high)))


@settings(deadline=None, max_examples=60)
@given(sides, sides, sides, st.sampled_from(sorted(FILTERS)), st.data())
def test_every_size_and_box_is_pillows_within_rounding(height, width, size, filter, data):
    top, left = (data.draw(st.integers(0, side - 1)) for side in (height, width))
    box = Box(top, left, data.draw(st.integers(1, height - top)), data.draw(st.integers(1, width - left)))
    pixels = noise(height, width)

    image = resize(pixels, box, size, filter=filter)

    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - by_pillow(pixels, box, size, filter)).max() <= 2  # one of each pass


@pytest.mark.parametrize("filter", FILTERS)
def test_of_a_photos_values_one_in_a_hundred_differs_from_pillows(filter):
    pixels = np.asarray(Image.fromarray(noise(40, 50)).resize((640, 480), Image.Resampling.BICUBIC))
    box = Box(30, 110, 419, 419)

    image = resize(pixels, box, 224, filter=filter)

    assert np.mean(image != by_pillow(pixels, box, 224, filter)) < 0.01


def test_a_box_of_a_shrunk_photo_is_taken_in_fractions_of_its_pixels():
    pixels = noise(75, 100)

    image = resize(pixels, Box(13, 27, 251, 301), 48, filter="bicubic", scale=4)

    expected = by_pillow(pixels, Box(13, 27, 251, 301), 48, "bicubic", scale=4)
    assert np.abs(image.astype(int) - expected).max() <= 1


def test_no_box_is_the_whole_photo():
    pixels = noise(30, 40)

    whole = resize(pixels, None, 16, filter="bilinear")

    np.testing.assert_array_equal(whole, resize(pixels, Box(0, 0, 30, 40), 16, filter="bilinear"))


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_an_even_area_keeps_its_color(value):
    for height, width, size in ((340, 453, 224), (3, 1000, 32), (5, 4, 60)):
        image = resize(np.full((height, width, 3), value, np.uint8), None, size, filter="bicubic")
        assert (image == value).all()


def test_an_image_does_not_depend_on_how_its_products_are_divided(monkeypatch):
    pixels, box = noise(500, 400), Box(20, 10, 420, 370)
    image = resize(pixels, box, 96, filter="bicubic")

    for most, lines in ((2**12, 8), (2**15, 3), (2**30, 96)):
        monkeypatch.setattr(resizing, "_MOST_PRODUCTS", most)
        monkeypatch.setattr(resizing, "_LINES", lines)
        resizing._bands.cache_clear()
        np.testing.assert_array_equal(resize(pixels, box, 96, filter="bicubic"), image)


def test_every_sum_of_a_product_is_exact_in_float32():
    """Whatever the order: weights are multiples of 2^-15, and 255 times their sizes stays below 2^24 of these."""
    for side, low, high in ((453, 78.0, 375.0), (4000, 0.0, 4000.0), (9, 0.5, 8.5), (1200, 3.25, 300.75)):
        weights = resizing._bands(side, low, high, 224, "bicubic").weights.astype(float) * 2**15
        assert (weights == np.rint(weights)).all()
        assert 255 * np.abs(weights).sum(axis=2).max() < 2**24
        assert (weights.sum(axis=2) == 2**15).all()


def test_threads_do_not_touch_each_others_images():
    photos = [noise(100 + 7 * number, 120, seed=number) for number in range(8)]
    alone = [resize(photo, None, 64, filter="bicubic") for photo in photos]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda photo: resize(photo, None, 64, filter="bicubic"), photos * 20))

    for number, image in enumerate(together):
        np.testing.assert_array_equal(image, alone[number % len(photos)])


def test_it_averages_what_it_shrinks():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255

    small = resize(stripes, None, 8, filter="bilinear")

    assert np.abs(small.astype(int) - 127).max() <= 12  # without antialiasing it would be 0 or 255
