"""CRC-32C of megabytes in milliseconds, with numpy alone.

A CRC is linear over bits: the remainder of A followed by B is the remainder of A, advanced over
as many zero bytes as B has, xor the remainder of B. So all 4-byte words of a message are combined in
pairs, the pairs in pairs, and so on; each level is one array operation, and advancing by 4, 8, 16, ...
bytes is four table look-ups a word.

Source: RFC 3720, appendix B.4 (polynomial and examples); TensorFlow, core/lib/hash/crc32c.h (`Mask`).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78  # Castagnoli's, lowest bit first
MASK_DELTA = 0xA282EAD8
ALL_ONES = 0xFFFFFFFF

Words = NDArray[np.uint32]


def masked_crc32c(data: bytes | memoryview) -> int:
    """The CRC of `data` as TensorFlow stores it: rotated and shifted, so that no file holds its own CRC."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & ALL_ONES


def crc32c(data: bytes | memoryview) -> int:
    """The CRC-32C of `data`, 0 for no bytes."""
    if len(data) < 4:
        return _crc_by_bits(data)
    lead = -len(data) % 4
    message = np.zeros(lead + len(data), np.uint8)  # zeros in front do not change a remainder
    message[lead:] = np.frombuffer(data, np.uint8)
    message[lead : lead + 4] ^= 0xFF  # the register begins with ones
    words = message.view("<u4").astype(np.uint32, copy=False)
    level = 0
    while len(words) > 1:
        if len(words) % 2:
            words = np.concatenate([np.zeros(1, np.uint32), words])
        words = _apply(_advance(level), words[0::2]) ^ words[1::2]
        level += 1
    return int(_apply(_advance(0), words)[0]) ^ ALL_ONES


def masked_crc32c_of_rows(rows: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The masked CRC of each row of `rows` (N, 8), such as the lengths of a million records at once; (N,)."""
    words = np.ascontiguousarray(rows).view("<u4").astype(np.uint32, copy=False)
    crc = _apply(_advance(0), words[:, 0] ^ np.uint32(ALL_ONES)) ^ words[:, 1]
    crc = _apply(_advance(0), crc) ^ np.uint32(ALL_ONES)
    turned = crc >> np.uint32(15) | crc << np.uint32(17)
    return turned + np.uint32(MASK_DELTA)


def _crc_by_bits(data: bytes | memoryview) -> int:
    crc = ALL_ONES
    for byte in bytes(data):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ ALL_ONES


@cache
def _advance(level: int) -> Words:
    """Tables (4, 256) that advance a remainder over 4 * 2**level zero bytes, one for each of its bytes."""
    if level:
        half = _advance(level - 1)
        return _apply(half, half.reshape(-1)).reshape(4, 256)
    remainders = np.arange(256, dtype=np.uint32) << np.arange(0, 32, 8, dtype=np.uint32)[:, None]
    for _ in range(32):
        remainders = (remainders >> np.uint32(1)) ^ (remainders & np.uint32(1)) * np.uint32(POLYNOMIAL)
    return remainders


def _apply(tables: Words, words: Words) -> Words:
    result: Words = tables[0][words & 0xFF]
    for byte in (1, 2, 3):
        result ^= tables[byte][words >> (8 * byte) & 0xFF]
    return result
