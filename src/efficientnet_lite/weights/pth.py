"""Torch's weight files, the legacy stream and the zip archive of today, read without torch.

Both hold a pickle that describes tensors as views of storages, and the storages' numbers as raw
little-endian bytes. The pickle is read by `unpickle`, which executes nothing.

Source: torch/serialization.py, `_legacy_save` and `_save`.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.weights.state_dicts import choose
from efficientnet_lite.weights.stored_tensors import Stored, damaged, no_tensor, some
from efficientnet_lite.weights.torch_objects import TorchStorage, TorchTensor, Unknown
from efficientnet_lite.weights.unpickle import STATE_DICT_ONLY, load

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_MAGIC = b"\x8a\x0a" + MAGIC_NUMBER.to_bytes(10, "little")  # LONG1 of 10 bytes
_LEGACY = re.compile(rb"\x80[\x02-\x05](?:\x95.{8})?" + re.escape(_MAGIC), re.DOTALL)  # protocol, frame
ZIP_PREFIX = b"PK\x03\x04"
PROTOCOL_VERSION = 1001
WEIGHT_FILES = (
    ".pth",
    ".pt",
    ".ckpt",
    ".bin",
    ".safetensors",
    ".h5",
    ".keras",
    ".index",
    ".tar",
    ".tar.gz",
    ".zip",
)
ZIP_ENTRY = b"PK\x01\x02"
MAX_ZIP_ENTRIES = 10_000  # one for each storage; a checkpoint of lite4 with its optimizer has 1,600

Raw = dict[str, memoryview]
Fetch = Callable[[Collection[str]], Raw]


@dataclass(frozen=True, slots=True)
class StateDict:
    """The weights that were chosen of a file, and in a word where they stood, "" where there was no choice."""

    tensors: dict[str, Stored]
    chosen: str
    raw: Callable[[], "StateDict"]  # the one that is no average, of the same reading; raises CheckpointError


def is_pth(data: bytes) -> bool:
    return data.startswith(ZIP_PREFIX) or _LEGACY.match(data) is not None


def read_state_dict(data: bytes, *, where: Path | str, ema: bool = True) -> StateDict:
    """The state dict in `data`, for which `is_pth` holds, name -> tensor, and which of several it is.

    What is no tensor there comes as `no_tensor`; what stands beside the state dict is passed over. With
    `ema` averaged weights are preferred: see `state_dicts`.
    Raises CheckpointError where the file is damaged, is a program, or holds no state dict.
    """
    root, fetch = _read_zip(data, where) if data.startswith(ZIP_PREFIX) else _read_legacy(data, where)
    return _state_dict(root, fetch, where, ema)


def _state_dict(root: object, fetch: Fetch, where: Path | str, ema: bool) -> StateDict:
    entries, chosen = choose(root, where, ema=ema)
    tensors = {name: each for name, each in entries.items() if isinstance(each, TorchTensor)}
    raw = fetch({tensor.storage.key for tensor in tensors.values()})
    stored = {}
    for name, each in entries.items():
        if isinstance(each, TorchTensor):
            loader = _Loader(each, raw[each.storage.key])
            stored[name] = Stored(each.storage.dtype, each.shape, loader)
        else:
            stored[name] = no_tensor(
                f"object '{each.name}'" if isinstance(each, Unknown) else type(each).__name__
            )
    return StateDict(stored, chosen, lambda: _state_dict(root, fetch, where, False))


class _Loader:
    """Gives a tensor's numbers as a strided view of its storage's bytes. `unpickle` checked the bounds."""

    def __init__(self, tensor: TorchTensor, raw: memoryview) -> None:
        self.tensor, self.raw = tensor, raw

    def __call__(self) -> NDArray[Any]:
        dtype = self.tensor.storage.dtype
        codes = np.frombuffer(self.raw, dtype.codes)[self.tensor.offset :]
        strides = [step * dtype.itemsize for step in self.tensor.stride]
        return dtype.values(as_strided(codes, self.tensor.shape, strides, writeable=False))


def _read_legacy(data: bytes, where: Path | str) -> tuple[object, Fetch]:
    magic = load(data, 0, where)
    version = load(data, magic.end, where)
    system = load(data, version.end, where)
    if magic.value != MAGIC_NUMBER or version.value != PROTOCOL_VERSION:
        raise damaged(f"it does not begin as version {PROTOCOL_VERSION} of the format", where)
    if type(system.value) is not dict or system.value.get("little_endian") is not True:
        raise CheckpointError(
            "the checkpoint was written on a big-endian machine", where=where, fix=STATE_DICT_ONLY
        )
    root = load(data, system.end, where)
    listed = load(data, root.end, where)
    keys, position, storages = listed.value, listed.end, root.storages
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
    return root.value, lambda wanted: {key: found[key] for key in wanted}


def _read_zip(data: bytes, where: Path | str) -> tuple[object, Fetch]:
    if (entries := data.count(ZIP_ENTRY)) > MAX_ZIP_ENTRIES:  # before zipfile makes an object of each
        raise damaged(f"its archive has {entries:,} entries, more than {MAX_ZIP_ENTRIES:,}", where)
    with _zip_errors(where), zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {entry.filename: entry for entry in archive.infolist()}
        folder = _folder(records, len(data), where)
        order = f"{folder}byteorder"
        if order in records and archive.read(order) != b"little":
            raise CheckpointError(
                "the checkpoint was written on a big-endian machine", where=where, fix=STATE_DICT_ONLY
            )
        found = load(archive.read(f"{folder}data.pkl"), 0, where)

    def fetch(wanted: Collection[str]) -> Raw:
        with _zip_errors(where), zipfile.ZipFile(io.BytesIO(data)) as archive:
            for key in wanted:
                _check_record(records.get(f"{folder}data/{key}"), found.storages[key], where)
            return {key: memoryview(archive.read(f"{folder}data/{key}")) for key in wanted}

    return found.value, fetch


@contextmanager
def _zip_errors(where: Path | str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, struct.error) as error:
        raise damaged(f"its zip archive cannot be read: {error}", where) from error
    except (ValueError, RuntimeError, OverflowError) as error:  # wild offsets; encryption; unknown versions
        raise damaged(f"its zip archive makes no sense: {error}", where) from error


def _folder(records: Mapping[str, zipfile.ZipInfo], file_bytes: int, where: Path | str) -> str:
    """The folder within the archive that holds the checkpoint; raises CheckpointError where it holds none."""
    pickles = [name for name in records if name == "data.pkl" or name.endswith("/data.pkl")]
    inner = [name for name in records if name.lower().endswith(WEIGHT_FILES)]
    if not pickles and inner:
        raise CheckpointError(
            f"a zip archive with {some(inner)} in it, not a checkpoint itself",
            where=where,
            fix="unpack it and give the checkpoint within",
        )
    if len(pickles) != 1:
        raise CheckpointError(
            f"this zip archive is no checkpoint of torch: it has {len(pickles)} records data.pkl, expected 1",
            where=where,
            fix="give a file that torch.save wrote",
        )
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in records or any(name.startswith(f"{folder}code/") for name in records):
        raise CheckpointError(
            "this is a TorchScript file, a program, which was not executed",
            where=where,
            fix="torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth'), and use that file",
        )
    # Torch never compresses; so no record, nor all of them together, can be larger than the file.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in records.values()):
        raise damaged("its records are compressed, which torch never does", where)
    if sum(entry.file_size for entry in records.values()) > file_bytes:
        raise damaged("its records overlap", where)
    return folder


def _check_record(record: zipfile.ZipInfo | None, storage: TorchStorage, where: Path | str) -> None:
    if record is None:
        raise damaged(f"the record of storage {some([storage.key])} is missing", where)
    expected = storage.count * storage.dtype.itemsize
    if record.file_size != expected:
        raise damaged(
            f"the record of storage {some([storage.key])} has {record.file_size:,} bytes, expected {expected:,}",
            where,
        )
