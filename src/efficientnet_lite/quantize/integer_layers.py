"""Float layers to integer ones, given the scales of what they read and make."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array, Int8s
from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Conv, Plan
from efficientnet_lite.quantize.alike import alike_scales
from efficientnet_lite.quantize.compensation import as_matrix, compensated, nearest
from efficientnet_lite.quantize.moments import Moments
from efficientnet_lite.quantize.observed import Observed
from efficientnet_lite.tflite import quantmath
from efficientnet_lite.tflite.int8 import IntegerLayer
from efficientnet_lite.tflite.quantmath import Scale

LARGEST_SCALE = 2.0**64  # of weights; no runtime takes larger ones


def compensated_layers(
    plan: Plan,
    layers: Mapping[str, Layer],
    scales: Mapping[str, Scale],
    read: Mapping[str, Moments],
    *,
    alike: bool = False,
) -> dict[str, IntegerLayer]:
    """Every convolution, with weights that take back each other's rounding where a covariance says how.

    Args:
        alike: with scales of weights for which all kernels round alike.

    Raises ArtifactError where weights are too large for int8.
    """
    made = {}
    for step in plan.convs:
        matrix, weights = _matrix(step, layers[step.name], scales, alike)
        inputs = read[step.name]
        if inputs.covariance is None:
            codes = nearest(matrix, weights)
        else:
            codes = compensated(matrix, weights, inputs.covariance)
        made[step.name] = _layer(step, layers[step.name], codes, weights, scales, inputs.mean)
    return made


def nearest_layers(
    plan: Plan,
    layers: Mapping[str, Layer],
    scales: Mapping[str, Scale],
    seen: Mapping[str, Observed],
    *,
    alike: bool = False,
) -> dict[str, IntegerLayer]:
    """Every convolution, with each weight rounded to its nearest code.

    Raises ArtifactError where weights are too large for int8.
    """
    read = {step.name: Moments(_mean_input(step, seen.get(step.source)), None) for step in plan.convs}
    return compensated_layers(plan, layers, scales, read, alike=alike)


def _mean_input(step: Conv, source: Observed | None) -> Array:
    """What each weight of an output reads on average, as in `Moments`."""
    mean = np.zeros(step.inputs, np.float32) if source is None else source.mean
    weights = math.prod(step.kernel_shape) // step.outputs
    inputs: Array = mean[:, None].repeat(weights, 1) if step.depthwise else np.resize(mean, weights)
    return inputs


def _matrix(step: Conv, layer: Layer, scales: Mapping[str, Scale], alike: bool) -> tuple[Array, Array]:
    """The kernel as (inputs, outputs), and a scale for each output."""
    matrix = as_matrix(step, layer.kernel)
    weights = quantmath.weight_scales(matrix, layer.bias, scales[step.source].scale)
    require_room(step.name, weights, scales[step.source], scales[step.name])
    if alike:
        weights = alike_scales(weights, scales[step.source], scales[step.name])
    return matrix, weights


def _layer(
    step: Conv,
    layer: Layer,
    codes: Int8s,
    weights: Array,
    scales: Mapping[str, Scale],
    mean: npt.NDArray[np.floating],
) -> IntegerLayer:
    """With the bias that takes back the mean of what rounding does to the output."""
    lost = as_matrix(step, layer.kernel) - codes * weights
    drift = np.einsum("ci,ic->c", mean, lost) if step.depthwise else mean @ lost
    bias = (layer.bias + drift).astype(np.float32)
    codes = codes.reshape(layer.kernel.shape)
    return IntegerLayer(codes, weights, quantmath.bias_codes(bias, weights, scales[step.source].scale))


def require_room(name: str, weights: Array, source: Scale, made: Scale) -> None:
    """Raises ArtifactError where one step of a layer's weights overshoots all 256 codes of what it makes.

    No runtime takes such a layer: a trained network has none, one whose weights are huge has.
    """
    steps = float(weights.max()) * source.scale / made.scale
    if not steps < 256 or not float(weights.max()) < LARGEST_SCALE:
        raise ArtifactError(
            f"the weights of {name} are so large that one step of them is {steps:.3g} steps of what it makes, "
            "and int8 has 256",
            where=name,
            fix="look at the weights, or export them as float32",
        )
