"""ArrayRecord files as examples in any order; the files know themselves where each record begins."""

from collections.abc import Sequence
from pathlib import Path

from efficientnet_lite.training import arrayrecord
from efficientnet_lite.training.example import Example
from efficientnet_lite.training.recordfiles import RecordFiles, RecordPart, no_records, part_files


class ArrayRecords(RecordFiles):
    """ArrayRecord files, see `open_arrayrecords`. The digest knows what they say about where their records lie."""

    def __init__(self, paths: Sequence[Path], counts: Sequence[int], classes: int) -> None:
        super().__init__(paths, counts, map(arrayrecord.tail, paths), classes)

    def read(self, shard: int, number: int) -> Example:
        return arrayrecord.read_example(self.paths[shard], number)


def open_arrayrecords(folder: Path, part: RecordPart, *, classes: int, holdout: int = 0) -> ArrayRecords:
    """The ArrayRecord files of one part of a data set; arguments as of `records.open_records`.

    Raises:
        UnusableInput: there are no such files, one is missing or damaged, or there is no record.
        UsageError: array_record is not installed.
    """
    paths = part_files(folder, part, "arrayrecord", holdout=holdout)
    counts = [arrayrecord.count(path) for path in paths]
    if not sum(counts):
        raise no_records(folder)
    return ArrayRecords(paths, counts, classes)
