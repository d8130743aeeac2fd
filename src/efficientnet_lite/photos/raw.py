"""Camera raw files, told by their first bytes and tags. Pure.

Most are TIFF files whose first picture is a thumbnail: a decoder of TIFF takes that for the photo. Offsets come from
strangers: few directories are read, each once, and damage ends the search.

Source: TIFF 6.0, section 2; TIFF/EP (ISO 12234-2), 5.1 (NewSubfileType, SubIFDs, color filter arrays); DNG 1.7,
chapters 2 and 4.
"""

import struct
from collections.abc import Iterator

from efficientnet_lite.photos import tiff
from efficientnet_lite.photos.header import brands_of

MAX_DIRECTORIES, MAX_ENTRIES = 12, 1000  # real files have up to six, of up to a hundred entries

_MAGICS = (
    (b"FUJIFILMCCD-RAW", "Fujifilm RAF"),
    (b"IIRO", "Olympus ORF"),
    (b"IIRS", "Olympus ORF"),
    (b"MMOR", "Olympus ORF"),
    (b"IIU\0", "Panasonic RW2"),
    (b"\0MRM", "Minolta MRW"),
    (b"FOVb", "Sigma X3F"),
    (b"II\x1a\0\0\0HEAPCCDR", "Canon CRW"),
)
_MAKERS = {  # how the maker's name begins, in lower case -> what its files are called
    "nikon": "Nikon NEF",
    "sony": "Sony ARW",
    "canon": "Canon raw",
    "pentax": "Pentax PEF",
    "ricoh": "Pentax PEF",
    "samsung": "Samsung SRW",
    "leica": "Leica RWL",
    "hasselblad": "Hasselblad 3FR",
    "seiko": "Epson ERF",
    "kodak": "Kodak DCR",
    "eastman": "Kodak DCR",
    "mamiya": "Mamiya MEF",
    "leaf": "Leaf MOS",
    "phase": "Phase One IIQ",
}
_SUBFILE, _PHOTOMETRIC, _MAKE, _SUBDIRECTORIES, _DNG = 254, 262, 271, 330, 50706
_FILTER_ARRAY, _LINEAR_RAW = 32803, 34892  # meanings of the photometric tag
_REDUCED = 1  # a bit of NewSubfileType
_MATTER = (_SUBFILE, _PHOTOMETRIC, _MAKE, _SUBDIRECTORIES, _DNG)
_TEXT = 2  # a type


def raw_format(data: bytes) -> str | None:
    """What kind of a camera's raw file this is, None for one that is none."""
    for magic, name in _MAGICS:
        if data.startswith(magic):
            return name
    if b"crx " in brands_of(data[:64]):
        return "Canon CR3"
    form = tiff.form_of(data)
    if form is None or form.big:
        return None
    if data[8:10] == b"CR":
        return "Canon CR2"
    if data[8:12] in (b"IIII", b"MMMM"):
        return "Phase One IIQ"
    return _raw_tiff(data, form)


def _raw_tiff(data: bytes, form: tiff.TiffForm) -> str | None:
    first: dict[int, list[int] | bytes] = {}
    for tags in _directories(data, form):
        first = first or tags
        if _DNG in tags:
            return "DNG"
        if _number(tags, _PHOTOMETRIC) in (_FILTER_ARRAY, _LINEAR_RAW):
            return _named(first) or "camera raw"
    thumbnail = _number(first, _SUBFILE) & _REDUCED and _SUBDIRECTORIES in first
    return _named(first) if thumbnail else None


def _named(tags: dict[int, list[int] | bytes]) -> str | None:
    make = tags.get(_MAKE, b"")
    text = make.decode("latin-1").strip("\0 ").lower() if isinstance(make, bytes) else ""
    return next((name for start, name in _MAKERS.items() if text.startswith(start)), None)


def _number(tags: dict[int, list[int] | bytes], tag: int) -> int:
    value = tags.get(tag)
    return value[0] if isinstance(value, list) and value else 0


def _directories(data: bytes, form: tiff.TiffForm) -> Iterator[dict[int, list[int] | bytes]]:
    """The tags that matter of the first directories, those within them included."""
    pending, seen = [form.first], set[int]()
    while pending and len(seen) < MAX_DIRECTORIES:
        at = pending.pop(0)
        if at in seen or not 8 <= at <= len(data) - 2:
            continue
        seen.add(at)
        try:
            found = tiff.directory(data, form, at, most=MAX_ENTRIES)
        except struct.error:
            continue
        tags = {entry.tag: _values(data, form, entry) for entry in found.entries if entry.tag in _MATTER}
        inner = tags.get(_SUBDIRECTORIES)
        pending += inner if isinstance(inner, list) else []
        pending += [found.following] if found.following else []
        yield tags


def _values(data: bytes, form: tiff.TiffForm, entry: tiff.TiffTag) -> list[int] | bytes:
    """Up to 64 bytes of a text, else up to 16 numbers."""
    if entry.kind == _TEXT:
        return tiff.content(data, form, entry, most=64)
    return tiff.numbers(data, form, entry, most=16)
