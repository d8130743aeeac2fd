"""Class names from a file beside the model, for models that carry none."""

import json
from pathlib import Path

from efficientnet_lite.doors import files
from efficientnet_lite.errors import UnusableInput

MAX_BYTES = 16 * 2**20
BACKGROUND = "background"  # class 0 of the reference's models with 1,001 classes


def read_names(path: Path, classes: int) -> tuple[str, ...]:
    """The name of each class, from the reference's `labels_map.txt` or from a list.

    Args:
        path: a JSON object {"0": "tench, Tinca tinca", ...}, or UTF-8 text with one name a line.
        classes: how many the model has; where it is one more than the file names, class 0 is the
            background and the names begin at 1.

    Raises:
        UnusableInput: the file is missing, too large, neither of the two, or names another number of
            classes.
    """
    data = files.read_bytes(path, limit=MAX_BYTES, what="a file of class names")
    try:
        text = data.decode("utf-8-sig").strip()
        names = _from_map(json.loads(text)) if text.startswith("{") else _from_lines(text)
    except (ValueError, RecursionError) as error:  # JSON's and Unicode's errors are ValueErrors
        raise _unusable(str(error), path) from error
    if len(names) == classes - 1:
        return (BACKGROUND, *names)
    if len(names) != classes:
        raise _unusable(f"it names {len(names)} classes, the model has {classes}", path)
    return names


def _from_map(content: dict[str, object]) -> tuple[str, ...]:
    names = [content.get(str(index)) for index in range(len(content))]
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f'the keys must be "0" to "{len(content) - 1}", and the values names')
    return tuple(map(str, names))


def _from_lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.split("\n")) if text else ()


def _unusable(reason: str, path: Path) -> UnusableInput:
    return UnusableInput(
        f"the class names cannot be used: {reason}",
        where=path,
        fix='give a JSON object such as {"0": "tench", "1": "goldfish"}, or one name a line',
    )
