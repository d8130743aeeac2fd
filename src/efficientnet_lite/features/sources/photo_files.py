"""Photos that lie as files: those that are named, and all of a folder, with the label that its folders give them."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from efficientnet_lite.addresses import public
from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.features.sources.photo_entry import PhotoPlace, SourceItem
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
    shown = (root / "x").as_posix()[:-1]
    passed_over: list[PassedOver] = []
    folders: list[str] = []
    holding: dict[str, None] = {}  # the folders with photos in them

    def names() -> Iterator[tuple[bytes, bytes]]:
        for found in walk_each(root, links=links):
            if isinstance(found, PassedOver):
                passed_over.append(found)
            elif isinstance(found, WalkedFolder):
                folders.append(found.name)
            else:
                if isinstance(found, WalkedPhoto):
                    holding.setdefault(found.name.rpartition("/")[0])
                yield _packed(found)

    listed = spool.in_order(names())
    first = next(listed, None)  # the walk is over: everything is known of the folders
    labels = _labels(list(holding), sorted(folders), root)
    yield from passed_over
    for key, about in chain([first] if first else [], listed):
        name, (size, lost) = _text(key), json.loads(about)
        place = PhotoPlace("file", f"{shown}{name}")
        label = labels.get(name.rpartition("/")[0])
        yield SourceItem(f"{shown}{name}", place, label=label, size=size, lost=lost)


def remote_items(address: str, spool: Spool) -> Iterator[SourceItem | PassedOver]:
    """All photos behind the address of a folder, sorted by name; what is none is told by its name alone.

    Raises UnusableInput where it cannot be read.
    """
    root = address.rstrip("/")
    passed_over: list[PassedOver] = []
    holding: dict[str, None] = {}

    def names() -> Iterator[tuple[bytes, bytes]]:
        for name, size in files_below(address):
            folder, _, last = name.rpartition("/")
            kind = next((found for part in folder.split("/") if (found := rubbish.folder_kind(part))), None)
            kind = kind or rubbish.file_kind(last)
            if kind:
                passed_over.append(PassedOver(kind))
            else:
                holding.setdefault(folder)
                yield _bytes(name), json.dumps(size).encode()

    listed = spool.in_order(names())
    first = next(listed, None)
    folders = {folder[:end] for folder in holding for end in _ends(folder)}
    labels = _labels(list(holding), sorted(folders), Path())
    yield from passed_over
    for key, about in chain([first] if first else [], listed):
        name = f"{root}/{_text(key)}"
        label = labels.get(_text(key).rpartition("/")[0])
        yield SourceItem(public(name), PhotoPlace("url", name), label=label, size=json.loads(about))


def _ends(folder: str) -> list[int]:
    """Where the name of each folder on the way to this one ends, its own included."""
    return [place for place, character in enumerate(f"{folder}/") if character == "/" and place]


def _packed(found: Walked) -> tuple[bytes, bytes]:
    """Name, and size and reason, of a photo or of what is skipped."""
    if isinstance(found, Skipped):
        return _bytes(found.name), json.dumps((None, found.reason)).encode()
    assert isinstance(found, WalkedPhoto)
    return _bytes(found.name), json.dumps((files.size(found.entry), None)).encode()


def _labels(holding: Sequence[str], folders: Sequence[str], root: Path) -> dict[str, str]:
    """Folder with photos -> its label, as `train` reads the same folder; one photo stands for all of a folder."""
    names = [f"{folder}/x" if folder else "x" for folder in sorted(holding)]
    try:
        splits = find_split_folders(names, folders, set(), where=root, to_learn=False)
    except UnusableDataset:  # two folders for one part: `train` asks, and here both count
        splits = {}
    layout = read_layout(names, folders, splits)
    return {each.name.rpartition("/")[0]: each.label for each in layout.photos}


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")  # whose order is that of the code points


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")
