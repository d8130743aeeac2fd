"""`shards`: labelled photos -> the record files that the reference trains from.

    train-00000-of-00008 ...        records of a photo each, in an order drawn by the seed
    validation-00000-of-00001 ...
    labels.txt                      class names, a line each; the first has the label 1
    shards.json                     what was written, and a digest of it
    skipped.csv                     the photos that could not be used, and why

The folder appears whole or not at all; besides the list of photos only a few are in memory.

Source: tensorflow/tpu, tools/datasets/imagenet_to_gcs.py (names, keys, shuffling, what is encoded again).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from efficientnet_lite.errors import UnreadablePhoto, UnusableDataset, UsageError
from efficientnet_lite.labels import digest as labels_digest
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.accounting import COLUMNS, Accounting, account
from efficientnet_lite.photos.dataset import Dataset, open_dataset
from efficientnet_lite.photos.header import is_jpeg, jpeg_header, orientation_of
from efficientnet_lite.photos.layout import ClassFolders
from efficientnet_lite.photos.partition import plan_split
from efficientnet_lite.photos.places import dataset_apart
from efficientnet_lite.photos.rows import Row
from efficientnet_lite.photos.survey import MIN_SIDE, PHOTOS_AHEAD, survey
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.storage import files, folders, tables
from efficientnet_lite.storage.listing import FolderKind, no_marker, seal
from efficientnet_lite.storage.targets import check_folder
from efficientnet_lite.threads import in_threads
from efficientnet_lite.training import arrayrecord, example, tfrecord
from efficientnet_lite.training.recordfiles import FORMATS
from efficientnet_lite.version import __version__

Format = Literal["tfrecord", "arrayrecord"]
Split = Literal["train", "validation"]
Writing = Callable[[Path], AbstractContextManager[Callable[[bytes], None]]]

LABELS, MANIFEST, SKIPPED = "labels.txt", "shards.json", "skipped.csv"
PHOTOS_A_FILE = 1251  # of the reference's ImageNet: 1,281,167 in 1,024
MAX_FILES = 99_999  # five digits
MADE_BY, MAX_MANIFEST_BYTES = "efficientnet-lite ", 64 * 2**20  # of 200,000 files
SPLITS: tuple[Split, Split] = ("train", "validation")
WRITERS: dict[Format, tuple[Writing, str]] = {
    "tfrecord": (tfrecord.writing, ""),
    "arrayrecord": (arrayrecord.writing, FORMATS["arrayrecord"]),
}


@dataclass(slots=True)
class Part:
    """What was written of one split."""

    files: int
    photos: int = 0
    bytes: int = 0  # of the files
    encoded_again: int = 0  # photos that were no gray or RGB JPEG
    turned: int = 0  # kept as stored, while EXIF says to turn them


@dataclass(frozen=True, slots=True)
class Written:
    """A published folder of record files."""

    folder: Path
    format: Format
    labels: tuple[str, ...]
    seed: int
    fraction: float | None  # None: the split came with the photos
    parts: dict[Split, Part]
    accounting: Accounting  # of every photo; those of a test part are used
    test: int  # photos of a test part, which is not written
    notes: tuple[str, ...]
    digest: str  # SHA-256 of the lines `<sha256>  <name>` of the record files, as sha256sum prints them

    def to_json(self) -> dict[str, Any]:
        """What shards.json says beside the list of files: nothing of where the folder lies, so that equal files
        have equal manifests."""
        return {
            "made_by": f"{MADE_BY}{__version__}",
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


@dataclass(frozen=True, slots=True)
class _Record:
    data: bytes
    encoded_again: bool
    turned: bool


def make_shards(
    source: Path,
    out: Path,
    *,
    format: Format = "tfrecord",
    train_shards: int | None = None,
    validation_shards: int | None = None,
    fraction: float = 0.2,
    seed: int = 0,
    links: bool = True,
    class_folders: ClassFolders | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    stage: ShowStage = silent,
) -> Written:
    """Write the photos of a folder or manifest as the record files `out`.

    A split that comes with the photos stays; else `fraction` of them is kept back for validation, just as
    `train` and `check` do. Photos of a test part are left out.

    Args:
        train_shards, validation_shards: files of each part; None: one for every 1,251 photos.
        seed: of the split and of the order.
        links, class_folders: how the photos are read; see `photos.dataset.open_dataset`.
        overwrite: replace an earlier folder of this kind; what is not ours in it stays.
        workers: threads; no byte depends on their number.

    Raises:
        UsageError: `out` exists and may not be replaced, lies in or above the photos, or another run is writing to
            it; more files than photos; or array_record is asked for and not installed.
        UnusableInput: there is nothing to write; nothing is published.
        OutputFailed: the disk is full or cannot be written to.
    """
    out, workers = files.real(out), workers or os.cpu_count() or 1
    check_folder(out, FOLDER, overwrite=overwrite, apart=dataset_apart(source))
    dataset = open_dataset(source, links=links, class_folders=class_folders)
    apart = dataset_apart(source, dataset.rows)
    with folders.replacing(out, FOLDER, overwrite=overwrite, apart=apart) as folder:
        splits, skipped, notes = _planned(dataset, fraction, seed, workers, stage)
        rows = {
            split: [row for row, own in zip(dataset.rows, splits, strict=True) if own == split]
            for split in SPLITS
        }
        counts = {
            split: _number_of_files(split, len(rows[split]), asked, source)
            for split, asked in zip(SPLITS, (train_shards, validation_shards), strict=True)
        }
        parts = {split: Part(counts[split]) for split in SPLITS}
        sums: dict[str, str] = {}
        for number, split in enumerate(SPLITS):
            order = np.random.default_rng([seed, number]).permutation(len(rows[split]))
            shuffled = [rows[split][place] for place in order.tolist()]
            writer = _Writer(folder, split, format, dataset.labels, workers)
            with stage(f"Writing the {split} part") as on_progress:
                skipped += writer.write(shuffled, parts[split], sums, on_progress)
            if not parts[split].photos:
                raise UnusableDataset(
                    f"no photo of the {split} part can be used, the first: {skipped[-1][1]}",
                    where=source,
                    fix="give photos as JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF",
                )
        written = Written(
            folder=out,
            format=format,
            labels=dataset.labels,
            seed=seed,
            fraction=None if any(row.split == "validation" for row in dataset.rows) else fraction,
            parts=parts,
            accounting=account(
                len(dataset.rows) - len(skipped), [*skipped, *dataset.skipped], dataset.passed_over
            ),
            test=sum(own == "test" for own in splits),
            notes=notes,
            digest=files.sha256_bytes(
                "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
            ),
        )
        files.publish(folder / LABELS, "".join(f"{label}\n" for label in dataset.labels).encode())
        tables.publish_csv(folder / SKIPPED, COLUMNS, written.accounting.rows())
        seal(folder, FOLDER, written.to_json(), known=sums)
    return written


def _planned(
    dataset: Dataset, fraction: float, seed: int, workers: int, stage: ShowStage
) -> tuple[Sequence[str | None], list[tuple[str, str]], tuple[str, ...]]:
    """The split of each row, the photos that cannot be read as far as is known, and notes.

    Where the split is given nobody has to look for copies, and only a test part is looked at, which is not written.
    """
    given = any(row.split == "validation" for row in dataset.rows)
    looked_at = [at for at, row in enumerate(dataset.rows) if row.split == "test" or not given]
    if given and not looked_at:
        return [row.split or "train" for row in dataset.rows], [], dataset.notes
    with stage("Looking at the photos") as on_progress:
        seen = survey(
            [dataset.rows[at] for at in looked_at],
            workers=workers,
            on_progress=on_progress,
        )
    if given:
        lost = {looked_at[place]: reason for place, reason in seen.refused}
        splits = [None if at in lost else row.split or "train" for at, row in enumerate(dataset.rows)]
        return splits, [(dataset.rows[at].name, reason) for at, reason in lost.items()], dataset.notes
    dataset.check_usable(seen.refused)
    assignment = plan_split(dataset, seen.looks, fraction=fraction, seed=seed)
    assignment.check_labels(dataset, seen.looks)
    refused = [(dataset.rows[position].name, reason) for position, reason in seen.refused]
    return assignment.splits, refused, dataset.notes + assignment.notes


def _number_of_files(split: Split, count: int, asked: int | None, source: Path) -> int:
    if not count:
        raise UnusableDataset(f"no photos for {split}", where=source, fix="add some, or give another split")
    if asked is None:
        return min(-(-count // PHOTOS_A_FILE), MAX_FILES)
    if not 1 <= asked <= min(count, MAX_FILES):
        raise UsageError(
            f"{asked} files cannot hold the {count} photos for {split}, one at least in each",
            where=f"--{split}-shards",
            fix=f"give 1 to {min(count, MAX_FILES)}",
        )
    return asked


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the files of one part."""

    folder: Path
    split: Split
    format: Format
    labels: Sequence[str]
    workers: int

    def write(
        self, rows: Sequence[Row], part: Part, sums: dict[str, str], on_progress: Callable[[int, int], None]
    ) -> list[tuple[str, str]]:
        """Write `rows` in their order, a run of them to each file; counts into `part`, gives what was skipped."""
        writing, suffix = WRITERS[self.format]
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
                path = self.folder / _name(self.split, number, part.files, suffix)
                with writing(path) as put:
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
    if not str(manifest.get("made_by")).startswith(MADE_BY) or str(manifest.get("format")) not in WRITERS:
        raise ValueError(f"its {MANIFEST} is not ours")
    for split in SPLITS:
        number, size = (manifest["parts"][split][count] for count in ("files", "bytes"))
        if type(number) is not int or type(size) is not int or not 0 < number <= MAX_FILES:
            raise ValueError(f"its {MANIFEST} does not say how many files it has")


def _layout(folder: Path, manifest: Mapping[str, Any] | None) -> list[str]:
    """The files of version 0.1, which did not list them, where they are as large as it says."""
    if manifest is None:
        raise no_marker(MANIFEST)
    suffix = WRITERS[manifest["format"]][1]
    names = [LABELS, SKIPPED]
    for split in SPLITS:
        part = manifest["parts"][split]
        own = [_name(split, number, part["files"], suffix) for number in range(part["files"])]
        if sum(files.size(folder / name) for name in own) != part["bytes"]:
            raise ValueError("its files are not as large as its manifest says")
        names += own
    return names


def _name(split: str, number: int, count: int, suffix: str) -> str:
    return f"{split}-{number:05d}-of-{count:05d}{suffix}"


FOLDER = FolderKind("folder of record files", MANIFEST, MAX_MANIFEST_BYTES, _check_manifest, _layout)
