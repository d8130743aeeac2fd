"""Parquet tables as pyarrow reads them, in the child of `storage.confined_pieces`: a stranger's is opened nowhere else.

What a page says of itself is checked by nobody before it is unfolded, so that a table of some kilobytes may take
gigabytes. Whoever wants rows or photos asks for the pieces of this module's answer: see `respond`.

Source: Apache Parquet, README (footer, row groups, column chunks); Hugging Face, datasets, "Image" and "ClassLabel".
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from efficientnet_lite.documents import json_value
from efficientnet_lite.features.sources.columns import column_value
from efficientnet_lite.features.sources.photo_entry import ColumnValue
from efficientnet_lite.photos.header import MAGIC_BYTES, format_of
from efficientnet_lite.photos.manifest import PATH_COLUMNS
from efficientnet_lite.storage.confined_pieces import Declined, FarFile

BYTES_COLUMNS = (
    "image",
    "img",
    "photo",
    "picture",
    "jpg",
    "jpeg",
    "png",
    "image_bytes",
    "bytes",
    "data",
    "content",
)
MAX_FOOTER_BYTES = 64 * 2**20  # a hundred for each column of a group of rows
FOOTER_END_BYTES = 8  # its length, and a magic
PLACE_BYTES = 8  # before each photo, its row
ROWS_AT_ONCE, PHOTOS_AT_ONCE = 256, 8
MAX_TEXT_BYTES = 1 << 20  # of the further columns of a row
MAX_UNFOLDED_BYTES, MAX_UNFOLDING = 128 * 2**20, 50  # of a column chunk, and how much of what is packed


class _Column(NamedTuple):
    """A column, or one field of a column of structs."""

    name: str
    field: str | None = None

    @property
    def asked(self) -> str:
        """As Parquet calls it."""
        return self.name if self.field is None else f"{self.name}.{self.field}"

    def of(self, batch: Any) -> Any:
        column = batch.column(self.name)
        return column if self.field is None else column.field(self.field)


class _Columns(NamedTuple):
    """What the columns of a table are."""

    photo: _Column | None  # of bytes; None where there are paths alone
    path: _Column | None  # of paths, or beside the bytes of a struct
    more: list[str]  # all others that can be carried


def respond(question: bytes, far: FarFile) -> Iterator[bytes]:
    """The pieces of an answer about one table. Raises Declined.

    Args:
        question: in JSON `path`, or where that is null `size`, the bytes that `far` has. With `start` photos are asked
            for, from that row on, at most `most_bytes` of each: a piece is the row in eight bytes and the photo, or
            empty where there is none. Without it the list: {"photos": whether there are any, "footer": its SHA-256,
            "groups": rows of each}, then for each row [number, further fields by name, name, whether it has bytes].
    """
    asked = json.loads(question)
    with opened_table(asked, far) as (footer, table):
        if "start" in asked:
            yield from _photos(table, asked["start"], asked["most_bytes"])
        else:
            yield from _listed(footer, table)


def _listed(footer: bytes, table: Any) -> Iterator[bytes]:
    columns = _columns(table)
    groups = [table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)]
    checksum = hashlib.sha256(footer).hexdigest()
    yield json.dumps({"photos": columns.photo is not None, "footer": checksum, "groups": groups}).encode()
    for row in _rows(table, columns, _class_names(table)):
        yield json.dumps(row).encode()


def _footer(file: Any) -> bytes:
    """What the footer says of each group of rows: where it lies, how large it is, its range. Raises ValueError."""
    end = file.size() - FOOTER_END_BYTES
    file.seek(max(0, end))
    size, magic = int.from_bytes(file.read(4), "little"), file.read(4)
    if magic not in (b"PAR1", b"PARE"):
        return b""  # pyarrow refuses it in its own words
    if size > MAX_FOOTER_BYTES:
        raise ValueError(f"its footer has {size:,} bytes, more than {MAX_FOOTER_BYTES:,}")
    file.seek(max(0, end - size))
    return bytes(file.read(size))


def _photos(table: Any, start: int, most: int) -> Iterator[bytes]:
    photo = _columns(table).photo
    if photo is None:
        raise Declined("it has no photos any more")
    first = 0
    for group in range(
        table.num_row_groups
    ):  # one by one: photos of a group are not lost by the next one's damage
        rows = table.metadata.row_group(group).num_rows
        if first + rows <= start:
            first += rows
            continue
        for batch in table.iter_batches(
            PHOTOS_AT_ONCE, row_groups=[group], columns=[photo.asked], use_threads=False
        ):
            for data in photo.of(batch):
                place = first.to_bytes(PLACE_BYTES, "little")
                yield b"".join((place, data.as_buffer()[:most])) if data.is_valid else b""
                first += 1


@contextmanager
def opened_table(asked: dict[str, Any], far: FarFile) -> Iterator[tuple[bytes, Any]]:
    """The footer's bytes and the table at `path`, or in `far`. Raises Declined, also for what the block meets in it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with _native(asked, far) as file:
            footer = _footer(file)
            with pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20) as table:
                _check_unfolding(table.metadata)
                yield footer, table
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        text = " ".join(str(error).split())[:300]
        raise Declined(f"no Parquet table that can be read: {text}") from error


