"""Which kinds of artifact there are, and which of them the name of a target means."""

from collections.abc import Mapping
from pathlib import Path

from efficientnet_lite.artifacts import (
    compiled,
    coreml,
    hub_module,
    onnx,
    saved_model,
    tf1_checkpoint,
    tflite,
)
from efficientnet_lite.artifacts.firmware import microcontroller
from efficientnet_lite.artifacts.kind import ArtifactKind
from efficientnet_lite.artifacts.options import FORMATS
from efficientnet_lite.errors import CALL, UsageError

KINDS: Mapping[str, ArtifactKind] = {
    kind.format: kind
    for kind in (
        tflite.KIND,
        onnx.KIND,
        coreml.KIND,
        saved_model.KIND,
        hub_module.KIND,
        tf1_checkpoint.KIND,
        microcontroller.KIND,
        compiled.KIND,
    )
}

SUFFIXES: Mapping[str, str] = {
    ".tflite": "tflite",
    ".onnx": "onnx",
    ".mlpackage": "coreml",
    ".ckpt": "tf1-checkpoint",
}
NAMED = (".tflite", ".onnx", ".mlpackage")  # endings that the names of those kinds must have
_FOREIGN = """
    .keras .h5 .hdf5 .pb .pbtxt .pt .pth .pt2 .bin .safetensors .mlmodel .engine .plan .trt .xml .param
    .zip .tar .gz .tgz .npz .npy .pkl .json .txt .csv .html .c .cc .cpp .h .jpg .jpeg .png .webp
"""
FOREIGN = frozenset(_FOREIGN.split())  # of files that are none of ours


def chosen_kind(given: str | None, out: Path | None) -> ArtifactKind:
    """The kind that was asked for, by its format or the ending of the target; "tflite" where neither says.

    Raises:
        UsageError: there is none of that name, or the ending contradicts it, or is that of another kind of file.
    """
    if given is not None and given not in FORMATS:
        raise UsageError(f"no such format: {given}", where=CALL, fix=f"give {', '.join(FORMATS)}")
    # `.onnx` is all ending to a user.
    suffix = (out.suffix or out.name).strip().lower() if out is not None else ""
    if suffix in FOREIGN:
        raise UsageError(
            f"no format that is written has the ending {suffix}",
            where=str(out),
            fix=f"end the name in {' or '.join(NAMED)}, or name a folder for "
            + ", ".join(each for each in FORMATS if each not in {SUFFIXES[ending] for ending in NAMED}),
        )
    by_name = SUFFIXES.get(suffix)
    format = given or by_name or tflite.KIND.format
    if by_name not in (None, format):
        raise UsageError(
            f"`format={format}` contradicts the ending {suffix} of `out=`, which is that of {by_name}",
            where=str(out),
            fix="leave `format=` out, or choose another name",
        )
    return KINDS[format]
