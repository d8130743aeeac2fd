"""AutoAugment, RandAugment and mixup, against plain words, a slow version of each, and TensorFlow's own operations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from efficientnet_lite.training import operations as ops
from efficientnet_lite.training.augment import Augmentation, apply, augment, mixup, mixup_shares
from efficientnet_lite.training.chance import generator
from efficientnet_lite.training.policies import RANDAUGMENT, V0, argument

IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3)))
FACTORS = st.sampled_from([level / 10 * 1.8 + 0.1 for level in (*range(11), 17, 28)])


def photo(height=40, width=56, seed=0):
    """Smooth colors with some noise, like a photo."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x * 4, y * 5, x + y * 2], axis=-1) + random.integers(-20, 20, (height, width, 3))
    return np.clip(smooth, 0, 255).astype(np.uint8)


# ------------------------------------------------------------------- levels

# Source: tensorflow/tpu, autoaugment.py, `level_to_arg`, by hand. Levels 0, 2, 5, 9, 10.
LEVELS = {
    "Rotate": [0, 6, 15, 27, 30],
    "ShearX": [0, 0.06, 0.15, 0.27, 0.3],
    "ShearY": [0, 0.06, 0.15, 0.27, 0.3],
    "TranslateX": [0, 50, 125, 225, 250],
    "TranslateY": [0, 50, 125, 225, 250],
    "Color": [0.1, 0.46, 1.0, 1.72, 1.9],
    "Contrast": [0.1, 0.46, 1.0, 1.72, 1.9],
    "Brightness": [0.1, 0.46, 1.0, 1.72, 1.9],
    "Sharpness": [0.1, 0.46, 1.0, 1.72, 1.9],
    "Posterize": [0, 0, 2, 3, 4],
    "Solarize": [0, 51, 128, 230, 256],
    "SolarizeAdd": [0, 22, 55, 99, 110],
    "Cutout": [0, 20, 50, 90, 100],
    "AutoContrast": [0] * 5,
    "Equalize": [0] * 5,
    "Invert": [0] * 5,
}


@pytest.mark.parametrize("operation", LEVELS)
def test_a_level_becomes_the_argument_of_the_reference(operation):
    found = [argument(operation, level, "autoaugment") for level in (0, 2, 5, 9, 10)]

    assert found == pytest.approx(LEVELS[operation], abs=1e-12)


def test_randaugment_moves_and_cuts_less_far():
    assert argument("TranslateX", 10, "randaugment") == 100
    assert argument("Cutout", 10, "randaugment") == 40
    assert argument("Rotate", 10, "randaugment") == 30


def test_the_policy_has_the_25_pairs_of_the_reference():
    assert len(V0) == 25
    assert len(RANDAUGMENT) == len(set(RANDAUGMENT)) == 16
    assert set(LEVELS) == set(RANDAUGMENT)
    # sums of the published list: a digit that changes shows
    assert sum(choice.level for pair in V0 for choice in pair) == 240
    assert sum(choice.probability for pair in V0 for choice in pair) == pytest.approx(29.8)
    assert V0[15] == (("Rotate", 1.0, 7), ("TranslateY", 0.8, 9))


# ------------------------------------------------------- operations, in plain words


def test_posterize_to_0_bits_keeps_one():
    assert set(np.unique(ops.posterize(photo(), 0))) == {0, 128}
    assert np.array_equal(ops.posterize(photo(), 1), ops.posterize(photo(), 0))


def test_solarize_at_256_inverts_everything():
    assert np.array_equal(ops.solarize(photo(), 256), ops.invert(photo()))


@given(IMAGES, st.integers(1, 255))
def test_solarize_inverts_from_the_threshold_on(image, threshold):
    slow = np.where(image < threshold, image, 255 - image)

    assert np.array_equal(ops.solarize(image, threshold), slow)


@given(IMAGES, st.integers(0, 308))
def test_solarize_add_brightens_the_dark_half(image, addition):
    slow = np.where(image < 128, np.clip(image.astype(int) + addition, 0, 255), image)

    assert np.array_equal(ops.solarize_add(image, addition), slow)


