"""What may come out of a pickle of torch's: descriptions of tensors, and placeholders for everything else.

The names in GLOBALS are compared and never looked up. Any other name is an `Unknown`, which stays one whatever
the pickle does with it: called, filled or given attributes, it takes nothing and runs nothing.

Source: torch/_utils.py (`_rebuild_tensor_v2`, `_rebuild_parameter`, `_rebuild_parameter_with_state`),
torch/_tensor.py (`_rebuild_from_type_v2`), torch/storage.py (`_dtype_to_storage_type_map`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from efficientnet_lite.weights import stored_tensors as dtypes
from efficientnet_lite.weights.stored_tensors import Dtype

MAX_DIMENSIONS = 8
# Elements of a tensor beyond its storage, which `expand` makes; lite4's head has 1.3 million.
MAX_REPEATED = 2**23


class RefusedPickle(Exception):
    """A sound pickle, but of more than weights."""


class MalformedPickle(Exception):
    """No program that torch writes."""


@dataclass(frozen=True, slots=True)
class TorchStorage:
    """A run of `count` numbers that lies elsewhere in the file, under `key`."""

    dtype: Dtype
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class TorchTensor:
    """A view of a storage; `offset` and `stride` count numbers, and every element lies inside."""

    storage: TorchStorage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """In place of an object whose class or function the pickle names: it was neither imported nor called."""

    name: str  # module and name


@dataclass(frozen=True, slots=True)
class Function:
    """A name that the pickle may call; `build` makes what the call would have given."""

    name: str
    build: Callable[[tuple[Any, ...]], Any]


def _empty_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if arguments:
        raise RefusedPickle("an OrderedDict with contents in its call")
    return {}


def _default_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    return {}  # the argument makes missing values, and none is missed here


def _tensor(arguments: tuple[Any, ...]) -> TorchTensor:
    """A tensor whose every element lies inside of its storage; a seventh argument is torch's metadata."""
    if len(arguments) not in (6, 7):
        raise MalformedPickle(f"a tensor is made of {len(arguments)} parts, expected 6 or 7")
    storage, offset, shape, stride = arguments[:4]
    if type(storage) is not TorchStorage or type(shape) is not tuple or type(stride) is not tuple:
        raise MalformedPickle("the description of a tensor makes no sense")
    if len(shape) != len(stride) or len(shape) > MAX_DIMENSIONS:
        raise MalformedPickle(f"a tensor has {len(shape)} sizes and {len(stride)} strides")
    if not all(type(number) is int and 0 <= number < 2**63 for number in (offset, *shape, *stride)):
        raise MalformedPickle("an offset, size or stride of a tensor is no whole number of at least 0")
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    elements = math.prod(shape)
    if elements and (last >= storage.count or elements > max(storage.count, MAX_REPEATED)):
        raise MalformedPickle(
            f"a tensor of {elements:,} elements reaches number {last:,} of a storage of {storage.count:,}"
        )
    return TorchTensor(storage, offset, shape, stride)


def _parameter(arguments: tuple[Any, ...]) -> TorchTensor:
    if len(arguments) not in (3, 4) or type(arguments[0]) is not TorchTensor:
        raise MalformedPickle("the description of a parameter makes no sense")
    return arguments[0]


def _old_tensor(arguments: tuple[Any, ...]) -> TorchTensor:
    """A tensor as torch described it until 2018."""
    if len(arguments) != 4:
        raise MalformedPickle(f"a tensor is made of {len(arguments)} parts, expected 4")
    return _tensor((*arguments, False, None))


def _with_attributes(arguments: tuple[Any, ...]) -> Any:
    """A tensor with attributes of its own, which are dropped; of an unknown class it is as unknown."""
    if len(arguments) != 4 or type(arguments[0]) not in (Function, Unknown):
        raise MalformedPickle("the description of a tensor with attributes makes no sense")
    function, parts = arguments[0], arguments[2]
    if type(function) is Unknown:
        return function
    if function.build not in (_tensor, _parameter) or type(parts) is not tuple:
        raise MalformedPickle("the description of a tensor with attributes makes no sense")
    return function.build(parts)


GLOBALS: dict[str, Function | Dtype] = {
    "collections OrderedDict": Function("OrderedDict", _empty_dict),
    "collections defaultdict": Function("defaultdict", _default_dict),
    "torch._utils _rebuild_tensor_v2": Function("_rebuild_tensor_v2", _tensor),
    "torch._utils _rebuild_tensor": Function("_rebuild_tensor", _old_tensor),
    "torch._tensor _rebuild_from_type_v2": Function("_rebuild_from_type_v2", _with_attributes),
    "torch._utils _rebuild_parameter": Function("_rebuild_parameter", _parameter),
    "torch._utils _rebuild_parameter_with_state": Function("_rebuild_parameter_with_state", _parameter),
    "torch DoubleStorage": dtypes.FLOAT64,
    "torch FloatStorage": dtypes.FLOAT32,
    "torch HalfStorage": dtypes.FLOAT16,
    "torch BFloat16Storage": dtypes.BFLOAT16,
    "torch LongStorage": dtypes.INT64,
    "torch IntStorage": dtypes.INT32,
    # Beside the weights: masks, the state of a random generator, quantized copies.
    "torch ShortStorage": dtypes.INT16,
    "torch CharStorage": dtypes.INT8,
    "torch ByteStorage": dtypes.UINT8,
    "torch BoolStorage": dtypes.BOOL,
    "torch ComplexFloatStorage": Dtype("complex64", "<c8"),
    "torch ComplexDoubleStorage": Dtype("complex128", "<c16"),
    "torch QUInt8Storage": Dtype("quint8", "|u1"),
    "torch QInt8Storage": Dtype("qint8", "|i1"),
    "torch QInt32Storage": Dtype("qint32", "<i4"),
    "torch.storage UntypedStorage": Dtype("bytes", "|u1"),
    "torch UntypedStorage": Dtype("bytes", "|u1"),
}
