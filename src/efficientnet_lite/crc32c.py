"""The checksum of TFRecord files and TensorFlow's checkpoints: a CRC-32C, masked.

Source: TensorFlow, core/lib/hash/crc32c.h (`Mask`).
"""

import google_crc32c

MASK_DELTA = 0xA282EAD8


def masked_crc32c(data: bytes | memoryview) -> int:
    """The CRC of `data` as TensorFlow stores it: rotated and shifted, so that no file holds its own CRC."""
    crc: int = google_crc32c.value(bytes(data))
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF
