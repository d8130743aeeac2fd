"""A photo's file without what its pixels do not need, before a decoder opens it. Pure.

Decoders parse more than pixels: EXIF blocks, indexes of further pictures, comments. Some versions of them spend hours
or gigabytes on a few hostile bytes there. We read orientation and frames ourselves (`header`, `tiff`), so decoders get
neither. What cannot be cut out is bounded.

Source: the security notes of Pillow 13.0.0; GIF89a, 23 to 26; ISO/IEC 14496-12, 4.2 (boxes) and 8.11 (items).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from efficientnet_lite.photos import header, tiff

MOST_COMMENT_BYTES = 2**20  # of a GIF; joining them takes time by the square
MOST_RUN_PIXELS = 2**25  # of a BMP of run lengths, which a slow loop unpacks
_RUN_LENGTHS = (1, 2)  # of BMP's compressions
_COMMENT, _IMAGE, _EXTENSION, _END = 0xFE, 0x2C, 0x21, 0x3B
_HOLD_ITEMS = (b"meta", b"moov")  # boxes that say which items a file has


class Pared(NamedTuple):
    data: bytes
    kind: str | None  # of `header.FORMATS`; None for what is none of them
    several: bool | None  # whether there are more pictures; None: ask the decoder


def pared(data: bytes) -> Pared:
    """What a decoder gets of `data`. JPEGs have their own, `header.bare_jpeg`.

    Raises:
        tiff.Unfit: a decoder would take too much for it, or nothing tells what there is to decode.
    """
    kind = header.format_of(data[: header.MAGIC_BYTES])
    match kind:
        case "TIFF":
            alone, several = tiff.pared(data)
            return Pared(alone, kind, several)
        case "AVIF":
            return Pared(_without_exif(data), kind, None)
        case "GIF":
            _check_comments(data)
        case "BMP":
            _check_runs(data)
    return Pared(data, kind, None)


def _without_exif(data: bytes) -> bytes:
    """An AVIF file whose EXIF item has become one of no known kind; its orientation is a property beside it."""
    changed = None
    for kind, start, end in _boxes(data):
        if kind in _HOLD_ITEMS and data.find(b"Exif", start, end) >= 0:
            changed = changed or bytearray(data)
            changed[start:end] = data[start:end].replace(b"Exif", b"free")
    return data if changed is None else bytes(changed)


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of every box on the outside of an ISO base media file."""
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length == 1 and at + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, at + 8)
        end = at + length if length else len(data)
        if end < at + 8:
            return
        yield kind, at, min(end, len(data))
        at = end


def _check_comments(data: bytes) -> None:
    """Raises Unfit for a GIF with more text than anyone writes before its second picture."""
    at, total, pictures = 13 + _table(data, 10), 0, 0
    while at < len(data) and data[at] != _END and pictures < 2:
        kind = data[at]
        if kind == _EXTENSION:
            length, end = _blocks(data, at + 2)
            total += length if data[at + 1 : at + 2] == bytes([_COMMENT]) else 0
        elif kind == _IMAGE:
            pictures += 1
            _, end = _blocks(data, at + 11 + _table(data, at + 9))
        else:
            end = at + 1  # decoders look on for the next block
        if total > MOST_COMMENT_BYTES:
            raise tiff.Unfit(f"more than {MOST_COMMENT_BYTES:,} bytes of comments")
        at = end


def _table(data: bytes, at: int) -> int:
    """Bytes of the color table that the flags at `at` announce."""
    flags = data[at] if at < len(data) else 0
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(data: bytes, at: int) -> tuple[int, int]:
    """Bytes in a chain of blocks, each with its length before it, and where the chain ends."""
    total = 0
    while at < len(data) and (length := data[at]):
        total += length
        at += 1 + length
    return total, at + 1


def _check_runs(data: bytes) -> None:
    """Raises Unfit for a large BMP of run lengths, of which four bytes can skip 255 rows."""
    if len(data) < 34 or int.from_bytes(data[14:18], "little") < 40:
        return
    width, height = struct.unpack_from("<ii", data, 18)
    if (
        int.from_bytes(data[30:34], "little") in _RUN_LENGTHS
        and abs(width) * max(abs(height), 255) > MOST_RUN_PIXELS
    ):
        raise tiff.Unfit(f"run lengths in a bitmap of {width} x {abs(height)} pixels")
