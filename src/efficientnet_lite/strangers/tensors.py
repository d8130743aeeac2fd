"""The tensors of a `.tflite` from outside: types, shapes, constants and scales, each checked.

Source: tensorflow/lite/schema/schema.fbs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.tflite.flatbuffer import Table
from efficientnet_lite.tflite.slots import QuantizationSlot, TensorSlot

MAX_RANK = 8
MAX_ELEMENTS = 1 << 28  # of one tensor
MAX_CHANNELS = 1 << 16  # scales of one tensor
SMALLEST_SCALE, LARGEST_SCALE = 2.0**-64, 2.0**64  # of a whole tensor; LiteRT dies of subnormal ones

_BYTES = {  # the types that image classifiers need; strings, complex numbers and resources are not among them
    "FLOAT32": 4,
    "FLOAT16": 2,
    "INT32": 4,
    "INT8": 1,
    "UINT8": 1,
}
_TYPES = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor: real = scale * (code - zero_point) where it is quantized."""

    name: str
    shape: tuple[int, ...]
    dynamic: bool  # some side may be changed, -1 in its signature
    dtype: str  # "float32", "uint8"
    scales: int  # how many: 0 not quantized, 1 for the tensor, else one for each index along `axis`
    scale: float | None  # where there is one
    zero_point: int | None  # likewise
    axis: int
    largest_scale: float  # of all of them; 0 where there is none
    constant_bytes: int | None  # None where it is computed
    data_at: int  # position of a constant's data in the file

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def symmetric(self) -> bool:
        """Its zero point, if any, is 0; those of many channels always are."""
        return not self.zero_point

    @property
    def memory_bytes(self) -> int:
        """What it takes in memory."""
        return self.elements * _BYTES[self.dtype.upper()]


class Outline(NamedTuple):
    """What an application must know of a tensor."""

    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


def read_outline(table: Table, index: int) -> Outline:
    """Of tensor `index` this alone, checked; what else it has is not looked at."""
    label = f"tensor {index}"
    code = table.number(TensorSlot.TYPE, "b")
    kind = _TYPES.get(code, str(code))
    shape, _ = _shape(table, label)
    _, scale, zero_point, _, _ = _quantization(table, kind, shape, label)
    return Outline(shape, kind.lower(), scale, zero_point)


def read_tensor(table: Table, index: int, buffers: Sequence[tuple[int, int]]) -> TensorInfo:
    """Tensor `index`, with its type, shape, data and scales checked.

    Args:
        buffers: position and length of each buffer's data.
    """
    name = table.text(TensorSlot.NAME)
    label = f"tensor {index} ({name[:80]!r})"
    code = table.number(TensorSlot.TYPE, "b")
    kind = _TYPES.get(code, str(code))
    if kind not in _BYTES:
        raise table.refused(f"{label} has the type {kind}")
    if table.number(TensorSlot.IS_VARIABLE, "?"):
        raise table.refused(f"{label} keeps a state between runs")
    if table.has(TensorSlot.SPARSITY) or table.has(TensorSlot.VARIANT_TENSORS):
        raise table.refused(f"{label} is sparse or of a variant type")
    if table.number(TensorSlot.EXTERNAL_BUFFER, "I"):
        raise table.refused(f"{label} is kept in another file")
    shape, dynamic = _shape(table, label)
    number = table.number(TensorSlot.BUFFER, "I")
    if number >= len(buffers):
        raise table.damaged(f"{label} has buffer {number} of {len(buffers)}")
    at, size = buffers[number] if number else (0, 0)  # LiteRT takes the first for empty, whatever it holds
    expected = math.prod(shape) * _BYTES[kind]
    if size and size != expected:
        raise table.damaged(f"{label} has {size:,} bytes of data, its shape {list(shape)} wants {expected:,}")
    scales, scale, zero_point, axis, largest = _quantization(table, kind, shape, label)
    return TensorInfo(
        name=name,
        shape=shape,
        dynamic=dynamic,
        dtype=kind.lower(),
        scales=scales,
        scale=scale,
        zero_point=zero_point,
        axis=axis,
        largest_scale=largest,
        constant_bytes=size or None,
        data_at=at,
    )


def _shape(table: Table, label: str) -> tuple[tuple[int, ...], bool]:
    """The shape, and whether some side may be changed."""
    shape = tuple(table.array(TensorSlot.SHAPE, "<i4")[: MAX_RANK + 1].tolist())
    if len(shape) > MAX_RANK or any(side < 1 for side in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise table.damaged(f"{label} has the shape {list(shape)}")
    signature = tuple(table.array(TensorSlot.SHAPE_SIGNATURE, "<i4")[: MAX_RANK + 1].tolist())
    if signature and (
        len(signature) != len(shape)
        or any(wanted not in (-1, side) for wanted, side in zip(signature, shape, strict=True))
    ):
        raise table.damaged(f"{label} has the shape {list(shape)} and the signature {list(signature)}")
    return shape, -1 in signature


def _quantization(
    table: Table, kind: str, shape: tuple[int, ...], label: str
) -> tuple[int, float | None, int | None, int, float]:
    """Number of scales, the scale and zero point where there is one, the axis, and the largest scale."""
    quantization = table.table(TensorSlot.QUANTIZATION)
    if quantization is None:
        return 0, None, None, 0, 0.0
    if quantization.number(QuantizationSlot.DETAILS_TYPE, "B"):
        raise table.damaged(f"{label} is quantized in blocks or in a way of its own")
    for slot in (QuantizationSlot.MIN, QuantizationSlot.MAX):
        quantization.array(slot, "<f4")
    scales = quantization.array(QuantizationSlot.SCALE, "<f4")
    zero_points = quantization.array(QuantizationSlot.ZERO_POINT, "<i8")
    axis = quantization.number(QuantizationSlot.AXIS, "i")
    count = len(scales)
    if count != len(zero_points) or count > MAX_CHANNELS:
        raise table.damaged(f"{label} has {count} scales and {len(zero_points)} zero points")
    if count == 0:
        return 0, None, None, 0, 0.0
    if count > 1 and not (0 <= axis < len(shape) and shape[axis] == count):
        raise table.damaged(f"{label} has {count} scales along axis {axis} of its shape {list(shape)}")
    _check_codes(table, kind, scales, zero_points, label)
    if count > 1:
        return count, None, None, axis, float(scales.max())
    return 1, float(scales[0]), int(zero_points[0]), axis, float(scales[0])


def _check_codes(
    table: Table, kind: str, scales: npt.NDArray[np.float32], zero_points: npt.NDArray[np.int64], label: str
) -> None:
    """Refuse scales and zero points with which a kernel would compute nonsense, or abort."""
    usable = np.isfinite(scales) & (scales >= 0)  # of many channels some may be dead
    if len(scales) == 1 and kind != "INT32":  # a bias has the product of two scales
        usable &= (scales >= SMALLEST_SCALE) & (scales <= LARGEST_SCALE)
    if not usable.all():
        raise table.damaged(f"{label} has the scale {scales[~usable][0]}")
    bits = 8 * _BYTES[kind]
    low, high = (0, 255) if kind == "UINT8" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    if len(scales) > 1 or kind == "INT32":  # kernels take this for granted
        low = high = 0
    outside = (zero_points < low) | (zero_points > high)
    if outside.any():
        raise table.damaged(f"{label} has the zero point {zero_points[outside][0]}, outside {low} to {high}")
