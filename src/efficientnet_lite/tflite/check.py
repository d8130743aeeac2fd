"""A `.tflite` from outside, read with checks before LiteRT, which trusts its input, opens it.

LiteRT follows offsets, indices and sizes in C++. Here each of them is followed first, within bounds, and
whatever an ordinary image classifier has no use for is refused. What is described here is what was checked.

Source: tensorflow/lite/schema/schema.fbs; tensorflow/lite/core/interpreter_builder.cc for what LiteRT reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.tflite import slots
from efficientnet_lite.tflite.flatbuffer import Reader, Table
from efficientnet_lite.tflite.operators import OPERATORS, Rule
from efficientnet_lite.tflite.shapes import fits
from efficientnet_lite.tflite.tensors import MAX_RANK, TensorInfo, read_tensor, refused

MAX_TENSORS = MAX_OPERATORS = 10_000  # EfficientNet-B7 has about 1,500
MAX_BUFFERS = 20_000
MAX_ARENA_BYTES = 1 << 30  # what all tensors that are alive at once take; lite4 has 28 MB
MAX_SUM_RATIO = 1 << 13  # of scales, input to output: beyond, a sum is all saturation
SCHEMA_VERSION = 3


def _names(enumeration: type) -> dict[int, str]:
    return {code: name for name, code in vars(enumeration).items() if isinstance(code, int)}


_OPERATORS = _names(schema.BuiltinOperator)
_OPTIONS = _names(schema.BuiltinOptions)


class OperatorInfo(NamedTuple):
    """One operator, `inputs` and `outputs` as indices of tensors; -1 is a bias that is left out."""

    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: tuple[float, ...]  # by slot of the operator's options table; vectors count as 0


class SignatureInfo(NamedTuple):
    """Public names of inputs and outputs, name -> index of the tensor."""

    key: str
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """A model whose structure holds."""

    description: str
    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]  # in order of execution
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    signatures: tuple[SignatureInfo, ...]
    entries: tuple[str, ...]  # names of the metadata entries
    arena_bytes: int  # most that tensors alive at once take, constants apart


def check_model(data: bytes | memoryview, *, where: Path | str = "the model") -> CheckedModel:
    """What `data` holds, when it is one image classifier's worth of TFLite and every part is in place.

    Checked: every offset, table, vector and text; one subgraph of builtin operators from `OPERATORS`,
    each with options of its kind and strides of at least 1; each tensor read only once it is made, and
    made once; known types, shapes that the operators make, constants exactly as large as their shape,
    scales and zero points that can be; memory. Weights are not read, so this takes milliseconds.

    Raises:
        ArtifactError: says which part, with what was found and what is expected.
    """
    reader = Reader(data, identifier=slots.MODEL_IDENTIFIER, kind="a TFLite model", where=where)
    model = reader.root
    if (version := model.number(slots.Model.VERSION, "I")) != SCHEMA_VERSION:
        raise reader.damaged(f"its schema version is {version}, expected {SCHEMA_VERSION}")
    if model.has(slots.Model.EXTERNAL_BUFFERS) or model.has(slots.Model.EXTERNAL_BUFFER_GROUPS):
        raise refused("it keeps weights in other files", where)
    model.array(slots.Model.METADATA_BUFFER, "<i4")  # retired, but LiteRT may still look
    buffers = _buffers(model, where)
    graphs = model.tables(slots.Model.SUBGRAPHS, limit=MAX_OPERATORS, what="subgraphs")
    if len(graphs) != 1:
        raise refused(f"it has {len(graphs)} subgraphs, expected 1", where)
    graph = graphs[0]
    tensors = tuple(
        read_tensor(table, index, buffers, where)
        for index, table in enumerate(graph.tables(slots.SubGraph.TENSORS, limit=MAX_TENSORS, what="tensors"))
    )
    codes = [
        _operator_code(table, where)
        for table in model.tables(slots.Model.OPERATOR_CODES, limit=MAX_OPERATORS, what="operator codes")
    ]
    operators = tuple(
        _operator(table, codes, len(tensors), where)
        for table in graph.tables(slots.SubGraph.OPERATORS, limit=MAX_OPERATORS, what="operators")
    )
    graph.text(slots.SubGraph.NAME)
    inputs = _indices(graph, slots.SubGraph.INPUTS, len(tensors))
    outputs = _indices(graph, slots.SubGraph.OUTPUTS, len(tensors))
    _check_order(reader, tensors, operators, inputs, outputs)
    _check_shapes(reader, tensors, operators)
    _check_sums(reader, tensors, operators)
    arena = _arena_bytes(tensors, operators, inputs, outputs)
    if arena > MAX_ARENA_BYTES:
        raise refused(f"its tensors take {arena:,} bytes at once, more than {MAX_ARENA_BYTES:,}", where)
    return CheckedModel(
        description=model.text(slots.Model.DESCRIPTION),
        tensors=tensors,
        operators=operators,
        inputs=inputs,
        outputs=outputs,
        signatures=_signatures(model, inputs, outputs),
        entries=_entries(model, len(buffers)),
        arena_bytes=arena,
    )


def _buffers(model: Table, where: Path | str) -> list[tuple[int, int]]:
    """Position and length of each buffer's data."""
    spans = []
    for buffer in model.tables(slots.Model.BUFFERS, limit=MAX_BUFFERS, what="buffers"):
        if buffer.number(slots.Buffer.OFFSET, "Q") or buffer.number(slots.Buffer.SIZE, "Q"):
            raise refused("it keeps weights behind the model, the form for files beyond 2 GB", where)
        at, data = buffer.raw(slots.Buffer.DATA)
        spans.append((at, len(data)))
    return spans


