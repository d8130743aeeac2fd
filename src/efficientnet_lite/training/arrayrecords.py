"""ArrayRecord files as a source of examples in any order; the files know themselves where each record begins."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from efficientnet_lite.doors import arrayrecord
from efficientnet_lite.training.listed import Labelled
from efficientnet_lite.training.recordfiles import ONE_HOST, Part, labelled, no_records, part_files


class ArrayRecords:
    """ArrayRecord files and how many records each holds, see `open_arrayrecords`."""

    def __init__(self, paths: Sequence[Path], counts: Sequence[int], classes: int) -> None:
        self.paths = tuple(paths)
        self.classes = classes
        self._first = np.concatenate([[0], np.cumsum(counts)])
        checksum = hashlib.sha256()
        for path, count in zip(paths, counts, strict=True):
            checksum.update(f"{path.name} {count}\n".encode() + arrayrecord.tail(path))
        self._digest = checksum.hexdigest()

    @property
    def digest(self) -> str:
        """Of the files' names, numbers of records, and what they say about where these lie."""
        return self._digest

    def __len__(self) -> int:
        return int(self._first[-1])

    def __getitem__(self, index: int) -> Labelled:
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} records")
        shard = int(np.searchsorted(self._first, index, side="right")) - 1
        example = arrayrecord.read_example(self.paths[shard], index - int(self._first[shard]))
        return labelled(example, self.classes)


def open_arrayrecords(
    folder: Path, part: Part, *, classes: int, holdout: int = 0, host: tuple[int, int] = ONE_HOST
) -> ArrayRecords:
    """The ArrayRecord files of one part of a data set; arguments as of `shards.open_shards`.

    Raises:
        UnusableInput: there are no such files, one is missing or damaged, or there is no record.
        UsageError: array_record is not installed.
    """
    paths = part_files(folder, part, arrayrecord.shards, holdout=holdout, host=host)
    counts = [arrayrecord.count(path) for path in paths]
    if not sum(counts):
        raise no_records(folder)
    return ArrayRecords(paths, counts, classes)
