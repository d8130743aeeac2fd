"""Protocol buffers of strangers, field by field, without a schema compiler: what checkpoints, records and ONNX share.

Pure. A value is never longer than the message that it lies in, so memory is bounded by the input.

Source: "Encoding" of the protocol buffers documentation (wire types, varints).
"""

from collections.abc import Iterator
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types


class Malformed(Exception):
    """Bytes that no writer of the format leaves; the reader that caught it says where."""


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A whole number of seven bits a byte, at most 64 bits, and the position behind it; raises Malformed."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise Malformed("an entry breaks off")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
    raise Malformed("a number has more than ten bytes")


def fields(message: bytes) -> Iterator[tuple[int, int, Any]]:
    """Field number, wire type and value of a protocol buffer: int for numbers, bytes for the rest.

    Raises Malformed where it breaks off or has a wire type of groups, which are out of use.
    """
    position = 0
    while position < len(message):
        tag, position = varint(message, position)
        wire = tag & 7
        value: int | bytes
        if wire == VARINT:
            value, position = varint(message, position)
        elif wire == BYTES:
            length, position = varint(message, position)
            value, position = message[position : position + length], position + length
        elif wire in (FIXED32, FIXED64):
            size = 4 if wire == FIXED32 else 8
            value, position = int.from_bytes(message[position : position + size], "little"), position + size
        else:
            raise Malformed(f"a field has wire type {wire}")
        if position > len(message):
            raise Malformed("a field breaks off")
        yield tag >> 3, wire, value


def typed(message: bytes, expected: dict[int, int]) -> Iterator[tuple[int, Any]]:
    """The fields of `message` that are in `expected` (number -> wire type); unknown ones are skipped."""
    for number, wire, value in fields(message):
        if number in expected:
            if wire != expected[number]:
                raise Malformed(f"field {number} has wire type {wire}, expected {expected[number]}")
            yield number, value


def packed_varints(data: bytes) -> Iterator[int]:
    """Whole numbers of at most 64 bits, one behind the other, as a repeated field packs them; raises Malformed."""
    position = 0
    while position < len(data):
        value, position = varint(data, position)
        yield value


def encoded_varint(value: int) -> bytes:
    """A whole number, 0 or more, in seven bits a byte: what `varint` reads."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def message(number: int, data: bytes) -> bytes:
    """Field `number` of wire type BYTES with the content `data`."""
    return encoded_varint(number << 3 | BYTES) + encoded_varint(len(data)) + data
