"""`export_model.py`: what the reference's own script made of a checkpoint, proven before it gets its name."""

import re
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import ArtifactKind, Making
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.artifacts.publication import check_place, prepared
from efficientnet_lite.artifacts.reference_cli import FLOAT, SAVED_MODEL, int8_kind
from efficientnet_lite.artifacts.sample import Sample
from efficientnet_lite.errors import CALL, UnusableInput, UsageError
from efficientnet_lite.network.plan import MAX_SIZE, MIN_SIZE, VARIANTS, ModelName, model_name
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.storage import files
from efficientnet_lite.training.reference_photos import calibration_sample
from efficientnet_lite.weights.published import sources_apart

NUM_STEPS = 2000
OTHER_FAMILY = re.compile(
    r"efficientnet-(b[0-9]|l2|x|v2|edgetpu|condconv|.*condconv|.*qat|.*select|tpu)", re.I
)


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of the reference, with its defaults; `image_size` alone has the variant's."""

    model_name: str
    ckpt_dir: str
    output_tflite: str | None = None
    output_saved_model_dir: str | None = None
    data_dir: str | None = None
    quantize: bool = True
    num_steps: int = NUM_STEPS
    image_size: int | None = None  # 224, 240, 260, 280, 300: the reference's builder has these
    batch_size: int = 1  # photos in a step of calibration; the files take one
    endpoint_name: str | None = None
    enable_ema: bool = True


def export_reference(
    flags: Flags, *, workers: int | None = None, stage: ShowStage = silent
) -> tuple[Exported, ...]:
    """Write the files that `flags` ask for: all of them, each proven, or none.

    An existing .tflite file is replaced, as the reference does; an existing SavedModel is not, as there.

    Raises:
        UsageError: the flags cannot be carried out as they are, or TensorFlow is not installed for a SavedModel.
        UnusableInput, CheckpointError: no such checkpoint, or a damaged one; no photos in `data_dir`.
        VerificationFailed: a file is too far from its parent; nothing is published.
    """
    name = reference_name(flags)
    _check(flags)
    origin = open_origin(flags.ckpt_dir, model=f"{name.variant.name}@{name.size}", ema=flags.enable_ema)
    options = ExportOptions(
        endpoints=(flags.endpoint_name,) if flags.endpoint_name else (), workers=workers, overwrite=True
    )
    making = Making(origin, options, Path(flags.output_tflite or ""), stage)
    apart = sources_apart(flags.ckpt_dir, what="the checkpoint")
    with ExitStack() as held:
        ready = []
        if flags.output_tflite:
            kind = _int8(flags) if flags.quantize else FLOAT
            ready.append(held.enter_context(prepared(kind, making, apart=apart)))
        if flags.output_saved_model_dir:
            folder = making.at(Path(flags.output_saved_model_dir), replace(options, overwrite=False))
            ready.append(held.enter_context(prepared(SAVED_MODEL, folder, apart=apart)))
        return tuple(each.publish() for each in ready)


def _int8(flags: Flags) -> ArtifactKind:
    """With the photos of `data_dir`."""
    folder, count = Path(flags.data_dir or ""), flags.num_steps * flags.batch_size

    def sample(contract: Contract, most: int) -> Sample:
        return calibration_sample(folder, contract, most, workers=cores())

    return int8_kind(sample, count)


def reference_name(flags: Flags) -> ModelName:
    """Variant and size; a name of the reference's other families is refused with the reason."""
    if OTHER_FAMILY.match(flags.model_name.strip()):
        raise UsageError(
            f"{flags.model_name} is not of the Lite family, and this package knows no other",
            where="`model_name=`",
            fix=f"give {', '.join(f'efficientnet-{name}' for name in VARIANTS)}",
        )
    name = model_name(flags.model_name)
    size = name.size if "@" in flags.model_name else name.variant.int8_size
    if flags.image_size is not None:
        if "@" in flags.model_name and flags.image_size != size:
            raise UsageError(
                f"`image_size={flags.image_size}` contradicts `model_name={flags.model_name}`",
                where=CALL,
                fix="leave one of them out",
            )
        size = flags.image_size
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise UsageError(
            f"an input of {size} pixels is outside {MIN_SIZE} to {MAX_SIZE}",
            where="`image_size=`",
            fix=f"leave it out for {name.variant.int8_size}",
        )
    return ModelName(name.variant, size)


def _check(flags: Flags) -> None:
    """Refuse what cannot work, before any work is done."""
    if not flags.output_tflite and not flags.output_saved_model_dir:
        raise UsageError("nothing to write is named", where=CALL, fix="give `output_tflite=FILE`")
    if flags.output_tflite and flags.quantize and not flags.data_dir:
        raise UsageError(
            "`quantize=`, which is the default, needs `data_dir=`: photos that set the ranges",
            where=CALL,
            fix="give `data_dir=FOLDER`, or `quantize=False` for a float file",
        )
    for flag, value in (("num_steps", flags.num_steps), ("batch_size", flags.batch_size)):
        if value < 1:
            raise UsageError(f"`{flag}=` is {value}", where=CALL, fix="give at least 1")
    if not files.exists(flags.ckpt_dir) and not files.exists(f"{flags.ckpt_dir}.index"):
        raise UnusableInput(
            files.missing(flags.ckpt_dir, "checkpoint"),
            where=flags.ckpt_dir,
            fix="give the folder of the checkpoint",
        )
    apart = sources_apart(flags.ckpt_dir, what="the checkpoint")
    if flags.output_tflite:
        check_place(FLOAT, Path(flags.output_tflite), overwrite=True, apart=apart)
    folder = Path(flags.output_saved_model_dir or "")
    if flags.output_saved_model_dir and files.lexists(folder) and not files.is_empty_dir(folder):
        raise UsageError("the SavedModel exists", where=folder, fix="give another `output_saved_model_dir=`")
