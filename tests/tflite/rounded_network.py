"""A float network of random weights and the same rounded to the nearest integers, without a stage of quantization."""

import numpy as np

from efficientnet_lite.network import numpy_run
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import POOLED, Conv, Dense, Softmax
from efficientnet_lite.tflite import quantmath
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, RELU6_SCALE, activation_scale


def random_layers(plan, seed=0):
    """Layers whose activations stay of one size."""
    random = np.random.default_rng(seed)
    layers = {}
    for step in plan.steps:
        if isinstance(step, Conv | Dense):
            shape = step.kernel_shape if isinstance(step, Conv) else (step.inputs, step.outputs)
            inputs = np.prod(shape[:2] if _is_depthwise(step) else shape[:-1])
            kernel = random.normal(0, np.sqrt(2 / inputs), shape).astype(np.float32)
            layers[step.name] = Layer(kernel, random.normal(0, 0.1, step.outputs).astype(np.float32))
    return layers


def coarse_images(plan, count=8):
    """uint8 (count, S, S, 3), of four by four squares; the side is a multiple of 4."""
    squares = np.random.default_rng(1).integers(0, 256, (count, 4, 4, 3), np.uint8)
    return squares.repeat(plan.size // 4, axis=1).repeat(plan.size // 4, axis=2)


def float_tensors(plan, layers, images):
    """Of the float network, by the plan's names."""
    return numpy_run.run(plan.steps, layers, (images.astype(np.float32) - 127) / 128)


def rounded_network(plan, layers, tensors, given=None):
    """`layers` in integers, with the ranges of `tensors` where no scale is `given`."""
    scales, integers = {"normalized": INPUT_SCALE}, {}
    for step in plan.steps:
        if isinstance(step, Softmax):
            continue
        relu6 = step.name == POOLED or (isinstance(step, Conv) and step.relu6)
        low, high = float(tensors[step.name].min()), float(tensors[step.name].max())
        usual = RELU6_SCALE if relu6 else activation_scale(low, high)
        scales[step.name] = (given or {}).get(step.name, usual)
        if isinstance(step, Conv | Dense):
            layer, source = layers[step.name], scales[step.source].scale
            kernel = layer.kernel[..., 0] if _is_depthwise(step) else layer.kernel
            made = quantmath.weight_scales(kernel, layer.bias, source)
            codes = quantmath.weight_codes(kernel, made).reshape(layer.kernel.shape)
            integers[step.name] = IntegerLayer(codes, made, quantmath.bias_codes(layer.bias, made, source))
    return IntegerNetwork(integers, scales)


def _is_depthwise(step):
    return isinstance(step, Conv) and step.depthwise
