"""Fine-tuning: epochs over the part that learns, a moving average of its weights, and the best epoch kept."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array, ClassIndices
from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.keras_arrays import read_parameters
from efficientnet_lite.training.augment import mixup
from efficientnet_lite.training.chance import generator
from efficientnet_lite.training.finetune import FineTuning, Part
from efficientnet_lite.training.schedule import average_decay, fine_tuning_rate
from efficientnet_lite.training.sources import Kept, Source
from efficientnet_lite.training.upper import build_upper, compile_upper
from efficientnet_lite.training.views import soft_targets

EVALUATION_BATCH = 64
WARMING_STEPS, MEASURED_STEPS = 3, 8  # for the time of an epoch


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch; the 0th is the network that the training starts from."""

    number: int
    loss: float  # mean over the epoch's examples, with smoothing and augmentation
    validation_loss: float  # mean cross entropy over the views, nats, of the averaged weights
    top1: Mapping[str, float]  # view -> of the averaged weights
    learning_rate: float  # of the head, at the end
    seconds: float

    @property
    def rank(self) -> tuple[float, float]:
        """What epochs are compared by, more is better: mean top-1 over the views, then the loss."""
        return float(np.mean(list(self.top1.values()))), -self.validation_loss


@dataclass(frozen=True, slots=True)
class Examples:
    """Photos and their class indices, as the part reads them."""

    source: Source
    truth: ClassIndices
    weights: Array  # (N,), mean 1: what an example counts


@dataclass(frozen=True, slots=True)
class Validation:
    """Photos that choose."""

    kept: Kept
    views: Sequence[str]  # of `kept`, in its order
    truth: ClassIndices


