"""Stored tensors -> the parameters of a layer plan, complete and checked, or one error that says all."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.network.naming import (
    SHADOW,
    Dialect,
    Foreign,
    dialect_of,
    foreign_names,
    has_squeeze_and_excite,
    is_no_parameter,
    tf1_scope,
)
from efficientnet_lite.network.plan import DENSE, FROM_TO, VARIANTS, Plan, Variant, make_plan
from efficientnet_lite.weights.stored_tensors import FLOAT32, Stored, some

OTHER_FILE = f"give a checkpoint of {FROM_TO}"


@dataclass(frozen=True, slots=True)
class Fitted:
    """Parameters by the plan's names, float32 and C-contiguous in the plan's layout."""

    parameters: dict[str, NDArray[np.float32]]
    variant: Variant
    classes: int | None  # None: the checkpoint has no dense layer
    head: str | None = None  # the layer that is the dense one, where it has a name of the user's own


def fit(tensors: Mapping[str, Stored], *, where: Path | str, variant: Variant | None, ema: bool) -> Fitted:
    """The parameters that `tensors` hold, whatever dialect they are named in.

    The variant is the one whose names and shapes fit best; then every name and shape must fit, and
    every number must be finite. Step counters and optimizer slots are passed over.
    Raises CheckpointError where that is not so, or where the variant is another than `variant`.
    """
    dialect = dialect_of(tensors)
    if has_squeeze_and_excite(tensors):
        raise CheckpointError(
            "no EfficientNet-Lite: it has squeeze-and-excite, as a full EfficientNet or a MobileNetV3",
            where=where,
            fix=OTHER_FILE,
        )
    if dialect is None:
        raise CheckpointError(
            f"no EfficientNet-Lite: none of its {len(tensors)} tensors has a known name ({some(tensors)})",
            where=where,
            fix=OTHER_FILE,
        )
    if dialect == "tf1":
        tensors = _without_scope(tensors, where, ema=ema)
    tensors = {name: tensor for name, tensor in tensors.items() if not is_no_parameter(name)}
    found = _recognize(tensors, dialect, where)
    if variant is not None and found is not variant:
        raise CheckpointError(
            f"the checkpoint is of {found.name}, expected {variant.name}",
            where=where,
            fix=f"use the model {found.name}, or a checkpoint of {variant.name}",
        )
    table = foreign_names(make_plan(found), dialect)
    _check_kinds(tensors, table, found, where)
    tensors, head = _own_head(tensors, table, dialect)
    classes = _classes(tensors, table)
    plan = make_plan(found, classes=classes)
    table = foreign_names(plan, dialect)
    _check(tensors, table, plan, where)
    parameters = {
        name: _numbers(name, foreign, tensors[foreign.name], where) for name, foreign in table.items()
    }
    return Fitted(parameters, found, classes, head)


def _without_scope(tensors: Mapping[str, Stored], where: Path | str, *, ema: bool) -> dict[str, Stored]:
    """A TF1 checkpoint's variables without scope, each as its moving average (`ema`) or as it is."""
    scope = tf1_scope(tensors)
    raw: dict[str, Stored] = {}
    shadows: dict[str, Stored] = {}
    for name, tensor in tensors.items():
        chosen = shadows if name.endswith(SHADOW) else raw
        chosen[name.removeprefix(scope).removesuffix(SHADOW)] = tensor
    if not ema and (absent := [name for name in shadows if name not in raw]):
        raise CheckpointError(
            f"{len(absent)} variables are there as moving averages only: {some(absent)}",
            where=where,
            fix="read it with the moving averages (ema)",
        )
    return raw | shadows if ema else raw


def _recognize(tensors: Mapping[str, Stored], dialect: Dialect, where: Path | str) -> Variant:
    """The variant with the most names and shapes in common with `tensors`."""
    shapes = {(name, tensor.shape) for name, tensor in tensors.items()}
    score = {}
    for variant in VARIANTS.values():
        table = foreign_names(make_plan(variant, classes=None), dialect)
        fitting = shapes & {(foreign.name, foreign.shape) for foreign in table.values()}
        # Less what is missing: in timm's names all of lite0's tensors are in lite1 as well.
        score[variant.name] = len(fitting) - (len(table) - len(fitting))
    best = max(score, key=lambda name: score[name])
    if score[best] <= 0:  # less than half is there, so "missing" and "left over" would mislead
        raise CheckpointError(
            f"the names are EfficientNet's, but the shapes are of none of {', '.join(VARIANTS)}",
            where=where,
            fix=OTHER_FILE,
        )
    return VARIANTS[best]


