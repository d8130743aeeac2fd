"""One part of a data set that lies in record files, of whatever format."""

from pathlib import Path

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.plaintext import plain_text
from efficientnet_lite.records.arrayrecord import ArrayRecords
from efficientnet_lite.records.recordfiles import FORMATS, RecordFiles, RecordPart, part_files, record_files
from efficientnet_lite.records.tfrecords import TFRecords, known_offsets
from efficientnet_lite.storage import files

LABELS = "labels.txt"  # beside record files: a class name a line
IMAGENET_CLASSES = 1000  # of record files without names
MAX_LABELS_BYTES = 2**20


def holds_records(folder: Path, split: str) -> bool:
    """Whether record files of a split, train or validation, lie in `folder`, of either format.

    Raises UnusableInput where the folder cannot be read, or there are files of both formats.
    """
    found = [form for form in FORMATS if record_files(folder, split, form)]
    if len(found) > 1:
        raise UnusableInput(
            f"TFRecord and ArrayRecord files, both for {split}",
            where=folder,
            fix="keep the files of one format",
        )
    return bool(found)


def open_records(
    folder: Path,
    part: RecordPart,
    *,
    classes: int,
    holdout: int = 0,
    index: Path | None = None,
    workers: int = 8,
) -> RecordFiles:
    """The examples of one part of the record files in `folder`: train-00000-of-01024, ..., or such .array_record files.

    Args:
        part: train (train-* without the first `holdout` files), holdout (those files), or validation.
        classes: labels are 1 to this, and become 0 to `classes` - 1.
        index: of TFRecord files, where offsets are kept for the next time; see `tfrecords.known_offsets`.
        workers: threads that look through TFRecord files.

    Raises:
        UnusableInput: there are no such files, or files of both formats; one is missing or damaged, or there is no
            record; more files are held out than there are.
        UsageError: array_record is not installed.
    """
    split = "validation" if part == "validation" else "train"
    found: RecordFiles
    if holds_records(folder, split) and record_files(folder, split, "arrayrecord"):
        found = ArrayRecords(part_files(folder, part, "arrayrecord", holdout=holdout), classes)
    else:
        paths = part_files(folder, part, "tfrecord", holdout=holdout)
        found = TFRecords(paths, known_offsets(paths, index=index, workers=workers), classes)
    if not len(found):
        raise UnusableInput("its files hold no records", where=folder, fix="copy or make them again")
    return found


def labels_of_records(folder: Path) -> tuple[str, ...]:
    """The names beside the record files, or numbers that count as their labels do."""
    path = folder / LABELS
    if not files.is_file(path):
        return tuple(f"{number:04d}" for number in range(1, IMAGENET_CLASSES + 1))
    try:
        text = plain_text(files.read_bytes(path, limit=MAX_LABELS_BYTES, what="a list of labels"))
    except ValueError as error:
        raise UnusableInput(str(error), where=path, fix="write one class name a line, in UTF-8") from error
    names = text.removesuffix("\n").split("\n")
    if not names or len(set(names)) != len(names) or not all(name.strip() for name in names):
        raise UnusableInput(
            "it has no names, an empty one, or one twice", where=path, fix="write one class name a line"
        )
    return tuple(names)
