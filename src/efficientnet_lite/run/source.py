"""What a user names: a `.tflite` or `.onnx` file, a run folder, a checkpoint, or a model's name.

It is opened as a model that predicts, or as the origin of which files are written. Only files and runs hold something
for a runtime; of the others it is written in memory, which takes a fraction of a second.
"""

from pathlib import Path

from efficientnet_lite.artifacts.origin import Origin, OwnInt8, named_model, origin_of, origin_of_checkpoint
from efficientnet_lite.artifacts.taken import origin_of_tflite
from efficientnet_lite.errors import ArtifactError, CheckpointError, UsageError
from efficientnet_lite.features.backbone import Backbone, backbone_model, backbone_of
from efficientnet_lite.network.plan import POOLED, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.proven import own
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.runtimes.model_files import model_from_bytes, open_model
from efficientnet_lite.storage import files
from efficientnet_lite.tflite.artifact import About, float_artifact
from efficientnet_lite.tflite.float import Output
from efficientnet_lite.tflite.slots import MODEL_IDENTIFIER
from efficientnet_lite.vocabulary import RunPrecision
from efficientnet_lite.weights.read import load_weights, read_checkpoint

PUBLISHED = "imagenet"  # the weights that a bare name means
CLASSIFIER: tuple[Output, ...] = ("logits", "probabilities")


def open_origin(
    text: str | Path,
    *,
    model: str | None = None,
    weights: str | Path = PUBLISHED,
    ema: bool = True,
    with_raw: bool = False,
) -> Origin:
    """The origin that `text` names: a run folder, a checkpoint, a float .tflite, or a model such as "lite1".

    A path that exists counts before a name.

    Args:
        model: for a checkpoint or a .tflite, the variant that it must be, and its input size ("lite4@300").
        weights: for a model name, where its weights come from: "imagenet", "hub" or a checkpoint.
        ema: of a checkpoint that has both, read the moving averages rather than the raw weights.
        with_raw: and with `ema` the raw weights besides.

    Raises:
        UsageError: no such path or model.
        CheckpointError, WeightsMissing: the weights are damaged, of another variant, or not to be had.
        ArtifactError, VerificationFailed: a .tflite is none of this family, or of codes, or answers otherwise than
            what was read from it.
    """
    path = Path(text)
    if _is_tflite(path):
        return origin_of_tflite(path, model)
    if files.lexists(path) and not (files.is_dir(path) and run_folder.is_run(path)):
        return origin_of_checkpoint(path, model, ema=ema, with_raw=with_raw)
    if model is not None:
        raise UsageError(
            f"`model={model}` is for a checkpoint; this says itself what it is",
            where=path,
            fix="leave `model=` out, or give the path of a checkpoint",
        )
    if files.lexists(path):
        return _origin_of_run(path)
    name = named_model(str(text))
    return origin_of(name, load_weights(name.variant, weights, ema=ema, with_raw=with_raw))


def _origin_of_run(folder: Path) -> Origin:
    run = run_folder.open_run(folder)
    found = read_checkpoint(folder / run_folder.WEIGHTS)
    contract = Contract.from_json(run.card.get("contract"), where=str(folder / run_folder.CARD))
    if found.labels is not None and found.labels != run.labels:
        raise CheckpointError(
            "the labels of the weights differ from those of the card",
            where=folder / run_folder.WEIGHTS,
            fix="train the run again",
        )
    plan = make_plan(found.variant, size=contract.size, classes=found.classes)
    proven = (each for each in run.exports if each.precision == "int8")
    int8 = next((OwnInt8(own(run, each.path), each.sha256) for each in proven), None)
    return Origin(folder.absolute().name, plan, contract, run.labels, found, int8=int8)


