"""RMSProp, L2 and the moving average of TensorFlow 1, as functions of tensors. Any backend of Keras.

Source: tensorflow/tpu, models/official/efficientnet: utils.py (`build_optimizer`, `get_ema_vars`), main.py
(`model_fn`); TensorFlow, kernels of `ApplyRMSProp` and `ExponentialMovingAverage`. Keras' own RMSprop starts
its accumulators at zero, decays weights outside of the gradient, and averages without a ramp.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from efficientnet_lite.training.recipe import Recipe

AnyTensor = Any  # of the backend; numpy arrays are taken too
NOT_DECAYED = ("/gamma", "/beta")  # batch norm; the dense bias is decayed. Source: main.py, `model_fn`


def rmsprop(
    recipe: Recipe,
    value: AnyTensor,
    gradient: AnyTensor,
    accumulator: AnyTensor,
    momentum: AnyTensor,
    rate: AnyTensor,
) -> tuple[AnyTensor, AnyTensor, AnyTensor]:
    """New value, accumulator and momentum of one parameter; all of the shape of `value`, float32.

    Epsilon stands inside the root, the rate inside the momentum, and there is no look-ahead.
    """
    share = float(np.float32(1) - np.float32(recipe.rms_decay))  # as TensorFlow's kernel rounds it
    accumulator = accumulator + (ops.square(gradient) - accumulator) * share
    momentum = momentum * recipe.momentum + rate * gradient / ops.sqrt(accumulator + recipe.epsilon)
    return value - momentum, accumulator, momentum


def l2_loss(recipe: Recipe, parameters: Mapping[str, AnyTensor]) -> AnyTensor:
    """The part of the loss that keeps weights small: `weight_decay` times half the sum of their squares.

    Its gradient goes through RMSProp like any other.
    """
    # in one order, whoever made the mapping: a sum of floats depends on it
    names = sorted(name for name in parameters if not name.endswith(NOT_DECAYED))
    squares = [ops.sum(ops.square(parameters[name])) for name in names]
    return recipe.weight_decay * 0.5 * sum(squares)


def averaged(average: AnyTensor, value: AnyTensor, share: AnyTensor) -> AnyTensor:
    """The moving average after `value`, of which it takes `share`, float32: 1 - `schedule.average_decay`."""
    return average + share * (value - average)
