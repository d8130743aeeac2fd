"""The float network to integers: the order of the stages, and what each hands to the next."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from efficientnet_lite import quantmath
from efficientnet_lite.quantize.bias import correct_biases
from efficientnet_lite.quantize.calibrate import Image, Progress, measure_scales
from efficientnet_lite.quantmath import INPUT_SCALE, Scale
from efficientnet_lite.spec import DENSE, INPUT, POOLED, Conv, Plan
from efficientnet_lite.tflite.fold import Layer
from efficientnet_lite.tflite.quantized import IntegerLayer, IntegerNetwork

CORRECTION_PHOTOS = 64  # of the calibration set; more changes the logit SNR by less than 0.1 dB


def quantize_backbone(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[Image],
    *,
    workers: int,
    on_progress: Progress | None = None,
) -> IntegerNetwork:
    """Every layer up to the feature vector in integers; `images` are uint8 (S, S, 3), unlabelled."""
    scales = {INPUT: INPUT_SCALE} | measure_scales(plan, layers, images, workers=workers)
    convs = list(plan.convs)
    weight_scales = {}
    rounded = {}
    for step in convs:
        layer = layers[step.name]
        weight_scales[step.name] = quantmath.weight_scales(
            _by_channel(step, layer.kernel), layer.bias, scales[step.source].scale
        )
        codes = quantmath.weight_codes(_by_channel(step, layer.kernel), weight_scales[step.name])
        reals = codes.astype(np.float32) * weight_scales[step.name]
        rounded[step.name] = Layer(reals.reshape(layer.kernel.shape), layer.bias)
    corrected = correct_biases(
        plan, layers, rounded, images[:CORRECTION_PHOTOS], workers=workers, on_progress=on_progress
    )
    integer = {}
    for step in convs:
        kernel, per_channel = layers[step.name].kernel, weight_scales[step.name]
        codes = quantmath.weight_codes(_by_channel(step, kernel), per_channel).reshape(kernel.shape)
        bias = quantmath.bias_codes(corrected[step.name].bias, per_channel, scales[step.source].scale)
        integer[step.name] = IntegerLayer(codes, per_channel, bias)
    return IntegerNetwork(integer, scales)


def _by_channel(step: Conv, kernel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """`kernel` with its output channels last: a depthwise one has them before last."""
    return kernel[..., 0] if step.depthwise else kernel


def quantize_head(
    network: IntegerNetwork, head: Layer, features: npt.NDArray[np.float32]
) -> IntegerNetwork:
    """`network` with the dense layer `head` in integers.

    One scale for the whole kernel: runtimes before 2022 know no other for FULLY_CONNECTED, and read
    per-channel scales without an error as garbage. The bias takes back the mean error on `features`
    (N, 1280), those of the calibration photos in float; the logits get the range they have there.
    """
    source = network.tensors[POOLED]
    largest = np.abs(head.kernel).max() / quantmath.WEIGHT_MAX
    floor = np.abs(head.bias).max() / (source.scale * quantmath.BIAS_LIMIT)
    scales = np.array([max(largest, floor, np.finfo(np.float32).tiny)], np.float32)
    codes = quantmath.weight_codes(head.kernel, scales)
    error = features.mean(axis=0, dtype=np.float64) @ (codes * scales[0] - head.kernel)
    bias = quantmath.bias_codes((head.bias - error).astype(np.float32), scales, source.scale)
    logits = features @ head.kernel + head.bias
    return IntegerNetwork(
        {**network.layers, DENSE: IntegerLayer(codes, scales, bias)},
        {**network.tensors, DENSE: quantmath.activation_scale(float(logits.min()), float(logits.max()))},
    )


__all__ = ["Scale", "quantize_backbone", "quantize_head"]