def _operator_code(table: Table, where: Path | str) -> tuple[str, int]:
    """Name and version of a builtin operator that may be used."""
    # The old field holds a byte; readers take the larger of the two.
    code = max(
        table.number(slots.OperatorCode.CODE, "i"), table.number(slots.OperatorCode.DEPRECATED_CODE, "b")
    )
    name = _OPERATORS.get(code, f"number {code}")
    custom = table.text(slots.OperatorCode.CUSTOM_CODE)
    if name not in OPERATORS or custom:
        raise ArtifactError(
            f"it uses the operator {name}{f' {custom[:80]!r}' if custom else ''}",
            where=where,
            fix="use a model of TFLite's own operators for image classifiers, without custom ones or control flow",
        )
    return name, table.number(slots.OperatorCode.VERSION, "i", 1)


def _operator(
    table: Table, codes: Sequence[tuple[str, int]], tensors: int, where: Path | str
) -> OperatorInfo:
    index = table.number(slots.Operator.CODE, "I")
    if index >= len(codes):
        raise table.damaged(f"an operator has the code {index} of {len(codes)}")
    name, version = codes[index]
    rule = OPERATORS[name]
    for slot in (slots.Operator.CUSTOM_OPTIONS, slots.Operator.OPTIONS_2, slots.Operator.INTERMEDIATES):
        if table.has(slot) and len(table.raw(slot)[1]):
            raise refused(f"its {name} has options that are not of that operator", where)
    if table.number(slots.Operator.LARGE_CUSTOM_OFFSET, "Q") or table.number(
        slots.Operator.OPTIONS_2_TYPE, "B"
    ):
        raise refused(f"its {name} has options that are not of that operator", where)
    if table.array(slots.Operator.MUTATING_INPUTS, "u1").any():
        raise refused(f"its {name} keeps a state between runs", where)
    inputs = _indices(table, slots.Operator.INPUTS, tensors, optional=rule.optional)
    outputs = _indices(table, slots.Operator.OUTPUTS, tensors)
    least, most = rule.inputs
    options = _options(table, name, rule)
    if not least <= len(inputs) <= most or len(outputs) != (options[0] if name == "SPLIT" else 1):
        raise table.damaged(f"its {name} has {len(inputs)} inputs and {len(outputs)} outputs")
    return OperatorInfo(name, version, inputs, outputs, options)


def _options(table: Table, name: str, rule: Rule) -> tuple[float, ...]:
    """The options by slot; raises where they are not those of the operator's rule."""
    code = table.number(slots.Operator.OPTIONS_TYPE, "B")
    kind = _OPTIONS.get(code, str(code)) if code else ""
    options = table.table(slots.Operator.OPTIONS)
    if kind not in ("", rule.options) or (options is None) != (kind == ""):
        raise table.damaged(f"its {name} has the options {kind or 'NONE'}, expected {rule.options or 'NONE'}")
    if options is None:
        if "s" in rule.layout:
            raise table.damaged(f"its {name} has no {rule.options}")
        return (0,) * len(rule.layout)
    if options.slots > len(rule.layout):
        raise table.damaged(f"its {name} has {options.slots} options, expected {len(rule.layout)}")
    return tuple(_option(options, slot, letter, name) for slot, letter in enumerate(rule.layout))


def _option(options: Table, slot: int, letter: str, name: str) -> float:
    match letter:
        case "s" | "d":
            value = int(options.number(slot, "i", int(letter == "d")))
            if value < 1:
                raise options.damaged(f"its {name} has {value} for option {slot}, which must be at least 1")
            return value
        case "v":
            options.array(slot, "<i4")
            return 0
        case "-":
            if options.has(slot):
                raise options.damaged(f"its {name} has a retired option {slot}")
            return 0
        case _:
            return float(options.number(slot, letter))


def _indices(table: Table, slot: int, tensors: int, *, optional: bool = False) -> tuple[int, ...]:
    """A vector of indices of tensors; the last may be -1 where `optional`."""
    indices = tuple(table.array(slot, "<i4").tolist())
    for place, index in enumerate(indices):
        left_out = optional and index == -1 and place == 2
        if not (0 <= index < tensors or left_out):
            raise table.damaged(f"an input or output is tensor {index} of {tensors}")
    return indices


