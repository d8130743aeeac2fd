"""The views of a photo: right geometry, work shared, one decode, and the promised types."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos import views as views_module
from efficientnet_lite.photos.contract import FIT_VIEWS, VIEWS, Box, Contract
from efficientnet_lite.photos.resizing import resize
from efficientnet_lite.photos.views import prepare, prepare_pixels, to_float

CONTRACT = Contract(size=48)


def soft_pixels(height: int, width: int) -> np.ndarray:
    seeds = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(seeds).resize((width, height), Image.Resampling.BICUBIC))


def jpeg(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def test_every_view_has_the_contracts_size_and_the_promised_type():
    views = (*VIEWS, *FIT_VIEWS)

    prepared = prepare(jpeg(soft_pixels(90, 120)), views, CONTRACT)

    for view, image in zip(views, prepared.images, strict=True):
        assert image.shape == (48, 48, 3)
        assert image.dtype == (np.float32 if view == "reference" else np.uint8)
        assert image.flags.c_contiguous
    assert prepared.photo.full_size == (90, 120)


def test_the_crop_is_the_middle_of_the_contracts_share_by_antialiased_bicubic():
    pixels = soft_pixels(90, 120)

    (image,) = prepare_pixels(pixels, ["crop"], CONTRACT)

    box = Box(18, 33, 54, 54)  # int(48 / (48 + 32) * 90) = 54
    np.testing.assert_array_equal(image, resize(pixels, box, 48, filter="bicubic"))


def test_the_squash_is_the_whole_photo_by_antialiased_bilinear():
    pixels = soft_pixels(90, 120)

    (image,) = prepare_pixels(pixels, ["squash"], CONTRACT)

    np.testing.assert_array_equal(image, resize(pixels, None, 48, filter="bilinear"))


def test_mirrored_views_are_mirror_images_in_the_order_asked_for():
    views = ("squash-mirrored", "crop", "crop-mirrored", "squash")

    a, b, c, d = prepare_pixels(soft_pixels(90, 120), views, CONTRACT)

    np.testing.assert_array_equal(c, b[:, ::-1])
    np.testing.assert_array_equal(a, d[:, ::-1])
    assert not np.array_equal(b, d)


def test_a_view_and_its_mirror_image_share_one_resize_and_all_views_one_decode(monkeypatch):
    calls = []
    decode = photo_door.decode
    monkeypatch.setattr(views_module, "resize", lambda *a, **k: calls.append("resize") or resize(*a, **k))
    monkeypatch.setattr(photo_door, "decode", lambda *a, **k: calls.append("decode") or decode(*a, **k))

    prepare(jpeg(soft_pixels(90, 120)), FIT_VIEWS, CONTRACT)

    assert calls == ["decode", "resize", "resize"]


def test_consumer_views_sample_single_pixels_where_ours_average():
    stripes = np.zeros((480, 480, 3), np.uint8)
    stripes[:, ::10] = 255  # every tenth column, just those that MediaPipe reads at 48 pixels

    mediapipe, android, squash = prepare_pixels(stripes, ["mediapipe", "android-bitmap", "squash"], CONTRACT)

    assert mediapipe.min() == 255  # i * 10
    assert android.max() == 0  # (i + 0.5) * 10 - 0.5: between columns 4 and 5 of each ten
    assert 0 < squash.min() <= squash.max() < 60


def test_mediapipes_stretch_equals_opencvs_fixed_point_warp():
    """Made with opencv 4.8.1: getPerspectiveTransform of the corners, warpPerspective, INTER_LINEAR.

    7 x 8 gray values (97 * row**2 + 151 * column**2) % 251, stretched to 5 x 5. Of these, 18 come out
    otherwise where positions are not rounded to 1/32 pixel.
    """
    rows, columns = np.mgrid[:7, :8]
    gray = ((97 * rows**2 + 151 * columns**2) % 251).astype(np.uint8)

    (image,) = prepare_pixels(gray[..., None].repeat(3, axis=2), ["mediapipe"], Contract(size=5))

    assert image[..., 0].tolist() == [
        [0, 122, 114, 38, 147],
        [113, 194, 180, 104, 70],
        [123, 143, 190, 114, 102],
        [69, 143, 135, 97, 168],
        [203, 74, 66, 194, 99],
    ]


def test_each_view_is_the_same_whatever_else_is_asked_for():
    data = jpeg(soft_pixels(720, 960))
    views = (*FIT_VIEWS, *VIEWS)

    together = prepare(data, views, CONTRACT).images

    for view, image in zip(views, together, strict=True):
        np.testing.assert_array_equal(image, prepare(data, [view], CONTRACT).images[0], view)


def test_a_large_jpeg_is_shrunk_in_decoding_for_the_views_that_allow_it():
    data = jpeg(soft_pixels(720, 960))

    ours = prepare(data, FIT_VIEWS, CONTRACT).photo
    with_consumer = prepare(data, ["crop", "mediapipe"], CONTRACT).photo
    consumer = prepare(data, ["mediapipe"], CONTRACT).photo

    assert (ours.scale, ours.full_size) == (4, (720, 960))
    assert with_consumer.scale == 4
    assert (consumer.scale, consumer.pixels.shape) == (1, (720, 960, 3))


def test_a_photo_that_is_not_shrunk_is_decoded_once_for_all_consumers(monkeypatch):
    calls, decode = [], photo_door.decode
    monkeypatch.setattr(photo_door, "decode", lambda *a, **k: calls.append("decode") or decode(*a, **k))

    prepare(jpeg(soft_pixels(90, 120)), ["crop", "squash", "mediapipe", "android-bitmap"], CONTRACT)

    assert calls == ["decode"]


def test_views_of_a_shrunk_decode_are_close_to_those_of_the_full_one(shared):
    with Image.open(shared / "reference/eval-photos/n03337140_file.JPEG") as image:
        sides = image.size
    data = photo_door.read_bytes(shared / "reference/eval-photos/n03337140_file.JPEG")
    contract = Contract(size=224)

    shrunk = prepare(data, ["crop", "squash"], contract)
    full = prepare_pixels(photo_door.decode(data).pixels, ["crop", "squash"], contract)

    assert sides == (1600, 1200)
    assert shrunk.photo.scale == 2
    for one, other in zip(shrunk.images, full, strict=True):
        difference = np.abs(one.astype(int) - other)
        assert difference.mean() < 0.6
        assert difference.max() <= 10


def test_the_reference_view_alone_is_decoded_once_with_its_own_decoder(monkeypatch):
    data = jpeg(soft_pixels(90, 120))
    monkeypatch.setattr(photo_door, "decode", lambda *_, **__: pytest.fail("decoded twice"))

    prepared = prepare(data, ["reference"], CONTRACT)

    np.testing.assert_array_equal(prepared.photo.pixels, photo_door.decode_reference(data).pixels)


def test_the_reference_view_keeps_bicubic_overshoot():
    checks = np.indices((60, 60)).sum(axis=0) // 3 % 2 * np.uint8(255)

    (image,) = prepare_pixels(checks.astype(np.uint8)[..., None].repeat(3, axis=2), ["reference"], CONTRACT)

    assert image.min() < 0
    assert image.max() > 255
    assert to_float(image).max() > 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (5000, 1)])
def test_tiny_and_thin_photos_have_every_view(shape):
    images = prepare_pixels(np.full((*shape, 3), 200, np.uint8), (*VIEWS, *FIT_VIEWS), CONTRACT)

    for image in images:
        np.testing.assert_allclose(image, 200, atol=1e-3)


def test_floats_are_between_zero_and_one():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)

    floats = to_float(values)

    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, values / np.float32(255))


@pytest.mark.parametrize("views", [[], ["center"], ["crop", "reference-mirrored"]])
def test_unknown_or_no_views_are_the_callers_bug(views):
    with pytest.raises(ValueError, match="expected views"):
        prepare_pixels(soft_pixels(4, 4), views, CONTRACT)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_pixels_of_another_shape_are_the_callers_bug(shape):
    with pytest.raises(ValueError, match="pixels must be uint8"):
        prepare_pixels(np.zeros(shape, np.uint8), ["crop"], CONTRACT)
    with pytest.raises(ValueError, match="pixels must be uint8"):
        prepare_pixels(np.zeros((4, 4, 3), np.float32), ["crop"], CONTRACT)


def test_an_unreadable_photo_keeps_its_name():
    with pytest.raises(UnreadablePhoto) as caught:
        prepare(b"", ["crop"], CONTRACT, where="a.jpg")

    assert caught.value.where == "a.jpg"
