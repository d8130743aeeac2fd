"""What the header of a photo says, read without decoding a pixel: JPEG segments, EXIF orientation.

Every byte may come from an attacker: reads are bounded, no offset is followed twice, and damage ends
in None or a note. Pure.

Source: ITU-T T.81, annex B (JPEG markers); CIPA DC-008, 4.6 (EXIF), DC-007, 5 (MPO).
"""

import re
import struct
from dataclasses import dataclass

from efficientnet_lite.photos import tiff

MAX_SEGMENTS = 10_000  # real photos have tens, or hundreds with a large profile

_ORIENTATION, _NUMBER_OF_IMAGES = 0x0112, 0xB001  # tags
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")  # what can follow compressed data, restarts left out


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What stands in a JPEG before its first scan."""

    height: int  # as stored, pixels; 0 is possible
    width: int
    components: int
    plain: bool  # 8 bits, gray or three colors, Huffman coding, baseline or progressive
    exif: bytes | None
    pictures: int  # in this file, as its MPO index says
    adobe: bool  # has the marker that says how colors are stored
    first_scan: int  # offset of its marker in the file


def is_jpeg(data: bytes) -> bool:
    return data[:3] == b"\xff\xd8\xff"


def jpeg_header(data: bytes) -> JpegHeader | None:
    """The header of the JPEG in `data`, or None where there is no whole one."""
    frame, exif, pictures, adobe, at = None, None, 1, False, 2
    for _ in range(MAX_SEGMENTS):
        at = data.find(b"\xff", at)  # decoders skip what is between segments, too
        if at < 0 or at + 4 > len(data):
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD7:  # these stand alone, without a length
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if marker == _START_OF_SCAN and frame:
            kind, bits, height, width, components = frame
            plain = kind in (_BASELINE, _EXTENDED, _PROGRESSIVE) and bits == 8 and components in (1, 3)
            return JpegHeader(height, width, components, plain, exif, pictures, adobe, at)
        if marker in _FRAME_MARKERS and frame is None and len(body) >= 6:
            frame = marker, *struct.unpack(">BHHB", body[:6])
        elif marker == 0xE1 and exif is None and body.startswith(b"Exif\0"):
            exif = body
        elif marker == 0xE2 and body.startswith(b"MPF\0"):
            pictures = _pictures(body[4:])
        elif marker == 0xEE and body.startswith(b"Adobe"):
            adobe = True
        at += 2 + max(length, 2)
    return None


def bare_jpeg(data: bytes, header: JpegHeader) -> bytes:
    """The same JPEG without EXIF, indexes of further pictures, profiles and comments: nothing but what decoding needs.

    Of what programs add, JFIF and Adobe stay, which say how colors are stored.
    """
    kept, at = [data[:2]], 2
    while at < header.first_scan:
        at = data.find(b"\xff", at)
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD7:
            at += 2
            continue
        end = at + 2 + max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or marker in (0xE0, 0xEE):
            kept.append(data[at:end])
        at = end
    return b"".join((*kept, memoryview(data)[header.first_scan :]))


def scans(data: bytes, header: JpegHeader) -> int:
    """How many times a decoder must go through the picture, as far as `MAX_SEGMENTS` segments show.

    A progressive photo has about ten scans. A scan takes time for every block of the picture, but a
    few bytes can be enough for it, so that a small file can keep a decoder busy for hours.
    """
    count, at = 0, header.first_scan
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None or data[found.end() - 1] == _END_OF_IMAGE:
            break
        count += data[found.end() - 1] == _START_OF_SCAN
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return count


def orientation_of(exif: bytes | None) -> tuple[int, str | None]:
    """The EXIF orientation, 1 to 8, and what to say about it.

    It is 1 where there is no EXIF, none that can be read (the note says so), or a value without meaning.
    """
    if not exif:
        return 1, None
    try:
        found = _first_number(exif.removeprefix(b"Exif\0\0"), _ORIENTATION)
    except struct.error:
        return 1, "unreadable EXIF"
    return found if found is not None and 1 <= found <= 8 else 1, None


def _pictures(index: bytes) -> int:
    try:
        return _first_number(index, _NUMBER_OF_IMAGES) or 1
    except struct.error:
        return 1


def _first_number(block: bytes, tag: int) -> int | None:
    """The number under `tag` in the first directory of a TIFF block; None where there is no such number.

    Raises struct.error where the block is no TIFF or ends within the directory. The only offset
    followed is the one to the directory.
    """
    form = tiff.form_of(block)
    if form is None:
        raise struct.error("no TIFF block")
    found = tiff.directory(block, form, form.first)
    for entry in found.entries:
        if entry.tag == tag:
            return tiff.single(block, form, entry)
    if found.cut:
        raise struct.error("it ends within its directory")
    return None


# ---------------------------------------------------------------------------- which format

# Those that are read without an extra, as people write them; HEIC is the other one.
FORMATS = ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "AVIF")
AS_FORMATS = f"give photos as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
MAGIC_BYTES = 64  # of a file's beginning suffice for `format_of`
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # lengths of what follows its first 14 bytes
HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))


def format_of(head: bytes) -> str | None:
    """The format that a file's first bytes tell, of those that are read: "JPEG", "HEIC", ...; None: no photo.

    Camera raw files pass for what they are built like, mostly "TIFF".
    """
    if is_jpeg(head):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if brands := brands_of(head):
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & HEIC_BRANDS or brands & {b"mif1", b"msf1"}:
            return "HEIC"
    return None


def brands_of(head: bytes) -> frozenset[bytes]:
    """The brands of an ISO base media file, such as HEIC, AVIF and films; empty for another file."""
    if head[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(head[:4], "big"), MAGIC_BYTES, len(head))
    return frozenset((head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))))


_STANDING_IN = (  # files under a photo's name that only stand for it, or were saved in its place
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the photos: git lfs pull"),
    (b"/annex/objects/", "a pointer of git-annex", "fetch the photos: git annex get"),
    (b"<!doctype html", "a web page", "download it again, or leave it out"),
    (b"<html", "a web page", "download it again, or leave it out"),
)


_OTHER_FORMATS = (  # pictures and else that photos are mistaken for, which are not read
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "a Photoshop document"),
    (b"gimp xcf", "a GIMP document"),
    (b"%PDF-", "a PDF document"),
    (b"%!PS", "PostScript"),
    (b"<svg", "an SVG drawing"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"DDS ", "a DDS texture"),
    (b"\0\0\x01\0", "an icon"),
    (b"\x1aE\xdf\xa3", "a film, Matroska"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\0\x05\x16\x07", "a sidecar of macOS, AppleDouble"),
    (b"{", "a JSON text"),
    (b"<?xml", "an XML text"),
)
_FILMS = frozenset((b"qt  ", b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"M4V ", b"3gp4", b"3gp5", b"3gp6"))


def other_format(data: bytes) -> str | None:
    """What a file is that is no photo of a format that is read; None where its first bytes do not tell."""
    if data[128:132] == b"DICM":
        return "a DICOM picture"
    if data[4:8] == b"ftyp" and data[8:12] in _FILMS:
        return "a film"
    return next((name for magic, name in _OTHER_FORMATS if data.startswith(magic)), None)


def stands_in(data: bytes) -> tuple[str, str] | None:
    """What lies under a photo's name in its place, and what to do; None where it is nothing that is known."""
    start = data[:MAGIC_BYTES].lstrip().lower()
    return next(((what, fix) for magic, what, fix in _STANDING_IN if start.startswith(magic)), None)
