"""The part of a network that learns in fine-tuning, as a Keras model, and its optimizer; any backend."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.keras_arrays import assign_parameters, plan_layer
from efficientnet_lite.network.keras_model import IMAGES, add_layers
from efficientnet_lite.network.plan import DENSE, INPUT
from efficientnet_lite.photos.contract import MEAN, STDDEV
from efficientnet_lite.training.finetune import BatchNorm, FineTuning, Part, rate_factors


def build_upper(
    part: Part, parameters: Mapping[str, Array], *, batch_norm: BatchNorm, dropout: float, seed: int
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


class RatedAdamW(keras.optimizers.AdamW):  # type: ignore[misc]  # Keras has no types
    """AdamW that moves each variable by its own fraction of the rate."""

    def __init__(self, factors: Sequence[float], **options: Any) -> None:
        """`factors`: of each variable, in the order of the model's `trainable_variables`."""
        super().__init__(**options)
        self._factors = tuple(factors)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(
            gradient, variable, learning_rate * self._factors[self._get_variable_index(variable)]
        )


class RatedSGD(keras.optimizers.SGD):  # type: ignore[misc]  # Keras has no types
    """Momentum that moves each variable by its own fraction of the rate."""

    def __init__(self, factors: Sequence[float], **options: Any) -> None:
        """`factors`: of each variable, in the order of the model's `trainable_variables`."""
        super().__init__(**options)
        self._factors = tuple(factors)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(
            gradient, variable, learning_rate * self._factors[self._get_variable_index(variable)]
        )


def compile_upper(model: keras.Model, part: Part, recipe: FineTuning) -> None:
    """Give `model` the recipe's optimizer, with a rate for each variable, and the loss on soft targets."""
    factors = rate_factors(part, recipe.rate_decay)
    each = [factors[str(plan_layer(layer.name))] for layer in model.layers for _ in layer.trainable_variables]
    if recipe.optimizer == "sgd":
        optimizer = RatedSGD(each, learning_rate=recipe.learning_rate, momentum=0.9, nesterov=True)
    else:
        optimizer = RatedAdamW(each, learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # XLA's depthwise convolutions are several times slower on a CPU
    )
