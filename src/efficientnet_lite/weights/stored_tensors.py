"""A tensor as a checkpoint file holds it: dtype and shape are known at once, numbers come when asked for.

Every format reader answers with `Stored` tensors by the file's own names, so that names and shapes
can be judged before a single number is copied.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.errors import CheckpointError, printable

MAX_CHECKPOINT_BYTES = 512 * 2**20  # lite4 with averages and optimizer slots has 208 MB
DOWNLOAD_AGAIN = "download or copy the file again, and check its size"


@dataclass(frozen=True, slots=True)
class Dtype:
    """A number format of checkpoint files; `codes` is the numpy type that its bytes are read as."""

    name: str
    codes: str

    @property
    def itemsize(self) -> int:
        return np.dtype(self.codes).itemsize

    @property
    def real(self) -> bool:
        """Whether it can hold weights; counters and step numbers are integers."""
        return "float" in self.name

    @property
    def numeric(self) -> bool:
        """False for what stands in a tensor's place and is none; `name` says what it is."""
        return self.codes != ""

    def values(self, codes: NDArray[Any]) -> NDArray[Any]:
        """The numbers that `codes` stand for, in the same shape."""
        if self is BFLOAT16:  # the upper half of a float32; numpy has no type for it
            return (codes.astype(np.uint32) << 16).view(np.float32)
        return codes

    def array(self, raw: bytes | memoryview, shape: tuple[int, ...]) -> NDArray[Any]:
        """The numbers that the bytes `raw` hold, in `shape`; a view of them where that is possible."""
        return self.values(np.frombuffer(raw, self.codes).reshape(shape))


FLOAT16 = Dtype("float16", "<f2")
FLOAT32 = Dtype("float32", "<f4")
FLOAT64 = Dtype("float64", "<f8")
BFLOAT16 = Dtype("bfloat16", "<u2")
INT32 = Dtype("int32", "<i4")
INT64 = Dtype("int64", "<i8")
INT16, INT8, UINT8 = Dtype("int16", "<i2"), Dtype("int8", "|i1"), Dtype("uint8", "|u1")
BOOL = Dtype("bool", "|u1")


def _nothing() -> NDArray[Any]:
    raise ValueError("this is no tensor")


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of a checkpoint. `load` gives its numbers in `shape`; it may view the file's bytes.

    `load` raises CheckpointError where a checksum shows that the numbers are damaged.
    """

    dtype: Dtype
    shape: tuple[int, ...]
    load: Callable[[], NDArray[Any]]


def damaged(what: str, where: Path | str) -> CheckpointError:
    """The error for bytes that no sound file of their format has."""
    return CheckpointError(f"the checkpoint is damaged: {what}", where=where, fix=DOWNLOAD_AGAIN)


def some(names: Iterable[str], limit: int = 3) -> str:
    """The first few of `names`, each on one line and of bounded length, and how many more there are."""
    listed = list(names)
    shown = ", ".join(f"{printable(name[:100])}{'…' if len(name) > 100 else ''}" for name in listed[:limit])
    return shown + (f" and {len(listed) - limit} more" if len(listed) > limit else "")


def no_tensor(what: str) -> Stored:
    """What stands under a name of a checkpoint without being a tensor."""
    return Stored(Dtype(what, ""), (), _nothing)
