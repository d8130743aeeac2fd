"""What `export` can be told, in one record that the command line and Python fill alike, and which kinds use what.

An option that the chosen kind has no use for is refused, also where it is given its usual value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.vocabulary import PRECISIONS, DenseScales, Effort, EthosUTarget, Io, Precision

ArtifactFormat = Literal["tflite", "onnx", "coreml", "savedmodel", "hub-tf1", "tf1-checkpoint", "tflm"]
FORMATS: tuple[ArtifactFormat, ...] = get_args(ArtifactFormat)
Batching = Literal["1", "dynamic"]
BATCHINGS: tuple[Batching, ...] = get_args(Batching)
DENSE_SCALES: tuple[DenseScales, ...] = get_args(DenseScales)
EFFORTS: tuple[Effort, ...] = get_args(Effort)
TFLITE = "tflite"
_OF_ALL = ("format", "model", "weights", "ema", "overwrite")  # of the source or the target

# A sort is a format, or the precision of a .tflite file. Option -> the sorts that use it; what is not named here
# (model, weights, ema, overwrite) is of the source or the target, and all use it.
_ALL_TFLITE: tuple[str, ...] = PRECISIONS
_SMALLER = ("float16", "dynamic", "int8", "tflm")
USES: Mapping[str, tuple[str, ...]] = {
    "precision": (*_ALL_TFLITE, "coreml", "tflm"),
    "batch": _ALL_TFLITE,
    "endpoints": _ALL_TFLITE,
    "labels_locale": _ALL_TFLITE,
    "workers": (*_ALL_TFLITE, "tflm"),
    "outputs": (*_ALL_TFLITE, "onnx", "coreml", "savedmodel", "hub-tf1", "tflm"),
    "data": _SMALLER,
    "max_drop": _SMALLER,
    "min_agreement": _SMALLER,
    "io": ("int8",),
    "calibration": ("int8", "tflm"),
    "calibration_seed": ("int8", "tflm"),
    "dense": ("dynamic", "int8", "tflm"),
    "effort": ("int8", "tflm"),
    "keep": ("int8",),
    "target": ("int8",),
    "sram": ("int8",),
}
SORTS: tuple[str, ...] = (*_ALL_TFLITE, *(each for each in FORMATS if each != "tflite"))
BARS = ("max_drop", "min_agreement")  # what photos are held to
_WHY = {("outputs", "tf1-checkpoint"): ": a checkpoint holds weights and has no outputs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """The options of an export. What is None or empty was not given, and is as usual; see `USES`.

    Attributes:
        format: "tflite" where None, unless the ending of the target says otherwise.
        model: of a checkpoint, the variant that it must be and its input size, as "lite4@300".
        weights: of a model name: "imagenet", "hub", or the path of a checkpoint.
        ema: of a checkpoint that has both, read the moving averages rather than the raw weights; a
            TF1 checkpoint then gets both.
        overwrite: replace an existing artifact; a folder only where it is one of ours.
        outputs: "probabilities" (as usual), "logits" and "features", in the file's order; of "savedmodel" and
            "hub-tf1" the last two say what kind of model it is; "tf1-checkpoint" has none.
        precision: "float32" as usual; "float16" and "dynamic", smaller files of float arithmetic; or "int8".
        io: type of input and outputs of an int8 file: "uint8" as usual, "int8", or "float32".
        batch: "1" as usual, or "dynamic": the caller may change it.
        dense: scales of the dense layer's int8 kernel, "per-tensor" as usual; "per-channel" needs runtimes of
            2022 (int8) or of 2024 (dynamic).
        effort: "standard" as usual; "best" learns biases, scales and roundings by gradients, for minutes.
        keep: layers of an int8 file that stay in float32, by the names of the plan; see `steps_named`.
        endpoints: names of the reference, such as "reduction_4", as further outputs; `features` among them is
            the last block's feature map. Alone they replace the outputs.
        data: for int8, a folder of photos like those that the model will see; labels are not needed. Other
            precisions are compared on them too; without, on three fixed inputs.
        calibration: how many of the photos set the ranges, 100 as usual; the others prove the file.
        calibration_seed: of the choice of those, 0 as usual.
        max_drop, min_agreement: what a smaller precision may lose, where photos tell; see `proof.gate`.
        labels_locale: locale -> file of class names in that language, one a line.
        target: an Ethos-U, for which Vela compiles the int8 file besides.
        sram: KiB of it that the Ethos-U may use.
        workers: photos under way at once; one per core as usual.
    """

    format: ArtifactFormat | None = None
    model: str | None = None
    weights: str | Path = "imagenet"
    ema: bool = True
    overwrite: bool = False
    outputs: Sequence[str] = ()
    precision: Precision | None = None
    io: Io | None = None
    batch: Batching | None = None
    dense: DenseScales | None = None
    effort: Effort | None = None
    keep: Sequence[str] = ()
    endpoints: Sequence[str] | None = None
    data: str | Path | None = None
    calibration: int | None = None
    calibration_seed: int | None = None
    max_drop: float | None = None
    min_agreement: float | None = None
    labels_locale: Mapping[str, Path] | None = None
    target: EthosUTarget | None = None
    sram: int | None = None
    workers: int | None = None

    def given(self) -> dict[str, Any]:
        """Those that were given and not every format uses, by name."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _OF_ALL}
        return {name: value for name, value in values.items() if value not in (None, (), [], {})}


def photos_needed() -> UsageError:
    """The error where int8 is asked for, and there is nothing to set its ranges."""
    return UsageError(
        "int8 needs photos to set its ranges",
        where=CALL,
        fix="give `data=FOLDER`, with photos like those that the model will see; labels are not needed",
    )


def require_used(format: str, options: ExportOptions) -> None:
    """Raises UsageError for the first of the options that were given and the format does not use."""
    given, precision = options.given(), options.precision or "float32"
    if format == TFLITE and precision not in PRECISIONS:
        return  # it is refused itself
    sort = precision if format == TFLITE else format
    for name in given:
        users = USES.get(name, SORTS)
        if sort not in users:
            raise UsageError(
                f"`{name}=` is for {_named(users)}, not for {_named((sort,))}" + _WHY.get((name, sort), ""),
                where=CALL,
                fix="leave it out",
            )
    if "sram" in given and "target" not in given:
        raise UsageError(
            "`sram=` is about an Ethos-U, and none is given",
            where=CALL,
            fix="give `target=`, such as ethos-u55-128, or leave it out",
        )
    if format == TFLITE and "data" not in given:
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
