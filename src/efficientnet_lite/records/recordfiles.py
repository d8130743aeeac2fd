"""Which record files make up a part of a data set, whatever their format.

Source: tensorflow/tpu, models/official/efficientnet/imagenet_input.py, `ImageNetInput` (file patterns, hold-out,
labels that count from 1); main.py, holdout_shards.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.records.example import Example, checked
from efficientnet_lite.storage import files

RecordPart = Literal["train", "holdout", "validation"]
RecordFormat = Literal["tfrecord", "arrayrecord"]

FORMATS: dict[RecordFormat, str] = {"tfrecord": "", "arrayrecord": ".array_record"}  # endings of their files
_NUMBERS = re.compile(r"-(\d{5})-of-(\d{5})")


class RecordFiles(ABC):
    """Record files as examples: which file and place a number means. A format knows how to read one."""

    def __init__(
        self, paths: Sequence[Path], counts: Sequence[int], marks: Iterable[bytes], classes: int
    ) -> None:
        """`counts` are the records of each file, `marks` what tells a file's content from another's."""
        self.paths = tuple(paths)
        self.classes = classes
        self._first = np.concatenate([[0], np.cumsum(counts)])
        checksum = hashlib.sha256()
        for path, count, mark in zip(paths, counts, marks, strict=True):
            checksum.update(f"{path.name} {count}\n".encode() + mark)
        self._digest = checksum.hexdigest()

    @property
    def digest(self) -> str:
        """Of the files' names, numbers of records, and marks."""
        return self._digest

    def __len__(self) -> int:
        return int(self._first[-1])

    def __getitem__(self, index: int) -> Example:
        """Raises IndexError, and UnusableInput where the record is damaged or its label is none of the classes."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} records")
        shard = int(np.searchsorted(self._first, index, side="right")) - 1
        return checked(self.read(shard, index - int(self._first[shard])), self.classes)

    @abstractmethod
    def read(self, shard: int, number: int) -> Example:
        """Record `number` of file `shard`, both from 0. Raises UnusableInput where it is damaged."""


def record_files(folder: Path, split: str, form: RecordFormat) -> list[Path]:
    """The record files of `split` in `folder`, sorted: train-00000-of-01024, ...; empty where there are none.

    Raises UnusableInput where the folder cannot be read.
    """
    pattern = re.compile(f"{split}{_NUMBERS.pattern}{re.escape(FORMATS[form])}")
    return [path for path in files.entries(folder, pattern) if files.is_file(path)]


def part_files(folder: Path, part: RecordPart, form: RecordFormat, *, holdout: int = 0) -> list[Path]:
    """The record files of one part.

    Args:
        part: train (train-* without the first `holdout` files), holdout (those files), or validation.

    Raises UnusableInput where there are none, one is missing, or too many are held out.
    """
    split = "validation" if part == "validation" else "train"
    paths = record_files(folder, split, form)
    _check_complete(paths, folder, split)
    if part != "validation":
        if not 0 <= holdout < len(paths) or (part == "holdout" and not holdout):
            raise UnusableInput(
                f"{holdout} of its {len(paths)} files for training cannot be held out",
                where=folder,
                fix=f"hold out 1 to {len(paths) - 1}",
            )
        paths = paths[:holdout] if part == "holdout" else paths[holdout:]
    return paths


def _check_complete(paths: Sequence[Path], folder: Path, split: str) -> None:
    """A file that is not there would silently take its photos out of the run."""
    numbers = [match.groups() for path in paths if (match := _NUMBERS.search(path.name))]
    totals = sorted({total for _, total in numbers})
    if len(totals) != 1:
        what = (
            f"no files {split}-*-of-*"
            if not totals
            else f"files of several sets, of {' and of '.join(totals)}"
        )
        raise UnusableInput(what, where=folder, fix="give a folder with the record files of one data set")
    there = {number for number, _ in numbers}
    for number in range(int(totals[0])):
        if f"{number:05d}" not in there:
            missing = _NUMBERS.sub(f"-{number:05d}-of-{totals[0]}", paths[0].name)
            raise UnusableInput(
                f"{len(paths)} of {int(totals[0])} files, the first that is missing is {missing}",
                where=folder,
                fix="copy it, too",
            )
