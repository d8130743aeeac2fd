"""Photos that some versions of Pillow spend gigabytes or hours on, made by hand; see test_photo_files."""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SLONG = 1, 2, 3, 4, 5, 7, 9
SIZES = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1, SLONG: 4}
GRAY = {256: (LONG, [8]), 257: (LONG, [8]), 258: (SHORT, [8]), 259: (SHORT, [1]), 262: (SHORT, [1])}
ROWS = bytes(range(64))


def entry(order, big, tag, kind, values, extra, at):
    """One entry; what does not fit into it is appended to `extra`, which lies at `at`. (count, offset): shared data."""
    word = "Q" if big else "I"
    room = 8 if big else 4
    if isinstance(values, tuple):
        count, field = values[0], struct.pack(f"{order}{word}", values[1])
    else:
        held = values
        if isinstance(values, list):
            code = {BYTE: "B", SHORT: "H", LONG: "I", SLONG: "i"}[kind]
            held = struct.pack(f"{order}{len(values)}{code}", *values)
        count = len(held) // SIZES[kind]
        field = held.ljust(room, b"\0")
        if len(held) > room:
            field = struct.pack(f"{order}{word}", at + len(extra))
            extra += held
    return struct.pack(f"{order}HH{word}", tag, kind, count) + field


def tiff(tags, *, order="<", big=False, body=b"", following=0, first=None):
    """A TIFF file: header, `body` (from byte 16 on), values, one directory. `tags`: (tag, type, values), in order."""
    word, extra = "Q" if big else "I", bytearray()
    at = 16 + len(body)
    table = b"".join(entry(order, big, tag, kind, values, extra, at) for tag, kind, values in tags)
    directory = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags)) + table
    directory += struct.pack(f"{order}{word}", following)
    place = at + len(extra) if first is None else first
    magic = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}H", 43 if big else 42)
    header = magic + (struct.pack(f"{order}HHQ", 8, 0, place) if big else struct.pack(f"{order}I", place))
    return header.ljust(16, b"\0") + body + bytes(extra) + directory


def gray(*more, **changes):
    """A sound gray picture of 8 x 8 with further tags; keywords t257=... change one."""
    tags = dict(GRAY) | {273: (LONG, [16]), 278: (LONG, [8]), 279: (LONG, [64])}
    tags |= {int(name[1:]): value for name, value in changes.items() if name[0] == "t"}
    rows = [(tag, *held) for tag, held in tags.items() if held is not None]
    options = {name: value for name, value in changes.items() if name[0] != "t"}
    body = options.pop("body", b"")
    return tiff(sorted([*rows, *more], key=lambda row: row[0]), body=ROWS + body, **options)


