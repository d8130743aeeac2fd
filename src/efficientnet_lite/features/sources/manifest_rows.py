"""Photos that a table names: a CSV or JSONL manifest, a DataFrame, the paths of a Parquet table; labels or none.

Every column but those of path, label and id is carried through. A row that names no photo there is, is an item with
that reason; a line that is no row ends the listing, with its number.
"""

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from efficientnet_lite.addresses import is_address, public
from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.features.sources.columns import column_value, text_value
from efficientnet_lite.features.sources.photo_entry import PhotoPlace, SourceItem
from efficientnet_lite.features.sources.remote import beside, is_open_address
from efficientnet_lite.features.sources.streams import forwards, unreadable
from efficientnet_lite.photos.frames import DataFrame, columns_of
from efficientnet_lite.photos.manifest import (
    LABEL_COLUMNS,
    PATH_COLUMNS,
    SPLIT_CSV_COLUMNS,
    lines_of,
    read_columns,
)
from efficientnet_lite.photos.manifest_files import ManifestPlaces
from efficientnet_lite.storage import files
from efficientnet_lite.storage.tables import csv_text

ID_COLUMNS = ("id",)
TAKEN = frozenset((*PATH_COLUMNS, *LABEL_COLUMNS, *ID_COLUMNS))  # not carried where they are empty
MAX_HINTS = 10_000  # files of a folder in which one of a similar name is looked for
CLOSED_ADDRESS = "an address of a kind that is not followed from a table"
FIX = f"give every row a path ({', '.join(PATH_COLUMNS)}), as CSV or JSONL in UTF-8"


def manifest_items(where: str, *, links: bool = True) -> Iterator[SourceItem]:
    """The photos of a CSV or JSONL manifest, packed by gzip or not, in its order; paths are relative to its folder.

    Raises UnusableInput where it cannot be opened, UnusableDataset where a line is no row.
    """
    with forwards(where) as file:
        try:
            table = read_columns(lines_of(file), where=where)
            rows = table.rows
            if tuple(name.lower() for name in table.columns) == SPLIT_CSV_COLUMNS:  # of a run of ours
                rows = ((line, _unescaped(fields)) for line, fields in rows)
            yield from row_items(rows, where, links=links)
        except UnusableDataset as error:
            error.fix = FIX
            raise
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(where, error) from error


def frame_items(frame: DataFrame, *, links: bool = True) -> Iterator[SourceItem]:
    """The photos of a DataFrame; relative paths are in the current folder."""
    yield from row_items(columns_of(frame).rows, None, links=links, unit="row")


def row_items(
    rows: Iterator[tuple[int, Mapping[str, object]]], where: str | None, *, links: bool, unit: str = "line"
) -> Iterator[SourceItem]:
    """The photo of each row, which is its number and its fields by name; `where` is the table, None in memory."""
    places = _Places(where, links)
    for line, fields in rows:
        keys: dict[str, str] = {}
        for name, value in fields.items():
            if value is not None:
                keys.setdefault(name.strip().lower(), name)
        path, label, own = (
            next((keys[name] for name in names if name in keys), None)
            for names in (PATH_COLUMNS, LABEL_COLUMNS, ID_COLUMNS)
        )
        written = fields[path] if path is not None else None
        if not isinstance(written, str) or not written.strip() or "\0" in written:
            raise UnusableDataset(f"{unit} {line}: it has no path", where=where or "the DataFrame", fix=FIX)
        shown, place, size, lost = places.locate(written)
        yield SourceItem(
            shown,
            place,
            id=public(written) if own is None else _plain_text(fields[own]),
            label=None if label is None else _plain_text(fields[label]).strip() or None,
            more={
                text_value(name.strip()) or "unnamed": column_value(value)
                for name, value in fields.items()
                if name not in (path, label, own) and (value is not None or name.strip().lower() not in TAKEN)
            },
            size=size,
            lost=None if lost is None else f"{lost} ({unit} {line})",
            is_row=True,
        )


class _Places:
    """Where the paths of one table lead."""

    def __init__(self, where: str | None, links: bool) -> None:
        self._address = where if where is not None and is_address(where) else None
        folder = Path(where).parent if where is not None and self._address is None else Path()
        self._folder = folder
        self._local = ManifestPlaces(folder, True, links, most_hints=MAX_HINTS)

    def locate(self, written: str) -> tuple[str, PhotoPlace, int | None, str | None]:
        """The path to show, where its bytes are, how many, and why it cannot be used."""
        if is_address(written) or self._address is not None:
            address = beside(self._address or "", written)
            fault = None if is_open_address(address) or self._is_at_home(address) else CLOSED_ADDRESS
            return public(address), PhotoPlace("url", address), None, fault
        name, fault = self._local.locate(written)
        path = self._folder / name
        size = None if fault else files.size(path)
        return path.as_posix(), PhotoPlace("file", str(path)), size, fault

    def _is_at_home(self, address: str) -> bool:
        """Whether an address is one of the file system that the table itself was given from."""
        home = self._address
        return home is not None and "::" not in address and address.split("://")[0] == home.split("://")[0]


def _unescaped(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: csv_text(value) if isinstance(value, str) else value for name, value in fields.items()}


def _plain_text(value: object) -> str:
    plain = column_value(value)
    return plain if isinstance(plain, str) else str(column_value(str(plain)))
