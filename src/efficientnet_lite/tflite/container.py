"""A `.tflite` file under construction: tensors, operators, and the bytes that come of them.

Knows the container and nothing of the network. The same calls give the same bytes. Constant data are
aligned to 16 bytes, as the schema asks and the stock converter's files are not.

Source: tensorflow/lite/schema/schema.fbs, through the classes that ship with LiteRT; operator versions
from tensorflow/lite/tools/versioning/op_version.cc, the lowest that covers each use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

FILE_IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
ALIGNMENT = 16  # bytes
SIGNATURE = "serving_default"
DType = Literal["float32", "float16", "int8", "uint8", "int32"]
_TYPES: dict[DType, int] = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
}


@dataclass(frozen=True, slots=True)
class Quantization:
    """real = scale * (code - zero_point).

    `scales` has one float32, or one for each index along `axis`; one zero point serves all of them.
    """

    scales: npt.NDArray[np.float32]
    zero_point: int = 0
    axis: int = 0


@dataclass(slots=True)
class Graph:
    """Add tensors and operators in order of execution, then ask for the bytes.

    With `any_batch` the first side of every tensor that is computed may be changed by the caller.
    """

    any_batch: bool = False

    _tensors: list[Any] = field(default_factory=list)
    _operators: list[Any] = field(default_factory=list)
    _codes: dict[tuple[int, int], int] = field(default_factory=dict)
    _buffers: list[bytes] = field(default_factory=lambda: [b""])  # buffer 0 is empty by convention

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: DType,
        *,
        quantization: Quantization | None = None,
        data: npt.NDArray[Any] | None = None,
        batched: bool = True,
    ) -> int:
        """Index of a new tensor; with `data` a constant, whose dtype and size must fit.

        `batched` says that its first side is the batch, where it is computed and has more than one.
        """
        if data is not None:
            if data.dtype != np.dtype(dtype) or data.size != int(np.prod(shape)):
                raise ValueError(
                    f"{name}: data are {data.dtype} x {data.size}, declared {dtype} {list(shape)}"
                )
            self._buffers.append(np.ascontiguousarray(data).astype(data.dtype.newbyteorder("<")).tobytes())
        quantized = None
        if quantization is not None:
            scales = quantization.scales.astype(np.float32)
            quantized = schema.QuantizationParametersT(
                scale=scales,
                zeroPoint=np.full(scales.shape, quantization.zero_point, np.int64),
                quantizedDimension=quantization.axis,
            )
        signature = None
        if self.any_batch and batched and data is None and len(shape) > 1:
            signature = np.asarray([-1, *shape[1:]], np.int32)
        self._tensors.append(
            schema.TensorT(
                name=name,
                shape=np.asarray(shape, np.int32),
                type=_TYPES[dtype],
                buffer=0 if data is None else len(self._buffers) - 1,
                quantization=quantized,
                hasRank=True,
                shapeSignature=signature,
            )
        )
        return len(self._tensors) - 1

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        *,
        version: int = 1,
    ) -> None:
        """Append the builtin operator `kind`, "CONV_2D" say, with its options table or None."""
        code = (getattr(schema.BuiltinOperator, kind), version)
        index = self._codes.setdefault(code, len(self._codes))
        operator = schema.OperatorT(
            opcodeIndex=index, inputs=np.asarray(inputs, np.int32), outputs=np.asarray(outputs, np.int32)
        )
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(
                schema.BuiltinOptions, type(options).__name__.removesuffix("T")
            )
        self._operators.append(operator)

    def finish(
        self,
        *,
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
        description: str,
        metadata: Mapping[str, bytes] | None = None,
    ) -> bytes:
        """The file. `inputs` and `outputs` map the signature's names to tensors, in the file's order."""
        entries, buffers = dict(metadata or {}), list(self._buffers)
        builder = flatbuffers.Builder(sum(map(len, buffers)) + sum(map(len, entries.values())) + (1 << 18))
        metadata_tables = []
        for name, content in entries.items():
            metadata_tables.append(schema.MetadataT(name=name, buffer=len(buffers)).Pack(builder))
            buffers.append(content)
        subgraph = schema.SubGraphT(
            name="main",
            tensors=self._tensors,
            operators=self._operators,
            inputs=np.asarray(list(inputs.values()), np.int32),
            outputs=np.asarray(list(outputs.values()), np.int32),
        ).Pack(builder)
        codes = [
            # the old field holds a byte; readers take the larger of the two
            schema.OperatorCodeT(
                builtinCode=kind, deprecatedBuiltinCode=min(kind, 127), version=version
            ).Pack(builder)
            for kind, version in self._codes
        ]
        signature = schema.SignatureDefT(
            signatureKey=SIGNATURE,
            inputs=[schema.TensorMapT(name=name, tensorIndex=index) for name, index in inputs.items()],
            outputs=[schema.TensorMapT(name=name, tensorIndex=index) for name, index in outputs.items()],
        ).Pack(builder)
        text = builder.CreateString(description)
        vectors = {
            schema.ModelAddOperatorCodes: offset_vector(builder, codes),
            schema.ModelAddSubgraphs: offset_vector(builder, [subgraph]),
            schema.ModelAddBuffers: offset_vector(builder, [_buffer(builder, data) for data in buffers]),
            schema.ModelAddMetadata: offset_vector(builder, metadata_tables),
            schema.ModelAddSignatureDefs: offset_vector(builder, [signature]),
        }
        schema.ModelStart(builder)
        schema.ModelAddVersion(builder, SCHEMA_VERSION)
        schema.ModelAddDescription(builder, text)
        for add, vector in vectors.items():
            add(builder, vector)
        builder.Finish(schema.ModelEnd(builder), FILE_IDENTIFIER)
        return bytes(builder.Output())


def runtime_entry(version: str) -> bytes:
    """The `min_runtime_version` entry as the stock converter writes it: text in 16 zero-padded bytes."""
    return version.encode().ljust(16, b"\0")


def _buffer(builder: flatbuffers.Builder, data: bytes) -> int:
    """A Buffer table whose bytes begin at a multiple of `ALIGNMENT`."""
    vector = None
    if data:
        builder.StartVector(1, len(data), ALIGNMENT)
        builder.head -= len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        vector = builder.EndVector()
    schema.BufferStart(builder)
    if vector is not None:
        schema.BufferAddData(builder, vector)
    return int(schema.BufferEnd(builder))


def offset_vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    """A vector of tables that were written before."""
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
