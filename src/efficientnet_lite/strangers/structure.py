"""A `.tflite` from outside, read with checks before LiteRT, which trusts its input, opens it.

LiteRT follows offsets, indices and sizes in C++. Here each of them is followed first, within bounds, and
whatever an ordinary image classifier has no use for is refused. What is described here is what was checked.

Source: tensorflow/lite/schema/schema.fbs; tensorflow/lite/core/interpreter_builder.cc for what LiteRT reads.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ai_edge_litert import schema_py_generated as schema

from efficientnet_lite.strangers import costs
from efficientnet_lite.strangers.forms import fault
from efficientnet_lite.strangers.operators import (
    COUNTS,
    MAX_DILATION,
    MAX_STEP,
    OPERATORS,
    OperatorInfo,
    Rule,
)
from efficientnet_lite.strangers.order import Known, arena_bytes, check_order, computed_numbers, numbers
from efficientnet_lite.strangers.shapes import fits
from efficientnet_lite.strangers.signatures import main_signature
from efficientnet_lite.strangers.tensors import Outline, TensorInfo, read_outline, read_tensor
from efficientnet_lite.tflite.flatbuffer import Reader, Table
from efficientnet_lite.tflite.slots import (
    MODEL_IDENTIFIER,
    BufferSlot,
    MetadataSlot,
    ModelSlot,
    OperatorCodeSlot,
    OperatorSlot,
    SignatureSlot,
    SubGraphSlot,
    TensorMapSlot,
    TensorSlot,
)

MAX_TENSORS = MAX_OPERATORS = 10_000  # EfficientNet-B7 has about 1,500
MAX_BUFFERS = 20_000
MAX_SIGNATURES = 16
SCHEMA_VERSION = 3
# Custom operators that hold a whole network for one chip. Source: what ethos-u-vela 5.2.0 writes;
# google-coral/coralmicro, libs/tpu/edgetpu_op.h.
COMPILED_FOR = {"ethos-u": "an Arm Ethos-U", "edgetpu-custom-op": "a Coral Edge TPU"}


def _names(enumeration: type) -> dict[int, str]:
    return {code: name for name, code in vars(enumeration).items() if isinstance(code, int)}


_OPERATORS = _names(schema.BuiltinOperator)
_OPTIONS = _names(schema.BuiltinOptions)


class SignatureInfo(NamedTuple):
    """Public names of inputs and outputs, name -> index of the tensor."""

    key: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    graph: int = 0  # which of the file's subgraphs they are of


class CheckedGraph(NamedTuple):
    """One subgraph whose structure holds."""

    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    arena_bytes: int
    memory: int  # about what opening and running it takes, bytes


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """A model whose structure holds: of several subgraphs the one of the main signature."""

    description: str
    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]  # in order of execution
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    signatures: tuple[SignatureInfo, ...]
    main: SignatureInfo | None  # the one that is run
    entries: tuple[str, ...]  # names of the metadata entries
    arena_bytes: int  # most that tensors alive at once take, apart from those that are the same in every run


def check_model(data: bytes | memoryview, *, where: Path | str = "the model") -> CheckedModel:
    """What `data` holds, when it is one image classifier's worth of TFLite and every part is in place.

    Checked: every offset, table, vector and text; a subgraph, or one for each signature, of operators from
    `OPERATORS`, each in a form of its rule (types, constants, scales, options); each tensor read only once
    it is made, and made once; shapes that the operators make, constants exactly as large as their shape,
    scales and zero points that can be; steps and memory. Weights are not read, so this takes milliseconds.

    Raises:
        ArtifactError: says which part, with what was found and what is expected.
    """
    reader = Reader(data, identifier=MODEL_IDENTIFIER, kind="a TFLite model", where=where)
    model = reader.root
    if (version := model.number(ModelSlot.VERSION, "I")) != SCHEMA_VERSION:
        raise reader.damaged(f"its schema version is {version}, expected {SCHEMA_VERSION}")
    if model.has(ModelSlot.EXTERNAL_BUFFERS) or model.has(ModelSlot.EXTERNAL_BUFFER_GROUPS):
        raise model.refused("it keeps weights in other files")
    model.array(ModelSlot.METADATA_BUFFER, "<i4")  # retired, but LiteRT may still look
    buffers = _buffers(model)
    codes = [
        _operator_code(table)
        for table in model.tables(ModelSlot.OPERATOR_CODES, limit=MAX_OPERATORS, what="operator codes")
    ]
    graphs = [
        _graph(reader, table, codes, buffers)
        for table in model.tables(ModelSlot.SUBGRAPHS, limit=MAX_SIGNATURES, what="subgraphs")
    ]
    if not graphs:
        raise model.refused("it has 0 subgraphs, expected 1")
    signatures = _signatures(model, graphs)
    named = {signature.graph for signature in signatures} or {0}
    if len(graphs) != len(named):
        raise model.refused(f"it has {len(graphs)} subgraphs, expected {len(named)}, as its signatures name")
    if (memory := sum(graph.memory for graph in graphs)) > (most := costs.MAX_EXTRA_BYTES + len(reader.view)):
        raise model.refused(f"it takes about {memory:,} bytes to run, more than {most:,}")
    key = main_signature({each.key: len(each.inputs) + len(each.outputs) for each in signatures})
    main = next((each for each in signatures if each.key == key), None)
    graph = graphs[main.graph if main else 0]
    return CheckedModel(
        description=model.text(ModelSlot.DESCRIPTION),
        tensors=graph.tensors,
        operators=graph.operators,
        inputs=graph.inputs,
        outputs=graph.outputs,
        signatures=signatures,
        main=main,
        entries=_entries(model, len(buffers)),
        arena_bytes=graph.arena_bytes,
    )


def outlines(data: bytes, *, where: Path | str) -> tuple[list[Outline], list[Outline]]:
    """Inputs and outputs of the first subgraph, checked, and nothing else: for files that LiteRT will not run.

    Raises ArtifactError as `check_model` does.
    """
    reader = Reader(data, identifier=MODEL_IDENTIFIER, kind="a TFLite model", where=where)
    graphs = reader.root.tables(ModelSlot.SUBGRAPHS, limit=MAX_SIGNATURES, what="subgraphs")
    if not graphs:
        raise reader.root.refused("it has 0 subgraphs, expected 1")
    tables = graphs[0].tables(SubGraphSlot.TENSORS, limit=MAX_TENSORS, what="tensors")
    inputs, outputs = (
        [read_outline(tables[index], index) for index in _indices(graphs[0], slot, len(tables))]
        for slot in (SubGraphSlot.INPUTS, SubGraphSlot.OUTPUTS)
    )
    return inputs, outputs


def _graph(
    reader: Reader, graph: Table, codes: Sequence[tuple[str, int]], buffers: Sequence[tuple[int, int]]
) -> CheckedGraph:
    """One subgraph, with all that is in it checked."""
    tables = graph.tables(SubGraphSlot.TENSORS, limit=MAX_TENSORS, what="tensors")
    tensors = tuple(read_tensor(table, index, buffers) for index, table in enumerate(tables))
    operators = tuple(
        _operator(table, codes, len(tensors))
        for table in graph.tables(SubGraphSlot.OPERATORS, limit=MAX_OPERATORS, what="operators")
    )
    graph.text(SubGraphSlot.NAME)
    inputs = _indices(graph, SubGraphSlot.INPUTS, len(tensors))
    outputs = _indices(graph, SubGraphSlot.OUTPUTS, len(tensors))
    for index in (*inputs, *outputs):
        tables[index].exact_text(TensorSlot.NAME)
    check_order(reader, tensors, operators, inputs, outputs)
    fixed = _check_operators(reader, tensors, operators)
    if (total := sum(costs.steps(operator, tensors) for operator in operators)) > costs.MAX_STEPS:
        billions = f"{total / 1e9:.0f} billion steps, more than {costs.MAX_STEPS / 1e9:.0f}"
        raise graph.refused(f"it takes about {billions} for one image")
    kept = sum(costs.bytes_kept(operator, tensors) for operator in operators)
    lent = max((costs.bytes_lent(operator, tensors) for operator in operators), default=0)
    arena = arena_bytes(tensors, operators, inputs, outputs, fixed)
    return CheckedGraph(tensors, operators, inputs, outputs, arena, kept + lent + costs.ARENAS * arena)


def _buffers(model: Table) -> list[tuple[int, int]]:
    """Position and length of each buffer's data."""
    spans = []
    for buffer in model.tables(ModelSlot.BUFFERS, limit=MAX_BUFFERS, what="buffers"):
        if buffer.number(BufferSlot.OFFSET, "Q") or buffer.number(BufferSlot.SIZE, "Q"):
            raise model.refused("it keeps weights behind the model, the form for files beyond 2 GB")
        at, data = buffer.raw(BufferSlot.DATA)
        spans.append((at, len(data)))
    return spans


