"""Flatbuffers that may lie: every offset is checked before it is followed, and the work is bounded.

The reader knows the container, not the schema: callers ask a table for a slot with the type that their
schema gives it. Whoever reads a whole file through it has thereby verified that file. Raw data are views
into the caller's bytes, never copies.

Source: FlatBuffers, "Internals" (layout of tables, vtables, vectors and strings) and verifier.h.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import ArtifactError

MAX_WORK = 16 << 20  # bytes of tables, texts and vectors read, those that are read twice counted twice
_TABLE_WORK = 48  # what a table costs at least: many small ones would otherwise take seconds
_OFFSET, _SIGNED, _SHORT = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<H")
_NUMBERS = {kind: struct.Struct(f"<{kind}") for kind in "bBhHiIqQf?"}


class Reader:
    """A flatbuffer from outside, `root` its outermost table.

    Args:
        identifier: the four bytes that this kind of file has at position 4.
        kind: what it should be, for messages: "a TFLite model".
        where: the file, for messages.

    Raises:
        ArtifactError: here and from every method of its tables, where the bytes cannot be what they claim.
    """

    def __init__(self, data: bytes | memoryview, *, identifier: bytes, kind: str, where: Path | str) -> None:
        self.view = memoryview(data).cast("B").toreadonly()
        self._kind, self._where, self._work = kind, where, MAX_WORK
        if len(self.view) < 12:
            raise self.damaged(f"{len(self.view)} bytes are too few")
        if self.view[4:8] != identifier:
            found = bytes(self.view[4:8])
            raise self.damaged(f"bytes 4 to 7 are {found!r}, not {identifier!r}")
        self.root = Table(self, self.follow(0))

    def damaged(self, what: str) -> ArtifactError:
        """The error for bytes that are not what they claim."""
        return ArtifactError(
            f"this is not {self._kind}, or it is damaged: {what}",
            where=self._where,
            fix="get or export the file again",
        )

    def refused(self, what: str, fix: str = "use the plain .tflite of an image classifier") -> ArtifactError:
        """The error for what is well formed, but nothing that an image classifier needs."""
        return ArtifactError(what, where=self._where, fix=fix)

    def follow(self, at: int) -> int:
        """The position to which the offset at `at` leads."""
        target = at + int(self.unpack(_OFFSET, at))
        if target % 4 or not at < target <= len(self.view) - 4:
            raise self.damaged(f"the offset at byte {at} leads to {target}, outside or unaligned")
        return target

    def unpack(self, form: struct.Struct, at: int) -> Any:
        """One number at `at`."""
        if not 0 <= at <= len(self.view) - form.size:
            raise self.damaged(f"a number at byte {at} is outside of its {len(self.view)} bytes")
        return form.unpack_from(self.view, at)[0]

    def vector(self, at: int, width: int, *, work: bool = True) -> tuple[int, int]:
        """Position of the first element and number of elements of the vector at `at`."""
        count = int(self.unpack(_OFFSET, at))
        if at + 4 + count * width > len(self.view):
            raise self.damaged(f"{count} elements at byte {at} reach beyond its {len(self.view)} bytes")
        if work:
            self.spend(4 + count * width)
        return at + 4, count

    def spend(self, work: int) -> None:
        """Refuse a file that makes its reader go over the same bytes again and again."""
        self._work -= work
        if self._work < 0:
            raise self.damaged(f"its tables and texts make more than {MAX_WORK:,} bytes")


class Table:
    """One table. Slots are numbered as in the schema; a slot that the file leaves out has its default."""

    __slots__ = ("_at", "_reader", "_size", "_slots")

    def __init__(self, reader: Reader, at: int) -> None:
        self._reader, self._at = reader, at
        vtable = at - int(reader.unpack(_SIGNED, at))
        length = int(reader.unpack(_SHORT, vtable))
        self._size = int(reader.unpack(_SHORT, vtable + 2))
        if vtable % 2 or length % 2 or length < 4 or vtable + length > len(reader.view):
            raise reader.damaged(f"the table at byte {at} has no usable list of fields")
        if self._size < 4 or at + self._size > len(reader.view):
            raise reader.damaged(f"the table at byte {at} reaches beyond its {len(reader.view)} bytes")
        self._slots = struct.unpack_from(f"<{length // 2 - 2}H", reader.view, vtable + 4)
        reader.spend(_TABLE_WORK + self._size + length)

    def number(self, slot: int, kind: str, default: Any = 0) -> Any:
        """A scalar of the `struct` format `kind`, one of b B h H i I q Q f ?."""
        form = _NUMBERS[kind]
        at = self._place(slot, form.size)
        return default if at is None else form.unpack_from(self._reader.view, at)[0]

    def text(self, slot: int) -> str:
        """A string, "" where absent; bytes that are no UTF-8 come backslash-escaped."""
        at = self._target(slot)
        if at is None:
            return ""
        start, count = self._reader.vector(at, 1)
        if self._reader.unpack(_NUMBERS["B"], start + count) != 0:  # C++ readers look for this zero
            raise self._reader.damaged(f"the text at byte {at} has no end")
        return bytes(self._reader.view[start : start + count]).decode(errors="backslashreplace")

    def exact_text(self, slot: int) -> str:
        """Like `text`, but raises where it is no UTF-8: whoever opens the file will ask for it by this text."""
        text = self.text(slot)
        try:
            self.raw(slot)[1].tobytes().decode()
        except UnicodeDecodeError:
            raise self.damaged(f"the name {text[:80]!r} is no UTF-8") from None
        return text

    def raw(self, slot: int) -> tuple[int, memoryview]:
        """Position and bytes of a vector of bytes, however long; (0, b"") where absent."""
        at = self._target(slot)
        if at is None:
            return 0, self._reader.view[:0]
        start, count = self._reader.vector(at, 1, work=False)
        return start, self._reader.view[start : start + count]

    def array(self, slot: int, dtype: str) -> npt.NDArray[Any]:
        """A vector of numbers of the little-endian `dtype`, read-only; empty where absent."""
        at = self._target(slot)
        if at is None:
            return np.empty(0, dtype)
        start, count = self._reader.vector(at, np.dtype(dtype).itemsize)
        return np.frombuffer(self._reader.view, dtype, count, start)

    def table(self, slot: int) -> "Table | None":
        """The table in this slot."""
        at = self._target(slot)
        return None if at is None else Table(self._reader, at)

    def tables(self, slot: int, *, limit: int, what: str) -> "list[Table]":
        """A vector of at most `limit` tables; `what` names them in the message."""
        at = self._target(slot)
        if at is None:
            return []
        start, count = self._reader.vector(at, 4)
        if count > limit:
            raise self._reader.damaged(f"{count:,} {what} are more than {limit:,}")
        return [Table(self._reader, self._reader.follow(start + 4 * i)) for i in range(count)]

    def has(self, slot: int) -> bool:
        """Whether the file gives this slot a value of its own."""
        return slot < len(self._slots) and self._slots[slot] != 0

    @property
    def slots(self) -> int:
        """How many slots its writer knew of."""
        return len(self._slots)

    @property
    def damaged(self) -> "Callable[[str], ArtifactError]":
        """See `Reader.damaged`."""
        return self._reader.damaged

    @property
    def refused(self) -> "Callable[..., ArtifactError]":
        """See `Reader.refused`."""
        return self._reader.refused

    def _place(self, slot: int, size: int) -> int | None:
        if not self.has(slot):
            return None
        offset = self._slots[slot]
        if offset < 4 or offset + size > self._size:
            raise self._reader.damaged(f"slot {slot} of the table at byte {self._at} is outside of it")
        return self._at + int(offset)

    def _target(self, slot: int) -> int | None:
        at = self._place(slot, 4)
        return None if at is None else self._reader.follow(at)
