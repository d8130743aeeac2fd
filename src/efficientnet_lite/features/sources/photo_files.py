"""Photos that lie as files: those that are named, and all of a folder, with the label that its folders give them."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from efficientnet_lite.addresses import public
from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.features.sources.photo_entry import PhotoPlace, PlaceKind, SourceItem
from efficientnet_lite.features.sources.remote_folders import files_below
from efficientnet_lite.photos import rubbish
from efficientnet_lite.photos.accounting import Skipped
from efficientnet_lite.photos.layout import find_split_folders, read_layout
from efficientnet_lite.photos.walk import (
    LEFT_OUT,
    PassedOver,
    Walked,
    WalkedFolder,
    WalkedPhoto,
    walk_each,
)
from efficientnet_lite.storage import files
from efficientnet_lite.storage.spool import Spool


def file_item(path: str, *, links: bool = True) -> SourceItem:
    """A photo that is named itself: links and pipes are taken as they are, for the photo door to judge."""
    size = files.size(path) if files.exists(path) else None
    lost = None if links or not files.is_link(path) else LEFT_OUT
    return SourceItem(Path(path).as_posix(), PhotoPlace("file", path), size=size, lost=lost)


def folder_items(folder: str, spool: Spool, *, links: bool = True) -> Iterator[SourceItem | PassedOver]:
    """All photos in a folder and below, sorted by name, and what is plainly none.

    Raises UnusableDataset where it cannot be read.
    """
    root = Path(folder)
    found = (_local(each) for each in walk_each(root, links=links))
    return _in_order(found, spool, (root / "x").as_posix()[:-1], "file", root)


def remote_items(address: str, spool: Spool) -> Iterator[SourceItem | PassedOver]:
    """All photos behind the address of a folder, sorted by name; what is none is told by its name alone.

    Raises UnusableInput where it cannot be read.
    """
    return _in_order(_remote(address), spool, f"{address.rstrip('/')}/", "url", Path())


class _Photo(NamedTuple):
    name: str  # within the folder
    size: int | None
    lost: str | None = None


_Found = _Photo | WalkedFolder | PassedOver


def _local(found: Walked) -> _Found:
    if isinstance(found, WalkedPhoto):
        return _Photo(found.name, files.size(found.entry))
    return _Photo(found.name, None, found.reason) if isinstance(found, Skipped) else found


def _remote(address: str) -> Iterator[_Found]:
    entered = set[str]()
    for name, size in files_below(address):
        folder, _, last = name.rpartition("/")
        kind = next((found for part in folder.split("/") if (found := rubbish.folder_kind(part))), None)
        if kind := kind or rubbish.file_kind(last):
            yield PassedOver(kind)
            continue
        while folder and folder not in entered:
            entered.add(folder)
            yield WalkedFolder(folder)
            folder = folder.rpartition("/")[0]
        yield _Photo(name, size)


def _in_order(
    found: Iterator[_Found], spool: Spool, before: str, kind: PlaceKind, root: Path
) -> Iterator[SourceItem | PassedOver]:
    """What is no photo, then photos by name, each with its label; `before` is what leads to the folder."""
    passed_over = Counter[str]()
    folders: list[str] = []
    holding: dict[str, None] = {}  # the folders with photos in them

    def names() -> Iterator[tuple[bytes, bytes]]:
        for each in found:
            if isinstance(each, PassedOver):
                passed_over[each.kind] += 1
            elif isinstance(each, WalkedFolder):
                folders.append(each.name)
            else:
                if each.lost is None:
                    holding.setdefault(each.name.rpartition("/")[0])
                yield each.name.encode("utf-8", "surrogatepass"), json.dumps(each[1:]).encode()

    listed = spool.in_order(names())
    first = next(listed, None)  # the walk is over: everything is known of the folders
    labels = _labels(list(holding), sorted(folders), root)
    yield from map(PassedOver, passed_over.elements())
    for key, about in chain([first] if first else [], listed):
        name = key.decode("utf-8", "surrogatepass")  # whose order is that of the code points
        size, lost = json.loads(about)
        path = f"{before}{name}"
        shown = path if kind == "file" else public(path)
        label = labels.get(name.rpartition("/")[0])
        yield SourceItem(shown, PhotoPlace(kind, path), label=label, size=size, lost=lost)


def _labels(holding: Sequence[str], folders: Sequence[str], root: Path) -> dict[str, str]:
    """Folder with photos -> its label, as `train` reads the same folder; one photo stands for all of a folder."""
    names = [f"{folder}/x" if folder else "x" for folder in sorted(holding)]
    try:
        splits = find_split_folders(names, folders, set(), where=root, to_learn=False)
    except UnusableDataset:  # two folders for one part: `train` asks, and here both count
        splits = {}
    layout = read_layout(names, folders, splits)
    return {each.name.rpartition("/")[0]: each.label for each in layout.photos}
