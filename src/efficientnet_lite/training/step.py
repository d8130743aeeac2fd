"""One training step: a pure function of the state and a batch.

The order is the reference's: forward with the statistics of the batch, loss, gradients; moving statistics;
weights; the step count; then the moving averages, of weights and statistics alike.

Source: tensorflow/tpu, models/official/efficientnet: main.py, `model_fn`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from efficientnet_lite.network.keras_arrays import named_variables
from efficientnet_lite.network.keras_model import build_model
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.training.backend import compiled, on_accelerator, value_and_gradients
from efficientnet_lite.training.learner import Losses
from efficientnet_lite.training.optimizer import AnyTensor, averaged, l2_loss, rmsprop
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.schedule import average_decay, learning_rate
from efficientnet_lite.training.train_state import Tensors, TrainState

MAX_PIXEL = 255


Update = Callable[[TrainState, Any, Any], tuple[TrainState, Losses]]


def make_step(plan: Plan, recipe: Recipe) -> Update:
    """The training step of a plan with classes, compiled for the backend of Keras.

    The function takes a state, images (N, side, side, 3) with values of 0 to 255, uint8 or float32, and
    labels: class numbers (N,), or shares of the classes (N, classes), float32, as mixup makes them. Keep
    N, or each new one is compiled anew.
    """
    network = build_network(plan, recipe)
    compute = compiled(_computation(network, recipe, plan.classes or 0))

    def step(state: TrainState, images: Any, labels: Any) -> tuple[TrainState, Losses]:
        rate = learning_rate(recipe, state.step)
        decay = average_decay(recipe.ema_decay, state.step + 1)
        tensors = {
            "parameters": state.parameters,
            "statistics": state.statistics,
            "accumulators": state.accumulators,
            "momentum": state.momentum,
            "averages": state.averages,
        }
        scalars = (np.float32(rate), np.float32(decay), np.int32(state.step))
        new, total, cross_entropy = compute(tensors, images, labels, *scalars)
        return TrainState(step=state.step + 1, **new), Losses(total, cross_entropy, rate)

    return step


def build_network(plan: Plan, recipe: Recipe) -> keras.Model:
    """The plan's Keras model with the recipe's dropout, survival and precision; its weights are not used."""
    if recipe.dropout is not None:
        plan = replace(plan, variant=replace(plan.variant, dropout=recipe.dropout))
    low = recipe.precision == "bfloat16" or (recipe.precision == "auto" and on_accelerator())
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if low else "float32")
    try:
        return build_model(plan, side=plan.size, survival=recipe.survival)
    finally:
        keras.config.set_dtype_policy(before)


def smoothed_cross_entropy(logits: AnyTensor, shares: AnyTensor, smoothing: float) -> AnyTensor:
    """Mean over the batch; (N, classes) both, float32. Every class gets `smoothing` / classes of the label."""
    shares = (1 - smoothing) * shares + smoothing / shares.shape[-1]
    return ops.mean(-ops.sum(shares * ops.log_softmax(logits, axis=-1), axis=-1))


def _computation(network: keras.Model, recipe: Recipe, classes: int) -> Callable[..., Any]:
    """(groups of tensors, images, labels, rate, decay, step) -> (groups, loss, cross entropy)."""
    forward = _forward(network, recipe)

    def loss(
        parameters: Tensors,
        statistics: Tensors,
        images: AnyTensor,
        shares: AnyTensor,
        step: AnyTensor,
    ) -> Any:
        logits, statistics = forward(parameters, statistics, images, step)
        cross_entropy = smoothed_cross_entropy(logits, shares, recipe.label_smoothing)
        return cross_entropy + l2_loss(recipe, parameters), (cross_entropy, statistics)

    differentiated = value_and_gradients(loss)

    def computation(
        state: dict[str, Tensors],
        images: AnyTensor,
        labels: AnyTensor,
        rate: AnyTensor,
        decay: AnyTensor,
        step: AnyTensor,
    ) -> Any:
        pixels = ops.cast(images, "float32") / MAX_PIXEL
        shares = ops.one_hot(labels, classes) if len(labels.shape) == 1 else labels
        (total, (cross_entropy, statistics)), gradients = differentiated(
            state["parameters"], state["statistics"], pixels, shares, step
        )
        new: dict[str, Tensors] = {"parameters": {}, "accumulators": {}, "momentum": {}}
        for name, gradient in gradients.items():
            before = (state[group][name] for group in new)
            value, accumulator, momentum = before
            after = rmsprop(recipe, value, gradient, accumulator, momentum, rate)
            for group, tensor in zip(new, after, strict=True):
                new[group][name] = tensor
        weights = new["parameters"] | statistics
        averages = {name: averaged(old, weights[name], 1 - decay) for name, old in state["averages"].items()}
        return new | {"statistics": statistics, "averages": averages}, total, cross_entropy

    return computation


def _forward(network: keras.Model, recipe: Recipe) -> Callable[..., tuple[AnyTensor, Tensors]]:
    """(parameters, statistics, images, step) -> logits in training mode, and the new statistics.

    Random layers draw by (seed, number of the layer, step): what a step drops does not depend on whether
    the run was interrupted before it.
    """
    inputs = NamedInputs(network)
    names = inputs.names

    def forward(
        parameters: Tensors, statistics: Tensors, images: AnyTensor, step: AnyTensor
    ) -> tuple[AnyTensor, Tensors]:
        trained, fixed = inputs(parameters, statistics, step, seed=recipe.seed)
        logits, changed = network.stateless_call(trained, fixed, images, training=True)
        moved = {name: value for name, value in zip(names, changed, strict=True) if name is not None}
        return ops.cast(logits, "float32"), moved

    return forward


class NamedInputs:
    """The tensors that a network's `stateless_call` takes, found by the plan's names."""

    def __init__(self, network: keras.Model) -> None:
        names = {id(variable): name for name, variable in named_variables(network).items()}
        self.trained = [names[id(variable)] for variable in network.trainable_variables]
        self.names = [names.get(id(variable)) for variable in network.non_trainable_variables]
        self._dtypes = [variable.dtype for variable in network.non_trainable_variables]

    def __call__(
        self, parameters: Tensors, statistics: Tensors, step: AnyTensor, *, seed: int = 0
    ) -> tuple[list[AnyTensor], list[AnyTensor]]:
        """Trainable and other tensors, in the network's order; random layers draw by (seed, layer, step)."""
        # 31 bits: Keras on TensorFlow holds seeds as signed numbers.
        seeds = np.random.SeedSequence(seed).generate_state(len(self.names), np.uint32) >> 1
        fixed = [
            ops.cast(ops.stack([int(drawn), step]), dtype) if name is None else statistics[name]
            for name, dtype, drawn in zip(self.names, self._dtypes, seeds, strict=True)
        ]
        return [parameters[name] for name in self.trained], fixed
