"""The arrays of an HDF5 file, read by the HDF5 library in the child of `storage.confined`; nowhere else is it imported.

The library dies, hangs or takes gigabytes for one changed byte, so whoever wants arrays asks `confined` for the
answer of this module. HDF5 can also point outside of itself in several ways, all of which are refused: none of
them is in a file that Keras wrote.

The answer: the length of a header (8 bytes), a header in JSON, then the numbers of all arrays without a gap.

Source: keras, saving/saving_lib.py (`H5IOStore`, `_save_state`), legacy/saving/legacy_h5_format.py.
"""

import io
import json
import math
import struct
from collections.abc import Iterator
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.weights.stored_tensors import damaged, some

LENGTH = struct.Struct("<Q")
MAX_OBJECTS = 20_000  # lite4 in a model with its optimizer has 3,000
MAX_DEPTH = 16  # of groups within groups; two for each model within a model
MAX_NAME, MAX_TEXT = 200, 500
NOT_OURS = ("optimizer", "optimizer_weights", "seed_generator", "metrics")  # what a training needs besides
DTYPES = {2: "float16", 4: "float32", 8: "float64"}
LEGACY = "model_weights"  # the group of the weights in a whole model of Keras 2, and in any `.h5` of Keras 3
SAVE_AGAIN = (
    "save it with model.save_weights('NAME.weights.h5') of Keras 3, or with save_weights of this package"
)


def respond(data: bytes, out: BinaryIO) -> None:
    """Write to `out` the arrays of the HDF5 file `data`, or what is wrong with it."""
    try:
        header, arrays = _read(data)
    except CheckpointError as error:
        header, arrays = _refused(error), []
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        header, arrays = _refused(damaged(f"its HDF5 cannot be read: {error}", "")), []
    text = json.dumps(header).encode()
    out.write(LENGTH.pack(len(text)) + text)
    for array in arrays:
        out.write(memoryview(array).cast("B"))


def _refused(error: CheckpointError) -> dict[str, Any]:
    return {"refused": error.what[:MAX_TEXT], "fix": error.fix}


def _read(data: bytes) -> tuple[dict[str, Any], list[Any]]:
    import h5py  # by now imported; the package can be without it

    file = h5py.File(io.BytesIO(data), "r")
    legacy = "layer_names" in file.attrs or (LEGACY in file and "keras_version" in file.attrs)
    found = list(_datasets(h5py, file, legacy))
    if not found:
        raise CheckpointError("the HDF5 file holds no weights of Keras 3", where="", fix=SAVE_AGAIN)
    size = 0
    for path, _, each in found:
        size += math.prod(each.shape) * each.dtype.itemsize
        if size > len(data):
            raise damaged(f"{some([path])}, of {each.shape}, claims more than the whole file has", "")
    listed = [[path, layer, DTYPES[each.dtype.itemsize], list(each.shape)] for path, layer, each in found]
    arrays = [
        np.ascontiguousarray(each[()], each.dtype.newbyteorder("<")).reshape(-1) for _, _, each in found
    ]
    config = file.attrs.get("model_config") if legacy else None
    return {"legacy": legacy, "arrays": listed, "config": config if isinstance(config, str) else ""}, arrays


def _datasets(h5py: ModuleType, file: Any, legacy: bool) -> Iterator[tuple[str, str | None, Any]]:
    """Path, layer and dataset of every variable of a layer. Without recursion, and bounded."""
    waiting: list[tuple[str, ...]] = [(LEGACY,) if legacy and LEGACY in file else ()]
    seen = 0
    while waiting:
        path = waiting.pop()
        group = file["/".join(path)] if path else file
        for key in group:
            place = "/".join((*path, key))
            seen += 1
            if seen > MAX_OBJECTS or len(path) >= MAX_DEPTH:
                raise damaged("it has more objects than weights of one model can have", "")
            if type(group.get(key, getlink=True)) is not h5py.HardLink:
                raise damaged(f"{some([place])} is a link, which Keras never writes", "")
            if key.startswith(NOT_OURS) if legacy else key in NOT_OURS:
                continue
            member = group[key]
            if isinstance(member, h5py.Group):
                waiting.append((*path, key))
            elif isinstance(member, h5py.Dataset) and (legacy or path[-1:] == ("vars",)):
                _check(member)
                layer = None if legacy else group.attrs.get("name")
                yield place, layer if isinstance(layer, str) and len(layer) <= MAX_NAME else None, member
            else:
                raise CheckpointError(
                    f"{some([place])} is nothing that Keras 3 writes", where="", fix=SAVE_AGAIN
                )


def _check(dataset: Any) -> None:
    """Refuse a dataset that points outside of the file, is packed, or holds no real numbers."""
    if dataset.external is not None or dataset.is_virtual:
        raise damaged(f"{some([dataset.name])} has its numbers in another file", "")
    if dataset.id.get_create_plist().get_nfilters():
        raise damaged(f"{some([dataset.name])} is compressed, which Keras never does", "")
    if dataset.dtype.kind != "f" or dataset.dtype.itemsize not in DTYPES or dataset.shape is None:
        raise CheckpointError(
            f"{some([dataset.name])} has numbers of type {dataset.dtype}, expected float32",
            where="",
            fix=SAVE_AGAIN,
        )
