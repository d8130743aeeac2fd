"""Inputs on which a `.tflite` file is run beside another runtime: its golden ones, or fixed ones where it has none."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from efficientnet_lite.proof.golden import find_golden, read_golden, unusable
from efficientnet_lite.proof.parity import fixed_inputs
from efficientnet_lite.storage import files
from efficientnet_lite.strangers.structure import CheckedModel

MOST_INPUTS = 8  # of a golden file; ours have three or five
OF_A_RUN = "golden.npz"  # beside a run's own files, in exports/


class RunInputs(NamedTuple):
    """Raw inputs, (N, ...) of the shape of a file's input without the first side of 1, and where they are from."""

    raw: npt.NDArray[Any]
    named: str


def run_inputs(model: CheckedModel, artifact: Path) -> RunInputs:
    """Inputs for a file with one input: the images of the golden file beside `artifact`, else `fixed_inputs`.

    An input of float32 gets images / 255, one of int8 images - 128, as golden files say. What is no square image of
    three channels gets noise.

    Raises ArtifactError where there is a golden file, damaged or of other shapes.
    """
    taken = model.tensors[model.inputs[0]]
    shape = taken.shape[1:]
    golden = next((path for path in _golden_files(artifact) if files.is_file(path)), None)
    if golden is not None:
        images, named = read_golden(golden, ("images",))["images"][:MOST_INPUTS], f"of {golden.name}"
        if images.dtype != np.uint8 or images.shape[1:] != shape:
            found = f"{images.dtype} images of {list(images.shape[1:])}, the file takes {list(shape)}"
            raise unusable(golden, found)
    elif len(shape) == 3 and shape[0] == shape[1] and shape[2] == 3:
        images, named = fixed_inputs(shape[0]), "drawn: a color ramp, coarse noise and fine noise"
    else:
        images, named = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8), "drawn: noise"
    return RunInputs(_raw(images, taken.dtype), named)


def _golden_files(artifact: Path) -> tuple[Path, Path]:
    return find_golden(artifact), artifact.with_name(OF_A_RUN)


def _raw(images: npt.NDArray[np.uint8], dtype: str) -> npt.NDArray[Any]:
    if dtype == "int8":
        return (images.astype(np.int16) - 128).astype(np.int8)
    return images if dtype == "uint8" else (images / 255).astype(dtype)