def shared(count, length, *, kind=UNDEFINED, first=40000, offset=16 + 64):
    return [(first + number, kind, (length // SIZES[kind], offset)) for number in range(count)]


def with_segments(marker, contents):
    """A JPEG of four colors, which no quick decoder takes, with segments behind its first marker."""
    stream = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 4), np.uint8)
    Image.frombytes("CMYK", (32, 32), pixels.tobytes()).save(stream, "JPEG")
    data = stream.getvalue()
    parts = (struct.pack(">BBH", 0xFF, marker, len(each) + 2) + each for each in contents)
    return data[:2] + b"".join(parts) + data[2:]


def exif_block(tags):
    return tiff(tags, body=bytes(60_000))


def avif_with_exif(content):
    """An AVIF whose EXIF is `content`."""
    stream, place = BytesIO(), b"II*\0\x08\0\0\0".ljust(len(content), b"\0")
    Image.new("RGB", (16, 16), "red").save(stream, "AVIF", exif=place)
    data = stream.getvalue()
    assert data.count(place) == 1
    return data.replace(place, content)


def gif_with_comments(count):
    stream = BytesIO()
    Image.new("P", (4, 4)).save(stream, "GIF")
    data = stream.getvalue()
    blocks = (b"\xff" + b"c" * 255) * count
    at = 13 + 3 * 2 ** ((data[10] & 7) + 1) * (data[10] >> 7)
    return data[:at] + b"\x21\xfe" + blocks + b"\0" + data[at:]


def bmp_of_runs(width, height, runs):
    palette = bytes(4 * 256)
    start = 14 + 40 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return struct.pack("<2sIHHI", b"BM", start + len(runs), 0, 0, start) + header + palette + runs


def empty_blocks(length):
    """A deflate stream that says nothing for long, and then what a picture needs."""
    packer = zlib.compressobj(9)
    return b"\x78\x9c" + b"\0\0\0\xff\xff" * (length // 5) + packer.compress(ROWS)[2:] + packer.flush()


def bombs():
    """Name -> photo."""
    mega = bytes(2 * 10**6)
    exif_header = b"Exif\0\0"
    itself = gray(following=0)
    return {
        "tags that share their data": gray(*shared(8000, len(mega)), body=mega),
        "the same in BigTIFF": gray(*shared(8000, len(mega)), body=mega, big=True),
        "the same, big end first": gray(*shared(8000, len(mega)), body=mega, order=">"),
        "fractions that share their data": gray(*shared(3000, len(mega), kind=RATIONAL), body=mega),
        "a resolution of many fractions": gray(
            (282, RATIONAL, (250_000, 80)), (283, RATIONAL, (250_000, 80)), body=mega
        ),
        "tags that share, in an EXIF directory": gray(
            (34665, LONG, [16 + 64]), body=struct.pack("<H", 5000) + b"".join(
                struct.pack("<HHII", 36864 + number % 1000, UNDEFINED, 10**6, 16 + 64) for number in range(5000)
            ) + bytes(10**6),
        ),
        "directories that are their own": gray((330, LONG, [16 + 64]), (34665, LONG, [16 + 64]), (34853, LONG, [80]),
            body=struct.pack("<HHHIIHHIII", 2, 34665, LONG, 1, 80, 34853, LONG, 1, 80, 80)),
        "a directory that follows itself": itself[:-4] + struct.pack("<I", struct.unpack("<I", itself[4:8])[0]),
        "a million strips": gray(t257=(LONG, [10**6]), t278=(LONG, [1]), t273=(LONG, [16] * 10**6), t279=None),
        "strips without end for one row": gray(t257=(LONG, [1]), t278=(LONG, [1]), t256=(LONG, [10**7]),
            t273=(LONG, [16] * 10**6), t279=None, body=bytes(10**7)),
        "strips that share a long stream": gray(t259=(SHORT, [8]), t257=(LONG, [10**5]), t278=(LONG, [1]),
            t273=(LONG, [80] * 10**5), t279=(LONG, [3 * 10**6] * 10**5), body=empty_blocks(3 * 10**6)),
        "a tile of four gigabytes": gray(t273=None, t278=None, t279=None, t322=(LONG, [2**16]), t323=(LONG, [2**16]),
            t324=(LONG, [16]), t325=(LONG, [64]), t259=(SHORT, [8])),
        "a tile of less than nothing": gray(t273=None, t278=None, t279=None, t322=(SLONG, [-16]), t323=(SLONG, [-16]),
            t324=(LONG, [16]), t325=(LONG, [64])),
        "two widths": gray((256, LONG, [10**6])),
        "JPEG of the old kind in RGB tiles": gray(t258=(SHORT, [8, 8, 8]), t262=(SHORT, [2]), t277=(SHORT, [3]),
            t259=(SHORT, [6]), t273=None, t278=None, t279=None, t322=(LONG, [16]), t323=(LONG, [16]),
            t324=(LONG, [16]), t325=(LONG, [64])),
        "a profile of megabytes": gray((34675, UNDEFINED, (len(mega), 80)), (700, BYTE, (len(mega), 80)), body=mega),
        "EXIF of nothing but headers": with_segments(0xE1, [exif_header + exif_header * 10_000] * 60),
        "EXIF whose tags share their data": with_segments(
            0xE1, [exif_header + tiff(shared(3000, 25_000, kind=RATIONAL, first=1, offset=16), body=bytes(25_000))]
        ),
        "EXIF in many segments": with_segments(
            0xE1, [exif_header + part for part in pieces(tiff(shared(5000, 10**6, first=1, offset=16), body=mega))]
        ),
        "an index of pictures whose tags share": with_segments(
            0xE2, [b"MPF\0" + tiff(shared(3000, 25_000, kind=RATIONAL, first=1, offset=16), body=bytes(25_000))]
        ),
        "AVIF, EXIF of nothing but headers": avif_with_exif(exif_header * 300_000 + b"II*\0\x08\0\0\0\0\0"),
        "AVIF, EXIF whose tags share": avif_with_exif(tiff(shared(5000, 10**6, first=1, offset=16), body=bytes(10**6))),
        "comments of a GIF": gif_with_comments(150_000),
        "runs that skip rows": bmp_of_runs(2 * 10**7, 4, b"\0\x02\xff\xff" * 10),
        "runs that end rows": bmp_of_runs(10**8, 1, b"\0\0" * 10**6),
    }  # fmt: skip


def pieces(data, size=65_000):
    return [data[at : at + size] for at in range(0, len(data), size)]
