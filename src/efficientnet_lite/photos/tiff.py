"""Directories of TIFF files: in photos, in their EXIF blocks, and behind the names of camera raw files. Pure.

What a decoder is handed is the first picture with the tags that its pixels need, written anew (`pared`). So nothing
that a stranger wrote beside them is parsed: no data that a thousand tags share, no directory that leads to itself, no
tag given twice, of which one library takes the first and another the last. Reads are bounded by the file's own length.

Source: TIFF 6.0, section 2 and the tags' own pages; BigTIFF as libtiff describes it; TechNote 2 (JPEG in TIFF).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from efficientnet_lite.errors import bounded

MOST_PIECES = 2**17  # strips or tiles of a picture, bands that lie apart counted each; a row each is common
MOST_TILE_PIXELS = 2**22  # of a tile that is larger than its picture
MOST_BANDS = 6  # that a decoder takes
_BYTE, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _LONG8 = 1, 3, 4, 5, 7, 16
_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_CODES = {_BYTE: "B", _SHORT: "H", _LONG: "I", 13: "I", _LONG8: "Q", 18: "Q"}  # of whole numbers, by type

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _BANDS, _ROWS, _STRIP_BYTES, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_COLORS, _OLD_JPEG, _YCBCR, _APART = 320, 6, 6, 2
# Tag -> the most values that it may have. 266 order of bits, 274 orientation, 292 and 293 fax, 317 predictor,
# 338 and 339 what bands are, 347 tables of JPEG, 512 to 521 JPEG of old, 529 to 532 how YCbCr is meant.
_NEEDED = {
    **dict.fromkeys(
        (WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC, 266, 274, _BANDS, _ROWS, _PLANAR, 292, 293, 317), 1
    ),
    **dict.fromkeys((_TILE_WIDTH, _TILE_HEIGHT, 512, 513, 514, 515, 531), 1),
    **dict.fromkeys((BITS, 338, 339, 517, 518, 519, 520, 521), 8),
    _COLORS: 3 * 2**16,
    347: 2**20,
    529: 3,
    530: 2,
    532: 6,
    **dict.fromkeys((_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES), MOST_PIECES),
}
_PIECES = frozenset((_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES))
_OFFSETS = frozenset((_STRIPS, _TILES, 513, 519, 520, 521))
_KINDS = {
    347: (_BYTE, _UNDEFINED),
    529: (_RATIONAL,),
    532: (_RATIONAL, _LONG, _SHORT),
}  # others: whole numbers


class Unfit(ValueError):
    """Why the first picture is not handed to a decoder, in a few words."""


@dataclass(frozen=True, slots=True)
class TiffForm:
    """How numbers are written in a file."""

    order: str  # "<" or ">", of `struct`
    big: bool  # BigTIFF: offsets and counts of 8 bytes
    first: int  # offset of the first directory

    @property
    def entry(self) -> struct.Struct:
        """Tag, type, count, and the values or their offset."""
        return struct.Struct(f"{self.order}HHQ8s" if self.big else f"{self.order}HHI4s")

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(f"{self.order}{'Q' if self.big else 'I'}")

    @property
    def count(self) -> struct.Struct:
        """Of the entries of a directory."""
        return struct.Struct(f"{self.order}{'Q' if self.big else 'H'}")


class TiffTag(NamedTuple):
    """A tag as it stands in a directory; what it holds is still to be read."""

    tag: int
    kind: int
    values: int
    field: bytes


class Part(NamedTuple):
    """A tag to be written."""

    tag: int
    kind: int
    values: int
    held: bytes | list[int]  # as it stands in the file; offsets, which move, as numbers


class Directory(NamedTuple):
    entries: list[TiffTag]
    following: int | None  # offset of the next one, 0: none; None where the file ends before it
    cut: bool  # the file ends within its entries


def form_of(data: bytes) -> TiffForm | None:
    """How the TIFF file or EXIF block in `data` is written; None where it is none."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return None
    (magic,) = struct.unpack_from(f"{order}H", data, 2)
    if magic == 42:
        return TiffForm(order, False, *struct.unpack_from(f"{order}I", data, 4))
    if magic == 43 and len(data) >= 16 and struct.unpack_from(f"{order}HH", data, 4) == (8, 0):
        return TiffForm(order, True, *struct.unpack_from(f"{order}Q", data, 8))
    return None


