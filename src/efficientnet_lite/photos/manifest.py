"""The lines of a CSV or JSONL manifest -> entries: a photo's path, its label, and perhaps its split.

Pure: takes lines of bytes and opens nothing; `dataset` resolves the paths. A manifest may come
from a stranger: lines, fields and rows are bounded, and every refusal names the line.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.photos.split import Split
from efficientnet_lite.photos.splitwords import split_of
from efficientnet_lite.plaintext import UTF16

MAX_LINE_BYTES = 1 << 20
MAX_ROWS = 5_000_000

# Accepted names of the columns, the first that is there counts; in any case.
PATH_COLUMNS = (
    "path",
    "file",
    "file_name",
    "filename",
    "image",
    "filepath",
    "file_path",
    "image_path",
    "filepaths",
)
LABEL_COLUMNS = ("label", "class", "category", "target", "class_name", "labels")
SPLIT_COLUMNS = ("split", "subset")
# These count where the first row has a word for a part there; else they say something else.
PERHAPS_SPLIT = ("set", "data set", "data_set", "dataset", "partition", "part", "phase", "usage", "fold")
# A CSV with just these columns was written by us, with cells made safe for spreadsheets.
SPLIT_CSV_COLUMNS = ("path", "label", "split", "sha256", "group")

_FIX = (
    f"give every row a path ({', '.join(PATH_COLUMNS)}), a label ({', '.join(LABEL_COLUMNS)}) and, where "
    f"parts are given, a split (train, validation or test), as CSV or JSONL in UTF-8"
)


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One row, as written."""

    line: int  # of the file, from 1; the last one of a CSV row with line breaks in a cell
    path: str  # not empty, without NUL
    label: str  # not empty, perhaps odd: `labels.fault` judges
    split: Split | None


class Manifest(NamedTuple):
    """All rows in order, to be read once; `columns` as the header says, empty for JSONL."""

    columns: tuple[str, ...]
    entries: Iterator[ManifestRow]
    unit: str = "line"  # what messages call a row by


class ManifestTable(NamedTuple):
    """All rows in order, to be read once: line and fields of each, by the names as they are written."""

    columns: tuple[str, ...]  # as the header says; empty for JSONL
    rows: Iterator[tuple[int, Mapping[str, object]]]


class NoLabels(UnusableDataset):
    """A table of photos without a column of labels, such as captions or boxes."""


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Lines with their breaks; one that is too long comes cut, but still too long."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line


def read_manifest(lines: Iterable[bytes], *, where: Path) -> Manifest:
    """The entries of a manifest, from its lines with their line breaks.

    JSONL where the first character is `{`, else CSV with a header and commas, semicolons or tabs. A
    line may have 1 MiB, a manifest 5 million rows. A label that is a whole number becomes its digits.
    Lines are read as entries are asked for, so that none but the last is held.

    Raises, here or where an entry is asked for:
        NoLabels: there is no column of labels.
        UnusableDataset: anything else that is wrong, with the number of the line.
    """
    first, everything = _begun(lines, where)
    if _is_json(first):
        columns: tuple[str, ...] = ()
        rows = _json_rows(everything, where)
    else:
        columns, rows = _csv_rows(everything, where)
    return Manifest(columns, same_kind(rows, where))


def read_columns(lines: Iterable[bytes], *, where: Path | str) -> ManifestTable:
    """All that a manifest says of its photos, labels or none, from its lines with their line breaks.

    There may be any number of rows; otherwise as `read_manifest`, and read as rows are asked for. A cell of a CSV that
    is empty is None.

    Raises, here or where a row is asked for, UnusableDataset, with the number of the line.
    """
    first, everything = _begun(lines, where)
    if _is_json(first):
        return ManifestTable((), _json_objects(everything, where))
    columns, rows = _csv_cells(everything, where)
    return ManifestTable(columns, ((line, _fields(columns, cells)) for line, cells in rows))


