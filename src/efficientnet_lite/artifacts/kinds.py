"""Which kinds of artifact there are, which options each of them uses, and what the name of a target says of it.

An option that the chosen kind has no use for is refused, also where it is given its usual value.
"""

from collections.abc import Mapping
from pathlib import Path

from efficientnet_lite.artifacts import hub_module, onnx, saved_model, tf1_checkpoint, tflite
from efficientnet_lite.artifacts.kind import ArtifactKind
from efficientnet_lite.artifacts.options import FORMATS, ExportOptions
from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.tflite.artifact import PRECISIONS

KINDS: Mapping[str, ArtifactKind] = {
    kind.format: kind
    for kind in (tflite.KIND, onnx.KIND, saved_model.KIND, hub_module.KIND, tf1_checkpoint.KIND)
}

# A sort is a format, or the precision of a .tflite file. Option -> the sorts that use it; what is not named here
# (model, weights, ema, overwrite) is of the source or the target, and all use it.
_ALL_TFLITE: tuple[str, ...] = PRECISIONS
_SMALLER = ("float16", "dynamic", "int8")
USES: Mapping[str, tuple[str, ...]] = {
    "precision": _ALL_TFLITE,
    "batch": _ALL_TFLITE,
    "endpoints": _ALL_TFLITE,
    "labels_locale": _ALL_TFLITE,
    "workers": _ALL_TFLITE,
    "outputs": (*_ALL_TFLITE, "onnx", "savedmodel", "hub-tf1"),
    "data": _SMALLER,
    "max_drop": _SMALLER,
    "min_agreement": _SMALLER,
    "io": ("int8",),
    "calibration_photos": ("int8",),
    "dense": ("dynamic", "int8"),
}
SORTS: tuple[str, ...] = (*_ALL_TFLITE, *(each for each in FORMATS if each != "tflite"))
BARS = ("max_drop", "min_agreement")  # what photos are held to
_WHY = {("outputs", "tf1-checkpoint"): ": a checkpoint holds weights and has no outputs"}

SUFFIXES: Mapping[str, str] = {".tflite": "tflite", ".onnx": "onnx", ".ckpt": "tf1-checkpoint"}
_FOREIGN = """
    .keras .h5 .hdf5 .pb .pbtxt .pt .pth .pt2 .bin .safetensors .mlmodel .mlpackage .engine .plan .trt .xml .param
    .zip .tar .gz .tgz .npz .npy .pkl .json .txt .csv .html .jpg .jpeg .png .webp
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
            fix="end the name in .tflite or .onnx, or name a folder for "
            + ", ".join(each for each in FORMATS if each not in ("tflite", "onnx")),
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


def require_used(kind: ArtifactKind, options: ExportOptions) -> None:
    """Raises UsageError for the first of the options that were given and the kind does not use."""
    given, precision = options.given(), options.precision or "float32"
    if kind is tflite.KIND and precision not in PRECISIONS:
        return  # it is refused itself
    sort = precision if kind is tflite.KIND else kind.format
    for name in given:
        users = USES.get(name, SORTS)
        if sort not in users:
            raise UsageError(
                f"`{name}=` is for {_named(users)}, not for {_named((sort,))}" + _WHY.get((name, sort), ""),
                where=CALL,
                fix="leave it out",
            )
    if kind is tflite.KIND and "data" not in given:
        for name in (each for each in BARS if each in given and precision != "int8"):
            raise UsageError(
                f"`{name}=` is about photos, and none are given",
                where=CALL,
                fix="give `data=`, or leave it out",
            )


def _named(sorts: tuple[str, ...]) -> str:
    """Sorts as a reader knows them."""
    if set(sorts) >= set(PRECISIONS):
        rest = [each for each in sorts if each not in PRECISIONS]
        return ", ".join([".tflite files", *rest])
    tflite = [each for each in sorts if each in PRECISIONS]
    rest = [each for each in sorts if each not in PRECISIONS]
    named = [f"{' and '.join(tflite)} .tflite files"] if tflite else []
    return ", ".join([*named, *rest])
