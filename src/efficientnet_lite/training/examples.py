"""Labelled photos in a fixed order, as a data pipeline reads them: photo files here, record files in `records.py`."""

import hashlib
import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from efficientnet_lite.errors import UnusableDataset
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.groups import Places
from efficientnet_lite.photos.rows import Rows
from efficientnet_lite.records.example import Example


class Examples(Protocol):
    """Labelled photos in a fixed order, each of which can be had at once; safe in many threads."""

    @property
    def digest(self) -> str:
        """SHA-256, hex, of the list of examples: what a run that goes on must find again."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example:
        """Example `index`, whose class is one of the data set's.

        Raises UnreadablePhoto where a single file cannot be read, UnusableInput where the source is damaged.
        """


class PhotoFiles:
    """Examples that lie as files: rows of a data set, a million of them in the memory of a thousand."""

    def __init__(self, rows: Rows, labels: Sequence[str], positions: Places | None = None) -> None:
        """Those at `positions`, or all; a class is the place of its label in `labels`."""
        if not (len(rows) if positions is None else len(positions)):
            raise UnusableDataset("no photos", where=rows.root, fix="give a folder of photos, or a manifest")
        self._rows = rows
        self._positions = None if positions is None else positions.astype(np.int32)
        places = {label: place for place, label in enumerate(labels)}
        self._classes = {said: places[said.label] for said in rows.kinds}
        checksum = hashlib.sha256()
        for position in range(len(rows)) if positions is None else map(int, positions):
            name, class_index = os.fsencode(rows.name(position)), self._classes[rows.said(position)]
            checksum.update(name + b"\0%d\n" % class_index)
        self._digest = checksum.hexdigest()

    @property
    def digest(self) -> str:
        return self._digest

    def __len__(self) -> int:
        return len(self._rows) if self._positions is None else len(self._positions)

    def __getitem__(self, index: int) -> Example:
        position = range(len(self))[index]
        if self._positions is not None:
            position = int(self._positions[position])
        path = self._rows[position].path
        return Example(photo_door.read_bytes(path), self._classes[self._rows.said(position)], str(path))
