"""The one place that runs an `.onnx` file: ONNX Runtime as an engine.

Only files of this package are opened, or such as look like them: the operators of `OPERATORS`, all
weights inside. Loops, operators of other makers and weights in other files, which a stranger's model
could point at anything with, are refused before the runtime sees them.

Source: onnx/onnx.proto (field numbers).
"""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite import extras
from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.protobuf import BYTES, VARINT, Malformed, fields, packed_varints, typed
from efficientnet_lite.runtimes.engine import Tensor
from efficientnet_lite.storage.quiet import stderr_without

OPERATORS = frozenset(  # all that we write
    ("Add", "Clip", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "Mul", "Softmax", "Sub", "Transpose")
)
MAX_NODES = 1000  # lite4 has 193
MAX_ENTRIES = 10_000  # of metadata, inputs, outputs and arrays
MAX_PADDING = 16  # pixels; kernels of 5 need 2
DTYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}


class OnnxRuntime:
    """One file opened by ONNX Runtime, on the CPU. Single-threaded; see `runtimes/engine`."""

    def __init__(self, model: bytes, *, where: Path | str = "model") -> None:
        """Open `model`, whose structure is checked first.

        Raises:
            ArtifactError: it is no ONNX file that this package could have written, or is damaged.
            UsageError: ONNX Runtime is not installed.
        """
        with (
            extras.needed("ONNX Runtime is not installed", where=where, install=extras.ONNX),
            stderr_without(b"[W:onnxruntime"),  # of its telemetry, where it finds no home folder
        ):
            import onnxruntime
        onnxruntime.disable_telemetry_events()
        check(model, where=where)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # its errors come as exceptions too
        try:
            self._session = onnxruntime.InferenceSession(
                model,
                sess_options=options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # which prints on stdout, and tries the same again
            )
            self.inputs = _tensors(self._session.get_inputs())
            self.outputs = _tensors(self._session.get_outputs())
            self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        except Exception as error:  # its errors have no common base
            raise _refused(f"ONNX Runtime cannot open it: {_reason(error)}", where) from error
        self._where = where
        self._filled: npt.NDArray[Any] | None = None

    def __call__(self, *inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Output name -> a fresh array. Inputs must have the file's shapes and dtypes, with any batch.

        Raises ArtifactError where the file opens but cannot be run.
        """
        feeds = {tensor.name: value for tensor, value in zip(self.inputs, inputs, strict=True)}
        for tensor in self.inputs:
            value = feeds[tensor.name]
            if value.dtype != tensor.dtype or value.shape[1:] != tensor.shape[1:]:
                raise ValueError(
                    f"{tensor.name} is {value.dtype} {value.shape}, expected {tensor.dtype} {tensor.shape}"
                )
        names = [tensor.name for tensor in self.outputs]
        try:
            values = self._session.run(names, feeds)
        except Exception as error:
            raise _refused(f"ONNX Runtime cannot run it: {_reason(error)}", self._where) from error
        return dict(zip(names, values, strict=True))

    def filled(self, fill: Callable[[npt.NDArray[Any]], None]) -> dict[str, npt.NDArray[Any]]:
        """See `Engine.filled`; the array is one of ours that is used again."""
        (tensor,) = self.inputs
        if self._filled is None:
            self._filled = np.empty(tensor.shape, tensor.dtype)
        fill(self._filled)
        return self(self._filled)


def check(model: bytes, *, where: Path | str) -> None:
    """Refuse, without any library, what only a hostile file has. Raises ArtifactError."""
    try:
        # ModelProto: graph 7, training_info 20, functions 25, which could stand behind any operator's name
        parts = _collect(model, {7: BYTES, 20: BYTES, 25: BYTES})
        if [number for number, _ in parts] != [7]:
            raise Malformed(f"it has {len(parts)} graphs and functions, expected 1 graph")
        graph = _collect(parts[0][1], {1: BYTES, 5: BYTES, 15: BYTES})
        nodes = [value for number, value in graph if number == 1]
        if not 1 <= len(nodes) <= MAX_NODES:
            raise Malformed(f"it has {len(nodes)} operators, expected 1 to {MAX_NODES}")
        if any(number == 15 for number, _ in graph):
            raise Malformed("it has sparse arrays")
        arrays = dict(_array(value) for number, value in graph if number == 5)
        for node in nodes:
            _check_node(node, arrays)
    except Malformed as error:
        raise _refused(f"no ONNX file of an EfficientNet-Lite: {error}", where) from error


def runtime_version() -> str:
    """Version of ONNX Runtime, without importing it."""
    return version("onnxruntime")


def _collect(message: bytes, wanted: dict[int, int]) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    for field in typed(message, wanted):
        if len(found) == MAX_ENTRIES:
            raise Malformed(f"it has more than {MAX_ENTRIES:,} parts")
        found.append(field)
    return found


def _array(tensor: bytes) -> tuple[bytes, int]:
    """TensorProto: name 8, and how many dims 1; external data 13, 14 is refused."""
    name, rank = b"", 0
    for number, wire, value in fields(tensor):
        if number in (13, 14):
            raise Malformed("it keeps an array in another file")
        if number == 1:
            rank += len(_whole_numbers(wire, value))
        elif number == 8:
            name = _text(wire, value)
    return name, rank


def _check_node(node: bytes, arrays: Mapping[bytes, int]) -> None:
    """NodeProto: input 1, op_type 4, attribute 5, domain 7.

    Arrays only as the weights of what comes from the image: two small ones, a column and a row, would
    make one that fills the memory, and the runtime computes that when it opens the file.
    """
    kind, domain, inputs = b"", b"", []
    for number, value in _collect(node, {1: BYTES, 4: BYTES, 5: BYTES, 7: BYTES}):
        if number == 1:
            inputs.append(value)
        elif number == 4:
            kind = value
        elif number == 7:
            domain = value
        else:
            _check_attribute(value)
    broadcast = inputs if kind in (b"Add", b"Mul", b"Sub") else inputs[:1]
    if (inputs[:1] and inputs[0] in arrays) or any(arrays.get(name) for name in broadcast):
        raise Malformed("an operator reads arrays alone, or spreads one")
    if domain not in (b"", b"ai.onnx") or kind.decode("ascii", "replace") not in OPERATORS:
        raise Malformed(f"it has the operator {(domain + b' ' + kind)[:60].decode(errors='replace').strip()}")


def _check_attribute(attribute: bytes) -> None:
    """AttributeProto: name 1, ints 8 (packed or not); a tensor 5 or graph 6, 11 has no place here."""
    name, numbers = b"", []
    for number, wire, value in fields(attribute):
        if number == 1:
            name = _text(wire, value)
        elif number in (5, 6, 10, 11, 22, 23):
            raise Malformed("an operator has an array or a graph of its own")
        elif number == 8:
            numbers += _whole_numbers(wire, value)
    if name == b"pads" and any(not 0 <= pad <= MAX_PADDING for pad in numbers):
        raise Malformed(f"a convolution is padded by more than {MAX_PADDING} pixels")


def _whole_numbers(wire: int, value: Any) -> list[int]:
    """One entry of a repeated int64, packed or not; no parser reads another wire type as one."""
    if wire == VARINT:
        return [value]
    if wire != BYTES:
        raise Malformed(f"a whole number has wire type {wire}")
    return list(packed_varints(value))


def _text(wire: int, value: Any) -> bytes:
    if wire != BYTES:
        raise Malformed(f"a name has wire type {wire}")
    return bytes(value)


def _tensors(described: list[Any]) -> tuple[Tensor, ...]:
    """Raises KeyError for a type that no image classifier has."""
    return tuple(
        Tensor(
            each.name,
            index,
            tuple(side if isinstance(side, int) else 1 for side in each.shape),
            np.dtype(DTYPES[each.type]),
            0.0,
            0,
        )
        for index, each in enumerate(described)
    )


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__


def _refused(what: str, where: Path | str) -> ArtifactError:
    return ArtifactError(what, where=where, fix="export the model again")
