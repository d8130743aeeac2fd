"""Folders and manifests -> the photos and their labels. Nothing is decoded and no photo is opened here.

A walk never follows a link to a folder, so it ends; a link to a photo counts only where the photo lies
within the folder. Names come back as they are on disk, bytes that are no UTF-8 as surrogates.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from efficientnet_lite.classes import check_counts, check_names
from efficientnet_lite.doors import files
from efficientnet_lite.doors.files import csv_text
from efficientnet_lite.errors import UnusableDataset, UnusableInput
from efficientnet_lite.layout import find_split_folders, read_layout
from efficientnet_lite.manifest import (
    MAX_LINE_BYTES,
    SPLIT_CSV_COLUMNS,
    Manifest,
    NoLabels,
    read_manifest,
)
from efficientnet_lite.split import SPLIT_NAMES, Split

MAX_MANIFEST_BYTES = 1 << 30

# Leftovers of file managers and archives: passed over without a word, like every hidden file.
_RUBBISH = frozenset({"thumbs.db", "desktop.ini", "__macosx"})

# What lies beside photos and is none by its name; everything else is judged by its content.
_NO_PHOTOS = """
    .txt .md .rst .csv .tsv .json .jsonl .ndjson .xml .yaml .yml .toml .ini .cfg .html .htm .css .js .py .ipynb
    .sh .bat .log .pdf .doc .docx .xls .xlsx .ppt .pptx .mp4 .mov .avi .mkv .webm .mp3 .wav .zip .tar .gz .tgz
    .bz2 .xz .7z .rar .npy .npz .pkl .pickle .pt .pth .h5 .onnx .tflite .pb .safetensors .parquet .arrow
    .tfrecord .db .sqlite .part .lock