def test_contrast_goes_around_the_number_of_pixels_and_not_the_mean():
    dark = np.full((224, 224, 3), 10, np.uint8)

    assert ops.contrast(dark, 0.1)[0, 0, 0] == int(196 + 0.1 * (10 - 196))
    assert ops.contrast(np.full((300, 300, 3), 10, np.uint8), 0.1)[0, 0, 0] == int(255 + 0.1 * (10 - 255))


@given(IMAGES, FACTORS)
def test_brightness_is_a_product(image, factor):
    slow = np.clip(np.float32(factor) * image.astype(np.float32), 0, 255).astype(np.uint8)

    assert np.array_equal(ops.brightness(image, factor), slow)


@given(IMAGES, FACTORS)
def test_color_moves_each_pixel_from_its_own_gray(image, factor):
    found = ops.color(image, factor).astype(int)
    gray = np.floor((image @ np.array([0.2989, 0.587, 0.114])) / 255 * 255.5)[..., None]

    assert np.abs(found - np.clip(gray + factor * (image - gray), 0, 255)).max() < 4  # two truncations


@given(IMAGES)
def test_equalize_is_the_slow_loop_of_the_reference(image):
    slow = image.copy()
    for channel in range(3):
        values = image[..., channel]
        counts = [int((values == level).sum()) for level in range(256)]
        last = max(level for level in range(256) if counts[level])
        step = (sum(counts) - counts[last]) // 255
        if step:
            table = [
                min(255, (sum(counts[:level]) + step // 2) // step) if level else 0 for level in range(256)
            ]
            slow[..., channel] = np.array(table)[values]

    assert np.array_equal(ops.equalize(image), slow)


def test_equalize_changes_an_image_of_a_few_hundred_pixels():
    assert not np.array_equal(ops.equalize(photo()), photo())


@given(IMAGES)
def test_auto_contrast_uses_the_whole_range(image):
    found = ops.auto_contrast(image)
    for channel in range(3):
        values = found[..., channel]
        if image[..., channel].min() < image[..., channel].max():
            assert values.min() == 0
            assert values.max() >= 254  # a truncated product
        else:
            assert np.array_equal(values, image[..., channel])


def test_sharpness_leaves_the_border_and_blurs_the_inside():
    image = np.zeros((5, 5, 3), np.uint8)
    image[2, 2] = 130

    blurred = ops.sharpness(image, 0.0001)  # next to nothing of the image itself

    assert blurred[2, 2, 0] == 50
    assert blurred[1, 1, 0] in (9, 10)
    assert not blurred[0].any()
    assert np.array_equal(ops.sharpness(image[:2], 0.1), image[:2])


@given(IMAGES, st.floats(-30, 30))
def test_a_turned_pixel_is_one_of_the_image_or_gray(image, degrees):
    found = ops.rotate(image, degrees).reshape(-1, 3)
    known = {*map(tuple, image.reshape(-1, 3).tolist()), (128, 128, 128)}

    assert found.shape == (image.shape[0] * image.shape[1], 3)
    assert known.issuperset(map(tuple, found.tolist()))


@given(IMAGES, st.sampled_from([0.3, -0.3, 0.12, 0.05]), st.integers(-14, 14))
def test_moves_read_what_a_loop_reads(image, slope, pixels):
    height, width = image.shape[:2]

    def slow(across, down):
        moved = np.full_like(image, 128)
        for y in range(height):
            for x in range(width):
                column, row = (
                    math.floor(abs(v) + 0.5) * (1 if v >= 0 else -1) for v in (across(x, y), down(x, y))
                )
                if 0 <= column < width and 0 <= row < height:
                    moved[y, x] = image[row, column]
        return moved

    s = np.float32(slope)
    assert np.array_equal(
        ops.shear_x(image, slope), slow(lambda x, y: np.float32(x) + s * np.float32(y), lambda _, y: y)
    )
    assert np.array_equal(
        ops.shear_y(image, slope), slow(lambda x, _: x, lambda x, y: s * np.float32(x) + np.float32(y))
    )
    assert np.array_equal(ops.translate_x(image, pixels), slow(lambda x, _: x + pixels, lambda _, y: y))
    assert np.array_equal(ops.translate_y(image, pixels), slow(lambda x, _: x, lambda _, y: y + pixels))


def test_cutout_is_a_gray_square_as_far_as_the_image_goes():
    image = np.zeros((10, 10, 3), np.uint8)

    assert (ops.cutout(image, 2, (5, 5)) == 128).sum() == 16 * 3
    assert (ops.cutout(image, 2, (0, 9)) == 128).sum() == 2 * 3 * 3
    assert not ops.cutout(image, 0, (5, 5)).any()


@pytest.mark.parametrize("operation", RANDAUGMENT)
@pytest.mark.parametrize("level", [0, 3.5, 10, 28])
def test_every_operation_gives_a_new_uint8_image_of_the_same_size(operation, level):
    image = photo()
    before = image.copy()

    found = apply(image, operation, level, "randaugment", np.random.default_rng(0))

    assert found.dtype == np.uint8
    assert found.shape == image.shape
    assert np.array_equal(image, before)


# ------------------------------------------------------------------------ policies


@pytest.mark.parametrize("name", ["autoaugment", "randaugment"])
def test_equal_chance_makes_equal_images_and_other_chance_others(name):
    made = [augment(photo(), Augmentation(name), generator(0, 0, index)) for index in (*range(40), 7)]

    assert np.array_equal(made[7], made[-1])
    assert len({image.tobytes() for image in made}) > 15  # chance leaves some as they are


def test_without_augmentation_the_image_is_the_same_object():
    image = photo()

    assert augment(image, Augmentation(), generator(0, 0, 0)) is image


def test_autoaugment_draws_each_pair_and_keeps_its_probabilities(monkeypatch):
    done = []
    monkeypatch.setattr(
        "efficientnet_lite.training.augment.apply",
        lambda image, operation, level, policy, random: done.append((operation, level)) or image,
    )
    count = 6_000
    for index in range(count):
        augment(photo(2, 2), Augmentation("autoaugment"), generator(0, 0, index))

    expected = {}
    for pair in V0:
        for operation, probability, level in pair:
            expected[operation, level] = expected.get((operation, level), 0) + probability / 25
    for key, share in expected.items():
        assert done.count(key) / count == pytest.approx(share, abs=4 * math.sqrt(share / count) + 1e-9), key


def test_randaugment_draws_all_sixteen_alike(monkeypatch):
    done = []
    monkeypatch.setattr(
        "efficientnet_lite.training.augment.apply",
        lambda image, operation, level, policy, random: done.append((operation, level)) or image,
    )
    for index in range(4000):
        augment(photo(2, 2), Augmentation("randaugment", layers=2, magnitude=9), generator(0, 0, index))

    assert len(done) == 8000
    assert {level for _, level in done} == {9}
    for operation in RANDAUGMENT:
        assert done.count((operation, 9)) == pytest.approx(500, abs=100)


@pytest.mark.parametrize("values", [{"name": "cutmix"}, {"layers": 0}, {"magnitude": -1}])
def test_an_augmentation_that_makes_no_sense_is_refused(values):
    with pytest.raises(ValueError, match="must be"):
        Augmentation(**values)


# --------------------------------------------------------------------------- chance


def test_the_chance_of_an_example_is_its_own():
    drawn = [
        tuple(generator(*key).random(2))
        for key in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 0, "mixup")]
    ]

    assert len(set(drawn)) == 5
    assert drawn[0] == tuple(generator(0, 0, 0).random(2))


