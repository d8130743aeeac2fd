"""Labelled photos that lie as files, a million of them in the memory of a thousand: names are kept in a file.

`Source` is what a data pipeline reads from: files as here, or record files as in `shards.py`.
"""

import hashlib
import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from efficientnet_lite.errors import UnusableDataset, UnusableInput
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos import rubbish
from efficientnet_lite.photos.dataset import Row
from efficientnet_lite.photos.walk import walk
from efficientnet_lite.storage import files

PLACE_BYTES, LABEL_BYTES = 8, 4  # of one entry: where its name ends, and its class
_ENTRY = PLACE_BYTES + LABEL_BYTES


class Labelled(NamedTuple):
    """One example as stored."""

    data: bytes  # the photo's file
    class_index: int
    where: str  # for messages


class Source(Protocol):
    """Labelled photos in a fixed order, each of which can be had at once; safe in many threads."""

    @property
    def digest(self) -> str:
        """SHA-256, hex, of the list of examples: what a run that goes on must find again."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Labelled:
        """Example `index`.

        Raises UnreadablePhoto where a single file cannot be read, UnusableInput where the source is damaged.
        """


class Listed:
    """Photo files by name and class, see `of_rows` and `of_folder`."""

    def __init__(self, root: Path, entries: Iterable[tuple[str, int]]) -> None:
        """`entries` are names, relative to `root` or absolute, and classes; they are read once, in their order."""
        self._root = root
        checksum = hashlib.sha256()
        with tempfile.TemporaryFile() as names, tempfile.TemporaryFile() as table:
            self._count = end = 0
            for name, class_index in entries:
                data = os.fsencode(name)
                end += names.write(data)
                table.write(end.to_bytes(PLACE_BYTES, "little") + class_index.to_bytes(LABEL_BYTES, "little"))
                checksum.update(data + b"\0%d\n" % class_index)
                self._count += 1
            if not self._count:
                raise UnusableDataset("no photos", where=root, fix="give a folder of photos, or a manifest")
            self._names, self._table = _mapped(names), _mapped(table)
        self._digest = checksum.hexdigest()

    def __getstate__(self) -> dict[str, Any]:  # for worker processes; maps cannot be handed over
        return vars(self) | {"_names": bytes(self._names), "_table": bytes(self._table)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in ("_names", "_table"):
            with tempfile.TemporaryFile() as file:
                file.write(state[name])
                setattr(self, name, _mapped(file))

    @property
    def digest(self) -> str:
        return self._digest

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Labelled:
        path, class_index = self.entry(index)
        return Labelled(photo_door.read_bytes(path), class_index, str(path))

    def entry(self, index: int) -> tuple[Path, int]:
        """Path and class of a photo, which is not opened. Raises IndexError."""
        if not 0 <= index < self._count:
            raise IndexError(f"index {index} of {self._count} photos")
        start = self._end(index - 1) if index else 0
        name = os.fsdecode(self._names[start : self._end(index)])
        label = self._table[index * _ENTRY + PLACE_BYTES : (index + 1) * _ENTRY]
        return self._root / name, int.from_bytes(label, "little")

    def _end(self, index: int) -> int:
        return int.from_bytes(self._table[index * _ENTRY : index * _ENTRY + PLACE_BYTES], "little")


def _mapped(file: IO[bytes]) -> mmap.mmap:
    """What was written to a file that has no name: memory can give its pages back, and it ends with the process."""
    file.flush()
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def of_rows(root: Path, rows: Iterable[Row], labels: Sequence[str]) -> Listed:
    """The photos of `photos.dataset.open_dataset`, or of one split of it."""
    place = {label: index for index, label in enumerate(labels)}
    return Listed(root, ((row.name, place[row.label]) for row in rows))


def of_folder(root: Path, classes: Sequence[str] | None = None) -> tuple[Listed, tuple[str, ...]]:
    """The photos of a folder with a folder for each class, and the classes in order.

    For trees of ImageNet's size: reads one class at a time.

    Args:
        classes: what they are called, where another folder says so; None: the sorted names of the folders.

    Raises UnusableDataset where there is no photo, a folder of no such class, or the folder cannot be read.
    """
    there = classes_of(root)
    order = there if classes is None else tuple(classes)
    if unknown := sorted(set(there) - set(order)):
        raise UnusableDataset(
            f"the folder {unknown[0]!r} is none of the {len(order)} classes of the training photos",
            where=root,
            fix="take it out, or check its spelling",
        )
    place = {label: index for index, label in enumerate(order)}
    entries = ((name, place[label]) for label in there for name in _photos_below(root, label))
    return Listed(root, entries), order


def classes_of(root: Path) -> tuple[str, ...]:
    """The sorted names of the folders in `root`. Raises UnusableDataset where it cannot be read."""
    try:
        there = files.entries(root)
    except UnusableInput as error:
        raise UnusableDataset(error.what, where=error.where, fix=error.fix) from error
    return tuple(
        entry.name for entry in there if files.is_dir(entry) and rubbish.folder_kind(entry.name) is None
    )


def _photos_below(root: Path, label: str) -> Iterator[str]:
    return (f"{label}/{name}" for name in walk(root / label).photos)
