"""In what order the tensors of a file from outside are made and read, and how many live at once."""

from collections.abc import Sequence

import numpy as np

from efficientnet_lite.strangers.operators import OperatorInfo
from efficientnet_lite.strangers.shapes import spans_of
from efficientnet_lite.strangers.tensors import MAX_RANK, TensorInfo
from efficientnet_lite.tflite.flatbuffer import Reader

Known = dict[int, tuple[int, ...]]


def check_order(
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
    made = set(inputs)
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
            made.add(index)
    for index in outputs:
        if index not in made:
            raise reader.damaged(f"its output {tensors[index].name!r} is made by no operator")


def numbers(data: memoryview, tensor: TensorInfo) -> tuple[int, ...] | None:
    """What a constant holds, where it is a few int32 without a scale: paddings, axes, a size."""
    if tensor.constant_bytes is None or tensor.dtype != "int32" or tensor.scales:
        return None
    if tensor.elements > 2 * MAX_RANK:
        return None
    return tuple(np.frombuffer(data, "<i4", tensor.elements, tensor.data_at).tolist())


def computed_numbers(
    operator: OperatorInfo, tensors: Sequence[TensorInfo], known: Known
) -> tuple[int, ...] | None:
    """What an operator makes of shapes and constants alone: a new shape, where the batch is open."""
    first = tensors[operator.inputs[0]] if operator.inputs else None
    if operator.name == "SHAPE" and first is not None:
        return first.shape
    if not operator.inputs or any(index not in known for index in operator.inputs):
        return None
    values = [known[index] for index in operator.inputs]
    if operator.name == "PACK":
        return tuple(value[0] for value in values if len(value) == 1)
    if operator.name == "STRIDED_SLICE" and first is not None and len(first.shape) == 1 and len(values) == 4:
        spans = spans_of(first.shape, operator.options, *values[1:])
        return tuple(values[0][place] for place in spans[0]) if spans else None
    return None


def arena_bytes(
    tensors: Sequence[TensorInfo],
    operators: Sequence[OperatorInfo],
    inputs: Sequence[int],
    outputs: Sequence[int],
    fixed: set[int],
) -> int:
    """The most bytes that tensors alive at once take: from the operator that makes one to its last reader.

    Those that are `fixed`, the same in every run, are apart.
    """
    last = {index: place for place, operator in enumerate(operators) for index in operator.inputs}
    last.update(dict.fromkeys(outputs, len(operators)))
    ending = [0] * (len(operators) + 1)  # bytes that end with each operator
    alive = most = sum(tensors[index].memory_bytes for index in inputs)
    for place, operator in enumerate(operators):
        for index in set(operator.outputs) - fixed:
            alive += tensors[index].memory_bytes
            ending[last.get(index, place)] += tensors[index].memory_bytes
        most = max(most, alive)
        alive -= ending[place]
    return most
