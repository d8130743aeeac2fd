"""Channels of the linear tensors scaled to ranges more alike, without a change to what the network computes.

All channels of a tensor share one int8 scale, so a channel that is ten times smaller than the largest has
ten times fewer steps. Between a projection and the convolutions that read it nothing but additions
happens, so a channel may be multiplied on its way in and divided on its way out. Channels behind ReLU6
may not: the clip at 6 would move.

Source: Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction (2019),
section 4.1, here for linear bottlenecks and by measured activations.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.quantize.linear_tensors import residual_groups
from efficientnet_lite.quantize.observed import Observed

# 1 makes all ranges equal, 0 leaves them. Large factors cost the reading convolution's weights what the activations
# gain. Factors with the least predicted noise, found by gradients, gave the same decibels (decision 4).
STRENGTH = 0.5
SMALLEST = 1e-3  # channels below this part of the largest are dead; they get no larger factor


def equalize(
    plan: Plan, layers: Mapping[str, Layer], observed: Mapping[str, Observed]
) -> tuple[dict[str, Layer], dict[str, Observed]]:
    """`layers` of the same function with more even linear tensors, and what those tensors look like then."""
    layers, observed = dict(layers), dict(observed)
    for group in residual_groups(plan):
        factors = _factors([observed[name] for name in group])
        for name in group:
            observed[name] = observed[name].scaled(factors)
        for step in plan.convs:
            layer = layers[step.name]
            if step.name in group:
                layers[step.name] = Layer(layer.kernel * factors, layer.bias * factors)
            elif step.source in group:  # an expansion or the head, 1 x 1: inputs are the axis before last
                layers[step.name] = Layer(layer.kernel / factors[:, None], layer.bias)
    return layers, observed


def _factors(tensors: Sequence[Observed]) -> Array:
    ranges = np.max([np.maximum(-tensor.low, tensor.high) for tensor in tensors], axis=0)
    largest = max(float(ranges.max()), float(np.finfo(np.float32).tiny))
    even = largest / np.maximum(ranges, SMALLEST * largest)
    factors: Array = (even**STRENGTH).astype(np.float32)
    return factors
