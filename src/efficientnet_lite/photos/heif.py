"""HEIC, as iPhones write it: the only module that knows pillow-heif, of the extra `heif`.

It is not registered with Pillow, so nothing else opens such files. libheif turns and mirrors the picture itself
(irot, imir); the EXIF orientation beside them says the same again and must not count twice.

Source: ISO/IEC 23008-12, 6.5.10 and 6.5.12; annex A.2.1 (EXIF is information only).
"""

import threading
from dataclasses import dataclass
from io import BytesIO

MISSING = "HEIC, and the extra heif is not installed: pip install 'efficientnet-lite[heif]'"

# A thread that comes while the import fails in another one would get half a module, and no ImportError.
_importing = threading.Lock()


class NotInstalled(Exception):
    """pillow-heif is not there."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The primary picture of a file, upright."""

    mode: str  # as Pillow names it: "L", "RGB", "RGBA", ...
    size: tuple[int, int]  # width and height
    data: bytes
    stride: int  # bytes of a line
    several: bool  # whether the file holds others


class Opened:
    """A file whose header was read; nothing is decoded before `load`."""

    def __init__(self, data: bytes) -> None:
        """Raises NotInstalled, or whatever pillow-heif raises where the file is damaged."""
        try:
            with _importing:
                import pillow_heif
        except ImportError as error:
            raise NotInstalled from error
        self._file = pillow_heif.open_heif(BytesIO(data), convert_hdr_to_8bit=True)
        self.width, self.height = self._file.size

    def load(self) -> Picture:
        """Decode the primary picture, with 8 bits a value; libheif refuses one that is larger than its header says."""
        primary = self._file[self._file.primary_index]
        data = bytes(primary.data)
        return Picture(primary.mode, primary.size, data, primary.stride, len(self._file) > 1)
