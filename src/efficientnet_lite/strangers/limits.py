"""What an accelerator asks of an operator, one function for each question: the rows of `accelerators.py` name them.

Each gives the tensor that the answer is about and what was found, or None where the limit is kept.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from efficientnet_lite.strangers.operators import OperatorInfo
from efficientnet_lite.strangers.order import numbers
from efficientnet_lite.strangers.tensors import TensorInfo

# What a broken limit leads to: the whole file is refused; the operator stays on the CPU; it maps only with an
# option of the delegate; nobody here knows.
Effect = Literal["refused", "cpu", "option", "unknown"]
Broken = tuple[TensorInfo, str] | None

_POOL_ACTIVATION, _MULTIPLIER = 5, 3  # slots of options
_DILATION_SLOTS = {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 5}  # width; height follows


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a row or a limit comes from."""

    text: str
    seen: bool  # read there; where not, it is remembered or concluded, and the output says "unverified"


class Place(NamedTuple):
    """One operator with what is around it."""

    data: memoryview
    tensors: Sequence[TensorInfo]
    operator: OperatorInfo

    @property
    def output(self) -> TensorInfo:
        """The first of them."""
        return self.tensors[self.operator.outputs[0]]

    def input(self, place: int) -> TensorInfo:
        """Input number `place`: every form of the operators below has it."""
        return self.tensors[self.operator.inputs[place]]

    def all(self) -> Iterator[TensorInfo]:
        """Inputs and outputs."""
        return (self.tensors[i] for i in (*self.operator.inputs, *self.operator.outputs) if i >= 0)

    def computed(self) -> Iterator[TensorInfo]:
        return (tensor for tensor in self.all() if tensor.constant_bytes is None)

    def constants(self) -> Iterator[TensorInfo]:
        return (tensor for tensor in self.all() if tensor.constant_bytes is not None)

    def numbers(self, place: int) -> list[int] | None:
        """The numbers of a short constant of int32; None where that input is no such thing."""
        found = numbers(self.data, self.input(place))
        return None if found is None else list(found)


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that a target asks of an operator."""

    says: str
    broken: Callable[[Place], Broken]
    source: Evidence
    effect: Effect = "cpu"


def _first(tensors: Iterator[TensorInfo], wrong: Callable[[TensorInfo], object], found: str = "") -> Broken:
    """The first tensor with which something is wrong, and what: `found`, else its shape."""
    return next(((each, found or f"the shape {list(each.shape)}") for each in tensors if wrong(each)), None)


def fixed_shapes(place: Place) -> Broken:
    return _first(place.all(), lambda each: each.dynamic, "its shape may change")


def computed_types(*types: str) -> Callable[[Place], Broken]:
    """Broken where something computed has another type."""
    return lambda place: next(
        ((each, each.dtype) for each in place.computed() if each.dtype not in types), None
    )


def constant_types(*types: str) -> Callable[[Place], Broken]:
    """Broken where a constant has another type."""
    return lambda place: next(
        ((each, each.dtype) for each in place.constants() if each.dtype not in types), None
    )


def parameters_constant(place: Place) -> Broken:
    if place.operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return None
    parameters = (place.tensors[index] for index in place.operator.inputs[1:] if index >= 0)
    return _first(parameters, lambda each: each.constant_bytes is None, "it is computed")


def inner_dimensions(most: int) -> Callable[[Place], Broken]:
    """Broken where a side before the `most` innermost exceeds 1."""
    return lambda place: _first(place.computed(), lambda each: math.prod(each.shape[:-most]) > 1)


def rank(most: int) -> Callable[[Place], Broken]:
    return lambda place: _first(place.computed(), lambda each: len(each.shape) > most)


def input_flat(place: Place) -> Broken:
    return _first(iter([place.input(0)]), lambda each: math.prod(each.shape[:-1]) > 1)


def output_flat(place: Place) -> Broken:
    return _first(iter([place.output]), lambda each: math.prod(each.shape[:-1]) > 1)


def always(place: Place) -> Broken:
    return _first(iter([place.output]), lambda each: True)


def axes_without_batch(place: Place) -> Broken:
    first, axes = place.input(0), place.numbers(1)
    wrong = axes is None or any(axis % len(first.shape) == 0 for axis in axes)
    return (first, f"axes {axes}") if wrong else None


def channels_multiple(of: int) -> Callable[[Place], Broken]:
    """Broken where a reduction takes the channels, and these are no multiple of `of`."""

    def broken(place: Place) -> Broken:
        first, axes = place.input(0), place.numbers(1) or []
        last = len(first.shape) - 1
        reduced = any(axis % len(first.shape) == last for axis in axes)
        return (first, f"{first.shape[last]} channels") if reduced and first.shape[last] % of else None

    return broken


def axes_constant(place: Place) -> Broken:
    return (place.input(1), "they are not") if place.numbers(1) is None else None


def padding_without_batch(place: Place) -> Broken:
    paddings = place.numbers(1)
    return (place.input(1), f"paddings {paddings}") if paddings is None or any(paddings[:2]) else None


def padding_rows(place: Place) -> Broken:
    return _first(iter([place.input(1)]), lambda each: each.shape not in ((3, 2), (4, 2)))


def no_activation(place: Place) -> Broken:
    code = int(place.operator.options[_POOL_ACTIVATION])
    return (place.output, f"activation {code}") if code else None


def same_dilation(place: Place) -> Broken:
    slot = _DILATION_SLOTS[place.operator.name]
    width, height = place.operator.options[slot : slot + 2]
    return (place.output, f"dilations {height:g} and {width:g}") if width != height else None


def per_tensor(place: Place) -> Broken:
    kernel = place.input(1)
    return (kernel, f"{kernel.scales} scales") if kernel.scales > 1 else None


def input_elements(most: int) -> Callable[[Place], Broken]:
    def broken(place: Place) -> Broken:
        first = place.input(0)
        return (first, f"{first.elements:,} elements") if first.elements > most else None

    return broken


def multiplier_one(place: Place) -> Broken:
    first, multiplier = place.input(0), place.operator.options[_MULTIPLIER]
    return (first, f"a multiplier of {multiplier:g}") if multiplier != 1 and first.shape[3] != 1 else None


def two_with_constant(place: Place) -> Broken:
    count = len(place.operator.inputs)
    return _first(place.constants(), lambda each: count != 2, f"{count} inputs")


def covers(place: Place) -> Broken:
    one, other = place.input(0), place.input(1)
    if len(one.shape) != len(other.shape):
        return None
    differ = [a - b for a, b in zip(one.shape, other.shape, strict=True)]
    wrong = min(differ, default=0) < 0 < max(differ, default=0)
    return (one, f"the shape {list(one.shape)} with {list(other.shape)}") if wrong else None
