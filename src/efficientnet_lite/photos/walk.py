"""What lies in a folder and below: photos, links as far as they lead, and rubbish, which is told apart and counted.

Links to files and folders are followed wherever they lead. A walk ends all the same: a link to a folder that contains
it is a loop, and within a class a folder is entered through links once. Names are those within the folder, posix
separators, bytes that are no UTF-8 as surrogates; the order depends on the names alone.
"""

import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.photos import rubbish
from efficientnet_lite.photos.accounting import Skipped
from efficientnet_lite.photos.header import MAGIC_BYTES, format_of
from efficientnet_lite.photos.splitwords import split_of
from efficientnet_lite.storage import files

LEFT_OUT = "a link, and links are left out"
BROKEN = "a link to nothing or to itself"
ICLOUD = "a placeholder of iCloud: the photo is not on this disk"
LOOP = "a link to a folder that contains it, not followed"


@dataclass(slots=True)
class Walk:
    """What a folder holds; all names are relative to it."""

    photos: list[str] = field(default_factory=list)  # sorted
    folders: list[str] = field(default_factory=list)  # sorted
    skipped: list[Skipped] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)  # by kind


class _Folder(NamedTuple):
    name: str  # empty, or with a slash at its end
    real: str  # where it lies
    jumps: tuple[str, ...]  # the real folders of the links that led here


class Links:
    """Where links lead, and which of them are the second to the same file or folder of a class."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}
        self._seen: dict[tuple[object, str], str] = {}

    def resolve(self, folder: str, name: str) -> tuple[str, int]:
        """The real path and the mode of what the link `name` in the real `folder` leads to.

        Raises OSError where it leads to nothing. Folders are looked up once, since a class may be a million links.
        """
        target = _join(folder, os.readlink(_join(folder, name)))  # noqa: PTH115
        parent, base = os.path.split(target)
        if base not in ("", ".", ".."):
            real = self._parents.get(parent)
            if real is None:
                real = self._parents[parent] = os.path.realpath(parent, strict=True)
            path = _join(real, base)
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode):
                return path, mode
        path = os.path.realpath(target, strict=True)
        return path, os.stat(path).st_mode  # noqa: PTH116

    def earlier(self, group: object, real: str, name: str) -> str | None:
        """The name by which links led to `real` before, in the same `group`; else `name` is remembered."""
        first = self._seen.setdefault((group, real), name)
        return None if first is name else first


def second_link(first: str, what: str = "file") -> str:
    """The reason to skip a link."""
    return f"a second link to the same {what}; the first is {first!r}"


def walk(root: Path, *, links: bool = True) -> Walk:
    """Everything below `root` that may be a photo; `links=False` skips all links, each with that reason.

    Raises UnusableDataset where `root` cannot be read.
    """
    return _Walker(root, links).run()


class _Walker:
    def __init__(self, root: Path, follow: bool) -> None:
        self.root, self.follow = root, follow
        self.found, self.links = Walk(), Links()

    def run(self) -> Walk:
        pending = [_Folder("", os.path.realpath(self.root), ())]
        while pending:
            folder = pending.pop()
            entries = self._entries(folder)
            below = [inner for entry in entries if (inner := self._place(entry, folder)) is not None]
            pending += reversed(below)
        self.found.photos.sort()
        self.found.folders.sort()
        return self.found

    def _entries(self, folder: _Folder) -> Sequence[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder.name) as listing:
                return sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            reason = f"the folder cannot be read: {error.strerror or error}"
            if not folder.name:
                raise UnusableDataset(reason, where=self.root, fix="check its permissions") from error
            self._skip(folder.name, reason)
            return ()

    def _place(self, entry: os.DirEntry[str], folder: _Folder) -> _Folder | None:
        """Note what an entry is; a folder that is to be entered comes back."""
        name = f"{folder.name}{entry.name}"
        if files.is_link(entry):
            return self._link(entry, name, folder)
        if files.is_dir(entry, follow=False):
            return self._folder(name, _Folder(f"{name}/", _join(folder.real, entry.name), folder.jumps))
        if files.is_file(entry, follow=False):
            self._file(entry, name, _join(folder.real, entry.name) if folder.jumps else None)
        elif kind := rubbish.file_kind(entry.name):
            self.found.passed_over[kind] += 1
        else:
            self._skip(name, "no regular file")
        return None

    def _link(self, entry: os.DirEntry[str], name: str, folder: _Folder) -> _Folder | None:
        if not self.follow:
            self._skip(name, LEFT_OUT)
            return None
        try:
            real, mode = self.links.resolve(folder.real, entry.name)
        except (OSError, ValueError):
            if entry.name.startswith("."):  # an editor's lock, say; photos are not hidden in broken links
                self.found.passed_over[rubbish.HIDDEN_FILES] += 1
            else:
                self._skip(name, BROKEN)
            return None
        if stat.S_ISREG(mode):
            self._file(entry, name, real)
        elif not stat.S_ISDIR(mode):
            self._skip(name, "a link to no regular file")
        elif any(_contains(real, place) for place in (*folder.jumps, folder.real)):
            self._skip(name, LOOP)
        else:
            return self._folder(name, _Folder(f"{name}/", real, (*folder.jumps, folder.real)))
        return None

    def _folder(self, name: str, folder: _Folder) -> _Folder | None:
        if kind := rubbish.folder_kind(name.rsplit("/", 1)[-1]):
            self.found.passed_over[kind] += 1
            return None
        parts = name.split("/")
        group = _class_of(parts)
        # Two classes may be the same folder; two links within a class are the same photos twice.
        if folder.jumps and len(parts) > len(group):
            first = self.links.earlier(group, folder.real, name)
            if first is not None:
                self.found.skipped.append(Skipped(name, second_link(first, "folder"), stops=False))
                return None
        self.found.folders.append(name)
        return folder

    def _file(self, entry: os.DirEntry[str], name: str, real: str | None) -> None:
        """A regular file; `real` is where it lies if links lead to it."""
        kind = rubbish.file_kind(entry.name)
        if entry.name.startswith(".") and entry.name.endswith(".icloud"):
            self._skip(name, ICLOUD)
            return
        if kind and format_of(_first_bytes(entry.path)) is None:
            self.found.passed_over[kind] += 1
            return
        if real is not None:
            first = self.links.earlier(_class_of(name.split("/")[:-1]), real, name)
            if first is not None:
                self.found.skipped.append(Skipped(name, second_link(first), stops=False))
                return
        self.found.photos.append(name)

    def _skip(self, name: str, reason: str) -> None:
        self.found.skipped.append(Skipped(name, reason))


def _join(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118 - a Path for each of a million files takes seconds


def _contains(folder: str, place: str) -> bool:
    return place == folder or place.startswith(folder.rstrip(os.sep) + os.sep)


def _class_of(folders: Sequence[str]) -> tuple[str, ...]:
    """The folders down to what is a class by the names: below those of parts, or the first."""
    parts = 0
    while parts < len(folders) and split_of(folders[parts]) is not None:
        parts += 1
    return tuple(folders[: parts + 1])


def _first_bytes(path: str) -> bytes:
    """What a regular file begins with; empty where it cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            return file.read(MAGIC_BYTES)
    except OSError:
        return b""
