"""Which formats there are, which options each of them uses, and what the name of a target says of it.

One table, read by the command line and by `export` in Python alike: an option that the chosen format has no use
for is refused, also where it is given its usual value.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.tflite.artifact import PRECISIONS

Format = Literal["tflite", "onnx", "savedmodel", "hub-tf1", "tf1-checkpoint"]
FORMATS: tuple[Format, ...] = get_args(Format)

# A kind is a format, or the precision of a .tflite file. Option -> the kinds that use it; what is not named here
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
KINDS: tuple[str, ...] = (*_ALL_TFLITE, *(each for each in FORMATS if each != "tflite"))
BARS = ("max_drop", "min_agreement")  # what photos are held to
_WHY = {("outputs", "tf1-checkpoint"): ": a checkpoint holds weights and has no outputs"}

SUFFIXES: Mapping[str, Format] = {".tflite": "tflite", ".onnx": "onnx", ".ckpt": "tf1-checkpoint"}
_FOREIGN = """
    .keras .h5 .hdf5 .pb .pbtxt .pt .pth .pt2 .bin .safetensors .mlmodel .mlpackage .engine .plan .trt .xml .param
    .zip .tar .gz .tgz .npz .npy .pkl .json .txt .csv .html .jpg .jpeg .png .webp
"""
FOREIGN = frozenset(_FOREIGN.split())  # of files that are none of ours


def chosen_format(given: str | None, out: Path | None) -> Format:
    """The format that was asked for, by name or by the ending of the target; "tflite" where neither says.

    Raises:
        UsageError: there is none of that name, or the ending contradicts it, or is that of another kind of file.
    """
    if given is not None and given not in FORMATS:
        raise UsageError(f"no such format: {given}", where=CALL, fix=f"give {', '.join(FORMATS)}")
    suffix = (
        (out.suffix or out.name).strip().lower() if out is not None else ""
    )  # `.onnx` is all ending to a user
    if suffix in FOREIGN:
        raise UsageError(
            f"no format that is written has the ending {suffix}",
            where=str(out),
            fix="end the name in .tflite or .onnx, or name a folder for "
            + ", ".join(each for each in FORMATS if each not in ("tflite", "onnx")),
        )
    by_name = SUFFIXES.get(suffix)
    for each in FORMATS:
        if each == (given or by_name or "tflite"):
            if by_name not in (None, each):
                raise UsageError(
                    f"`format={each}` contradicts the ending {suffix} of `out=`, which is that of {by_name}",
                    where=str(out),
                    fix="leave `format=` out, or choose another name",
                )
            return each
    raise AssertionError(given)


def require_used(format: Format, options: Mapping[str, Any]) -> None:
    """Raises UsageError for the first of `options`, all of which were given, that the format does not use.

    Args:
        options: name -> value; what is None or empty was not given.
    """
    given = {name: value for name, value in options.items() if value not in (None, (), [], {})}
    precision = given.get("precision", "float32")
    if format == "tflite" and precision not in PRECISIONS:
        return  # it is refused itself
    kind = precision if format == "tflite" else format
    for name in given:
        users = USES.get(name, KINDS)
        if kind not in users:
            raise UsageError(
                f"`{name}=` is for {_named(users)}, not for {_named((kind,))}" + _WHY.get((name, kind), ""),
                where=CALL,
                fix="leave it out",
            )
    if format == "tflite" and "data" not in given:
        for name in (each for each in BARS if each in given and precision != "int8"):
            raise UsageError(
                f"`{name}=` is about photos, and none are given",
                where=CALL,
                fix="give `data=`, or leave it out",
            )


def _named(kinds: tuple[str, ...]) -> str:
    """Kinds as a reader knows them."""
    if set(kinds) >= set(PRECISIONS):
        rest = [each for each in kinds if each not in PRECISIONS]
        return ", ".join([".tflite files", *rest])
    tflite = [each for each in kinds if each in PRECISIONS]
    rest = [each for each in kinds if each not in PRECISIONS]
    named = [f"{' and '.join(tflite)} .tflite files"] if tflite else []
    return ", ".join([*named, *rest])
