"""Which record files make up a part of a data set, whatever their format, and what is asked of their labels.

Source: tensorflow/tpu, models/official/efficientnet/imagenet_input.py, `ImageNetInput` (file patterns, hold-out,
one file to one host, labels that count from 1); main.py, holdout_shards.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.training.example import Example
from efficientnet_lite.training.listed import Labelled

Part = Literal["train", "holdout", "validation"]
Find = Callable[
    [Path, str], list[Path]
]  # folder and split -> record files, sorted: `training.tfrecord.shards`

ONE_HOST = (0, 1)
_NUMBERS = re.compile(r"-(\d{5})-of-(\d{5})")


class RecordFiles:
    """Record files as one row of records: which file and place a number means. Formats know how to read one."""

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

    def _place(self, index: int) -> tuple[int, int]:
        """The number of a file, and that of a record in it. Raises IndexError."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} records")
        shard = int(np.searchsorted(self._first, index, side="right")) - 1
        return shard, index - int(self._first[shard])


def part_files(
    folder: Path, part: Part, find: Find, *, holdout: int = 0, host: tuple[int, int] = ONE_HOST
) -> list[Path]:
    """The record files of one part that one host reads: every one, or every `hosts`-th from its own number on.

    Args:
        part: train (train-* without the first `holdout` files), holdout (those files), or validation.
        host: number of this host, and how many there are.

    Raises:
        UnusableInput: there are none, one is missing, too many are held out, or there are fewer than hosts.
        ValueError: there is no such host.
    """
    this, hosts = host
    if not 0 <= this < hosts:
        raise ValueError(f"no such host: {host}")
    split = "validation" if part == "validation" else "train"
    paths = find(folder, split)
    _check_complete(paths, folder, split)
    if part != "validation":
        if not 0 <= holdout < len(paths) or (part == "holdout" and not holdout):
            raise UnusableInput(
                f"{holdout} of its {len(paths)} files for training cannot be held out",
                where=folder,
                fix=f"hold out 1 to {len(paths) - 1}",
            )
        paths = paths[:holdout] if part == "holdout" else paths[holdout:]
    if len(paths) < hosts:
        raise UnusableInput(
            f"{len(paths)} files cannot be shared among {hosts} hosts: each reads files of its own ({part})",
            where=folder,
            fix="write more files, with `efficientnet-lite shards`, or take fewer hosts",
        )
    return paths[this::hosts]


def labelled(example: Example, classes: int) -> Labelled:
    """An example whose label is 1 to `classes`; raises UnusableInput for any other."""
    if example.class_index is None or not 0 <= example.class_index < classes:
        label = "none or 0" if example.class_index is None else example.class_index + 1
        raise UnusableInput(
            f"its label is {label}, expected 1 to {classes}",
            where=example.where,
            fix="train with the number of classes that the records were written for, or make them again",
        )
    return Labelled(example.encoded, example.class_index, example.where)


def no_records(folder: Path) -> UnusableInput:
    return UnusableInput("its files hold no records", where=folder, fix="copy or make them again")


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
