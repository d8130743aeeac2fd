"""Protocol buffers by their written examples, and cut off at every byte."""

import pytest

from efficientnet_lite.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    Malformed,
    encoded_varint,
    fields,
    message,
    typed,
    varint,
)

# field 1: 150; field 2: "testing"; field 3: four bytes; field 4: eight bytes
MESSAGE = bytes.fromhex("089601 120774657374696e67 1d01000000 21 0200000000000000".replace(" ", ""))


def test_the_examples_of_the_documentation_are_read():
    assert list(fields(MESSAGE)) == [
        (1, VARINT, 150),
        (2, BYTES, b"testing"),
        (3, FIXED32, 1),
        (4, FIXED64, 2),
    ]


def test_a_message_that_breaks_off_anywhere_inside_a_field_is_malformed():
    whole = (0, 3, 12, 17, len(MESSAGE))
    for end in range(len(MESSAGE)):
        if end in whole:
            assert len(list(fields(MESSAGE[:end]))) == whole.index(end)
        else:
            with pytest.raises(Malformed):
                list(fields(MESSAGE[:end]))


def test_numbers_have_at_most_ten_bytes():
    assert varint(b"\xff" * 9 + b"\x01", 0) == (2**64 - 1, 10)
    with pytest.raises(Malformed, match="ten bytes"):
        varint(b"\xff" * 11, 0)


def test_groups_and_other_wire_types_than_expected_are_malformed():
    with pytest.raises(Malformed, match="wire type 3"):
        list(fields(b"\x0b"))
    with pytest.raises(Malformed, match="expected 2"):
        list(typed(MESSAGE, {1: BYTES}))
    assert list(typed(MESSAGE, {2: BYTES})) == [(2, b"testing")]


@pytest.mark.parametrize("value", [0, 1, 127, 128, 150, 2**32, 2**64 - 1])
def test_what_is_written_is_read(value):
    written = encoded_varint(value)

    assert varint(written, 0) == (value, len(written))
    assert list(fields(message(value % 2**20 + 1, b"x" * 200))) == [(value % 2**20 + 1, BYTES, b"x" * 200)]
