"""What makes a folder ours: a marker in it that we wrote, which lists the files that we wrote.

A marker is a JSON document that its kind of folder has anyway (`card.json`, `shards.json`, ...). Under `written` it
lists every other file of ours with its bytes and SHA-256. A file that is not listed, or is no longer what we wrote, is
the user's. A folder of an earlier version, whose marker has no list, is known by the layout of that version.

Markers are read as a stranger's: bounded, and names that leave the folder are refused.
"""

import math
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import EfficientNetLiteError
from efficientnet_lite.storage import files

WRITTEN = "written"  # in a marker: name -> {"bytes": ..., "sha256": ...}
MAX_NAME_BYTES = 255
HASHED_BYTES = 64 * 2**20  # a larger file, which nobody edits by hand, is known by its size

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that we wrote."""

    bytes: int
    sha256: str


Listing = Mapping[str, Entry | None]  # name within the folder -> what it was; None: ours by its name alone


@dataclass(frozen=True, slots=True)
class FolderKind:
    """A sort of folder that we write."""

    what: str  # in messages: "run", "SavedModel"
    marker: str  # name of the marker within the folder
    max_bytes: int  # of the marker
    # Raises ValueError or one of our errors, saying what is wrong, where this is no marker of the kind.
    check: Callable[[Path, Document], None]
    # The names that an earlier version wrote into the folder, whose marker, the document, lists none of them.
    layout: Callable[[Path, Document], Collection[str] | None]
    # Those that a version without a marker wrote; None where the folder is none of its.
    unmarked: Callable[[Path], Collection[str] | None] = lambda folder: None


def listing(folder: Path, kind: FolderKind) -> Listing:
    """What is ours in `folder`, the marker itself included.

    Raises ValueError, which says why, where the folder is none of that kind that we wrote.
    """
    if not files.is_dir(folder):
        raise ValueError("it is no folder")
    return _marked(folder, kind)[1]


def marker_of(folder: Path, kind: FolderKind) -> tuple[Document, Listing] | None:
    """The marker in `folder` and what it makes ours there; None where there is none. Raises ValueError as `listing`."""
    return _marked(folder, kind) if files.is_file(folder / kind.marker, follow=False) else None


def _marked(folder: Path, kind: FolderKind) -> tuple[Document, Listing]:
    try:
        if not files.is_file(folder / kind.marker, follow=False):
            return {}, _unlisted(kind, kind.unmarked(folder))
        document = _read(folder / kind.marker, kind.max_bytes)
        kind.check(folder, document)
        if WRITTEN in document:
            return document, {kind.marker: None} | _entries(document[WRITTEN])
        return document, _unlisted(kind, kind.layout(folder, document)) | {kind.marker: None}
    except EfficientNetLiteError as error:
        raise ValueError(error.what) from error
    except (KeyError, TypeError, AttributeError) as error:  # a field is missing, or of another type
        raise ValueError(f"its {kind.marker} is not ours") from error


def is_own(folder: Path, kind: FolderKind) -> bool:
    """Whether `folder` is one of that kind that we wrote."""
    try:
        listing(folder, kind)
    except ValueError:
        return False
    return True


def seal(
    folder: Path, kind: FolderKind, document: Document, *, known: Mapping[str, str] | None = None
) -> None:
    """Write the marker with the list of all other files in `folder`; the last thing that is written there.

    `known` has digests that need not be computed again: name -> SHA-256.
    """
    files.publish_json(folder / kind.marker, {**document, WRITTEN: written(folder, kind, known=known)})


def written(
    folder: Path, kind: FolderKind, *, known: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """The list of all files in `folder` but the marker, as it stands under WRITTEN; names sorted."""
    names = sorted(set(tree(folder).files) - {kind.marker})
    return {name: entry_of(folder / name, (known or {}).get(name)) for name in names}


def entry_of(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """The value of one file in the list."""
    return {"bytes": files.size(path), "sha256": sha256 or files.sha256_file(path)}


def entry_from(value: object) -> Entry | None:
    """What such a value says; None where it is none."""
    size, digest = (value.get("bytes"), value.get("sha256")) if isinstance(value, dict) else (None, None)
    return Entry(size, digest) if type(size) is int and isinstance(digest, str) else None


@dataclass(frozen=True, slots=True)
class Tree:
    """What lies below a folder, as names with slashes; a folder comes behind what is in it."""

    files: tuple[str, ...]  # and links, whatever they lead to, and all that is no folder
    folders: tuple[str, ...]


def tree(folder: Path) -> Tree:
    """All below `folder`; links are not followed. Raises OSError where a part of it cannot be listed."""

    def fail(error: OSError) -> None:
        raise error

    found: list[str] = []
    folders: list[str] = []
    for place, inner, names in os.walk(folder, topdown=False, onerror=fail):
        here = Path(place).relative_to(folder)
        links = [name for name in inner if files.is_link(Path(place, name))]
        found += ((here / name).as_posix() for name in [*names, *links])
        if here.parts:
            folders.append(here.as_posix())
    return Tree(tuple(sorted(found)), tuple(folders))


def own_files(folder: Path, listed: Listing) -> set[str]:
    """The files below `folder` that are ours: listed, and as we wrote them."""
    return {name for name in tree(folder).files if name in listed and _is_ours(folder / name, listed[name])}


def is_as_written(path: Path, entry: Entry, *, hashed_bytes: float = math.inf) -> bool:
    """Whether a file is what we wrote; one of more than `hashed_bytes` is known by its size."""
    if not files.is_file(path, follow=False) or files.size(path) != entry.bytes:
        return False
    try:
        return entry.bytes > hashed_bytes or files.sha256_file(path) == entry.sha256
    except EfficientNetLiteError:  # it cannot be read, so nobody knows
        return False


def _is_ours(path: Path, entry: Entry | None) -> bool:
    if entry is None:
        return files.is_file(path, follow=False)
    return is_as_written(path, entry, hashed_bytes=HASHED_BYTES)


def inside(folder: Path, name: str) -> Path:
    """`folder / name`; raises ValueError where that would leave the folder."""
    parts = PurePosixPath(name)
    leaves = parts.is_absolute() or not parts.parts or ".." in parts.parts
    odd = not name.isprintable() or not set(name).isdisjoint(":\\")
    if leaves or odd or any(len(part.encode()) > MAX_NAME_BYTES for part in parts.parts):
        raise ValueError(f"{name[:50]!r} is no path within the folder")
    return folder.joinpath(*parts.parts)


def _unlisted(kind: FolderKind, names: Collection[str] | None) -> dict[str, Entry | None]:
    """Files that are ours by their names; None: the folder is not."""
    if names is None:
        raise ValueError(f"it has no {kind.marker}")
    for name in names:
        inside(Path(), name)
    return dict.fromkeys(names)


def _read(path: Path, limit: int) -> Document:
    content = files.read_bytes(path, limit=limit, what="a marker of ours")
    try:
        document = json_value(content)
    except ValueError as error:
        raise ValueError(f"{path.name} is no JSON: {str(error)[:100]}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{path.name} is not ours")
    return document


def _entries(document: object) -> dict[str, Entry]:
    if not isinstance(document, dict):
        raise ValueError(f"its {WRITTEN!r} is no list of files")
    entries = {}
    for name, value in document.items():
        inside(Path(), name)
        if (entry := entry_from(value)) is None:
            raise ValueError(f"its {WRITTEN!r} says of {name[:50]!r} neither bytes nor sha256")
        entries[name] = entry
    return entries
