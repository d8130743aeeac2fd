"""Labelled photos that lie as files, a million of them in the memory of a thousand, as `photos.rows` names them.

`Source` is what a data pipeline reads from: files as here, or record files as in `shards.py`.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import UnusableDataset, UnusableInput
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos import rubbish
from efficientnet_lite.photos.rows import Placed, Rows
from efficientnet_lite.photos.walk import walk
from efficientnet_lite.storage import files


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
    """Photo files, as rows of a data set name them."""

    def __init__(
        self, rows: Rows, labels: Sequence[str], positions: npt.NDArray[np.integer[Any]] | None = None
    ) -> None:
        """Those at `positions`, or all; a class is the place of its label in `labels`."""
        if not (len(rows) if positions is None else len(positions)):
            raise UnusableDataset("no photos", where=rows.root, fix="give a folder of photos, or a manifest")
        self._rows = rows
        self._positions = None if positions is None else positions.astype(np.int32)
        places = {label: place for place, label in enumerate(labels)}
        self._classes = {said: places[said.label] for said in rows.kinds}
        checksum = hashlib.sha256()
        for position in range(len(rows)) if positions is None else positions.tolist():
            name, class_index = os.fsencode(rows.name(position)), self._classes[rows.said(position)]
            checksum.update(name + b"\0%d\n" % class_index)
        self._digest = checksum.hexdigest()

    @property
    def digest(self) -> str:
        return self._digest

    def __len__(self) -> int:
        return len(self._rows) if self._positions is None else len(self._positions)

    def __getitem__(self, index: int) -> Labelled:
        position = range(len(self))[index]
        if self._positions is not None:
            position = int(self._positions[position])
        path = self._rows[position].path
        return Labelled(photo_door.read_bytes(path), self._classes[self._rows.said(position)], str(path))


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
    placed = (Placed(name, label, None) for label in there for name in _photos_below(root, label))
    return Listed(Rows(root, placed), order), order


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
