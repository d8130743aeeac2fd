"""The resamplings of other programs, against slow obvious versions and the reference's own numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.contract import center_crop, reference_padding
from efficientnet_lite.photos.resample import bilinear, legacy_bicubic

SIDES = st.integers(1, 40)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def slow_bilinear(pixels: np.ndarray, size: int, half_pixel: bool) -> np.ndarray:
    def place(index: int, side: int) -> float:
        at = (index + 0.5) * side / size - 0.5 if half_pixel else index * side / size
        return min(max(at, 0), side - 1)

    def read(y: float, x: float) -> np.ndarray:
        top, left = int(y), int(x)
        low, right = min(top + 1, pixels.shape[0] - 1), min(left + 1, pixels.shape[1] - 1)
        dy, dx = y - top, x - left
        upper = pixels[top, left] * (1 - dx) + pixels[top, right] * dx
        lower = pixels[low, left] * (1 - dx) + pixels[low, right] * dx
        return upper * (1 - dy) + lower * dy

    height, width = pixels.shape[:2]
    return np.array([[read(place(y, height), place(x, width)) for x in range(size)] for y in range(size)])


def slow_bicubic(pixels: np.ndarray, size: int) -> np.ndarray:
    def kernel(distance: float, a: float = -0.75) -> float:
        x = abs(distance)
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    def taps(index: int, side: int) -> list[tuple[int, float]]:
        at = np.float32(index) * (np.float32(side) / np.float32(size))
        first = int(at)
        share = float(np.rint((at - np.float32(first)) * np.float32(1024))) / 1024
        return [(min(max(first + k, 0), side - 1), kernel(share - k)) for k in range(-1, 3)]

    height, width = pixels.shape[:2]
    return np.array(
        [
            [
                sum(
                    wy * wx * pixels[y, x].astype(float)
                    for y, wy in taps(row, height)
                    for x, wx in taps(col, width)
                )
                for col in range(size)
            ]
            for row in range(size)
        ]
    )


@settings(max_examples=40)
@given(SIDES, SIDES, st.integers(1, 24), st.booleans())
def test_bilinear_equals_the_slow_version(height, width, size, half_pixel):
    pixels = noise(height, width)

    image = bilinear(pixels, size, half_pixel=half_pixel)

    assert image.dtype == np.float32
    np.testing.assert_allclose(image, slow_bilinear(pixels, size, half_pixel), atol=1e-3)


@settings(max_examples=25)
@given(SIDES, SIDES, st.integers(1, 16))
def test_legacy_bicubic_equals_the_slow_version(height, width, size):
    pixels = noise(height, width)

    image = legacy_bicubic(pixels, size)

    assert image.dtype == np.float32
    np.testing.assert_allclose(image, slow_bicubic(pixels, size), atol=2e-3)


@given(SIDES)
def test_a_square_of_its_own_size_stays_as_it_is(size):
    pixels = noise(size, size)

    for image in (
        bilinear(pixels, size, half_pixel=False),
        bilinear(pixels, size, half_pixel=True),
        legacy_bicubic(pixels, size),
    ):
        np.testing.assert_array_equal(image, pixels)


@given(SIDES, SIDES, st.integers(0, 255), st.integers(1, 30))
def test_a_plain_color_stays_plain(height, width, value, size):
    pixels = np.full((height, width, 3), value, np.uint8)

    for image in (bilinear(pixels, size, half_pixel=False, steps=32), legacy_bicubic(pixels, size)):
        np.testing.assert_allclose(image, value, atol=1e-3)


def test_positions_are_rounded_to_the_steps():
    ramp = np.repeat(np.arange(0, 100, 10, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(10, axis=0)

    exact = bilinear(ramp, 7, half_pixel=False)[0, :, 0]
    stepped = bilinear(ramp, 7, half_pixel=False, steps=2)[0, :, 0]

    np.testing.assert_allclose(exact, np.arange(7) * 100 / 7, atol=1e-4)
    np.testing.assert_allclose(stepped, [0, 15, 30, 45, 55, 70, 85], atol=1e-4)


def test_bicubic_overshoot_is_kept():
    edge = np.zeros((8, 8, 3), np.uint8)
    edge[:, 4:] = 255

    image = legacy_bicubic(edge, 15)

    assert image.min() < -10
    assert image.max() > 265


def test_the_references_evaluation_inputs_are_reproduced(shared):
    """`reference/lite0_eval.npz` holds six rows, mean and deviation of each input of the original code.

    Tolerance: rows are float32 sums in another order; measured 2.7e-4 gray levels at most.
    """
    with np.load(shared / "reference/lite0_eval.npz") as file:
        reference = dict(file)
    size = 224

    for index, name in enumerate(reference["file_names"]):
        photo = photo_door.decode_reference(
            photo_door.read_bytes(shared / "reference/eval-photos" / str(name))
        )
        box = center_crop(*photo.full_size, size, reference_padding(size))
        crop = photo.pixels[box.top : box.top + box.height, box.left : box.left + box.width]
        image = legacy_bicubic(crop, size)

        rows = image[reference["resized_rows_index"]]
        normalized = (image - 127) / 128  # float32, as the stored figures were summed
        thumbnail = normalized.reshape(28, 8, 28, 8, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(rows, reference["resized_rows"][index], atol=1e-3, err_msg=name)
        np.testing.assert_allclose(normalized.mean(axis=(0, 1)), reference["input_mean"][index], atol=1e-5)
        np.testing.assert_allclose(normalized.std(axis=(0, 1)), reference["input_std"][index], atol=1e-5)
        np.testing.assert_allclose(thumbnail, reference["input_thumb8"][index], atol=1e-5)


@pytest.mark.parametrize("half_pixel", [True, False])
def test_a_single_pixel_can_be_stretched(half_pixel):
    pixels = np.array([[[1, 2, 3]]], np.uint8)

    np.testing.assert_array_equal(
        bilinear(pixels, 3, half_pixel=half_pixel), np.broadcast_to(pixels, (3, 3, 3))
    )
    np.testing.assert_allclose(legacy_bicubic(pixels, 3), np.broadcast_to(pixels, (3, 3, 3)), atol=1e-5)
