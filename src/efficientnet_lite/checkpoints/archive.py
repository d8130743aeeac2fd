"""The TF1 checkpoint in a `.tar.gz` or `.tar`, as the original weights are published, read in memory.

Nothing is unpacked to the disk, so no member can be written anywhere. What an archive of weights
does not have (absolute paths, "..", links, devices) is refused all the same: such an archive is an
attack or a mistake, and the user should hear of it.
"""

import io
import tarfile
import zlib
from collections.abc import Callable
from gzip import GzipFile
from pathlib import Path, PurePosixPath
from typing import Self

from efficientnet_lite.checkpoints.tensors import MAX_CHECKPOINT_BYTES, damaged
from efficientnet_lite.errors import CheckpointError, printable

GZIP_MAGIC = b"\x1f\x8b"
TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257
MAX_UNPACKED_BYTES = 2 * MAX_CHECKPOINT_BYTES  # .meta and .tflite files lie beside the weights
MAX_MEMBERS = 1000  # published ones have 7
MAX_HEADER_BYTES = 64 * 2**10  # of a long name or a table of attributes
READ_BYTES = 2**20


def is_archive(data: bytes) -> bool:
    return data.startswith(GZIP_MAGIC) or data[TAR_MAGIC_AT:].startswith(TAR_MAGIC)


def read_archive(data: bytes, wanted: Callable[[str], bool], *, where: Path) -> dict[str, bytes]:
    """Path within the archive -> contents, for the files whose names (without folder) are `wanted`.

    Raises CheckpointError where the archive is damaged, is larger than MAX_UNPACKED_BYTES, or has a
    member that is no plain file or folder below it.
    """
    stream = _Bounded(GzipFile(fileobj=io.BytesIO(data)) if data.startswith(GZIP_MAGIC) else io.BytesIO(data))
    try:
        # The stream mode never goes back, so a compressed file is decompressed once.
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
            contents = _wanted_members(archive, wanted)
        while stream.read(READ_BYTES):  # to the end, where gzip has its checksum
            pass
        return contents
    except _Refused as refused:
        raise CheckpointError(
            f"the archive was not read: {refused}", where=where, fix="unpack it yourself if you trust it"
        ) from None
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise damaged(f"the archive cannot be read: {error}", where) from error
    except (ValueError, OverflowError, RecursionError) as error:  # wild numbers; headers upon headers
        raise damaged("the archive's headers make no sense", where) from error


class _Refused(Exception):
    """The archive is readable, but has what no archive of weights has."""


class _Bounded(io.BufferedIOBase):
    """A file that ends in a refusal when more than MAX_UNPACKED_BYTES have been read from it."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self.file, self.left = file, MAX_UNPACKED_BYTES

    def read(self, size: int | None = -1) -> bytes:
        chunk = self.file.read(size)
        self.left -= len(chunk)
        if self.left < 0:
            raise _Refused(f"it unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")
        return chunk


class _Member(tarfile.TarInfo):
    """A header that is judged before tarfile acts on it: it would read a long name of gigabytes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        extension = member.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE)
        if not extension and member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
            raise _Refused(f"{printable(member.name)} is a link, a device or something else than a file")
        if member.size < 0 or (extension and member.size > MAX_HEADER_BYTES):
            raise _Refused(f"a header has {member.size:,} bytes, expected 0 to {MAX_HEADER_BYTES:,}")
        return member


def _wanted_members(archive: tarfile.TarFile, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    total = 0
    for count, member in enumerate(archive, 1):
        path = PurePosixPath(member.name)
        if count > MAX_MEMBERS:
            raise _Refused(f"it has more than {MAX_MEMBERS:,} members")
        if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
            raise _Refused(f"{printable(member.name)} would lie outside of its folder")
        if not (member.isreg() and wanted(path.name)):
            continue
        total += member.size
        if member.size < 0 or total > MAX_CHECKPOINT_BYTES:
            raise _Refused(f"its checkpoint has more than {MAX_CHECKPOINT_BYTES:,} bytes")
        contents[str(path)] = _contents(archive, member)
    return contents


def _contents(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    data = file.read(member.size) if file is not None else b""
    if len(data) != member.size:
        raise tarfile.ReadError(f"{printable(member.name)} is cut short")
    return data
