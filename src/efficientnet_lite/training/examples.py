"""One part of a data set as a source of examples, by what lies in its folder: record files, or photos."""

from pathlib import Path

from efficientnet_lite.errors import UnusableDataset, UnusableInput, UsageError
from efficientnet_lite.photos.splitwords import split_of
from efficientnet_lite.storage import files
from efficientnet_lite.training import arrayrecord, listed, tfrecord
from efficientnet_lite.training.arrayrecords import open_arrayrecords
from efficientnet_lite.training.listed import Source
from efficientnet_lite.training.recordfiles import ONE_HOST, Part
from efficientnet_lite.training.shards import open_shards

CONVERT = "make record files of it: efficientnet-lite shards"


def holds_records(folder: Path, split: str) -> bool:
    """Whether record files of a split, train or validation, lie in `folder`, of either format.

    Raises UnusableInput where the folder cannot be read, or there are files of both formats.
    """
    formats = [find for find in (tfrecord.shards, arrayrecord.shards) if find(folder, split)]
    if len(formats) > 1:
        raise UnusableInput(
            f"TFRecord and ArrayRecord files, both for {split}",
            where=folder,
            fix="keep the files of one format",
        )
    return bool(formats)


def open_examples(
    folder: Path,
    part: Part,
    *,
    classes: int,
    holdout: int = 0,
    index: Path | None = None,
    workers: int = 8,
    host: tuple[int, int] = ONE_HOST,
) -> Source:
    """The examples of one part of the data set in `folder`.

    It holds TFRecord files (train-00000-of-01024, ...), ArrayRecord files (the same names with .array_record), or
    two folders, train and validation (also val, valid, dev), each with a folder of photos for each class. Classes of
    photos are the sorted names of the folders in train. Arguments as of `shards.open_shards`.

    Raises:
        UnusableInput: there is nothing of the kind, or it is damaged, incomplete or of another number of classes.
        UsageError: photos are to be held out by files or shared among hosts, or array_record is not installed.
    """
    split = "validation" if part == "validation" else "train"
    if holds_records(folder, split):
        if arrayrecord.shards(folder, split):
            return open_arrayrecords(folder, part, classes=classes, holdout=holdout, host=host)
        return open_shards(
            folder, part, classes=classes, holdout=holdout, index=index, workers=workers, host=host
        )
    if part == "holdout" or holdout or host != ONE_HOST:
        raise UsageError(
            "only record files can be held out or shared among hosts, and there are none",
            where=folder,
            fix=CONVERT,
        )
    return _photos(folder, split, classes)


def _photos(folder: Path, split: str, classes: int) -> Source:
    places: dict[str, list[Path]] = {}
    for entry in files.entries(folder):
        if files.is_dir(entry) and (part := split_of(entry.name)) is not None:
            places.setdefault(part, []).append(entry)
    wanted = [places.get(each, []) for each in ("train", split)]
    if any(len(each) != 1 for each in wanted):
        raise UnusableDataset(
            f"neither record files of {split} nor exactly one folder each for train and validation",
            where=folder,
            fix=CONVERT,
        )
    training, place = (each[0] for each in wanted)
    labels = listed.classes_of(training)
    if len(labels) != classes:
        raise UnusableDataset(
            f"{len(labels)} class folders, expected {classes}",
            where=training,
            fix="train with their number of classes, or give another folder",
        )
    return listed.of_folder(place, labels)[0]
