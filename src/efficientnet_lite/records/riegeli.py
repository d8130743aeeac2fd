"""What the chunks of a Riegeli file claim to unfold to, judged before the library, which believes them, unfolds any.

Each chunk says how many bytes its records have; 40 bytes of each are read. A chunk that is transposed keeps more
sizes within its compressed parts, so it is refused: nobody gains by transposing photos.

Source: google/riegeli, doc/riegeli_records_file_format.md.
"""

import struct
from collections.abc import Callable

Read = Callable[[int, int], bytes]  # position and number of bytes -> those that are there

NOT_WHOLE = "it breaks off, or is another kind of file"
MAX_CHUNK_BYTES = 256 * 2**20  # unfolded; a photo has 64 MB at most
SIGNATURE = bytes.fromhex("83af70d10d884a3f0000000000000000400000000000000091bac23c9287e1a9") + bytes.fromhex(
    "0000000000000000e19f13c0e9b1c37273000000000000000000000000000000"
)
BLOCK, BLOCK_HEADER = 1 << 16, 24
USABLE = BLOCK - BLOCK_HEADER
# Hash, bytes of data, their hash, type and number of records, bytes of the records.
HEADER = struct.Struct("<QQQQQ")
SIMPLE, TRANSPOSED, METADATA, PADDING, BEGIN = b"rtmps"


def fault(read: Read, size: int) -> str | None:
    """Why the library should not open a file of `size` bytes, or None."""
    if read(0, len(SIGNATURE)) != SIGNATURE:
        return NOT_WHOLE
    position = len(SIGNATURE)
    while position < size:
        header = _header(read, position)
        if len(header) < HEADER.size:
            return NOT_WHOLE
        _, data, _, kind, unfolded = HEADER.unpack(header)
        kind, records = kind & 0xFF, kind >> 8
        if kind == TRANSPOSED:
            return "its chunks are transposed"
        end = _end(position, data, records)
        if end > size or kind not in (SIMPLE, METADATA, PADDING, BEGIN):
            return NOT_WHOLE
        if unfolded > MAX_CHUNK_BYTES:
            return f"a chunk of {data:,} bytes unfolds to {unfolded:,}, more than {MAX_CHUNK_BYTES:,}"
        position = end
    return None


def _header(read: Read, position: int) -> bytes:
    """The header of the chunk at `position`, without the block header that may lie before or within it."""
    start = position + BLOCK_HEADER * (position % BLOCK == 0)
    first = min(HEADER.size, BLOCK - start % BLOCK)
    found = read(start, first)
    if first < HEADER.size:
        found += read(start + first + BLOCK_HEADER, HEADER.size - first)
    return found


def _end(begin: int, data: int, records: int) -> int:
    """Where the chunk at `begin` ends: behind its data, but not before its number of records, nor in a block header."""
    size = HEADER.size + data
    blocks = (size + (begin + USABLE - 1) % BLOCK) // USABLE
    least = begin + records
    rest = BLOCK - 1 - (least + BLOCK - 1) % BLOCK
    return max(begin + size + blocks * BLOCK_HEADER, least + max(0, rest - (USABLE - 1)))
