"""Rows and vectors of a part in Parquet, read by pyarrow in the child of `storage.confined_pieces`.

A folder of vectors may be a stranger's, whose digests say only that nothing was damaged on the way.
"""

import json
from collections.abc import Iterator
from typing import Any

from efficientnet_lite.features.clip_retrieval import PATH
from efficientnet_lite.features.sources.parquet_child import opened_table
from efficientnet_lite.photos.manifest import SPLIT_COLUMNS
from efficientnet_lite.storage.confined_pieces import Declined, FarFile

ROWS_AT_ONCE = 256
MAX_TEXT = 1 << 16  # characters of a cell
TEXTS, NUMBERS = ("id", "path", "label", "sha256"), ("width", "height")


def respond(question: bytes, far: FarFile) -> Iterator[Any]:
    """The pieces of an answer about one part; rows with an error are left out. Raises Declined.

    Args:
        question: in JSON `path`, and `size`, the numbers of a vector: each piece is some vectors, float32 (n, size), as
            bytes. With `size` null each piece is some rows as JSON, a list of [id, path, label, split, width, height,
            sha256]; with `count` true the only piece is how many rows there are.
    """
    asked = json.loads(question)
    with opened_table(asked, far) as (_, table):
        if asked.get("count"):
            yield json.dumps(sum(len(batch) for batch in _used(table, []))).encode()
        elif asked["size"] is None:
            yield from _rows(table)
        else:
            yield from _vectors(table, asked["size"])


def _used(table: Any, columns: list[str]) -> Iterator[Any]:
    """The rows without an error, some at once."""
    names = table.schema_arrow.names
    if twice := {name for name in names if names.count(name) > 1} & {*columns, "error"}:
        raise Declined(f"it has the column {min(twice)[:50]!r} twice")
    marked = ["error"] if "error" in names else []
    if not (marked or columns):
        columns = [PATH]
    for batch in table.iter_batches(ROWS_AT_ONCE, columns=[*marked, *columns], use_threads=False):
        if marked and batch.column("error").null_count < len(batch):
            batch = batch.filter(batch.column("error").is_null())
        if len(batch):
            yield batch


def _vectors(table: Any, size: int) -> Iterator[Any]:
    import numpy as np
    import pyarrow as pa

    schema = table.schema_arrow
    kinds = [pa.list_(number, size) for number in (pa.float32(), pa.float16(), pa.int8())]
    if "vector" not in schema.names or schema.field("vector").type not in kinds:
        raise Declined(f"it has no column 'vector' of lists of {size} numbers")
    is_coded = schema.field("vector").type == kinds[2]
    for batch in _used(table, ["vector", "scale"] if is_coded else ["vector"]):
        vectors = batch.column("vector")
        if vectors.null_count:
            raise Declined("a row has neither a vector nor an error")
        matrix = vectors.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, size)
        if is_coded:
            matrix = matrix * batch.column("scale").to_numpy(zero_copy_only=False).astype(np.float32)[:, None]
        yield np.ascontiguousarray(matrix).data.cast("B")


def _rows(table: Any) -> Iterator[bytes]:
    names = table.schema_arrow.names
    path = "path" if "path" in names else PATH
    split = next((name for name in names if name.strip().lower() in SPLIT_COLUMNS), None)
    asked = ["id", path, "label", split, "width", "height", "sha256"]
    there = [name for name in asked if name is not None and name in names]
    for batch in _used(table, there):
        empty = [None] * len(batch)
        columns = [batch.column(name).to_pylist() if name in there else empty for name in asked]
        yield json.dumps([list(map(_cell, row)) for row in zip(*columns, strict=True)]).encode()


def _cell(value: object) -> object:
    if value is None or type(value) is int:
        return value
    text = str(value)
    if len(text) > MAX_TEXT:
        raise Declined(f"a cell has {len(text):,} characters, more than {MAX_TEXT:,}")
    return text
