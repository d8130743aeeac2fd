"""A DataFrame with the columns of a manifest, and what a run keeps of it. The library that it is of is not imported.

What pandas and polars have in common is enough: the names of the columns, and each of them as a list.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from efficientnet_lite.addresses import is_address
from efficientnet_lite.errors import UnusableDataset, type_name
from efficientnet_lite.photos.manifest import (
    LABEL_COLUMNS,
    PATH_COLUMNS,
    PERHAPS_SPLIT,
    SPLIT_COLUMNS,
    ManifestRow,
    ManifestTable,
    NoLabels,
    find_column,
    row_of,
    same_kind,
)
from efficientnet_lite.photos.splitwords import split_of

WHERE = "the DataFrame"
UNIT = "row"
FIX = (
    "give it a column of paths (path), one of labels (label) and, where parts are given, one of those (split: train, "
    "validation or test), each filled in every row"
)


@runtime_checkable
class DataFrame(Protocol):
    """A table by columns, such as pandas and polars have."""

    @property
    def columns(self) -> Any: ...

    def __getitem__(self, name: Any, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Frame:
    """The rows of a DataFrame. Relative paths were in the current folder."""

    rows: tuple[ManifestRow, ...]  # whole paths; `line` is the row's place, from 0
    folder: Path  # the nearest that holds all of them

    def __str__(self) -> str:
        return WHERE

    def manifest(self) -> bytes:
        """The same as a JSONL manifest, with whole paths."""
        fields = ("path", "label", "split")
        rows = ((row.path, row.label, row.split) for row in self.rows)
        lines = ({k: v for k, v in zip(fields, row, strict=True) if v is not None} for row in rows)
        return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def frame_of(table: DataFrame) -> Frame:
    """The rows of a DataFrame with the columns of a manifest, by the same names; its index counts for nothing.

    Raises UnusableDataset: a column is missing or there twice, a cell is empty, or no text where one is needed.
    """
    names = [str(name).strip().lower() for name in table.columns]
    own = dict(zip(names, table.columns, strict=True))

    def column(named: Sequence[str]) -> list[Any] | None:
        name = next((each for each in named if each in own), None)
        if name is None:
            return None
        if names.count(name) > 1:
            raise _refused(f"it has {names.count(name)} columns {name!r}")
        return _cells(table[own[name]])

    if (paths := column(PATH_COLUMNS)) is None:
        raise _refused(f"it has no column of paths, but {_named(names)}")
    if (labels := column(LABEL_COLUMNS)) is None:
        raise NoLabels(f"it has no column of labels, but {_named(names)}", where=WHERE, fix=FIX)
    if not paths:
        raise _refused("it has no rows")
    perhaps = [name for name in PERHAPS_SPLIT if name in own and _is_part(_cells(table[own[name]])[0])]
    splits = column((*SPLIT_COLUMNS, *perhaps)) or [None] * len(paths)
    whole = _whole_path(Path.cwd())
    rows = (
        row_of(
            place,
            whole(_text(path, "path", place)),
            _text(label, "label", place),
            "" if _is_missing(split) else _text(split, "split", place),
            WHERE,
            UNIT,
        )
        for place, (path, label, split) in enumerate(zip(paths, labels, splits, strict=True))
    )
    checked = tuple(same_kind(rows, WHERE, UNIT))
    return Frame(checked, common_folder(row.path for row in checked))


def columns_of(table: DataFrame) -> ManifestTable:
    """All that a DataFrame says of its photos, labels or none; its index counts for nothing.

    A cell of numbers, dates or paths becomes Python's own, one without a value None.

    Raises UnusableDataset where it has no column of paths, or a column twice.
    """
    names = [str(name) for name in table.columns]
    lower = [name.strip().lower() for name in names]
    if find_column(PATH_COLUMNS, lower) is None:
        raise _refused(f"it has no column of paths, but {_named(names)}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise _refused(f"it has {names.count(twice)} columns {twice!r}")
    cells = [_cells(table[own]) for own in table.columns]

    def rows() -> Iterator[tuple[int, dict[str, object]]]:
        for place, row in enumerate(zip(*cells, strict=True)):
            yield place, {name: _plain(cell) for name, cell in zip(names, row, strict=True)}

    return ManifestTable(tuple(names), rows())


def _plain(cell: object) -> object:
    if _is_missing(cell):
        return None
    if hasattr(cell, "__fspath__"):
        return os.fsdecode(cell)
    if hasattr(cell, "isoformat"):
        return cell.isoformat()
    return cell.item() if hasattr(cell, "item") and not isinstance(cell, str) else cell


def common_folder(paths: Iterable[str]) -> Path:
    """The nearest folder that holds all of these whole paths."""
    try:
        return Path(os.path.commonpath({os.path.dirname(path) for path in paths if not is_address(path)}))  # noqa: PTH120
    except ValueError:  # several drives, or addresses alone
        return Path.cwd()


def _whole_path(here: Path) -> Callable[[str], str]:
    return lambda path: path if is_address(path) or not path.strip() else os.path.abspath(here / path)  # noqa: PTH100


def _cells(column: Any) -> list[Any]:
    """A column as a list, however its library calls that."""
    for name in ("to_list", "tolist"):
        if hasattr(column, name):
            return list(getattr(column, name)())
    return list(column)


def _is_missing(cell: object) -> bool:
    """None, or what is not equal to itself: NaN, NaT and NA."""
    if cell is None:
        return True
    try:
        return bool(cell != cell)
    except TypeError:  # pandas' NA is neither
        return True


def _is_part(cell: object) -> bool:
    return isinstance(cell, str) and split_of(cell) is not None


def _text(cell: object, name: str, place: int) -> str:
    if _is_missing(cell):
        raise _refused(f"{UNIT} {place} has no {name}")
    if name == "path" and hasattr(cell, "__fspath__"):
        return os.fsdecode(cell)
    if isinstance(cell, str):
        return cell
    if name == "label" and isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    raise _refused(f"the {name} of {UNIT} {place} has the type {type_name(cell)}, and is to be text")


def _named(columns: Sequence[str]) -> str:
    return ", ".join(map(repr, columns[:8])) or "no column at all"


def _refused(what: str) -> UnusableDataset:
    return UnusableDataset(what, where=WHERE, fix=FIX)
