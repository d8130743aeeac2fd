"""The rows of a data set: what each photo is called, what it shows, and which part it belongs to.

A million rows take the memory of a thousand: they lie in files without a name, and a `Row` is read and made when it
is asked for. The files are not mapped: each page of a map that was looked at counts as memory of the process.
"""

import os
import struct
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt

from efficientnet_lite.photos.split import Split
from efficientnet_lite.sequences import Made

ENTRY = struct.Struct("<qii")  # of a row: where its name begins, its bytes, and its place in `kinds`


class Placed(NamedTuple):
    """A photo, and what a data set says of it."""

    name: str  # relative to the root where it lies inside, posix separators: what reports show
    label: str
    split: Split | None  # None: not given


class Said(NamedTuple):
    """What a data set says of a photo, without its name."""

    label: str
    split: Split | None


@dataclass(frozen=True, slots=True)
class Row:
    """One photo of a data set."""

    path: Path  # as it can be opened
    name: str
    label: str
    split: Split | None


class Rows(Sequence[Row]):
    """Rows in the order in which they were given; equal to any sequence of equal rows."""

    def __init__(self, root: Path, placed: Iterable[Placed]) -> None:
        """Names are relative to `root` or absolute; `placed` is read once."""
        kinds: dict[Said, int] = {}
        self.root = root
        self._names, self._table = _Unnamed(), _Unnamed()
        for photo in placed:
            name = os.fsencode(photo.name)
            kind = kinds.setdefault(Said(photo.label, photo.split), len(kinds))
            self._table.add(ENTRY.pack(self._names.size, len(name), kind))
            self._names.add(name)
        self.kinds = tuple(kinds)

    def __len__(self) -> int:
        return self._table.size // ENTRY.size

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        if isinstance(place, slice):
            return Made(len(self), self.__getitem__)[place]
        start, count, kind = self._entry(place)
        name, said = os.fsdecode(self._names.read(start, count)), self.kinds[kind]
        return Row(self.root / name, name, said.label, said.split)

    def __eq__(self, other: object) -> bool:
        return Made(len(self), self.__getitem__) == other

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def name(self, place: int) -> str:
        """The name of one row. Raises IndexError."""
        start, count, _ = self._entry(place)
        return os.fsdecode(self._names.read(start, count))

    def said(self, place: int) -> Said:
        """Label and split of one row, whose path is not made."""
        return self.kinds[self._entry(place)[2]]

    def _entry(self, place: int) -> tuple[int, int, int]:
        start, count, kind = ENTRY.unpack(self._table.read(range(len(self))[place] * ENTRY.size, ENTRY.size))
        return start, count, kind

    def at(self, places: npt.NDArray[np.intp]) -> Sequence[Row]:
        """The rows at `places`, in that order."""
        return Made(len(places), lambda number: self[int(places[number])])

    @property
    def splits(self) -> Sequence[Split | None]:
        """The split of each row."""
        return Made(len(self), lambda place: self.said(place).split)


class _Unnamed:
    """Bytes in a file that has no name and ends with the process; read in many threads."""

    def __init__(self, data: bytes = b"") -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # open for as long as this lives
        weakref.finalize(self, self._file.close)
        self._lock, self.size = Lock(), 0
        self.add(data)

    def __reduce__(self) -> tuple[type["_Unnamed"], tuple[bytes]]:  # for worker processes
        return _Unnamed, (self.read(0, self.size),)

    def add(self, data: bytes) -> None:
        self.size += self._file.write(data)

    def read(self, start: int, count: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(count)
