"""Paths on stdin, one after another as they come: one a line, or each ended by a NUL as `find -print0` writes them."""

import errno
import os
import sys
from collections.abc import Iterator

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.plaintext import BOM, plain_lines

CHUNK_BYTES = 1 << 16
MAX_PATH_BYTES = 1 << 16  # no system takes as many
_FIX = "send it through a pipe, or give the paths as arguments"


def paths_on_stdin() -> Iterator[str]:
    """The paths; what an editor puts around lines is taken off. The first 64 KiB tell what ends one.

    Raises UnusableInput where stdin cannot be read, is UTF-16, or has a path that no system takes.
    """
    chunk = _read()
    try:
        plain_lines(chunk[:4])
    except ValueError as error:
        raise UnusableInput(f"the list of paths: {error}", where="stdin", fix="write it in UTF-8") from error
    end, begun = (b"\0" if b"\0" in chunk else b"\n"), b""
    while chunk:
        *whole, begun = (begun + chunk).split(end)
        yield from filter(None, (_path(each, end) for each in whole))
        if len(begun) > MAX_PATH_BYTES:
            raise _no_path(f"more than {MAX_PATH_BYTES:,} bytes without an end")
        chunk = _read()
    if last := _path(begun, end):
        yield last


def _path(part: bytes, end: bytes) -> str:
    bare = part.removeprefix(BOM)  # files are also joined
    if end == b"\n":
        bare = bare.rstrip(b"\0").removesuffix(b"\r")
    if b"\0" in bare:
        raise _no_path("a NUL character")
    return os.fsdecode(bare)


def _no_path(has: str) -> UnusableInput:
    return UnusableInput(
        f"the list of paths: one of them has {has}", where="stdin", fix="give one path a line"
    )


def _read() -> bytes:
    try:
        if sys.stdin is None:  # closed by who started this process
            raise OSError(errno.EBADF, "it is closed")
        return sys.stdin.buffer.read(CHUNK_BYTES)
    except OSError as error:
        raise UnusableInput(
            f"the list of paths cannot be read: {error.strerror or error}", where="stdin", fix=_FIX
        ) from error