@pytest.mark.parametrize("key", [(-1, 0, 0), (0, 2**32, 0), (0, 0, -5)])
def test_a_number_that_would_run_into_the_next_is_refused(key):
    with pytest.raises(ValueError, match="must be 0"):
        generator(*key)


# ---------------------------------------------------------------------------- mixup


def test_mixup_keeps_the_larger_share_and_takes_its_partner_from_the_other_end():
    shares = mixup_shares(0.2, 0, 0, np.arange(500))
    images = np.arange(500, dtype=np.uint8).reshape(500, 1, 1, 1)

    mixed = mixup(images, shares)[:, 0, 0, 0]

    assert shares.dtype == mixed.dtype == np.float32
    assert shares.min() >= 0.5
    assert mixed == pytest.approx(images.ravel() * shares + images.ravel()[::-1] * (1 - shares))


def test_the_share_of_an_example_does_not_depend_on_its_batch():
    together = mixup_shares(1.0, 3, 2, np.array([5, 9, 1]))

    assert together[1] == mixup_shares(1.0, 3, 2, np.array([9]))[0]


# ----------------------------------------------------------------------- TensorFlow


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow", reason="the extra [train]: make test-all")


def their_blend(tf, first, second, factor):
    first, second = tf.cast(first, tf.float32), tf.cast(second, tf.float32)
    return tf.cast(tf.clip_by_value(first + factor * (second - first), 0.0, 255.0), tf.uint8).numpy()


