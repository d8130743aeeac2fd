"""The network as a Keras model, built from our layer plan, and the stock converter's files of it.

Batch norm stays a layer, as everybody's Keras model has it; folding it is the converter's business.
"""

import tempfile
from collections.abc import Iterable, Mapping

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from efficientnet_lite.network.plan import BN_EPSILON, BN_PARTS, POOLED, Add, Conv, Dense, Plan, Pool

Array = npt.NDArray[np.float32]


def build(plan: Plan, parameters: Mapping[str, Array], *, output: str) -> keras.Model:
    """Normalized images (N, S, S, 3) to the plan's tensor `output`, with `parameters` loaded."""
    image = keras.Input((plan.size, plan.size, 3), name="images")
    tensors = {plan.steps[0].source: image}
    made: list[tuple[keras.Layer, list[str]]] = []  # a layer and the parameters that are its weights
    for step in plan.steps:
        name, value = step.name.replace("/", "_"), tensors[step.source]
        match step:
            case Conv():
                shape = {"strides": step.stride, "padding": "same", "use_bias": False, "name": name}
                layer = (
                    keras.layers.DepthwiseConv2D(step.kernel, **shape)
                    if step.depthwise
                    else keras.layers.Conv2D(step.outputs, step.kernel, **shape)
                )
                norm = keras.layers.BatchNormalization(epsilon=BN_EPSILON, name=f"{name}_bn")
                value = norm(layer(value))
                made.append((layer, [f"{step.name}/kernel"]))
                made.append((norm, [f"{step.name}/{part}" for part in BN_PARTS]))
                if step.relu6:
                    value = keras.layers.ReLU(6.0, name=f"{name}_relu6")(value)
            case Add():
                value = keras.layers.Add(name=name)([value, tensors[step.skip]])
            case Pool():  # its kernel is the whole map, as the reference has it
                value = keras.layers.AveragePooling2D(value.shape[1:3], name=f"{name}_pool")(value)
                value = keras.layers.Flatten(name=name)(value)
            case Dense():
                layer = keras.layers.Dense(step.outputs, name=name)
                value = layer(value)
                made.append((layer, [f"{step.name}/kernel", f"{step.name}/bias"]))
            case _:
                value = keras.layers.Softmax(name=name)(value)
        tensors[step.name] = value
        if step.name == output:
            break
    model = keras.Model(image, tensors[output])
    for layer, names in made:
        layer.set_weights([parameters[each] for each in names])
    return model


def backbone(plan: Plan, parameters: Mapping[str, Array]) -> keras.Model:
    """The network up to the feature vector (N, 1280), frozen."""
    model = build(plan, parameters, output=POOLED)
    model.trainable = False
    return model


def convert(model: keras.Model, size: int, calibration: Iterable[Array] | None) -> bytes:
    """The stock converter's file: float32, or full int8 with uint8 in and out where there are images.

    Args:
        model: normalized images to one output.
        calibration: normalized images, float32 (S, S, 3).

    By way of a tracked function of batch 1 and a SavedModel, which gives the fewest operators and a
    signature; Keras models converted directly keep a dynamic batch.
    """
    root = tf.Module()
    root.weights = [variable.value for variable in model.variables]  # untracked ones would not be frozen

    @tf.function(input_signature=[tf.TensorSpec((1, size, size, 3), tf.float32, name="images")])
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"output": model(images, training=False)}

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(root, folder, signatures=serve.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if calibration is not None:
            images = list(calibration)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ({"images": image[None]} for image in images)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        return bytes(converter.convert())


def normalized(images: Iterable[npt.NDArray[np.uint8]]) -> list[Array]:
    """Images as the network itself wants them, (x - 127) / 128."""
    return [(image.astype(np.float32) - 127) / 128 for image in images]
