"""TensorFlow checkpoints (`.index` and `.data-00000-of-00001`), read without TensorFlow.

The index is a sorted table in the manner of LevelDB: blocks of keys with shared prefixes, each block
with a checksum, an index block that points at them, and a footer that points at the index block. The
values are protocol buffers that say where in the data shards each tensor lies.

Everything is bounded: positions are checked before use, blocks lie one behind the other, keys rise,
and a key has at most MAX_KEY_BYTES, since each entry may repeat the whole key before it.

Source: TensorFlow, core/util/tensor_bundle (layout), core/protobuf/tensor_bundle.proto and
core/framework/types.proto (field numbers, dtypes), core/lib/io/table_format.txt and format.h (table).
"""

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from efficientnet_lite.crc32c import masked_crc32c
from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.protobuf import BYTES, FIXED32, VARINT, Malformed, typed, varint
from efficientnet_lite.weights import stored_tensors as dtypes
from efficientnet_lite.weights.stored_tensors import Dtype, Stored, damaged, some

TABLE_MAGIC = bytes.fromhex("57fb808b247547db")  # the last 8 bytes of every index
FOOTER_BYTES = 48
BLOCK_TRAILER_BYTES = 5  # compression and checksum
MAX_INDEX_BYTES = 16 * 2**20  # lite0 has 24 KB
MAX_ENTRIES = 100_000  # lite4 with averages and optimizer slots has 1,800
MAX_KEY_BYTES = 1024
MAX_SHARDS = 1000
MAX_DIMENSIONS = 8
DTYPES = {
    1: dtypes.FLOAT32,
    2: dtypes.FLOAT64,
    3: dtypes.INT32,
    9: dtypes.INT64,
    14: dtypes.BFLOAT16,
    19: dtypes.FLOAT16,
}


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """Where one tensor lies: `size` bytes from `offset` of data shard `shard`."""

    dtype: int  # TensorFlow's number; DTYPES has those that can be read
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int  # masked CRC-32C of the bytes
    sliced: bool  # a partitioned variable, whose parts are entries of their own


@dataclass(frozen=True, slots=True)
class Index:
    """What the `.index` file says: how many data shards there are, and each tensor's entry by name."""

    shards: int
    entries: dict[str, BundleEntry]


def is_index(data: bytes) -> bool:
    return len(data) >= FOOTER_BYTES and data.endswith(TABLE_MAGIC)


def shard_name(prefix: str, shard: int, shards: int) -> str:
    return f"{prefix}.data-{shard:05}-of-{shards:05}"


def read_index(data: bytes, *, where: Path | str) -> Index:
    """The contents of an `.index` file. Raises CheckpointError where it is damaged."""
    if len(data) > MAX_INDEX_BYTES:
        raise damaged(f"the index has {len(data):,} bytes, more than {MAX_INDEX_BYTES:,}", where)
    try:
        return _index(data)
    except (Malformed, IndexError, struct.error, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, Malformed) else "an entry breaks off"
        raise damaged(f"in the index, {reason}", where) from error


def read_tensors(index: Index, shards: Sequence[bytes], *, where: Path | str) -> dict[str, Stored]:
    """The tensors of `index` whose numbers lie in `shards`; checksums are verified by `Stored.load`.

    Tensors of other dtypes than DTYPES (text, for example) are left out: none is a weight.
    Raises CheckpointError where an entry reaches beyond its shard or its sizes do not fit.
    """
    tensors = {}
    for name, entry in index.entries.items():
        dtype = DTYPES.get(entry.dtype)
        if dtype is None:
            continue
        if entry.sliced:
            raise CheckpointError(
                f"{some([name])} is saved in slices",
                where=where,
                fix="save the checkpoint again without partitioned variables",
            )
        if entry.shard >= len(shards) or entry.offset + entry.size > len(shards[entry.shard]):
            raise damaged(
                f"{some([name])} lies at bytes {entry.offset:,} to {entry.offset + entry.size:,} of shard "
                f"{entry.shard}, but the {len(shards)} shards have {[len(shard) for shard in shards[:8]]}",
                where,
            )
        if (expected := math.prod(entry.shape) * dtype.itemsize) != entry.size:
            raise damaged(f"{some([name])} has {entry.size:,} bytes, expected {expected:,}", where)
        raw = memoryview(shards[entry.shard])[entry.offset : entry.offset + entry.size]
        load = partial(_numbers, raw, dtype, entry, name, where)
        tensors[name] = Stored(dtype, entry.shape, load)
    return tensors


def _numbers(raw: memoryview, dtype: Dtype, entry: BundleEntry, name: str, where: Path | str) -> NDArray[Any]:
    if (found := masked_crc32c(raw)) != entry.checksum:
        raise damaged(f"the checksum of {some([name])} is {found:#x}, expected {entry.checksum:#x}", where)
    return dtype.array(raw, entry.shape)


