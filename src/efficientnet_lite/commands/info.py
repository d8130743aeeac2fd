"""`info`: what a file, a run, a checkpoint or a variant is, told by what lies there."""

from dataclasses import replace
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.artifacts.origin import named_model
from efficientnet_lite.artifacts.taken import network_in
from efficientnet_lite.chips.micro import MicroReport
from efficientnet_lite.chips.vela import VelaReport
from efficientnet_lite.commands.asked_target import Surroundings, asked_target
from efficientnet_lite.errors import ArtifactError, CheckpointError
from efficientnet_lite.photos.header import MAGIC_BYTES, format_of
from efficientnet_lite.run.folder import is_run, open_run
from efficientnet_lite.run.shown import OpenedRun
from efficientnet_lite.storage import files
from efficientnet_lite.strangers.description import ModelInfo, describe
from efficientnet_lite.strangers.readiness import Readiness
from efficientnet_lite.tflite.slots import MODEL_IDENTIFIER
from efficientnet_lite.vocabulary import TargetName
from efficientnet_lite.weights.offers import Offer, offer
from efficientnet_lite.weights.read import Weights, read_checkpoint
from efficientnet_lite.weights.stored_tensors import MAX_CHECKPOINT_BYTES


@called
def info(
    source: str | Path,
    *,
    target: TargetName | None = None,
    sram: int | None = None,
    system_config: str | None = None,
    memory_mode: str | None = None,
) -> OpenedRun | ModelInfo | Weights | Offer | Readiness | VelaReport | MicroReport:
    """Say what a file, a run, a checkpoint or a model contains.

    Operators, shapes, quantization, metadata and contract of a file, and
    whether it is an EfficientNet-Lite that `export` takes in as weights.

    Args:
        source: a .tflite file of anyone's, a run folder, a checkpoint, or a
            model such as "lite1".
        target: say instead what this chip makes of it. "edgetpu" and "gpu" go
            by rules, and want a .tflite file. "ethos-u55-128" and its like ask
            Vela, Arm's compiler (the extra "ethos-u"), also about a run or
            about a model in int8; "tflm" asks TFLite Micro's interpreter
            (the extra "tflm").
        sram: KiB of it that an Ethos-U may use: the fastest way within them is
            taken.
        system_config, memory_mode: names of Vela's `Arm/vela.ini` for the
            memories around the Ethos-U and how they are used.

    Returns:
        Of a run folder the run, of a .tflite file what it contains, of a
        checkpoint its weights, of a model's name what this package has of it;
        with `target` the verdict and every operator, of an Ethos-U what it
        needs and how long it would take, and of "tflm" the bytes of its arena,
        the operators to register, and how far its answers are from LiteRT's.

    Raises:
        UsageError: nothing lies there, and it is no variant's name; the
            target's tool is not installed.
        ArtifactError: what lies there is none of these, or damaged; the
            target's tool refuses it.

    Example:
        >>> import efficientnet_lite as el
        >>> el.info("lite0").parameters
        4652008
        >>> el.info("runs/clothing").labels
        ('shirt', 'shoes', 'trousers')
        >>> file = "runs/clothing/exports/clothing_int8.tflite"
        >>> el.info(file, target="edgetpu").verdict
        'ready'
    """
    path = Path(source)
    around = Surroundings(sram, system_config, memory_mode)
    if target is not None:
        return asked_target(path, target, around)
    around.require_unused(None)
    if files.is_dir(path):
        return _run(path) if is_run(path) else read_checkpoint(path)
    if files.exists(path) or path.suffix == ".tflite":
        return _file(path)
    return offer(named_model(str(source)))


def _run(path: Path) -> OpenedRun:
    run = open_run(path)
    return OpenedRun(run.folder, run.card, run.labels, run.exports)


def _file(path: Path) -> ModelInfo | Weights:
    """A file, told by its content: a .tflite, or a checkpoint."""
    data = files.read_bytes(path, limit=MAX_CHECKPOINT_BYTES, what="a .tflite file or a checkpoint")
    if data[4:8] == MODEL_IDENTIFIER or path.suffix.lower() == ".tflite":
        described = describe(data, where=path)
        network, not_taken = network_in(data, where=path)
        return replace(described, network=network, not_taken=not_taken)
    fix = "give a .tflite file, a checkpoint, a run folder, or a model such as lite1"
    if (photo := format_of(data[:MAGIC_BYTES])) is not None:
        raise ArtifactError(f"this is a photo ({photo}), not a model", where=path, fix=fix)
    if path.suffix.lower() == ".onnx":
        raise ArtifactError("an ONNX file, of which info has nothing to say", where=path, fix=fix)
    try:
        return read_checkpoint(path)
    except CheckpointError as error:
        raise CheckpointError(
            f"it is no .tflite file, and cannot be read as a checkpoint: {error.what}",
            where=path,
            fix=error.fix,
        ) from error
