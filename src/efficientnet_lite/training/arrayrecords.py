"""ArrayRecord files as a source of examples in any order; the files know themselves where each record begins."""

from collections.abc import Sequence
from pathlib import Path

from efficientnet_lite.training import arrayrecord
from efficientnet_lite.training.listed import Labelled
from efficientnet_lite.training.recordfiles import (
    ONE_HOST,
    Part,
    RecordFiles,
    labelled,
    no_records,
    part_files,
)


class ArrayRecords(RecordFiles):
    """ArrayRecord files, see `open_arrayrecords`. The digest knows what they say about where their records lie."""

    def __init__(self, paths: Sequence[Path], counts: Sequence[int], classes: int) -> None:
        super().__init__(paths, counts, map(arrayrecord.tail, paths), classes)

    def __getitem__(self, index: int) -> Labelled:
        shard, number = self._place(index)
        return labelled(arrayrecord.read_example(self.paths[shard], number), self.classes)


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
