"""The header reader: EXIF, MPO index and scans of JPEGs, honest and hostile."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from efficientnet_lite.photos.header import MAX_SEGMENTS, jpeg_header, orientation_of, scans


def exif(orientation: int, *, order: str = "<", kind: int = 3, count: int = 1) -> bytes:
    """An EXIF block whose only entry is the orientation."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    value = struct.pack(
        f"{order}{'HH' if kind == 3 else 'I'}", *([orientation, 0] if kind == 3 else [orientation])
    )
    return b"Exif\0\0" + magic + struct.pack(f"{order}IHHHI", 8, 1, 0x0112, kind, count) + value


def jpeg(**options: object) -> bytes:
    file = BytesIO()
    Image.linear_gradient("L").resize((24, 16)).convert("RGB").save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_is_read_in_both_byte_orders_and_number_types(orientation, kind, order):
    assert orientation_of(exif(orientation, order=order, kind=kind)) == (orientation, None)


@pytest.mark.parametrize("value", [0, 9, 99, 65535])
def test_an_orientation_without_meaning_counts_as_upright(value):
    assert orientation_of(exif(value)) == (1, None)


def test_an_orientation_that_is_no_single_number_counts_as_upright():
    as_text = orientation_of(exif(6, kind=2))
    twice = orientation_of(exif(6, count=2))

    assert as_text == twice == (1, None)


def test_a_photo_without_exif_is_upright_and_gets_no_note():
    assert orientation_of(None) == orientation_of(b"") == (1, None)


@given(st.integers(0, len(exif(6)) - 1))
def test_exif_that_is_cut_off_counts_as_upright_with_a_note_unless_nothing_is_left(length):
    orientation, note = orientation_of(exif(6)[:length])

    assert orientation == 1
    assert note == ("unreadable EXIF" if length else None)


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0", b"Exif\0\0MM\0*\0\0\0\x08"]),
)
def test_any_bytes_as_exif_give_an_orientation(tail, head):
    orientation, _ = orientation_of(head + tail)

    assert 1 <= orientation <= 8


def test_the_header_tells_size_components_and_exif():
    header = jpeg_header(jpeg(exif=exif(6)))

    assert (header.height, header.width, header.components, header.plain) == (16, 24, 3, True)
    assert orientation_of(header.exif) == (6, None)
    assert (header.pictures, header.adobe) == (1, False)


def test_the_header_counts_the_pictures_of_an_mpo_file():
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))] * 2)

    assert jpeg_header(file.getvalue()).pictures == 3


@given(st.data())
def test_a_cut_or_changed_jpeg_gives_a_header_or_none(data):
    damaged = bytearray(jpeg(exif=exif(3))[: data.draw(st.integers(0, 800))])
    for at in data.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=8)) if damaged else ():
        damaged[at] = data.draw(st.integers(0, 255))

    header = jpeg_header(bytes(damaged))

    assert header is None or (header.height < 65536 and header.width < 65536)


def test_endless_segments_end_the_reading():
    assert jpeg_header(b"\xff\xd8" + b"\xff\xfe\0\x02" * (MAX_SEGMENTS + 1) + jpeg()[2:]) is None


def test_scans_are_counted_within_the_picture_only():
    baseline, progressive = jpeg(), jpeg(progressive=True)
    video_behind = baseline + b"\xff\xda" * 500

    counts = [scans(data, jpeg_header(data)) for data in (baseline, progressive, video_behind)]

    assert counts == [1, 10, 1]  # ten is libjpeg's own script for three colors


def test_a_scan_behind_a_segment_that_looks_like_the_end_is_counted():
    data = jpeg(progressive=True)
    last = data.rfind(b"\xff\xda")
    hidden = data[:last] + b"\xff\xfe\0\x04\xff\xd9" + data[last:]

    assert scans(hidden, jpeg_header(hidden)) == 10
