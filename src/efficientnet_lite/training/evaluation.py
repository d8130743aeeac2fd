"""How good averaged weights are: top-1, top-5 and cross entropy over batches, any backend.

Source: tensorflow/tpu, models/official/efficientnet/main.py, `model_fn`, `metric_fn`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops

from efficientnet_lite.network.plan import Plan
from efficientnet_lite.training.backend import compiled
from efficientnet_lite.training.batches import Batch
from efficientnet_lite.training.devices import Placement
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.step import MAX_PIXEL, NamedInputs, build_network
from efficientnet_lite.training.train_state import Tensors

TOP = 5


@dataclass(frozen=True, slots=True)
class Score:
    """What one evaluation found."""

    loss: float  # mean cross entropy, nats, without smoothing
    top1: float
    top5: float  # the share of examples whose class is among the best five, or all where there are fewer
    count: int  # examples


Evaluate = Callable[[Tensors, Iterable[Batch], Placement], Score]


def make_evaluation(plan: Plan, recipe: Recipe) -> Evaluate:
    """A function of weights, statistics among them, batches, and where both lie.

    Rows that a batch's mask leaves out do not count. With several hosts a batch has this one's rows, and the score
    is of all.

    Raises ValueError, of the function, where no row is left.
    """
    network = build_network(plan, recipe)
    inputs = NamedInputs(network)

    def logits_of(weights: Tensors, images: Any) -> Any:
        pixels = ops.cast(images, "float32") / MAX_PIXEL
        trained, fixed = inputs(weights, weights, 0)
        logits, _ = network.stateless_call(trained, fixed, pixels, training=False)
        return ops.cast(logits, "float32")

    compute = compiled(logits_of)

    def evaluate(weights: Tensors, batches: Iterable[Batch], placement: Placement) -> Score:
        sums, count = np.zeros(3), 0
        for batch in batches:
            logits = compute(weights, *placement.batch(batch.images))
            logits, labels, mask = placement.whole(logits, batch.labels, batch.mask)
            sums += _sums(logits[mask].astype(np.float64), labels[mask])
            count += int(mask.sum())
        if not count:
            raise ValueError("there is nothing to evaluate with")
        loss, top1, top5 = (float(value) for value in sums / count)
        return Score(loss, top1, top5, count)

    return evaluate


def _sums(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Cross entropy, right ones, right ones among the best five: summed over the rows."""
    if not len(labels):
        return np.zeros(3)
    largest = logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(logits - largest).sum(axis=1)) + largest[:, 0]
    own = logits[np.arange(len(labels)), labels]
    better = (logits > own[:, None]).sum(axis=1)
    return np.array([np.sum(log_sum - own), np.sum(better == 0), np.sum(better < TOP)], np.float64)
