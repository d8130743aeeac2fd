"""What a user names -> an opened model: a `.tflite` file, a run folder, or the name of a variant.

A variant has no file of its own: it is written in memory from its weights, which takes a fraction of a
second.
"""

import os
from pathlib import Path
from typing import Literal

from efficientnet_lite import bundle
from efficientnet_lite.checkpoints.read import Weights, load_weights, read_checkpoint
from efficientnet_lite.contract import Contract
from efficientnet_lite.errors import ArtifactError, UnusableInput, UsageError
from efficientnet_lite.inference.predict import Model, model_from_bytes, open_model
from efficientnet_lite.spec import POOLED, ModelName, make_plan, model_name, parse_model_name
from efficientnet_lite.tflite.artifact import About, float_artifact
from efficientnet_lite.tflite.fold import fold
from efficientnet_lite.tflite.write import Output

Precision = Literal["float32", "int8"]
PUBLISHED = "imagenet"  # the weights that a bare name means
CLASSIFIER: tuple[Output, ...] = ("logits", "probabilities")
BACKBONE: tuple[Output, ...] = ("features",)


def open_source(
    source: str | Path,
    *,
    weights: str | Path = PUBLISHED,
    ema: bool = True,
    precision: Precision | None = None,
    workers: int | None = None,
) -> Model:
    """The model that `source` names, ready for `predict`.

    Args:
        source: a `.tflite` file, a run folder, or a name such as "lite1" or "lite4@300". A path that
            exists wins over a name.
        weights: for a name: "imagenet", "hub", or the path of a checkpoint.
        ema: of a TF1 checkpoint, read the moving averages rather than the raw weights.
        precision: which file of a run, int8 where None. A name is always float32.
        workers: photos under way at once; one per core where None.

    Raises:
        UsageError: no such name, or `weights` or `precision` for something that has its own.
        UnusableInput: there is no such file.
        ArtifactError: the file, run or checkpoint is damaged or of the wrong kind, or the weights are not
            on this machine.
    """
    found = locate(source)
    if isinstance(found, ModelName):
        if precision == "int8":
            raise UsageError(
                "a model by its name is float32, there is no int8 file of it",
                where=str(source),
                fix="make one with `export`, and give that",
            )
        return _from_weights(found, load_weights(found.variant, weights, ema=ema), str(source), workers)
    _check_own_weights(found, weights)
    if found.is_dir():
        return open_model(bundle.open_run(found).export(precision or "int8"), workers=workers)
    model = open_model(found, workers=workers)
    if precision not in (None, model.precision):
        raise UsageError(
            f"the file is {model.precision}, asked for was {precision}",
            where=found,
            fix="leave --precision out, or give another file",
        )
    return model


def open_features(
    source: str | Path,
    *,
    weights: str | Path = PUBLISHED,
    ema: bool = True,
    workers: int | None = None,
) -> Model:
    """The model that `source` names, as one with an output `features`.

    A run gives the backbone of its float32 weights, with the input of its contract. Arguments and
    errors are those of `open_source`; a `.tflite` without that output is an ArtifactError.
    """
    found = locate(source)
    if isinstance(found, ModelName):
        loaded = load_weights(found.variant, weights, ema=ema)
        return _from_weights(found, loaded, str(source), workers, outputs=BACKBONE)
    _check_own_weights(found, weights)
    if found.is_dir():
        return _backbone_of_run(found, workers)
    model = open_model(found, workers=workers)
    if POOLED not in model.outputs:
        raise ArtifactError(
            f"its outputs are {', '.join(model.outputs)}, none is {POOLED}",
            where=found,
            fix="give a run or a model name, or export with --output features",
        )
    return model


def locate(source: str | Path) -> Path | ModelName:
    """The path, where it exists, else the model name that `source` is.

    Raises:
        UsageError: neither, and it looks like a name.
        UnusableInput: neither, and it looks like a path.
    """
    path = Path(source)
    if os.path.lexists(path):
        return path
    if not isinstance(source, Path) and (name := parse_model_name(source)):
        return name
    if isinstance(source, Path) or path.suffix or len(path.parts) > 1:
        raise UnusableInput(
            "no such file or run folder", where=path, fix="check its spelling, or give a model name: lite0"
        )
    return model_name(source)


def _check_own_weights(path: Path, weights: str | Path) -> None:
    if weights != PUBLISHED:
        raise UsageError(
            "a file or run has its own weights, --weights goes with a model name",
            where=path,
            fix="leave --weights out, or give a name such as lite0 in place of the path",
        )


def _from_weights(
    name: ModelName,
    loaded: Weights,
    where: str,
    workers: int | None,
    *,
    outputs: tuple[Output, ...] = CLASSIFIER,
) -> Model:
    if loaded.classes is None and outputs == CLASSIFIER:
        raise ArtifactError(
            "these weights end at the features, so they name no classes",
            where=loaded.path,
            fix="use `embed`, or give weights with a classifier",
        )
    plan = make_plan(name.variant, size=name.size, classes=loaded.classes)
    about = About(
        Contract(name.size),
        loaded.sha256,
        loaded.license,
        outputs,
        labels=loaded.labels if outputs == CLASSIFIER else None,
    )
    return model_from_bytes(
        float_artifact(plan, fold(plan, loaded.parameters), about), where=where, workers=workers
    )


def _backbone_of_run(folder: Path, workers: int | None) -> Model:
    run = bundle.open_run(folder)
    contract = Contract.from_json(run.card.get("contract"), where=str(folder / bundle.CARD))
    checkpoint = read_checkpoint(folder / bundle.WEIGHTS)
    plan = make_plan(checkpoint.variant, size=contract.size, classes=None)
    about = About(
        contract, checkpoint.sha256, checkpoint.metadata.get("license", "unknown"), outputs=BACKBONE
    )
    return model_from_bytes(
        float_artifact(plan, fold(plan, checkpoint.parameters), about), where=folder, workers=workers
    )
