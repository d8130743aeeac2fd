"""Files and addresses as streams of bytes, forwards, unpacked where gzip has packed them."""

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import BinaryIO, cast

from efficientnet_lite.addresses import is_address
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.features.sources.remote import RemoteFile
from efficientnet_lite.packers import PACKERS
from efficientnet_lite.storage import files

GZIP = b"\x1f\x8b"
FAULTS = (OSError, EOFError, zlib.error)  # of a stream
# Photos are packed already, tables of paths unfold to some tens of times their bytes, and a bomb to a thousand times.
MAX_UNFOLDED_BYTES, MAX_UNFOLDING = 256 * 2**20, 100


class _Unpacked(GzipFile):
    """What gzip has packed. Raises BadGzipFile where it is a bomb, which would take an hour for a gigabyte."""

    def __init__(self, packed: BinaryIO) -> None:
        super().__init__(fileobj=packed)
        self._packed = packed

    def read(self, size: int | None = -1) -> bytes:
        return self._judged(super().read(size))

    def readline(self, size: int | None = -1) -> bytes:
        return self._judged(super().readline(size))

    def _judged(self, data: bytes) -> bytes:
        unfolded = self.tell()
        if unfolded > MAX_UNFOLDED_BYTES and unfolded > MAX_UNFOLDING * self._packed.tell():
            raise BadGzipFile(f"gzip unfolds it to more than {MAX_UNFOLDING} times its bytes")
        return data


@contextmanager
def forwards(where: str) -> Iterator[BinaryIO]:
    """What lies there, from its first byte; gzip is unpacked as it is read. Errors while reading are of FAULTS.

    Raises UnusableInput where it cannot be opened, or is packed in another way.
    """
    with _opened(where) as file:
        try:
            first = file.peek(8)
        except OSError as error:
            raise unreadable(where, error) from error
        for magic, name in PACKERS.items():
            if first.startswith(magic):
                raise UnusableInput(
                    f"it is packed by {name}", where=where, fix="unpack it, or pack it by gzip"
                )
        if first.startswith(GZIP):
            with _Unpacked(file) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield cast(BinaryIO, file)


def is_packed(where: str) -> bool:
    """Whether a local file is gzip, so that no byte of it can be had alone. Raises UnusableInput."""
    with _opened(where) as file:
        return file.peek(2).startswith(GZIP)


def unreadable(where: str, error: Exception) -> UnusableInput:
    """The error for what cannot be read."""
    said = getattr(error, "strerror", None) or error
    fix = "check the address" if is_address(where) else "check the file and its permissions"
    return UnusableInput(f"it cannot be read: {said}", where=where, fix=fix)


def span(path: str, start: int, length: int) -> bytes:
    """Bytes of a local file. Raises OSError, also where there are fewer."""
    with Path(path).open("rb", buffering=0) as file:
        file.seek(start)
        data = b""
        while len(data) < length and (more := file.read(length - len(data))):
            data += more
    if len(data) < length:
        raise OSError(f"{path} is shorter than it was")
    return data


def _opened(where: str) -> io.BufferedReader:
    if is_address(where):
        return io.BufferedReader(_remote(where), 1 << 18)
    if not files.is_file(where):
        raise UnusableInput(files.missing(Path(where), "file"), where=where, fix="check its spelling")
    try:
        return Path(where).open("rb")
    except OSError as error:
        raise unreadable(where, error) from error


def _remote(where: str) -> RemoteFile:
    try:
        return RemoteFile(where)
    except OSError as error:
        raise unreadable(where, error) from error
