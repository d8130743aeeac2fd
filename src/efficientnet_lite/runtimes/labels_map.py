"""Names of classes from a file beside the model: one a line, or JSON as the reference and Keras have it.

tench                 ["tench", ...]     {"0": "tench", ...}     {"0": ["n01440764", "tench"], ...}
goldfish
"""

from collections.abc import Sequence
from pathlib import Path

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import UnusableInput, printable
from efficientnet_lite.labels import fault
from efficientnet_lite.network.plan import IMAGENET_CLASSES
from efficientnet_lite.plaintext import plain_text
from efficientnet_lite.storage import files

MAX_MAP_BYTES = 16 * 2**20
MAX_CLASSES = 100_000
BACKGROUND = "background"
FORMS = 'give one name a line, or JSON such as {"0": "tench"} or ["tench"]'


def read_labels_map(path: Path, classes: int) -> tuple[str, ...]:
    """A name for each of `classes`, its index where a map has none.

    A model of 1,001 classes has the background first, which 1,000 names leave out; names that begin with the
    background serve a model without one.

    Raises UnusableInput where the file is no such list or map, or is one of another number of classes.
    """
    content = files.read_bytes(path, limit=MAX_MAP_BYTES, what="a map of class names")
    try:
        found = _names(content)
    except ValueError as error:
        raise UnusableInput(f"it is no map of class names: {error}", where=path, fix=FORMS) from error
    named = found if isinstance(found, dict) else dict(enumerate(found))
    count, shift = max(named, default=-1) + 1, 0
    if len(named) == count == IMAGENET_CLASSES == classes - 1:
        shift = 1
    elif count == classes + 1 and named.get(0, "").lower() == BACKGROUND:
        shift = -1
    elif count > classes or (isinstance(found, list) and count < classes):
        raise UnusableInput(
            f"it names {count:,} classes, the model has {classes:,}",
            where=path,
            fix="give the names of this model's classes, in the order of its outputs",
        )
    return tuple(named.get(index - shift, str(index)) for index in range(classes))


def _names(content: bytes) -> list[str] | dict[int, str]:
    """The names in order, or by index. Raises ValueError, which says what is wrong with which."""
    if content.lstrip(b"\xef\xbb\xbf \t\r\n\0")[:1] in (b"{", b"["):
        value = json_value(content)
        _check_count(len(value))
        if isinstance(value, list):
            return [_name(name, f"name {index}") for index, name in enumerate(value)]
        return {_index(key): _name(name, f"class {key}") for key, name in value.items()}
    _check_count(content.count(b"\n"))
    lines = plain_text(content).rstrip("\n").split("\n")
    if lines == [""]:
        raise ValueError("it is empty")
    return [_name(line.strip(), f"line {number}") for number, line in enumerate(lines, 1)]


def _check_count(count: int) -> None:
    if count > MAX_CLASSES:
        raise ValueError(f"it has {count:,} names, more than {MAX_CLASSES:,}")


def _index(key: str) -> int:
    if not (key.isascii() and key.isdigit()) or int(key[:9]) >= MAX_CLASSES or len(key) > 9:
        raise ValueError(f"{key[:40]!r} is no class index")
    return int(key)


def _name(value: object, where: str) -> str:
    """A name that may be shown; of Keras' pairs of synset and name the latter."""
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        value = value[1]
    if not isinstance(value, str):
        raise ValueError(f"{where} is no text")
    if reason := fault(value):
        raise ValueError(f"{where}, '{printable(value[:40])}', cannot be a name: {reason}")
    return value
