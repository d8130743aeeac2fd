"""The values in a pickle of torch's weights, from a machine that can build nothing else.

A pickle is a program, and Python's own reader calls whatever the program names. This machine knows
the instructions that a saved state dict needs and a handful of names, which it compares and never
looks up. It can make text, numbers, tuples, lists, dicts and descriptions of tensors; any other
instruction or name is refused. Time and memory are linear in the bytes read: each instruction adds
a bounded amount, and only text and whole numbers can be keys, since the hash of a tuple that
contains itself twice, thirty levels deep, would never be done.

Source: CPython, Lib/pickletools.py (instructions of protocol 2); torch/_utils.py
(`_rebuild_tensor_v2`, `_rebuild_parameter`) and torch/serialization.py (`persistent_id`).
"""

import math
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.checkpoints.tensors import BFLOAT16, FLOAT16, FLOAT32, INT64, Dtype, damaged
from efficientnet_lite.errors import CheckpointError, printable

MAX_NAME_BYTES = 200  # of a module or a global; the longest that is allowed has 27
MAX_DIMENSIONS = 8
MAX_INSTRUCTIONS = 500_000  # lite1 has 19,000; an empty dict costs 1 byte here and 64 in memory
STATE_DICT_ONLY = "save the weights alone, torch.save(model.state_dict(), FILE), and use that file"


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of `count` numbers that lies elsewhere in the file, under `key`."""

    dtype: Dtype
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage; `offset` and `stride` count numbers, and every element lies inside."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Function:
    """A name that the pickle may call; `build` makes what the call would have given."""

    name: str
    build: Callable[[tuple[Any, ...]], Any]


def load(data: bytes, start: int, where: Path | str) -> tuple[Any, int]:
    """The value of the pickle that begins at `start`, and the position behind it.

    Raises CheckpointError, which names the byte, where the pickle is damaged or asks for anything
    that a state dict does not need.
    """
    machine = _Machine(data, start)
    try:
        return machine.run(), machine.position
    except _Refused as refused:
        raise CheckpointError(
            f"the pickle asks for {refused}, at byte {machine.last:,}, and was not executed",
            where=where,
            fix=STATE_DICT_ONLY,
        ) from None
    except (_Malformed, IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, _Malformed) else "the pickle breaks off or makes no sense"
        raise damaged(f"{reason}, at byte {machine.last:,}", where) from error


class _Refused(Exception):
    """A sound pickle, but of more than weights."""


class _Malformed(Exception):
    """No program that torch writes."""


class _Machine:
    """A stack, the stacks below the open marks, and a memo, as in CPython's `pickle._Unpickler`."""

    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        self.position = start
        self.last = start  # where the present instruction begins, for messages
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Carry out instructions up to STOP and give the value on top."""
        for _ in range(MAX_INSTRUCTIONS):
            self.last = self.position
            code = self.data[self.position]
            self.position += 1
            if code == _STOP:
                return self.stack.pop()
            action = _ACTIONS.get(code)
            if action is None:
                raise _Refused(f"the instruction {bytes([code])!r}")
            action(self)
        raise _Refused(f"more than {MAX_INSTRUCTIONS:,} instructions")

    def take(self, count: int) -> bytes:
        chunk = self.data[self.position : self.position + count]
        if len(chunk) != count:
            raise _Malformed("it ends in the middle of an instruction")
        self.position += count
        return chunk

    def number(self, form: str) -> int:
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def line(self) -> str:
        end = self.data.find(b"\n", self.position, self.position + MAX_NAME_BYTES)
        if end < 0:
            raise _Malformed(f"a name has more than {MAX_NAME_BYTES} bytes")
        return self.take(end + 1 - self.position)[:-1].decode("ascii", "backslashreplace")

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def tuple_since_mark(self) -> None:
        items = self.since_mark()
        self.stack.append(tuple(items))

    def protocol(self) -> None:
        if (version := self.number("<B")) != 2:
            raise _Refused(f"pickle protocol {version} instead of 2")

    def look_up(self) -> None:
        name = f"{self.line()} {self.line()}"
        if name not in _GLOBALS:
            raise _Refused(f"the Python object '{printable(name)}'")
        self.stack.append(_GLOBALS[name])

    def text(self) -> None:
        self.stack.append(self.take(self.number("<I")).decode())

    def long(self) -> None:
        self.stack.append(int.from_bytes(self.take(self.number("<B")), "little", signed=True))

    def real(self) -> None:
        self.stack.append(struct.unpack(">d", self.take(8))[0])

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise _Malformed(f"a tuple of {count} is made of {len(self.stack)}")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise _Malformed("items are put into what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int):
                raise _Malformed("a key of a dict is neither text nor a whole number")
            target[key] = value

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise _Malformed("items are put into what is no list")
        target.extend(items)

    def persistent(self) -> None:
        parts = self.stack.pop()
        if type(parts) is not tuple or len(parts) not in (5, 6):
            raise _Malformed("the description of a storage has not 5 or 6 parts")
        tag, dtype, key, location, count = parts[:5]
        if tag != "storage" or type(dtype) is not Dtype or type(key) is not str or type(location) is not str:
            raise _Malformed("the description of a storage makes no sense")
        if type(count) is not int or not 0 <= count < 2**63:
            raise _Malformed("the length of a storage is no whole number of at least 0")
        if parts[5:] not in ((), (None,)):
            raise _Refused("a view of a storage, which torch has not written since 2017")
        self.stack.append(Storage(dtype, key, count))

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not _Function or type(arguments) is not tuple:
            raise _Refused("a call of what is no function")
        self.stack.append(function.build(arguments))

    def build(self) -> None:
        self.stack.pop()  # attributes of an OrderedDict: the versions of torch's modules, of no use here
        if type(self.stack[-1]) is not dict:
            raise _Refused("attributes on what is no dict")


def _empty_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if arguments:
        raise _Refused("an OrderedDict with contents in its call")
    return {}


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    """A tensor whose every element lies inside of its storage; a seventh argument is torch's metadata."""
    if len(arguments) not in (6, 7):
        raise _Malformed(f"a tensor is made of {len(arguments)} parts, expected 6 or 7")
    storage, offset, shape, stride = arguments[:4]
    if type(storage) is not Storage or type(shape) is not tuple or type(stride) is not tuple:
        raise _Malformed("the description of a tensor makes no sense")
    if len(shape) != len(stride) or len(shape) > MAX_DIMENSIONS:
        raise _Malformed(f"a tensor has {len(shape)} sizes and {len(stride)} strides")
    if not all(type(number) is int and 0 <= number < 2**63 for number in (offset, *shape, *stride)):
        raise _Malformed("an offset, size or stride of a tensor is no whole number of at least 0")
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    elements = math.prod(shape)
    if elements and (last >= storage.count or elements > storage.count):
        raise _Malformed(
            f"a tensor of {elements:,} elements reaches number {last:,} of a storage of {storage.count:,}"
        )
    return Tensor(storage, offset, shape, stride)


