"""One part of a folder of feature vectors as a Parquet file.

    id, path, label, width, height, sha256, error   what is known of the photo
    ...                                             further columns of a manifest or an archive
    vector                                          fixed-size list of float32, float16 or int8, or null
    scale                                           of int8 alone: vector * scale are the features

The bytes depend on the rows and on what the footer says of them: no time, no threads. Rows are written group by group,
so that memory does not grow with the part.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import UsageError
from efficientnet_lite.features.extract import Extracted
from efficientnet_lite.features.provenance import Provenance
from efficientnet_lite.features.sources.photo_entry import PhotoEntry
from efficientnet_lite.features.vector_form import no_pyarrow
from efficientnet_lite.photos.accounting import Tally
from efficientnet_lite.vocabulary import VectorDtype

FOOTER_KEY = b"efficientnet_lite"  # its value is JSON: the provenance, and the number of the part
# Half of a vector is zeros, after ReLU6. Of 1,000 vectors of clothing in float32 zstd leaves 2.8 of 5.1 MB in 17 ms,
# snappy 3.3 in 15, nothing 5.1 in 5; the network takes ten seconds for them.
COMPRESSION: Mapping[str, Any] = {"compression": "zstd", "compression_level": 1}
INT8_CODES = 127

FloatMatrix = npt.NDArray[np.float32]
PartRows = Sequence[Extracted[PhotoEntry]]


class OpenPart(Protocol):
    """The files of a part while they are being written, by one thread at a time."""

    def add(self, rows: PartRows) -> None:
        """Write the next rows."""

    def finish(self) -> None:
        """Write what ends the files."""

    def abandon(self) -> None:
        """Let go of the files, which vanish."""


class FilesOfPart(Protocol):
    """How parts lie in their folder."""

    def names(self, number: int, parts: int) -> tuple[str, ...]:
        """The files of part `number` of so many, within the folder."""

    def open(self, files: Sequence[BinaryIO], made: Provenance, number: int) -> OpenPart:
        """Begin a part in its files, which are empty and come as `names` has them."""

    def tally(self, paths: Sequence[Path]) -> Tally:
        """What became of the photos of a part that is whole, from its files."""

    def vectors(self, paths: Sequence[Path]) -> tuple[list[str], FloatMatrix]:
        """The photos of a part that have a vector, by path, and their vectors, float32 (N, C)."""


class ParquetParts:
    """One file a part."""

    def names(self, number: int, parts: int) -> tuple[str, ...]:
        return (f"part-{number:05}.parquet",)

    def open(self, files: Sequence[BinaryIO], made: Provenance, number: int) -> "ParquetPart":
        return ParquetPart(files[0], made, number)

    def tally(self, paths: Sequence[Path]) -> Tally:
        return read_tally(paths[0], "path")

    def vectors(self, paths: Sequence[Path]) -> tuple[list[str], FloatMatrix]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(paths[0]) as file:
            names = [name for name in ("path", "error", "vector", "scale") if name in file.schema_arrow.names]
            table = file.read(columns=names, use_threads=False)
        used = table.filter(table.column("error").is_null())
        vectors = used.column("vector").combine_chunks()
        size = table.schema.field("vector").type.list_size
        matrix = vectors.flatten().to_numpy(zero_copy_only=False).reshape(-1, size).astype(np.float32)
        if "scale" in names:
            matrix *= used.column("scale").to_numpy()[:, None]
        return used.column("path").to_pylist(), matrix


class ParquetPart:
    """A part that is being written, from rows or from a part that was there."""

    def __init__(self, file: BinaryIO, made: Provenance, number: int) -> None:
        self._made = made
        self._schema = with_footer(parts_schema(made), made, number)
        self._writer = TableWriter(file, self._schema)

    def add(self, rows: PartRows) -> None:
        self._writer.write(self._table(rows))

    def keep(self, table: Any, instead: Mapping[int, Extracted[PhotoEntry]]) -> None:
        """Write rows of an earlier part, others in the place of some, by their places in `table`."""
        import pyarrow as pa

        if instead:
            order = list(range(table.num_rows))
            for count, place in enumerate(instead):
                order[place] = table.num_rows + count
            table = (
                pa.concat_tables([table, self._table(list(instead.values()))]).take(order).combine_chunks()
            )
        self._writer.write(table)

    def _table(self, rows: PartRows) -> Any:
        import pyarrow as pa

        arrays = [*known_arrays(rows), *more_arrays(rows, self._made.columns)]
        arrays += vector_arrays(rows, self._made.dtype, self._made.size)
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def finish(self) -> None:
        self._writer.close()

    def abandon(self) -> None:
        self._writer.abandon()


class TableWriter:
    """A Parquet file to which tables are written, each a group of rows."""

    def __init__(self, file: BinaryIO, schema: Any) -> None:
        import pyarrow.parquet as pq

        plain = [name for name in schema.names if name not in ("vector", "scale")]
        self._writer = pq.ParquetWriter(
            file, schema, use_dictionary=["label"], write_statistics=plain, **COMPRESSION
        )

    def write(self, table: Any) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()

    def abandon(self) -> None:
        with suppress(Exception):  # the disk may be full; the file goes anyhow
            self._writer.close()
        self._writer.is_open = False  # else it is closed once more when it is forgotten


def load_writer() -> None:
    """Import what writes Parquet, which takes a moment. Raises UsageError where it cannot be."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise no_pyarrow() from error