"""
NO_PHOTO_SUFFIXES = frozenset(_NO_PHOTOS.split())

METADATA_NAMES = ("metadata.csv", "metadata.jsonl")  # of the imagefolder convention


@dataclass(frozen=True, slots=True)
class Row:
    """One photo of a data set."""

    path: Path  # as it can be opened
    name: str  # unique; relative to the root where it lies inside, posix separators: what reports show
    label: str
    split: Split | None  # None: not given


@dataclass(frozen=True, slots=True)
class Dataset:
    """The photos of a folder or manifest, in an order that depends on their names alone."""

    root: Path
    kind: str  # "folder per class", "split folders", "manifest" or "imagefolder"
    rows: tuple[Row, ...]  # sorted by name
    labels: tuple[str, ...]  # sorted by code point: the order of a model's outputs
    passed_over: tuple[tuple[str, str], ...]  # name and reason: what a user may have meant to be used
    notes: tuple[str, ...]


class Listing(NamedTuple):
    """Photos to look at, each with the name that reports show, and what was passed over and why."""

    photos: list[tuple[Path, str]]
    passed_over: list[tuple[str, str]]


@dataclass(slots=True)
class _Walk:
    """What lies in a folder and below; all names relative to it, posix separators."""

    photos: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    passed_over: list[tuple[str, str]] = field(default_factory=list)
    no_photos: Counter[str] = field(default_factory=Counter)  # by extension


def open_dataset(path: Path) -> Dataset:
    """The photos and labels of a folder or a manifest.

    A folder holds a folder per class (whatever lies below a class folder belongs to the class); or
    `train` and `val`, `valid`, `validation` or `test` folders of such; or `metadata.csv` or
    `metadata.jsonl` with a file name and a label for each photo, itself or in split folders. A manifest
    is a CSV or JSONL file; its paths are relative to its own folder and may lead anywhere, since they
    are only ever read as photos.

    Raises UnusableDataset where nothing can be learned from it: fewer than two classes, a class with
    fewer than two photos, labels that differ between splits, names that cannot be class names, a
    broken manifest.
    """
    if files.is_dir(path):
        return _open_folder(path)
    if files.is_file(path):
        return _open_manifest(path)
    raise UnusableDataset(
        "neither a folder nor a file"
        if files.exists(path)
        else f"it cannot be opened: {files.obstacle(path) or 'no such folder or file'}",
        where=path,
        fix="give a folder of photos, or a CSV or JSONL manifest",
    )


def list_photos(paths: Iterable[Path]) -> Listing:
    """The photos named by `paths`, each once: files as they are, folders with all below, sorted.

    A path that does not exist is taken as a pattern (`*`, `?`, `[...]`, `**`). Names are as given:
    `photos/a.jpg` for the photo `a.jpg` of the folder `photos`. Links and pipes that are named
    themselves are taken as they are, for the photo door to judge.

    Raises UnusableInput where a path does not exist and matches nothing.
    """
    photos: dict[str, Path] = {}
    passed_over: list[tuple[str, str]] = []
    for path in paths:
        for match in [path] if files.lexists(path) else _matches(path):
            if not files.is_dir(match):
                photos.setdefault(match.as_posix(), match)
                continue
            walk = _walk(match)
            photos |= {
                (match / name).as_posix(): match / name
                for name in walk.photos
                if (match / name).as_posix() not in photos
            }
            passed_over += [((match / name).as_posix(), reason) for name, reason in walk.passed_over]
    return Listing([(path, name) for name, path in photos.items()], passed_over)


# Folders


def _open_folder(root: Path) -> Dataset:
    walk = _walk(root)
    speaking = {folder for folder in walk.folders if "/" not in folder and _metadata_in(root / folder)}
    splits = find_split_folders(walk.photos, walk.folders, speaking, where=root)
    passed_over, notes = walk.passed_over, []
    try:
        if metadata := _metadata_files(root, splits):
            return _open_imagefolder(root, walk, metadata)
    except NoLabels as error:
        notes.append(f"{Path(error.where).name} holds no labels: the folders are taken as classes")
        splits = find_split_folders(walk.photos, walk.folders, set(), where=root)
    layout = read_layout(walk.photos, walk.folders, splits)
    if walk.no_photos:
        found = ", ".join(f"{count} {suffix}" for suffix, count in sorted(walk.no_photos.items()))
        notes.append(f"files that are no photos by their names were passed over: {found}")
    if not layout.photos:
        raise UnusableDataset(
            f"no photos in class folders, {len(walk.photos)} elsewhere in it",
            where=root,
            fix="make one folder for each class and put its photos there, or give a manifest",
        )
    rows = [Row(root / name, name, label, split) for name, label, split in layout.photos]
    return _dataset(
        root, layout.kind, rows, passed_over + layout.passed_over, notes + layout.notes, hint=layout.hint
    )


def _walk(root: Path) -> _Walk:
    """Everything below `root` that may be a photo. Raises UnusableDataset where `root` cannot be read."""
    walk = _Walk()
    inside = os.path.realpath(root)
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(root / folder) as listing:
                entries = list(listing)
        except OSError as error:
            if not folder:
                raise UnusableDataset(
                    f"the folder cannot be read: {error.strerror or error}",
                    where=root,
                    fix="check its permissions",
                ) from error
            walk.passed_over.append((folder, f"the folder cannot be read: {error.strerror or error}"))
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in _RUBBISH:
                continue
            name = f"{folder}{entry.name}"
            if files.is_dir(entry, follow=False):
                walk.folders.append(name)
                pending.append(name + "/")
            elif fault := _fault(entry, inside):
                walk.passed_over.append((name, fault))
            elif (suffix := PurePosixPath(entry.name).suffix.lower()) in NO_PHOTO_SUFFIXES:
                walk.no_photos[suffix] += 1
            else:
                walk.photos.append(name)
    walk.photos.sort()
    walk.folders.sort()
    return walk


def _fault(entry: os.DirEntry[str], inside: str) -> str | None:
    """Why an entry that is no folder is not taken as a photo."""
    if not files.is_link(entry):
        return None if files.is_file(entry, follow=False) else "no regular file"
    try:
        target = os.path.realpath(entry.path, strict=True)
        mode = Path(target).stat().st_mode
    except OSError:
        return "a link to nothing or to itself"
    if stat.S_ISDIR(mode):
        return "a link to a folder; links to folders are not followed"
    if not Path(target).is_relative_to(inside):
        return "a link that leads outside of the folder"
    return None if stat.S_ISREG(mode) else "a link to no regular file"


# Manifests


def _open_manifest(path: Path) -> Dataset:
    manifest = _read(path)
    ours = manifest.columns == SPLIT_CSV_COLUMNS
    rows, passed_over, notes = _resolve(manifest, path, ours=ours, anywhere=True)
    return _dataset(path.parent, "manifest", rows, passed_over, notes)


def _open_imagefolder(root: Path, walk: _Walk, metadata: dict[Path, Split | None]) -> Dataset:
    rows: list[Row] = []
    passed_over = walk.passed_over.copy()
    notes: list[str] = []
    for file, split in metadata.items():
        found, missing, said = _resolve(_read(file), file, ours=False, anywhere=False)
        prefix = "" if file.parent == root else file.parent.name + "/"
        rows += [Row(row.path, prefix + row.name, row.label, split or row.split) for row in found]
        passed_over += [(prefix + name, reason) for name, reason in missing]
        notes += said
    tops = [row.name.split("/", 1)[0].lower() for row in rows]
    if "train" in tops and all(row.split is None for row in rows) and set(tops) <= set(SPLIT_NAMES):
        rows = [replace(row, split=SPLIT_NAMES[top]) for row, top in zip(rows, tops, strict=True)]
    if unnamed := len(set(walk.photos) - {row.name for row in rows}):
        notes.append(f"{unnamed} photos are not named in the metadata and were passed over")
    return _dataset(root, "imagefolder", rows, passed_over, notes)


def _metadata_in(folder: Path) -> Path | None:
    named = (folder / name for name in METADATA_NAMES)
    return next((path for path in named if files.is_file(path, follow=False)), None)


def _metadata_files(root: Path, splits: dict[str, Split]) -> dict[Path, Split | None]:
    """Metadata file -> the split it speaks for, None for one that speaks for the whole folder."""
    if own := _metadata_in(root):
        return {own: None}
    return {
        file: split for folder, split in splits.items() if (file := _metadata_in(root / folder)) is not None
    }


def _read(path: Path) -> Manifest:
    try:
        size = path.stat().st_size
        if size > MAX_MANIFEST_BYTES:
            raise UnusableDataset(
                f"{size:,} bytes are more than a manifest can have ({MAX_MANIFEST_BYTES:,})",
                where=path,
                fix="give a folder of photos, or a CSV or JSONL manifest",
            )
        return read_manifest(_lines(path), where=path)
    except OSError as error:
        raise UnusableDataset(
            f"it cannot be read: {error.strerror or error}", where=path, fix="check its permissions"
        ) from error


def _lines(path: Path) -> Iterator[bytes]:
    """Lines with their breaks; one that is too long comes cut, but still too long."""
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE_BYTES + 1):
            yield line


def _resolve(
    manifest: Manifest, file: Path, *, ours: bool, anywhere: bool
) -> tuple[list[Row], list[tuple[str, str]], list[str]]:
    """Rows whose files exist, what was passed over, and notes. Raises UnusableDataset on a contradiction."""
    rows: list[Row] = []
    passed_over: list[tuple[str, str]] = []
    seen: dict[str, tuple[int, Row]] = {}
    repeated = 0
    for entry in manifest.entries:
        written, label = (csv_text(entry.path), csv_text(entry.label)) if ours else (entry.path, entry.label)
        name, fault = _locate(written, file.parent, anywhere=anywhere)
        if fault:
            passed_over.append((name, f"{fault} (line {entry.line})"))
            continue
        row = Row(file.parent / name, name, label, entry.split)
        line, first = seen.setdefault(name, (entry.line, row))
        if first is row:
            rows.append(row)
        elif first == row:
            repeated += 1
        else:
            raise UnusableDataset(
                f"lines {line} and {entry.line} name the same photo {name!r} and differ: {first.label!r}, "
                f"{first.split or 'no split'} and {label!r}, {entry.split or 'no split'}",
                where=file,
                fix="keep one of the two lines",
            )
    if not rows:
        raise UnusableDataset(
            f"none of the {len(manifest.entries)} photos exist, the first is {passed_over[0][0]!r}",
            where=file,
            fix=f"write the paths relative to the folder of the manifest, {file.parent}",
        )
    return rows, passed_over, [f"{repeated} repeated rows were counted once"] if repeated else []


def _locate(written: str, folder: Path, *, anywhere: bool) -> tuple[str, str | None]:
    """The name of a photo relative to `folder`, and why it cannot be used.

    A path written on Windows is understood elsewhere too, where no file has its literal name.
    """
    fault = "no such file"
    for spelling in dict.fromkeys((written, written.replace("\\", "/"))):
        path = Path(os.path.normpath(folder / spelling))
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError):  # ValueError: text that no file name can hold
            continue
        base = Path(os.path.normpath(folder))
        name = (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()
        if not stat.S_ISREG(mode):
            return name, "no regular file"
        if not anywhere and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            return name, "it leads outside of the folder"
        return name, None
    return written, fault


# Both


def _dataset(
    root: Path,
    kind: str,
    rows: list[Row],
    passed_over: list[tuple[str, str]],
    notes: list[str],
    *,
    hint: str | None = None,
) -> Dataset:
    """The data set of `rows`, once its class names and counts are found good."""
    labels = sorted({row.label for row in rows})
    notes += check_names(labels, where=root)
    check_counts([(row.label, row.split) for row in rows], labels, where=root, fix=hint)
    return Dataset(
        root,
        kind,
        tuple(sorted(rows, key=lambda row: row.name)),
        tuple(labels),
        tuple(sorted(passed_over)),
        tuple(notes),
    )


def _matches(pattern: Path) -> list[Path]:
    """The files and folders that match, sorted; hidden ones only where the pattern names the dot."""
    base = Path(pattern.anchor or ".")
    try:
        found = sorted(base.glob(str(pattern.relative_to(base) if pattern.anchor else pattern)))
    except (ValueError, NotImplementedError, OSError):
        found = []
    matches = [path for path in found if not path.name.startswith(".") or pattern.name.startswith(".")]
    if not matches:
        said = files.obstacle(pattern)
        raise UnusableInput(
            f"no such file or folder, and no pattern that matches one{f': {said}' if said else ''}",
            where=pattern,
            fix="check its spelling",
        )
    return matches
