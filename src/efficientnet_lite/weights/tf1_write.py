"""TensorFlow checkpoints (`.index` and `.data-00000-of-00001`), written without TensorFlow.

Equal tensors give equal bytes, and for an index of one block, which every checkpoint of these models
has, the bytes of TensorFlow's own writer. `tf_bundle` reads them back and names the parts of the format.

Source: TensorFlow, core/util/tensor_bundle/tensor_bundle.cc (`BundleWriter`), core/lib/io/table_builder.cc
and block_builder.cc (blocks), core/protobuf/tensor_bundle.proto (field numbers).
"""

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.crc32c import masked_crc32c
from efficientnet_lite.network.naming import ACCUMULATOR, GLOBAL_STEP, MOMENTUM, SHADOW, tf1_variables
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.protobuf import FIXED32, VARINT, encoded_varint, message
from efficientnet_lite.storage import files
from efficientnet_lite.weights.bundles import INDEX_SUFFIX, STATE_FILE
from efficientnet_lite.weights.stored_tensors import BFLOAT16, some
from efficientnet_lite.weights.tf1_read import DTYPES, FOOTER_BYTES, TABLE_MAGIC, shard_name

PREFIX = "model.ckpt"
BLOCK_BYTES = 256 * 2**10  # a block that has as many is closed
RESTART_INTERVAL = 16  # every so many entries a key is written whole, so that a reader may begin there
NO_COMPRESSION = b"\0"
NUMBERS = {np.dtype(dtype.codes): number for number, dtype in DTYPES.items() if dtype is not BFLOAT16}

Variables = Mapping[str, NDArray[Any]]


def checkpoint_entries(
    plan: Plan,
    weights: Variables,
    *,
    averages: Variables | None = None,
    accumulators: Variables | None = None,
    momentum: Variables | None = None,
    step: int = 0,
) -> dict[str, NDArray[Any]]:
    """The variables of a checkpoint of the reference by their names there, for `write_checkpoint`.

    A `training.train_state.TrainState` has all of it: its `weights`, `averages`, `accumulators`, `momentum`, `step`.

    Args:
        weights: every parameter of `plan` and every moving statistic by the plan's names, float32.
        averages: their moving averages, under the same names; None: equal to `weights`.
        accumulators, momentum: of the optimizer, one for each parameter that is no moving statistic;
            None: not written, as in the published checkpoints.
        step: how many steps the weights were trained.

    Raises:
        ValueError: a tensor is missing, left over, of another shape than the plan says, or not float32.
    """
    shapes = plan.parameter_shapes()
    trained = {name: shape for name, shape in shapes.items() if "/moving_" not in name}
    variables = tf1_variables(plan)
    entries: dict[str, NDArray[Any]] = {GLOBAL_STEP: np.array(step, np.int64)}
    for group, suffix, tensors, expected in (
        ("weights", "", weights, shapes),
        ("averages", SHADOW, weights if averages is None else averages, shapes),
        ("accumulators", ACCUMULATOR, accumulators, trained),
        ("momentum", MOMENTUM, momentum, trained),
    ):
        if tensors is None:
            continue
        arrays = {name: np.asarray(tensor) for name, tensor in tensors.items()}
        _check(group, arrays, expected)
        entries |= {variables[name] + suffix: array for name, array in arrays.items()}
    return entries


def write_checkpoint(folder: Path, tensors: Variables) -> None:
    """Write `tensors` into `folder` as the checkpoint PREFIX, with the note that it is the last one.

    Raises ValueError as `bundle_bytes`, OutputFailed where it cannot be written.
    """
    index, data = bundle_bytes(tensors)
    files.publish(folder / shard_name(PREFIX, 0, 1), data)
    files.publish(folder / (PREFIX + INDEX_SUFFIX), index)
    note = f'model_checkpoint_path: "{PREFIX}"\nall_model_checkpoint_paths: "{PREFIX}"\n'
    files.publish(folder / STATE_FILE, note.encode())


