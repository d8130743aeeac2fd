"""Figures of a running training for TensorBoard to show; an event file is written without TensorFlow."""

import itertools
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from efficientnet_lite.storage.files import output_failed

_VERSION = "brain.Event:2"  # of the form of event files, which begin with it
_numbers = itertools.count()  # tells apart the files of one process and second


class TensorBoard:
    """One event file in a folder. What is given is on the disk at once, so that a page beside shows it.

    The writer of the library itself asks TensorFlow for its files where that is installed, and takes its
    seconds to load; the records and their form are the library's here too.
    """

    def __init__(self, folder: Path) -> None:
        """Make the file, and `folder` where there is none.

        Raises OutputFailed where it cannot be written.
        """
        name = f"events.out.tfevents.{time.time():.0f}.{os.getpid()}.{next(_numbers)}"
        self.path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._records = RecordWriter(self.path.open("xb"))
        except OSError as error:
            raise output_failed(self.path, error) from error
        self._write(Event(wall_time=time.time(), file_version=_VERSION))

    def scalars(self, step: int, values: Mapping[str, float | None]) -> None:
        """A point of the curve of each name at `step`; a value that is None or no number is left out.

        Raises OutputFailed where the disk is full.
        """
        given = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
        points = [Summary.Value(tag=name, simple_value=value) for name, value in given.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=points)))

    def close(self) -> None:
        self._records.close()

    def _write(self, event: Event) -> None:
        try:
            self._records.write(event.SerializeToString())
            self._records.flush()
        except OSError as error:
            raise output_failed(self.path, error) from error
