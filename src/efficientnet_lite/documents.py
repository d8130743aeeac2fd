"""JSON and TOML from a stranger: bounded work and bounded numbers, and every fault is one ValueError.

Python's own readers raise RecursionError and MemoryError besides, take minutes for a dotted key of 64 KB, and give
whole numbers of any length, which cannot be printed, made a float or compared with a file's size.
"""

import json
import math
import tomllib
from typing import Any

from efficientnet_lite.plaintext import plain_text

MAX_WHOLE_BYTES = 8  # a whole number fits into 64 bits
MAX_DIGITS = 20
MAX_DOTS = 500  # in a line; keys of ours have none, and paths a few


def json_value(text: bytes | str) -> Any:
    """The value of a JSON text. Raises ValueError, for NaN, infinities and numbers beyond 64 bits too."""
    if isinstance(text, bytes) and b"\0" not in text[:4]:  # else UTF-16 or UTF-32, which JSON may be
        text = plain_text(text)
    try:
        return json.loads(text, parse_int=_whole, parse_float=_real, parse_constant=_constant)
    except RecursionError as error:
        raise ValueError("its lists and objects lie too deep within each other") from error


def toml_table(data: bytes) -> dict[str, Any]:
    """The table of a TOML text. Raises ValueError, for whole numbers beyond 64 bits too."""
    text = plain_text(data)
    if any(line.count(".") > MAX_DOTS for line in text.split("\n")):  # quadratic in the parts of a key
        raise ValueError(f"a line has more than {MAX_DOTS} dots")
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("its lists and tables lie too deep within each other") from error
    waiting: list[object] = [table]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, int) and value.bit_length() >= 8 * MAX_WHOLE_BYTES:
            raise ValueError(f"a whole number has {value.bit_length():,} bits, more than 63")
    return table


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS or (value := int(digits)).bit_length() > 8 * MAX_WHOLE_BYTES:
        raise ValueError(f"a whole number has {len(digits):,} digits, more than 64 bits hold")
    return value


def _real(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