def _operator_code(table: Table) -> tuple[str, int]:
    """Name and version of a builtin operator that may be used."""
    # The old field holds a byte; readers take the larger of the two.
    code = max(table.number(OperatorCodeSlot.CODE, "i"), table.number(OperatorCodeSlot.DEPRECATED_CODE, "b"))
    name = _OPERATORS.get(code, f"number {code}")
    custom = table.text(OperatorCodeSlot.CUSTOM_CODE)
    if custom in COMPILED_FOR:
        raise table.refused(
            f"it is compiled for {COMPILED_FOR[custom]}, which alone runs its operator {custom!r}",
            fix="give the int8 file that it was compiled from",
        )
    if name not in OPERATORS or custom:
        raise table.refused(
            f"it uses the operator {name}{f' {custom[:80]!r}' if custom else ''}",
            fix="use a model of TFLite's own operators for image classifiers, without custom ones or control flow",
        )
    return name, table.number(OperatorCodeSlot.VERSION, "i", 1)


def _operator(table: Table, codes: Sequence[tuple[str, int]], tensors: int) -> OperatorInfo:
    index = table.number(OperatorSlot.CODE, "I")
    if index >= len(codes):
        raise table.damaged(f"an operator has the code {index} of {len(codes)}")
    name, version = codes[index]
    rule = OPERATORS[name]
    for slot in (OperatorSlot.CUSTOM_OPTIONS, OperatorSlot.OPTIONS_2, OperatorSlot.INTERMEDIATES):
        if table.has(slot) and len(table.raw(slot)[1]):
            raise table.refused(f"its {name} has options that are not of that operator")
    if table.number(OperatorSlot.LARGE_CUSTOM_OFFSET, "Q") or table.number(OperatorSlot.OPTIONS_2_TYPE, "B"):
        raise table.refused(f"its {name} has options that are not of that operator")
    if table.array(OperatorSlot.MUTATING_INPUTS, "u1").any():
        raise table.refused(f"its {name} keeps a state between runs")
    inputs = _indices(table, OperatorSlot.INPUTS, tensors, optional="-" in "".join(rule.forms))
    outputs = _indices(table, OperatorSlot.OUTPUTS, tensors)
    if (len(inputs), len(outputs)) not in COUNTS[name]:
        raise table.damaged(f"its {name} has {len(inputs)} inputs and {len(outputs)} outputs")
    options, vector = _options(table, name, rule)
    return OperatorInfo(name, version, inputs, outputs, options, vector)


