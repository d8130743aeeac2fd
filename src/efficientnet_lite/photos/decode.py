"""A photo's bytes -> upright RGB pixels; every failure is one `UnreadablePhoto` with its reason.

The only module that knows Pillow and simplejpeg; `heif` beside it reads HEIC. Formats are told by content, never by
the name; the size is judged from the header; the first frame counts; transparency is painted on white; there is no
color management; a file whose pixels are not all there is refused. Safe in many threads at once.
"""

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import (  # the plugins register themselves: without them, Pillow loads all of its formats
    AvifImagePlugin,  # noqa: F401
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from efficientnet_lite.errors import UnreadablePhoto, UsageError, printable
from efficientnet_lite.photos import heif, libtiff
from efficientnet_lite.photos.header import (
    FORMATS,
    MAGIC_BYTES,
    JpegHeader,
    bare_jpeg,
    format_of,
    is_jpeg,
    jpeg_header,
    orientation_of,
    other_format,
    scans,
    stands_in,
)
from efficientnet_lite.photos.pared import pared
from efficientnet_lite.photos.raw import raw_format
from efficientnet_lite.photos.tiff import Unfit
from efficientnet_lite.storage.quiet import quiet

try:
    import simplejpeg
except ImportError:  # no wheel for this platform: Pillow alone serves, slower
    simplejpeg = None

MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 2**20
MAX_JPEG_SCANS = 40  # real photos have ten; one costs up to 0.4 s at 100 megapixels, however few its bytes
_AT_ONCE = 2**20  # bytes that are searched for the marker of a scan at once
SEVERAL_FRAMES = "first of several frames"
OTHER_DECODER = "not decoded as the reference does: a rare kind of JPEG, or damaged"
DEVELOP = "develop it to JPEG or TIFF with the camera's program"
SHRINK_MARGIN = 2  # a shrunk decode keeps at least so many pixels for one of the final image

PillowImage = Image.Image
_loading = threading.Lock()  # an image reads its file at first use, and may stand twice in a list
_GRAY16_TO_8 = ((np.arange(65536) + 128) // 257).astype(np.uint8)  # white is 65535 = 257 * 255


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo.

    `pixels` is the upright photo at 1 / `scale` of its sides, rounded up: scaled pixel x covers the
    full pixels from x * scale on. `scale` is 1 unless `decode` was allowed to shrink.
    """

    pixels: NDArray[np.uint8]  # (height, width, 3), RGB, C-contiguous
    full_size: tuple[int, int]  # height and width of the upright photo as stored, pixels
    notes: tuple[str, ...] = ()  # what was left out or guessed: "first of several frames"
    scale: int = 1  # 1, 2, 4 or 8


def read_bytes(path: Path) -> bytes:
    """The content of a photo's file, at most 256 MB; never waits for a pipe or a device.

    Links are followed. Raises UnreadablePhoto where it is missing, no regular file, unreadable or larger.
    """
    try:
        _check_regular(path.stat(), path)  # first, since opening alone can act on a device
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            _check_regular(os.fstat(file.fileno()), path)  # the name may have changed hands meanwhile
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise UnreadablePhoto(
            f"it cannot be read: {reason}", where=path, fix="check it, or leave it out"
        ) from error
    return bounded_bytes(data, path)


def bounded_bytes(data: bytes, where: Path | str) -> bytes:
    """`data`, unless it is more than a photo may have. Raises UnreadablePhoto."""
    if len(data) > MAX_BYTES:
        raise _too_long(len(data), where)
    return data


def decode(data: bytes, *, where: Path | str = "photo", min_side: int | None = None) -> Photo:
    """The first picture in `data`, upright, in RGB, with the numbers as stored.

    Orientation comes from EXIF. Notes say what was left out or guessed.

    Args:
        data: the file's bytes, of any kind.
        where: the name for the error message.
        min_side: a promise to shrink the short side to at most so many pixels. A large JPEG is then
            decoded at 1/2, 1/4 or 1/8, with at least `SHRINK_MARGIN` times `min_side` pixels left,
            which takes a fraction of the time and memory. Measured on eight photos at five sizes of 1.6
            to 25 megapixels, chosen to leave just that margin: 240-pixel crops and squashes differ from
            those of the full decode by 0.34 gray levels on average (0.8 on the worst photo), 99.9 % of
            their values by at most 5, all by at most 10.

    Raises:
        UnreadablePhoto: whatever the bytes are; `what` is the reason in one line.
        ValueError: min_side is below 1.
    """
    if min_side is not None and min_side < 1:
        raise ValueError(f"min_side must be at least 1 pixel, got {min_side}")
    with _one_kind_of_error(data, where):
        if is_jpeg(data):
            return _decode_jpeg(data, min_side)
        if format_of(data[:MAGIC_BYTES]) == "HEIC":
            return _decode_heic(data)
        return _decode_with_pillow(data)


def decode_reference(data: bytes, *, where: Path | str = "photo") -> Photo:
    """The photo as TensorFlow's default JPEG decoder makes it, for comparison with the reference.

    A JPEG goes through the fast-integer DCT and stays as stored: like TensorFlow, this ignores EXIF
    orientation. A rare kind of JPEG (CMYK, arithmetic coding) is decoded by Pillow, and a note says so.
    Other formats are decoded as in `decode`.

    Raises UnreadablePhoto as `decode` does, and UsageError where simplejpeg is not installed.

    Source: tensorflow, core/lib/jpeg/jpeg_mem.cc; equal bit for bit on the reference's photos.
    """
    if not is_jpeg(data):
        return decode(data, where=where)
    if simplejpeg is None:
        raise UsageError(
            "the view `reference` needs simplejpeg, which is not installed",
            where=where,
            fix="pip install simplejpeg",
        )
    with _one_kind_of_error(data, where):
        header = _bounded_header(data)
        if header is None:
            raise _Refused("damaged or cut off before its pixels")
        pixels = _fast_jpeg(data, header, 1, fast_dct=True)
        if pixels is not None:
            return Photo(pixels, pixels.shape[:2])
        pixels = _slow_jpeg(data, header, 1)
        return Photo(pixels, pixels.shape[:2], (OTHER_DECODER,))


def from_pillow(image: PillowImage, *, where: Path | str = "photo") -> Photo:
    """An image that Pillow has opened or made, as `decode` gives the file that it was read from, at its full size.

    The frame that it stands at counts. Raises UnreadablePhoto.
    """
    with _one_kind_of_error(b"an image", where), quiet():
        _check_size(image.height, image.width)
        with _loading:
            image.load()
        pixels, notes = _rgb(image)
        exif = image.info.get("exif")
        orientation, note = orientation_of(exif if isinstance(exif, bytes) else None)
        pixels = _upright(pixels, orientation)
    return Photo(pixels, pixels.shape[:2], tuple(notes + ([note] if note else [])))


def on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA (height, width, 4) as RGB, what is transparent painted on white as it is in files."""
    return _rgb(Image.fromarray(pixels))[0]


def thumbnail(pixels: NDArray[np.uint8], side: int) -> bytes:
    """A small JPEG of a photo (height, width, 3), no side longer than `side` pixels; nothing is enlarged."""
    return _reduced(pixels, side, "JPEG", quality=80)


def small_picture(pixels: NDArray[np.uint8], side: int) -> bytes:
    """As `thumbnail`, a WebP of half the bytes, and of a third at 48 pixels: for pages that hold thousands."""
    return _reduced(pixels, side, "WEBP", quality=70, method=4)


def _reduced(pixels: NDArray[np.uint8], side: int, format: str, **options: int) -> bytes:
    image, stream = Image.fromarray(pixels), BytesIO()
    image.thumbnail((side, side), Image.Resampling.BICUBIC)
    image.save(stream, format, **options)
    return stream.getvalue()


def jpeg(pixels: NDArray[np.uint8], *, quality: int) -> bytes:
    """A photo (height, width, 3) as an RGB JPEG with halved color, like TensorFlow's own; `quality` is 1 to 100."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return stream.getvalue()


# ------------------------------------------------------------------------------------- JPEG


def _bounded_header(data: bytes) -> JpegHeader | None:
    """The header, if there is a whole one; refuses what would take too much memory or time to decode."""
    header = jpeg_header(data)
    if header is not None:
        _check_size(header.height, header.width)
        if _markers(data) > MAX_JPEG_SCANS and (count := scans(data, header)) > MAX_JPEG_SCANS:
            raise _Refused(f"{count:,} scans, more than the {MAX_JPEG_SCANS} that a photo may have")
    return header


def _markers(data: bytes) -> int:
    """How often the marker of a scan occurs, in the data behind the picture too: a quick look, without the lock."""
    found, view = 0, np.frombuffer(data, np.uint8)
    for start in range(0, len(view) - 1, _AT_ONCE):
        part = view[start : start + _AT_ONCE + 1]
        found += int(np.count_nonzero((part[:-1] == 0xFF) & (part[1:] == 0xDA)))
    return found


def _decode_jpeg(data: bytes, min_side: int | None) -> Photo:
    header = _bounded_header(data)
    if header is None:
        raise _Refused("damaged or cut off before its pixels")
    orientation, note = orientation_of(header.exif)
    notes = [note] if note else []
    if header.pictures > 1:
        notes.append(SEVERAL_FRAMES)
    if header.components == 4 and not header.adobe:
        notes.append("CMYK without a marker taken as inverted")

    scale = _jpeg_scale(header, orientation, min_side)
    pixels = _fast_jpeg(data, header, scale, fast_dct=False)
    if pixels is None:
        pixels = _slow_jpeg(data, header, scale)
    height, width = header.height, header.width
    full_size = (width, height) if orientation >= 5 else (height, width)
    return Photo(_upright(pixels, orientation), full_size, tuple(notes), scale)


def _jpeg_scale(header: JpegHeader, orientation: int, min_side: int | None) -> int:
    """The largest of 1, 2, 4, 8 by which the photo may be shrunk in decoding."""
    if min_side is None:
        return 1
    for scale in (8, 4, 2):
        # A turned photo has its partly filled last pixels on the wrong side, so there must be none.
        whole = orientation == 1 or header.height % scale == header.width % scale == 0
        if whole and min(header.height, header.width) // scale >= SHRINK_MARGIN * min_side:
            return scale
    return 1


def _fast_jpeg(data: bytes, header: JpegHeader, scale: int, *, fast_dct: bool) -> NDArray[np.uint8] | None:
    """The stored pixels by simplejpeg, equal to Pillow's bit for bit; None where Pillow must decide."""
    if simplejpeg is None or not header.plain:
        return None
    height, width = -(-header.height // scale), -(-header.width // scale)
    shrink = {"min_height": height, "min_width": width} if scale > 1 else {}
    pixels = np.empty((height, width, 3), np.uint8)  # ours, so that no other header can ask for more
    try:
        decoded = simplejpeg.decode_jpeg(
            data, "RGB", fastdct=fast_dct, fastupsample=False, buffer=pixels, strict=True, **shrink
        )
    except ValueError:  # any complaint of libjpeg, cut files and odd sampling included
        return None
    return pixels if decoded.shape == pixels.shape else None


def _slow_jpeg(data: bytes, header: JpegHeader, scale: int) -> NDArray[np.uint8]:
    with quiet(), Image.open(BytesIO(bare_jpeg(data, header)), formats=("JPEG",)) as image:
        if image.size != (header.width, header.height):
            raise _Refused("its header contradicts itself")
        if scale > 1:
            image.draft(None, (header.width // scale, header.height // scale))
        image.load()
        pixels, _ = _rgb(image)
    if pixels.shape[:2] != (-(-header.height // scale), -(-header.width // scale)):
        raise _Refused("its header contradicts itself")
    return pixels


# --------------------------------------------------------------------------- other formats


def _decode_heic(data: bytes) -> Photo:
    opened = heif.Opened(data)
    _check_size(opened.height, opened.width)
    picture = opened.load()
    image = Image.frombytes(picture.mode, picture.size, picture.data, "raw", picture.mode, picture.stride)
    pixels, notes = _rgb(image)
    return Photo(pixels, pixels.shape[:2], tuple(notes + [SEVERAL_FRAMES] * picture.several))


def _decode_with_pillow(data: bytes) -> Photo:
    if kind := raw_format(data):
        raise _Refused(f"{kind}, a camera's raw file, whose first picture is a thumbnail", DEVELOP)
    given, kind, several = pared(data)
    if kind == "TIFF":
        libtiff.silence(Path(Image.__file__).parent)
    formats = (
        [kind.upper()] if kind in FORMATS else []
    )  # the one that was looked at, not what Pillow takes it for
    with quiet(), Image.open(BytesIO(given), formats=formats) as image:
        _check_size(image.height, image.width)
        if several is None:
            several = bool(getattr(image, "is_animated", False))
        image.load()
        pixels, notes = _rgb(image)
        # Not there for TIFF, whose reader turns the photo itself; a second time would be wrong.
        orientation, note = orientation_of(image.info.get("exif"))
    notes += [note] if note else []
    notes += [SEVERAL_FRAMES] if several else []
    pixels = _upright(pixels, orientation)
    return Photo(pixels, pixels.shape[:2], tuple(notes))


def _rgb(image: Image.Image) -> tuple[NDArray[np.uint8], list[str]]:
    """A loaded image as (height, width, 3), and notes."""
    if image.mode.startswith("I;16"):
        return _gray16(image), ["16-bit gray reduced to 8 bits"]
    if image.mode in ("I", "F"):
        raise _Refused("numbers of 32 bits: nothing says which one is white")
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        alpha = layers.getchannel("A")
        if alpha.getextrema() != (255, 255):
            canvas = Image.new("RGB", image.size, "white")
            canvas.paste(layers, mask=alpha)
            return np.array(canvas), ["transparency painted on white"]
        image = layers
    return np.array(image if image.mode == "RGB" else image.convert("RGB")), []


def _gray16(image: Image.Image) -> NDArray[np.uint8]:
    values = np.asarray(image)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits, white_is_zero = image.tag_v2.get(258), image.tag_v2.get(262) == 0
        if bits != (16,):
            raise _Refused(f"gray of {bits} bits")
        if white_is_zero:  # Pillow inverts 8 bits, not 16
            values = np.uint16(65535) - values
    return np.repeat(_GRAY16_TO_8[values][..., None], 3, axis=2)


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The stored pixels turned and mirrored as EXIF says, C-contiguous."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


# ------------------------------------------------------------------- errors and warnings


class _Refused(Exception):
    """A reason of our own, on its way to `_one_kind_of_error`, and what to do."""

    def __init__(self, reason: str, fix: str = "leave it out, or save it again as JPEG") -> None:
        super().__init__(reason)
        self.fix = fix


@contextmanager
def _one_kind_of_error(data: bytes, where: Path | str) -> Iterator[None]:
    """Turn whatever a decoder raises, of which OSError is only the commonest, into UnreadablePhoto."""
    try:
        yield
    except Exception as error:
        reason, fix = _reason(error, data)
        raise UnreadablePhoto(reason, where=where, fix=fix) from error


def _reason(error: Exception, data: bytes) -> tuple[str, str]:
    """What is wrong, in one line, and what to do."""
    fix = "leave it out, or save it again as JPEG"
    if isinstance(error, _Refused):
        return str(error), error.fix
    if isinstance(error, Unfit):
        return str(error), fix
    if isinstance(error, heif.NotInstalled):
        return heif.MISSING, "install it, or convert the photo to JPEG"
    if not data:
        return "the file is empty", "copy it again, or leave it out"
    if isinstance(error, UnidentifiedImageError):
        if standing := stands_in(data):
            return f"{standing[0]}, not the photo itself", standing[1]
        known = f"no {', '.join(FORMATS)} or HEIC file"
        if other := other_format(data):
            return f"{other}, {known}", fix
        return f"{known}, or damaged from its first bytes", fix
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MAX_PIXELS // 10**6} megapixels", "make it smaller, or leave it out"
    if isinstance(error, MemoryError):
        return "too little memory to decode it", "make it smaller, or leave it out"
    if format_of(data[:MAGIC_BYTES]) == "HEIC":
        return (
            f"HEIC, damaged or cut off: {printable(str(error))[:200]}",
            "leave it out, or convert it to JPEG",
        )
    return f"damaged or cut off: {printable(str(error) or type(error).__name__)[:200]}", fix


def _check_size(height: int, width: int) -> None:
    if min(height, width) < 1 or height * width > MAX_PIXELS:
        limit = f"more than {MAX_PIXELS // 10**6} megapixels" if height * width else "which is no picture"
        raise _Refused(f"{width} x {height} pixels, {limit}")


def _check_regular(status: os.stat_result, path: Path) -> None:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    if not stat.S_ISREG(status.st_mode):
        kind = kinds.get(stat.S_IFMT(status.st_mode), "a device")
        fix = "give the photos in it" if kind == "a folder" else "leave it out"
        raise UnreadablePhoto(f"it is {kind}, no file", where=path, fix=fix)
    if status.st_size > MAX_BYTES:
        raise _too_long(status.st_size, path)


def _too_long(size: int, where: Path | str) -> UnreadablePhoto:
    reason = f"at least {size:,} bytes, more than a photo may have ({MAX_BYTES:,})"
    return UnreadablePhoto(reason, where=where, fix="make it smaller, or leave it out")