def _begun(lines: Iterable[bytes], where: Path | str) -> tuple[str, Iterator[tuple[int, str]]]:
    """The first line with something in it; and number and text of all from that on."""
    texts = _texts(lines, where)
    number, first = next(((n, text) for n, text in texts if text.strip()), (0, ""))
    if not number:
        raise UnusableDataset("the manifest is empty", where=where, fix=_FIX)
    if first.lstrip().startswith("["):
        raise _refused("a JSON array; JSONL has one object a line", where, number)
    return first, chain([(number, first)], texts)


def _is_json(first: str) -> bool:
    return first.lstrip().startswith("{")


def _fields(columns: Sequence[str], cells: Sequence[str]) -> dict[str, object]:
    return {name: cell or None for name, cell in zip(columns, cells, strict=True)}


def same_kind(rows: Iterable[ManifestRow], where: Path | str, unit: str = "line") -> Iterator[ManifestRow]:
    """The rows, while they are not too many and all of them have a split or none has."""
    first = None
    for number, row in enumerate(rows):
        first = first or row
        if number == MAX_ROWS:
            raise _refused(f"more than {MAX_ROWS:,} rows", where, row.line, unit)
        if (row.split is None) != (first.split is None):
            has = "no split" if row.split is None else "a split"
            raise _refused(f"{has}, unlike {unit} {first.line}", where, row.line, unit)
        yield row
    if first is None:
        raise UnusableDataset("the manifest has a header and no rows", where=where, fix=_FIX)


def _texts(lines: Iterable[bytes], where: Path | str) -> Iterator[tuple[int, str]]:
    """Number and text of each line, in UTF-8; a byte order mark is dropped."""
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_BYTES:
            raise _refused(f"more than {MAX_LINE_BYTES:,} bytes", where, number)
        if not line.endswith(b"\n"):  # the last one: some programs fill a file up with NULs
            line = line.rstrip(b"\0")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            if number == 1 and line.startswith(UTF16):
                raise _refused("it is UTF-16, as Windows saves text, and not UTF-8", where, number) from error
            raise _refused(f"byte {error.start + 1} is not UTF-8", where, number) from error
        yield number, text


def _csv_rows(
    numbered: Iterator[tuple[int, str]], where: Path
) -> tuple[tuple[str, ...], Iterator[ManifestRow]]:
    """The columns, and the rows below them."""
    written, cells_of_rows = _csv_cells(numbered, where)
    columns = _lower(written)
    path = find_column(PATH_COLUMNS, columns)
    label, given = find_column(LABEL_COLUMNS, columns), find_column(SPLIT_COLUMNS, columns)
    if label is None or path is None:
        found = ", ".join(map(repr, columns[:8]))
        raise NoLabels(f"the header names no column of labels, it has {found}", where=where, fix=_FIX)

    def rows() -> Iterator[ManifestRow]:
        split, first = given, True
        for line, cells in cells_of_rows:
            if first and split is None:
                split = find_column(_parts_in(dict(zip(columns, cells, strict=True))), columns)
            first = False
            yield row_of(line, cells[path], cells[label], cells[split] if split is not None else "", where)

    return columns, rows()


def _csv_cells(
    numbered: Iterator[tuple[int, str]], where: Path | str
) -> tuple[tuple[str, ...], Iterator[tuple[int, list[str]]]]:
    """The columns as they are written, one of them of paths; and line and cells of the rows below them."""
    number, header = next(numbered)
    for delimiter in (",", ";", "\t"):  # Excel writes semicolons where the comma is for decimals
        columns = _cells(header, delimiter, where, number)
        if find_column(PATH_COLUMNS, _lower(columns)) is not None:
            break
    else:
        found = ", ".join(map(repr, _lower(_cells(header, ",", where, number))[:8]))
        raise _refused(f"the header names no column of paths, it has {found}", where, number)

    def rows() -> Iterator[tuple[int, list[str]]]:
        fed = 0  # characters of the row that is being read, which may have several lines

        def texts() -> Iterator[str]:
            nonlocal fed
            for line, text in numbered:
                fed += len(text)
                if fed > MAX_LINE_BYTES:
                    raise _refused(f"a row of more than {MAX_LINE_BYTES:,} characters", where, line)
                yield text

        reader = csv.reader(texts(), delimiter=delimiter, skipinitialspace=True, strict=True)
        while True:
            fed = 0
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise _refused(_csv_fault(error), where, number + reader.line_num) from error
            if cells is None:
                return
            if not any(cell.strip() for cell in cells):
                continue
            line = number + reader.line_num
            if len(cells) != len(columns):
                raise _refused(
                    f"{len(cells)} cells under a header of {len(columns)}; quote cells that hold a comma",
                    where,
                    line,
                )
            yield line, cells

    return columns, rows()