def _options(table: Table, name: str, rule: Rule) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """The options by slot, and their vector; raises where they are not those of the operator's rule."""
    code = table.number(OperatorSlot.OPTIONS_TYPE, "B")
    kind = _OPTIONS.get(code, str(code)) if code else ""
    options = table.table(OperatorSlot.OPTIONS)
    if kind not in ("", rule.options) or (options is None) != (kind == ""):
        raise table.damaged(f"its {name} has the options {kind or 'NONE'}, expected {rule.options or 'NONE'}")
    if options is None:
        if set(rule.layout) & set("s1"):
            raise table.damaged(f"its {name} has no {rule.options}")
        return (0,) * len(rule.layout), ()
    if options.slots > len(rule.layout):
        raise table.damaged(f"its {name} has {options.slots} options, expected {len(rule.layout)}")
    vector = options.array(rule.layout.index("v"), "<i4").tolist() if "v" in rule.layout else []
    values = [_option(options, slot, letter, name) for slot, letter in enumerate(rule.layout)]
    return tuple(values), tuple(vector)


_FORMATS = {"a": "b", "p": "b", "t": "b", "0": "b", "o": "i", "s": "i", "d": "i", "1": "f", "l": "f"}
_RANGES: dict[str, tuple[float, float]] = {  # letters of `Rule.layout` -> least and most
    "a": (schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU6),
    "p": (schema.Padding.SAME, schema.Padding.VALID),
    "t": (schema.TensorType.INT32, schema.TensorType.INT32),
    "s": (1, MAX_STEP),
    "d": (1, MAX_DILATION),
    "0": (0, 0),
    "o": (0, 0),
    "1": (1, 1),
    "l": (0, 1),
}


