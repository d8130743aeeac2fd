"""Safetensors: the bytes we write, and what is refused of what others write."""

import hashlib
import json
import struct

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from efficientnet_lite.errors import CheckpointError, OutputFailed
from efficientnet_lite.weights.safetensors import encode_safetensors, read_safetensors, write_safetensors

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda name: name != "__metadata__"
)
parameters = st.dictionaries(
    names,
    arrays.arrays(np.float32, arrays.array_shapes(max_dims=4, max_side=4), elements=st.floats(width=32)),
    max_size=5,
)


def file(header, numbers=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


@settings(deadline=None)
@given(parameters, st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=9), names, max_size=4))
def test_what_is_written_is_read_back_here_and_by_the_library(tensors, metadata):
    data = encode_safetensors(tensors, metadata)

    found, found_metadata = read_safetensors(data, where="x")
    library = safetensors.numpy.load(data)

    assert found_metadata == metadata
    assert set(found) == set(library) == set(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(found[name].load(), array)
        np.testing.assert_array_equal(library[name], array)


def test_the_bytes_are_these_whatever_the_order_of_names():
    tensors = {"b": np.arange(2, dtype=np.float32), "a": np.eye(2, dtype=np.float32)}
    metadata = {"variant": "lite0", "format": "efficientnet-lite", "labels": '["Käfer"]'}

    data = encode_safetensors(tensors, metadata)
    other = encode_safetensors(dict(sorted(tensors.items())), dict(sorted(metadata.items())))

    # A change of this digest is a change of the format: raise SCHEMA, and keep reading the old one.
    assert data == other
    assert hashlib.sha256(data).hexdigest() == (
        "d590ba12d881aa50a80850e37c5c587ac2f409e5aceafe926977be6f3ef81de8"
    )


def test_the_numbers_begin_at_a_multiple_of_eight():
    for length in range(12):
        data = encode_safetensors({"n" * (length + 1): np.zeros(1, np.float32)}, {})
        assert (len(data) - 4) % 8 == 0


def test_a_view_is_written_as_it_reads():
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T

    found, _ = read_safetensors(encode_safetensors({"w": turned}, {}), where="x")

    np.testing.assert_array_equal(found["w"].load(), turned)


def test_an_array_of_another_type_is_the_callers_bug():
    with pytest.raises(ValueError, match="w has dtype float64, expected float32"):
        encode_safetensors({"w": np.zeros(2)}, {})


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OutputFailed):
        write_safetensors(tmp_path / "missing" / "w.safetensors", {"w": np.zeros(1, np.float32)}, {})

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 1e-3), ("bfloat16", 8e-3)])
def test_narrow_numbers_are_read_as_what_they_stand_for(dtype, tolerance):
    wide = np.array([1.0, -3.1415926, 0.0], np.float32)
    if dtype == "float16":
        raw = wide.astype(np.float16).tobytes()
    else:
        raw = (wide.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    code = {"float16": "F16", "bfloat16": "BF16"}[dtype]

    found, _ = read_safetensors(
        file({"w": {"dtype": code, "shape": [3], "data_offsets": [0, 6]}}, raw), where="x"
    )

    np.testing.assert_allclose(found["w"].load(), wide, rtol=tolerance)


TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 8,
        struct.pack("<Q", 2**63) + b"{}",
        file(json.dumps({"w": TENSOR}).encode() + b" " * (4 * 2**20), bytes(4)),
        file(b"{"),
        file(b"[]"),
        file({"w": TENSOR}),
        file({"w": TENSOR}, bytes(3)),
        file({"w": TENSOR}, bytes(5)),
        file({"w": TENSOR | {"shape": [2]}}, bytes(4)),
        file({"w": TENSOR | {"shape": [-1]}}, bytes(4)),
        file({"w": TENSOR | {"shape": [2**62, 4]}}, bytes(4)),
        file({"w": TENSOR | {"data_offsets": [4, 0]}}, bytes(4)),
        file({"w": TENSOR | {"data_offsets": [0, 2**64]}}, bytes(4)),
        file({"w": TENSOR, "v": TENSOR}, bytes(4)),
        file({"w": TENSOR, "v": TENSOR | {"data_offsets": [8, 12]}}, bytes(12)),
        file({"w": TENSOR | {"dtype": "X9"}}, bytes(4)),
        file({"w": TENSOR | {"dtype": "U32"}}, bytes(4)),
        file({"__metadata__": {"labels": 3}}),
        file(b'{"a":' * 5000 + b"1" + b"}" * 5000),
    ],
    ids=lambda data: repr(data[:60]),
)
def test_a_file_whose_header_does_not_fit_is_refused(data):
    assert read_safetensors(file({"w": TENSOR}, bytes(4)), where="x")[0]["w"].shape == (1,)  # the sound one

    with pytest.raises(CheckpointError):
        read_safetensors(data, where="x")


@settings(deadline=None)
@given(st.data())
def test_changed_bytes_give_an_error_or_tensors_and_never_a_crash(draw):
    data = bytearray(encode_safetensors({"w": np.ones((2, 3), np.float32)}, {"format": "efficientnet-lite"}))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))

    try:
        found, metadata = read_safetensors(bytes(data), where="x")
    except CheckpointError:
        return

    assert all(tensor.load().shape == tensor.shape for tensor in found.values())
    assert all(isinstance(value, str) for value in metadata.values())
