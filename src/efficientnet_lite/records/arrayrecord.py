"""ArrayRecord files of `tf.train.Example`: the format that Grain and TFDS read at any place.

The library array_record verifies a checksum of every chunk; where it finds one wrong, or a file without its end,
that becomes one error that names the file. Each record is a chunk of its own, so that reading one reads no other.

Source: google/array_record (options, and how its own data source opens files for random access).
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from efficientnet_lite import extras
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.protobuf import Malformed
from efficientnet_lite.records import riegeli
from efficientnet_lite.records.example import Example, parse, unreadable
from efficientnet_lite.records.recordfiles import RecordFiles
from efficientnet_lite.storage import files

ANY_PLACE = "readahead_buffer_size:0,max_parallelism:0"
ONE_RECORD_A_CHUNK = "group_size:1,uncompressed"  # photos are compressed already
TAIL_BYTES = 2 * 64 * 1024


class ArrayRecords(RecordFiles):
    """Examples in any order; the files know themselves where each record begins, and the digest knows what they say.

    Raises as `count` does.
    """

    def __init__(self, paths: Sequence[Path], classes: int) -> None:
        super().__init__(paths, [count(path) for path in paths], map(tail, paths), classes)

    def read(self, shard: int, number: int) -> Example:
        return read_example(self.paths[shard], number)


def count(path: Path) -> int:
    """How many records a file holds.

    Raises:
        UnusableInput: it cannot be read, or is no whole ArrayRecord file.
        UsageError: array_record is not installed.
    """
    reader = _opened(path)
    try:
        return int(reader.num_records())
    finally:
        reader.close()


def tail(path: Path) -> bytes:
    """The last blocks of a file, where it says where its records lie. Raises UnusableInput."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            return file.read(TAIL_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error


def read_example(path: Path, number: int) -> Example:
    """Record `number` of a file, which is opened for it.

    A file that is kept open would be faster by 0.2 ms of the 5 that a photo takes, but a data set has a thousand.

    Raises as `count` does, and UnusableInput where the record is damaged, gone, or no example with a photo.
    """
    where = f"{path}, record {number}"
    reader = _opened(path)
    try:
        (record,) = reader.read([number])
        return parse(record, where)
    except (RuntimeError, ValueError, IndexError) as error:  # which of them is not documented
        raise _damaged(where, f"{type(error).__name__}: {error}") from error
    except Malformed as error:
        raise _damaged(where, str(error)) from error
    finally:
        reader.close()


@contextmanager
def writing(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Gives what writes one record. For a file in a folder that is only being built: it is written in place.

    Raises:
        OutputFailed: it cannot be written.
        UsageError: array_record is not installed.
    """
    writer = _library(path).ArrayRecordWriter(os.fspath(path), ONE_RECORD_A_CHUNK)

    def write(record: bytes) -> None:
        with _write_errors(path):
            writer.write(record)

    yield write
    with _write_errors(path):
        writer.close()  # writes in the background until now


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise files.output_failed(path, OSError(errno.EIO, str(error).partition(";")[0])) from error


def _opened(path: Path) -> Any:
    module = _library(path)
    try:
        found = path.stat()
        wrong = _fault(path, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise unreadable(path, error) from error
    if wrong:
        raise _damaged(str(path), wrong)
    reader = module.ArrayRecordReader(os.fspath(path), ANY_PLACE)
    if not reader.ok():
        raise _damaged(str(path), riegeli.NOT_WHOLE)
    return reader


@lru_cache(maxsize=4096)  # a data set has a thousand files, whose records are read one by one
def _fault(path: Path, size: int, changed: int) -> str | None:
    """Why the library should not open the file; it has no words of its own, and believes every size."""
    with path.open("rb", buffering=0) as file:
        return riegeli.fault(lambda position, count: os.pread(file.fileno(), count, position), size)


def _damaged(where: str, reason: str) -> UnusableInput:
    text = " ".join(reason.split())[:300]
    return UnusableInput(
        f"no ArrayRecord file of ImageNet: {text}", where=where, fix="copy or make the file again"
    )


def _library(where: Path) -> Any:
    what = "ArrayRecord files need array_record, which is not installed (there is none for Windows)"
    with extras.needed(what, where=where, install=f"{extras.TRAIN}, or make TFRecord files"):
        from array_record.python import array_record_module
    return array_record_module
