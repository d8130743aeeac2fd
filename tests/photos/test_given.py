"""Photos as callers of Python give them: every form of equal pixels is equal, what has two meanings is refused."""

import io
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, TiffImagePlugin

from efficientnet_lite.errors import UnreadablePhoto, WrongType
from efficientnet_lite.photos.decode import decode
from efficientnet_lite.photos.given import CHANNELS, GivenPhoto, encoded, gather, pixels

PHOTO = np.random.default_rng(3).integers(0, 256, (5, 7, 3), np.uint8)


def pixels_of(photo):
    return pixels(GivenPhoto(photo, "the photo"))


def saved(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    return found.tobytes()


# Arrays


@given(
    pixels=arrays.arrays(np.uint8, st.tuples(*[st.integers(1, 6)] * 2, st.sampled_from(CHANNELS))),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
@settings(max_examples=60)
def test_floats_are_the_same_photo_as_the_levels_that_they_stand_for(pixels, dtype):
    levels, floats = pixels_of(pixels), pixels_of((pixels / 255).astype(dtype))

    assert np.array_equal(levels, floats)
    assert (levels.dtype, levels.shape) == (np.uint8, (*pixels.shape[:2], 3))
    if pixels.shape[2] == 1:
        assert np.array_equal(levels, pixels_of(pixels[..., 0]))
        assert np.array_equal(levels, np.repeat(pixels, 3, axis=2))
    if pixels.shape[2] == 3:
        assert np.array_equal(levels, pixels)


@given(shape=arrays.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=5), floats=st.booleans())
def test_any_shape_is_a_photo_a_batch_or_one_clear_error(shape, floats):
    array = np.zeros(shape, np.float32 if floats else np.uint8)
    photo = len(shape) in (2, 3) and 0 not in shape and (len(shape) == 2 or shape[2] in CHANNELS)
    batch = len(shape) == 4 and shape[3] in CHANNELS and 0 not in shape[1:]
    none = len(shape) == 4 and shape[3] in CHANNELS and not shape[0]

    if photo or batch or none:
        found = [pixels(each) for each in gather(array).photos]
        assert len(found) == (shape[0] if len(shape) == 4 else 1)
        assert all(each.shape == (*shape[-3:-1], 3) for each in found if len(shape) > 2)
    else:
        with pytest.raises(UnreadablePhoto) as refused:
            [pixels(each) for each in gather(array).photos]
        assert str(shape) in refused.value.what or str(shape[1:]) in refused.value.what
        assert "H" in refused.value.fix


@pytest.mark.parametrize(
    ("array", "says", "fix"),
    [
        (PHOTO.transpose(2, 0, 1), "channels first", "transpose(1, 2, 0)"),
        (PHOTO[..., :2], "(5, 7, 2)", "channels last"),
        (np.zeros((9, 5, 7), np.uint8), "(9, 5, 7)", "(N, H, W, C)"),
        (np.zeros(100, np.uint8), "(100,)", "tobytes()"),
        (PHOTO[:0], "no pixels", "(H, W, 3)"),
        (PHOTO.astype(np.float32), "from 0 to 25", "divide by 255"),
        (PHOTO / 128 - 1, "from -1 to", "normalized"),
        (np.full((2, 2), np.nan), "finite", "nan_to_num"),
        (np.full((2, 2, 3), np.inf), "finite", "nan_to_num"),
        (np.stack([PHOTO, PHOTO]), "a batch among single photos", "*batch"),
    ],
)
def test_what_has_two_meanings_or_none_is_refused_with_what_to_do(array, says, fix):
    with pytest.raises(UnreadablePhoto) as refused:
        pixels_of(array)

    assert says in refused.value.what
    assert fix in refused.value.fix
    assert refused.value.where == "the photo"


def test_a_batch_with_its_channels_first_is_refused_as_a_batch():
    with pytest.raises(UnreadablePhoto, match="channels first") as refused:
        gather(np.zeros((2, 3, 8, 8), np.float32))
    assert "permute(0, 2, 3, 1)" in refused.value.fix


@pytest.mark.parametrize(
    ("dtype", "fix"),
    [
        ("bool", "mask"),
        ("uint16", "65535"),
        ("int64", "astype('uint8')"),
        ("int8", "astype('uint8')"),
        ("complex64", "uint8"),
        ("datetime64[s]", "uint8"),
        ("V4", "uint8"),
    ],
)
def test_pixels_of_another_type_are_a_type_error(dtype, fix):
    with pytest.raises(TypeError, match=dtype.partition("[")[0].replace("V4", "V4")) as refused:
        pixels_of(np.zeros((4, 4, 3), dtype))
    assert isinstance(refused.value, WrongType)
    assert fix in refused.value.fix


def test_a_rounding_beyond_the_ends_is_no_other_range():
    assert pixels_of(np.array([[-1e-7, 1 + 1e-6]])).tolist() == [[[0] * 3, [255] * 3]]
    with pytest.raises(UnreadablePhoto):
        pixels_of(np.array([[0, 1.01]]))


def test_transparent_pixels_are_white_as_in_files():
    rgba = np.dstack([PHOTO, np.zeros(PHOTO.shape[:2], np.uint8)])
    rgba[0, 0, 3] = 255

    found = pixels_of(rgba)

    assert np.array_equal(found, decode(saved(Image.fromarray(rgba), "PNG")).pixels)
    assert np.array_equal(found, pixels_of((rgba / 255).astype(np.float32)))
    assert np.array_equal(found[0, 0], PHOTO[0, 0])
    assert (found[1:] == 255).all()


def test_an_array_that_goes_backwards_or_in_steps_is_itself():
    assert np.array_equal(pixels_of(PHOTO[::-1, ::2, ::-1]), PHOTO[::-1, ::2, ::-1])


class Tensor:
    """As of a library with an array protocol of its own."""

    def __init__(self, array=None, error=None):
        self.array, self.error = array, error

    def __array__(self, dtype=None, copy=None):
        if self.error:
            raise self.error
        return self.array


def test_whatever_has_an_array_is_read_through_it():
    assert np.array_equal(pixels_of(Tensor(PHOTO)), PHOTO)
    assert not gather(Tensor(np.stack([PHOTO, PHOTO]))).single
    assert gather(Tensor(PHOTO)).single


@pytest.mark.parametrize("error", [TypeError, RuntimeError, NotImplementedError, ValueError])
def test_a_tensor_that_gives_no_array_is_one_clear_message(error):
    with pytest.raises(WrongType, match=r"Tensor gives no array: can't convert") as refused:
        gather(Tensor(error=error("can't convert cuda:0 device type tensor\nUse Tensor.cpu()")))
    assert "detach().cpu()" in refused.value.fix


def test_several_photos_are_taken_only_as_they_are_asked_for():
    def endless():
        while True:
            yield "a.jpg"

    first = next(iter(gather(endless()).photos))

    assert (first.where, first.place) == ("a.jpg", "photos[0]")


@pytest.mark.parametrize("value", [{}, {"a.jpg"}, frozenset(), 3, None, print, np.zeros((2, 2), object)])
def test_what_holds_no_photos_in_order_is_a_type_error(value):
    with pytest.raises(WrongType):
        gather(value)


# Images of Pillow


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_image_is_turned_as_its_file_is(orientation, form):
    options = {"lossless": True} if form == "WEBP" else {}
    data = saved(Image.fromarray(PHOTO), form, exif=exif(orientation), **options)

    assert np.array_equal(pixels_of(Image.open(io.BytesIO(data))), decode(data).pixels)


def test_an_image_that_was_turned_already_is_not_turned_again():
    from PIL import ImageOps

    data = saved(Image.fromarray(PHOTO), "PNG", exif=exif(6))
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))

    assert np.array_equal(pixels_of(turned), decode(data).pixels)


