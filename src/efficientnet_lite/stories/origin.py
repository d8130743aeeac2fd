"""What a model is made of: parameters from published weights, a checkpoint or a run, with labels and contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import CheckpointError, UsageError
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import (
    ModelName,
    Plan,
    make_plan,
    model_name,
    nearest_model,
    parse_model_name,
)
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.storage import files
from efficientnet_lite.weights.read import load_weights, read_checkpoint


@dataclass(frozen=True, slots=True)
class Origin:
    """Everything from which files are written."""

    name: str  # "lite1", "lite4@300", or the run's name
    plan: Plan
    parameters: Mapping[str, npt.NDArray[np.float32]]
    contract: Contract
    labels: tuple[str, ...] | None
    source: str  # a sentence for people
    license: str
    sha256: str  # of the weights
    run: run_folder.Run | None = None

    def layers(self) -> dict[str, Layer]:
        """Batch norm folded in."""
        return fold(self.plan, self.parameters)


def open_origin(
    text: str | Path, *, model: str | None = None, weights: str | Path = "imagenet", ema: bool = True
) -> Origin:
    """The origin that `text` names: a run folder, a checkpoint, or a model such as "lite1".

    A path that exists counts before a name.

    Args:
        model: for a checkpoint, the variant that it must be, and its input size ("lite4@300").
        weights: for a model name, where its weights come from: "imagenet", "hub" or a checkpoint.
        ema: of a checkpoint that has both, read the moving averages rather than the raw weights.

    Raises:
        UsageError: no such path or model.
        CheckpointError, WeightsMissing: the weights are damaged, of another variant, or not to be had.
    """
    path = Path(text)
    if files.lexists(path) and not (files.is_dir(path) and run_folder.is_run(path)):
        return _from_checkpoint(path, model, ema)
    if model is not None:
        raise UsageError(
            f"`model={model}` is for a checkpoint; this says itself what it is",
            where=path,
            fix="leave `model=` out, or give the path of a checkpoint",
        )
    if files.lexists(path):
        return _from_run(path)
    name = named_model(str(text))
    loaded = load_weights(name.variant, weights, ema=ema)
    return Origin(
        name=str(name),
        plan=make_plan(name.variant, size=name.size, classes=loaded.classes),
        parameters=loaded.parameters,
        contract=Contract(name.size),
        labels=loaded.labels,
        source=loaded.source,
        license=loaded.license,
        sha256=loaded.sha256,
    )


def named_model(text: str) -> ModelName:
    """The model that `text` names, where nothing lies at `text` as a path; UsageError for a path or no model."""
    path = Path(text)
    looks_like_one = len(path.parts) > 1 or text.startswith(".") or path.suffix or files.obstacle(path)
    if looks_like_one and parse_model_name(text) is None:
        raise UsageError(
            files.missing(path),
            where=text,
            fix=f"check the path, or give a model such as {nearest_model(text) or 'lite1'}",
        )
    return model_name(text)


def _from_checkpoint(path: Path, model: str | None, ema: bool) -> Origin:
    asked = model_name(model) if model else None
    found = read_checkpoint(path, variant=asked.variant if asked else None, ema=ema)
    name = asked or ModelName(found.variant, found.variant.size)
    return Origin(
        name=str(name),
        plan=make_plan(name.variant, size=name.size, classes=found.classes),
        parameters=found.parameters,
        contract=Contract(name.size),
        labels=found.labels,
        source=found.source,
        license=found.license,
        sha256=found.sha256,
    )


def _from_run(folder: Path) -> Origin:
    run = run_folder.open_run(folder)
    found = read_checkpoint(folder / run_folder.WEIGHTS)
    contract = Contract.from_json(run.card.get("contract"), where=str(folder / run_folder.CARD))
    if found.labels is not None and found.labels != run.labels:
        raise CheckpointError(
            "the labels of the weights differ from those of the card",
            where=folder / run_folder.WEIGHTS,
            fix="train the run again",
        )
    return Origin(
        name=folder.absolute().name,
        plan=make_plan(found.variant, size=contract.size, classes=found.classes),
        parameters=found.parameters,
        contract=contract,
        labels=run.labels,
        source=found.source,
        license=found.license,
        sha256=found.sha256,
        run=run,
    )
