"""ImageNet's record files as a source of examples in any order: 8 bytes of memory an example.

Source: tensorflow/tpu, models/official/efficientnet/imagenet_input.py, `ImageNetInput` (file patterns, hold-out,
labels that count from 1); main.py, `--holdout_shards`.
"""

import hashlib
import io
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from efficientnet_lite.doors import files, tfrecord
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.training.listed import Labelled

Part = Literal["train", "holdout", "validation"]

_NUMBERS = re.compile(r"-(\d{5})-of-(\d{5})")
MAX_INDEX_BYTES = 256 * 2**20


class Shards:
    """Record files and where each record begins, see `open_shards`."""

    def __init__(self, paths: Sequence[Path], offsets: Sequence[npt.NDArray[np.int64]], classes: int) -> None:
        """`offsets` as of `tfrecord.offsets`, one array a file."""
        self.paths = tuple(paths)
        self.classes = classes
        self._first = np.concatenate([[0], np.cumsum([len(each) - 1 for each in offsets])])
        self._offsets = np.concatenate(offsets)
        checksum = hashlib.sha256()
        for path, each in zip(paths, offsets, strict=True):
            checksum.update(f"{path.name} {len(each)}\n".encode() + each.astype("<i8").tobytes())
        self._digest = checksum.hexdigest()

    @property
    def digest(self) -> str:
        """Of the files' names and the length of every record."""
        return self._digest

    def __len__(self) -> int:
        return int(self._first[-1])

    def __getitem__(self, index: int) -> Labelled:
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} records")
        shard = int(np.searchsorted(self._first, index, side="right")) - 1
        place = index + shard  # a file has one offset more than it has records
        start, end = int(self._offsets[place]), int(self._offsets[place + 1])
        example = tfrecord.read_example(self.paths[shard], start, end, index - int(self._first[shard]))
        if example.class_index is None or not 0 <= example.class_index < self.classes:
            found = "none or 0" if example.class_index is None else example.class_index + 1
            raise UnusableInput(
                f"its label is {found}, expected 1 to {self.classes}",
                where=example.where,
                fix="train with the number of classes that the records were written for, or make them again",
            )
        return Labelled(example.encoded, example.class_index, example.where)


def open_shards(
    folder: Path, part: Part, *, classes: int, holdout: int = 0, index: Path | None = None, workers: int = 8
) -> Shards:
    """The record files of one part of a data set.

    Args:
        part: train (train-* without the first `holdout` files), holdout (those files), or validation.
        classes: labels are 1 to this, and become 0 to `classes` - 1.
        index: where offsets are kept for the next time, a file; it is made again where names, sizes or
            times of the record files differ. None: they are read from the record files each time.
        workers: threads that look through the files.

    Raises:
        UnusableInput: there are no such files, one is missing, breaks off or has a wrong checksum in a length, or
            there is no record.
    """
    paths = _paths(folder, part, holdout)
    offsets = _read_index(index, paths) if index else None
    if offsets is None:
        with ThreadPoolExecutor(workers) as pool:
            offsets = list(pool.map(tfrecord.offsets, paths))
        if index:
            files.publish(index, _index(paths, offsets))
    if sum(len(each) - 1 for each in offsets) == 0:
        raise UnusableInput("its files hold no records", where=folder, fix="copy or make them again")
    return Shards(paths, offsets, classes)


def _paths(folder: Path, part: Part, holdout: int) -> list[Path]:
    split = "validation" if part == "validation" else "train"
    try:
        paths = tfrecord.shards(folder, split)
    except OSError as error:
        raise UnusableInput(
            f"it cannot be read: {error.strerror or error}",
            where=folder,
            fix="give the folder of the record files",
        ) from error
    _check_complete(paths, folder, split)
    if part == "validation":
        return paths
    if not 0 <= holdout < len(paths) or (part == "holdout" and not holdout):
        raise UnusableInput(
            f"{holdout} of its {len(paths)} files for training cannot be held out",
            where=folder,
            fix=f"hold out 1 to {len(paths) - 1}",
        )
    return paths[:holdout] if part == "holdout" else paths[holdout:]


def _check_complete(paths: Sequence[Path], folder: Path, split: str) -> None:
    """A file that is not there would silently take its photos out of the run."""
    found = [match.groups() for path in paths if (match := _NUMBERS.search(path.name))]
    totals = sorted({total for _, total in found})
    if len(totals) != 1:
        what = (
            f"no files {split}-*-of-*"
            if not totals
            else f"files of several sets, of {' and of '.join(totals)}"
        )
        raise UnusableInput(what, where=folder, fix="give a folder with the record files of one data set")
    numbers = {number for number, _ in found}
    for number in range(int(totals[0])):
        if f"{number:05d}" not in numbers:
            raise UnusableInput(
                f"{len(paths)} of {int(totals[0])} files, the first that is missing is "
                f"{split}-{number:05d}-of-{totals[0]}",
                where=folder,
                fix="copy it, too",
            )


def _index(paths: Sequence[Path], offsets: Sequence[npt.NDArray[np.int64]]) -> bytes:
    stream = io.BytesIO()
    np.savez(
        stream, stamp=_stamp(paths), counts=[len(each) for each in offsets], offsets=np.concatenate(offsets)
    )
    return stream.getvalue()


def _read_index(index: Path, paths: Sequence[Path]) -> list[npt.NDArray[np.int64]] | None:
    """What `_index` wrote of the same files as they are now, or None."""
    if not index.is_file():
        return None
    try:
        data = files.read_bytes(index, limit=MAX_INDEX_BYTES, what="an index")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if not np.array_equal(arrays["stamp"], _stamp(paths)):
                return None
            return _parts(arrays["offsets"], arrays["counts"], len(paths))
    except Exception:  # whatever a damaged file makes numpy and zipfile raise: it is only a cache
        return None


def _parts(offsets: npt.NDArray[Any], counts: npt.NDArray[Any], expected: int) -> list[npt.NDArray[np.int64]]:
    if len(counts) != expected or counts.sum() != len(offsets) or counts.min() < 1:
        raise ValueError("counts do not fit")
    return np.split(offsets.astype(np.int64), np.cumsum(counts)[:-1])


def _stamp(paths: Sequence[Path]) -> npt.NDArray[np.str_]:
    """Name, size and time of change of each file."""
    marks = ((path.name, path.stat()) for path in paths)
    return np.array([f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in marks])
