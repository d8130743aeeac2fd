"""ReLU6 channels that never reach 6, stretched so that they use more of the 256 codes.

Below 6 a ReLU6 is linear, so the channel may be multiplied on its way in and divided on its way out.
"""

from collections.abc import Mapping

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.quantize.observed import Observed

MARGIN = 1.02  # times the largest value that was seen; a photo beyond it saturates
EXPANSION_MARGIN = 2.0  # they differ from photo to photo more than the stem does
LARGEST = 4.0
DEAD = 1e-4


def stretch(
    plan: Plan, layers: Mapping[str, Layer], observed: Mapping[str, Observed]
) -> tuple[dict[str, Layer], dict[str, Observed]]:
    """`layers` of the same function with wider channels of the stem and the expansions.

    Both are read by a depthwise convolution alone, whose weights have a scale for each channel, so weights lose
    nothing.
    """
    layers, observed = dict(layers), dict(observed)
    for step in plan.convs:
        if not step.depthwise:
            continue
        name = step.source
        margin = MARGIN if name == "stem/conv" else EXPANSION_MARGIN
        factors = _factors(observed[name], margin)
        layer, reader = layers[name], layers[step.name]
        layers[name] = Layer(layer.kernel * factors, layer.bias * factors)
        layers[step.name] = Layer(reader.kernel / factors[:, None], reader.bias)
        observed[name] = observed[name].scaled(factors)
    return layers, observed


def _factors(tensor: Observed, margin: float) -> Array:
    factors: Array = np.clip(6 / (margin * np.maximum(tensor.high, DEAD)), 1, LARGEST).astype(np.float32)
    return np.where(tensor.high > DEAD, factors, np.float32(1))
