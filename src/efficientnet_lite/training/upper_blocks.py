"""The upper blocks of a network that learn in fine-tuning, from a head that is fitted; any backend."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array, ClassIndices
from efficientnet_lite.network.keras_arrays import assign_parameters, read_parameters
from efficientnet_lite.network.keras_model import IMAGES, add_layers
from efficientnet_lite.network.naming import plan_layer
from efficientnet_lite.network.plan import DENSE, INPUT
from efficientnet_lite.photos.contract import MEAN, STDDEV, BaseView
from efficientnet_lite.training.augment import mixup
from efficientnet_lite.training.backend import compiled
from efficientnet_lite.training.chance import generator
from efficientnet_lite.training.fine_tuning import BatchNorm, FineTuning, LearningPart, rate_factors
from efficientnet_lite.training.kept_features import Kept, PartInputs
from efficientnet_lite.training.learned import Cell, LogRow
from efficientnet_lite.training.learner import Journal, Losses, Scores, Timetable
from efficientnet_lite.training.optimizer import averaged
from efficientnet_lite.training.random_views import soft_targets
from efficientnet_lite.training.schedule import average_decay, fine_tuning_rate

EVALUATION_BATCH = 64
WARMING_STEPS, MEASURED_STEPS = 3, 8  # for the time of an epoch

PartBatch = tuple[Array, Array, Array]  # what the part reads, targets, and what each example counts


@dataclass(frozen=True, slots=True)
class TaughtPhotos:
    """Photos to learn from, as the part reads them."""

    inputs: PartInputs
    truth: ClassIndices
    weights: Array  # (N,), mean 1: what an example counts


@dataclass(frozen=True, slots=True)
class ChoosingPhotos:
    """Photos by which the best epoch is chosen."""

    kept: Kept
    views: Sequence[BaseView]  # of `kept`, in its order
    truth: ClassIndices


class UpperBlocks:
    """A `Learner`: the part of a network that learns. Everything random follows from `seed`."""

    name = "the fine-tuning"

    def __init__(
        self,
        part: LearningPart,
        parameters: Mapping[str, Array],
        recipe: FineTuning,
        taught: TaughtPhotos,
        choosing: ChoosingPhotos,
        *,
        seed: int,
    ) -> None:
        """`parameters` of the whole network, by the plan's names."""
        self.recipe, self.seed = recipe, seed
        self._taught, self._choosing = taught, choosing
        self._classes = len(parameters[f"{DENSE}/bias"])
        self.model = build_upper(
            part, parameters, batch_norm=recipe.batch_norm, dropout=recipe.dropout, seed=seed
        )
        self.model.compile(
            optimizer=_optimizer(self.model, part, recipe),
            loss=keras.losses.CategoricalCrossentropy(from_logits=True),
            jit_compile=False,  # XLA's depthwise convolutions are several times slower on a CPU
        )
        per_epoch = -(-len(taught.truth) // recipe.batch)  # the last batch may be short
        self.timetable = Timetable(
            recipe.epochs * per_epoch,
            per_epoch,
            evaluate_every=per_epoch,
            save_every=per_epoch,
            patience=recipe.patience,
            begins_evaluated=True,
            saves_within_epochs=False,
        )
        self.done = 0
        self._losses: list[float] = []  # of the epoch under way
        self._averages = self._values()
        self._move = compiled(_moved)

    def batches(self) -> Iterator[PartBatch]:
        """Those of the epochs that are left; an epoch under way is begun anew."""
        for epoch in range(self.done // self.timetable.per_epoch + 1, self.recipe.epochs + 1):
            random = generator(self.seed, epoch, 0, "order")
            yield from self._batches(random.permutation(len(self._taught.truth)), epoch, random)

    def _batches(
        self, order: npt.NDArray[np.integer[Any]], epoch: int, random: np.random.Generator
    ) -> Iterator[PartBatch]:
        """The photos at the places `order`; `random` draws what is mixed."""
        size, mixing = self.recipe.batch, self.recipe.mixup
        for at, inputs in enumerate(self._taught.inputs.batches(order.tolist(), epoch, size)):
            chosen = order[at * size : at * size + size]
            targets = soft_targets(self._taught.truth[chosen], self._classes, self.recipe.label_smoothing)
            if mixing:
                shares = np.full(len(chosen), random.beta(mixing, mixing), np.float32)  # one for the batch
                partners = random.permutation(len(chosen))
                inputs, targets = mixup(inputs, shares, partners), mixup(targets, shares, partners)
            yield inputs, targets, self._taught.weights[chosen]

    def step(self, batch: PartBatch) -> Losses:
        inputs, targets, weights = batch
        table, recipe = self.timetable, self.recipe
        warmup = round(recipe.warmup * table.per_epoch)
        rate = fine_tuning_rate(self.done, steps=table.total, warmup=warmup, peak=recipe.learning_rate)
        self.model.optimizer.learning_rate = rate
        loss = float(self.model.train_on_batch(inputs, targets, sample_weight=weights))
        share = np.float32(1 - average_decay(recipe.ema, self.done))
        values = [variable.value for variable in self.model.weights]
        self._averages = self._move(self._averages, values, share)
        self.done += 1
        self._losses.append(loss)
        return Losses(loss, loss, rate)

    def epoch_seconds(self) -> float:
        """How long an epoch takes, from a few steps and one view measured; this learner is used up by it."""
        order = np.resize(
            np.arange(len(self._taught.truth)), self.recipe.batch * (WARMING_STEPS + MEASURED_STEPS)
        )
        times = [time.monotonic()]
        for batch in self._batches(order, 0, generator(self.seed, 0, 0, "order")):
            self.step(batch)
            times.append(time.monotonic())
        step = float(np.median(np.diff(times)[WARMING_STEPS:]))
        self.logits(self._choosing.kept, 0)  # once before, since the first call compiles
        began = time.monotonic()
        self.logits(self._choosing.kept, 0)
        views = len(self._choosing.views)
        return step * self.timetable.per_epoch + (time.monotonic() - began) * views

    def evaluate(self) -> Scores:
        """Mean cross entropy over the views, nats, and the top-1 of each view."""
        views, truth = self._choosing.views, self._choosing.truth
        with self._averaged():
            logits = [self.logits(self._choosing.kept, view) for view in range(len(views))]
        return {
            "validation_loss": float(np.mean([metrics.cross_entropy(each, truth) for each in logits])),
            **{
                f"top1_{view}": metrics.accuracy(truth, each.argmax(axis=1))
                for view, each in zip(views, logits, strict=True)
            },
        }

    def rank(self, scores: Scores) -> tuple[float, ...]:
        """Mean top-1 over the views, then the loss."""
        top1 = [scores[f"top1_{view}"] for view in self._choosing.views]
        return float(np.mean(top1)), -scores["validation_loss"]

    def logits(self, kept: Kept, view: int) -> Array:
        """(N, classes) of one view of all photos."""
        batches = kept.view(view, EVALUATION_BATCH)
        return np.concatenate([np.asarray(self.model.predict_on_batch(batch)) for batch in batches])

    def averages(self) -> dict[str, Array]:
        with self._averaged():
            return read_parameters(self.model)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The model with the averaged weights; afterwards it has its own again."""
        own = self._values()
        self._assign(self._averages)
        try:
            yield
        finally:
            self._assign(own)

    def _values(self) -> list[Any]:
        """The weights as they are, moving statistics among them, where they lie."""
        return [ops.copy(variable) for variable in self.model.weights]

    def _assign(self, values: Sequence[Any]) -> None:
        for variable, value in zip(self.model.weights, values, strict=True):
            variable.assign(value)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """ "model/0", "optimizer/3", "averages/1" and so on -> copies."""
        groups = {**self._variables(), "averages": self._averages}
        return {
            f"{group}/{at}": np.array(value.numpy() if group != "averages" else np.asarray(value))
            for group, values in groups.items()
            for at, value in enumerate(values)
        }

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]], done: int) -> None:
        """Take over what `to_arrays` of a learner of the same part and recipe gave behind `done` steps.

        Raises ValueError where it is of another one; then this one is of no use.
        """
        groups = self._variables()
        sizes = {group: len(values) for group, values in groups.items()} | {"averages": len(self._averages)}
        if arrays.keys() != {f"{group}/{at}" for group, size in sizes.items() for at in range(size)}:
            raise ValueError("its arrays are not those of this fine-tuning")
        for group, variables in groups.items():
            for at, variable in enumerate(variables):
                variable.assign(arrays[f"{group}/{at}"])  # raises ValueError for another shape
        self._averages = [
            ops.convert_to_tensor(arrays[f"averages/{at}"]) for at in range(len(self._averages))
        ]
        self.done = done

    def _variables(self) -> dict[str, list[Any]]:
        """Weights and states of random layers, and what the optimizer has learned of the gradients."""
        self.model.optimizer.build(self.model.trainable_variables)
        return {"model": list(self.model.variables), "optimizer": list(self.model.optimizer.variables)}

    def row(self, epoch: int, journal: Journal) -> dict[str, Cell]:
        loss = float(np.mean(self._losses)) if self._losses else None  # of epoch 0 there is none
        self._losses.clear()
        return {"epoch": epoch, "loss": loss, **(journal.score or {}), "learning_rate": journal.rate}

    def line(self, row: LogRow, *, is_best: bool, seconds: float) -> str:
        top1 = ", ".join(f"{view} {100 * (row[f'top1_{view}'] or 0):.1f} %" for view in self._choosing.views)
        text, best = f"validation loss {row['validation_loss']:.4f}, top-1 {top1}", "  <- best so far"
        if row["epoch"] == 0:
            text = f"the head alone: {text}"
        else:
            text = f"epoch {row['epoch']} of {self.recipe.epochs}: loss {row['loss']:.4f}, {text}, "
            text += f"rate {row['learning_rate']:.1e}, {seconds:.1f} s"
        return text + best if is_best else text

    def figures(self, row: LogRow) -> tuple[int, Mapping[str, Cell]]:
        top1 = {f"top1/{view}": row[f"top1_{view}"] for view in self._choosing.views}
        losses = {"loss/training": row["loss"], "loss/validation": row["validation_loss"]}
        return int(row["epoch"] or 0), losses | top1 | {"learning_rate": row["learning_rate"]}

    def slower(self) -> str:
        return f"give `learning_rate={self.recipe.learning_rate / 10:.1g}`"


def _moved(averages: list[Any], values: list[Any], share: Any) -> list[Any]:
    return [averaged(average, value, share) for average, value in zip(averages, values, strict=True)]


def build_upper(
    part: LearningPart, parameters: Mapping[str, Array], *, batch_norm: BatchNorm, dropout: float, seed: int
) -> keras.Model:
    """A model that takes `part.source`, float32 (N, height, width, C), and gives logits (N, classes).

    Where the part is the whole network it takes images in 0..255 instead.

    Args:
        parameters: of the whole network, by the plan's names; those of the part become the model's.
        batch_norm: "frozen" normalizes by the moving statistics also in training.
        dropout: rate before the classifier; its draws follow from `seed`.
    """
    whole = part.source == INPUT
    inputs = layers.Input(part.shape, name=IMAGES)
    x = layers.Rescaling(1 / STDDEV, -MEAN / STDDEV, name=INPUT)(inputs) if whole else inputs
    tensors: dict[str, Any] = {part.source: x}
    kind = FrozenNormalization if batch_norm == "frozen" else layers.BatchNormalization
    add_layers(part.steps, tensors, dropout, seed=seed, normalization=kind)
    model = keras.Model(inputs, tensors[DENSE])
    names = {step.name for step in part.steps}
    assign_parameters(
        model, {name: value for name, value in parameters.items() if name.rpartition("/")[0] in names}
    )
    return model


class FrozenNormalization(layers.BatchNormalization):  # type: ignore[misc]  # Keras has no types
    """Batch norm by the moving statistics in training too; scale and offset learn.

    `trainable = False` would freeze those as well, and a functional model overrules `training=False` in a call.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs, training=False, mask=mask)


class _Rated:
    """An optimizer of Keras that moves each variable by its own fraction of the rate."""

    def __init__(self, factors: Sequence[float], **options: Any) -> None:
        """`factors`: of each variable, in the order of the model's `trainable_variables`."""
        super().__init__(**options)
        self._factors = tuple(factors)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        at = self._get_variable_index(variable)  # type: ignore[attr-defined]  # of Keras
        super().update_step(gradient, variable, learning_rate * self._factors[at])  # type: ignore[misc]


class RatedAdamW(_Rated, keras.optimizers.AdamW):  # type: ignore[misc]  # Keras has no types
    pass


class RatedSGD(_Rated, keras.optimizers.SGD):  # type: ignore[misc]  # Keras has no types
    pass


def _optimizer(model: keras.Model, part: LearningPart, recipe: FineTuning) -> keras.optimizers.Optimizer:
    """The recipe's optimizer, with a rate for each variable of `model`."""
    factors = rate_factors(part, recipe.rate_decay)
    each = [factors[str(plan_layer(layer.name))] for layer in model.layers for _ in layer.trainable_variables]
    if recipe.optimizer == "sgd":
        return RatedSGD(each, learning_rate=recipe.learning_rate, momentum=0.9, nesterov=True)
    return RatedAdamW(each, learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay)
