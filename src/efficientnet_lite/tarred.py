"""Members of a tar from a stranger, one after another, without unpacking any: what checkpoints and shards share. Pure.

Read here and not by `tarfile`, which believes every number: it steps through a member of 2**60 bytes that is not there,
and waits for ever for a map.

Source: POSIX, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual, "Basic Tar Format".
"""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257
MAX_HEADER_BYTES = 64 * 2**10  # of a long name or a table of attributes
MAX_EXTENSIONS = 4  # such headers before one member
BLOCK = 512
_FILES, _FOLDER, _SPARSE = (b"0", b"\0", b"7"), b"5", b"S"
_LONG_NAME, _LONG_LINK, _ATTRIBUTES, _GLOBAL = b"L", b"K", b"x", b"g"
_CONTENT = (*_FILES, _SPARSE)  # kinds whose size is that of what follows; of a link or device it says nothing
BROKEN_OFF = "it breaks off"

MemberKind = Literal["file", "folder", "other"]  # other: a link, a device, a sparse file


class DamagedTar(Exception):
    """No archive that a tar writes."""


class TarMember(NamedTuple):
    """What an archive holds under one name."""

    name: str  # as written; bytes that are no UTF-8 as surrogates
    kind: MemberKind
    size: int  # bytes of its content
    start: int  # of its content, in the archive


class Tar:
    """The members of an archive that is read forwards. Content that is not asked for is passed over."""

    def __init__(self, read: Callable[[int], bytes], skip: Callable[[int], None] | None = None) -> None:
        """`read` gives fewer bytes than asked for at the end alone; `skip` raises DamagedTar where there are fewer."""
        self._read, self._skip_bytes = read, skip
        self._position = self._end = 0  # of what is read, and of the member's content with its padding
        self._left = 0  # of the member's content
        self.has_end = False  # whether an empty block ended it

    def __iter__(self) -> Iterator[TarMember]:
        """Header by header. Raises DamagedTar where one is none, or it breaks off."""
        long: dict[str, str] = {}
        extensions = 0
        while (header := self._next_header()) is not None:
            name, kind, size, extended = header
            if kind in (_LONG_NAME, _LONG_LINK, _ATTRIBUTES, _GLOBAL):
                extensions += 1
                if extensions > MAX_EXTENSIONS:
                    raise DamagedTar("headers follow upon headers")
                if size > MAX_HEADER_BYTES:
                    raise DamagedTar(f"a header has {size:,} bytes, expected 0 to {MAX_HEADER_BYTES:,}")
                self._begin(size)
                table = self.content()
                if kind == _LONG_NAME:
                    long["path"] = _text(table)
                elif kind == _ATTRIBUTES:
                    long |= _attributes(table)
                continue
            name = long.get("path", name)
            size = _decimal(long["size"]) if "size" in long else size
            # A name with a slash at its end is an old tar's folder.
            is_folder = kind == _FOLDER or (kind in _FILES and name.endswith("/"))
            is_sparse = kind == _SPARSE or any(key.startswith("GNU.sparse") for key in long)
            while extended:  # of a sparse file, more of its map
                extended = bool(self._exactly(BLOCK)[504])
            self._begin(size if kind in _CONTENT and not is_folder else 0)
            is_file = kind in _FILES and not is_folder and not is_sparse
            yield TarMember(
                name, "file" if is_file else "folder" if is_folder else "other", size, self._position
            )
            long, extensions = {}, 0

    def content(self, most: int | None = None) -> bytes:
        """The next `most` bytes of the member's content, or all that is left. Raises DamagedTar."""
        count = self._left if most is None else min(most, self._left)
        data = self._exactly(count)
        self._left -= count
        return data

    def finish(self) -> None:
        """Pass over what is left of the member. Raises DamagedTar where it is not there."""
        rest = self._end - self._position
        self._left = 0
        if self._skip_bytes is not None:
            self._skip_bytes(rest)
            self._position = self._end
            return
        while rest:
            rest -= len(self._exactly(min(rest, 2**20)))

    def _begin(self, size: int) -> None:
        self._left, self._end = size, self._position + size + -size % BLOCK

    def _exactly(self, count: int) -> bytes:
        """So many bytes; memory grows with what is there, not with what a header claims."""
        parts = []
        while count:
            part = self._read(min(count, 2**20))
            if not part:
                raise DamagedTar(BROKEN_OFF)
            self._position += len(part)
            count -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _next_header(self) -> tuple[str, bytes, int, bool] | None:
        """Name, kind, size, and whether more of a map follows; None at the end."""
        self.finish()
        first = self._read(BLOCK)
        if not first:
            return None
        self._position += len(first)
        block = first + self._exactly(BLOCK - len(first))
        if not any(block):
            self.has_end = True
            return None
        unsigned = sum(block) - sum(block[148:156]) + 8 * ord(" ")
        signed = unsigned - 256 * (sum(b > 127 for b in block) - sum(b > 127 for b in block[148:156]))
        if _number(block[148:156]) not in (unsigned, signed):
            raise DamagedTar("the checksum of a header is wrong")
        name, kind = _text(block[:100]), block[156:157]
        if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
            name = f"{prefix}/{name}"
        return name, kind, _number(block[124:136]), kind == _SPARSE and bool(block[482])


def _number(field: bytes) -> int:
    """A number in octal digits, or in base 256 where the first bit says so."""
    if field[0] >= 0x80:
        value = int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    else:
        text = field.split(b"\0")[0].strip(b" ")
        value = int(text, 8) if text and not text.strip(b"01234567") else -bool(text)
    if value < 0:
        raise DamagedTar("a number of a header makes no sense")
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
            raise DamagedTar("a table of attributes makes no sense")
        found[_text(key)] = _text(value)
        position += length
    return found


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise DamagedTar("a number of a table of attributes makes no sense")
    return int(text)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "surrogateescape")
