"""TF1 checkpoints: sound ones are read number for number, damaged and hostile ones are refused."""

import struct
import time

import numpy as np
import pytest
from checkpoint_files import (
    block,
    bundle,
    entry,
    field,
    footer,
    header,
    table,
    varint,
    with_trailer,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.weights.tf1_read import read_index, read_tensors


def tensors():
    random = np.random.default_rng(1)
    return {
        "net/stem/conv2d/kernel": random.standard_normal((3, 3, 3, 4), np.float32),
        "net/stem/conv2d/kernel/ExponentialMovingAverage": random.standard_normal((3, 3, 3, 4), np.float32),
        "net/stem/half": random.standard_normal(3).astype(np.float16),
        "net/stem/double": random.standard_normal((2, 1)),
        "net/head/wide": (np.array([1, -2, 4], np.float32).view(np.uint32) >> 16).astype(np.uint16),
        "global_step": np.array(218949, np.int64),
        "an_int": np.array([1, 2], np.int32),
        "nothing": np.zeros((0, 4), np.float32),
    }


def read(index, shards):
    return read_tensors(read_index(index, where="x.index"), shards, where="x.index")


@pytest.mark.parametrize("shards", [1, 3])
def test_every_tensor_comes_back_equal_from_one_or_several_shards(shards):
    found = read(*bundle(tensors(), shards=shards))

    assert set(found) == set(tensors())
    for name, array in tensors().items():
        expected = np.array([1, -2, 4], np.float32) if name == "net/head/wide" else array
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name].load(), expected)


@settings(deadline=None)
@given(st.data())
def test_a_flipped_bit_in_the_numbers_is_told_by_the_checksum(draw):
    index, shards = bundle(tensors())
    flipped = bytearray(shards[0])
    place = draw.draw(st.integers(0, 8 * len(flipped) - 1))
    flipped[place // 8] ^= 1 << place % 8

    found = read(index, [bytes(flipped)])

    with pytest.raises(CheckpointError, match=r"checksum of .* is 0x\w+, expected 0x"):
        [tensor.load() for tensor in found.values()]


@settings(deadline=None)
@given(st.data())
def test_a_flipped_bit_in_the_index_is_refused_or_changes_nothing(draw):
    index, shards = bundle(tensors())
    flipped = bytearray(index)
    place = draw.draw(st.integers(0, 8 * len(flipped) - 1))
    flipped[place // 8] ^= 1 << place % 8

    try:
        found = read(bytes(flipped), shards)
    except CheckpointError:
        return

    for name, array in tensors().items():  # the bit was one of the footer's padding or its unused handle
        assert found[name].shape == array.shape


@settings(deadline=None)
@given(st.integers(0, 500))
def test_an_index_cut_anywhere_is_refused(length):
    index, _ = bundle(tensors())
    cut = index[: min(length, len(index) - 49)]  # up to a byte of the index block

    with pytest.raises(CheckpointError, match="damaged"):
        read_index(cut, where="x.index")
    with pytest.raises(CheckpointError, match="damaged"):
        read_index(cut + index[-48:], where="x.index")


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_random_blocks_with_sound_checksums_are_read_or_refused(contents):
    data = with_trailer(contents)

    try:
        index = read_index(data + footer(0, len(contents)), where="x.index")
    except CheckpointError:
        return

    assert index.shards >= 1


def test_numbers_that_end_before_their_place_are_refused():
    index, shards = bundle(tensors())

    with pytest.raises(CheckpointError, match=r"lies at bytes .* of shard 0, but the 1 shards have"):
        read(index, [shards[0][:-1]])
    with pytest.raises(CheckpointError, match="but the 0 shards"):
        read(index, [])


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (entry(1, (2, 2), 0, 0, 12, 0), "12 bytes, expected 16"),
        (entry(1, (2**40, 2**40), 0, 0, 16, 0), "16 bytes, expected"),
        (entry(1, (4,), 0, 2**64 - 16, 16, 0), "lies at bytes"),
        (entry(1, (4,), 0, 0, 2**63, 0), "lies at bytes"),
        (entry(1, (4,), 2**62, 0, 16, 0), "of shard"),
        (entry(1, (2**63,), 0, 0, 16, 0), "negative"),
        (entry(1, (1,) * 9, 0, 0, 4, 0), "9 dimensions"),
        (entry(1, (4,), 0, 0, 16, 0, extra=field(7, b"")), "in slices"),
        (entry(1, (4,), 0, 0, 16, 0, extra=field(2, field(3, 1))), "unknown shape"),
        (field(1, b"text"), "wire type 2, expected 0"),
        (varint(1 << 3 | 3), "wire type 3"),
        (field(2, b"abc")[:-1], "breaks off"),
        (b"\xff" * 11, "more than ten bytes"),
        (varint(6 << 3 | 5) + b"\0", "breaks off"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(record, message):
    assert read(table([header(), (b"w", entry(1, (4,), 0, 0, 16, 0))]), [bytes(16)])  # the sound one

    with pytest.raises(CheckpointError, match=message):
        read(table([header(), (b"w", record)]), [bytes(16)])


def test_text_and_other_types_are_left_out_since_none_is_a_weight():
    pairs = [header(), (b"_CHECKPOINTABLE_OBJECT_GRAPH", entry(7, (), 0, 0, 10, 0))]

    assert read(table(pairs), [bytes(16)]) == {}


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(b"w", entry(1, (4,), 0, 0, 16, 0))], "header is missing"),
        ([header(0)], "0 data shards, expected 1 to 1000"),
        ([header(2**40)], "data shards"),
        ([header(1, endianness=1)], "big-endian"),
        ([header(), (b"b", b""), (b"a", b"")], "not in order"),
        ([header(), (b"a", b""), (b"a", b"")], "not in order"),
        ([header(), (b"a", b""), header()], "not in order"),
        ([header(), (b"k" * 1025, b"")], "longer"),
        ([header(), (b"\xff", b"")], "damaged"),
    ],
)
def test_a_table_that_tensorflow_would_not_write_is_refused(pairs, message):
    with pytest.raises(CheckpointError, match=message):
        read_index(table(pairs, per_block=2), where="x.index")