def bundle_bytes(tensors: Variables, *, block_bytes: int = BLOCK_BYTES) -> tuple[bytes, bytes]:
    """The contents of the `.index` file and of the only data shard; `tensors` may be in any order.

    Raises ValueError for a dtype that is not in NUMBERS, or an empty name.
    """
    pairs, parts, offset = [(b"", _header())], [], 0
    for key, name in sorted((name.encode(), name) for name in tensors):
        array = tensors[name]
        number = NUMBERS.get(array.dtype.newbyteorder("<"))
        if number is None or not name:
            raise ValueError(f"the tensor {name!r} is {array.dtype}: no dtype or name of a checkpoint")
        raw = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        pairs.append((key, _entry(number, array.shape, offset, raw)))
        parts.append(raw)
        offset += len(raw)
    return _table(pairs, block_bytes), b"".join(parts)


def _check(group: str, arrays: Variables, expected: Mapping[str, tuple[int, ...]]) -> None:
    missing, surplus = expected.keys() - arrays.keys(), arrays.keys() - expected.keys()
    if missing or surplus:
        faults = ((missing, "missing"), (surplus, "left over"))
        raise ValueError(
            "; ".join(f"of {group} {some(sorted(names))} {what}" for names, what in faults if names)
        )
    for name, array in arrays.items():
        if array.shape != expected[name] or array.dtype != np.float32:
            found = f"{array.dtype} {array.shape}, expected float32 {expected[name]}"
            raise ValueError(f"of {group} {name} is {found}")


def _table(pairs: Iterable[tuple[bytes, bytes]], block_bytes: int) -> bytes:
    """The table of `pairs`, whose keys rise: their blocks, an empty one about blocks, one that points, a footer."""
    out, block, handles, last = bytearray(), _Block(), [], b""
    for key, value in pairs:
        if len(block) >= block_bytes:
            handles.append((last, _append(out, block)))
            block = _Block()
        block.add(key, value)
        last = key
    # As TensorFlow does: a short key that is not below the last one, since no text begins with 0xFF.
    handles.append((bytes([last[0] + 1]) if last else b"", _append(out, block)))
    about = _append(out, _Block())
    pointing = _Block()
    for key, handle in handles:
        pointing.add(key, handle)
    footer = about + _append(out, pointing)
    return bytes(out) + footer.ljust(FOOTER_BYTES - len(TABLE_MAGIC), b"\0") + TABLE_MAGIC


class _Block:
    """Entries in rising order, each without what its key shares with the key before it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.restarts = [0]
        self.last = b""
        self.since = 0  # entries behind the last restart

    def __len__(self) -> int:
        """Bytes of `contents`."""
        return len(self.data) + 4 * len(self.restarts) + 4

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self.since == RESTART_INTERVAL:
            self.restarts.append(len(self.data))
            self.since = 0
        else:
            while shared < min(len(key), len(self.last)) and key[shared] == self.last[shared]:
                shared += 1
        for size in (shared, len(key) - shared, len(value)):
            self.data += encoded_varint(size)
        self.data += key[shared:] + value
        self.last = key
        self.since += 1

    def contents(self) -> bytes:
        return bytes(self.data) + struct.pack(
            f"<{len(self.restarts) + 1}I", *self.restarts, len(self.restarts)
        )


def _append(out: bytearray, block: _Block) -> bytes:
    """Put `block` and its checksum behind `out`; the handle that says where it lies."""
    contents = block.contents() + NO_COMPRESSION
    handle = encoded_varint(len(out)) + encoded_varint(len(block))
    out += contents + struct.pack("<I", masked_crc32c(contents))
    return handle


def _header() -> bytes:
    """BundleHeaderProto: one shard, little-endian, version 1 of the producer."""
    return _number(1, 1) + message(3, _number(1, 1))


def _entry(dtype: int, shape: tuple[int, ...], offset: int, raw: bytes) -> bytes:
    """BundleEntryProto of a tensor in shard 0."""
    sides = b"".join(message(2, _number(1, side)) for side in shape)
    checksum = encoded_varint(6 << 3 | FIXED32) + struct.pack("<I", masked_crc32c(raw))
    return _number(1, dtype) + message(2, sides) + _number(4, offset) + _number(5, len(raw)) + checksum


def _number(field: int, value: int) -> bytes:
    """A whole number as a field of a protocol buffer; 0 is what a missing one means."""
    return encoded_varint(field << 3 | VARINT) + encoded_varint(value) if value else b""
