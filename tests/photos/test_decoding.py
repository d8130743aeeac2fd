"""Decoding good photos: equal to Pillow, upright, scaled, on white; damaged ones are refused or whole."""

import random
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from efficientnet_lite.errors import UnreadablePhoto, UsageError
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.contract import Box
from efficientnet_lite.photos.resizing import resize


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def soft_photo(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    """Smooth random colors: every pixel differs from its neighbors, and JPEG keeps them well."""
    seeds = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(seeds).resize((width, height), Image.Resampling.BICUBIC)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def with_pillow(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def test_jpegs_of_every_common_kind_equal_pillow_bit_for_bit_with_and_without_simplejpeg(monkeypatch):
    image = soft_photo(53, 37)
    kinds = [
        encoded(image, "JPEG", quality=90, subsampling=sampling, progressive=progressive)
        for sampling in (0, 1, 2)
        for progressive in (False, True)
    ]
    kinds += [encoded(image.convert("L"), "JPEG"), encoded(image.convert("CMYK"), "JPEG")]

    fast = [photo_door.decode(data).pixels for data in kinds]
    monkeypatch.setattr(photo_door, "simplejpeg", None)
    slow = [photo_door.decode(data).pixels for data in kinds]

    for data, one, other in zip(kinds, fast, slow, strict=True):
        np.testing.assert_array_equal(one, with_pillow(data))
        np.testing.assert_array_equal(other, one)


def test_real_photos_equal_pillow_bit_for_bit(shared):
    files = sorted((shared / "data/imagenet-300").glob("*.JPEG"))[::10]
    files += sorted((shared / "data/clothing/validation").rglob("*.jpg"))[::20]

    for path in files:
        data = photo_door.read_bytes(path)
        np.testing.assert_array_equal(
            photo_door.decode(data, where=path).pixels, with_pillow(data), path.name
        )

    assert len(files) > 40


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once_in_every_format(orientation, form):
    data = encoded(soft_photo(), form, exif=turned(orientation))

    photo = photo_door.decode(data)

    assert photo.full_size == ((40, 30) if orientation >= 5 else (30, 40))
    np.testing.assert_array_equal(photo.pixels, with_pillow(data))


def test_transparency_is_painted_on_white_exactly():
    rng = np.random.default_rng(1)
    rgba = rng.integers(0, 256, (40, 50, 4), np.uint8)
    color, alpha = rgba[..., :3].astype(int), rgba[..., 3:].astype(int)
    wanted = (color * alpha + 255 * (255 - alpha) + 127) // 255  # to the nearest; 255 is odd: no ties

    photo = photo_door.decode(encoded(Image.fromarray(rgba), "PNG"))

    np.testing.assert_array_equal(photo.pixels, wanted)
    assert photo.notes == ("transparency painted on white",)


def test_an_alpha_channel_without_transparency_changes_nothing_and_gives_no_note():
    image = soft_photo()
    opaque = image.copy()
    opaque.putalpha(255)

    photo = photo_door.decode(encoded(opaque, "PNG"))

    np.testing.assert_array_equal(photo.pixels, np.asarray(image))
    assert photo.notes == ()


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_gray_of_16_bits_is_divided_by_257_and_rounded(form):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)

    photo = photo_door.decode(encoded(Image.fromarray(values), form))

    wanted = (values.astype(int) * 2 + 257) // 514
    np.testing.assert_array_equal(photo.pixels, np.repeat(wanted[..., None], 3, axis=2))
    assert photo.notes == ("16-bit gray reduced to 8 bits",)


def test_gray_of_16_bits_with_white_as_zero_is_inverted():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    data = encoded(Image.fromarray(values), "TIFF", tiffinfo={262: 0})

    pixels = photo_door.decode(data).pixels

    assert pixels[0, 0].tolist() == [255] * 3
    assert pixels[-1, -1].tolist() == [0] * 3


def test_photos_of_a_size_that_pillow_warns_of_are_read_without_a_warning(monkeypatch):
    monkeypatch.setattr(
        Image, "MAX_IMAGE_PIXELS", 1000
    )  # it warns up to twice that; warnings are errors here
    monkeypatch.setattr(photo_door, "simplejpeg", None)

    for form in ("JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP", "AVIF"):
        assert photo_door.decode(encoded(soft_photo(), form)).full_size == (30, 40)  # 1200 pixels


def test_more_than_100_megapixels_are_refused_with_the_size():
    data = encoded(Image.new("1", (10001, 10000)), "PNG")

    with pytest.raises(UnreadablePhoto, match="10001 x 10000 pixels, more than 100 megapixels"):
        photo_door.decode(data)


def test_a_jpeg_with_too_many_scans_is_refused_quickly():
    data = encoded(soft_photo(), "JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    bomb = data[:-2] + data[last:-2] * photo_door.MAX_JPEG_SCANS + data[-2:]

    with pytest.raises(UnreadablePhoto, match="50 scans"):
        photo_door.decode(bomb)


@pytest.mark.parametrize(("sides", "min_side", "scale"), [
    ((401, 300), 40, 2), ((401, 300), 37, 4), ((401, 300), 18, 8), ((401, 300), 76, 1), ((32, 24), 1, 8),
])  # fmt: skip
def test_a_shrunk_decode_keeps_the_margin_and_rounds_its_sides_up(sides, min_side, scale, monkeypatch):
    data = encoded(soft_photo(*sides), "JPEG", quality=95)

    fast = photo_door.decode(data, min_side=min_side)
    monkeypatch.setattr(photo_door, "simplejpeg", None)
    slow = photo_door.decode(data, min_side=min_side)

    width, height = sides
    assert fast.scale == scale
    assert fast.full_size == (height, width)
    assert fast.pixels.shape == (-(-height // scale), -(-width // scale), 3)
    assert scale == 1 or min(fast.pixels.shape[:2]) >= photo_door.SHRINK_MARGIN * min_side
    np.testing.assert_array_equal(fast.pixels, slow.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("sides", [(404, 300), (403, 301), (408, 304)])
def test_a_shrunk_and_turned_photo_shows_the_same_place_as_the_full_one(sides, orientation):
    data = encoded(soft_photo(*sides), "JPEG", quality=95, exif=turned(orientation))
    full, shrunk = photo_door.decode(data), photo_door.decode(data, min_side=15)

    height, width = full.full_size
    box = Box(height // 2, width // 2, height - height // 2, width - width // 2)  # up to the far edges
    one = resize(full.pixels, box, 15, filter="bicubic").astype(int)
    other = resize(shrunk.pixels, box, 15, filter="bicubic", scale=shrunk.scale).astype(int)

    assert shrunk.full_size == full.full_size
    assert shrunk.scale == (8 if orientation == 1 else {404: 4, 403: 1, 408: 8}[sides[0]])
    assert np.abs(one - other).max() <= 5  # a shift by half an output pixel makes it 13 and more


def test_min_side_below_one_is_the_callers_bug():
    with pytest.raises(ValueError, match="min_side"):
        photo_door.decode(encoded(soft_photo(), "JPEG"), min_side=0)


def test_the_reference_decode_ignores_orientation_and_uses_another_dct():
    data = encoded(soft_photo(400, 300), "JPEG", quality=40, exif=turned(6))

    reference, plain = photo_door.decode_reference(data), photo_door.decode(data)

    assert reference.full_size == (300, 400)
    difference = np.abs(np.rot90(reference.pixels, -1).astype(int) - plain.pixels)
    assert 0 < difference.max() < 30


def test_the_reference_decode_of_another_format_is_the_plain_one():
    data = encoded(soft_photo(), "PNG")

    np.testing.assert_array_equal(photo_door.decode_reference(data).pixels, photo_door.decode(data).pixels)


def test_the_reference_decode_without_simplejpeg_names_the_install(monkeypatch):
    monkeypatch.setattr(photo_door, "simplejpeg", None)

    with pytest.raises(UsageError) as caught:
        photo_door.decode_reference(encoded(soft_photo(), "JPEG"))

    assert "pip install simplejpeg" in str(caught.value)


def test_the_reference_decode_of_a_rare_jpeg_says_that_it_is_not_the_references():
    data = encoded(soft_photo().convert("CMYK"), "JPEG")

    photo = photo_door.decode_reference(data)

    np.testing.assert_array_equal(photo.pixels, photo_door.decode(data).pixels)
    assert photo.notes == (photo_door.OTHER_DECODER,)


def test_the_reference_decode_refuses_a_cut_photo_and_bombs(shared):
    data = encoded(soft_photo(), "JPEG")
    bomb = photo_door.read_bytes(shared / "data/hostile-images/bomb_jpeg_65500.jpg")

    with pytest.raises(UnreadablePhoto, match="cut off"):
        photo_door.decode_reference(data[:-40])
    with pytest.raises(UnreadablePhoto, match="more than 100 megapixels"):
        photo_door.decode_reference(bomb)


def test_every_error_of_a_decoder_becomes_unreadable_photo(monkeypatch):
    data = encoded(soft_photo(), "PNG")
    for error in (
        OSError("a"),
        ValueError(),
        SyntaxError("c"),
        KeyError("d"),
        MemoryError(),
        RecursionError("f"),
    ):
        monkeypatch.setattr(Image, "open", lambda *_, error=error, **__: (_ for _ in ()).throw(error))

        with pytest.raises(UnreadablePhoto) as caught:
            photo_door.decode(data, where="x.png")

        assert caught.value.what
        assert caught.value.where == "x.png"
        assert caught.value.__cause__ is error


WHOLE = {
    "jpeg": encoded(soft_photo(), "JPEG", exif=turned(3)),
    "progressive": encoded(soft_photo(), "JPEG", progressive=True),
    "png": encoded(soft_photo(), "PNG"),
    "webp": encoded(soft_photo(), "WEBP"),
    "lossless webp": encoded(soft_photo(), "WEBP", lossless=True),
    "gif": encoded(soft_photo().quantize(64), "GIF"),
    "bmp": encoded(soft_photo(), "BMP"),
    "tiff": encoded(soft_photo(), "TIFF"),
    "lzw tiff": encoded(soft_photo(), "TIFF", compression="tiff_lzw"),
    "avif": encoded(soft_photo(), "AVIF"),
}


@settings(max_examples=400)
@given(st.sampled_from(sorted(WHOLE)), st.floats(0, 1, exclude_max=True))
def test_a_cut_photo_is_refused_or_whole(form, share):
    data = WHOLE[form]

    pixels = photo_or_reason(data[: int(share * len(data))])

    if pixels is not None:
        np.testing.assert_array_equal(pixels, photo_door.decode(data).pixels)


@settings(max_examples=400)
@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 2**32), st.integers(1, 20))
def test_changed_bytes_give_a_photo_or_a_reason(form, seed, changes):
    damaged = bytearray(WHOLE[form])
    chance = random.Random(seed)
    for _ in range(changes):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)

    photo_or_reason(bytes(damaged))


@given(
    st.sampled_from([data[:n] for data in WHOLE.values() for n in (0, 4, 16, 40)]), st.binary(max_size=300)
)
def test_random_bytes_give_a_photo_or_a_reason(head, tail):
    photo_or_reason(head + tail)


def photo_or_reason(data: bytes) -> np.ndarray | None:
    """The pixels, or None for a refusal; both as the door promises."""
    try:
        photo = photo_door.decode(data)
    except UnreadablePhoto as error:
        reason, cause = error.what, error.__cause__
    else:
        assert photo.pixels.dtype == np.uint8
        assert photo.pixels.shape == (*photo.full_size, 3)
        return photo.pixels
    assert reason.isprintable()
    assert 0 < len(reason) < 250
    assert not isinstance(cause, Warning)
    return None
