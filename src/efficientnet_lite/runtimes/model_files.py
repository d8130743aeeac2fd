"""A `.tflite` or `.onnx` file, at a path or in memory -> a `Model`, its structure checked as a stranger's before.

Ours carry their contract. A stranger's file is taken by its metadata and shapes; where those do not say
how pixels are to be normalized, it is refused rather than guessed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.runtimes.onnx import OnnxRuntime
from efficientnet_lite.storage import files
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity
from efficientnet_lite.tflite.label_files import labels_of, read_labels
from efficientnet_lite.tflite.metadata import read_entries, read_normalization

if TYPE_CHECKING:
    from efficientnet_lite.strangers.structure import CheckedModel
    from efficientnet_lite.strangers.tensors import TensorInfo

MAX_MODEL_BYTES = 512 * 2**20
INPUT_TYPES = ("float32", "uint8", "int8")


def open_model(path: Path, *, workers: int | None = None) -> Model:
    """The `.tflite` or `.onnx` file at `path`, its structure checked as hostile bytes before a runtime sees it.

    Raises:
        UnusableInput: there is no such file.
        UsageError: it is an `.onnx` file, and ONNX Runtime is not installed.
        ArtifactError: it is no TFLite classifier of one image, is damaged, or does not say how to
            normalize a float input; an ONNX file that is not ours.
    """
    onnx = path.suffix == ".onnx"
    kind, opened = ("an .onnx file", model_from_onnx) if onnx else ("a .tflite file", model_from_bytes)
    return opened(files.read_bytes(path, limit=MAX_MODEL_BYTES, what=kind), where=path, workers=workers)


def model_from_bytes(data: bytes, *, where: Path | str, workers: int | None = None) -> Model:
    """Like `open_model`, for a file in memory."""
    from efficientnet_lite.strangers.structure import check_model  # names and runs need no such reader

    image = _image(check_model(data, where=where), where)
    entries = read_entries(data, where=where)
    identity = Identity.from_bytes(entries[OWN_ENTRY], where=where) if OWN_ENTRY in entries else None
    if identity is not None and identity.contract.size != image.shape[1]:
        raise ArtifactError(
            f"its contract says {identity.contract.size} pixels, its input takes {image.shape[1]}",
            where=where,
            fix="export the model again",
        )
    strange = identity is None and image.dtype == "float32"
    normalization = _normalization(data, where) if strange else None
    found = dict(read_labels(data, where=where) or {})
    return Model(
        where=where,
        data=data,
        contract=identity.contract if identity else Contract(image.shape[1]),
        labels=found.pop("", None),
        translations=found,
        identity=identity,
        normalization=normalization,
        workers=workers or cores(),
    )


def _image(checked: "CheckedModel", where: Path | str) -> "TensorInfo":
    """The only input; raises ArtifactError where it is no square RGB image."""
    inputs = [checked.tensors[index] for index in checked.inputs]
    shape = inputs[0].shape
    square = len(shape) == 4 and (shape[0], shape[3]) == (1, 3) and shape[1] == shape[2]
    if len(inputs) != 1 or not square or inputs[0].dtype not in INPUT_TYPES:
        raise ArtifactError(
            f"its inputs are {', '.join(f'{each.dtype} {each.shape}' for each in inputs)}, "
            f"expected one square RGB image (1, S, S, 3) of {', '.join(INPUT_TYPES)}",
            where=where,
            fix="give a file for image classification",
        )
    return inputs[0]


def _normalization(data: bytes, where: Path | str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std that a stranger's metadata give for its float input; they are not guessed."""
    found = read_normalization(data, where=where)
    if found is None:
        raise ArtifactError(
            "its input is float32, and nothing in it says which range of values it wants",
            where=where,
            fix="export it again with metadata (mean and std of its input); of an EfficientNet-Lite "
            "`export` writes a file that says it",
        )
    return found


def model_from_onnx(data: bytes, *, where: Path | str, workers: int | None = None) -> Model:
    """An `.onnx` file of ours in memory, opened once to see that it is one; see `open_model`."""
    opened = OnnxRuntime(data, where=where)
    text = opened.metadata
    if OWN_ENTRY not in text:
        raise ArtifactError(
            "nothing in it says how its input wants to be prepared",
            where=where,
            fix="give an .onnx file of this package; make one with `export`",
        )
    identity = Identity.from_bytes(text[OWN_ENTRY].encode(errors="replace"), where=where)
    size = identity.contract.size
    if [(each.shape, str(each.dtype)) for each in opened.inputs] != [((1, size, size, 3), "float32")]:
        raise ArtifactError(
            f"its input is not the float32 (batch, {size}, {size}, 3) that its contract says",
            where=where,
            fix="export the model again",
        )
    found = labels_of({name: value.encode(errors="replace") for name, value in text.items()})
    return Model(
        where=where,
        data=data,
        contract=identity.contract,
        labels=found.pop("", None),
        translations=found,
        identity=identity,
        normalization=None,
        workers=workers or cores(),
        open_engine=OnnxRuntime,
    )