def directory(data: bytes, form: TiffForm, at: int, *, most: int = 2**16) -> Directory:
    """The directory at an offset: its first `most` entries, of those that the file holds whole.

    Raises struct.error where the file ends before its count.
    """
    if at > len(data):
        raise struct.error("a directory lies behind the end")
    (count,) = form.count.unpack_from(data, at)
    begin, size = at + form.count.size, form.entry.size
    there = min(count, most, (len(data) - begin) // size)
    entries = [TiffTag(*form.entry.unpack_from(data, begin + size * number)) for number in range(there)]
    end = begin + size * count
    following = form.offset.unpack_from(data, end)[0] if end + form.offset.size <= len(data) else None
    return Directory(entries, following, cut=end > len(data))


def content(data: bytes, form: TiffForm, entry: TiffTag, *, most: int) -> bytes:
    """The bytes of an entry's first `most` values; fewer where the file ends, none of an unknown type."""
    size = _BYTES.get(entry.kind, 0)
    length = size * min(entry.values, most)
    if size * entry.values <= len(entry.field):
        return entry.field[:length]
    (offset,) = form.offset.unpack(entry.field)
    return data[offset : offset + length]


def numbers(data: bytes, form: TiffForm, entry: TiffTag, *, most: int) -> list[int]:
    """The first `most` values of an entry of whole numbers; none of another type."""
    code = _CODES.get(entry.kind)
    if code is None:
        return []
    found = content(data, form, entry, most=most)
    size = _BYTES[entry.kind]
    return [
        value for (value,) in struct.iter_unpack(f"{form.order}{code}", found[: len(found) // size * size])
    ]


def single(data: bytes, form: TiffForm, entry: TiffTag) -> int | None:
    """The value of an entry that has one and is a short or long number."""
    if entry.kind not in (_SHORT, _LONG) or entry.values != 1:
        return None
    return numbers(data, form, entry, most=1)[0]


# -------------------------------------------------------------------- the first picture alone


def pared(data: bytes) -> tuple[bytes, bool]:
    """The file with one directory, of the tags that the first picture's pixels need; and whether it has more.

    Of a tag that is given twice the first counts, as for libtiff.

    Raises:
        Unfit: it cannot be told from the directory what there is to decode, or that is more than the file can hold.
    """
    form = form_of(data)
    if form is None:
        raise Unfit("no TIFF header that can be read")
    try:
        found = directory(data, form, form.first)
    except struct.error as error:
        raise Unfit("its directory is not there") from error
    tags: dict[int, TiffTag] = {}
    for entry in found.entries:
        if entry.tag in _NEEDED and entry.values:
            tags.setdefault(entry.tag, entry)
    pieces = _check(data, form, tags)
    return _written(data, form, list(_parts(data, form, tags, pieces))), bool(found.following)


def _check(data: bytes, form: TiffForm, tags: dict[int, TiffTag]) -> int:
    """How many strips or tiles the picture has.

    Raises Unfit where they and the picture contradict each other, or decoding would take more than they are worth.
    """

    def one(tag: int, otherwise: int) -> int:
        return next(iter(numbers(data, form, tags[tag], most=1) if tag in tags else ()), otherwise)

    width, height = one(WIDTH, 0), one(HEIGHT, 0)
    if not (0 < width < 2**31 and 0 < height < 2**31):
        raise Unfit("its size is not given")
    bands, apart = one(_BANDS, 1), one(_PLANAR, 1) == _APART
    photometric, compression = one(PHOTOMETRIC, 0), one(COMPRESSION, 1)
    if not 1 <= bands <= MOST_BANDS:
        raise Unfit(f"{bands:,} bands")
    if compression == _OLD_JPEG and photometric != _YCBCR:
        raise Unfit("JPEG of the old kind in other colors than its own")
    if apart and bands > 1 and photometric in (0, 1, 3):
        raise Unfit("gray or a palette, and other bands apart from it")
    tiled = _TILES in tags and _STRIPS not in tags
    if tiled:
        across, down = one(_TILE_WIDTH, 0), one(_TILE_HEIGHT, 0)
        if not (across and down) or across * down > max(width * height, MOST_TILE_PIXELS):
            raise Unfit(f"tiles of {across} x {down} pixels in a picture of {width} x {height}")
    else:
        across, down = width, min(one(_ROWS, height) or height, height)
    pieces = -(-width // across) * -(-height // down) * (bands if apart else 1)
    if pieces > MOST_PIECES:
        raise Unfit(f"{pieces:,} strips or tiles, more than {MOST_PIECES:,}")
    places, lengths = (_TILES, _TILE_BYTES) if tiled else (_STRIPS, _STRIP_BYTES)
    if places in tags and tags[places].values < pieces:
        raise Unfit(f"{tags[places].values:,} strips or tiles of {pieces:,}")
    if lengths in tags:
        total = sum(numbers(data, form, tags[lengths], most=pieces))
        if compression != 1 and total > 2 * len(data) + 2**16:
            raise Unfit(bounded(f"{total:,} bytes in strips or tiles, in a file of {len(data):,}"))
    return pieces


def _parts(data: bytes, form: TiffForm, tags: dict[int, TiffTag], pieces: int) -> Iterator[Part]:
    """What the tags hold, in their order; a tag without whole content is left out."""
    for tag, entry in sorted(tags.items()):
        if entry.kind not in _KINDS.get(tag, tuple(_CODES)):
            continue
        most = min(entry.values, pieces if tag in _PIECES else _NEEDED[tag])
        if tag in _OFFSETS:
            places = numbers(data, form, entry, most=most)
            if len(places) == most:
                yield Part(tag, entry.kind, most, places)
            continue
        found = content(data, form, entry, most=most)
        if len(found) == most * _BYTES[entry.kind]:
            yield Part(tag, entry.kind, most, found)


def _written(data: bytes, form: TiffForm, parts: list[Part]) -> bytes:
    """A header, a directory of `parts`, and all of `data` behind it, so that what it lacks at its end stays lacking."""
    header, inline = (16, 8) if form.big else (8, 4)
    kind, widest = (_LONG8, 2**64 - 1) if form.big else (_LONG, 2**32 - 1)
    at = header + form.count.size + form.entry.size * len(parts) + inline  # of what does not fit into entries
    lengths = [len(part.held) * (inline if isinstance(part.held, list) else 1) for part in parts]
    shift = at + sum(length + length % 2 for length in lengths if length > inline)
    shift += -shift % 16
    table, values = bytearray(form.count.pack(len(parts))), bytearray()
    for part in parts:
        held = part.held
        if isinstance(held, list):
            moved = [min(place + shift, widest) if place else 0 for place in held]
            held = struct.pack(f"{form.order}{len(moved)}{_CODES[kind]}", *moved)
        field = held
        if len(held) > inline:
            field = form.offset.pack(at + len(values))
            values += held + bytes(len(held) % 2)
        kept = kind if isinstance(part.held, list) else part.kind
        table += form.entry.pack(part.tag, kept, part.values, field.ljust(inline, b"\0"))
    start = data[: header - inline] + form.offset.pack(header) + table + bytes(inline) + values
    return b"".join((start.ljust(shift, b"\0"), data))
