"""The photos that proved a run, looked for by their names where the run says that they lie, and nowhere else.

A run may be a stranger's. Its config names a folder or a manifest, and its split.csv the photos in it: only
those are opened, a folder is never walked, and no name leads out of it. A link in it is followed, since data
sets are linked from big disks and caches; a link in the run itself is not, where it leads out of the run.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from efficientnet_lite.documents import toml_table
from efficientnet_lite.errors import ArtifactError, EfficientNetLiteError, UnreadablePhoto, UnusableInput
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.classes import some
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.photos.labelled import LostPhoto, Surveyed
from efficientnet_lite.photos.manifest_files import photos_of_frame
from efficientnet_lite.plaintext import plain_text
from efficientnet_lite.run.folder import FRAME, Run
from efficientnet_lite.storage import files, tables
from efficientnet_lite.storage.listing import inside

CONFIG, SPLIT = "config.toml", "split.csv"
MAX_CONFIG_BYTES = 64 * 2**10
MAX_SPLIT_BYTES = 2**28  # 1.3 million photos have 170 MB
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GONE = "the photos that proved this run are not there as they were"


def proven_photos(run: Run, root: Path | None = None) -> Surveyed:
    """The labelled photos that proved the run, all of them and with the same content.

    `root` is the folder or manifest where they are looked for; None: where they were.

    Raises:
        UnusableInput: one of them is not there, or is another by now.
        ArtifactError: the run's split is damaged.
    """
    index = {label: number for number, label in enumerate(run.labels)}
    split = run.card["metrics"].get("split")
    rows = [row for row in split_rows(run) if row[2] == split]
    try:
        place = _Place(run, root)
    except (EfficientNetLiteError, ValueError, KeyError, TypeError) as error:
        reason = (
            error.what if isinstance(error, EfficientNetLiteError) else "its config names no place of theirs"
        )
        raise _gone(f"{_GONE}: {reason}", root or run.folder) from error
    if not rows:
        raise _gone(f"{_GONE}: its split names none", root or run.folder)
    if strange := sorted({label for _, label, _, _ in rows} - index.keys()):
        raise _gone(f"{_GONE}: its split has classes that its card has not: {some(strange)}", run.folder)
    paths: list[Path] = []
    lost: list[LostPhoto] = []
    for name, _, _, sha256 in rows:
        try:
            path = place.of(name)
            if files.sha256_bytes(photo_door.read_bytes(path)) != sha256:
                raise _not_there("it has another content now", path)
            paths.append(path)
        except UnreadablePhoto as error:
            lost.append(LostPhoto(name, str(split), error.what))
    if lost:
        raise _gone(
            f"{_GONE}, {len(lost)} of {len(rows)}: {some([str(each) for each in lost], 3)}", place.root
        )
    return Surveyed(
        names=[row[0] for row in rows],
        paths=paths,
        truth=[index[row[1]] for row in rows],
        contents=[row[3] for row in rows],
    )


def named_photos(run: Run, root: Path | None = None) -> Callable[[str], tuple[Path, str] | None]:
    """Finds path and SHA-256 of any photo of the run by its name; None for one that is none of them, or is not there.

    Its content may be another by now. `root` is as in `proven_photos`, which has found the place.
    """
    place = _Place(run, root)
    contents = {name: sha256 for name, _, _, sha256 in split_rows(run)}

    def find(name: str) -> tuple[Path, str] | None:
        try:
            return (place.of(name), contents[name]) if name in contents else None
        except UnreadablePhoto:
            return None

    return find


def split_rows(run: Run) -> Iterator[tuple[str, str, str, str]]:
    """Path, label, split and SHA-256 of each row of split.csv.

    Raises:
        ArtifactError: it is damaged, or a link out of the run.
    """
    path = own(run, run.folder / SPLIT)
    try:
        text = plain_text(files.read_bytes(path, limit=MAX_SPLIT_BYTES, what="a split"))
        for row in csv.DictReader(io.StringIO(text, newline=""), strict=True, restval=""):
            name, label, split, sha256 = (row[key] for key in ("path", "label", "split", "sha256"))
            if not _SHA256.fullmatch(sha256):
                raise ValueError(f"{sha256[:64]!r} is no SHA-256")
            yield tables.csv_text(name), tables.csv_text(label), split, sha256
    except (ValueError, KeyError, csv.Error) as error:
        raise ArtifactError(
            f"the split cannot be read: {type(error).__name__}: {error}",
            where=path,
            fix="train the run again",
        ) from error


def trained_on(run: Run, photos: Mapping[Path, str]) -> int:
    """How many of `photos`, each with its name in its data set, the run was trained on: by name and content.

    None, where the run does not say which those were.
    """
    try:
        contents = {name: sha256 for name, _, split, sha256 in split_rows(run) if split == "train"}
    except EfficientNetLiteError:
        return 0
    return sum(_holds(path, contents[name]) for path, name in photos.items() if name in contents)


def _holds(path: Path, sha256: str) -> bool:
    try:
        return files.sha256_bytes(photo_door.read_bytes(path)) == sha256
    except UnreadablePhoto:
        return False


def own(run: Run, path: Path) -> Path:
    """`path`, which lies in the run. Raises ArtifactError where it is, or holds, a link that leads out of it."""
    root = Path(os.path.realpath(run.folder))
    below: Iterable[Path] = path.rglob("*") if files.is_dir(path) else ()
    for each in (path, *below):
        if not Path(os.path.realpath(each)).is_relative_to(root):
            raise ArtifactError(
                "it is a link that leads out of the run", where=each, fix="put the file itself there"
            )
    return path


class _Place:
    """Where the photos of a run lie: a folder, or the rows of a manifest."""

    def __init__(self, run: Run, root: Path | None) -> None:
        copied = False
        own_frame = run.folder / FRAME
        if root is None and files.is_file(own_frame):
            root = own(run, own_frame)
        elif root is None:
            config = _config(run)
            copied = bool(config.get("proof_photos"))  # where the data set is none of photo files
            root = (
                own(run, inside(run.folder, config["proof_photos"]))
                if copied
                else Path(tables.unescaped(str(config["photos"])))
            )
            if not copied and not root.is_absolute():
                raise ValueError("the place of the photos has no whole path")
        self.root, self._run = root, run if copied else None
        real = Path(os.path.realpath(root))
        if real == real.parent:
            raise UnusableInput(
                "the root of a file system is no folder of photos", where=root, fix="give their own folder"
            )
        self._rows: Mapping[str, Path] | None = None
        if not files.exists(root):
            raise UnusableInput("no such folder or file", where=root, fix="say where they lie now")
        if files.exists(own_frame) and files.real(root) == files.real(own_frame):
            self._rows = photos_of_frame(root)
        elif files.is_file(root):
            self._rows = {row.name: row.path for row in open_dataset(root).rows}

    def of(self, name: str) -> Path:
        """The path of the photo of that name; raises UnreadablePhoto where it has none."""
        if self._rows is None:
            parts = PurePosixPath(name)
            if parts.is_absolute() or not parts.parts or ".." in parts.parts or Path(*parts.parts).anchor:
                raise _not_there("its name leads out of the folder of the photos", self.root)
            return self.root.joinpath(*parts.parts)
        path = self._rows.get(name)
        if path is None:
            raise _not_there("the manifest does not name it", self.root)
        if self._run is not None:
            try:
                own(self._run, path)
            except ArtifactError as error:
                raise _not_there("it lies outside of the run", path) from error
        return path


def _config(run: Run) -> dict[str, Any]:
    path = own(run, run.folder / CONFIG)
    return toml_table(files.read_bytes(path, limit=MAX_CONFIG_BYTES, what="a config"))


def _not_there(reason: str, where: Path) -> UnreadablePhoto:
    return UnreadablePhoto(reason, where=where, fix="put it back, or leave it out")


def _gone(what: str, where: Path) -> UnusableInput:
    return UnusableInput(what, where=where, fix="give the folder or manifest where they lie now")
