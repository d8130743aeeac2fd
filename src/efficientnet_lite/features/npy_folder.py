"""A folder with one matrix of feature vectors and its index, which appears whole or not at all.

    features.npy   float32 (N, C), C is 1280 for files of ours; numpy and all its relatives map it
    index.csv      row of the matrix, path and sha256 of the photo
    skipped.csv    the photos that could not be used, and why
    embed.json     what was written: it makes the folder ours

Memory does not grow with the number of photos.
"""

import codecs
import csv
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from efficientnet_lite.addresses import is_address
from efficientnet_lite.features.npy_file import write_header
from efficientnet_lite.features.outcomes import Work, none_used
from efficientnet_lite.features.provenance import made_with
from efficientnet_lite.photos.accounting import COLUMNS, Tally
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.storage import files, folders, tables
from efficientnet_lite.storage.listing import FolderKind, seal, tree
from efficientnet_lite.storage.targets import Apart
from efficientnet_lite.version import MADE_BY, is_made_by_us

FEATURES, INDEX, SKIPPED, MARKER = "features.npy", "index.csv", "skipped.csv", "embed.json"
INDEX_HEADER = ("row", "path", "sha256")


def publish_matrix(
    work: Work,
    out: Path,
    *,
    overwrite: bool = False,
    apart: Collection[Apart] = (),
    on_progress: OnProgress | None = None,
) -> Tally:
    """Publish the features of all photos that can be used as the folder `out`; gives what became of them.

    Args:
        work: a row of the matrix for each photo of its list that can be used, in this order.
        overwrite: replace an earlier folder of this kind; what is not ours in it stays.
        apart: what `out` must not lie on or above.

    Raises:
        UsageError: `out` exists and may not be replaced, does not stay apart, or another run is writing to it.
        UnusableInput: no photo can be used; nothing is published.
        OutputFailed: the disk is full or cannot be written to.
    """
    with folders.replacing(out, VECTORS, overwrite=overwrite, apart=apart) as folder:
        tally = _write(folder, work, on_progress)
        if not tally.used:
            raise none_used(tally, out)
        made = {"made_by": MADE_BY, "photos": tally.used, "columns": work.model.vector_size}
        about = made_with(work.model, work.view).to_json()
        seal(folder, VECTORS, made | {"skipped": tally.skipped, "provenance": about})
    return tally


def _write(folder: Path, work: Work, on_progress: OnProgress | None) -> Tally:
    tally, rows, columns = Tally(), len(work.listed), work.model.vector_size
    with ExitStack() as opened:
        matrix = opened.enter_context(files.replacing(folder / FEATURES))
        index = _table(opened.enter_context(files.replacing(folder / INDEX)), *INDEX_HEADER)
        skipped = _table(opened.enter_context(files.replacing(folder / SKIPPED)), *COLUMNS)
        write_header(matrix, rows, columns, "<f4")
        for each in work.outcomes():
            name = _absolute(each.item.path)
            if each.vector is None:
                tally.skip(each.item.path, each.error or "")
                skipped.writerow(map(tables.csv_cell, (name, each.error)))
            else:
                matrix.write(each.vector.astype("<f4").tobytes())
                index.writerow(map(tables.csv_cell, (tally.used, name, each.sha256)))
                tally.used += 1
            if on_progress:
                on_progress(tally.found, rows)
        write_header(matrix, tally.used, columns, "<f4")  # only now is it known how many could be used
    return tally


def _absolute(path: str) -> str:
    """The place of a photo as long as it is one of this machine."""
    return path if is_address(path) else str(Path(path).absolute())


def _table(file: BinaryIO, *header: str) -> Any:  # the csv module does not name the type of its writers
    writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
    writer.writerow(header)
    return writer


def _check_marker(folder: Path, marker: Mapping[str, Any]) -> None:
    counts = (marker.get("photos"), marker.get("columns"))
    if not is_made_by_us(marker.get("made_by")) or not all(type(each) is int for each in counts):
        raise ValueError(f"its {MARKER} is not ours")


def _unmarked(folder: Path) -> list[str] | None:
    """A folder of version 0.1 and before, which had no marker, is known by the form of its three files."""
    if not {FEATURES, INDEX, SKIPPED}.issuperset(tree(folder).files):
        return None
    for name, header in ((INDEX, INDEX_HEADER), (SKIPPED, COLUMNS)):
        line = ",".join(header).encode() + b"\n"
        if files.beginning(folder / name, len(line)) != line:
            return None
    try:
        matrix = np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return [FEATURES, INDEX, SKIPPED] if matrix.dtype == np.dtype("<f4") and matrix.ndim == 2 else None


VECTORS = FolderKind(
    "folder of features",
    MARKER,
    64 * 2**10,
    _check_marker,
    lambda folder, marker: _unmarked(folder),
    _unmarked,
)
