"""Folders and manifests -> the photos and their labels. Nothing is decoded here.

Every photo and row that is found is either one of the rows or among the skipped, with its reason.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from efficientnet_lite.errors import UnreadablePhoto, UnusableDataset
from efficientnet_lite.photos.accounting import Accounting, Skipped, account, plain
from efficientnet_lite.photos.classes import check_names, check_usable
from efficientnet_lite.photos.frames import DataFrame, Frame, frame_of
from efficientnet_lite.photos.layout import Layout, check_layout, find_split_folders, read_layout
from efficientnet_lite.photos.manifest import NoLabels
from efficientnet_lite.photos.manifest_files import Resolved, resolve, resolve_frame
from efficientnet_lite.photos.patterns import matches, no_match
from efficientnet_lite.photos.rows import Placed, Row, Rows
from efficientnet_lite.photos.split import Split
from efficientnet_lite.photos.splitwords import split_of
from efficientnet_lite.photos.walk import LEFT_OUT, Walk, walk
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import Apart
from efficientnet_lite.vocabulary import ClassFolders

METADATA_NAMES = ("metadata.csv", "metadata.jsonl")  # of the imagefolder convention
NOT_NAMED = "not named in the metadata"
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
OURS = ("skipped.csv", "split.csv")  # of a run
FILMS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".3gp", ".wmv", ".mts")


@dataclass(frozen=True, slots=True)
class Dataset:
    """The photos of a folder or manifest, in an order that depends on their names alone."""

    root: Path
    kind: str  # "folder per class", "split folders", "manifest" or "imagefolder"
    rows: Rows  # sorted by name
    labels: tuple[str, ...]  # sorted by code point: the order of a model's outputs
    skipped: tuple[Skipped, ...]  # found, and no rows; sorted by name
    passed_over: Mapping[str, int]  # plainly no photos: kind -> how many
    notes: tuple[str, ...]

    def accounting(self, refused: Iterable[tuple[int, str]]) -> Accounting:
        """What became of every photo once those in `refused`, positions and reasons, turned out to be unusable."""
        lost = [Skipped(self.rows.name(position), reason) for position, reason in refused]
        return account(len(self.rows) - len(lost), [*self.skipped, *lost], self.passed_over)

    def check_usable(self, refused: Iterable[tuple[int, str]]) -> None:
        """Raise UnusableDataset where what is left cannot be learned from; its cause is named.

        `refused` are positions and reasons of the photos that cannot be used.
        """
        reasons = dict(refused)
        left = [self.rows.said(at) for at in range(len(self.rows)) if at not in reasons]
        check_usable(left, self.labels, list(reasons.values()), where=self.root)

    def require_all(self) -> None:
        """Raise UnreadablePhoto at the first photo that was skipped: for who wants to skip none.

        A second link to a photo that is used does not count: nothing is lost with it.
        """
        lost = [each for each in self.skipped if each.stops]
        if lost:
            more = f"; {len(lost) - 1} more are skipped" if len(lost) > 1 else ""
            raise UnreadablePhoto(
                f"{lost[0].reason}{more}",
                where=self.root / lost[0].name,
                fix="mend it, or leave it out (`on_bad='skip'`)",
            )


class FoundPhotos(NamedTuple):
    """Photos to look at, each with the name that reports show, and what is not looked at."""

    photos: list[tuple[Path, str]]
    skipped: list[Skipped]
    passed_over: Counter[str]  # by kind


DatasetPlace = Path | Frame  # of a data set: a folder, a manifest, or a DataFrame


def dataset_place(given: str | Path | DataFrame) -> DatasetPlace:
    """Where the photos of a data set are said to be. Raises UnusableDataset for a DataFrame that is none."""
    return Path(given) if isinstance(given, str | Path) else frame_of(given)


def open_dataset(
    path: DatasetPlace,
    *,
    links: bool = True,
    class_folders: ClassFolders | None = None,
    to_learn: bool = True,
) -> Dataset:
    """The photos and labels of a folder or a manifest.

    A folder holds a folder per class (whatever lies below a class folder belongs to the class); or folders for the
    parts, such as `train` and `val`, `Training` and `Testing`, of such; or `metadata.csv` or `metadata.jsonl` with a
    file name and a label for each photo, itself or in split folders. A manifest is a CSV or JSONL file; its paths are
    relative to its own folder and may lead anywhere, since they are only ever read as photos.

    Args:
        links: follow links, wherever they lead; else each is skipped.
        class_folders: "outer" or "inner", where every class would hold the same folders and either can be the classes.
        to_learn: there must be enough to learn from; to judge a model, one photo will do.

    Raises UnusableDataset where nothing can be learned from it: fewer than two classes, a class with fewer than two
    photos, labels that differ between splits, names that cannot be class names, a broken manifest, a folder that can
    be read in two ways or is data for another task.
    """
    if isinstance(path, Frame):
        told = resolve_frame(path, links=links)
        notes = _repeated(told)
        return _dataset(path.folder, "manifest", told.photos, told.skipped, {}, notes, to_learn=to_learn)
    if files.is_dir(path):
        return _open_folder(path, links, class_folders, to_learn)
    if files.is_file(path):
        return _open_manifest(path, links, to_learn)
    raise UnusableDataset(
        "neither a folder nor a file"
        if files.exists(path)
        else f"it cannot be opened: {files.obstacle(path) or 'no such folder or file'}",
        where=path,
        fix="give a folder of photos, or a CSV or JSONL manifest",
    )


def list_photos(paths: Iterable[Path], *, links: bool = True) -> FoundPhotos:
    """The photos named by `paths`, each once: files as they are, folders with all below, sorted.

    A path that does not exist is taken as a pattern (`*`, `?`, `[...]`, `**`). Names are as given: `photos/a.jpg` for
    the photo `a.jpg` of the folder `photos`. Links and pipes that are named themselves are taken as they are, for the
    photo door to judge; with `links=False` links are skipped, but for a folder that is named itself.

    Raises UnusableInput where a path does not exist and matches nothing.
    """
    photos: dict[str, Path] = {}
    skipped: dict[str, Skipped] = {}
    passed_over: Counter[str] = Counter()
    for path in paths:
        for match in [path] if files.lexists(path) else _matches(path):
            if not files.is_dir(match):
                name = match.as_posix()
                if links or not files.is_link(match):
                    photos.setdefault(name, match)
                else:
                    skipped.setdefault(name, Skipped(name, LEFT_OUT))
                continue
            found = walk(match, links=links)
            for inner in found.photos:
                photos.setdefault((match / inner).as_posix(), match / inner)
            for each in found.skipped:
                name = (match / each.name).as_posix()
                skipped.setdefault(name, each._replace(name=name))
            passed_over += found.passed_over
    return FoundPhotos(
        [(path, name) for name, path in photos.items()],
        [each for name, each in skipped.items() if name not in photos],
        passed_over,
    )


def dataset_apart(source: DatasetPlace, rows: Iterable[Row] = ()) -> list[Apart]:
    """The folder or manifest itself, and every folder in which a photo of it lies, by way of a link too.

    Nothing is written into a folder that was given, where it would be a class of photos the next time.
    """
    folders = {row.path.parent for row in rows}
    if isinstance(source, Frame):
        return [Apart(folder) for folder in sorted(folders)]
    whole = [Apart(source)] if files.is_dir(source) else [Apart(source, "the manifest", inside=False)]
    return [*whole, *(Apart(folder) for folder in sorted(folders))]


# Folders


def _open_folder(root: Path, links: bool, class_folders: ClassFolders | None, to_learn: bool) -> Dataset:
    found = walk(root, links=links)
    speaking = {folder for folder in found.folders if "/" not in folder and _metadata_in(root / folder)}
    splits = find_split_folders(found.photos, found.folders, speaking, where=root, to_learn=to_learn)
    notes = []
    try:
        if metadata := _metadata_files(root, splits):
            return _open_imagefolder(root, found, metadata, links, to_learn)
    except NoLabels as error:
        notes.append(f"{Path(error.where).name} holds no labels: the folders are taken as classes")
        splits = find_split_folders(found.photos, found.folders, set(), where=root, to_learn=to_learn)
    layout = read_layout(found.photos, found.folders, splits, class_folders)
    skipped = [*found.skipped, *(Skipped(*each) for each in layout.skipped)]
    notes += layout.notes
    try:
        check_layout(layout, found.folders, splits, class_folders, where=root)
        if not layout.photos:
            raise _no_photos(root, found, layout)
        return _dataset(
            root,
            layout.kind,
            layout.photos,
            skipped,
            found.passed_over,
            notes,
            hint=layout.hint,
            to_learn=to_learn,
        )
    except UnusableDataset as error:
        if (
            len({each.label for each in layout.photos if split_of(each.label) is None}) < 2
            and not layout.hint
        ):
            error.fix += _tables_in(root)
        raise


def _tables_in(root: Path) -> str:
    """What to do where a table lies in a folder without classes: it may say what the folders do not."""
    tables = sorted(
        path.name for path in files.entries(root) if path.suffix.lower() in TABLES and path.name not in OURS
    )
    return (
        f"; or, if it names the photos and their labels, give the file {tables[0]!r} in it" if tables else ""
    )


def _no_photos(root: Path, found: Walk, layout: Layout) -> UnusableDataset:
    elsewhere = f"no photos in class folders, {len(found.photos)} elsewhere in it"
    what = elsewhere if found.photos else "there are no photos in it"
    if found.skipped:
        first = found.skipped[0]
        what += f", {len(found.skipped)} skipped (the first, {first.name!r}: {plain(first.reason)})"
    archives = [kind for kind in found.passed_over if kind in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")]
    if archives and not found.photos:
        return UnusableDataset(
            f"{what}, but {' and '.join(archives)} files",
            where=root,
            fix="unpack them, and give the folder with the class folders",
        )
    fix = "make one folder for each class and put its photos there, or give a manifest"
    if found.passed_over and not found.photos:
        what += "; " + account(0, [], found.passed_over).not_photos()
    if not found.photos and not found.skipped and any(kind in FILMS for kind in found.passed_over):
        fix = "save pictures of the films, in a folder for each class"
    if found.skipped and all(each.reason == LEFT_OUT for each in found.skipped):
        fix = "leave `links=False` out"
    return UnusableDataset(what, where=root, fix=fix)


# Manifests


def _open_manifest(path: Path, links: bool, to_learn: bool) -> Dataset:
    found = resolve(path, anywhere=True, links=links)
    notes = _repeated(found)
    return _dataset(path.parent, "manifest", found.photos, found.skipped, {}, notes, to_learn=to_learn)


def _repeated(found: Resolved) -> list[str]:
    return (
        [f"{found.repeated} rows repeat earlier ones, and count as photos of their own"]
        if found.repeated
        else []
    )


def _open_imagefolder(
    root: Path, found: Walk, metadata: dict[Path, Split | None], links: bool, to_learn: bool
) -> Dataset:
    placed: list[Placed] = []
    skipped: list[Skipped] = []
    notes: list[str] = []
    for file, split in metadata.items():
        told = resolve(file, anywhere=False, links=links)
        prefix = "" if file.parent == root else file.parent.relative_to(root).as_posix() + "/"
        placed += [Placed(prefix + name, label, split or own) for name, label, own in told.photos]
        skipped += [each._replace(name=prefix + each.name) for each in told.skipped]
        notes += _repeated(told)
    tops = [split_of(each.name.split("/", 1)[0]) for each in placed]
    if "train" in tops and None not in tops and all(each.split is None for each in placed):
        placed = [each._replace(split=top) for each, top in zip(placed, tops, strict=True)]
    named = {each.name for each in placed} | {each.name for each in skipped}
    skipped += [Skipped(name, NOT_NAMED) for name in found.photos if name not in named]
    skipped += [each for each in found.skipped if each.name not in named]
    return _dataset(root, "imagefolder", placed, skipped, found.passed_over, notes, to_learn=to_learn)


def _metadata_in(folder: Path) -> Path | None:
    return next((folder / name for name in METADATA_NAMES if files.is_file(folder / name)), None)


def _metadata_files(root: Path, splits: dict[str, Split]) -> dict[Path, Split | None]:
    """Metadata file -> the split it speaks for, None for one that speaks for the whole folder."""
    if own := _metadata_in(root):
        return {own: None}
    return {
        file: split for folder, split in splits.items() if (file := _metadata_in(root / folder)) is not None
    }


# Both


def _dataset(
    root: Path,
    kind: str,
    placed: list[Placed],
    skipped: list[Skipped],
    passed_over: Mapping[str, int],
    notes: list[str],
    *,
    hint: str | None = None,
    to_learn: bool = True,
) -> Dataset:
    """The data set of `placed`, once its class names and counts are found good."""
    labels = sorted({each.label for each in placed})
    notes += check_names(labels, where=root)
    lost = [each.reason for each in skipped if each.stops]
    if to_learn or not placed:
        check_usable([(each.label, each.split) for each in placed], labels, lost, where=root, fix=hint)
    return Dataset(
        root,
        kind,
        Rows(root, sorted(placed, key=lambda each: each.name)),
        tuple(labels),
        tuple(sorted(skipped)),
        dict(sorted(passed_over.items())),
        tuple(notes),
    )


def _matches(pattern: Path) -> list[Path]:
    """The files and folders that match, sorted."""
    found = sorted(set(matches(pattern)))
    if not found:
        raise no_match(pattern)
    return found
