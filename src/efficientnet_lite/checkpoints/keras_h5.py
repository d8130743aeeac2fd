"""Keras' weight files, `.weights.h5` and `.keras`, read as arrays: no configuration, no code, no Keras.

Keras keeps a layer's variables in a group `vars` under their numbers, with the layer's name as an
attribute; a `.keras` file is a zip archive with such a file in it. HDF5 can point outside of itself in
several ways, all of which are refused: none of them is in a file that Keras wrote.

Source: keras, saving/saving_lib.py (`H5IOStore`, `_save_state`).
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.checkpoints.tensors import (
    FLOAT16,
    FLOAT32,
    FLOAT64,
    MAX_CHECKPOINT_BYTES,
    Stored,
    damaged,
    some,
)
from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.spec import BN_PARTS

H5_MAGIC = b"\x89HDF\r\n\x1a\n"
ZIP_WEIGHTS = "model.weights.h5"  # within a .keras file
ZIP_ENTRY = b"PK\x01\x02"
MAX_ZIP_ENTRIES = 100  # Keras writes three, and a few for vocabularies and the like
MAX_OBJECTS = 20_000  # lite4 in a model with its optimizer has 3,000
MAX_DEPTH = 16  # of groups within groups; two for each model within a model
NORM_SUFFIX = "_bn"
NOT_OURS = ("optimizer", "seed_generator", "metrics")  # groups of what a training needs besides
DTYPES = {2: FLOAT16, 4: FLOAT32, 8: FLOAT64}
SAVE_AGAIN = (
    "save it with model.save_weights('NAME.weights.h5') of Keras 3, or with save_weights of this package"
)


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
            with archive.open(ZIP_WEIGHTS) as file:
                weights = file.read(MAX_CHECKPOINT_BYTES + 1)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, struct.error) as error:
        raise damaged(f"its zip archive cannot be read: {error}", where) from error
    except (ValueError, RuntimeError, OverflowError) as error:  # wild offsets; encryption; unknown versions
        raise damaged(f"its zip archive makes no sense: {error}", where) from error
    if len(weights) > MAX_CHECKPOINT_BYTES:
        raise damaged(f"{ZIP_WEIGHTS} has more than {MAX_CHECKPOINT_BYTES:,} bytes", where)
    return weights


def read_keras_h5(data: bytes, *, where: Path | str) -> dict[str, Stored]:
    """The weights of the layers in `data`, which begins with H5_MAGIC, by the layer plan's names.

    What is no layer of the plan comes under its own name, so that `fit` can refuse it; optimizers and
    seeds are passed over. Numbers are read when asked for, so shapes can be judged before.

    Raises:
        CheckpointError: the file is damaged, points outside of itself, is not of Keras 3, or h5py is not
            installed.
    """
    h5py = _h5py(where)
    if not data.startswith(H5_MAGIC):
        raise damaged("its Keras weights are no HDF5", where)
    try:
        file = h5py.File(io.BytesIO(data), "r")
        found = {name: _stored(h5py, file, dataset, where) for name, dataset in _datasets(h5py, file, where)}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise damaged(f"its Keras weights cannot be read: {error}", where) from error
    if not found:
        raise CheckpointError("the HDF5 file holds no weights of Keras 3", where=where, fix=SAVE_AGAIN)
    return found


def _h5py(where: Path | str) -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise CheckpointError(
            "this is a Keras file, and h5py, which reads it, is not installed",
            where=where,
            fix="pip install 'efficientnet-lite[train]'",
        ) from error
    return h5py  # type: ignore[no-any-return]  # it has no types


def _datasets(h5py: ModuleType, file: Any, where: Path | str) -> Iterator[tuple[str, Any]]:
    """Name by the plan -> dataset, of every group `vars` of a layer. Without recursion, and bounded."""
    waiting: list[tuple[str, ...]] = [()]
    seen, names = 0, set()
    while waiting:
        path = waiting.pop()
        group = file["/".join(path)] if path else file
        for key in group:
            place = "/".join((*path, key))
            seen += 1
            if seen > MAX_OBJECTS or len(path) >= MAX_DEPTH:
                raise damaged("it has more objects than weights of one model can have", where)
            if type(group.get(key, getlink=True)) is not h5py.HardLink:
                raise damaged(f"{some([place])} is a link, which Keras never writes", where)
            member = group[key]
            if isinstance(member, h5py.Group):
                waiting += [(*path, key)] * (key not in NOT_OURS)
            elif isinstance(member, h5py.Dataset) and path[-1:] == ("vars",):
                name = _plan_name(group.attrs.get("name"), path, key)
                if name in names:
                    raise damaged(f"{some([name])} is there twice", where)
                names.add(name)
                yield name, member
            else:
                raise CheckpointError(
                    f"{some([place])} is nothing that Keras 3 writes", where=where, fix=SAVE_AGAIN
                )


def _plan_name(layer: object, path: tuple[str, ...], key: str) -> str:
    """`blocks_3/expand/gamma` for the first variable of the layer `blocks_3_expand_bn`."""
    if not isinstance(layer, str) or not key.isdecimal() or len(key) > 3:
        return "/".join((*path, key))
    norm = layer.endswith(NORM_SUFFIX)
    parts = BN_PARTS if norm else ("kernel", "bias")
    block, _, part = layer.removesuffix(NORM_SUFFIX).rpartition("_")
    number = int(key)
    return f"{block}/{part}/{parts[number]}" if block and number < len(parts) else f"{layer}/{key}"


def _stored(h5py: ModuleType, file: Any, dataset: Any, where: Path | str) -> Stored:
    """The dataset as a tensor, unless it points outside of the file or unfolds to more than it holds."""
    properties = dataset.id.get_create_plist()
    if dataset.external is not None or dataset.is_virtual:
        raise damaged(f"{some([dataset.name])} has its numbers in another file", where)
    if properties.get_nfilters():
        raise damaged(f"{some([dataset.name])} is compressed, which Keras never does", where)
    dtype = DTYPES.get(dataset.dtype.itemsize) if dataset.dtype.kind == "f" else None
    if dtype is None or dataset.shape is None:
        raise CheckpointError(
            f"{some([dataset.name])} has numbers of type {dataset.dtype}, expected float32",
            where=where,
            fix=SAVE_AGAIN,
        )
    return Stored(dtype, dataset.shape, _Loader(file, dataset, where))


class _Loader:
    """Reads a dataset when it is asked for. Holds the file, which closes with the last of its loaders."""

    def __init__(self, file: Any, dataset: Any, where: Path | str) -> None:
        self.file, self.dataset, self.where = file, dataset, where

    def __call__(self) -> NDArray[Any]:
        try:
            return np.asarray(self.dataset[()])
        except (OSError, RuntimeError, ValueError, MemoryError) as error:
            raise damaged(
                f"the numbers of {some([self.dataset.name])} cannot be read: {error}", self.where
            ) from error
