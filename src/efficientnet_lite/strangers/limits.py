"""One function for each question that the rules of `targets.py` ask of an operator.

Each gives the tensor that the answer is about and what was found, or None where the rule is kept.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from efficientnet_lite.strangers.accelerators import Check, Rule
from efficientnet_lite.strangers.operators import OperatorInfo
from efficientnet_lite.strangers.tensors import MAX_RANK, TensorInfo

_POOL_ACTIVATION, _SHRUNKEN_AXES = 5, 4  # slots of options
_DILATION_SLOTS = {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 5}  # width; height follows


class Place(NamedTuple):
    """One operator with what is around it."""

    data: memoryview
    tensors: Sequence[TensorInfo]
    operator: OperatorInfo

    def input(self, place: int) -> TensorInfo | None:
        """Input number `place`, None where there is none."""
        indices = self.operator.inputs
        return self.tensors[indices[place]] if place < len(indices) and indices[place] >= 0 else None

    def all(self) -> Iterator[TensorInfo]:
        """Inputs and outputs."""
        return (self.tensors[i] for i in (*self.operator.inputs, *self.operator.outputs) if i >= 0)

    def computed(self) -> Iterator[TensorInfo]:
        return (tensor for tensor in self.all() if tensor.constant_bytes is None)

    def numbers(self, place: int) -> list[int] | None:
        """The numbers of a short constant of int32; None where that input is no such thing."""
        tensor = self.input(place)
        if tensor is None or tensor.constant_bytes is None or tensor.dtype != "int32":
            return None
        if tensor.elements > 2 * MAX_RANK:
            return None
        return [int(n) for n in np.frombuffer(self.data, "<i4", tensor.elements, tensor.data_at)]


Broken = tuple[TensorInfo, str] | None


def _first(tensors: Iterator[TensorInfo], wrong: Callable[[TensorInfo], str | None]) -> Broken:
    """The first tensor with which something is wrong."""
    return next(((tensor, found) for tensor in tensors if (found := wrong(tensor)) is not None), None)


def _output(place: Place) -> TensorInfo:
    return place.tensors[place.operator.outputs[0]]


def _when(wrong: object, tensor: TensorInfo | None, found: str) -> Broken:
    return (tensor, found) if wrong and tensor is not None else None


def _shape(tensor: TensorInfo) -> str:
    return f"the shape {list(tensor.shape)}"


def _flat(tensor: TensorInfo | None) -> Broken:
    """Broken where more than the innermost dimension exceeds 1."""
    if tensor is None:
        return None
    return _when(math.prod(tensor.shape[:-1]) > 1, tensor, _shape(tensor))


def _fixed_shapes(place: Place, rule: Rule) -> Broken:
    return _first(place.all(), lambda each: "its shape may change" if each.dynamic else None)


def _computed_types(place: Place, rule: Rule) -> Broken:
    return _first(place.computed(), lambda each: None if each.dtype in rule.types else each.dtype)


def _constant_types(place: Place, rule: Rule) -> Broken:
    constants = (each for each in place.all() if each.constant_bytes is not None)
    return _first(constants, lambda each: None if each.dtype in rule.types else each.dtype)


def _parameters_constant(place: Place, rule: Rule) -> Broken:
    if place.operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return None
    parameters = (place.tensors[i] for i in place.operator.inputs[1:] if i >= 0)
    return _first(parameters, lambda each: "it is computed" if each.constant_bytes is None else None)


def _inner_dimensions(place: Place, rule: Rule) -> Broken:
    return _first(
        place.computed(),
        lambda each: _shape(each) if math.prod(each.shape[: -rule.limit]) > 1 else None,
    )


def _rank(place: Place, rule: Rule) -> Broken:
    return _first(place.computed(), lambda each: _shape(each) if len(each.shape) > rule.limit else None)


def _axes(place: Place) -> list[int] | None:
    """The axes of a reduction, from 0; None where they are not constant."""
    numbers, first = place.numbers(1), place.input(0)
    if numbers is None or first is None or not first.shape:
        return None
    return [axis % len(first.shape) for axis in numbers]


def _axes_without_batch(place: Place, rule: Rule) -> Broken:
    axes = _axes(place)
    return _when(axes is None or 0 in axes, place.input(0), f"axes {axes}")


def _channels_multiple(place: Place, rule: Rule) -> Broken:
    axes, first = _axes(place), place.input(0)
    if axes is None or first is None:
        return None
    last = len(first.shape) - 1
    return _when(last in axes and first.shape[last] % rule.limit, first, f"{first.shape[last]} channels")


def _axes_constant(place: Place, rule: Rule) -> Broken:
    return _when(_axes(place) is None, place.input(1), "they are not")


def _split_without_batch(place: Place, rule: Rule) -> Broken:
    axis, split = place.numbers(0), place.input(1)
    if axis is None or split is None or not split.shape:
        return _when(True, place.input(0), "the axis is no constant")
    return _when(any(each % len(split.shape) == 0 for each in axis), split, f"axis {axis}")


def _pack_without_batch(place: Place, rule: Rule) -> Broken:
    output = _output(place)
    axis = int(place.operator.options[1])
    return _when(axis % len(output.shape) == 0, output, f"axis {axis}")


def _padding_without_batch(place: Place, rule: Rule) -> Broken:
    paddings = place.numbers(1)
    return _when(paddings is None or any(paddings[:2]), place.input(1), f"paddings {paddings}")


def _padding_rows(place: Place, rule: Rule) -> Broken:
    paddings = place.input(1)
    wrong = paddings is not None and (len(paddings.shape) != 2 or paddings.shape[0] not in (3, 4))
    return _when(wrong, paddings, _shape(paddings) if paddings else "")


def _no_activation(place: Place, rule: Rule) -> Broken:
    code = int(place.operator.options[_POOL_ACTIVATION])
    return _when(code, _output(place), f"activation {code}")


def _same_dilation(place: Place, rule: Rule) -> Broken:
    slot = _DILATION_SLOTS[place.operator.name]
    width, height = place.operator.options[slot : slot + 2]
    return _when(width != height, _output(place), f"dilations {height:g} and {width:g}")


def _rank_kept(place: Place, rule: Rule) -> Broken:
    first, output = place.input(0), _output(place)
    keeps = place.operator.options[2] and first is not None
    return _when(keeps and first and len(first.shape) != len(output.shape), output, _shape(output))


def _per_tensor(place: Place, rule: Rule) -> Broken:
    kernel = place.input(1)
    return _when(kernel and kernel.scales > 1, kernel, f"{kernel.scales if kernel else 0} scales")


def _input_elements(place: Place, rule: Rule) -> Broken:
    return _first(
        (each for each in [place.input(0)] if each),
        lambda each: f"{each.elements:,} elements" if each.elements > rule.limit else None,
    )


def _multiplier_one(place: Place, rule: Rule) -> Broken:
    first, multiplier = place.input(0), place.operator.options[3]
    return _when(multiplier != 1 and first and first.shape[3] != 1, first, f"a multiplier of {multiplier:g}")


def _two_with_constant(place: Place, rule: Rule) -> Broken:
    constants = [each for each in place.all() if each.constant_bytes is not None]
    wrong = constants and len(place.operator.inputs) != 2
    return _when(wrong, constants[0] if constants else None, f"{len(place.operator.inputs)} inputs")


def _covers(place: Place, rule: Rule) -> Broken:
    one, other = place.input(0), place.input(1)
    if one is None or other is None or len(one.shape) != len(other.shape):
        return None
    sides = list(zip(one.shape, other.shape, strict=True))
    wrong = any(a < b for a, b in sides) and any(a > b for a, b in sides)
    return _when(wrong, one, f"{_shape(one)} with {list(other.shape)}")


def _unit_strides(place: Place, rule: Rule) -> Broken:
    strides = place.numbers(3)
    return _when(strides is None or set(strides) != {1}, place.input(3), f"strides {strides}")


def _no_shrunken_axis(place: Place, rule: Rule) -> Broken:
    mask = int(place.operator.options[_SHRUNKEN_AXES])
    return _when(mask, _output(place), f"mask {mask}")


CHECKS: dict[Check, Callable[[Place, Rule], Broken]] = {
    "always": lambda place, rule: (_output(place), _shape(_output(place))),
    "axes_constant": _axes_constant,
    "axes_without_batch": _axes_without_batch,
    "channels_multiple": _channels_multiple,
    "computed_types": _computed_types,
    "constant_types": _constant_types,
    "covers": _covers,
    "fixed_shapes": _fixed_shapes,
    "inner_dimensions": _inner_dimensions,
    "input_elements": _input_elements,
    "input_flat": lambda place, rule: _flat(place.input(0)),
    "multiplier_one": _multiplier_one,
    "no_activation": _no_activation,
    "no_shrunken_axis": _no_shrunken_axis,
    "output_flat": lambda place, rule: _flat(_output(place)),
    "pack_without_batch": _pack_without_batch,
    "padding_rows": _padding_rows,
    "padding_without_batch": _padding_without_batch,
    "parameters_constant": _parameters_constant,
    "per_tensor": _per_tensor,
    "rank": _rank,
    "rank_kept": _rank_kept,
    "same_dilation": _same_dilation,
    "second_flat": lambda place, rule: _flat(place.input(1)),
    "split_without_batch": _split_without_batch,
    "two_with_constant": _two_with_constant,
    "unit_strides": _unit_strides,
}
