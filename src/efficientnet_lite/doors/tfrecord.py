"""ImageNet as the reference reads it: TFRecord files of `tf.train.Example`, without TensorFlow.

A record is its length (8 bytes), the checksum of that, the data and their checksum; both checksums
are verified, the first before anything of that length is read.

Source: tensorflow, core/lib/io/record_writer.h (layout), core/example/example.proto and feature.proto
(field numbers); tensorflow/tpu, tools/datasets/imagenet_to_gcs.py (keys, file names).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from efficientnet_lite.crc32c import masked_crc32c
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.protobuf import BYTES, VARINT, Malformed, fields, typed, varint

SPLIT = "validation"  # the split that the reference calibrates on
HEADER_BYTES, CHECKSUM_BYTES = 12, 4
MAX_RECORD_BYTES = 64 * 2**20  # the largest of ImageNet's has 16 MB
MAX_FEATURES = 1000  # ImageNet's records have ten
IMAGE, LABEL = b"image/encoded", b"image/class/label"
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
    try:
        with path.open("rb") as file:
            for number, record in enumerate(_records(file)):
                encoded, label = _example(record)
                index = label - 1 if label else None
                yield Example(encoded, index, f"{path}, record {number}")
    except OSError as error:
        raise UnusableInput(
            f"it cannot be read: {error.strerror or error}", where=path, fix="check its permissions"
        ) from error
    except Malformed as error:
        raise UnusableInput(
            f"no TFRecord file of ImageNet: {error}", where=path, fix="copy or make the file again"
        ) from error


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
