"""What lies in a folder and below: photos, links as far as they lead, and rubbish, which is told apart and counted.

Links to files and folders are followed wherever they lead. A walk ends all the same: a link to a folder that contains
it is a loop, and within a class a folder is entered through links once. Names are those within the folder, posix
separators, bytes that are no UTF-8 as surrogates; the order depends on the names alone.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
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


class WalkedPhoto(NamedTuple):
    """A file that may be a photo."""

    name: str
    entry: os.DirEntry[str]


class WalkedFolder(NamedTuple):
    """A folder that is entered."""

    name: str


class PassedOver(NamedTuple):
    """A file or folder that is plainly no photo."""

    kind: str


Walked = WalkedPhoto | WalkedFolder | PassedOver | Skipped


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
    found = Walk()
    for each in walk_each(root, links=links):
        match each:
            case WalkedPhoto(name, _):
                found.photos.append(name)
            case WalkedFolder(name):
                found.folders.append(name)
            case PassedOver(kind):
                found.passed_over[kind] += 1
            case Skipped():
                found.skipped.append(each)
    found.photos.sort()
    found.folders.sort()
    found.skipped.sort()
    return found


def walk_each(root: Path, *, links: bool = True) -> Iterator[Walked]:
    """What `walk` finds, one after another and in no order, so that a million files need not be held at once.

    Raises UnusableDataset where `root` cannot be read.
    """
    return _Walker(root, links).run()


class _Walker:
    def __init__(self, root: Path, follow: bool) -> None:
        self.root, self.follow = root, follow
        self.links = Links()

    def run(self) -> Iterator[Walked]:
        pending = [_Folder("", os.path.realpath(self.root), ())]
        while pending:
            folder = pending.pop()
            below: list[_Folder] = []
            try:
                for entry in self._entries(folder):
                    yield self._place(entry, folder, below)
            except OSError as error:
                reason = f"the folder cannot be read: {error.strerror or error}"
                if not folder.name:
                    raise UnusableDataset(reason, where=self.root, fix="check its permissions") from error
                yield Skipped(folder.name, reason)
            pending += reversed(below)

    def _entries(self, folder: _Folder) -> Iterator[os.DirEntry[str]]:
        """What lies in a folder; files first, as they come, then what later decisions depend on, by name."""
        later = []
        with os.scandir(self.root / folder.name) as listing:
            for entry in listing:
                if folder.jumps or files.is_link(entry) or not files.is_file(entry, follow=False):
                    later.append(entry)
                else:
                    yield entry
        yield from sorted(later, key=lambda entry: entry.name)

    def _place(self, entry: os.DirEntry[str], folder: _Folder, below: list[_Folder]) -> Walked:
        """What an entry is; a folder that is to be entered is put `below`."""
        name = f"{folder.name}{entry.name}"
        if files.is_link(entry):
            return self._link(entry, name, folder, below)
        if files.is_dir(entry, follow=False):
            inner = _Folder(f"{name}/", _join(folder.real, entry.name), folder.jumps)
            return self._folder(name, inner, below)
        if files.is_file(entry, follow=False):
            return self._file(entry, name, _join(folder.real, entry.name) if folder.jumps else None)
        if kind := rubbish.file_kind(entry.name):
            return PassedOver(kind)
        return Skipped(name, "no regular file")

    def _link(self, entry: os.DirEntry[str], name: str, folder: _Folder, below: list[_Folder]) -> Walked:
        if not self.follow:
            return Skipped(name, LEFT_OUT)
        try:
            real, mode = self.links.resolve(folder.real, entry.name)
        except (OSError, ValueError):
            if entry.name.startswith("."):  # an editor's lock, say; photos are not hidden in broken links
                return PassedOver(rubbish.HIDDEN_FILES)
            return Skipped(name, BROKEN)
        if stat.S_ISREG(mode):
            return self._file(entry, name, real)
        if not stat.S_ISDIR(mode):
            return Skipped(name, "a link to no regular file")
        if any(_contains(real, place) for place in (*folder.jumps, folder.real)):
            return Skipped(name, LOOP)
        return self._folder(name, _Folder(f"{name}/", real, (*folder.jumps, folder.real)), below)

    def _folder(self, name: str, folder: _Folder, below: list[_Folder]) -> Walked:
        if kind := rubbish.folder_kind(name.rsplit("/", 1)[-1]):
            return PassedOver(kind)
        parts = name.split("/")
        group = _class_of(parts)
        # Two classes may be the same folder; two links within a class are the same photos twice.
        if folder.jumps and len(parts) > len(group):
            first = self.links.earlier(group, folder.real, name)
            if first is not None:
                return Skipped(name, second_link(first, "folder"), stops=False)
        below.append(folder)
        return WalkedFolder(name)

    def _file(self, entry: os.DirEntry[str], name: str, real: str | None) -> Walked:
        """A regular file; `real` is where it lies if links lead to it."""
        kind = rubbish.file_kind(entry.name)
        if entry.name.startswith(".") and entry.name.endswith(".icloud"):
            return Skipped(name, ICLOUD)
        if kind and format_of(_first_bytes(entry.path)) is None:
            return PassedOver(kind)
        if real is not None:
            first = self.links.earlier(_class_of(name.split("/")[:-1]), real, name)
            if first is not None:
                return Skipped(name, second_link(first), stops=False)
        return WalkedPhoto(name, entry)


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
