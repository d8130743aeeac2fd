"""The rows of a data set: what each photo is called, what it shows, and which part it belongs to.

A million rows take the memory of a thousand: their names lie in a file without a name, which is mapped, so that
memory can give its pages back; a `Row` is made when it is asked for.
"""

import mmap
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from efficientnet_lite.photos.split import Split
from efficientnet_lite.sequences import Made

ENTRY = np.dtype([("end", "<i8"), ("kind", "<i4")])  # of a row: where its name ends, and its place in `kinds`


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
        with tempfile.TemporaryFile() as names, tempfile.TemporaryFile() as table:
            end = 0
            for photo in placed:
                end += names.write(os.fsencode(photo.name))
                place = kinds.setdefault(Said(photo.label, photo.split), len(kinds))
                table.write(end.to_bytes(8, "little") + place.to_bytes(4, "little"))
            self._names, self._table = _mapped(names), np.frombuffer(_mapped(table), ENTRY)
        self.kinds = tuple(kinds)

    def __getstate__(self) -> dict[str, Any]:  # for worker processes; maps cannot be handed over
        return vars(self) | {"_names": bytes(self._names), "_table": self._table.tobytes()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        with tempfile.TemporaryFile() as names, tempfile.TemporaryFile() as table:
            names.write(state["_names"])
            table.write(state["_table"])
            self._names, self._table = _mapped(names), np.frombuffer(_mapped(table), ENTRY)

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        if isinstance(place, slice):
            return Made(len(self), self.__getitem__)[place]
        name, said = self.name(place), self.said(place)
        return Row(self.root / name, name, said.label, said.split)

    def __eq__(self, other: object) -> bool:
        return Made(len(self), self.__getitem__) == other

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def name(self, place: int) -> str:
        """The name of one row. Raises IndexError."""
        place = range(len(self))[place]
        start = int(self._table["end"][place - 1]) if place else 0
        return os.fsdecode(self._names[start : int(self._table["end"][place])])

    def said(self, place: int) -> Said:
        """Label and split of one row, whose path is not made."""
        return self.kinds[int(self._table["kind"][place])]

    def at(self, places: npt.NDArray[np.intp]) -> Sequence[Row]:
        """The rows at `places`, in that order."""
        return Made(len(places), lambda number: self[int(places[number])])

    @property
    def splits(self) -> Sequence[Split | None]:
        """The split of each row."""
        return Made(len(self), lambda place: self.said(place).split)


def _mapped(file: IO[bytes]) -> mmap.mmap | bytes:
    """What was written to a file that has no name, and ends with the process."""
    file.flush()
    if not file.tell():
        return b""  # nothing cannot be mapped
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