def _check_order(
    reader: Reader,
    tensors: Sequence[TensorInfo],
    operators: Sequence[OperatorInfo],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> None:
    """Refuse a tensor that is read before it is made, or made twice: it has no memory, or too little."""
    if not inputs or not outputs or len(set(inputs)) != len(inputs):
        raise reader.damaged(f"it has {len(inputs)} inputs and {len(outputs)} outputs")
    ready = {index for index, tensor in enumerate(tensors) if tensor.constant_bytes is not None}
    for index in inputs:
        if index in ready:
            raise reader.damaged(f"its input {tensors[index].name!r} is a constant")
    ready.update(inputs)
    for place, operator in enumerate(operators):
        for index in operator.inputs:
            if index != -1 and index not in ready:
                raise reader.damaged(
                    f"operator {place} ({operator.name}) reads tensor {index} before it is made"
                )
        for index in operator.outputs:
            if index in ready:
                raise reader.damaged(
                    f"operator {place} ({operator.name}) writes tensor {index}, which exists"
                )
            ready.add(index)
    for index in outputs:
        if index not in ready:
            raise reader.damaged(f"its output {tensors[index].name!r} is made by no operator")


def _check_shapes(reader: Reader, tensors: Sequence[TensorInfo], operators: Sequence[OperatorInfo]) -> None:
    """Refuse a tensor whose recorded shape is not the one that its operator makes."""

    def numbers(index: int) -> list[int] | None:
        tensor = tensors[index]
        if tensor.constant_bytes is None or tensor.dtype != "int32" or tensor.elements > 2 * MAX_RANK:
            return None
        return [int(n) for n in np.frombuffer(reader.view, "<i4", tensor.elements, tensor.data_at)]

    for place, operator in enumerate(operators):
        read = [index for index in operator.inputs if index != -1]
        inputs = [tensors[index].shape for index in read]
        outputs = [tensors[index].shape for index in operator.outputs]
        second = numbers(read[1]) if len(read) > 1 else None
        if not fits(operator.name, inputs, operator.options, second, outputs):
            raise reader.damaged(
                f"operator {place} ({operator.name}) of {_listed(inputs)} does not make {_listed(outputs)}"
            )


def _check_sums(reader: Reader, tensors: Sequence[TensorInfo], operators: Sequence[OperatorInfo]) -> None:
    """Refuse sums of quantized tensors whose scales make LiteRT abort the process (2.3.0)."""
    for place, operator in enumerate(operators):
        if operator.name in ("ADD", "SUB"):
            *scales, made = (tensors[index].scale or 0.0 for index in operator.inputs + operator.outputs)
            if made and max(scales) > MAX_SUM_RATIO * made:
                raise reader.damaged(
                    f"operator {place} ({operator.name}) has the scales {scales}, and {made} for their sum"
                )


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join(str(list(shape)) for shape in shapes)


def _arena_bytes(
    tensors: Sequence[TensorInfo],
    operators: Sequence[OperatorInfo],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> int:
    """The most bytes that tensors alive at once take: from the operator that makes one to its last reader."""
    last = {index: place for place, operator in enumerate(operators) for index in operator.inputs}
    last.update(dict.fromkeys(outputs, len(operators)))
    ending = [0] * (len(operators) + 1)  # bytes that end with each operator
    alive = most = sum(tensors[index].memory_bytes for index in inputs)
    for place, operator in enumerate(operators):
        for index in operator.outputs:
            alive += tensors[index].memory_bytes
            ending[last.get(index, place)] += tensors[index].memory_bytes
        most = max(most, alive)
        alive -= ending[place]
    return most


def _signatures(model: Table, inputs: Sequence[int], outputs: Sequence[int]) -> tuple[SignatureInfo, ...]:
    found = []
    for table in model.tables(slots.Model.SIGNATURES, limit=16, what="signatures"):
        if table.number(slots.Signature.SUBGRAPH, "I"):
            raise table.damaged("a signature is for a subgraph that it does not have")
        key = table.text(slots.Signature.KEY)
        maps = [
            {
                entry.text(slots.TensorMap.NAME): int(entry.number(slots.TensorMap.TENSOR, "I"))
                for entry in table.tables(slot, limit=MAX_TENSORS, what="names in a signature")
            }
            for slot in (slots.Signature.INPUTS, slots.Signature.OUTPUTS)
        ]
        if not set(maps[0].values()) <= set(inputs) or not set(maps[1].values()) <= set(outputs):
            raise table.damaged(f"the signature {key!r} names tensors that are no inputs or outputs")
        found.append(SignatureInfo(key, *maps))
    return tuple(found)


def _entries(model: Table, buffers: int) -> tuple[str, ...]:
    names = []
    for entry in model.tables(slots.Model.METADATA, limit=MAX_TENSORS, what="metadata entries"):
        name, index = entry.text(slots.Metadata.NAME), entry.number(slots.Metadata.BUFFER, "I")
        if index >= buffers:
            raise model.damaged(f"the metadata entry {name!r} has buffer {index} of {buffers}")
        names.append(name)
    return tuple(names)
