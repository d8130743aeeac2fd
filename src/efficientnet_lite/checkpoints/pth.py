"""Torch's weight files, the legacy stream and the zip archive of today, read without torch.

Both hold a pickle that describes tensors as views of storages, and the storages' numbers as raw
little-endian bytes. The pickle is read by `unpickle`, which executes nothing.

Source: torch/serialization.py, `_legacy_save` and `_save`.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from efficientnet_lite.checkpoints.tensors import Stored, damaged, some
from efficientnet_lite.checkpoints.unpickle import STATE_DICT_ONLY, Storage, Tensor, load
from efficientnet_lite.errors import CheckpointError

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
LEGACY_PREFIX = b"\x80\x02\x8a\x0a" + MAGIC_NUMBER.to_bytes(10, "little")  # PROTO 2, LONG1 of 10 bytes
ZIP_PREFIX = b"PK\x03\x04"
PROTOCOL_VERSION = 1001
ZIP_ENTRY = b"PK\x01\x02"
MAX_ZIP_ENTRIES = 10_000  # one for each storage; a checkpoint of lite4 with its optimizer has 1,600
AVERAGED = ("state_dict_ema", "model_ema")
WRAPPERS = ("state_dict", "model")


def read_pth(data: bytes, *, where: Path | str, ema: bool = True) -> dict[str, Stored]:
    """Name -> tensor of the state dict in `data`, which begins with LEGACY_PREFIX or ZIP_PREFIX.

    A state dict may lie under "state_dict" or "model", and every name may begin with "module.".
    With `ema` the averaged weights under "state_dict_ema" or "model_ema" are preferred.
    Raises CheckpointError where the file is damaged, asks for code, or holds no state dict.
    """
    root, storages = _read_zip(data, where) if data.startswith(ZIP_PREFIX) else _read_legacy(data, where)
    return {
        name: Stored(tensor.storage.dtype, tensor.shape, _Loader(tensor, storages[tensor.storage.key]))
        for name, tensor in _state_dict(root, where, ema=ema).items()
    }


class _Loader:
    """Gives a tensor's numbers as a strided view of its storage's bytes. `unpickle` checked the bounds."""

    def __init__(self, tensor: Tensor, raw: memoryview) -> None:
        self.tensor, self.raw = tensor, raw

    def __call__(self) -> NDArray[Any]:
        dtype = self.tensor.storage.dtype
        codes = np.frombuffer(self.raw, dtype.codes)[self.tensor.offset :]
        strides = [step * dtype.itemsize for step in self.tensor.stride]
        return dtype.values(as_strided(codes, self.tensor.shape, strides, writeable=False))


def _read_legacy(data: bytes, where: Path | str) -> tuple[object, dict[str, memoryview]]:
    magic, position = load(data, 0, where)
    version, position = load(data, position, where)
    system, position = load(data, position, where)
    if magic != MAGIC_NUMBER or version != PROTOCOL_VERSION:
        raise damaged(f"it does not begin as version {PROTOCOL_VERSION} of the format", where)
    if type(system) is not dict or system.get("little_endian") is not True:
        raise CheckpointError(
            "the checkpoint was written on a big-endian machine", where=where, fix=STATE_DICT_ONLY
        )
    root, position = load(data, position, where)
    keys, position = load(data, position, where)
    storages = _storages(root, where)
    if (
        type(keys) is not list
        or not all(type(key) is str for key in keys)
        or sorted(keys) != sorted(storages)
    ):
        raise damaged(f"the list of its storages does not fit its {len(storages)} storages", where)
    raw = memoryview(data)
    found = {}
    for key in keys:
        storage = storages[key]
        begin, end = position + 8, position + 8 + storage.count * storage.dtype.itemsize
        if end > len(data):
            raise damaged(f"it ends after {len(data):,} bytes, expected at least {end:,}", where)
        count = struct.unpack_from("<q", data, position)[0]
        if count != storage.count:
            raise damaged(f"a storage has {count:,} numbers, expected {storage.count:,}", where)
        found[key] = raw[begin:end]
        position = end
    if position != len(data):
        raise damaged(f"{len(data) - position:,} bytes are left over behind its last number", where)
    return root, found


def _read_zip(data: bytes, where: Path | str) -> tuple[object, dict[str, memoryview]]:
    if (entries := data.count(ZIP_ENTRY)) > MAX_ZIP_ENTRIES:  # before zipfile makes an object of each
        raise damaged(f"its archive has {entries:,} entries, more than {MAX_ZIP_ENTRIES:,}", where)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read_records(archive, len(data), where)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, struct.error) as error:
        raise damaged(f"its zip archive cannot be read: {error}", where) from error
    except (ValueError, RuntimeError, OverflowError) as error:  # wild offsets; encryption; unknown versions
        raise damaged(f"its zip archive makes no sense: {error}", where) from error


def _read_records(
    archive: zipfile.ZipFile, file_bytes: int, where: Path | str
) -> tuple[object, dict[str, memoryview]]:
    records = {entry.filename: entry for entry in archive.infolist()}
    # Torch never compresses; so no record, nor all of them together, can be larger than the file.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in records.values()):
        raise damaged("its records are compressed, which torch never does", where)
    if sum(entry.file_size for entry in records.values()) > file_bytes:
        raise damaged("its records overlap", where)
    pickles = [name for name in records if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise CheckpointError(
            f"this zip archive is no checkpoint of torch: it has {len(pickles)} records data.pkl, expected 1",
            where=where,
            fix="give a file that torch.save wrote",
        )
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in records and archive.read(f"{folder}byteorder") != b"little":
        raise CheckpointError(
            "the checkpoint was written on a big-endian machine", where=where, fix=STATE_DICT_ONLY
        )
    root, _ = load(archive.read(pickles[0]), 0, where)
    found = {}
    for key, storage in _storages(root, where).items():
        name = f"{folder}data/{key}"
        if name not in records:
            raise damaged(f"the record of storage {some([key])} is missing", where)
        size, expected = records[name].file_size, storage.count * storage.dtype.itemsize
        if size != expected:
            raise damaged(
                f"the record of storage {some([key])} has {size:,} bytes, expected {expected:,}", where
            )
        found[key] = memoryview(archive.read(name))
    return root, found


def _storages(root: object, where: Path | str) -> dict[str, Storage]:
    """Key -> storage of every tensor below `root`, found without recursion: hostile nesting is deep."""
    storages: dict[str, Storage] = {}
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            known = storages.setdefault(value.storage.key, value.storage)
            if known != value.storage:
                raise damaged(f"storage {some([known.key])} is described in two ways", where)
        elif id(value) not in seen:
            seen.add(id(value))
            waiting.extend(_children(value))
    return storages


def _children(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value


def _state_dict(root: object, where: Path | str, *, ema: bool) -> dict[str, Tensor]:
    """The flat dict of tensors within `root`, without the prefix of torch's parallel wrappers."""
    for wrapper in (*AVERAGED * ema, *WRAPPERS):
        if isinstance(root, dict) and isinstance(root.get(wrapper), dict) and root[wrapper]:
            root = root[wrapper]
            break
    if not isinstance(root, dict) or not root:
        raise CheckpointError(
            f"the file holds {type(root).__name__}, expected a state dict with names and tensors",
            where=where,
            fix=STATE_DICT_ONLY,
        )
    others = [str(name) for name, value in root.items() if type(name) is not str or type(value) is not Tensor]
    if others:
        raise CheckpointError(
            f"the state dict has entries that are no tensors: {some(others)}",
            where=where,
            fix=STATE_DICT_ONLY,
        )
    parallel = all(name.startswith("module.") for name in root)
    return {name.removeprefix("module.") if parallel else name: tensor for name, tensor in root.items()}
