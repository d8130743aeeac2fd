"""ImageNet's record files, written byte by byte as the reference's tool lays them out."""

import struct

POLYNOMIAL = 0x82F63B78


def masked(data):
    """The masked CRC-32C, bit by bit."""
    crc = 0xFFFFFFFF
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value):
    out = b""
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def part(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def example(photo, label, *, packed=True):
    """A tf.train.Example with the reference's keys."""
    number = part(1, varint(label)) if packed else b"\x08" + varint(label)
    features = {
        b"image/height": part(3, part(1, varint(300))),
        b"image/class/label": part(3, number),
        b"image/format": part(1, part(1, b"JPEG")),
        b"image/encoded": part(1, part(1, photo)),
    }
    entries = b"".join(part(1, part(1, key) + part(2, value)) for key, value in features.items())
    return part(1, entries)


def record(data):
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))
