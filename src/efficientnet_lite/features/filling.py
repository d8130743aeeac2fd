"""Filling a folder of feature vectors: photos -> the parts that are lacking, written behind the network's back."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from efficientnet_lite.errors import OutputFailed
from efficientnet_lite.features.asking_again import ask_again
from efficientnet_lite.features.background import Background
from efficientnet_lite.features.outcomes import Work, none_used
from efficientnet_lite.features.part_files import PartFiles
from efficientnet_lite.features.parts import PartRows, load_writer
from efficientnet_lite.features.vector_folder import VectorFolder
from efficientnet_lite.notices import LOG
from efficientnet_lite.photos.accounting import Tally
from efficientnet_lite.progress import OnProgress

# A group of rows of the Parquet file; the network takes the next photos while it is written. Of a thousand the last
# would be waited for a tenth of a second.
GROUP_ROWS = 250


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
    made, tally, began = folder.made, Tally(), time.monotonic()
    lacking = [number for number in range(made.parts) if number not in folder.whole]
    try:
        asked = ask_again(folder, work)
        for number in folder.whole:
            with folder.at_hand(number) as paths:
                tally.add(folder.layout.tally(paths))
        on_progress(tally.found, made.rows)
        there = tally.found - asked
        began = began if asked else time.monotonic()
        if lacking:
            _make(folder, lacking, work, tally, on_progress)
        if not tally.used:
            folder.remove()
            raise none_used(tally, folder.out)
        if lacking or not folder.is_complete:
            folder.complete(tally)
        if tally.passing:
            how = folder.again if folder.made.layout == "parts" else "`overwrite=True`"
            LOG.warning(
                f"photos that could not be read, which may pass: {tally.passing:,}; {how} asks for them again"
            )
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
        self._open: PartFiles | None = None

    def write(self, number: int, rows: PartRows, *, ends: bool) -> None:
        """Write rows of part `number`; `ends`: they are its last."""
        opened = self._open = self._open or PartFiles(self._folder, number)
        opened.part.add(rows)
        if ends:
            opened.publish()
            self._open = None

    def close(self) -> None:
        """Drop a part that has not got its last group."""
        if self._open is not None:
            self._open.drop()


def _written(folder: VectorFolder) -> str:
    return f"{len(folder.whole):,} of {folder.made.parts:,} parts are written"