def _parts_in(row: Mapping[str, object]) -> list[str]:
    """The columns of a first row that are no split by name and hold a word for a part."""
    return [name for name in PERHAPS_SPLIT if isinstance(text := row.get(name), str) and split_of(text)]


def _csv_fault(error: csv.Error) -> str:
    if "new-line character" in str(error):
        return "a carriage return alone, as old programs end lines; save it with line feeds"
    return str(error)


def _cells(header: str, delimiter: str, where: Path | str, line: int) -> tuple[str, ...]:
    try:
        cells = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise _refused(f"the header is no CSV: {_csv_fault(error)}", where, line) from error
    return tuple(cell.strip() for cell in cells)


def _lower(columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in columns)


def find_column(names: Sequence[str], columns: Sequence[str]) -> int | None:
    """The place of the first of `names` that is among `columns`, which are in lower case; None where none is."""
    return next((columns.index(name) for name in names if name in columns), None)


def _json_rows(numbered: Iterator[tuple[int, str]], where: Path) -> Iterator[ManifestRow]:
    first = True
    parts: tuple[str, ...] = SPLIT_COLUMNS
    for line, row in _json_objects(numbered, where):
        fields = {key.lower(): value for key, value in row.items()}
        parts = (*SPLIT_COLUMNS, *_parts_in(fields)) if first else parts
        path, label, split = (
            next((fields[name] for name in names if fields.get(name) is not None), None)
            for names in (PATH_COLUMNS, LABEL_COLUMNS, parts)
        )
        if not isinstance(path, str):
            raise _refused(f"no text under any of {', '.join(PATH_COLUMNS)}", where, line)
        if label is None and first:
            raise NoLabels(f"line {line}: no label", where=where, fix=_FIX)
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise _refused(f"no text under any of {', '.join(LABEL_COLUMNS)}", where, line)
        if not isinstance(split, str | None):
            raise _refused(f"the split is no text: {str(split)[:40]!r}", where, line)
        yield row_of(line, path, str(label), split or "", where)
        first = False


def _json_objects(
    numbered: Iterator[tuple[int, str]], where: Path | str
) -> Iterator[tuple[int, dict[str, object]]]:
    """Line and fields of each row; white space around names says nothing."""
    first = True
    for line, text in numbered:
        if not text.strip():
            continue
        if first and text.strip() == "{":
            raise _refused("a JSON document of several lines; JSONL has one object a line", where, line)
        try:
            row = json_value(text)
        except ValueError as error:
            raise _refused(f"no JSON: {error}", where, line) from error
        if not isinstance(row, dict):
            raise _refused("not an object { ... }", where, line)
        first = False
        yield line, {key.strip(): value for key, value in row.items()}


def row_of(
    line: int, path: str, label: str, split: str, where: Path | str, unit: str = "line"
) -> ManifestRow:
    """A row as it was written; raises UnusableDataset for an empty path or label, or an unknown split."""
    if not path.strip() or "\0" in path:
        raise _refused("the path is empty" if not path.strip() else "the path holds a NUL", where, line, unit)
    if not label.strip() or "\0" in label:
        raise _refused(
            "the label is empty" if not label.strip() else "the label holds a NUL", where, line, unit
        )
    part = split_of(split)
    if split.strip() and part is None:
        raise _refused(f"unknown split {split[:40]!r}, expected train, validation or test", where, line, unit)
    return ManifestRow(line, path, label, part)


def _refused(what: str, where: Path | str, line: int, unit: str = "line") -> UnusableDataset:
    return UnusableDataset(f"{unit} {line}: {what}", where=where, fix=_FIX)