def _native(asked: dict[str, Any], far: FarFile) -> Any:
    import pyarrow as pa

    if asked["path"] is None:
        return pa.PythonFile(far.measured(asked["size"]), mode="r")
    return pa.OSFile(os.fsencode(asked["path"]))


def _check_unfolding(footer: Any) -> None:
    """Raise ValueError where a column of a few kilobytes says that it unfolds to gigabytes, as no photos do."""
    for group in range(footer.num_row_groups):
        about = footer.row_group(group)
        for place in range(about.num_columns):
            chunk = about.column(place)
            size = chunk.total_uncompressed_size
            if size > MAX_UNFOLDED_BYTES and size > MAX_UNFOLDING * max(1, chunk.total_compressed_size):
                raise ValueError(
                    f"{chunk.total_compressed_size:,} bytes of {chunk.path_in_schema[:50]!r} unfold to {size:,}"
                )


def _columns(table: Any) -> _Columns:
    import pyarrow.types as kinds

    schema = table.schema_arrow
    twice = next((name for name, count in Counter(schema.names).items() if count > 1), None)
    if twice is not None:
        raise Declined(f"it has the column {twice[:50]!r} twice")
    photo = path = None
    for name in _by_name(schema):
        kind = schema.field(name).type
        if kinds.is_struct(kind):
            inner = {kind.field(place).name: kind.field(place).type for place in range(kind.num_fields)}
            if "bytes" in inner and _is_bytes(inner["bytes"]):
                photo, path = _Column(name, "bytes"), _Column(name, "path") if "path" in inner else None
                break
        elif _is_bytes(kind) and _begins_with_photo(table, name):
            photo = _Column(name)
            break
    if path is None:
        lower = {name.strip().lower(): name for name in reversed(schema.names)}
        texts = (lower[name] for name in PATH_COLUMNS if name in lower)
        path = next((_Column(name) for name in texts if _is_text(schema.field(name).type)), None)
    if photo is None and path is None:
        found = ", ".join(f"{name!r} ({schema.field(name).type})" for name in schema.names[:8])
        raise Declined(f"it has no column of photos or paths, but {found}")
    taken = {each.name for each in (photo, path) if each is not None}
    more = [name for name in schema.names if name not in taken and not _holds_bytes(schema.field(name).type)]
    return _Columns(photo, path, more)


def _by_name(schema: Any) -> list[str]:
    """The names of all columns, those that photos are usually called by first."""
    return sorted(
        schema.names,
        key=lambda name: (
            BYTES_COLUMNS.index(name.lower()) if name.lower() in BYTES_COLUMNS else len(BYTES_COLUMNS)
        ),
    )


