"""Typed values of a JSON document that may be a stranger's: each reader gives what was asked for, or raises ValueError.

Pure. A text comes on one line, with an escape for what cannot be shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from efficientnet_lite.errors import printable
from efficientnet_lite.metrics import Interval

Value = TypeVar("Value")

MAX_COUNT = 2**53  # what JSON holds exactly


def an_object(value: object) -> Mapping[str, Any]:
    """`value`, where it is an object."""
    if not isinstance(value, Mapping):
        raise ValueError(f"it has {str(value)[:50]!r} in place of an object")
    return value


def get(fields: object, name: str, kind: type[Value]) -> Value:
    """The value of that name and of just that type."""
    value = an_object(fields).get(name)
    if type(value) is not kind:
        raise ValueError(f"it has no {name!r} of type {kind.__name__}")
    return value


def part(fields: object, name: str) -> Mapping[str, Any]:
    """The object of that name."""
    return an_object(an_object(fields).get(name))


def items(fields: object, name: str) -> Sequence[Any]:
    """The list of that name."""
    value = an_object(fields).get(name)
    if not isinstance(value, list | tuple):
        raise ValueError(f"it has no list {name!r}")
    return value


def text(value: object) -> str:
    """A text, on one line and printable."""
    if not isinstance(value, str):
        raise ValueError(f"it has {str(value)[:50]!r} in place of a text")
    return printable(value)


def count(fields: object, name: str) -> int:
    """A whole number that is not negative."""
    value = get(fields, name, int)
    if not 0 <= value <= MAX_COUNT:
        raise ValueError(f"its {name!r} is no count")
    return value


def number(fields: object, name: str) -> float:
    """A finite number."""
    return _finite(an_object(fields).get(name), name)


def fraction(fields: object, name: str) -> float:
    """A number from 0 to 1."""
    value = number(fields, name)
    if not 0 <= value <= 1:
        raise ValueError(f"its {name!r} is no fraction")
    return value


def interval(fields: object, name: str) -> Interval:
    """Both ends of an interval of a fraction, or of a difference of two: -1 to 1."""
    ends = [_finite(end, name) for end in items(fields, name)]
    if len(ends) != 2 or not -1 <= ends[0] <= ends[1] <= 1:
        raise ValueError(f"its {name!r} is no interval")
    return Interval(*ends)


def _finite(value: object, name: str) -> float:
    if type(value) not in (int, float) or not -MAX_COUNT <= value <= MAX_COUNT:  # type: ignore[operator]
        raise ValueError(f"its {name!r} is no number")
    return float(value)  # type: ignore[arg-type]
