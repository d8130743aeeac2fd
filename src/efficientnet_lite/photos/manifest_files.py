"""The rows of a manifest or of a folder's own metadata -> photos that exist, and why each other row is skipped."""

import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from efficientnet_lite import labels as class_names
from efficientnet_lite.errors import UnusableDataset, UnusableInput
from efficientnet_lite.packers import PACKERS
from efficientnet_lite.photos import rubbish
from efficientnet_lite.photos.accounting import Skipped
from efficientnet_lite.photos.frames import UNIT, Frame, common_folder
from efficientnet_lite.photos.manifest import SPLIT_CSV_COLUMNS, Manifest, lines_of, read_manifest
from efficientnet_lite.photos.rows import Placed
from efficientnet_lite.photos.walk import BROKEN, LEFT_OUT, Links, second_link
from efficientnet_lite.storage import files
from efficientnet_lite.storage.tables import csv_text

MAX_MANIFEST_BYTES = 1 << 30
MAX_HINTS = 100_000  # files of a folder in which one of a similar name is looked for
MISSING = "no such file"
ADDRESS = "an address, and nothing is downloaded"
_HOLDS = "it holds a data set in one file; give a folder of photos, or a CSV or JSONL manifest"
# First bytes of what is given for a manifest and is none, what it is, and what to do.
_OTHERS = (
    (
        b"PK\x03\x04",
        "a zip archive (or an Excel workbook)",
        "unpack it and give the folder, or save the table as CSV",
    ),
    *(
        (magic, f"an archive, {name}", "unpack it and give the folder")
        for magic, name in {b"\x1f\x8b": "gzip", **PACKERS}.items()
    ),
    (b"PAR1", "a Parquet table", "save it as CSV or JSONL"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", "save the table as CSV"),
    (b"\x89HDF", "an HDF5 file", _HOLDS),
    (b"\x93NUMPY", "a NumPy file", _HOLDS),
    (b"SQLite format 3\0", "an SQLite database", "save the table as CSV"),
    (b"%PDF", "a PDF document", "save the table as CSV"),
    (b"<", "an XML file or a web page", "give a folder of photos, or a CSV or JSONL manifest"),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file: git lfs pull"),
    (b"\xff\xd8\xff", "a single photo", "give the folder that holds the class folders"),
    (b"\x89PNG", "a single photo", "give the folder that holds the class folders"),
)
_TAR = (257, b"ustar")


@dataclass(slots=True)
class Resolved:
    """What a manifest's rows have become."""

    photos: list[Placed] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    repeated: int = 0  # rows that say what an earlier one said


def resolve(file: Path, *, anywhere: bool, links: bool) -> Resolved:
    """The photos of the manifest `file`; its paths are relative to its folder.

    A row that stands twice is two photos, like two files of the same bytes. `anywhere=False` refuses paths that lead
    out of the folder by `..` or from the root; a link within it leads wherever it leads. `links=False` skips links.

    Raises UnusableDataset where it cannot be read, or one photo has two labels or splits.
    """
    return _resolved(_read(file), file, ManifestPlaces(file.parent, anywhere, links))


def resolve_frame(frame: Frame, *, links: bool) -> Resolved:
    """The photos of a DataFrame; see `resolve`."""
    manifest = Manifest((), iter(frame.rows), UNIT)
    return _resolved(manifest, str(frame), ManifestPlaces(frame.folder, True, links))


def photos_of_frame(file: Path) -> dict[str, Path]:
    """Name -> photo, as they were in the DataFrame of which `file` is what a run has kept.

    Raises UnusableDataset where it cannot be read.
    """
    paths = [entry.path for entry in _read(file).entries]
    places = ManifestPlaces(common_folder(paths), True, True)
    located = (places.locate(path) for path in paths)
    return {name: places.folder / name for name, fault in located if fault is None}


def _resolved(manifest: Manifest, where: Path | str, places: "ManifestPlaces") -> Resolved:
    ours, unit = manifest.columns == SPLIT_CSV_COLUMNS, manifest.unit
    found = Resolved()
    seen: dict[str, tuple[int, Placed]] = {}
    labels: dict[str, str] = {}  # each once, however many rows have it
    for entry in manifest.entries:
        written, label = (csv_text(entry.path), csv_text(entry.label)) if ours else (entry.path, entry.label)
        label = labels.setdefault(label, label)
        name, fault = places.locate(written)
        if fault:
            found.skipped.append(Skipped(name, f"{fault} ({unit} {entry.line})"))
            continue
        row = Placed(name, label, entry.split)
        line, first = seen.setdefault(name, (entry.line, row))
        if first != row:
            deque(manifest.entries, maxlen=0)  # a broken line below is said first
            raise _contradiction(where, unit, (line, first), (entry.line, row))
        if first is not row:
            found.repeated += 1
        elif earlier := places.earlier(row):
            reason = f"{second_link(earlier)} ({unit} {entry.line})"
            found.skipped.append(Skipped(name, reason, stops=False))
            continue
        found.photos.append(row)
    _check_labels(found.photos, seen, where, unit)
    if not found.photos:
        raise _nothing_there(where, unit, found, places)
    return found


def _contradiction(
    where: Path | str, unit: str, one: tuple[int, Placed], other: tuple[int, Placed]
) -> UnusableDataset:
    said = [f"{row.label!r}, {row.split or 'no split'}" for _, row in (one, other)]
    return UnusableDataset(
        f"{unit}s {one[0]} and {other[0]} name the same photo {one[1].name!r} and differ: {said[0]} and {said[1]}",
        where=where,
        fix=f"keep one of the two {unit}s",
    )


def _check_labels(
    photos: list[Placed], seen: dict[str, tuple[int, Placed]], where: Path | str, unit: str
) -> None:
    """Name the line of the first label that cannot be a class name."""
    for row in {row.label: row for row in reversed(photos)}.values():
        if fault := class_names.fault(row.label):
            raise UnusableDataset(
                f"{unit} {seen[row.name][0]}: {row.label!r} cannot be a class name: {fault}",
                where=where,
                fix="give every row a label on one line",
            )


def _nothing_there(
    where: Path | str, unit: str, found: Resolved, places: "ManifestPlaces"
) -> UnusableDataset:
    first = found.skipped[0]
    reason = first.reason.split(f" ({unit} ")[0]
    if reason == MISSING:
        what = f"none of the {len(found.skipped)} photos exist, the first is {first.name!r}"
        of = "current folder" if unit == UNIT else "folder of the manifest"
        fix = f"write the paths relative to the {of}, {Path.cwd() if unit == UNIT else places.folder}"
        if below := places.below(first.name):
            fix += f": the first lies there as {below!r}"
        return UnusableDataset(what, where=where, fix=fix)
    fix = places.fix or "mend the rows"
    return UnusableDataset(
        f"none of the {len(found.skipped)} photos can be used; the first, {first.name!r}: {reason}",
        where=where,
        fix=fix,
    )


class ManifestPlaces:
    """Where the paths of one manifest lead."""

    def __init__(self, folder: Path, anywhere: bool, links: bool, *, most_hints: int = MAX_HINTS) -> None:
        self.folder, self.anywhere, self.follow = folder, anywhere, links
        self.most_hints = most_hints
        self.base = Path(os.path.abspath(folder))  # noqa: PTH100 - Path.absolute keeps `..`
        self.links = Links()
        self.fix = ""  # what to do about the rows, where it is plain
        self._stems: dict[Path, dict[str, str]] = {}
        self._linked: dict[Path, bool] = {}  # folders

    def locate(self, written: str) -> tuple[str, str | None]:
        """The name of a photo relative to the folder, and why it cannot be used.

        A path written on Windows is understood elsewhere too, where no file has its literal name.
        """
        fault = None
        for spelling in dict.fromkeys((written, written.replace("\\", "/"))):
            path = Path(os.path.normpath(self.base / spelling))
            name = (path.relative_to(self.base) if path.is_relative_to(self.base) else path).as_posix()
            if not self.anywhere and not path.is_relative_to(self.base):
                fault = fault or "it leads outside of the folder"
                continue
            try:
                mode = path.stat().st_mode
            except (OSError, ValueError):  # ValueError: text that no file name can hold
                fault = fault or self._missing(path, written)
                continue
            if not self.follow and self._by_link(path):
                return name, LEFT_OUT
            return name, None if stat.S_ISREG(mode) else "no regular file"
        return written, fault

    def earlier(self, row: Placed) -> str | None:
        """The row of the same class and part that is a link to the same file, if this one is a link, too."""
        path = self.folder / row.name
        if not files.is_link(path):
            return None
        try:
            real, _ = self.links.resolve(os.path.realpath(path.parent), path.name)
        except OSError:
            return None
        return self.links.earlier((row.label, row.split), real, row.name)

    def below(self, name: str) -> str | None:
        """Where in a folder beside the manifest a photo of this name lies."""
        try:
            folders = [path for path in files.entries(self.base) if files.is_dir(path)]
        except UnusableInput:
            return None
        for folder in folders:
            if not rubbish.folder_kind(folder.name):
                there = self._stems_in(folder).get(name)
                if there or files.is_file(folder / name):
                    return f"{folder.name}/{there or name}"
        return None

    def _missing(self, path: Path, written: str) -> str:
        if files.is_link(path):
            return BROKEN
        if "://" in written:
            self.fix = "download the photos, and write where they lie"
            return ADDRESS
        stems = self._stems_in(path.parent)
        if there := stems.get(path.name):
            self.fix = "write the names with their extensions"
            return f"no such file, but {there!r} lies there: names need their extension"
        if there := stems.get(path.stem.casefold()):
            self.fix = "write the names as the files have them"
            return f"no such file, but {there!r} lies there"
        return MISSING

    def _stems_in(self, folder: Path) -> dict[str, str]:
        """Name without its extension, and that in lower case -> name, of the files of a folder."""
        if folder not in self._stems:
            try:
                with os.scandir(folder) as listing:
                    names = [entry.name for entry in islice(listing, self.most_hints + 1)]
            except (OSError, ValueError):
                names = []
            names = sorted(names, reverse=True) if len(names) <= self.most_hints else []
            stems = {
                PurePosixPath(name).stem: name
                for name in names
                if "." in name and not rubbish.file_kind(name)
            }
            self._stems[folder] = {stem.casefold(): name for stem, name in stems.items()} | stems
        return self._stems[folder]

    def _by_link(self, path: Path) -> bool:
        """Whether the file is a link, or lies in a linked folder below that of the manifest."""
        if path == self.base or path == path.parent:
            return False
        folder = path.parent
        if files.is_link(path) or not folder.is_relative_to(self.base):
            return files.is_link(path)
        if folder not in self._linked:
            self._linked[folder] = self._by_link(folder)
        return self._linked[folder]


def _read(path: Path) -> Manifest:
    with _readable(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(_TAR[0] + len(_TAR[1]))
    if size > MAX_MANIFEST_BYTES:
        raise UnusableDataset(
            f"{size:,} bytes are more than a manifest can have ({MAX_MANIFEST_BYTES:,})",
            where=path,
            fix="give a folder of photos, or a CSV or JSONL manifest",
        )
    _check_kind(path, head)
    return read_manifest(_lines(path), where=path)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnusableDataset(
            f"it cannot be read: {error.strerror or error}", where=path, fix="check its permissions"
        ) from error


def _check_kind(path: Path, head: bytes) -> None:
    """Say what a file is that is plainly no manifest, from its first bytes."""
    others = [(what, fix) for magic, what, fix in _OTHERS if head.startswith(magic)]
    if head[_TAR[0] :] == _TAR[1]:
        others.append(("a tar archive", "unpack it and give the folder"))
    if head[4:8] == b"TFL3":
        others.append(
            ("a TFLite model", "give the photos; a model comes before them in predict and evaluate")
        )
    for what, fix in others:
        raise UnusableDataset(f"it is {what}, neither a folder nor a manifest", where=path, fix=fix)


def _lines(path: Path) -> Iterator[bytes]:
    with _readable(path), path.open("rb") as file:
        yield from lines_of(file)
