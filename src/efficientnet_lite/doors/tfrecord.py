"""ImageNet as the reference reads it: TFRecord files of `tf.train.Example`, without TensorFlow.

A record is its length (8 bytes), the checksum of that, the data and their checksum; both checksums
are verified, the first before anything of that length is read. `offsets` and `read_example` read records in any
order, `encode` makes one.

Source: tensorflow, core/lib/io/record_writer.h (layout), core/example/example.proto and feature.proto
(field numbers); tensorflow/tpu, tools/datasets/imagenet_to_gcs.py (keys, file names).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from efficientnet_lite.crc32c import masked_crc32c, masked_crc32c_of_rows
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.protobuf import (
    BYTES,
    VARINT,
    Malformed,
    encoded_varint,
    fields,
    message,
    typed,
    varint,
)

SPLIT = "validation"  # the split that the reference calibrates on
HEADER_BYTES, CHECKSUM_BYTES = 12, 4
MAX_RECORD_BYTES = 64 * 2**20  # the largest of ImageNet's has 16 MB
MAX_FEATURES = 1000  # ImageNet's records have ten
IMAGE, LABEL = b"image/encoded", b"image/class/label"
HEADERS_AT_ONCE = 4096
SHARD = re.compile(r"(train|validation)-\d{5}-of-\d{5}")


@dataclass(frozen=True, slots=True)
class Example:
    """One photo of a record file."""

    encoded: bytes  # the photo's file, a JPEG as a rule
    class_index: (
        int | None
    )  # the label, which counts from 1, less 1; None where there is none but the background
    where: str  # file and number of the record, for messages


def shards(folder: Path, split: str = SPLIT) -> list[Path]:
    """The record files of `split` in `folder`, sorted: validation-00000-of-00128, ...; empty where there are none."""
    return sorted(
        path
        for path in folder.iterdir()
        if (match := SHARD.fullmatch(path.name)) and match[1] == split and path.is_file()
    )


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
                yield _parsed(record, path, number)
                number += 1
    except OSError as error:
        raise _unreadable(path, error) from error
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
        raise _unreadable(path, error) from error
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
        return _parsed(record, path, number)
    except OSError as error:
        raise _unreadable(path, error) from error
    except Malformed as error:
        raise _malformed(path, number, error) from error


def encode(
    photo: bytes, class_index: int, *, height: int, width: int, label: str, name: str, kind: str = "JPEG"
) -> bytes:
    """One record of a photo, with the features that the reference's tool writes; the label counts from 1."""
    features = {
        "image/height": _number(height),
        "image/width": _number(width),
        "image/channels": _number(3),
        "image/colorspace": _text(b"RGB"),
        "image/format": _text(kind.encode()),
        "image/class/label": _number(class_index + 1),
        "image/class/synset": _text(label.encode("utf-8", "surrogateescape")),
        "image/filename": _text(name.encode("utf-8", "surrogateescape")),
        "image/encoded": _text(photo),
    }
    entries = (message(1, message(1, key.encode()) + message(2, value)) for key, value in features.items())
    data = message(1, b"".join(entries))
    length = len(data).to_bytes(8, "little")
    return b"".join((length, _checksum(length), data, _checksum(data)))


def _number(value: int) -> bytes:
    return message(3, message(1, encoded_varint(value)))  # an int64_list, packed


def _text(value: bytes) -> bytes:
    return message(1, message(1, value))  # a bytes_list


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
    expected = np.ascontiguousarray(headers[:, 8:]).view("<u4")[:, 0]
    wrong = np.flatnonzero(masked_crc32c_of_rows(headers[:, :8]) != expected)
    return int(wrong[0]) if len(wrong) else None


def _parsed(record: bytes, path: Path, number: int) -> Example:
    encoded, label = _example(record)
    return Example(encoded, label - 1 if label else None, f"{path}, record {number}")


def _unreadable(path: Path, error: OSError) -> UnusableInput:
    return UnusableInput(
        f"it cannot be read: {error.strerror or error}", where=path, fix="check its permissions"
    )


def _malformed(path: Path, number: int, error: Malformed) -> UnusableInput:
    return UnusableInput(
        f"no TFRecord file of ImageNet: {error}",
        where=f"{path}, record {number}",
        fix="copy or make the file again",
    )


def _records(file: BinaryIO) -> Iterator[bytes]:
    while header := file.read(HEADER_BYTES):
        if len(header) < HEADER_BYTES:
            raise Malformed("it breaks off")
        _verify(header[:8], header[8:])
        length = int.from_bytes(header[:8], "little")
        if length > MAX_RECORD_BYTES:
            raise Malformed(f"a record has {length:,} bytes, more than {MAX_RECORD_BYTES:,}")
        data = file.read(length + CHECKSUM_BYTES)
        if len(data) < length + CHECKSUM_BYTES:
            raise Malformed("it breaks off")
        _verify(data[:length], data[length:])
        yield data[:length]


def _verify(data: bytes, checksum: bytes) -> None:
    found, expected = masked_crc32c(data), int.from_bytes(checksum, "little")
    if found != expected:
        raise Malformed(f"a checksum is {found:#010x}, expected {expected:#010x}")


def _example(record: bytes) -> tuple[bytes, int | None]:
    """Photo and label of an Example: its features 1, each an entry 1 of key 1 and value 2."""
    image, label, count = None, None, 0
    for _, features in typed(record, {1: BYTES}):
        for _, entry in typed(features, {1: BYTES}):
            count += 1
            if count > MAX_FEATURES:
                raise Malformed(f"a record has more than {MAX_FEATURES} features")
            parts = dict(typed(entry, {1: BYTES, 2: BYTES}))
            if parts.get(1) == IMAGE:
                image = _bytes(parts.get(2, b""))
            elif parts.get(1) == LABEL:
                label = _integer(parts.get(2, b""))
    if image is None:
        raise Malformed(f"a record has no {IMAGE.decode()}")
    return image, label


def _bytes(feature: bytes) -> bytes:
    """The only value of a Feature's bytes_list, 1."""
    values = (value for _, part in typed(feature, {1: BYTES}) for _, value in typed(part, {1: BYTES}))
    photo: bytes | None = next(values, None)
    if photo is None or next(values, None) is not None:
        raise Malformed("a record has no photo, or several")
    return photo


def _integer(feature: bytes) -> int | None:
    """The first value of a Feature's int64_list, 3, packed or not; None where it is empty."""
    for _, part in typed(feature, {3: BYTES}):
        for number, wire, value in fields(part):
            if number == 1 and wire == VARINT:
                return _signed(value)
            if number == 1 and wire == BYTES and value:
                return _signed(varint(value, 0)[0])
    return None


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