def parts_schema(made: Provenance) -> Any:
    """The columns of a part, without its footer."""
    import pyarrow as pa

    value = {"float32": pa.float32(), "float16": pa.float16(), "int8": pa.int8()}[made.dtype]
    return pa.schema(
        [
            *known_fields(),
            *more_fields(made.columns),
            pa.field("vector", pa.list_(value, made.size)),
            *([pa.field("scale", pa.float32())] if made.dtype == "int8" else []),
        ]
    )


def with_footer(schema: Any, made: Provenance, number: int) -> Any:
    """`schema` with what a part says of itself."""
    document = json.dumps({**made.to_json(), "part": number}, ensure_ascii=True, allow_nan=False)
    return schema.with_metadata({FOOTER_KEY: document.encode()})


def known_fields() -> list[Any]:
    import pyarrow as pa

    return [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("sha256", pa.string()),
        pa.field("error", pa.string()),
    ]


def known_arrays(rows: PartRows) -> list[Any]:
    """What `known_fields` names."""
    columns = (
        [well_formed(row.item.id) for row in rows],
        [well_formed(row.item.path) for row in rows],
        [well_formed(row.item.label) for row in rows],
        [row.width for row in rows],
        [row.height for row in rows],
        [row.sha256 for row in rows],
        [well_formed(row.error) for row in rows],
    )
    return _arrays(columns, known_fields())


def more_fields(columns: Mapping[str, str]) -> list[Any]:
    """The further columns of the list."""
    import pyarrow as pa

    kinds = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
    return [pa.field(well_formed(name), kinds[kind]) for name, kind in columns.items()]


def more_arrays(rows: PartRows, columns: Mapping[str, str]) -> list[Any]:
    values = [[well_formed(row.item.more[place]) for row in rows] for place in range(len(columns))]
    return _arrays(values, more_fields(columns))


def _arrays(columns: Sequence[Sequence[object]], fields: Sequence[Any]) -> list[Any]:
    import pyarrow as pa

    return [pa.array(values, field.type) for values, field in zip(columns, fields, strict=True)]


def vector_arrays(rows: PartRows, dtype: VectorDtype, size: int) -> list[Any]:
    """The column of vectors, and of int8 that of their scales."""
    import pyarrow as pa

    features, there = stacked(rows, size)
    absent = None if there.all() else pa.array(~there)
    if dtype != "int8":
        flat = pa.array(as_float(features, dtype).reshape(-1))
        return [pa.FixedSizeListArray.from_arrays(flat, size, mask=absent)]
    codes, scales = codes_of(features)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(codes.reshape(-1)), size, mask=absent)
    return [vectors, pa.array(scales, mask=~there)]


def stacked(rows: PartRows, size: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Features (N, size), zeros where a row has none, and which have some (N,)."""
    features = np.zeros((len(rows), size), np.float32)
    there = np.zeros(len(rows), np.bool_)
    for place, row in enumerate(rows):
        if row.vector is not None:
            features[place], there[place] = row.vector, True
    return features, there


def as_float(features: npt.NDArray[np.float32], dtype: VectorDtype) -> npt.NDArray[np.floating[Any]]:
    """Features in float32 or float16; raises UsageError where one is too large for float16."""
    if dtype == "float32":
        return features
    with np.errstate(over="ignore"):
        halves = features.astype(np.float16)
    if not np.isfinite(halves).all():
        raise UsageError(
            f"a feature of this model is {np.abs(features).max():.3g}, and float16 ends at 65504",
            where="`dtype=float16`",
            fix="give `dtype=float32` or `dtype=int8`",
        )
    return halves


def codes_of(features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Codes (N, C) and scales (N,): a scale a row, the largest magnitude is 127. A row of zeros has the scale 1."""
    largest = np.abs(features).max(axis=1)
    is_zero = largest < INT8_CODES * np.finfo(np.float32).tiny  # of the rest, a scale would lose its bits
    scales = np.where(is_zero, 1, largest / INT8_CODES).astype(np.float32)
    codes = np.rint(features / scales[:, None]).clip(-INT8_CODES, INT8_CODES)
    return codes.astype(np.int8), scales


def read_tally(path: Path, name: str, *, used: int = 0) -> Tally:
    """What became of the photos of a file of ours with the columns `name` and `error`."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, memory_map=False) as file:
        table = file.read(columns=[name, "error"], use_threads=False)
    tally = Tally(used)
    errors = table.column("error")
    tally.used += errors.null_count
    if errors.null_count < table.num_rows:
        for path_shown, error in zip(table.column(name).to_pylist(), errors.to_pylist(), strict=True):
            if error is not None:
                tally.skip(path_shown, error)
    return tally


def errors_of(path: Path) -> list[str | None]:
    """The column `error` of a file of ours."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, memory_map=False) as file:
        errors: list[str | None] = file.read(columns=["error"], use_threads=False).column("error").to_pylist()
    return errors


def groups_of(path: Path) -> Generator[Any, None, None]:
    """The rows of a part, group by group as they were written."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, memory_map=False) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, use_threads=False)


def well_formed(value: Any) -> Any:
    """A text as UTF-8 has it: bytes of a file name that are none become backslash escapes. Others stay."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
