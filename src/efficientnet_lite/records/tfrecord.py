"""ImageNet as the reference reads it: TFRecord files of `tf.train.Example`, without TensorFlow.

A record is its length (8 bytes), the checksum of that, the data and their checksum; both checksums
are verified, the first before anything of that length is read. `offsets` and `read_example` read records in any
order, `writing` writes a file of them. What is in a record: `example.py`.

Source: tensorflow, core/lib/io/record_writer.h (layout); tensorflow/tpu, tools/datasets/imagenet_to_gcs.py (file
names).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from efficientnet_lite.crc32c import masked_crc32c
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.protobuf import Malformed
from efficientnet_lite.records.example import Example, parse, unreadable
from efficientnet_lite.storage import files

HEADER_BYTES, CHECKSUM_BYTES = 12, 4
MAX_RECORD_BYTES = 64 * 2**20  # the largest of ImageNet's has 16 MB
HEADERS_AT_ONCE = 4096


def read_examples(path: Path) -> Iterator[Example]:
    """Every photo of one record file, in order, one in memory at a time.

    Raises:
        UnusableInput: the file cannot be read, breaks off, has a wrong checksum, or a record is no
            example with a photo.
    """
    number = 0
    try:
        with path.open("rb") as file:
            for record in _records(file):
                yield parse(record, f"{path}, record {number}")
                number += 1
    except OSError as error:
        raise unreadable(path, error) from error
    except Malformed as error:
        raise _malformed(path, number, error) from error


def offsets(path: Path) -> npt.NDArray[np.int64]:
    """Where each record of a file begins and the last one ends, (records + 1,).

    Reads 12 bytes of each record; the lengths are verified, the data are not.

    Raises UnusableInput where the file cannot be read, breaks off, or a length has a wrong checksum.
    """
    parts = [np.zeros(1, np.int64)]
    number = position = 0
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            while position < size:
                headers, ends = _walk(file, position, size)
                wrong = _wrong(headers)
                if wrong is not None:
                    number += wrong
                    raise Malformed("the checksum of its length is wrong")
                if not ends or ends[-1] > size:
                    number += max(0, len(ends) - 1)
                    raise Malformed("it breaks off")
                parts.append(np.array(ends, np.int64))
                number, position = number + len(ends), ends[-1]
    except OSError as error:
        raise unreadable(path, error) from error
    except Malformed as error:
        raise _malformed(path, number, error) from error
    return np.concatenate(parts)


def read_example(path: Path, start: int, end: int, number: int) -> Example:
    """The record between two neighbors of `offsets`; `number` is its place in the file, for messages.

    Raises UnusableInput as `read_examples` does.
    """
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            data = file.read(end - start)
        record = next(_records(BytesIO(data)), None)
        if record is None:
            raise Malformed("it breaks off")
        return parse(record, f"{path}, record {number}")
    except OSError as error:
        raise unreadable(path, error) from error
    except Malformed as error:
        raise _malformed(path, number, error) from error


def framed(record: bytes) -> bytes:
    """A record as it stands in a file: between its length, that one's checksum, and its own."""
    length = len(record).to_bytes(8, "little")
    return b"".join((length, _checksum(length), record, _checksum(record)))


@contextmanager
def writing(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Gives what writes one record; the file appears whole when the block ends well, or not at all.

    Raises OutputFailed where it cannot be written.
    """
    with files.replacing(path) as file:

        def write(record: bytes) -> None:
            file.write(framed(record))

        yield write


def _checksum(data: bytes) -> bytes:
    return masked_crc32c(data).to_bytes(CHECKSUM_BYTES, "little")


def _walk(file: RawIOBase, position: int, size: int) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """Headers (n, 12) of the next records, by lengths that nobody has verified yet, and where each record ends."""
    headers, ends = bytearray(), list[int]()
    while position + HEADER_BYTES <= size and len(ends) < HEADERS_AT_ONCE:
        file.seek(position)
        header = file.read(HEADER_BYTES) or b""
        if len(header) < HEADER_BYTES:
            break
        length = int.from_bytes(header[:8], "little")
        position = (
            position + HEADER_BYTES + length + CHECKSUM_BYTES if length <= MAX_RECORD_BYTES else size + 1
        )
        headers += header
        ends.append(position)
    return np.frombuffer(bytes(headers), np.uint8).reshape(-1, HEADER_BYTES), ends


def _wrong(headers: npt.NDArray[np.uint8]) -> int | None:
    """The first of `headers` (n, 12) whose length has another checksum than it says."""
    rows = (header.tobytes() for header in headers)
    return next((number for number, row in enumerate(rows) if _checksum(row[:8]) != row[8:]), None)


def _malformed(path: Path, number: int, error: Malformed) -> UnusableInput:
    return UnusableInput(
        f"no TFRecord file of ImageNet: {error}",
        where=f"{path}, record {number}",
        fix="copy or make the file again",
    )


def _records(file: BinaryIO) -> Iterator[bytes]:
    for _, data, checksum in _framed_records(file):
        _verify(data, checksum)
        yield data


def records_with_places(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Where each record of a stream begins, and its content; None where that is not what its checksum says.

    Raises Malformed where it breaks off, or a length is not what its checksum says.
    """
    for start, data, checksum in _framed_records(file):
        yield start, data if _checksum(data) == checksum else None


def _framed_records(file: BinaryIO) -> Iterator[tuple[int, bytes, bytes]]:
    """Where each record begins, its content, and the checksum of that, which nobody has verified yet."""
    position = 0
    while header := _exactly(file, HEADER_BYTES, or_end=True):
        _verify(header[:8], header[8:])
        length = int.from_bytes(header[:8], "little")
        if length > MAX_RECORD_BYTES:
            raise Malformed(f"a record has {length:,} bytes, more than {MAX_RECORD_BYTES:,}")
        data = _exactly(file, length + CHECKSUM_BYTES)
        yield position, data[:length], data[length:]
        position += HEADER_BYTES + len(data)


def _exactly(file: BinaryIO, count: int, *, or_end: bool = False) -> bytes:
    parts, missing = [], count
    while missing and (part := file.read(missing)):
        parts.append(part)
        missing -= len(part)
    if missing and not (or_end and not parts):
        raise Malformed("it breaks off")
    return b"".join(parts)


def _verify(data: bytes, checksum: bytes) -> None:
    found, expected = masked_crc32c(data), int.from_bytes(checksum, "little")
    if found != expected:
        raise Malformed(f"a checksum is {found:#010x}, expected {expected:#010x}")
