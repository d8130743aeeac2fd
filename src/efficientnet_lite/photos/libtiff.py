"""libtiff inside of Pillow, which writes its complaints of a damaged file to stderr by itself."""

import ctypes
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def silence(pillow: Path) -> None:
    """Let the libtiff that the package folder `pillow` brings say nothing; its errors come as exceptions all the same.

    For the whole process, since libtiff has one handler. Where it is linked in, as on Windows, it goes on.
    """
    for library in (*pillow.parent.glob("pillow.libs/libtiff*"), *pillow.glob(".dylibs/libtiff*")):
        with suppress(OSError, AttributeError):
            handler = ctypes.CDLL(str(library)).TIFFSetErrorHandler
            handler.restype, handler.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            handler(None)
