"""The masked CRC against the examples of its standard and against a slow one."""

import pytest
from checkpoint_files import mask, slow_crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.crc32c import masked_crc32c


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
    assert masked_crc32c(data) == mask(expected)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_it_equals_the_crc_computed_bit_by_bit(data):
    assert masked_crc32c(data) == mask(slow_crc32c(data)) == masked_crc32c(memoryview(data))


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=5000), st.data())
def test_a_flipped_bit_changes_it(data, draw):
    place = draw.draw(st.integers(0, 8 * len(data) - 1))
    flipped = bytearray(data)
    flipped[place // 8] ^= 1 << place % 8

    assert masked_crc32c(flipped) != masked_crc32c(data)
