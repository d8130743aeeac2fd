"""The float network to integers: the order of the stages, and what each hands to the next.

measure the activations -> equalize the linear tensors -> choose their scales -> round the weights ->
correct gains and biases -> integers; then the head, which takes back what is left in the features.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import DENSE, INPUT, POOLED, Conv, Plan
from efficientnet_lite.photos.views import Image
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.quantize.activations import choose_scales, measure
from efficientnet_lite.quantize.correct import correct
from efficientnet_lite.quantize.equalize import equalize
from efficientnet_lite.runtimes.engine import EnginePool
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite import quantmath
from efficientnet_lite.tflite.float import Output, write_float
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork, write_int8
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, Scale
from efficientnet_lite.vocabulary import DenseScales, Effort

METHOD = "1"  # to be raised whenever the same photos would give other integers
CORRECTION_PHOTOS = 48  # of the calibration set, for gains and biases
LARGEST_SCALE = 2.0**64  # of weights; no runtime takes larger ones
SLOPE_LIMITS = (0.7, 1.3)


@dataclass(frozen=True, slots=True)
class Method:
    """How a network becomes integers. The same photos and the same method give the same integers."""

    effort: Effort = "standard"
    dense: DenseScales = "per-tensor"  # runtimes before 2022 read other ones as garbage, without an error

    def __str__(self) -> str:
        """What tells it from any other, for the cache."""
        values = ",".join(f"{each.name}={getattr(self, each.name)}" for each in fields(self))
        return f"{METHOD}({values})"


STANDARD = Method()


@dataclass(frozen=True, slots=True)
class Gain:
    """What one stage brought: how near the integer network is to float once it is done."""

    stage: str
    snr_db: float  # of the centred logits, or of the features of a plan without a head, on calibration photos
    seconds: float  # that the stage took


OnStage = Callable[[Gain], None]


@dataclass(frozen=True, slots=True)
class Quantized:
    """A network in integers."""

    network: IntegerNetwork  # every layer of the plan, the head too where it has one
    prepared: dict[str, Layer]  # the float network that was rounded: it computes what the given one does
    gains: tuple[Gain, ...] = ()  # of the stages, in their order


@dataclass(frozen=True, slots=True)
class _Backbone:
    network: IntegerNetwork
    prepared: dict[str, Layer]
    true_features: Array  # (N, 1280) of the float network
    features: Array  # (N, 1280) of the integer network


def quantize(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[Image],
    *,
    method: Method = STANDARD,
    workers: int,
    on_progress: OnProgress | None = None,
    on_stage: OnStage | None = None,
) -> Quantized:
    """Every layer of `plan` in integers.

    Args:
        layers: the float network, batch norm folded in.
        images: uint8 (S, S, 3), unlabelled.
        on_stage: is told each stage's gain as soon as it is there.

    Raises CheckpointError where the weights give no finite numbers, ArtifactError where they are too large for int8.
    """
    backbone = _quantized_backbone(plan, layers, images, workers=workers, on_progress=on_progress)
    network, prepared = backbone.network, backbone.prepared
    if plan.classes is not None:
        network = _with_head(backbone, layers[DENSE], method.dense)
        prepared = {**prepared, DENSE: layers[DENSE]}
    return Quantized(network, prepared)


def _quantized_backbone(
    plan: Plan,
    layers: Mapping[str, Layer],
    images: Sequence[Image],
    *,
    workers: int,
    on_progress: OnProgress | None = None,
) -> _Backbone:
    """Every layer up to the feature vector in integers."""
    even, activations = equalize(plan, layers, measure(plan, layers, images, workers=workers))
    scales = {INPUT: INPUT_SCALE} | choose_scales(plan, activations)
    codes, weight_scales, rounded = {}, {}, {}
    for step in plan.convs:
        layer = even[step.name]
        kernel = _channels_last(step, layer.kernel)
        weight_scales[step.name] = quantmath.weight_scales(kernel, layer.bias, scales[step.source].scale)
        _require_room(step.name, weight_scales[step.name], scales[step.source], scales[step.name])
        codes[step.name] = quantmath.weight_codes(kernel, weight_scales[step.name]).reshape(
            layer.kernel.shape
        )
        along = weight_scales[step.name][:, None] if step.depthwise else weight_scales[step.name]
        rounded[step.name] = Layer(codes[step.name] * along, layer.bias)
    corrections = correct(
        plan, even, rounded, images[:CORRECTION_PHOTOS], workers=workers, on_progress=on_progress
    )
    integers = {}
    for name, correction in corrections.items():
        source = next(step.source for step in plan.convs if step.name == name)
        per_channel = weight_scales[name] * correction.gain
        bias = quantmath.bias_codes(correction.bias, per_channel, scales[source].scale)
        integers[name] = IntegerLayer(codes[name], per_channel, bias)
    for step in plan.convs:
        if step.name in integers:
            _require_room(step.name, integers[step.name].scales, scales[step.source], scales[step.name])
    network = IntegerNetwork(integers, scales)
    return _Backbone(
        network, even, *(_features(plan, model, images, workers) for model in _both(plan, layers, network))
    )


def _require_room(name: str, weights: Array, source: Scale, made: Scale) -> None:
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


def _channels_last(step: Conv, kernel: Array) -> Array:
    """`kernel` with its output channels on the last axis; a depthwise one has its multiplier there."""
    return kernel[..., 0] if step.depthwise else kernel


def _both(plan: Plan, layers: Mapping[str, Layer], network: IntegerNetwork) -> tuple[bytes, bytes]:
    outputs: tuple[Output] = ("features",)
    return write_float(plan, layers, outputs=outputs), write_int8(plan, network, outputs=outputs)


def _features(plan: Plan, model: bytes, images: Sequence[Image], workers: int) -> Array:
    """The feature vectors that a written file gives, as reals."""
    pool = EnginePool(LiteRT, model, workers=workers)
    output = pool.first.outputs[0]
    if output.scale:
        codes = pool.map(lambda runner, image: runner(image[None])[POOLED], images)
        return (np.concatenate(list(codes)).astype(np.float32) - output.zero_point) * np.float32(output.scale)
    reals = pool.map(lambda runner, image: runner(image[None] / np.float32(255))[POOLED], images)
    return np.concatenate(list(reals))


def _with_head(backbone: _Backbone, head: Layer, dense: DenseScales) -> IntegerNetwork:
    """The whole network in integers, with the dense layer `head`.

    What the integer backbone does to each feature on average, a shift and a slope, is taken back in the
    head before it is rounded. The logits get the range they have on these photos.
    """
    network, features = backbone.network, backbone.features
    shift, slope = _regression(backbone.true_features, features)
    kernel = (head.kernel * slope[:, None]).astype(np.float32)
    bias = head.bias + shift @ head.kernel
    source = network.tensors[POOLED]
    scales = quantmath.weight_scales(kernel, bias.astype(np.float32), source.scale)
    if dense == "per-tensor":
        scales = scales.max(keepdims=True, initial=quantmath.SMALLEST_TENSOR_SCALE)  # of a kernel of zeros
    codes = quantmath.weight_codes(kernel, scales)
    bias = bias - features.mean(axis=0, dtype=np.float64) @ (codes * scales - kernel)
    logits = features @ kernel + bias
    made = quantmath.activation_scale(float(logits.min()), float(logits.max()))
    _require_room(DENSE, scales, source, made)
    layer = IntegerLayer(codes, scales, quantmath.bias_codes(bias.astype(np.float32), scales, source.scale))
    return IntegerNetwork({**network.layers, DENSE: layer}, {**network.tensors, DENSE: made})


def _regression(true: Array, found: Array) -> tuple[Array, Array]:
    """Shift and slope of each feature: true is about shift + slope * found.

    The slopes are drawn towards 1 as if each feature had also been seen with the mean variance of all
    and no error, since a hundred photos tell little of a feature that is mostly 0.
    """
    true_mean, found_mean = true.mean(axis=0), found.mean(axis=0)
    covariance = ((true - true_mean) * (found - found_mean)).sum(axis=0)
    variance = np.square(found - found_mean).sum(axis=0)
    prior = max(float(variance.mean()), float(np.finfo(np.float32).tiny))
    slope = np.clip((covariance + prior) / (variance + prior), *SLOPE_LIMITS)
    return true_mean - slope * found_mean, slope
