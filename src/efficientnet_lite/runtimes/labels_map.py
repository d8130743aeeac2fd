"""Names of classes from a file beside the model: the reference's labels_map.txt, {"0": "tench", ...}."""

from pathlib import Path

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.storage import files

MAX_MAP_BYTES = 16 * 2**20


def read_labels_map(path: Path, classes: int) -> tuple[str, ...]:
    """A name for each of `classes`, its index where the map has none.

    A model with a background class, which the map does not name, has its names one later.

    Raises UnusableInput where the file is no such map.
    """
    content = files.read_bytes(path, limit=MAX_MAP_BYTES, what="a map of class names")
    try:
        found = {int(index): str(name) for index, name in json_value(content).items()}
    except (ValueError, AttributeError) as error:
        raise UnusableInput(
            f"it is no map of class names: {error}", where=path, fix='give JSON such as {"0": "tench"}'
        ) from error
    shift = 1 if classes == len(found) + 1 else 0
    return tuple(found.get(index - shift, str(index)) for index in range(classes))