def _check_kinds(
    tensors: Mapping[str, Stored], table: Mapping[str, Foreign], variant: Variant, where: Path | str
) -> None:
    """Raise CheckpointError where something else than a tensor stands for a weight."""
    others = {foreign.name for foreign in table.values() if foreign.name in tensors}
    if wrong := [
        f"{name} ({tensors[name].dtype.name})" for name in others if not tensors[name].dtype.numeric
    ]:
        raise CheckpointError(
            f"{len(wrong)} weights of {variant.name} are no tensors: {some(sorted(wrong))}",
            where=where,
            fix="save the weights alone, torch.save(model.state_dict(), FILE), and use that file",
        )


def _own_head(
    tensors: Mapping[str, Stored], table: Mapping[str, Foreign], dialect: Dialect
) -> tuple[Mapping[str, Stored], str | None]:
    """The tensors with a head of the user's own under the dense layer's names, and what it was called.

    That is a single dense layer behind a network that has none, whatever its name; without a bias its bias is 0.
    """
    kernel, bias = table[f"{DENSE}/kernel"], table[f"{DENSE}/bias"]
    tensors = {name: tensor for name, tensor in tensors.items() if tensor.dtype.numeric}
    if dialect == "tf1" or kernel.name in tensors or bias.name in tensors:
        return tensors, None
    known = {foreign.name for foreign in table.values()}
    left = {name for name in tensors if name not in known}
    inputs = 1 if kernel.axes else 0  # torch's dense layers are (out, in)
    own = [
        name
        for name in left
        if len(tensors[name].shape) == 2 and tensors[name].shape[inputs] == kernel.shape[inputs]
    ]
    stem = own[0][: -len(own[0].replace(".", "/").rpartition("/")[2])] if own else ""
    if len(own) != 1 or not left <= {own[0], f"{stem}bias"}:
        return tensors, None
    found = {name: tensor for name, tensor in tensors.items() if name in known}
    found[kernel.name] = tensors[own[0]]
    classes = tensors[own[0]].shape[1 - inputs]
    zeros = Stored(FLOAT32, (classes,), partial(np.zeros, classes, np.float32))
    found[bias.name] = tensors.get(f"{stem}bias", zeros)
    return found, stem[:-1].replace("/", "_")  # `_` in Keras


def _classes(tensors: Mapping[str, Stored], table: Mapping[str, Foreign]) -> int | None:
    """The number of outputs, from the dense layer's bias or else its kernel; None where it has neither."""
    bias = tensors.get(table[f"{DENSE}/bias"].name)
    if bias is not None and len(bias.shape) == 1:
        return bias.shape[0] or None
    foreign = table[f"{DENSE}/kernel"]
    kernel = tensors.get(foreign.name)
    if kernel is not None and len(kernel.shape) == 2:
        return kernel.shape[0 if foreign.axes else 1] or None  # torch's dense layers are (out, in)
    return None


def _check(
    tensors: Mapping[str, Stored], table: Mapping[str, Foreign], plan: Plan, where: Path | str
) -> None:
    """Raise one error that tells all missing, left-over and misshapen tensors; nothing where all fit."""
    expected = {foreign.name: foreign.shape for foreign in table.values()}
    faults = []
    if missing := [name for name in expected if name not in tensors]:
        faults.append(f"{len(missing)} missing: {some(missing)}")
    if surplus := [name for name in tensors if name not in expected]:
        faults.append(f"{len(surplus)} left over: {some(surplus)}")
    if misshapen := [
        f"{name} has {tensors[name].shape}, expected {shape}"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]:
        faults.append(f"{len(misshapen)} of another shape: {some(misshapen)}")
    if others := [
        f"{name} ({tensors[name].dtype.name})"
        for name in expected
        if name in tensors and not tensors[name].dtype.real
    ]:
        faults.append(f"{len(others)} of a type that is no float: {some(others)}")
    if faults:
        raise CheckpointError(
            f"the tensors do not fit {plan.variant.name}: {'; '.join(faults)}",
            where=where,
            fix=f"give a complete checkpoint of {plan.variant.name}",
        )


def _numbers(name: str, foreign: Foreign, tensor: Stored, where: Path | str) -> NDArray[np.float32]:
    """A copy of the tensor in the plan's layout; its own memory, whatever `tensor` views."""
    array = tensor.load()
    if foreign.axes is not None:
        array = array.transpose(foreign.axes)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which is refused below
        numbers = np.array(array, np.float32, order="C")
    fault = None
    if not np.isfinite(numbers).all():
        fault = "NaN or infinite values"
    elif name.endswith("/moving_variance") and numbers.min() < 0:
        fault = f"a negative variance ({numbers.min():.3g})"
    if fault is not None:
        raise CheckpointError(
            f"{name} ({foreign.name} in the file) has {fault}",
            where=where,
            fix="use an earlier checkpoint of that training",
        )
    return numbers
