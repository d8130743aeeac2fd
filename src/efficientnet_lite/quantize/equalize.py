"""Channels of the linear tensors scaled to ranges more alike, without a change to what the network computes.

All channels of a tensor share one int8 scale, so a channel that is ten times smaller than the largest has
ten times fewer steps. Between a projection and the convolutions that read it nothing but additions
happens, so a channel may be multiplied on its way in and divided on its way out. Channels behind ReLU6
may not: the clip at 6 would move.

Source: Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction (2019),
section 4.1, here for linear bottlenecks and by measured activations.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Add, Conv, Plan
from efficientnet_lite.quantize.activations import Activations, is_linear

# 1 makes all ranges equal, 0 leaves them. Half way serves best: large factors cost the reading
# convolution's weights what the activations gain (measured for lite1: 25.2, 25.6, 25.4 dB at 0, 1/2, 1).
STRENGTH = 0.5
SMALLEST = 1e-3  # channels below this part of the largest are dead; they get no larger factor


def residual_groups(plan: Plan) -> list[set[str]]:
    """The linear tensors in groups that additions tie together: one factor a channel for all of a group."""
    groups: dict[str, set[str]] = {}
    for step in plan.steps:
        if not is_linear(step):
            continue
        group = {step.name}
        if isinstance(step, Add):
            group |= groups[step.source] | groups[step.skip]
        for name in group:
            groups[name] = group
    return list({id(group): group for group in groups.values()}.values())


def equalize(
    plan: Plan, layers: Mapping[str, Layer], activations: Mapping[str, Activations]
) -> tuple[dict[str, Layer], dict[str, Activations]]:
    """`layers` of the same function with more even linear tensors, and what those tensors look like then."""
    layers, activations = dict(layers), dict(activations)
    for group in residual_groups(plan):
        factors = _factors([activations[name] for name in group])
        for name in group:
            activations[name] = activations[name].scaled(factors)
        for step in plan.steps:
            if not isinstance(step, Conv):
                continue
            layer = layers[step.name]
            if step.name in group:
                layers[step.name] = Layer(layer.kernel * factors, layer.bias * factors)
            elif step.source in group:  # an expansion or the head, 1 x 1: inputs are the axis before last
                layers[step.name] = Layer(layer.kernel / factors[:, None], layer.bias)
    return layers, activations


def _factors(tensors: list[Activations]) -> npt.NDArray[np.float32]:
    ranges = np.max([np.maximum(-tensor.low, tensor.high) for tensor in tensors], axis=0)
    largest = max(float(ranges.max()), float(np.finfo(np.float32).tiny))
    even = largest / np.maximum(ranges, SMALLEST * largest)
    factors: npt.NDArray[np.float32] = (even**STRENGTH).astype(np.float32)
    return factors
