"""One part of a folder of feature vectors as clip-retrieval writes it, for its index and what reads that.

    img_emb/img_emb_0.npy          float16 (N, C), of length one, as that tool's are
    metadata/metadata_0.parquet    image_path and what is known of the photo; row by row as the matrix
    skipped/skipped_0.parquet      the photos without a vector, and why: that tool drops them

Source: rom1504/clip-retrieval, clip_inference/writer.py (`OutputSink`: names, columns, zeros in front) and
clip_inference/mapper.py (length one, float16).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from efficientnet_lite.features.npy_file import write_header
from efficientnet_lite.features.parts import (
    FloatMatrix,
    OpenPart,
    PartRows,
    TableWriter,
    as_float,
    known_arrays,
    known_fields,
    more_arrays,
    more_fields,
    read_tally,
    stacked,
    with_footer,
)
from efficientnet_lite.features.provenance import Provenance
from efficientnet_lite.photos.accounting import Tally

FOLDERS = ("img_emb", "metadata", "skipped")
PATH = "image_path"
_DTYPES: Mapping[str, str] = {"float32": "<f4", "float16": "<f2"}


class ClipRetrievalParts:
    """Three files a part, in three folders."""

    def names(self, number: int, parts: int) -> tuple[str, ...]:
        digits = f"{number:0{len(str(parts))}}"
        endings = ("npy", "parquet", "parquet")
        return tuple(
            f"{folder}/{folder}_{digits}.{end}" for folder, end in zip(FOLDERS, endings, strict=True)
        )

    def open(self, files: Sequence[BinaryIO], made: Provenance, number: int) -> OpenPart:
        return _ClipPart(files, made, number)

    def tally(self, paths: Sequence[Path]) -> Tally:
        return read_tally(paths[2], PATH, used=_rows(paths[1]))

    def vectors(self, paths: Sequence[Path]) -> tuple[list[str], FloatMatrix]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(paths[1]) as file:
            names = file.read(columns=[PATH], use_threads=False).column(PATH).to_pylist()
        return names, np.load(paths[0], allow_pickle=False).astype(np.float32)


class _ClipPart:
    def __init__(self, files: Sequence[BinaryIO], made: Provenance, number: int) -> None:
        self._made, self._matrix = made, files[0]
        self._count = 0
        write_header(self._matrix, len(made.rows_of(number)), made.size, _DTYPES[made.dtype])
        self._schemas = [with_footer(_schema(made, error=error), made, number) for error in (False, True)]
        self._tables = [
            TableWriter(file, schema) for file, schema in zip(files[1:], self._schemas, strict=True)
        ]

    def add(self, rows: PartRows) -> None:
        used = [row for row in rows if row.vector is not None]
        features, _ = stacked(used, self._made.size)
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        features /= np.where(lengths > 0, lengths, np.float32(1))
        self._matrix.write(as_float(features, self._made.dtype).astype(_DTYPES[self._made.dtype]).tobytes())
        self._count += len(used)
        self._write(0, used)
        self._write(1, [row for row in rows if row.vector is None])

    def _write(self, place: int, rows: PartRows) -> None:
        import pyarrow as pa

        schema = self._schemas[place]
        if rows:
            arrays = [*known_arrays(rows), *more_arrays(rows, self._made.columns)]
            named = dict(zip(_names(self._made), arrays, strict=True))
            self._tables[place].write(
                pa.Table.from_arrays([named[name] for name in schema.names], schema=schema)
            )

    def finish(self) -> None:
        for table in self._tables:
            table.close()
        write_header(self._matrix, self._count, self._made.size, _DTYPES[self._made.dtype])
        self._matrix.seek(0, 2)

    def abandon(self) -> None:
        for table in self._tables:
            table.abandon()


def _names(made: Provenance) -> list[str]:
    """Of all columns but the vector, as that tool calls them."""
    known = [PATH if field.name == "path" else field.name for field in known_fields()]
    return [*known, *(f"source_{name}" if name == PATH else name for name in made.columns)]


def _schema(made: Provenance, *, error: bool) -> Any:
    """Of the metadata, or of what was skipped; the path comes first, as there."""
    import pyarrow as pa

    fields = dict(zip(_names(made), [*known_fields(), *more_fields(made.columns)], strict=True))
    order = [PATH, *(name for name in fields if name != PATH and (error or name != "error"))]
    return pa.schema([fields[name].with_name(name) for name in order])


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