def their_sharpness(tf, image, factor):
    kernel = tf.tile(tf.constant([1, 1, 1, 1, 5, 1, 1, 1, 1], tf.float32, [3, 3, 1, 1]) / 13.0, [1, 1, 3, 1])
    inside = tf.nn.depthwise_conv2d(tf.cast(image, tf.float32)[None], kernel, [1, 1, 1, 1], "VALID")[0]
    blurred = image.copy()
    blurred[1:-1, 1:-1] = tf.cast(tf.clip_by_value(inside, 0.0, 255.0), tf.uint8).numpy()
    return their_blend(tf, blurred, image, factor)


def their_move(tf, image, transform):
    covered = np.concatenate([image, np.ones((*image.shape[:2], 1), np.uint8)], axis=2)[None]
    moved = tf.raw_ops.ImageProjectiveTransformV2(
        images=covered,
        transforms=np.array([[*transform, 0, 0]], np.float32),
        output_shape=image.shape[:2],
        interpolation="NEAREST",
    ).numpy()[0]
    return np.where(moved[..., 3:] == 0, 128, moved[..., :3])


@pytest.mark.parametrize("factor", [0.1, 0.28, 1.36, 1.9, 3.16])
def test_colors_are_those_of_tensorflow(tf, factor):
    image = photo(224, 224)
    gray = tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(image))

    assert np.array_equal(ops.color(image, factor), their_blend(tf, gray, image, factor))
    assert np.array_equal(ops.sharpness(image, factor), their_sharpness(tf, image, factor))
    assert np.array_equal(ops.brightness(image, factor), their_blend(tf, image * 0, image, factor))


@pytest.mark.parametrize("size", [(224, 224), (97, 131)])
def test_geometry_is_that_of_tensorflow(tf, size):
    image = photo(*size)
    for slope in (0.3, -0.3, 0.12, 0.27):
        assert np.array_equal(ops.shear_x(image, slope), their_move(tf, image, (1, slope, 0, 0, 1, 0)))
        assert np.array_equal(ops.shear_y(image, slope), their_move(tf, image, (1, 0, 0, slope, 1, 0)))
    for pixels in (100.0, -22.5, 225.0):
        assert np.array_equal(ops.translate_x(image, pixels), their_move(tf, image, (1, 0, pixels, 0, 1, 0)))
    for degrees in (30, -24, 3):
        angle = np.float32(degrees * math.pi / 180)
        h, w, c, s = (
            tf.constant(float(v)) for v in (size[0] - 1, size[1] - 1, math.cos(angle), math.sin(angle))
        )
        turn = (c, -s, (w - (c * w - s * h)) / 2.0, s, c, (h - (s * w + c * h)) / 2.0)
        found = ops.rotate(image, degrees) != their_move(tf, image, [float(value) for value in turn])
        assert found.any(axis=-1).mean() < 1e-3  # a coordinate that lies between two pixels may go either way


@settings(max_examples=20)
@given(st.integers(0, 7))
def test_posterize_is_two_shifts_of_tensorflow(tf, shift):
    image = photo()
    theirs = tf.bitwise.left_shift(tf.bitwise.right_shift(image, np.uint8(shift)), np.uint8(shift))

    assert np.array_equal(ops.posterize(image, 8 - shift), theirs.numpy())
