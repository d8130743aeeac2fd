"""`export_model.py`: what the reference's own script made of a checkpoint, proven before it gets its name.

The files keep the reference's meaning: a float input is normalized already, (x - 127) / 128; an int8 file
has uint8 input and output; the output is the softmax, or the endpoint that was asked for; one image.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import CALL, UnreadablePhoto, UnusableInput, UsageError, VerificationFailed
from efficientnet_lite.network.plan import MAX_SIZE, MIN_SIZE, VARIANTS, ModelName, model_name
from efficientnet_lite.photos import decode as photo_door
from efficientnet_lite.photos.contract import MEAN, STDDEV, Contract
from efficientnet_lite.photos.dataset import list_photos
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof.gate import Bars
from efficientnet_lite.proof.parity import fixed_inputs, numpy_outputs, parity
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.model import model_from_bytes
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.stories.export import MOST_KEPT_BACK, check_tflite, float_parity, output_names
from efficientnet_lite.stories.export_saved_model import SAVED_MODEL
from efficientnet_lite.stories.exported import Exported
from efficientnet_lite.stories.origin import Origin, open_origin
from efficientnet_lite.stories.reduced import Int8Maker, Sample, twin
from efficientnet_lite.tflite.artifact import About, Form, float_artifact
from efficientnet_lite.threads import in_threads
from efficientnet_lite.training import tfrecord
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
    outputs = output_names(
        origin,
        () if flags.endpoint_name else ("probabilities",),
        [flags.endpoint_name] if flags.endpoint_name else [],
    )
    about = About(origin.contract, origin.sha256, origin.license, outputs, origin.labels)
    made = []
    data = None
    if flags.output_tflite:
        target = Path(flags.output_tflite)
        make = _int8 if flags.quantize else _float
        data, exported = make(flags, origin, about, target, workers or cores(), stage)
        made.append(exported)
    if flags.output_saved_model_dir:
        made.append(_saved_model(flags, origin, outputs, Path(flags.output_saved_model_dir), stage))
    if data is not None and flags.output_tflite:
        with files.locked(Path(flags.output_tflite)):
            files.publish(Path(flags.output_tflite), data)
    return tuple(made)


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
        check_tflite(Path(flags.output_tflite), overwrite=True, apart=apart)
    folder = Path(flags.output_saved_model_dir or "")
    if flags.output_saved_model_dir and files.lexists(folder) and not files.is_empty_dir(folder):
        raise UsageError("the SavedModel exists", where=folder, fix="give another `output_saved_model_dir=`")


def _float(
    flags: Flags, origin: Origin, about: About, out: Path, workers: int, stage: ShowStage
) -> tuple[bytes, Exported]:
    """The float file and what its proof showed."""
    layers = origin.layers()
    with stage("Checking the float file") as on_progress:
        data = float_artifact(origin.plan, layers, about, Form(normalized_input=True))
        images = fixed_inputs(origin.plan.size)
        inputs = (images.astype(np.float32) - MEAN) / np.float32(STDDEV)
        runner = LiteRT(data, where=out)
        rows = [runner(one[None]) for one in inputs]
        found = {name: np.concatenate([row[name] for row in rows]) for name in about.outputs}
        nearness = parity(found, numpy_outputs(origin.plan, layers, images))
        on_progress(1, 1)
    nearness.require(what="the float32 file", where=out)
    return data, Exported(
        path=out.absolute(),
        format="tflite",
        precision="float32",
        outputs=about.outputs,
        bytes=len(data),
        sha256=files.sha256_bytes(data),
        parity=nearness,
    )


def _int8(
    flags: Flags, origin: Origin, about: About, out: Path, workers: int, stage: ShowStage
) -> tuple[bytes, Exported]:
    """The integer file and what its proof showed."""
    layers, count = origin.layers(), flags.num_steps * flags.batch_size
    parent = model_from_bytes(float_artifact(origin.plan, layers, twin(about)), where=out, workers=workers)
    nearness = float_parity(parent, origin.plan, layers)
    nearness.require(what="the float32 parent", where=out)
    with stage("Reading the photos") as on_progress:
        images = calibration_photos(
            Path(flags.data_dir or ""), origin.contract, count + MOST_KEPT_BACK, workers=workers
        )
        on_progress(1, 1)
    with Cache() as cache:
        maker = Int8Maker(origin, layers, about, parent, cache, workers, out, Form("int8", "uint8"))
        reduced = maker.make(Sample(images), count, stage)
        cache.prune()
    try:
        reduced.require("int8", about.outputs, Bars(), out)
    except VerificationFailed as error:  # its advice names the options of `export`
        fix = "give more photos, like those that the model will see (`data_dir=`, `num_steps=`)"
        raise VerificationFailed(error.what, where=out, fix=fix) from error
    return reduced.data, Exported(
        path=out.absolute(),
        format="tflite",
        precision="int8",
        outputs=about.outputs,
        bytes=len(reduced.data),
        sha256=files.sha256_bytes(reduced.data),
        parity=nearness,
        comparison=reduced.comparison,
        reduction=reduced.parity,
        cross_fitted=reduced.cross_fitted,
    )


def calibration_photos(
    folder: Path, contract: Contract, most: int, *, workers: int
) -> list[npt.NDArray[np.uint8]]:
    """At most `most` images of `folder`, as the reference's evaluation prepares them, each content once.

    The folder holds the reference's records (validation-00000-of-00128, ...), else photos. Rounded to
    the uint8 that the file will be given.

    Raises:
        UnusableInput: a record file is damaged, or fewer than two photos can be used.
    """
    outcomes = in_threads(lambda item: _prepared(*item, contract), _photos(folder, most), workers=workers)
    images = [image for image in outcomes if image is not None]
    if len(images) < 2:
        raise UnusableInput(
            f"{len(images)} photos can be used: int8 needs 2 to be made and proven, and 100 to be good",
            where=folder,
            fix="give a folder of photos, or of the records validation-*-of-* of ImageNet",
        )
    return images


def _photos(folder: Path, most: int) -> Iterator[tuple[bytes, str]]:
    """Bytes and place of each photo that can be read, the first `most` of different content."""
    if not files.is_dir(folder):
        raise UnusableInput(files.missing(folder, "folder"), where=folder, fix="give `data_dir=FOLDER`")
    seen: set[str] = set()
    for data, where in _records(folder) if tfrecord.shards(folder) else _files(folder):
        digest = files.sha256_bytes(data)
        if digest in seen:
            continue
        seen.add(digest)
        yield data, where
        if len(seen) == most:
            return


def _records(folder: Path) -> Iterator[tuple[bytes, str]]:
    for shard in tfrecord.shards(folder):
        yield from ((example.encoded, example.where) for example in tfrecord.read_examples(shard))


def _files(folder: Path) -> Iterator[tuple[bytes, str]]:
    if tfrecord.shards(folder, "train"):
        raise UnusableInput(
            "it holds records for training, none for validation",
            where=folder,
            fix="give the folder of validation-*-of-*, on which the reference calibrates",
        )
    for path, _ in list_photos([folder]).photos:
        try:
            yield photo_door.read_bytes(path), str(path)
        except UnreadablePhoto:
            continue


def _prepared(data: bytes, where: str, contract: Contract) -> npt.NDArray[np.uint8] | None:
    try:
        image = prepare(data, ["reference"], contract, where=where).images[0]
    except UnreadablePhoto:
        return None
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _saved_model(
    flags: Flags, origin: Origin, outputs: tuple[str, ...], out: Path, stage: ShowStage
) -> Exported:
    """The SavedModel under its name, once its signature has given what numpy gives."""
    try:
        from efficientnet_lite.artifacts.reference_graph import run_saved_model, write_saved_model
    except ImportError as error:
        raise UsageError(
            "a SavedModel needs TensorFlow, which is not installed",
            where=out,
            fix="pip install 'efficientnet-lite[train]'",
        ) from error
    images = fixed_inputs(origin.plan.size)
    inputs = (images.astype(np.float32) - MEAN) / np.float32(STDDEV)
    layers = origin.layers()
    with (
        stage("Writing the SavedModel") as on_progress,
        folders.replacing(out, SAVED_MODEL, apart=sources_apart(flags.ckpt_dir)) as folder,
    ):
        write_saved_model(origin.plan, layers, outputs[0], folder)
        found = np.concatenate([run_saved_model(folder, one[None]) for one in inputs])
        nearness = parity({outputs[0]: found}, numpy_outputs(origin.plan, layers, images))
        nearness.require(what="the SavedModel", where=out)
        on_progress(1, 1)
    return Exported(
        path=out.absolute(),
        format="savedmodel",
        precision="float32",
        outputs=outputs,
        bytes=files.folder_size(out),
        sha256=files.sha256_folder(out),
        parity=nearness,
    )
