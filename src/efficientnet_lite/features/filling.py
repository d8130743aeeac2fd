"""Filling a folder of feature vectors: photos -> the parts that are lacking, written behind the network's back."""

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from efficientnet_lite.errors import OutputFailed
from efficientnet_lite.features.background import Background
from efficientnet_lite.features.outcomes import Work, none_used
from efficientnet_lite.features.parts import OpenPart, PartRows, load_writer
from efficientnet_lite.features.vector_folder import VectorFolder
from efficientnet_lite.notices import LOG
from efficientnet_lite.photos.accounting import Tally
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import Entry as Written

GROUP_ROWS = 1000  # of a part that are in memory at once; a group of rows of the Parquet file


@dataclass(frozen=True, slots=True)
class FilledFolder:
    """What a folder holds in the end, and what had to be done for it."""

    tally: Tally
    parts: int
    computed: int  # rows of this call; the others were there
    seconds: float  # that those took


def fill(folder: VectorFolder, work: Work, on_progress: OnProgress) -> FilledFolder:
    """Make the parts that are lacking, and complete the folder, which is begun.

    Args:
        on_progress: counts all rows, those that were there first.

    Raises:
        UnusableInput: no photo at all could be used; what was written is taken away again.
        OutputFailed: the disk is full or cannot be written to; the parts that are written stay.
    """
    made, tally = folder.made, Tally()
    lacking = [number for number in range(made.parts) if number not in folder.whole]
    for number in folder.whole:
        tally.add(folder.layout.tally([folder.place / name for name in folder.names(number)]))
    on_progress(tally.found, made.rows)
    there, began = tally.found, time.monotonic()
    try:
        if lacking:
            _make(folder, lacking, work, tally, on_progress)
        if not tally.used:
            folder.remove()
            raise none_used(tally, folder.out)
        if lacking or not folder.is_complete:
            folder.complete(tally)
    except KeyboardInterrupt:
        LOG.warning(f"stopped: {_written(folder)}; {folder.again} goes on from there")
        raise
    except OutputFailed as error:
        fix = f"{error.fix}; {folder.again} then goes on: {_written(folder)}"
        raise OutputFailed(error.what, where=error.where, fix=fix) from error
    return FilledFolder(tally, made.parts, tally.found - there, time.monotonic() - began)


def _make(
    folder: VectorFolder, lacking: Sequence[int], work: Work, tally: Tally, on_progress: OnProgress
) -> None:
    spans = [folder.made.rows_of(number) for number in lacking]
    with (
        closing(_PartWriter(folder)) as writer,
        Background() as background,
        closing(work.outcomes(spans)) as stream,
    ):
        background.do(load_writer)
        for number, rows in zip(lacking, spans, strict=True):
            left = len(rows)
            while left:
                group = []
                for outcome in islice(stream, min(left, GROUP_ROWS)):
                    background.check()
                    group.append(outcome)
                    if outcome.error is None:
                        tally.used += 1
                    else:
                        tally.skip(outcome.item.path, outcome.error)
                    on_progress(tally.found, folder.made.rows)
                if not group:
                    raise RuntimeError(f"the list ended {left} photos before part {number} was full")
                left -= len(group)
                background.do(writer.write, number, group, ends=not left)


class _PartWriter:
    """Writes one group of rows after another, and publishes each part with its last group."""

    def __init__(self, folder: VectorFolder) -> None:
        self._folder = folder
        self._open: _OpenFiles | None = None

    def write(self, number: int, rows: PartRows, *, ends: bool) -> None:
        """Write rows of part `number`; `ends`: they are its last."""
        opened = self._open = self._open or _OpenFiles(self._folder, number)
        opened.part.add(rows)
        if ends:
            opened.part.finish()
            settled = {name: Written(*files.settled(file)) for name, file in opened.files.items()}
            self._folder.announce(settled)
            self._open = None
            opened.stack.close()  # which gives the files their names
            self._folder.whole[number] = settled

    def close(self) -> None:
        """Drop a part that has not got its last group."""
        if self._open is not None:
            self._open.part.abandon()
            drop = _Dropped()
            self._open.stack.__exit__(_Dropped, drop, drop.__traceback__)


class _OpenFiles:
    """The files of one part, which vanish where its stack ends badly."""

    def __init__(self, folder: VectorFolder, number: int) -> None:
        self.files: dict[str, BinaryIO] = {}
        with ExitStack() as opening:
            for name in folder.names(number):
                folders.make((folder.place / name).parent)
                path = folder.place / name
                self.files[name] = opening.enter_context(files.replacing(path, within=folder.place))
            self.part: OpenPart = folder.layout.open([*self.files.values()], folder.made, number)
            self.stack = opening.pop_all()


class _Dropped(Exception):
    """Ends the files of a part that is not published."""


def _written(folder: VectorFolder) -> str:
    return f"{len(folder.whole):,} of {folder.made.parts:,} parts are written"