def _parameter(arguments: tuple[Any, ...]) -> Tensor:
    if len(arguments) != 3 or type(arguments[0]) is not Tensor:
        raise _Malformed("the description of a parameter makes no sense")
    return arguments[0]


_GLOBALS: dict[str, _Function | Dtype] = {
    "collections OrderedDict": _Function("OrderedDict", _empty_dict),
    "torch._utils _rebuild_tensor_v2": _Function("_rebuild_tensor_v2", _tensor),
    "torch._utils _rebuild_parameter": _Function("_rebuild_parameter", _parameter),
    "torch FloatStorage": FLOAT32,
    "torch HalfStorage": FLOAT16,
    "torch BFloat16Storage": BFLOAT16,
    "torch LongStorage": INT64,
}


def _put(form: str) -> Callable[[_Machine], None]:
    def action(machine: _Machine) -> None:
        machine.memo[machine.number(form)] = machine.stack[-1]

    return action


def _get(form: str) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(machine.memo[machine.number(form)])


def _whole(form: str) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(machine.number(form))


def _constant(value: object) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(value)


_STOP = pickle.STOP[0]
_ACTIONS: dict[int, Callable[[_Machine], None]] = {
    code[0]: action
    for code, action in (
        (pickle.PROTO, _Machine.protocol),
        (pickle.GLOBAL, _Machine.look_up),
        (pickle.BINPUT, _put("<B")),
        (pickle.LONG_BINPUT, _put("<I")),
        (pickle.BINGET, _get("<B")),
        (pickle.LONG_BINGET, _get("<I")),
        (pickle.NONE, _constant(None)),
        (pickle.NEWTRUE, _constant(True)),
        (pickle.NEWFALSE, _constant(False)),
        (pickle.BININT, _whole("<i")),
        (pickle.BININT1, _whole("<B")),
        (pickle.BININT2, _whole("<H")),
        (pickle.LONG1, _Machine.long),
        (pickle.BINFLOAT, _Machine.real),  # a learning rate or a score beside the weights
        (pickle.BINUNICODE, _Machine.text),
        (pickle.MARK, _Machine.mark),
        (pickle.EMPTY_TUPLE, _constant(())),
        (pickle.TUPLE1, lambda machine: machine.tuple_of(1)),
        (pickle.TUPLE2, lambda machine: machine.tuple_of(2)),
        (pickle.TUPLE3, lambda machine: machine.tuple_of(3)),
        (pickle.TUPLE, _Machine.tuple_since_mark),
        (pickle.EMPTY_DICT, lambda machine: machine.stack.append({})),
        (pickle.SETITEM, _Machine.set_item),
        (pickle.SETITEMS, lambda machine: machine.set_items(machine.since_mark())),
        (pickle.EMPTY_LIST, lambda machine: machine.stack.append([])),
        (pickle.APPEND, lambda machine: machine.extend([machine.stack.pop()])),
        (pickle.APPENDS, lambda machine: machine.extend(machine.since_mark())),
        (pickle.BINPERSID, _Machine.persistent),
        (pickle.REDUCE, _Machine.call),
        (pickle.BUILD, _Machine.build),
    )
}