def test_a_compressed_block_is_refused_by_its_type():
    with pytest.raises(CheckpointError, match=r"compressed \(type 1\)"):
        read_index(table([header()], compression=1), where="x.index")


def test_an_index_block_that_points_at_itself_or_twice_at_a_block_is_refused():
    first = with_trailer(block([header()]))
    handle = varint(0) + varint(len(first) - 5)
    twice = block([(b"a", handle), (b"b", handle)])
    itself = block([(b"a", varint(len(first)) + varint(20))])

    with pytest.raises(CheckpointError, match="overlaps"):
        read_index(first + with_trailer(twice) + footer(len(first), len(twice)), where="x.index")
    with pytest.raises(CheckpointError, match="damaged"):
        read_index(first + with_trailer(itself) + footer(len(first), len(itself)), where="x.index")


@pytest.mark.parametrize(("offset", "size"), [(2**63, 10), (0, 2**63), (10**6, 10), (0, 0)])
def test_a_footer_that_points_outside_is_refused(offset, size):
    data = with_trailer(block([header()]))

    with pytest.raises(CheckpointError, match="damaged"):
        read_index(data + footer(offset, size), where="x.index")


def test_keys_that_would_grow_with_every_entry_stay_short():
    contents = b""
    for length in range(20_000):  # each repeats the whole key before it and adds a byte
        contents += varint(length) + varint(1) + varint(0) + b"a"
    contents += struct.pack("<II", 0, 1)
    handles = block([(b"z", varint(0) + varint(len(contents)))])
    data = with_trailer(contents) + with_trailer(handles)
    started = time.process_time()

    with pytest.raises(CheckpointError, match="longer than what is there"):
        read_index(data + footer(len(contents) + 5, len(handles)), where="x.index")

    assert time.process_time() - started < 2
