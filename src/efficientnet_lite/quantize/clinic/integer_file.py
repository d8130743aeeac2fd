"""The integers of an int8 `.tflite` file of ours, by the plan's names: what `write_int8` put into it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.network.plan import (
    INPUT,
    PROBABILITIES,
    VARIANTS,
    Add,
    Conv,
    Dense,
    Plan,
    Step,
    make_plan,
)
from efficientnet_lite.photos.classes import some
from efficientnet_lite.strangers.operators import OperatorInfo
from efficientnet_lite.strangers.structure import CheckedModel, check_model
from efficientnet_lite.strangers.tensors import TensorInfo
from efficientnet_lite.tflite.flatbuffer import Reader
from efficientnet_lite.tflite.float import needed_steps, options, tensors_of
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork
from efficientnet_lite.tflite.metadata import read_entries
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, SOFTMAX_SCALE, Scale
from efficientnet_lite.tflite.slots import (
    MODEL_IDENTIFIER,
    ModelSlot,
    QuantizationSlot,
    SubGraphSlot,
    TensorSlot,
)

COMPUTING = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "AVERAGE_POOL_2D", "FULLY_CONNECTED", "SOFTMAX")
_MOST = 10_000  # tensors; `check_model` allows no more


@dataclass(frozen=True, slots=True)
class IntegerFile:
    """An int8 file, taken apart."""

    identity: Identity
    plan: Plan  # up to the features where the file has no classes
    network: IntegerNetwork


def read_integers(data: bytes, *, where: Path | str) -> IntegerFile:
    """The network in `data`, whose structure is checked as a stranger's before.

    Raises:
        ArtifactError: it is damaged, no int8 file, none of ours, or has another form than ours have.
    """
    checked = check_model(data, where=where)
    entries = read_entries(data, where=where)
    if OWN_ENTRY not in entries:
        raise ArtifactError(
            "this file is not one that `export` or `train` of this package wrote, so nothing says which float "
            "network it came from",
            where=where,
            fix="give an int8 .tflite file of this package, or a run",
        )
    identity = Identity.from_bytes(entries[OWN_ENTRY], where=where)
    if identity.precision != "int8":
        raise ArtifactError(
            f"the file is {identity.precision}, and what int8 costs is measured on an int8 file",
            where=where,
            fix='make one with `export` (`precision="int8"`), and give that',
        )
    if identity.quantization is not None and identity.quantization.kept:
        raise ArtifactError(
            f"some of its layers compute in float, and only whole int8 files are looked at: "
            f"{some(identity.quantization.kept)}",
            where=where,
            fix="export it without them (`keep=`), and give that",
        )
    plan = _plan(identity, where)
    try:
        network = _network(checked, _Constants(data, checked, where), plan, identity.outputs)
    except ValueError as error:
        raise ArtifactError(
            f"its graph is not the one that its metadata name: {error}", where=where, fix="export it again"
        ) from error
    return IntegerFile(identity, plan, network)


def _plan(identity: Identity, where: Path | str) -> Plan:
    if identity.variant not in VARIANTS:
        raise ArtifactError(
            f"its variant {identity.variant[:40]!r} is not known", where=where, fix="export the model again"
        )
    return make_plan(VARIANTS[identity.variant], size=identity.contract.size, classes=identity.classes)


class _Constants:
    """Arrays of constant tensors, and scales of all, by the index of the tensor."""

    def __init__(self, data: bytes, checked: CheckedModel, where: Path | str) -> None:
        reader = Reader(data, identifier=MODEL_IDENTIFIER, kind="a TFLite model", where=where)
        graphs = reader.root.tables(ModelSlot.SUBGRAPHS, limit=_MOST, what="subgraphs")
        if len(graphs) != 1:
            raise ArtifactError("it has several graphs", where=where, fix="export the model again")
        self._tables = graphs[0].tables(SubGraphSlot.TENSORS, limit=_MOST, what="tensors")
        self._view, self._tensors = reader.view, checked.tensors

    def array(self, index: int, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """The constant; raises ValueError where it has another type or shape."""
        tensor = self._tensors[index]
        if tensor.constant_bytes is None or (tensor.dtype, tensor.shape) != (dtype, shape):
            raise ValueError(
                f"{tensor.name[:80]!r} is {tensor.dtype} {tensor.shape}, expected {dtype} {shape}"
            )
        kind = np.dtype(dtype).newbyteorder("<")
        return np.frombuffer(self._view, kind, tensor.elements, tensor.data_at).reshape(shape).astype(dtype)

    def scales(self, index: int) -> npt.NDArray[np.float32]:
        table = self._tables[index].table(TensorSlot.QUANTIZATION)
        if table is None:
            raise ValueError(f"{self._tensors[index].name[:80]!r} has no scales")
        return table.array(QuantizationSlot.SCALE, "<f4").astype(np.float32)


def _network(
    checked: CheckedModel, constants: _Constants, plan: Plan, outputs: Sequence[str]
) -> IntegerNetwork:
    """Raises ValueError where operators, their order or their arrays are not those of the plan."""
    steps = needed_steps(plan, list(tensors_of(plan, outputs).values()))
    operators = [operator for operator in checked.operators if operator.name in COMPUTING]
    if len(operators) != len(steps):
        raise ValueError(f"it has {len(operators)} operators that compute, expected {len(steps)}")
    layers, scales, made = dict[str, IntegerLayer](), {INPUT: INPUT_SCALE}, dict[str, int]()
    for step, operator in zip(steps, operators, strict=True):
        _check_operator(step, operator, made)
        made[step.name] = operator.outputs[0]
        if isinstance(step, Conv | Dense):
            layers[step.name] = _layer(step, operator, constants)
        scales[step.name] = _scale(checked.tensors[operator.outputs[0]])
    if scales.pop(PROBABILITIES, SOFTMAX_SCALE) != SOFTMAX_SCALE:
        raise ValueError("its probabilities have another scale than 1/256")
    return IntegerNetwork(layers, scales)


def _check_operator(step: Step, operator: OperatorInfo, made: dict[str, int]) -> None:
    """Raises ValueError where the operator is another, or reads something else."""
    if operator.name != options(step, 1)[0]:
        raise ValueError(f"{operator.name} stands where {step.name} should be")
    read = [step.source, step.skip] if isinstance(step, Add) else [step.source]
    for name, index in zip(read, operator.inputs, strict=False):
        if made.get(name, index) != index:
            raise ValueError(f"{step.name} does not read {name}")


def _scale(tensor: TensorInfo) -> Scale:
    if tensor.dtype != "int8" or tensor.scale is None or tensor.zero_point is None:
        raise ValueError(f"{tensor.name[:80]!r} is not int8 with one scale (kept in float?)")
    return Scale(tensor.scale, tensor.zero_point)


def _layer(step: Conv | Dense, operator: OperatorInfo, constants: _Constants) -> IntegerLayer:
    _, kernel, bias = operator.inputs
    if isinstance(step, Dense):
        codes = constants.array(kernel, "int8", (step.outputs, step.inputs)).T
    else:
        height, width, inputs, outputs = step.kernel_shape
        stored = (1, height, width, inputs) if step.depthwise else (outputs, height, width, inputs)
        codes = constants.array(kernel, "int8", stored).transpose(1, 2, 3, 0)
    scales = constants.scales(kernel)
    if len(scales) != step.outputs and not (isinstance(step, Dense) and len(scales) == 1):
        raise ValueError(f"{step.name} has {len(scales)} scales for {step.outputs} channels")
    return IntegerLayer(np.ascontiguousarray(codes), scales, constants.array(bias, "int32", (step.outputs,)))
