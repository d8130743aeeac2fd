"""Keras' weight files, `.weights.h5`, `.keras` and `.h5`, read as arrays: no configuration, no code, no Keras.

Keras keeps a layer's variables in a group `vars` under their numbers, with the layer's name as an attribute; a
`.keras` file is a zip archive with such a file in it. A whole model in an `.h5` has them under their own names in
groups that are called like the layers. The HDF5 library itself runs elsewhere: see `h5_child`.

Source: keras, saving/saving_lib.py (`H5IOStore`, `_save_state`), legacy/saving/legacy_h5_format.py;
layers/core/dense.py (`Dense.get_config`), activations/__init__.py (`serialize`).
"""

import io
import json
import math
import struct
import zipfile
import zlib
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import CheckpointError, printable
from efficientnet_lite.network.naming import NORM_SUFFIX
from efficientnet_lite.network.plan import BN_PARTS
from efficientnet_lite.storage import confined
from efficientnet_lite.weights import stored_tensors as dtypes
from efficientnet_lite.weights.stored_tensors import MAX_CHECKPOINT_BYTES, Stored, damaged, some
from efficientnet_lite.zipped import FAULTS, check_entry

H5_MAGIC = b"\x89HDF\r\n\x1a\n"
CHILD = "efficientnet_lite.weights.h5_child"
LENGTH = struct.Struct("<Q")
MAX_HEADER_BYTES = 8 * 2**20  # lite4 with its optimizer has 0.2 MB
MAX_TEXT = 500
ZIP_WEIGHTS = "model.weights.h5"  # within a .keras file
ZIP_CONFIG = "config.json"
ZIP_ENTRY = b"PK\x01\x02"
MAX_ZIP_ENTRIES = 100  # Keras writes three, and a few for vocabularies and the like
MAX_UNFOLDING = 32  # Keras does not compress; an optimizer's zeros are at most three quarters
SOFTMAX_OR_NONE = (None, "linear", "softmax", "log_softmax")  # all of which our files leave to the end
DTYPES = {dtype.name: dtype for dtype in (dtypes.FLOAT16, dtypes.FLOAT32, dtypes.FLOAT64)}


def zipped_weights(data: bytes, *, where: Path | str) -> bytes | None:
    """The weight file in the `.keras` file `data`; None where it is another zip archive.

    Raises CheckpointError where it is larger than a checkpoint can be, or damaged.
    """
    if data.count(ZIP_ENTRY) > MAX_ZIP_ENTRIES:  # a checkpoint of torch, or nothing that we read
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if ZIP_WEIGHTS not in archive.namelist():
                return None
            entry = archive.getinfo(ZIP_WEIGHTS)
            check_entry(entry)
            if entry.file_size > MAX_CHECKPOINT_BYTES or entry.file_size > MAX_UNFOLDING * len(data):
                raise damaged(
                    f"{ZIP_WEIGHTS} has {entry.file_size:,} bytes, more than {MAX_CHECKPOINT_BYTES:,} bytes "
                    f"or {MAX_UNFOLDING} times the archive",
                    where,
                )
            return archive.read(entry)  # never more than it claims
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, struct.error) as error:
        raise damaged(f"its zip archive cannot be read: {error}", where) from error
    except (ValueError, RuntimeError, OverflowError) as error:  # wild offsets; encryption; unknown versions
        raise damaged(f"its zip archive makes no sense: {error}", where) from error


