"""The head in integers, which takes back what is left in the features of the integer backbone."""

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.quantize.compensation import nearest
from efficientnet_lite.tflite import quantmath
from efficientnet_lite.tflite.int8 import IntegerLayer
from efficientnet_lite.tflite.quantmath import Scale, activation_scale
from efficientnet_lite.vocabulary import DenseScales

SLOPE_LIMITS = (0.7, 1.3)
DENSE_SHRINKS = np.linspace(1.0, 0.5, 11)  # 1 first, for a kernel or features that are all the same
SHRINKS = np.linspace(0.4, 1.0, 31)


def regressed(head: Layer, true: Array, found: Array) -> Layer:
    """`head` for the features `found` of the integer backbone instead of `true`, (N, 1280): a shift and a slope each.

    The slopes are drawn towards 1 as if each feature had also been seen with the mean variance of all
    and no error, since a hundred photos tell little of a feature that is mostly 0.
    """
    true_mean, found_mean = true.mean(axis=0), found.mean(axis=0)
    covariance = ((true - true_mean) * (found - found_mean)).sum(axis=0)
    variance = np.square(found - found_mean).sum(axis=0)
    prior = max(float(variance.mean()), float(np.finfo(np.float32).tiny))
    slope = np.clip((covariance + prior) / (variance + prior), *SLOPE_LIMITS)
    shift = true_mean - slope * found_mean
    return Layer((head.kernel * slope[:, None]).astype(np.float32), head.bias + shift @ head.kernel)


def rounded_head(head: Layer, features: Array, source: Scale, dense: DenseScales) -> IntegerLayer:
    """`head`, which reads `features` (N, 1280) with the scale `source`, in integers.

    Its kernel has one scale for all classes ("per-tensor"): runtimes before 2022 know no other for
    FULLY_CONNECTED, and read per-channel scales as garbage without an error.
    """
    scales = quantmath.weight_scales(head.kernel, head.bias.astype(np.float32), source.scale)
    if dense == "per-tensor":
        widest = scales.max(keepdims=True, initial=quantmath.SMALLEST_TENSOR_SCALE)  # of a kernel of zeros
        scales = _least_noise_scale(head.kernel, widest, features.var(axis=0))
    codes = nearest(head.kernel, scales)
    bias = head.bias - features.mean(axis=0, dtype=np.float64) @ (codes * scales - head.kernel)
    return IntegerLayer(codes, scales, quantmath.bias_codes(bias.astype(np.float32), scales, source.scale))


def _least_noise_scale(kernel: Array, widest: Array, power: Array) -> Array:
    """The one of some smaller scales, (1,), that changes the logits least: few weights are as large as the largest.

    `power` (inputs,) is the variance of what the weights are multiplied with.
    """
    candidates = [(widest * np.float32(shrink)).astype(np.float32) for shrink in DENSE_SHRINKS]
    with np.errstate(over="ignore", invalid="ignore"):  # of weights that are refused later
        noise = [
            float(power @ np.square(nearest(kernel, scale) * scale - kernel).sum(axis=1))
            for scale in candidates
        ]
    return candidates[int(np.argmin(noise))]


def full_range(logits: Array) -> Scale:
    """The scale that covers every logit."""
    return activation_scale(float(logits.min()), float(logits.max()))


def least_noise_range(logits: Array, true: Array) -> Scale:
    """The scale of shrunken ranges whose codes are nearest to `true`, (N, classes), up to a shift of all classes."""
    low, high = float(logits.min()), float(logits.max())
    wanted = true - true.mean(axis=1, keepdims=True)

    def error(scale: Scale) -> float:
        reals = scale.reals(scale.codes(logits))
        return float(np.square(reals - reals.mean(axis=1, keepdims=True) - wanted).sum())

    candidates = [activation_scale(low * a, high * b) for a in SHRINKS for b in (1.0, 0.95, 0.9, 0.85, 0.8)]
    return candidates[int(np.argmin([error(scale) for scale in candidates]))]
