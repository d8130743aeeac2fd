"""The TF1 checkpoint in a `.tar.gz` or `.tar`, as the original weights are published, read in memory.

Nothing is unpacked to the disk, so no member can be written anywhere. What an archive of weights
does not have (absolute paths, "..", links, devices, sparse files) is refused all the same: such an archive
is an attack or a mistake, and the user should hear of it.
"""

import io
import zlib
from collections.abc import Callable
from gzip import GzipFile
from pathlib import Path, PurePosixPath

from efficientnet_lite.errors import CheckpointError, printable
from efficientnet_lite.tarred import TAR_MAGIC, TAR_MAGIC_AT, DamagedTar, Tar
from efficientnet_lite.weights.stored_tensors import MAX_CHECKPOINT_BYTES, damaged

GZIP_MAGIC = b"\x1f\x8b"
MAX_UNPACKED_BYTES = 2 * MAX_CHECKPOINT_BYTES  # .meta and .tflite files lie beside the weights
MAX_MEMBERS = 1000  # published ones have 7
READ_BYTES = 2**20


def is_archive(data: bytes) -> bool:
    return data.startswith(GZIP_MAGIC) or data[TAR_MAGIC_AT:].startswith(TAR_MAGIC)


def read_archive(data: bytes, wanted: Callable[[str], bool], *, where: Path) -> dict[str, bytes]:
    """Path within the archive -> contents, for the files whose names (without folder) are `wanted`.

    Raises CheckpointError where the archive is damaged, is larger than MAX_UNPACKED_BYTES, or has a
    member that is no plain file or folder below it.
    """
    stream = _Stream(GzipFile(fileobj=io.BytesIO(data)) if data.startswith(GZIP_MAGIC) else io.BytesIO(data))
    try:
        contents = _wanted_members(stream, wanted)
        while stream.read(READ_BYTES):  # to the end, where gzip has its checksum
            pass
        return contents
    except _UnwantedMember as refused:
        raise CheckpointError(
            f"the archive was not read: {refused}", where=where, fix="unpack it yourself if you trust it"
        ) from None
    except (DamagedTar, OSError, EOFError, zlib.error) as error:
        raise damaged(f"the archive cannot be read: {error}", where) from error


class _UnwantedMember(Exception):
    """The archive is readable, but has what no archive of weights has."""


class _Stream:
    """The unpacked bytes, forwards only; more than MAX_UNPACKED_BYTES are refused."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self.file, self.left = file, MAX_UNPACKED_BYTES

    def read(self, size: int) -> bytes:
        chunk = self.file.read(size)
        self.left -= len(chunk)
        if self.left < 0:
            raise _UnwantedMember(f"it unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")
        return chunk


def _wanted_members(stream: _Stream, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    total = 0
    archive = Tar(stream.read)
    for count, member in enumerate(archive, 1):
        path = PurePosixPath(member.name)
        if count > MAX_MEMBERS:
            raise _UnwantedMember(f"it has more than {MAX_MEMBERS:,} members")
        if member.kind == "other":
            raise _UnwantedMember(
                f"{printable(member.name)} is a link, a device or something else than a file"
            )
        if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
            raise _UnwantedMember(f"{printable(member.name)} would lie outside of its folder")
        if member.kind == "file" and wanted(path.name):
            total += member.size
            if total > MAX_CHECKPOINT_BYTES:
                raise _UnwantedMember(f"its checkpoint has more than {MAX_CHECKPOINT_BYTES:,} bytes")
            contents[str(path)] = archive.content()
    return contents