def _index(data: bytes) -> Index:
    if not is_index(data):
        raise Malformed("the mark at its end is missing")
    footer = data[-FOOTER_BYTES:]
    _, position = _handle(footer, 0)  # of the block about blocks, which is empty
    (offset, size), _ = _handle(footer, position)
    entries: dict[str, BundleEntry] = {}
    shards, behind, last = 0, 0, b""
    for _, value in _pairs(_block(data, offset, size)):
        (begin, length), _ = _handle(value, 0)
        if begin < behind:
            raise Malformed(f"a block at byte {begin:,} overlaps the one that ends at {behind:,}")
        behind = begin + length + BLOCK_TRAILER_BYTES
        for key, record in _pairs(_block(data, begin, length)):
            if entries and key <= last:
                raise Malformed("the names are not in order")
            if len(entries) >= MAX_ENTRIES:
                raise Malformed(f"there are more than {MAX_ENTRIES:,} tensors")
            if key:
                entries[key.decode()] = _entry(record)
                last = key
            else:
                shards = _shards(record)
    if not shards:
        raise Malformed("the header is missing")
    return Index(shards, entries)


def _block(data: bytes, offset: int, size: int) -> bytes:
    """The contents of one block, its checksum verified."""
    end = offset + size + BLOCK_TRAILER_BYTES
    if end > len(data) - FOOTER_BYTES:
        raise Malformed(f"a block ends at byte {end:,}, expected at most {len(data) - FOOTER_BYTES:,}")
    compression, checksum = data[end - 5], struct.unpack_from("<I", data, end - 4)[0]
    if (found := masked_crc32c(data[offset : end - 4])) != checksum:
        raise Malformed(f"the checksum of the block at byte {offset:,} is {found:#x}, expected {checksum:#x}")
    if compression:  # TensorFlow has written none since 2017
        raise Malformed(f"the block at byte {offset:,} is compressed (type {compression}), expected none")
    return data[offset : end - BLOCK_TRAILER_BYTES]


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of every entry of a block, in order."""
    restarts = struct.unpack_from("<I", block, len(block) - 4)[0] if len(block) >= 4 else 0
    end = len(block) - 4 - 4 * restarts
    if end < 0 or restarts < 1:
        raise Malformed(f"a block of {len(block):,} bytes has {restarts:,} restart points")
    position, key = 0, b""
    while position < end:
        shared, position = varint(block, position)
        added, position = varint(block, position)
        length, position = varint(block, position)
        if shared > len(key) or shared + added > MAX_KEY_BYTES or position + added + length > end:
            raise Malformed("an entry of a block is longer than what is there")
        key = key[:shared] + block[position : position + added]
        position += added
        yield key, block[position : position + length]
        position += length


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    offset, position = varint(data, position)
    size, position = varint(data, position)
    return (offset, size), position


def _shards(header: bytes) -> int:
    """BundleHeaderProto: the number of shards; big-endian numbers are refused."""
    values = dict(typed(header, {1: VARINT, 2: VARINT}))
    shards: int = values.get(1, 0)
    if values.get(2, 0) != 0:
        raise Malformed("the numbers are big-endian")
    if not 1 <= shards <= MAX_SHARDS:
        raise Malformed(f"there are {shards:,} data shards, expected 1 to {MAX_SHARDS}")
    return shards


def _entry(record: bytes) -> BundleEntry:
    """BundleEntryProto; a field that is not written is 0."""
    fields = {1: VARINT, 2: BYTES, 3: VARINT, 4: VARINT, 5: VARINT, 6: FIXED32, 7: BYTES}
    values = dict(typed(record, fields))
    return BundleEntry(
        dtype=values.get(1, 0),
        shape=_shape(values.get(2, b"")),
        shard=values.get(3, 0),
        offset=values.get(4, 0),
        size=values.get(5, 0),
        checksum=values.get(6, 0),
        sliced=7 in values,
    )


def _shape(message: bytes) -> tuple[int, ...]:
    """TensorShapeProto: its dimensions, each a message whose field 1 is the size."""
    sizes = []
    for number, value in typed(message, {2: BYTES, 3: VARINT}):
        if number == 3 and value:
            raise Malformed("a tensor has an unknown shape")
        if number == 2:
            sizes.append(dict(typed(value, {1: VARINT})).get(1, 0))
    if len(sizes) > MAX_DIMENSIONS or any(size >= 2**63 for size in sizes):
        raise Malformed(f"a tensor has {len(sizes)} dimensions or a negative one")
    return tuple(sizes)