def zipped_config(data: bytes) -> bytes:
    """The configuration in the `.keras` file `data`; empty where there is none that can be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entry = archive.getinfo(ZIP_CONFIG)
            check_entry(entry)
            return archive.read(entry) if entry.file_size <= MAX_HEADER_BYTES else b""
    except FAULTS:
        return b""


def check_head(config: bytes | str, layer: str, where: Path | str) -> None:
    """Raise CheckpointError where the dense layer `layer` has an activation that no classifier of ours has.

    Nothing in the configuration is built or called; one that cannot be read says nothing.
    """
    try:
        waiting = [json_value(config)]
    except ValueError:
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
            inner = value.get("config")
            if value.get("class_name") == "Dense" and isinstance(inner, dict) and inner.get("name") == layer:
                activation = inner.get("activation")
                if activation not in SOFTMAX_OR_NONE:
                    raise CheckpointError(
                        f"its head {layer} has the activation {str(activation)[:40]}, expected softmax or none",
                        where=where,
                        fix="train it with softmax or without activation: the classes exclude each other here",
                    )
        elif isinstance(value, list):
            waiting += value


def read_keras(data: bytes, *, where: Path | str) -> tuple[dict[str, Stored], str]:
    """The weights of the layers in `data`, which begins with H5_MAGIC, by the layer plan's names.

    Besides them the model's configuration, where it stands in the same file, else "".

    What is no layer of the plan comes under its own name, so that `fit` can refuse it; optimizers and
    seeds are passed over.

    Raises:
        CheckpointError: the file is damaged, kills or detains the HDF5 library, points outside of itself, is
            not of Keras, or h5py is not installed.
    """
    if not _installed():
        raise CheckpointError(
            "this is a Keras file, and h5py, which reads it, is not installed",
            where=where,
            fix="pip install 'efficientnet-lite[train]'",
        )
    if not data.startswith(H5_MAGIC):
        raise damaged("its Keras weights are no HDF5", where)
    try:
        answer = confined.answer(CHILD, data, library="h5py", limit=len(data) + MAX_HEADER_BYTES)
        found, header = _arrays(answer, where)
        return _named(found, header["legacy"] is True, where), str(header.get("config") or "")
    except confined.Failed as error:
        raise damaged(f"its HDF5 cannot be read: {error}", where) from error
    except (ValueError, KeyError, TypeError, RecursionError, struct.error) as error:  # of a child gone mad
        raise damaged("its HDF5 cannot be read: the library gave no sensible answer", where) from error


def _installed() -> bool:
    try:
        return find_spec("h5py") is not None
    except ValueError:  # None in its place among the modules
        return False


def _arrays(answer: bytes, where: Path | str) -> tuple[list[tuple[str, str | None, Stored]], dict[str, Any]]:
    """Path, layer and numbers of each array in the child's answer, and the answer's header."""
    (length,) = LENGTH.unpack_from(answer)
    position = LENGTH.size + length
    if position > len(answer) or length > MAX_HEADER_BYTES:
        raise ValueError(f"a header of {length:,} bytes")
    header = json.loads(answer[LENGTH.size : position])
    if "refused" in header:
        what, fix = (printable(str(header[key])[:MAX_TEXT]) for key in ("refused", "fix"))
        raise CheckpointError(what, where=where, fix=fix)
    raw, found = memoryview(answer), []
    for path, layer, name, sides in header["arrays"]:
        dtype, shape = DTYPES[name], tuple(map(int, sides))
        end = position + math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or end > len(answer):
            raise ValueError(f"an array of {shape}")
        found.append((str(path), layer, Stored(dtype, shape, partial(dtype.array, raw[position:end], shape))))
        position = end
    return found, header


def _named(found: list[tuple[str, str | None, Stored]], legacy: bool, where: Path | str) -> dict[str, Stored]:
    named: dict[str, Stored] = {}
    for path, layer, stored in found:
        name = _legacy_name(path) if legacy else _plan_name(layer, path)
        if name in named:
            raise damaged(f"{some([name])} is there twice", where)
        named[name] = stored
    return named


def _plan_name(layer: object, path: str) -> str:
    """`blocks_3/expand/gamma` for the first variable of the layer `blocks_3_expand_bn`."""
    key = path.rpartition("/")[2]
    if not isinstance(layer, str) or not key.isdecimal() or len(key) > 3:
        return path
    parts = BN_PARTS if layer.endswith(NORM_SUFFIX) else ("kernel", "bias")
    number = int(key)
    return _of_layer(layer, parts[number]) if number < len(parts) else f"{layer}/{key}"


def _legacy_name(path: str) -> str:
    """`blocks_3/expand/gamma` for `model_weights/.../blocks_3_expand_bn/gamma`, in Keras 2 `gamma:0`."""
    *_, layer, variable = ["", *path.split("/")]
    return _of_layer(layer, variable.removesuffix(":0").replace("depthwise_kernel", "kernel"))


def _of_layer(layer: str, part: str) -> str:
    block, _, step = layer.removesuffix(NORM_SUFFIX).rpartition("_")
    return f"{block}/{step}/{part}" if block else f"{layer}/{part}"
