"""Golden files: inputs and expected outputs beside an artifact, for an app's own tests and for `verify`."""

import io
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import ArtifactError, EfficientNetLiteError, UnusableInput
from efficientnet_lite.proof.parity import FLOAT_TOLERANCE, allowance
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import Apart, check_own_file
from efficientnet_lite.zipped import read_arrays

CODE_TOLERANCE = 2  # of an integer output, between processors
MAX_BYTES = 256 * 2**20  # unpacked; five images of 2048 pixels have 63 MB


def golden_npz(images: npt.NDArray[np.uint8], outputs: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The content of a golden file, for an app's own tests and for `verify`.

    `images` uint8 (N, S, S, 3), prepared as the contract says, and under its name what the artifact gives
    for them, (N, ...), codes as they are. A float input is `images` / 255, an int8 one `images` - 128.
    """
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, images=images, **outputs)
    return stream.getvalue()


def golden_path(artifact: Path) -> Path:
    """Where the golden file of `artifact` lies: `model.tflite.golden.npz` for `model.tflite`."""
    return artifact.with_name(f"{artifact.name}.golden.npz")


def find_golden(artifact: Path) -> Path:
    """The golden file that is there; older versions left the ending of `model.tflite` out of its name."""
    path = golden_path(artifact)
    older = artifact.with_name(f"{artifact.stem}.golden.npz")
    return older if files.is_file(older) and not files.exists(path) else path


def check_golden(artifact: Path, *, overwrite: bool, apart: Collection[Apart] = ()) -> None:
    """Refuse, before any work is done, what lies where the golden file of `artifact` would.

    Nobody names that file, so `overwrite` is for golden files alone. Raises UsageError.
    """
    check_own_file(
        golden_path(artifact),
        _is_golden,
        what="file of expected outputs",
        overwrite=overwrite,
        example="model.golden.npz",
        apart=apart,
    )


def _is_golden(path: Path) -> bool:
    try:
        read_golden(path, ("images",))
    except EfficientNetLiteError:
        return False
    return True


def read_golden(path: Path, names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """The arrays `names` of a golden file that may come from a stranger: no pickles, no bomb.

    Raises:
        ArtifactError: it is damaged, or one is missing or empty.
    """
    try:
        content = files.read_bytes(path, limit=MAX_BYTES, what="a file of expected outputs")
        found = read_arrays(content, names, limit=MAX_BYTES)
        for name, array in found.items():
            if not array.size or array.dtype.kind not in "iuf":
                raise ValueError(f"{name!r} is no array of numbers")
    except (ValueError, UnusableInput) as error:
        raise unusable(path, error) from error
    return found


def unusable(path: Path, error: object) -> ArtifactError:
    """The message for golden outputs that cannot be compared with."""
    return ArtifactError(
        f"the expected outputs cannot be read: {error}", where=path, fix="export or train it again"
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
        allowed = CODE_TOLERANCE if integer else FLOAT_TOLERANCE * allowance(true)
        if not (np.isfinite(allowed) & (gap <= allowed)).all():  # NaN neither
            bar = CODE_TOLERANCE if integer else FLOAT_TOLERANCE
            lines.append(
                f"the outputs of {what} ({name}) differ from the expected ones by {gap.max():.3g}, more than {bar:g}"
            )
    return lines