MODES = {
    "1": "PNG",
    "L": "PNG",
    "LA": "PNG",
    "P": "PNG",
    "RGB": "PNG",
    "RGBA": "PNG",
    "I;16": "PNG",
    "CMYK": "JPEG",
    "YCbCr": "JPEG",
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_decoded_as_its_file_is(mode):
    if mode == "I;16":
        image = Image.fromarray(PHOTO[..., 0].astype(np.uint16) * 200)
    else:
        image = Image.fromarray(PHOTO).convert(mode)
    if "A" in mode:
        image.putalpha(Image.fromarray(PHOTO[..., 1]))
    data = saved(image, MODES[mode])

    found = pixels_of(Image.open(io.BytesIO(data)))

    assert np.array_equal(found, decode(data).pixels)
    if MODES[mode] == "PNG":
        assert np.array_equal(pixels_of(image), found)  # made in memory


def test_a_palette_with_a_transparent_color_is_painted_on_white():
    image = Image.fromarray(PHOTO).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    data = saved(image, "GIF", transparency=0)

    assert np.array_equal(pixels_of(Image.open(io.BytesIO(data))), decode(data).pixels)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_a_mode_without_one_meaning_is_refused(mode):
    with pytest.raises(UnreadablePhoto):
        pixels_of(Image.new(mode, (4, 4)))


def test_a_cut_or_closed_or_huge_image_is_refused_with_its_reason():
    data = saved(Image.fromarray(np.repeat(np.repeat(PHOTO, 40, 0), 40, 1)), "PNG")
    cut, closed = Image.open(io.BytesIO(data[: len(data) // 2])), Image.open(io.BytesIO(data))
    closed.close()

    for image, says in (
        (cut, "cut off"),
        (closed, "closed"),
        (Image.new("1", (20_000, 6_000)), "megapixels"),
    ):
        with pytest.raises(UnreadablePhoto, match=says):
            pixels_of(image)


def test_an_image_with_metadata_that_are_none_is_read_all_the_same():
    image = Image.fromarray(PHOTO)
    image.info["exif"] = "no bytes"

    assert np.array_equal(pixels_of(image), PHOTO)


def test_one_image_in_many_threads_is_read_once_and_right():
    data = saved(Image.fromarray(np.repeat(np.repeat(PHOTO, 60, 0), 60, 1)), "PNG", compress_level=0)
    wanted = decode(data).pixels

    for _ in range(5):
        image, start = Image.open(io.BytesIO(data)), threading.Barrier(8)

        def look(image=image, start=start):
            start.wait()
            return pixels_of(image)

        with ThreadPoolExecutor(8) as pool:
            found = [future.result() for future in [pool.submit(look) for _ in range(8)]]
        assert all(np.array_equal(each, wanted) for each in found)


def test_the_image_of_the_caller_and_its_warnings_stay_as_they_are():
    image = Image.fromarray(PHOTO).convert("RGBA")
    before = image.tobytes()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels_of(image)
    assert (image.mode, image.tobytes()) == ("RGBA", before)


def test_gray_of_16_bits_in_a_tiff_keeps_what_its_tags_say():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    data = saved(Image.fromarray(PHOTO[..., 0].astype(np.uint16) * 257), "TIFF", tiffinfo=tags)

    assert np.array_equal(pixels_of(Image.open(io.BytesIO(data))), decode(data).pixels)


# Encoded photos


def test_a_file_is_read_from_where_it_stands():
    data = saved(Image.fromarray(PHOTO), "PNG")

    assert encoded(GivenPhoto(io.BytesIO(data), "")) == data
    assert encoded(GivenPhoto(bytearray(data), "")) == data
    with pytest.raises(WrongType, match="str") as refused:
        encoded(GivenPhoto(io.StringIO("text"), "photos[0]"))
    assert "'rb'" in refused.value.fix


@pytest.mark.parametrize(
    ("path", "says", "fix"),
    [
        (".", "a folder", "the photos in it"),
        ("https://a/b.jpg", "address", "download"),
        ("gone.jpg", "No such", ""),
    ],
)
def test_a_path_that_is_no_photo_says_what_it_is(path, says, fix):
    with pytest.raises(UnreadablePhoto, match=says) as refused:
        encoded(GivenPhoto(path, "photos[0]"))
    assert fix in refused.value.fix
    assert refused.value.where in (path, Path(path))


def test_bytes_are_bounded_as_files_are(monkeypatch):
    monkeypatch.setattr("efficientnet_lite.photos.decode.MAX_BYTES", 10)

    for photo in (bytes(11), io.BytesIO(bytes(99))):
        with pytest.raises(UnreadablePhoto, match="more than a photo may have"):
            encoded(GivenPhoto(photo, "the photo"))
