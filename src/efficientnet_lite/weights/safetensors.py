"""The safetensors format: reading with bounds, writing the same bytes every time.

Source: https://github.com/huggingface/safetensors, README, section "Format": a header length of
8 bytes, a JSON header, then the numbers of all tensors without a gap.
"""

import json
import struct
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.storage import files
from efficientnet_lite.weights import stored_tensors as dtypes
from efficientnet_lite.weights.stored_tensors import Stored, damaged, some

FORMAT = "efficientnet-lite"  # under "format" in the metadata of files that we write
SCHEMA = "1"
MAX_HEADER_BYTES = 4 * 2**20  # lite4 has 70 KB; a thousand labels add 20 KB
LENGTH = struct.Struct("<Q")
ALIGNMENT = 8  # of the first number, so that a reader may map the file
DTYPES = {
    "F64": dtypes.FLOAT64,
    "F32": dtypes.FLOAT32,
    "F16": dtypes.FLOAT16,
    "BF16": dtypes.BFLOAT16,
    "I64": dtypes.INT64,
    "I32": dtypes.INT32,
    "I16": dtypes.INT16,
    "I8": dtypes.INT8,
    "U8": dtypes.UINT8,
    "BOOL": dtypes.BOOL,
}


def header_bytes(data: bytes) -> int | None:
    """The length of the header in bytes where `data` begins like a safetensors file, else None."""
    if len(data) < LENGTH.size + 2 or data[LENGTH.size : LENGTH.size + 1] != b"{":
        return None
    length: int = LENGTH.unpack_from(data)[0]
    return length if length <= len(data) - LENGTH.size else None


def read_safetensors(data: bytes, *, where: Path | str) -> tuple[dict[str, Stored], dict[str, str]]:
    """The tensors by name and the metadata of `data`.

    Raises CheckpointError where a length does not fit, bytes are left over, two tensors overlap, or
    a dtype is none of DTYPES.
    """
    length = header_bytes(data)
    if length is None or length > MAX_HEADER_BYTES:
        raise damaged(f"its header is missing, cut short or has more than {MAX_HEADER_BYTES:,} bytes", where)
    try:
        # Checks that the tensors cover the file exactly. The library has no types for this function.
        tensors = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise damaged(str(error), where) from error
    try:
        metadata = json_value(data[LENGTH.size : LENGTH.size + length]).get("__metadata__") or {}
    except ValueError as error:  # the library reads numbers of its own
        raise damaged(f"its header is no JSON: {error}", where) from error
    if unknown := [name for name, tensor in tensors if tensor["dtype"] not in DTYPES]:
        raise CheckpointError(
            f"tensors are of another type than {', '.join(DTYPES)}: {some(unknown)}",
            where=where,
            fix="save the weights as float32",
        )
    return {name: _stored(tensor) for name, tensor in tensors}, metadata


def _stored(tensor: Mapping[str, Any]) -> Stored:
    dtype, shape = DTYPES[tensor["dtype"]], tuple(tensor["shape"])
    return Stored(dtype, shape, partial(dtype.array, tensor["data"], shape))


def write_safetensors(
    path: Path, parameters: Mapping[str, NDArray[np.float32]], metadata: Mapping[str, str]
) -> None:
    """Write float32 arrays and their metadata to `path`, whole or not at all.

    Equal contents give equal bytes: tensors and metadata stand in the order of their names.
    Raises ValueError where an array is not float32, OutputFailed where the file cannot be written.
    """
    files.publish(path, encode_safetensors(parameters, metadata))


def encode_safetensors(parameters: Mapping[str, NDArray[np.float32]], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file.

    Written here and not by the library, which gives the metadata in another order in every process.
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    chunks, position = [], 0
    for name, array in sorted(parameters.items()):
        if array.dtype != np.float32:
            raise ValueError(f"{name} has dtype {array.dtype}, expected float32")
        chunks.append(array.astype("<f4", order="C", copy=False).tobytes())
        end = position + len(chunks[-1])
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(LENGTH.size + len(text)) % ALIGNMENT)
    return b"".join((LENGTH.pack(len(text)), text, *chunks))
