"""The fast CRC against the examples of its standard and against a slow one."""

import numpy as np
import pytest
from checkpoint_files import mask, slow_crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.crc32c import crc32c, masked_crc32c, masked_crc32c_of_rows


@pytest.mark.parametrize(
    ("data", "expected"),  # RFC 3720, B.4, and the usual check value
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_the_examples_of_the_standard_hold(data, expected):
    assert crc32c(data) == expected


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_it_equals_the_crc_computed_bit_by_bit(data):
    assert crc32c(data) == slow_crc32c(data)
    assert masked_crc32c(memoryview(data)) == mask(slow_crc32c(data))


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=5000), st.data())
def test_a_flipped_bit_changes_it(data, draw):
    place = draw.draw(st.integers(0, 8 * len(data) - 1))
    flipped = bytearray(data)
    flipped[place // 8] ^= 1 << place % 8

    assert crc32c(flipped) != crc32c(data)


@given(st.lists(st.binary(min_size=8, max_size=8), max_size=20))
def test_the_crcs_of_many_rows_are_those_of_each(rows):
    table = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 8)

    assert masked_crc32c_of_rows(table).tolist() == [masked_crc32c(row) for row in rows]
