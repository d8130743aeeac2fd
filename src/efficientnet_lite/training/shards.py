"""Photos as the record files that the reference trains from: what is written of each, and the folder of them.

    train-00000-of-00008 ...        records of a photo each, in an order drawn by the seed
    validation-00000-of-00001 ...
    labels.txt                      class names, a line each; the first has the label 1
    shards.json                     what was written, and a digest of it
    skipped.csv                     the photos that could not be used, and why

Source: tensorflow/tpu, tools/datasets/imagenet_to_gcs.py (names, keys, shuffling, what is encoded again).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.errors import UnreadablePhoto, UnusableDataset, UsageError
from efficientnet_lite.labels import digest as labels_digest
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.accounting import Accounting
from efficientnet_lite.photos.header import is_jpeg, jpeg_header, orientation_of
from efficientnet_lite.photos.rows import Row
from efficientnet_lite.photos.split import Split
from efficientnet_lite.photos.survey import MIN_SIDE, PHOTOS_AHEAD
from efficientnet_lite.records import arrayrecord, example, tfrecord
from efficientnet_lite.records.record_set import LABELS
from efficientnet_lite.records.recordfiles import FORMATS, RecordFormat
from efficientnet_lite.storage import files
from efficientnet_lite.storage.listing import FolderKind
from efficientnet_lite.threads import in_threads
from efficientnet_lite.version import MADE_BY, is_made_by_us

Writing = Callable[[Path], AbstractContextManager[Callable[[bytes], None]]]

MANIFEST, SKIPPED = "shards.json", "skipped.csv"
PHOTOS_A_FILE = 1251  # of the reference's ImageNet: 1,281,167 in 1,024
MAX_FILES = 99_999  # five digits
MAX_MANIFEST_BYTES = 64 * 2**20  # of 200,000 files
SPLITS: tuple[Split, Split] = ("train", "validation")
WRITERS: dict[RecordFormat, Writing] = {"tfrecord": tfrecord.writing, "arrayrecord": arrayrecord.writing}


@dataclass(slots=True)
class WrittenPart:
    """What was written of one split."""

    files: int
    photos: int = 0
    bytes: int = 0  # of the files
    encoded_again: int = 0  # photos that were no gray or RGB JPEG
    turned: int = 0  # kept as stored, while EXIF says to turn them


@dataclass(frozen=True, slots=True)
class WrittenShards:
    """A published folder of record files."""

    folder: Path
    format: RecordFormat
    labels: tuple[str, ...]
    seed: int
    fraction: float | None  # None: the split came with the photos
    parts: dict[Split, WrittenPart]
    accounting: Accounting  # of every photo; those of a test part are used
    test: int  # photos of a test part, which is not written
    notes: tuple[str, ...]
    digest: str  # SHA-256 of the lines `<sha256>  <name>` of the record files, as sha256sum prints them

    def to_json(self) -> dict[str, Any]:
        """What shards.json says beside the list of files: nothing of where the folder lies, so that equal files
        have equal manifests."""
        return {
            "made_by": MADE_BY,
            "format": self.format,
            "classes": len(self.labels),
            "labels_sha256": labels_digest(self.labels),
            "seed": self.seed,
            "validation_fraction": self.fraction,
            "parts": {split: asdict(part) for split, part in self.parts.items()},
            **self.accounting.to_json(),
            "test_photos_left_out": self.test,
            "digest": self.digest,
        }


def number_of_files(split: Split, count: int, asked: int | None, source: Path) -> int:
    """Into how many files the `count` photos of a split go; `asked` is what a caller wants.

    Raises UnusableDataset where there are no photos, UsageError where there are more files than photos.
    """
    if not count:
        raise UnusableDataset(f"no photos for {split}", where=source, fix="add some, or give another split")
    if asked is None:
        return min(-(-count // PHOTOS_A_FILE), MAX_FILES)
    if not 1 <= asked <= min(count, MAX_FILES):
        raise UsageError(
            f"{asked} files cannot hold the {count} photos for {split}, one at least in each",
            where=f"`{split}_shards=`",
            fix=f"give 1 to {min(count, MAX_FILES)}",
        )
    return asked


@dataclass(frozen=True, slots=True)
class _Record:
    data: bytes
    encoded_again: bool
    turned: bool


@dataclass(frozen=True, slots=True)
class ShardWriter:
    """Writes the files of one part."""

    folder: Path
    split: Split
    format: RecordFormat
    labels: Sequence[str]
    workers: int

    def write(
        self,
        rows: Sequence[Row],
        part: WrittenPart,
        sums: dict[str, str],
        on_progress: Callable[[int, int], None],
    ) -> list[tuple[str, str]]:
        """Write `rows` in their order, a run of them to each file; counts into `part`, gives what was skipped."""
        place = {label: index for index, label in enumerate(self.labels)}
        skipped: list[tuple[str, str]] = []
        bounds = [number * len(rows) // part.files for number in range(part.files + 1)]
        # One stream over all files, so that no worker waits at the end of a file.
        with closing(
            in_threads(
                lambda row: _record(row, place[row.label]), rows, workers=self.workers, ahead=PHOTOS_AHEAD
            )
        ) as outcomes:
            for number in range(part.files):
                path = self.folder / _name(self.split, number, part.files, self.format)
                with WRITERS[self.format](path) as put:
                    for at in range(bounds[number], bounds[number + 1]):
                        outcome = next(outcomes)
                        if isinstance(outcome, _Record):
                            put(outcome.data)
                            part.photos += 1
                            part.encoded_again += outcome.encoded_again
                            part.turned += outcome.turned
                        else:
                            skipped.append((rows[at].name, outcome))
                        on_progress(at + 1, len(rows))
                part.bytes += files.size(path)
                sums[path.name] = files.sha256_file(path)
        return skipped


def _record(row: Row, class_index: int) -> _Record | str:
    """The record of a photo, or why there is none.

    Gray and RGB JPEGs are kept to the byte, as in the reference, but decoded to see that they are whole. Whatever
    else can be read (CMYK, PNG, ...) becomes an RGB JPEG, upright and of quality 100.
    """
    try:
        data = photo_door.read_bytes(row.path)
        header = jpeg_header(data) if is_jpeg(data) else None
        kept = header is not None and header.plain
        photo = photo_door.decode(data, where=row.path, min_side=MIN_SIDE if kept else None)
    except UnreadablePhoto as error:
        return error.what
    height, width = photo.full_size
    if header is not None and kept:
        height, width = header.height, header.width
        turned = orientation_of(header.exif)[0] != 1
    else:
        data, turned = photo_door.jpeg(photo.pixels, quality=100), False
    record = example.encode(
        data, class_index, height=height, width=width, label=row.label, name=Path(row.name).name
    )
    if len(record) > tfrecord.MAX_RECORD_BYTES:
        return f"a record of {len(record):,} bytes, more than {tfrecord.MAX_RECORD_BYTES:,}"
    return _Record(record, not kept, turned)


def _check_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    if not is_made_by_us(manifest.get("made_by")) or str(manifest.get("format")) not in WRITERS:
        raise ValueError(f"its {MANIFEST} is not ours")
    for split in SPLITS:
        number, size = (manifest["parts"][split][count] for count in ("files", "bytes"))
        if type(number) is not int or type(size) is not int or not 0 < number <= MAX_FILES:
            raise ValueError(f"its {MANIFEST} does not say how many files it has")


def _layout(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """The files of version 0.1, which did not list them, where they are as large as it says."""
    names = [LABELS, SKIPPED]
    for split in SPLITS:
        part = manifest["parts"][split]
        own = [_name(split, number, part["files"], manifest["format"]) for number in range(part["files"])]
        if sum(files.size(folder / name) for name in own) != part["bytes"]:
            raise ValueError("its files are not as large as its manifest says")
        names += own
    return names


def _name(split: str, number: int, count: int, form: RecordFormat) -> str:
    return f"{split}-{number:05d}-of-{count:05d}{FORMATS[form]}"


FOLDER = FolderKind("folder of record files", MANIFEST, MAX_MANIFEST_BYTES, _check_manifest, _layout)
