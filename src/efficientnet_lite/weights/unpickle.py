"""The values in a pickle of torch's weights, from a machine that can build nothing else.

A pickle is a program, and Python's own reader calls whatever the program names. This machine knows
the instructions that torch's files are made of and a handful of names, which it compares and never
looks up. It can make text, numbers, tuples, lists, dicts and descriptions of tensors; an object of any
other name is an inert placeholder (`torch_objects.Unknown`), so that what a training keeps beside the
weights does no harm, and any other instruction is refused. Time and memory are linear in the bytes read:
each instruction adds a bounded amount, and only text and whole numbers can be keys, since the hash of a
tuple that contains itself twice, thirty levels deep, would never be done.

Source: CPython, Lib/pickletools.py (instructions of protocols 2 to 5); torch/serialization.py
(`persistent_id`).
"""

import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.errors import CheckpointError, printable
from efficientnet_lite.weights.stored_tensors import Dtype, damaged
from efficientnet_lite.weights.torch_objects import (
    GLOBALS,
    Function,
    MalformedPickle,
    RefusedPickle,
    TorchStorage,
    TorchTensor,
    Unknown,
)

PROTOCOLS = (2, 3, 4, 5)  # torch writes 2 unless told otherwise
MAX_NAME_BYTES = 200  # of a module or a global; the longest that is known has 44
MAX_INSTRUCTIONS = 1_000_000  # lite4 with averages and an optimizer has 80,000; an empty dict costs 64 bytes
NEWER_PICKLE = "save it again with torch.save(..., FILE), without pickle_protocol"
STATE_DICT_ONLY = "save the weights alone, torch.save(model.state_dict(), FILE), and use that file"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The value of a pickle, the position behind it, and every storage that it mentions, by key."""

    value: Any
    end: int
    storages: dict[str, TorchStorage]


def load(data: bytes, start: int, where: Path | str) -> Loaded:
    """What the pickle that begins at `start` holds.

    Raises CheckpointError, which names the byte, where the pickle is damaged or has an instruction
    that torch never writes.
    """
    if data[start : start + 1] != pickle.PROTO:
        raise CheckpointError(
            f"the pickle at byte {start:,} has protocol 0 or 1, expected 2 to 5",
            where=where,
            fix=NEWER_PICKLE,
        )
    machine = _Machine(data, start)
    try:
        return Loaded(machine.run(), machine.position, machine.storages)
    except RefusedPickle as refused:
        raise CheckpointError(
            f"the pickle asks for {refused}, at byte {machine.last:,}, and was not executed",
            where=where,
            fix=STATE_DICT_ONLY,
        ) from None
    except (MalformedPickle, IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        reason = (
            str(error) if isinstance(error, MalformedPickle) else "the pickle breaks off or makes no sense"
        )
        raise damaged(f"{reason}, at byte {machine.last:,}", where) from error


class _Machine:
    """A stack, the stacks below the open marks, and a memo, as in CPython's `pickle._Unpickler`."""

    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        self.position = start
        self.last = start  # where the present instruction begins, for messages
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, TorchStorage] = {}

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
                raise RefusedPickle(f"the instruction {bytes([code])!r}")
            action(self)
        raise RefusedPickle(f"more than {MAX_INSTRUCTIONS:,} instructions")

    def take(self, count: int) -> bytes:
        chunk = self.data[self.position : self.position + count]
        if len(chunk) != count:
            raise MalformedPickle("it ends in the middle of an instruction")
        self.position += count
        return chunk

    def number(self, form: str) -> int:
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def line(self) -> str:
        end = self.data.find(b"\n", self.position, self.position + MAX_NAME_BYTES)
        if end < 0:
            raise MalformedPickle(f"a name has more than {MAX_NAME_BYTES} bytes")
        return self.take(end + 1 - self.position)[:-1].decode("ascii", "backslashreplace")

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def tuple_since_mark(self) -> None:
        items = self.since_mark()
        self.stack.append(tuple(items))

    def protocol(self) -> None:
        if (version := self.number("<B")) not in PROTOCOLS:
            raise RefusedPickle(f"pickle protocol {version} instead of 2 to 5")

    def look_up(self) -> None:
        self.push_named(self.line(), self.line())

    def look_up_stacked(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(module) is not str or type(name) is not str or len(module) + len(name) > MAX_NAME_BYTES:
            raise MalformedPickle("the name of an object is none")
        self.push_named(module, name)

    def push_named(self, module: str, name: str) -> None:
        full = f"{module} {name}"
        self.stack.append(GLOBALS.get(full) or Unknown(printable(full)))

    def text(self, form: str) -> None:
        self.stack.append(self.take(self.number(form)).decode("utf-8", "surrogatepass"))

    def old_text(self, form: str) -> None:
        """A string of Python 2, where bytes are strings as well."""
        self.stack.append(self.take(self.number(form)).decode("utf-8", "backslashreplace"))

    def skip(self, form: str, kind: str = "builtins bytes") -> None:
        self.take(self.number(form))
        self.stack.append(Unknown(kind))

    def frozen_set(self) -> None:
        self.since_mark()
        self.stack.append(Unknown("builtins frozenset"))

    def memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def long(self) -> None:
        self.stack.append(int.from_bytes(self.take(self.number("<B")), "little", signed=True))

    def real(self) -> None:
        self.stack.append(struct.unpack(">d", self.take(8))[0])

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise MalformedPickle(f"a tuple of {count} is made of {len(self.stack)}")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is Unknown:
            return
        if type(target) is not dict or len(items) % 2:
            raise MalformedPickle("items are put into what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) in (str, int):  # no state dict has others
                target[key] = value

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is Unknown:
            return
        if type(target) is not list:
            raise MalformedPickle("items are put into what is no list")
        target.extend(items)

    def persistent(self) -> None:
        parts = self.stack.pop()
        if type(parts) is not tuple or len(parts) not in (5, 6):
            raise MalformedPickle("the description of a storage has not 5 or 6 parts")
        tag, dtype, key, location, count = parts[:5]
        if type(dtype) is Unknown:
            raise RefusedPickle(f"numbers of the unknown type '{dtype.name}'")
        if tag != "storage" or type(dtype) is not Dtype or type(key) is not str or type(location) is not str:
            raise MalformedPickle("the description of a storage makes no sense")
        if type(count) is not int or not 0 <= count < 2**63:
            raise MalformedPickle("the length of a storage is no whole number of at least 0")
        if parts[5:] not in ((), (None,)):
            raise RefusedPickle("a view of a storage, which torch has not written since 2017")
        storage = TorchStorage(dtype, key, count)
        if self.storages.setdefault(key, storage) != storage:
            raise MalformedPickle(f"the storage {printable(key[:50])} is described in two ways")
        self.stack.append(storage)

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is Unknown:
            self.stack.append(function)
        elif type(function) is Function and type(arguments) is tuple:
            self.stack.append(function.build(arguments))
        else:
            raise RefusedPickle("a call of what is no function")

    def make(self, arguments: int) -> None:
        """Stands in for `cls.__new__`, with its arguments on the stack."""
        del self.stack[-arguments:]
        if type(self.stack[-1]) is not Unknown:
            raise RefusedPickle("the instruction NEWOBJ on what is no class")

    def build(self) -> None:
        self.stack.pop()  # attributes of an OrderedDict: the versions of torch's modules, of no use here
        if type(self.stack[-1]) not in (dict, Unknown, TorchTensor):
            raise RefusedPickle("attributes on what is no dict")


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
_ACTIONS: dict[int, Callable[[_Machine], object]] = {
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
        (pickle.LONG4, lambda machine: machine.skip("<i", "builtins int")),  # of more than 255 bytes
        (pickle.BINFLOAT, _Machine.real),  # a learning rate or a score beside the weights
        (pickle.BINUNICODE, lambda machine: machine.text("<I")),
        (pickle.SHORT_BINUNICODE, lambda machine: machine.text("<B")),
        (pickle.BINUNICODE8, lambda machine: machine.text("<Q")),
        (pickle.SHORT_BINSTRING, lambda machine: machine.old_text("<B")),
        (pickle.BINSTRING, lambda machine: machine.old_text("<i")),
        (pickle.POP, lambda machine: machine.stack.pop()),
        (pickle.POP_MARK, lambda machine: machine.since_mark()),
        (pickle.SHORT_BINBYTES, lambda machine: machine.skip("<B")),
        (pickle.BINBYTES, lambda machine: machine.skip("<I")),
        (pickle.BINBYTES8, lambda machine: machine.skip("<Q")),
        (pickle.BYTEARRAY8, lambda machine: machine.skip("<Q")),
        (pickle.FRAME, lambda machine: machine.number("<Q")),
        (pickle.MEMOIZE, _Machine.memoize),
        (pickle.STACK_GLOBAL, _Machine.look_up_stacked),
        (pickle.EMPTY_SET, _constant(Unknown("builtins set"))),
        (pickle.ADDITEMS, lambda machine: machine.extend(machine.since_mark())),
        (pickle.FROZENSET, _Machine.frozen_set),
        (pickle.NEWOBJ, lambda machine: machine.make(1)),
        (pickle.NEWOBJ_EX, lambda machine: machine.make(2)),
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
