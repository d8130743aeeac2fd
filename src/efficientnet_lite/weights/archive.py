"""The TF1 checkpoint in a `.tar.gz` or `.tar`, as the original weights are published, read in memory.

Nothing is unpacked to the disk, so no member can be written anywhere. What an archive of weights
does not have (absolute paths, "..", links, devices, sparse files) is refused all the same: such an archive
is an attack or a mistake, and the user should hear of it. Read here and not by `tarfile`, which believes
every number: it steps through a member of 2**60 bytes that is not there, and waits for ever for a map.

Source: POSIX, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual, "Basic Tar Format".
"""

import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from gzip import GzipFile
from pathlib import Path, PurePosixPath

from efficientnet_lite.errors import CheckpointError, printable
from efficientnet_lite.weights.stored_tensors import MAX_CHECKPOINT_BYTES, damaged

GZIP_MAGIC = b"\x1f\x8b"
TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257
MAX_UNPACKED_BYTES = 2 * MAX_CHECKPOINT_BYTES  # .meta and .tflite files lie beside the weights
MAX_MEMBERS = 1000  # published ones have 7
MAX_HEADER_BYTES = 64 * 2**10  # of a long name or a table of attributes
MAX_EXTENSIONS = 4  # such headers before one member
READ_BYTES = 2**20
BLOCK = 512
FILES, FOLDER = (b"0", b"\0", b"7"), b"5"
LONG_NAME, LONG_LINK, ATTRIBUTES, GLOBAL = b"L", b"K", b"x", b"g"


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
    except (_Damaged, OSError, EOFError, zlib.error) as error:
        raise damaged(f"the archive cannot be read: {error}", where) from error


class _UnwantedMember(Exception):
    """The archive is readable, but has what no archive of weights has."""


class _Damaged(Exception):
    """No archive that a tar writes."""


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

    def content(self, size: int, *, keep: bool) -> bytes:
        """The next `size` bytes, or nothing but where they end; then the rest of their last block."""
        parts, missing = [], size + -size % BLOCK
        while missing:
            chunk = self.read(min(missing, READ_BYTES))
            if not chunk:
                raise _Damaged("it breaks off")
            missing -= len(chunk)
            parts += [chunk] * keep
        return b"".join(parts)[:size]


@dataclass(frozen=True, slots=True)
class _Header:
    """What stands before a member; `kind` is one byte."""

    name: str
    kind: bytes
    size: int


def _wanted_members(stream: _Stream, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    total = 0
    for count, member in enumerate(_members(stream), 1):
        path = PurePosixPath(member.name)
        if count > MAX_MEMBERS:
            raise _UnwantedMember(f"it has more than {MAX_MEMBERS:,} members")
        if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
            raise _UnwantedMember(f"{printable(member.name)} would lie outside of its folder")
        take = member.kind != FOLDER and wanted(path.name)
        total += member.size * take
        if total > MAX_CHECKPOINT_BYTES:
            raise _UnwantedMember(f"its checkpoint has more than {MAX_CHECKPOINT_BYTES:,} bytes")
        content = stream.content(0 if member.kind == FOLDER else member.size, keep=take)
        if take:
            contents[str(path)] = content
    return contents


def _members(stream: _Stream) -> Iterator[_Header]:
    """The header of each file and folder, its long name and size put in; the caller reads the content."""
    long: dict[str, str] = {}
    extensions = 0
    while (header := _header(stream.content(BLOCK, keep=True))) is not None:
        if header.kind in (LONG_NAME, LONG_LINK, ATTRIBUTES, GLOBAL):
            extensions += 1
            if extensions > MAX_EXTENSIONS:
                raise _Damaged("headers follow upon headers")
            if header.size > MAX_HEADER_BYTES:
                raise _UnwantedMember(
                    f"a header has {header.size:,} bytes, expected 0 to {MAX_HEADER_BYTES:,}"
                )
            content = stream.content(header.size, keep=True)
            if header.kind == LONG_NAME:
                long["path"] = _text(content)
            elif header.kind == ATTRIBUTES:
                long |= _attributes(content)
            continue
        name = long.get("path", header.name)
        size = _decimal(long["size"]) if "size" in long else header.size
        folder = header.kind == FOLDER or (header.kind in FILES and name.endswith("/"))  # an old tar's folder
        if (header.kind not in FILES and not folder) or any(key.startswith("GNU.sparse") for key in long):
            raise _UnwantedMember(f"{printable(name)} is a link, a device or something else than a file")
        yield _Header(name, FOLDER if folder else header.kind, size)
        long, extensions = {}, 0


def _header(block: bytes) -> _Header | None:
    """What a block of 512 bytes says of the member behind it; None for the empty one at the end."""
    if not any(block):
        return None
    unsigned = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    signed = unsigned - 256 * (sum(byte > 127 for byte in block) - sum(byte > 127 for byte in block[148:156]))
    if _number(block[148:156]) not in (unsigned, signed):
        raise _Damaged("the checksum of a header is wrong")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = f"{prefix}/{name}"
    return _Header(name, block[156:157], _number(block[124:136]))


def _number(field: bytes) -> int:
    """A number in octal digits, or in base 256 where the first bit says so."""
    if field[0] >= 0x80:
        value = int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    else:
        text = field.split(b"\0")[0].strip(b" ")
        value = int(text, 8) if text and not text.strip(b"01234567") else -bool(text)
    if value < 0:
        raise _Damaged("a number of a header makes no sense")
    return value


def _attributes(table: bytes) -> dict[str, str]:
    """Key -> value of records such as `20 path=weights.ckpt`, each with its own length in front and a newline."""
    found, position = {}, 0
    while position < len(table) and table[position]:
        digits, _, _ = table[position : position + 6].partition(b" ")
        length = _decimal(digits.decode("ascii", "replace"))
        record = table[position : position + length]
        key, separator, value = record[len(digits) + 1 : -1].partition(b"=")
        if len(record) != length or not separator:
            raise _Damaged("a table of attributes makes no sense")
        found[_text(key)] = _text(value)
        position += length
    return found


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise _Damaged("a number of a table of attributes makes no sense")
    return int(text)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "surrogateescape")
