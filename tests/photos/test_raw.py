"""Camera raw files, built by the layout of each, are refused by name; ordinary TIFFs are read."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.raw import raw_format

SHORT, LONG, BYTE, ASCII = 3, 4, 1, 2
WIDTH, HEIGHT = 32, 24


def tiff(
    directories: list[list[tuple[int, int, list[int] | bytes]]], *, order: str = "<", gap: bytes = b""
) -> bytes:
    """A TIFF file: the first directory at the start, the others below its tag 330, each with a picture of 8 bits."""
    pixels = bytes(range(256)) * (WIDTH * HEIGHT * 3 // 256)
    body = bytearray(gap)
    base = 8

    def place(data: bytes) -> int:
        body.extend(b"\0" * (len(body) % 2))
        body.extend(data)
        return base + len(body) - len(data)

    def directory(tags: list[tuple[int, int, list[int] | bytes]], after: int = 0) -> int:
        photometric = next((value for tag, _, value in tags if tag == 262), [2])
        samples = 3 if photometric == [2] else 1
        strip = place(pixels[: WIDTH * HEIGHT * samples])
        usual: list[tuple[int, int, list[int] | bytes]] = [
            (256, SHORT, [WIDTH]),
            (257, SHORT, [HEIGHT]),
            (258, SHORT, [8] * samples),
            (259, SHORT, [1]),
            (262, SHORT, [2]),
            (273, LONG, [strip]),
            (277, SHORT, [samples]),
            (278, SHORT, [HEIGHT]),
            (279, LONG, [WIDTH * HEIGHT * samples]),
        ]
        merged = {entry[0]: entry for entry in [*usual, *tags]}
        entries = b""
        for tag, kind, value in sorted(merged.values()):
            size = {SHORT: "H", LONG: "I", BYTE: "B"}.get(kind)
            data = value if isinstance(value, bytes) else struct.pack(f"{order}{len(value)}{size}", *value)
            field = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(f"{order}I", place(data))
            entries += struct.pack(f"{order}HHI", tag, kind, len(value)) + field
        return place(struct.pack(f"{order}H", len(merged)) + entries + struct.pack(f"{order}I", after))

    inner = [directory(tags) for tags in directories[1:]]
    first = directory([*directories[0], *([(330, LONG, inner)] if inner else [])])
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", first) + bytes(body)


def maker(name: str) -> tuple[int, int, bytes]:
    return (271, ASCII, name.encode() + b"\0")


THUMBNAIL, FILTER_ARRAY = (254, LONG, [1]), (262, SHORT, [32803])
RAW = {
    "Nikon NEF": tiff([[THUMBNAIL, maker("NIKON CORPORATION")], [THUMBNAIL], [FILTER_ARRAY]], order=">"),
    "Sony ARW": tiff([[THUMBNAIL, maker("SONY")], [FILTER_ARRAY]]),
    "DNG": tiff([[THUMBNAIL, maker("Apple"), (50706, BYTE, [1, 4, 0, 0])], [(262, SHORT, [34892])]]),
    "Canon CR2": tiff([[maker("Canon")]], gap=b"CR\x02\0\0\0\0\0"),
    "Pentax PEF": tiff([[maker("PENTAX Corporation"), FILTER_ARRAY]], order=">"),
    "Samsung SRW": tiff([[THUMBNAIL, maker("SAMSUNG")], [FILTER_ARRAY]]),
    "camera raw": tiff([[maker("Acme")], [FILTER_ARRAY]]),
    "Hasselblad 3FR": tiff([[THUMBNAIL, maker("Hasselblad")], [(262, SHORT, [2])]]),
    "Fujifilm RAF": b"FUJIFILMCCD-RAW 0201FF383501" + bytes(200),
    "Olympus ORF": b"IIRO\x08\0\0\0" + bytes(200),
    "Panasonic RW2": b"IIU\0\x18\0\0\0" + bytes(200),
    "Canon CR3": b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(200),
    "Canon CRW": b"II\x1a\0\0\0HEAPCCDR" + bytes(200),
}


@pytest.mark.parametrize("name", RAW)
def test_a_raw_file_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(UnreadablePhoto) as caught:
        photo_door.decode(RAW[name])
    assert caught.value.what.startswith(name)
    assert "a camera's raw file" in caught.value.what
    assert "JPEG" in caught.value.fix


@pytest.mark.parametrize("name", ["Nikon NEF", "Sony ARW", "DNG", "Canon CR2"])
def test_pillow_would_have_taken_the_thumbnail_for_the_photo(name: str) -> None:
    assert Image.open(io.BytesIO(RAW[name]), formats=("TIFF",)).size == (WIDTH, HEIGHT)


def plain(**options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(stream, "TIFF", **options)
    return stream.getvalue()


def pages() -> bytes:
    stream = io.BytesIO()
    small = Image.new("RGB", (10, 10))
    Image.new("RGB", (40, 30)).save(stream, "TIFF", save_all=True, append_images=[small])
    return stream.getvalue()


def of_a_camera() -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[271], tags[272] = "NIKON CORPORATION", "NIKON D90"
    return plain(tiffinfo=tags)


ORDINARY = {
    "plain": plain(),
    "packed": plain(compression="tiff_lzw"),
    "pages": pages(),
    "a camera's developed one": of_a_camera(),
    "pyramid": tiff([[(254, LONG, [0]), maker("SONY")], [THUMBNAIL], [THUMBNAIL]]),
    "pyramid of a scanner": tiff([[(254, LONG, [0])], [THUMBNAIL]], order=">"),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_tiff_is_read(name: str) -> None:
    assert photo_door.decode(ORDINARY[name]).pixels.shape[2] == 3


def test_damaged_directories_end_the_search_quickly() -> None:
    random = np.random.default_rng(0)
    for data in [*RAW.values(), *ORDINARY.values()]:
        for _ in range(60):
            spoiled = bytearray(data)
            for at in random.integers(0, min(len(data), 400), 4):
                spoiled[int(at)] = int(random.integers(0, 256))
            raw_format(bytes(spoiled))
            raw_format(bytes(spoiled[: int(random.integers(0, len(spoiled)))]))
    loop = struct.pack("<4sIHHHII", b"II*\0", 8, 1, 330, LONG, 1, 8)
    assert raw_format(loop) is None
