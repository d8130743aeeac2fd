"""A labelled photo as the reference stores it: a `tf.train.Example`, the content of one record of a file.

Every byte may come from an attacker: reads are bounded, and damage ends in `Malformed`. Pure.

Source: tensorflow, core/example/example.proto and feature.proto (field numbers); tensorflow/tpu,
tools/datasets/imagenet_to_gcs.py (keys).
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.protobuf import (
    BYTES,
    FIXED32,
    VARINT,
    Malformed,
    encoded_varint,
    fields,
    message,
    packed_varints,
    typed,
)

MAX_FEATURES = 1000  # ImageNet's records have ten
MAX_VALUES = 1 << 16  # of one feature
Kind = TypeVar("Kind")
IMAGE, LABEL = b"image/encoded", b"image/class/label"
NO_CLASS = -1  # where there is no label, or 0, the background


class Example(NamedTuple):
    """One labelled photo as it is stored."""

    data: bytes  # the photo's file, a JPEG as a rule
    class_index: int  # of a record the label, which counts from 1, less 1; NO_CLASS where it has none
    where: str  # the file, and the number of the record in it, for messages


def encode(
    photo: bytes, class_index: int, *, height: int, width: int, label: str, name: str, kind: str = "JPEG"
) -> bytes:
    """A photo with the features that the reference's tool writes; the label counts from 1."""
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
    return message(1, b"".join(entries))


def parse(record: bytes, where: str) -> Example:
    """Photo and label of an Example: its features 1, each an entry 1 of key 1 and value 2.

    Raises Malformed where it is none with exactly one photo.
    """
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
    return Example(image, label - 1 if label else NO_CLASS, where)


def features_of(record: bytes) -> dict[str, list[bytes] | list[int] | list[float]]:
    """All features of an Example, by name: the values of each. Raises Malformed where it is none."""
    found: dict[str, list[bytes] | list[int] | list[float]] = {}
    for _, features in typed(record, {1: BYTES}):
        for _, entry in typed(features, {1: BYTES}):
            if len(found) == MAX_FEATURES:
                raise Malformed(f"a record has more than {MAX_FEATURES} features")
            parts = dict(typed(entry, {1: BYTES, 2: BYTES}))
            try:
                name = parts.get(1, b"").decode()
            except UnicodeDecodeError as error:
                raise Malformed("the name of a feature is no text") from error
            found[name] = _values(parts.get(2, b""))
    return found


def _values(feature: bytes) -> list[bytes] | list[int] | list[float]:
    """The values of a Feature: bytes_list 1, float_list 2, int64_list 3, the latter two packed or not.

    None of them where they are more than MAX_VALUES, which would take twenty times the record's memory.
    """
    for kind, part in typed(feature, {1: BYTES, 2: BYTES, 3: BYTES}):
        inner = ((wire, value) for number, wire, value in fields(part) if number == 1)
        if kind == 1:
            return _few(value for wire, value in inner if wire == BYTES)
        return _few(_floats(inner)) if kind == 2 else _few(_int64s(inner))
    return []


def _few(values: Iterable[Kind]) -> list[Kind]:
    found = list(islice(values, MAX_VALUES + 1))
    return found if len(found) <= MAX_VALUES else []


def _floats(values: Iterable[tuple[int, Any]]) -> Iterator[float]:
    """The numbers of a float_list, by wire type and value of its fields, packed or not."""
    for wire, value in values:
        if wire in (BYTES, FIXED32):
            data = value if wire == BYTES else value.to_bytes(4, "little")
            yield from (number for (number,) in struct.iter_unpack("<f", data[: len(data) // 4 * 4]))


def checked(example: Example, classes: int) -> Example:
    """An example whose label is 1 to `classes`; raises UnusableInput for any other."""
    if not 0 <= example.class_index < classes:
        label = "none or 0" if example.class_index == NO_CLASS else example.class_index + 1
        raise UnusableInput(
            f"its label is {label}, expected 1 to {classes}",
            where=example.where,
            fix="train with the number of classes that the records were written for, or make them again",
        )
    return example


def unreadable(path: Path, error: OSError) -> UnusableInput:
    """The error for a file of records that the system does not let us read."""
    return UnusableInput(
        f"it cannot be read: {error.strerror or error}", where=path, fix="check its permissions"
    )


def _number(value: int) -> bytes:
    return message(3, message(1, encoded_varint(value)))  # an int64_list, packed


def _text(value: bytes) -> bytes:
    return message(1, message(1, value))  # a bytes_list


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
        values = ((wire, value) for number, wire, value in fields(part) if number == 1)
        if (first := next(_int64s(values), None)) is not None:
            return first
    return None


def _int64s(values: Iterable[tuple[int, Any]]) -> Iterator[int]:
    """The numbers of an int64_list, by wire type and value of its fields, packed or not."""
    for wire, value in values:
        if wire == VARINT:
            yield _signed(value)
        elif wire == BYTES:
            yield from map(_signed, packed_varints(value))


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
