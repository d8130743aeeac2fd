"""The random crop of training from scratch: its bounds, its odd corners, TensorFlow's own distribution, and pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite.photos.contract import Box, center_crop
from efficientnet_lite.photos.resample import legacy_bicubic
from efficientnet_lite.training import crops
from efficientnet_lite.training.augment import Augmentation, augment
from efficientnet_lite.training.chance import generator
from efficientnet_lite.training.crops import random_box, training_image

SIDES = st.integers(1, 700)


@given(SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_a_box_lies_in_the_photo_and_covers_a_tenth_or_all_of_it(height, width, seed):
    box = random_box(height, width, np.random.default_rng(seed))

    assert 0 <= box.top <= box.top + box.height <= height
    assert 0 <= box.left <= box.left + box.width <= width
    assert box.height * box.width >= 0.1 * height * width


@given(st.integers(100, 700), st.integers(100, 700), st.integers(0, 2**32 - 1))
def test_a_box_has_nearly_the_proportions_that_were_asked_for(height, width, seed):
    box = random_box(height, width, np.random.default_rng(seed))

    if box[2:] != (height, width):
        assert 0.75 - 0.03 < box.width / box.height < 4 / 3 + 0.03


def test_a_photo_too_long_for_any_box_is_taken_whole():
    assert random_box(10, 1000, np.random.default_rng(0)) == Box(0, 0, 10, 1000)


def photo(height=90, width=120):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_whole_photo_is_replaced_by_the_center_crop_of_evaluation():
    pixels = photo(20, 400)
    box = center_crop(20, 400, 32, 5)
    expected = legacy_bicubic(pixels[box.top : box.top + box.height, box.left : box.left + box.width], 32)

    made = [training_image(pixels, 32, Augmentation(), generator(0, 0, index)) for index in range(8)]

    assert all(np.array_equal(each, expected) or np.array_equal(each, expected[:, ::-1]) for each in made)
    assert len({each.tobytes() for each in made}) == 2  # mirrored and not


def test_without_augmentation_the_overshoot_stays_and_with_one_it_is_cut():
    plain = [training_image(photo(), 48, Augmentation(), generator(0, 0, index)) for index in range(20)]
    named = [
        training_image(photo(), 48, Augmentation("randaugment"), generator(0, 0, index))
        for index in range(20)
    ]

    assert {each.dtype for each in plain} == {np.dtype(np.float32)}
    assert min(each.min() for each in plain) < 0
    assert max(each.max() for each in plain) > 255
    assert {each.dtype for each in named} == {np.dtype(np.uint8)}


def test_augmentation_sees_the_truncated_image_of_the_same_crop():
    named = Augmentation("autoaugment")
    plain = training_image(photo(), 48, Augmentation(), generator(0, 0, 5))
    rest = generator(0, 0, 5)
    random_box(90, 120, rest)
    rest.random()  # the coin of the mirror

    expected = augment(np.clip(plain, 0, 255).astype(np.uint8), named, rest)

    assert np.array_equal(training_image(photo(), 48, named, generator(0, 0, 5)), expected)


@pytest.mark.parametrize(("height", "width"), [(37, 50), (375, 500), (20, 90)])
def test_boxes_are_distributed_as_those_of_tensorflow(height, width):
    tf = pytest.importorskip("tensorflow", reason="the extra [train]: make test-all")
    count = 8000
    tf.random.set_seed(1)

    @tf.function
    def theirs():
        def one(_):
            begin, size, _ = tf.image.sample_distorted_bounding_box(
                [height, width, 3],
                [[[0.0, 0.0, 1.0, 1.0]]],
                min_object_covered=crops.LEAST_COVERED,
                aspect_ratio_range=crops.ASPECT,
                area_range=crops.AREA,
                max_attempts=crops.ATTEMPTS,
                use_image_if_no_bounding_boxes=True,
            )
            return tf.concat([begin[:2], size[:2]], 0)

        return tf.map_fn(one, tf.range(count), fn_output_signature=tf.int32)

    expected = theirs().numpy()
    random = np.random.default_rng(0)
    found = np.array([random_box(height, width, random) for _ in range(count)])

    error = np.hypot(found.std(0), expected.std(0)) / count**0.5
    assert np.all(np.abs(found.mean(0) - expected.mean(0)) < 5 * error)
    assert found.std(0) == pytest.approx(expected.std(0), rel=0.06)
    # neither reaches the last row or column
    for boxes in (found, expected):
        assert not np.any((boxes[:, 0] + boxes[:, 2] == height) & (boxes[:, 2] < height))
