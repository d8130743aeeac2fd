"""The files of a folder of vectors, in each of the layouts that `embed` writes, opened as a stranger's.

A part is held against what its folder says of it before a number of it is used.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from efficientnet_lite import extras
from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import UnusableInput, UsageError, printable
from efficientnet_lite.features import npy_folder
from efficientnet_lite.features.journal import read_journal
from efficientnet_lite.features.provenance import MadeWith, Provenance
from efficientnet_lite.features.vector_folder import LAYOUTS, MARKER, PARTS, is_part
from efficientnet_lite.neighbors import part_child
from efficientnet_lite.neighbors.part_child import ROWS_AT_ONCE
from efficientnet_lite.storage import files, tables
from efficientnet_lite.storage.confined import Failed
from efficientnet_lite.storage.confined_pieces import Declined, pieces
from efficientnet_lite.storage.listing import Entry, Listing, is_as_written, marker_of

MEMORY = 512 * 2**20  # beside what pyarrow itself takes
MAX_ROWS_BYTES = 64 * 2**20  # of a piece of rows
MAPPED_ROWS_AT_ONCE = 4096  # which costs nothing, and batches of as many need no copy
MAX_SIZE = 100_000  # numbers of a vector
AGAIN = "give the `embed` command that wrote it again: it makes damaged parts anew and leaves the others"
ANEW = "make it anew by the `embed` command that wrote it, with `overwrite=True`"


@dataclass(frozen=True, slots=True)
class VectorRow:
    """What is known of a photo that has a vector."""

    id: str
    path: str  # as it was given to `embed`; an address for photos behind one
    label: str | None = None
    split: str | None = None  # of a column of that name in a manifest, as it stands there
    width: int | None = None  # of the upright photo, pixels
    height: int | None = None
    sha256: str | None = None  # of the file's bytes


class StoredPart(Protocol):
    """Some rows of the folder, and their vectors in the same order; those with an error are left out."""

    @property
    def name(self) -> str:
        """Within the folder."""

    def check(self) -> None:
        """Raises UnusableInput where its files are not as they were written."""

    @property
    def digest(self) -> str:
        """Of its files, as the folder says."""

    def count(self) -> int:
        """How many rows there are."""

    def rows(self) -> Iterator[VectorRow]: ...

    def vectors(self) -> Iterator[Array]:
        """Some after others, float32 (n, size), as they were written: of any length."""


@dataclass(frozen=True, slots=True)
class StoredLayout:
    """What lies in a folder of vectors."""

    parts: tuple[StoredPart, ...]
    size: int  # numbers of a vector
    provenance: MadeWith | None  # None where the folder does not say
    used: int | None  # rows of all parts; None where only they know
    missing: int = 0  # parts that are still to come
    part_bytes: int = 0  # of the vectors of a part in float32, at most; 0 where they are mapped
    matrix: Callable[[], Array] | None = None  # maps all of them as they were written, float32 (N, size)


def open_layout(folder: Path) -> StoredLayout:
    """Raises UnusableInput where `folder` is no folder of vectors of ours."""
    if not files.is_dir(folder):
        raise UnusableInput(files.missing(folder, "folder"), where=folder, fix=_FIX)
    try:
        if (found := marker_of(folder, PARTS)) is not None:
            return _parts_layout(folder, *found)
        if (found := marker_of(folder, npy_folder.VECTORS)) is not None:
            return _npy_layout(folder, *found)
    except ValueError as error:
        raise UnusableInput(f"no folder of vectors: {error}", where=folder, fix=_FIX) from error
    raise UnusableInput(f"no folder of vectors: it has no {MARKER}", where=folder, fix=_FIX)


_FIX = "give the folder that `embed` wrote"


def _parts_layout(folder: Path, document: Mapping[str, Any], listed: Listing) -> StoredLayout:
    made = Provenance.from_json(document["provenance"])
    if made.layout not in LAYOUTS or made.size > MAX_SIZE:
        raise ValueError(f"its {MARKER} is not ours")
    if find_spec("pyarrow") is None:
        raise UsageError("vectors in Parquet need pyarrow", where=folder, fix=extras.EMBED)
    is_complete = document["complete"]
    known: Listing = listed if is_complete else read_journal(folder, is_part)
    make = ClipStored if made.layout == "clip-retrieval" else ParquetStored
    parts, missing = list[StoredPart](), 0
    for number in range(made.parts):
        names = LAYOUTS[made.layout].names(number, made.parts)
        entries = {name: entry for name in names if (entry := known.get(name)) is not None}
        if len(entries) == len(names) and (
            is_complete or all(files.lexists(folder / name) for name in names)
        ):
            parts.append(make(folder, names, entries, made.size))
        elif is_complete:
            raise ValueError(f"its {MARKER} does not list {names[0]}")
        else:
            missing += 1
    skipped = document.get("skipped")
    used = made.rows - skipped if is_complete and type(skipped) is int else None
    part_bytes = 4 * made.size * min(made.part_rows, made.rows)
    return StoredLayout(tuple(parts), made.size, made.made_with, used, missing, part_bytes)


def _npy_layout(folder: Path, document: Mapping[str, Any], listed: Listing) -> StoredLayout:
    size, count = document["columns"], document["photos"]
    if not 0 < size <= MAX_SIZE or count < 1:
        raise ValueError(f"its {npy_folder.MARKER} is not ours")
    provenance = document.get("provenance")
    part = NpyStored(folder, listed, count, size)
    return StoredLayout(
        (part,),
        size,
        None if provenance is None else MadeWith.from_json(provenance),
        count,
        matrix=part.matrix,
    )


def _damaged(folder: Path, name: str, fix: str = AGAIN) -> UnusableInput:
    is_there = files.lexists(folder / name)
    what = "is damaged: it is not what was written" if is_there else "is missing"
    return UnusableInput(f"{name} {what}", where=folder / name, fix=fix)


@dataclass(frozen=True, slots=True)
class ParquetStored:
    """A part of one Parquet file."""

    folder: Path
    names: tuple[str, ...]
    entries: Mapping[str, Entry]
    size: int

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def digest(self) -> str:
        return " ".join(self.entries[name].sha256 for name in self.names)

    @property
    def table(self) -> Path:
        return self.folder / self.names[0]

    def check(self) -> None:
        for name in self.names:
            if not is_as_written(self.folder / name, self.entries[name]):
                raise _damaged(self.folder, name)

    def count(self) -> int:
        with _reading(self.table):
            found = [json.loads(piece) for piece in _answer(self.table, {"count": True}, MAX_ROWS_BYTES)]
            return sum(map(int, found))

    def rows(self) -> Iterator[VectorRow]:
        with _reading(self.table):
            for piece in _answer(self.table, {"size": None}, MAX_ROWS_BYTES):
                for row in json.loads(piece):
                    yield _row(*row)

    def vectors(self) -> Iterator[Array]:
        limit = 4 * self.size * ROWS_AT_ONCE
        with _reading(self.table):
            for piece in _answer(self.table, {"size": self.size}, limit):
                yield np.frombuffer(piece, "<f4").reshape(-1, self.size)


class ClipStored(ParquetStored):
    """A part as clip-retrieval has it: a matrix, its rows, and what was skipped."""

    __slots__ = ()

    @property
    def table(self) -> Path:
        return self.folder / self.names[1]

    def vectors(self) -> Iterator[Array]:
        matrix = _mapped(self.folder / self.names[0], self.size)
        for start in range(0, len(matrix), ROWS_AT_ONCE):
            yield np.asarray(matrix[start : start + ROWS_AT_ONCE], np.float32)


@dataclass(frozen=True, slots=True)
class NpyStored:
    """One matrix and its index."""

    folder: Path
    listed: Listing
    length: int
    size: int

    name = npy_folder.FEATURES

    @property
    def digest(self) -> str:
        entry = self.listed.get(npy_folder.FEATURES)
        return entry.sha256 if entry else files.sha256_file(self.folder / npy_folder.FEATURES)

    def check(self) -> None:
        for name in (npy_folder.FEATURES, npy_folder.INDEX):
            entry = self.listed.get(name)
            if entry is not None and not is_as_written(self.folder / name, entry):
                raise _damaged(self.folder, name, ANEW)
        if self.matrix().shape[0] != self.length:
            raise _damaged(self.folder, npy_folder.FEATURES, ANEW)

    def count(self) -> int:
        return self.length

    def rows(self) -> Iterator[VectorRow]:
        path = self.folder / npy_folder.INDEX
        number = 0
        try:
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    number += 1
                    name = tables.csv_text(row["path"])
                    yield VectorRow(name, name, sha256=row["sha256"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
            raise _damaged(self.folder, npy_folder.INDEX, ANEW) from error
        if number != self.length:
            raise _damaged(self.folder, npy_folder.INDEX, ANEW)

    def vectors(self) -> Iterator[Array]:
        matrix = self.matrix()
        for start in range(0, len(matrix), MAPPED_ROWS_AT_ONCE):
            yield np.asarray(matrix[start : start + MAPPED_ROWS_AT_ONCE])

    def matrix(self) -> Array:
        """As it was written, mapped."""
        matrix: Array = _mapped(self.folder / npy_folder.FEATURES, self.size)
        return matrix


def _mapped(path: Path, size: int) -> Any:
    """A matrix of this many columns, mapped. Raises UnusableInput."""
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnusableInput(f"{path.name} is no matrix: {error}", where=path, fix=ANEW) from error
    known = isinstance(matrix, np.memmap) and matrix.dtype.str in ("<f4", "<f2") and matrix.flags.c_contiguous
    if not known or matrix.ndim != 2 or matrix.shape[1] != size:
        raise UnusableInput(f"{path.name} is no matrix of {size} columns", where=path, fix=ANEW)
    return matrix


@contextmanager
def _reading(table: Path) -> Iterator[None]:
    """Whatever is wrong with a part, as one error of ours."""
    try:
        yield
    except Declined as error:
        raise UnusableInput(printable(str(error)), where=table, fix=AGAIN) from error
    except (Failed, OSError) as error:
        raise UnusableInput(f"no part that can be read: {error}", where=table, fix=AGAIN) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:  # of a child gone mad
        raise UnusableInput("no part that can be read", where=table, fix=AGAIN) from error


def _answer(table: Path, asked: Mapping[str, object], limit: int) -> Iterator[bytes]:
    question = json.dumps({"path": str(table.absolute()), **asked}).encode()
    yield from pieces(part_child.__name__, question, library="pyarrow.parquet", memory=MEMORY, limit=limit)


def _row(id: str, path: str, label: str | None, split: str | None, *rest: Any) -> VectorRow:
    width, height, sha256 = rest
    if not (isinstance(path, str) and isinstance(id, str | None)):
        raise ValueError("a row without a path")
    return VectorRow(path if id is None else id, path, label, split, width, height, sha256)
