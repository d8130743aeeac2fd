"""Photos that lie as files: those that are named, and all of a folder, with the label that its folders give them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.features.photo_entry import PhotoPlace, SourceItem
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
    while first is not None:
        name, (size, lost) = _text(first[0]), json.loads(first[1])
        label = labels.get(name.rpartition("/")[0])
        place = PhotoPlace("file", f"{shown}{name}")
        yield SourceItem(f"{shown}{name}", place, label=label, size=size, lost=lost)
        first = next(listed, None)


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