def open_source(
    source: str | Path,
    *,
    weights: str | Path = PUBLISHED,
    ema: bool = True,
    precision: RunPrecision | None = None,
    workers: int | None = None,
) -> Model:
    """The model that `source` names, ready for `predict`.

    Args:
        source: a `.tflite` or `.onnx` file, a run folder, a checkpoint, or a name such as "lite1" or
            "lite4@300". A path that exists wins over a name.
        weights: for a name: "imagenet", "hub", or the path of a checkpoint.
        ema: of a checkpoint that has both, read the moving averages rather than the raw weights.
        precision: which file of a run, int8 where None. A name or a checkpoint is float32.
        workers: photos under way at once; one per core where None.

    Raises:
        UsageError: no such name, or `weights` or `precision` for something that has its own.
        UnusableInput: there is no such file.
        ArtifactError: the file, run or checkpoint is damaged or of the wrong kind, or the weights are not
            on this machine.
    """
    path = Path(source)
    if run_folder.is_run(path):
        _check_own_weights(path, weights)
        return open_model(run_folder.open_run(path).export(precision or "int8"), workers=workers)
    if _is_model_file(path):
        _check_own_weights(path, weights)
        model = open_model(path, workers=workers)
        if precision not in (None, model.precision):
            raise UsageError(
                f"the file is {model.precision}, asked for was {precision}",
                where=path,
                fix="leave `precision=` out, or give another file",
            )
        return model
    if precision == "int8":
        raise UsageError(
            "only files and runs are int8, a model name or a checkpoint is float32",
            where=str(source),
            fix="make an int8 file with `export`, and give that",
        )
    return _written(source, weights=weights, ema=ema, workers=workers)


def open_features(
    source: str | Path, *, weights: str | Path = PUBLISHED, ema: bool = True, workers: int | None = None
) -> Model:
    """The model that `source` names, as one with an output `features`.

    A run gives the backbone of its float32 weights, with the input of its contract. Of a name, a run or a checkpoint it
    is the very file that `train` runs, so what is kept of one is known to the other. Arguments and errors are those of
    `open_source`; a `.tflite` without that output is an ArtifactError.
    """
    path = Path(source)
    if not _is_model_file(path):
        backbone = open_backbone(source, weights=weights, ema=ema)
        return backbone_model(backbone, where=str(source), workers=workers)
    _check_own_weights(path, weights)
    model = open_model(path, workers=workers)
    if POOLED not in model.outputs:
        raise ArtifactError(
            f"its outputs are {', '.join(model.outputs)}, none is {POOLED}",
            where=path,
            fix="give a run or a model name, or export with `outputs=['features']`",
        )
    return model


def _is_model_file(path: Path) -> bool:
    """A .tflite or an .onnx file; see `_is_tflite`."""
    return path.suffix == ".onnx" or _is_tflite(path)


def _is_tflite(path: Path) -> bool:
    """By its name or by its first bytes, so that a missing or damaged one is reported as such."""
    if path.suffix == ".tflite":
        return True
    try:
        if not files.is_file(path):  # opening a pipe would wait for its writer
            return False
        with path.open("rb") as file:
            return file.read(8)[4:] == MODEL_IDENTIFIER
    except OSError:
        return False  # whoever reads it next says why it cannot be read


def _check_own_weights(path: Path, weights: str | Path) -> None:
    if weights != PUBLISHED:
        raise UsageError(
            "a file, run or checkpoint has its own weights, `weights=` goes with a model name",
            where=path,
            fix="leave `weights=` out, or give a name such as lite0 in place of the path",
        )


def open_backbone(source: str | Path, *, weights: str | Path = PUBLISHED, ema: bool = True) -> Backbone:
    """The network of a run, a checkpoint or a name such as "lite1" up to its features, as `train` runs it.

    Raises as `open_origin`, and UsageError where `weights` are given for what has its own.
    """
    if files.exists(source):
        _check_own_weights(Path(source), weights)
    origin = open_origin(source, weights=weights, ema=ema)
    plan = make_plan(origin.plan.variant, size=origin.contract.size, classes=None)
    return backbone_of(origin.name, plan, origin.weights.parameters, origin.contract)


def _written(source: str | Path, *, weights: str | Path, ema: bool, workers: int | None) -> Model:
    """A float32 file of what `source` is made of, a classifier, opened from memory."""
    if files.exists(source):
        _check_own_weights(Path(source), weights)
    origin = open_origin(source, weights=weights, ema=ema)
    if origin.plan.classes is None:
        raise ArtifactError(
            "these weights end at the features, so they name no classes",
            where=str(source),
            fix="use `embed`, or give weights with a classifier",
        )
    own, labels = origin.weights, origin.labels_of(CLASSIFIER)
    about = About(origin.contract, own.sha256, own.license, CLASSIFIER, labels=labels)
    return model_from_bytes(
        float_artifact(origin.plan, origin.layers(), about), where=str(source), workers=workers
    )