def _begins_with_photo(table: Any, name: str) -> bool:
    for batch in table.iter_batches(1, columns=[name], use_threads=False):
        (data,) = batch.column(0)
        if data.is_valid:
            return format_of(data.as_py()[:MAGIC_BYTES]) is not None or name.lower() in BYTES_COLUMNS
    return name.lower() in BYTES_COLUMNS


def _rows(
    table: Any, columns: _Columns, names: dict[str, list[str]]
) -> Iterator[tuple[int, dict[str, ColumnValue], str, bool]]:
    """Number, further fields, name and whether there are bytes, of each row."""
    photo, path, more = columns
    asks = photo is not None and _may_lack_bytes(table, photo)
    wanted = [*more, *([path.asked] if path else [])]
    if photo is not None and (asks or not wanted):
        wanted.append(photo.asked)
    at_once = PHOTOS_AT_ONCE if asks or wanted[-1:] == [photo and photo.asked] else ROWS_AT_ONCE
    number = 0
    for batch in table.iter_batches(at_once, columns=wanted, use_threads=False):
        has = (
            photo.of(batch).is_valid().to_pylist() if asks and photo else [photo is not None] * batch.num_rows
        )
        values = {name: _values(batch.column(name), names.get(name)) for name in more}
        paths = path.of(batch).to_pylist() if path else [None] * batch.num_rows
        for place in range(batch.num_rows):
            fields = {name: column[place] for name, column in values.items()}
            name = paths[place] or ""
            if photo is None and path is not None:
                fields[path.name] = name or None
            yield number, fields, name, has[place]
            number += 1


def _may_lack_bytes(table: Any, photo: _Column) -> bool:
    """Whether a row may be without bytes, as far as the footer says."""
    for group in range(table.num_row_groups):
        about = table.metadata.row_group(group)
        for place in range(about.num_columns):
            chunk = about.column(place)
            if chunk.path_in_schema == photo.asked:
                known = chunk.statistics
                if known is None or not known.has_null_count or known.null_count:
                    return True
    return False


def _values(column: Any, names: list[str] | None) -> list[ColumnValue]:
    import pyarrow as pa
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_temporal(kind) or kinds.is_decimal(kind):
        try:
            column = column.cast(pa.string())
        except pa.ArrowException:
            return [None] * len(column)
    values = column.to_pylist()
    if names is not None:
        values = [
            names[each] if isinstance(each, int) and 0 <= each < len(names) else each for each in values
        ]
    return [_bounded(column_value(each)) for each in values]


def _bounded(value: ColumnValue) -> ColumnValue:
    if isinstance(value, str) and len(value) > MAX_TEXT_BYTES:
        raise ValueError(f"a cell has {len(value):,} characters, more than {MAX_TEXT_BYTES:,}")
    return value


def _class_names(table: Any) -> dict[str, list[str]]:
    """The names of the classes of each column of numbers that Hugging Face calls a ClassLabel."""
    told = (table.schema_arrow.metadata or {}).get(b"huggingface")
    found: dict[str, list[str]] = {}
    try:
        features = json_value(told)["info"]["features"] if told else {}
        for name, about in features.items():
            if about.get("_type") == "ClassLabel" and all(isinstance(each, str) for each in about["names"]):
                found[name] = about["names"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return found


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as kinds

    asked = (kinds.is_binary, kinds.is_large_binary, kinds.is_fixed_size_binary, kinds.is_binary_view)
    return any(is_kind(kind) for is_kind in asked)


def _is_text(kind: Any) -> bool:
    import pyarrow.types as kinds

    if kinds.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def _holds_bytes(kind: Any) -> bool:
    """Whether values of this type are bytes, or hold such; they are not carried."""
    return _is_bytes(kind) or any(_holds_bytes(kind.field(place).type) for place in range(kind.num_fields))
