"""ONNX files in every odd wire form: refused in one line before any runtime sees them, never a traceback."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.protobuf import BYTES, FIXED32, FIXED64, VARINT, encoded_varint, message
from efficientnet_lite.runtimes import onnx

GRAPH, NODE, ARRAY, SPARSE, FUNCTION, TRAINING = 7, 1, 5, 15, 25, 20
ATTRIBUTE, INPUT, KIND, DOMAIN = 5, 1, 4, 7
DIMS, ARRAY_NAME, NAME, INTS = 1, 8, 1, 8
OTHER_WIRES = {
    VARINT: b"\x03",
    FIXED64: bytes(8),
    FIXED32: bytes(4),
    BYTES: b"\x00",
    3: b"",
    4: b"",
    6: b"",
    7: b"",
}


def field(number: int, wire: int, content: bytes) -> bytes:
    return encoded_varint(number << 3 | wire) + content


def model(
    *, array: bytes = b"", node: bytes = b"", attribute: bytes = b"", graph: bytes = b"", top: bytes = b""
) -> bytes:
    """A model of one Conv with an array, and more fields where given."""
    name = message(NAME, b"pads") + message(INTS, b"\x01\x01\x01\x01") + attribute
    conv = (
        message(INPUT, b"image")
        + message(INPUT, b"kernel")
        + message(KIND, b"Conv")
        + message(ATTRIBUTE, name)
    )
    kernel = field(DIMS, VARINT, b"\x08") + message(ARRAY_NAME, b"kernel") + array
    return message(GRAPH, message(NODE, conv + node) + message(ARRAY, kernel) + graph) + top


def test_a_plain_file_passes():
    onnx.check(model(), where="a file")


@pytest.mark.parametrize("wire", OTHER_WIRES)
@pytest.mark.parametrize(
    ("place", "number", "usual"),
    [
        ("array", DIMS, (VARINT, BYTES)),
        ("array", ARRAY_NAME, (BYTES,)),
        ("attribute", NAME, (BYTES,)),
        ("attribute", INTS, (VARINT, BYTES)),
        ("node", INPUT, (BYTES,)),
        ("node", KIND, ()),
        ("node", DOMAIN, (BYTES,)),
        ("node", ATTRIBUTE, (BYTES,)),
        ("graph", NODE, ()),
        ("graph", ARRAY, (BYTES,)),
        ("graph", SPARSE, ()),
        ("top", GRAPH, ()),
        ("top", FUNCTION, ()),
        ("top", TRAINING, ()),
    ],
)
def test_a_field_of_another_wire_type_is_refused(place, number, usual, wire):
    data = model(**{place: field(number, wire, OTHER_WIRES[wire])})

    if wire in usual:
        onnx.check(data, where="a file")
    else:
        with pytest.raises(ArtifactError, match="no ONNX file"):
            onnx.check(data, where="a file")


@pytest.mark.parametrize(
    "dims", [field(DIMS, FIXED32, bytes(4)), field(DIMS, FIXED64, bytes(8)), message(DIMS, b"\x80")]
)
def test_dimensions_that_are_no_varints_are_refused(dims):
    with pytest.raises(ArtifactError, match="no ONNX file"):
        onnx.check(model(array=dims), where="a file")


@pytest.mark.parametrize(
    "pads",
    [message(INTS, b"\xff\x01"), field(INTS, VARINT, b"\x11"), field(INTS, VARINT, b"\xff" * 9 + b"\x01")],
)
def test_paddings_beyond_the_bound_are_seen_packed_or_not(pads):
    with pytest.raises(ArtifactError, match="padded by more than"):
        onnx.check(model(attribute=pads), where="a file")


@settings(max_examples=300)
@given(st.data())
def test_a_file_with_changed_bytes_is_refused_or_passes(data):
    changed = bytearray(model())
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))

    with suppress(ArtifactError):
        onnx.check(bytes(changed[: data.draw(st.integers(0, len(changed)))]), where="a file")
