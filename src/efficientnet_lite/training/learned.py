"""What a training gave, in whichever of three ways: weights, log, and what the run says of it.

A head alone is fitted on features; or the upper part of a network learns on from there; or the whole network learns
by the reference's recipe. Nothing heavy is imported here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from efficientnet_lite.classifier.head import Head
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import DENSE
from efficientnet_lite.training.fine_tuning import OPTIONS, FineTuning
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.weights.read import Weights

LOG = "log.csv"  # in the run
RECIPE = "imagenet"  # the name of the only recipe

Cell = float | int | None
LogRow = Mapping[str, Cell]  # column -> figure of one epoch; all rows of a log have the same columns


@dataclass(frozen=True, slots=True)
class Learned:
    """A network that has learned, and the way there."""

    weights: Weights  # of the whole network, and where those came from that it began with
    origin: str  # what the file of the weights says of that, one line
    # How the head was fitted, its layer that of `weights`; None: it learned as all the rest.
    head: Head | None
    log: Sequence[LogRow] = ()  # an epoch each; none where the head alone learned
    best_epoch: int | None = None  # of the log: the one whose weights these are
    fine_tuning: Mapping[str, Any] | None = None  # what the card says of a fine-tuning
    training: Mapping[str, Any] | None = None  # what it says of a training by a recipe
    config: Mapping[str, object] | None = None  # what config.toml says of either: options of `train`


def of_head(weights: Weights, head: Head) -> Learned:
    """A head that was fitted on the features of a network with these weights, which stayed as it was."""
    parameters = {
        name: value for name, value in weights.parameters.items() if not name.startswith(f"{DENSE}/")
    }
    parameters |= {f"{DENSE}/kernel": head.layer.kernel, f"{DENSE}/bias": head.layer.bias}
    whole = replace(weights, parameters=parameters, classes=len(head.layer.bias))
    return Learned(whole, f"a head trained on {weights.source}", head)


def of_fine_tuning(
    start: Learned, parameters: Mapping[str, Any], recipe: FineTuning, log: Sequence[LogRow], best: int
) -> Learned:
    """A fine-tuning that began with `start`.

    Args:
        parameters: those that the best epoch changed.
        recipe: its epochs as they were planned.
        log: the first row is of the network before: epoch 0.
        best: 0 where no epoch was better than the head alone.
    """
    assert start.head is not None  # it begins with a head that was fitted
    weights = replace(start.weights, parameters=start.weights.parameters | dict(parameters))
    layer = Layer(weights.parameters[f"{DENSE}/kernel"], weights.parameters[f"{DENSE}/bias"])
    card = {
        **asdict(recipe),
        "chosen_epoch": best,
        "epochs_run": len(log) - 1,
        "before": _top1(log[0]),
        "after": _top1(log[best]),
        "log": LOG,
    }
    origin = f"fine-tuned from {weights.source}"
    head, config = replace(start.head, layer=layer), _fine_tuning_config(recipe)
    return Learned(weights, origin, head, log, best, fine_tuning=card, config=config)


def of_recipe(
    weights: Weights,
    recipe: Recipe,
    log: Sequence[LogRow],
    best: Mapping[str, float],
    best_epoch: int | None,
    *,
    given: Mapping[str, str],
    images: int,
    backend: str,
    proof: str | None,
) -> Learned:
    """A training by the reference's recipe that has ended.

    Args:
        weights: the averages of the best evaluation, and where they come from.
        recipe: complete, with what follows from the data.
        best, best_epoch: that evaluation, with its step, and the epoch that it was in.
        given: the fields of the recipe that were set, as they were given.
        images: that it learned from.
        backend: of Keras.
        proof: a manifest in the run, of the photos that prove it; None where they are in the data set.
    """
    card = {
        "recipe": RECIPE,
        **asdict(recipe),
        "images": images,
        "best": dict(best),
        "best_epoch": best_epoch,
        "backend": backend,
        "log": LOG,
    }
    config = {
        "recipe": RECIPE,
        "set": [f"{name}={value}" for name, value in sorted(given.items())],
        "backend": backend,
        **({} if proof is None else {"proof_photos": proof}),
    }
    return Learned(weights, weights.source, None, log, best_epoch, training=card, config=config)


def _top1(row: LogRow) -> dict[str, Cell]:
    """View -> accuracy."""
    return {name.removeprefix("top1_"): value for name, value in row.items() if name.startswith("top1_")}


def _fine_tuning_config(recipe: FineTuning) -> dict[str, object]:
    """A fine-tuning as options of `train`.

    The epochs are those that were planned, and no time budget stands beside them: another machine, or this one on a
    busy day, would plan others.
    """
    values = asdict(recipe)
    del values["time_budget_s"]
    blocks = values.pop("blocks")
    return {"fine_tune": True, "fine_tune_blocks": "all" if blocks is None else blocks} | {
        OPTIONS.get(name, name): value for name, value in values.items()
    }
