"""Batch norm folded into the weights before it: what is left is one kernel and one bias a layer."""

from collections.abc import Mapping

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import BN_EPSILON, BN_PARTS, Conv, Dense, Plan


def fold(plan: Plan, parameters: Mapping[str, Array]) -> dict[str, Layer]:
    """Layer name -> `Layer` for every convolution and dense layer of `plan`.

    With s = gamma / sqrt(moving_variance + epsilon): kernel * s and beta - moving_mean * s, computed in
    float64. A dead channel (variance exactly 0) keeps the epsilon alone in the denominator; its kernel
    may become large, its output stays beta - moving_mean * s wherever its input is what it was in training.

    Raises:
        KeyError: a parameter of the plan is missing; readers of checkpoints make sure that none is.
    """
    layers = {}
    for step in plan.steps:
        if isinstance(step, Conv):
            gamma, beta, mean, variance = (
                parameters[f"{step.name}/{part}"].astype(np.float64)
                for part in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            factor = gamma / np.sqrt(variance + BN_EPSILON)
            kernel = parameters[f"{step.name}/kernel"].astype(np.float64)
            along = factor[:, None] if step.depthwise else factor  # the output axis is 2 there, 3 else
            layers[step.name] = Layer(
                (kernel * along).astype(np.float32), (beta - mean * factor).astype(np.float32)
            )
        elif isinstance(step, Dense):
            layers[step.name] = Layer(parameters[f"{step.name}/kernel"], parameters[f"{step.name}/bias"])
    return layers


def unfold(plan: Plan, layers: Mapping[str, Layer]) -> dict[str, Array]:
    """Parameters of which `fold` makes `layers` again, to the bit: behind each layer a batch norm that changes nothing.

    Its variance and epsilon together are 1 but for a tenth of what float32 resolves, its shift is the bias. What a
    training had measured is not in folded weights.
    """
    parameters: dict[str, Array] = {}
    for step in plan.steps:
        if isinstance(step, Conv):
            layer, ones = layers[step.name], np.ones(step.outputs, np.float32)
            parts = ones, layer.bias, np.zeros_like(ones), ones * np.float32(1 - BN_EPSILON)
            parameters[f"{step.name}/kernel"] = layer.kernel
            parameters |= {
                f"{step.name}/{part}": values for part, values in zip(BN_PARTS, parts, strict=True)
            }
        elif isinstance(step, Dense):
            parameters[f"{step.name}/kernel"] = layers[step.name].kernel
            parameters[f"{step.name}/bias"] = layers[step.name].bias
    return parameters
