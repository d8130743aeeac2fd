"""Golden files: inputs and expected outputs beside an artifact, for an app's own tests and for `verify`."""

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.doors import files
from efficientnet_lite.errors import ArtifactError, UnusableInput

FLOAT_TOLERANCE = 1e-3  # of a value, between processors; relative beyond 1
CODE_TOLERANCE = 2  # of an integer output, likewise
MAX_BYTES = 256 * 2**20  # unpacked; five images of 2048 pixels have 63 MB
_DAMAGE = (ValueError, TypeError, KeyError, EOFError, OSError, MemoryError, UnusableInput)
_UNPACKING = (zipfile.BadZipFile, zlib.error, NotImplementedError)  # of a ZIP, the last for its compression


def golden_npz(images: npt.NDArray[np.uint8], outputs: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The content of a golden file, for an app's own tests and for `verify`.

    `images` uint8 (N, S, S, 3), prepared as the contract says, and under its name what the artifact gives
    for them, (N, ...), codes as they are. A float input is `images` / 255, an int8 one `images` - 128.
    """
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, images=images, **outputs)
    return stream.getvalue()


def golden_path(artifact: Path) -> Path:
    """Where the golden file of `artifact` lies: `model.golden.npz` for `model.tflite` or the folder `model`."""
    name = artifact.name if files.is_dir(artifact) or not artifact.suffix else artifact.stem
    return artifact.with_name(f"{name}.golden.npz")


def read_golden(path: Path, names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """The arrays `names` of a golden file that may come from a stranger: no pickles, no bomb.

    Raises:
        ArtifactError: it is damaged, or one is missing or empty.
    """
    try:
        content = io.BytesIO(files.read_bytes(path, limit=MAX_BYTES, what="golden outputs"))
        with zipfile.ZipFile(content) as archive:
            if (size := sum(member.file_size for member in archive.infolist())) > MAX_BYTES:
                raise ValueError(f"{size:,} bytes are more than they can have ({MAX_BYTES:,})")
        with np.load(content, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in names}
        for name, array in found.items():  # NumPy gives a member that is no array as its bytes
            if not isinstance(array, np.ndarray) or not array.size or array.dtype.kind not in "iuf":
                raise ValueError(f"{name!r} is no array of numbers")
    except (*_DAMAGE, *_UNPACKING) as error:
        raise unusable(path, error) from error
    return found


def unusable(path: Path, error: object) -> ArtifactError:
    """The message for golden outputs that cannot be compared with."""
    return ArtifactError(
        f"the golden outputs cannot be read: {error}", where=path, fix="export or train it again"
    )


def faults(
    found: Mapping[str, npt.NDArray[Any]], wanted: Mapping[str, npt.NDArray[Any]], what: str
) -> list[str]:
    """What of `found`, outputs of `what`, is too far from `wanted`; both of the same shapes."""
    lines = []
    for name, values in found.items():
        true = wanted[name].astype(float)
        gap = np.abs(values.astype(float) - true)
        integer = values.dtype.kind in "iu"
        allowed = CODE_TOLERANCE if integer else FLOAT_TOLERANCE * np.maximum(1, np.abs(true))
        if not (gap <= allowed).all():  # NaN neither
            bar = CODE_TOLERANCE if integer else FLOAT_TOLERANCE
            lines.append(
                f"the golden outputs of {what} ({name}) differ by {gap.max():.3g}, more than {bar:g}"
            )
    return lines
