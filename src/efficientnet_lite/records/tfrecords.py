"""TFRecord files as examples in any order: 8 bytes of memory an example.

Which files are which part, and which labels they may have: `recordfiles.py`.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.records import tfrecord
from efficientnet_lite.records.example import Example
from efficientnet_lite.records.recordfiles import RecordFiles
from efficientnet_lite.storage import files
from efficientnet_lite.threads import in_threads
from efficientnet_lite.zipped import read_arrays

MAX_INDEX_BYTES = 256 * 2**20


class TFRecords(RecordFiles):
    """Record files and where each record begins. The digest knows the length of every record."""

    def __init__(self, paths: Sequence[Path], offsets: Sequence[npt.NDArray[np.int64]], classes: int) -> None:
        """`offsets` as of `tfrecord.offsets`, one array a file."""
        marks = (each.astype("<i8").tobytes() for each in offsets)
        super().__init__(paths, [len(each) - 1 for each in offsets], marks, classes)
        self._offsets = np.concatenate(offsets)

    def read(self, shard: int, number: int) -> Example:
        at = int(self._first[shard]) + number + shard  # a file has one offset more than it has records
        start, end = int(self._offsets[at]), int(self._offsets[at + 1])
        return tfrecord.read_example(self.paths[shard], start, end, number)


def known_offsets(
    paths: Sequence[Path], *, index: Path | None = None, workers: int = 8
) -> list[npt.NDArray[np.int64]]:
    """Where the records of each file begin and the last ends.

    Args:
        index: where offsets are kept for the next time, a file; it is made again where names, sizes or
            times of the record files differ. None: they are read from the record files each time.
        workers: threads that look through the files.

    Raises UnusableInput where a file breaks off or has a wrong checksum in a length.
    """
    offsets = _read_index(index, paths) if index else None
    if offsets is None:
        offsets = list(in_threads(tfrecord.offsets, paths, workers=workers))
        if index:
            files.publish(index, _index(paths, offsets))
    return offsets


def _index(paths: Sequence[Path], offsets: Sequence[npt.NDArray[np.int64]]) -> bytes:
    stream = io.BytesIO()
    np.savez(
        stream, stamp=_stamp(paths), counts=[len(each) for each in offsets], offsets=np.concatenate(offsets)
    )
    return stream.getvalue()


def _read_index(index: Path, paths: Sequence[Path]) -> list[npt.NDArray[np.int64]] | None:
    """What `_index` wrote of the same files as they are now, or None."""
    if not files.is_file(index):
        return None
    try:
        data = files.read_bytes(index, limit=MAX_INDEX_BYTES, what="an index")
        arrays = read_arrays(data, ("stamp", "counts", "offsets"), limit=MAX_INDEX_BYTES)
        if not np.array_equal(arrays["stamp"], _stamp(paths)):
            return None
        return _parts(arrays["offsets"], arrays["counts"], len(paths))
    except (ValueError, TypeError, UnusableInput):  # it is only a cache
        return None


def _parts(offsets: npt.NDArray[Any], counts: npt.NDArray[Any], expected: int) -> list[npt.NDArray[np.int64]]:
    if len(counts) != expected or counts.sum() != len(offsets) or counts.min() < 1:
        raise ValueError("counts do not fit")
    return np.split(offsets.astype(np.int64), np.cumsum(counts)[:-1])


def _stamp(paths: Sequence[Path]) -> npt.NDArray[np.str_]:
    """Name, size and time of change of each file."""
    marks = ((path.name, *files.stamp(path)) for path in paths)
    return np.array([f"{name} {size} {changed}" for name, size, changed in marks])