def _option(options: Table, slot: int, letter: str, name: str) -> float:
    if letter == "v":
        return 0
    if letter == "-":
        if options.has(slot):
            raise options.damaged(f"its {name} has a retired option {slot}")
        return 0
    value = float(options.number(slot, _FORMATS.get(letter, letter), int(letter == "d")))
    least, most = _RANGES.get(letter, (-math.inf, math.inf))
    if not least <= value <= most:  # NaN neither
        bound = f"must be at least {least:g}" if value < least else f"must be at most {most:g}"
        raise options.refused(f"its {name} has {value:g} for option {slot}, which {bound}")
    return value


def _indices(table: Table, slot: int, tensors: int, *, optional: bool = False) -> tuple[int, ...]:
    """A vector of indices of tensors; the last may be -1 where `optional`."""
    indices = tuple(table.array(slot, "<i4").tolist())
    for place, index in enumerate(indices):
        left_out = optional and index == -1 and place == 2
        if not (0 <= index < tensors or left_out):
            raise table.damaged(f"an input or output is tensor {index} of {tensors}")
    return indices


def _check_operators(
    reader: Reader, tensors: Sequence[TensorInfo], operators: Sequence[OperatorInfo]
) -> set[int]:
    """Refuse an operator that has no form of its rule, or records another shape than the one that it makes.

    Gives the tensors that are the same in every run: constants, and what a DEQUANTIZE makes of one.
    """
    known: Known = {
        index: values
        for index, tensor in enumerate(tensors)
        if (values := numbers(reader.view, tensor)) is not None
    }
    fixed = {index for index, tensor in enumerate(tensors) if tensor.constant_bytes is not None}
    for place, operator in enumerate(operators):
        if (values := computed_numbers(operator, tensors, known)) is not None:
            known[operator.outputs[0]] = values
        if why := fault(operator, OPERATORS[operator.name], tensors, fixed, known):
            raise reader.refused(f"its operator {place} ({operator.name}) is unusual: {why}")
        if operator.inputs and all(index in fixed for index in operator.inputs):
            fixed.update(operator.outputs)
        read = [index for index in operator.inputs if index != -1]
        inputs = [tensors[index].shape for index in read]
        outputs = [tensors[index].shape for index in operator.outputs]
        values_read = [known.get(index) for index in read]
        if not fits(operator.name, inputs, operator.options, operator.vector, values_read, outputs):
            raise reader.damaged(
                f"operator {place} ({operator.name}) of {_listed(inputs)} does not make {_listed(outputs)}"
            )
    return fixed


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join(str(list(shape)) for shape in shapes)


def _signatures(model: Table, graphs: Sequence[CheckedGraph]) -> tuple[SignatureInfo, ...]:
    found: list[SignatureInfo] = []
    for table in model.tables(ModelSlot.SIGNATURES, limit=MAX_SIGNATURES, what="signatures"):
        if (number := table.number(SignatureSlot.SUBGRAPH, "I")) >= len(graphs):
            raise table.damaged("a signature is for a subgraph that it does not have")
        if not (key := table.exact_text(SignatureSlot.KEY)):
            raise table.damaged("a signature has no name")
        if key in {each.key for each in found}:
            raise table.damaged(f"two signatures have the name {key!r}")
        maps = [
            {
                entry.exact_text(TensorMapSlot.NAME): int(entry.number(TensorMapSlot.TENSOR, "I"))
                for entry in table.tables(slot, limit=MAX_TENSORS, what="names in a signature")
            }
            for slot in (SignatureSlot.INPUTS, SignatureSlot.OUTPUTS)
        ]
        inputs, outputs = set(graphs[number].inputs), set(graphs[number].outputs)
        if set(maps[0].values()) != inputs or not set(maps[1].values()) <= outputs:
            raise table.damaged(f"the signature {key!r} names tensors that are no inputs or outputs")
        found.append(SignatureInfo(key, maps[0], maps[1], int(number)))
    return tuple(found)


def _entries(model: Table, buffers: int) -> tuple[str, ...]:
    names = []
    for entry in model.tables(ModelSlot.METADATA, limit=MAX_TENSORS, what="metadata entries"):
        name, index = entry.text(MetadataSlot.NAME), entry.number(MetadataSlot.BUFFER, "I")
        if index >= buffers:
            raise model.damaged(f"the metadata entry {name!r} has buffer {index} of {buffers}")
        names.append(name)
    return tuple(names)
