"""Photos in Parquet: a column of bytes, Hugging Face's struct of bytes and path, or a column of paths; others carried.

The bytes of photos are not read for the list but in passing, a few rows at a time. Tables are opened in a process of
its own: see `parquet_child`.
"""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

from efficientnet_lite import extras
from efficientnet_lite.addresses import is_address
from efficientnet_lite.errors import EfficientNetLiteError, UnusableInput, UsageError, printable
from efficientnet_lite.features.sources import parquet_child
from efficientnet_lite.features.sources.manifest_rows import ID_COLUMNS, row_items
from efficientnet_lite.features.sources.parquet_child import PLACE_BYTES
from efficientnet_lite.features.sources.passages import Passing
from efficientnet_lite.features.sources.photo_entry import ColumnValue, PhotoPlace, SourceItem
from efficientnet_lite.features.sources.remote import RemoteFile
from efficientnet_lite.photos.decode import MAX_BYTES
from efficientnet_lite.photos.manifest import LABEL_COLUMNS, PATH_COLUMNS
from efficientnet_lite.storage import files
from efficientnet_lite.storage.confined import Failed
from efficientnet_lite.storage.confined_pieces import Declined, ReadAt, pieces

# Beside what pyarrow itself takes: photos of eight rows, and pages, of which few are half as large as their file.
MEMORY, MEMORY_OF_A_BYTE, MOST_BYTES_THAT_COUNT = 512 * 2**20, 3, 2**30
CHILD, LIBRARY = parquet_child.__name__, "pyarrow.parquet"
MAX_ROW_BYTES = 64 * 2**20
NO_BYTES = "the row has no bytes of a photo"
FIX = "give a table with a column of photos, as bytes, or of paths (" + ", ".join(PATH_COLUMNS[:4]) + ", ...)"


def parquet_items(shown: str, where: str, *, links: bool = True) -> Iterator[SourceItem]:
    """The photos of a table in its order.

    Raises UnusableInput where it cannot be read or has no photos, UsageError without pyarrow.
    """
    listed = _answer(where, {}, MAX_ROW_BYTES)
    about = json.loads(next(listed))
    rows = (_row(piece) for piece in listed)
    if not about["photos"]:
        yield from row_items(((n, fields) for n, fields, _, _ in rows), where, links=links, unit="row")
        return
    ends, end = accumulate(about["groups"]), 0
    for number, fields, name, has_bytes in rows:
        while number >= end:
            end = next(ends, number + 1)
        label, own = _taken(fields, LABEL_COLUMNS), _taken(fields, ID_COLUMNS)
        if not has_bytes and name:
            rest: dict[str, object] = {**fields, "path": name, "label": label, "id": own}
            yield from row_items(iter([(number, rest)]), where, links=links, unit="row")
            continue
        yield SourceItem(
            f"{shown}/{name.lstrip('/')}" if name else f"{shown}/{number:06d}",
            PhotoPlace("parquet", where, number, end - number),
            id=None if own is None else str(own),
            label=None if label is None else str(label).strip() or None,
            more=fields,
            lost=None if has_bytes else NO_BYTES,
            is_member=True,
            holder_sha256=about["footer"],
        )


def passing_rows(where: str, start: int) -> Passing:
    """The photo of each row as it comes by, from row `start` on; of a row without one, none. Raises OSError."""
    asked = {"start": start, "most_bytes": MAX_BYTES + 1}
    try:
        for piece in _answer(where, asked, PLACE_BYTES + MAX_BYTES + 1):
            if piece:
                yield int.from_bytes(piece[:PLACE_BYTES], "little"), piece[PLACE_BYTES:]
    except EfficientNetLiteError as error:
        raise OSError(error.what) from error


def _answer(where: str, asked: dict[str, int], limit: int) -> Iterator[bytes]:
    """The pieces of the child's answer. Raises as `parquet_items` does."""
    if find_spec("pyarrow") is None:
        raise UsageError("Parquet tables need pyarrow", where=where, fix=extras.EMBED)
    if not is_address(where) and not files.is_file(where):
        raise UnusableInput("no such file", where=where, fix="check its spelling")
    try:
        with _far(where) as (size, read):
            question = json.dumps(
                {"path": None if read else str(Path(where).absolute()), "size": size, **asked}
            ).encode()
            memory = MEMORY + MEMORY_OF_A_BYTE * min(size, MOST_BYTES_THAT_COUNT)
            yield from pieces(CHILD, question, library=LIBRARY, memory=memory, limit=limit, read=read)
    except Declined as error:
        raise UnusableInput(printable(str(error)), where=where, fix=FIX) from error
    except (Failed, OSError) as error:
        raise UnusableInput(f"no Parquet table that can be read: {error}", where=where, fix=FIX) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # of a child gone mad
        raise UnusableInput("no Parquet table that can be read", where=where, fix=FIX) from error


@contextmanager
def _far(where: str) -> Iterator[tuple[int, ReadAt | None]]:
    """How many bytes there are, and what reads them, where the child cannot itself."""
    if not is_address(where):
        yield files.size(where), None
        return
    with RemoteFile(where, seekable=True) as file:

        def read(position: int, count: int) -> bytes:
            file.seek(position)
            return file.read(count) or b""

        yield file.seek(0, io.SEEK_END), read


def _row(piece: bytes) -> tuple[int, dict[str, ColumnValue], str, bool]:
    number, fields, name, has_bytes = json.loads(piece)
    return int(number), dict(fields), str(name), bool(has_bytes)


def _taken(fields: dict[str, ColumnValue], names: tuple[str, ...]) -> ColumnValue:
    """The first filled column of these names, which is taken out, as are those without a value."""
    empty = [name for name, value in fields.items() if value is None and name.strip().lower() in names]
    for each in empty:
        del fields[each]
    lower = {name.strip().lower(): name for name in reversed(fields) if fields[name] is not None}
    name = next((lower[name] for name in names if name in lower), None)
    return None if name is None else fields.pop(name)