class Trainer:
    """A part that learns. `epochs` runs it; everything random follows from `seed`."""

    def __init__(
        self, part: Part, parameters: Mapping[str, Array], recipe: FineTuning, *, classes: int, seed: int
    ) -> None:
        self.recipe, self.classes, self.seed = recipe, classes, seed
        self.model = build_upper(
            part, parameters, batch_norm=recipe.batch_norm, dropout=recipe.dropout, seed=seed
        )
        compile_upper(self.model, part, recipe)
        self._averages = [np.array(variable.numpy()) for variable in self.model.weights]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All that the next epoch goes on from: "model/0", "optimizer/3", "averages/1" and so on -> copies."""
        groups = {**self._variables(), "averages": self._averages}
        return {
            f"{group}/{at}": np.array(value if isinstance(value, np.ndarray) else value.numpy())
            for group, values in groups.items()
            for at, value in enumerate(values)
        }

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what `to_arrays` of a trainer of the same part and recipe gave.

        Raises ValueError where it is of another one; then this trainer is of no use.
        """
        groups = self._variables()
        wanted = {f"{group}/{at}" for group, values in groups.items() for at in range(len(values))}
        wanted |= {f"averages/{at}" for at in range(len(self._averages))}
        if arrays.keys() != wanted:
            raise ValueError("its arrays are not those of this fine-tuning")
        for group, variables in groups.items():
            for at, variable in enumerate(variables):
                variable.assign(arrays[f"{group}/{at}"])  # raises ValueError for another shape
        self._averages = [np.array(arrays[f"averages/{at}"]) for at in range(len(self._averages))]

    def _variables(self) -> dict[str, list[Any]]:
        """Weights and states of random layers, and what the optimizer has learned of the gradients."""
        self.model.optimizer.build(self.model.trainable_variables)
        return {"model": list(self.model.variables), "optimizer": list(self.model.optimizer.variables)}

    def epochs(
        self,
        examples: Examples,
        validation: Validation,
        epochs: int,
        on_step: Callable[[int, int], None],
        *,
        done: int | None = None,
    ) -> Iterator[Epoch]:
        """The start, then one after another; `on_step(done, total)` counts steps over all epochs.

        Of a restored trainer those behind epoch `done`.
        """
        size, count = self.recipe.batch, len(examples.truth)
        per_epoch = -(-count // size)
        total, warmup = epochs * per_epoch, round(self.recipe.warmup * per_epoch)
        if done is None:
            yield self._measured(0, float("nan"), 0.0, validation, time.monotonic())
        for number in range(1 + (done or 0), epochs + 1):
            began = time.monotonic()
            random = generator(self.seed, number, 0, "order")
            order = random.permutation(count)
            losses = []
            for at, batch in enumerate(examples.source.batches(order.tolist(), number, size)):
                step = (number - 1) * per_epoch + at
                rate = fine_tuning_rate(step, steps=total, warmup=warmup, peak=self.recipe.learning_rate)
                chosen = order[at * size : at * size + size]
                losses.append(
                    self._step(batch, examples.truth[chosen], examples.weights[chosen], rate, random)
                )
                if not np.isfinite(losses[-1]):
                    raise self._lost(number, step, rate)
                self._average(step)
                on_step(step + 1, total)
            yield self._measured(number, float(np.mean(losses)), rate, validation, began)

    def epoch_seconds(self, examples: Examples, validation: Validation) -> float:
        """How long an epoch takes, from a few steps and one view measured; this trainer is used up by it."""
        size, count = self.recipe.batch, len(examples.truth)
        order = np.resize(np.arange(count), size * (WARMING_STEPS + MEASURED_STEPS))
        times = [time.monotonic()]
        random = generator(self.seed, 0, 0, "order")
        for at, batch in enumerate(examples.source.batches(order.tolist(), 0, size)):
            chosen = order[at * size : at * size + size]
            self._step(batch, examples.truth[chosen], examples.weights[chosen], 0.0, random)
            self._average(at)
            times.append(time.monotonic())
        step = float(np.median(np.diff(times)[WARMING_STEPS:]))
        self.logits(validation.kept, 0)  # once before, since the first call compiles
        began = time.monotonic()
        self.logits(validation.kept, 0)
        return step * -(-count // size) + (time.monotonic() - began) * len(validation.views)

    def _step(
        self, batch: Array, labels: ClassIndices, weights: Array, rate: float, random: np.random.Generator
    ) -> float:
        targets = soft_targets(labels, self.classes, self.recipe.label_smoothing)
        if self.recipe.mixup:
            # one share for the whole batch
            share = np.full(len(batch), random.beta(self.recipe.mixup, self.recipe.mixup), np.float32)
            partners = random.permutation(len(batch))
            batch, targets = mixup(batch, share, partners), mixup(targets, share, partners)
        self.model.optimizer.learning_rate = rate
        return float(self.model.train_on_batch(batch, targets, sample_weight=weights))

    def _average(self, step: int) -> None:
        """Move the averages of all weights, the moving statistics among them, towards their values."""
        share = np.float32(1 - average_decay(self.recipe.ema, step))
        for average, variable in zip(self._averages, self.model.weights, strict=True):
            average += share * (variable.numpy() - average)

    def _measured(self, number: int, loss: float, rate: float, validation: Validation, began: float) -> Epoch:
        with self._averaged():
            logits = [self.logits(validation.kept, view) for view in range(len(validation.views))]
        return Epoch(
            number,
            loss,
            float(np.mean([metrics.cross_entropy(each, validation.truth) for each in logits])),
            {
                view: metrics.accuracy(validation.truth, each.argmax(axis=1))
                for view, each in zip(validation.views, logits, strict=True)
            },
            rate,
            time.monotonic() - began,
        )

    def parameters(self) -> dict[str, Array]:
        """The averaged weights of the part, by the plan's names."""
        with self._averaged():
            return read_parameters(self.model)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The model with the averaged weights; afterwards it has its own again."""
        own = [np.array(variable.numpy()) for variable in self.model.weights]
        _assign(self.model, self._averages)
        try:
            yield
        finally:
            _assign(self.model, own)

    def logits(self, kept: Kept, view: int) -> Array:
        """(N, classes) of one view of all photos."""
        batches = kept.view(view, EVALUATION_BATCH)
        return np.concatenate([np.asarray(self.model.predict_on_batch(batch)) for batch in batches])

    def _lost(self, epoch: int, step: int, rate: float) -> UsageError:
        return UsageError(
            f"the loss is no number any more at step {step + 1}, in epoch {epoch}, at a rate of {rate:.3g}",
            where="the fine-tuning",
            fix=f"most likely the rate is too high: give `learning_rate={self.recipe.learning_rate / 10:.1g}`",
        )


def _assign(model: keras.Model, values: Sequence[Array]) -> None:
    for variable, value in zip(model.weights, values, strict=True):
        variable.assign(value)
