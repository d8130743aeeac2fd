"""Members of a ZIP, and the arrays of an `.npz`, from a stranger: in memory, of bounded size, never a pickle.

`zipfile` decompresses with LZMA, whose dictionary may take 4 GB before the first byte, and NumPy reserves what a
header claims. So only stored and deflated members are read, and an array is what its bytes hold.

Source: NumPy, numpy/lib/format.py ("The .npy format"); PKWARE, APPNOTE.TXT, 4.4.4 and 4.4.5.
"""

import ast
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_ENTRIES = 1000
MAX_NPY_HEADER_BYTES = 4096
NPY_MAGIC = b"\x93NUMPY"
KINDS = "iufbU"  # numbers, and texts of one length
ENTRY, ENCRYPTED = b"PK\x01\x02", 0x1
# What `zipfile` raises for other bytes: a RuntimeError is a wrong password or an unknown method.
FAULTS = (zipfile.BadZipFile, OSError, EOFError, zlib.error, struct.error, ValueError, RuntimeError, KeyError)


def check_entry(entry: zipfile.ZipInfo) -> None:
    """Raise BadZipFile where a member is encrypted or packed in another way than deflated."""
    if entry.flag_bits & ENCRYPTED:
        raise zipfile.BadZipFile(f"{entry.filename[:50]!r} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(
            f"{entry.filename[:50]!r} is packed by method {entry.compress_type}, not deflated"
        )


def read_arrays(data: bytes, names: Iterable[str], *, limit: int) -> dict[str, npt.NDArray[Any]]:
    """The arrays `names` of the `.npz` file `data`, of at most `limit` bytes together.

    Raises ValueError where it is no such file, one is missing or is no array of numbers.
    """
    if data.count(ENTRY) > MAX_ENTRIES:  # before zipfile makes an object of each
        raise ValueError(f"it has more than {MAX_ENTRIES:,} entries")
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = {name: archive.getinfo(f"{name}.npy") for name in names}
            if (size := sum(entry.file_size for entry in entries.values())) > limit:
                raise ValueError(f"{size:,} bytes are more than they can have ({limit:,})")
            for name, entry in entries.items():
                check_entry(entry)
                found[name] = _array(archive.read(entry), name)  # never more than it claims
    except FAULTS as error:
        raise ValueError(str(error)) from error
    return found


def array_names(data: bytes) -> list[str]:
    """The names of all arrays of the `.npz` file `data`. Raises ValueError where it is no such file."""
    if data.count(ENTRY) > MAX_ENTRIES:
        raise ValueError(f"it has more than {MAX_ENTRIES:,} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except FAULTS as error:
        raise ValueError(str(error)) from error


def _array(content: bytes, name: str) -> npt.NDArray[Any]:
    """The array in an `.npy` file."""
    wide = content[6:7] > b"\1"  # versions 2 and 3 have four bytes for the length
    start = 12 if wide else 10
    length = int.from_bytes(content[8:start], "little")
    if content[:6] != NPY_MAGIC or length > MAX_NPY_HEADER_BYTES:
        raise ValueError(f"{name!r} is no array of numbers")
    try:
        header = ast.literal_eval(content[start : start + length].decode().strip())
        dtype, shape, fortran = (header[key] for key in ("descr", "shape", "fortran_order"))
        if type(dtype) is not str or dtype[1:2] not in KINDS or type(shape) is not tuple:
            raise ValueError(f"of type {dtype!r:.20}")
        if not all(type(side) is int and 0 <= side < 2**48 for side in shape):
            raise ValueError("of senseless sides")
        kind = np.dtype(dtype)
        raw = content[start + length :]
        if len(raw) != math.prod(shape) * kind.itemsize:
            raise ValueError("of another size than its header says")
        return np.frombuffer(raw, kind).reshape(shape, order="F" if fortran is True else "C")
    except (SyntaxError, TypeError, ValueError, LookupError, MemoryError, RecursionError) as error:
        raise ValueError(f"{name!r} is no array of numbers: {error}") from error
