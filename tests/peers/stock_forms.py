"""One network as strangers' `.tflite` files have it: every form in which the stock converter leaves this family."""

import tempfile
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from efficientnet_lite.network.numpy_run import same_padding
from efficientnet_lite.network.plan import BN_EPSILON, BN_PARTS, Add, Conv, Dense, Plan, Pool

LABELS_FORM = "labels"


def built(
    plan: Plan,
    parameters: Mapping[str, np.ndarray],
    *,
    before: Callable[[object], object] = lambda image: image,
    pool: str = "average",
    head: str = "dense",
    softmax: bool = True,
    zero_padding: bool = False,
    dtype: str = "float32",
) -> keras.Model:
    """A Keras model of the plan, as people build it in one way or another.

    Args:
        before: layers in front, from the input to what the network reads.
        pool: "average" (its window is the map, then Flatten), "global" or "global, kept".
        head: "dense" or "convolution".
        zero_padding: pad in a layer of its own where a stride is 2, as keras.applications does.
    """
    layers, given = keras.layers, {}
    image = keras.Input((plan.size, plan.size, 3), name="images", dtype=dtype)
    tensors, made = {plan.steps[0].source: before(image)}, []
    for step in plan.steps:
        name, value = step.name.replace("/", "_"), tensors[step.source]
        match step:
            case Conv():
                given = {"strides": step.stride, "padding": "same", "use_bias": False, "name": name}
                if zero_padding and step.stride > 1:
                    pads = same_padding(value.shape[1], step.kernel, step.stride)
                    value = layers.ZeroPadding2D((pads, pads), name=f"{name}_pad")(value)
                    given["padding"] = "valid"
                layer = (
                    layers.DepthwiseConv2D(step.kernel, **given)
                    if step.depthwise
                    else layers.Conv2D(step.outputs, step.kernel, **given)
                )
                norm = layers.BatchNormalization(epsilon=BN_EPSILON, name=f"{name}_bn")
                value = norm(layer(value))
                made.append((layer, [parameters[f"{step.name}/kernel"]]))
                made.append((norm, [parameters[f"{step.name}/{part}"] for part in BN_PARTS]))
                if step.relu6:
                    value = layers.ReLU(6.0, name=f"{name}_relu6")(value)
            case Add():
                value = layers.Add(name=name)([value, tensors[step.skip]])
            case Pool():
                if pool == "average":
                    value = layers.Flatten()(layers.AveragePooling2D(value.shape[1:3])(value))
                else:
                    value = layers.GlobalAveragePooling2D(keepdims=pool != "global")(value)
            case Dense():
                kernel, bias = parameters[f"{step.name}/kernel"], parameters[f"{step.name}/bias"]
                if head == "convolution":
                    layer = layers.Conv2D(step.outputs, 1)
                    value = layers.Flatten()(layer(value))
                    kernel = kernel[None, None]
                else:
                    layer = layers.Dense(step.outputs)
                    value = layer(value)
                made.append((layer, [kernel, bias]))
                if not softmax:
                    tensors[step.name] = value
                    break
            case _:
                value = layers.Softmax()(value)
        tensors[step.name] = value
    model = keras.Model(image, value)
    for layer, arrays in made:
        layer.set_weights(arrays)
    return model


def converted(
    model: keras.Model,
    *,
    batch: int | None = 1,
    float16: bool = False,
    images: object = None,
    dynamic: bool = False,
) -> bytes:
    """The stock converter's file: of any batch by way of the Keras model, else of a function of batch 1."""
    with tempfile.TemporaryDirectory() as folder:
        if batch is None:
            converter = tf.lite.TFLiteConverter.from_keras_model(model)
        else:
            root = tf.Module()
            root.weights = [variable.value for variable in model.variables]
            shape, dtype = (batch, *model.input_shape[1:]), model.inputs[0].dtype

            @tf.function(input_signature=[tf.TensorSpec(shape, dtype, name="images")])
            def serve(images):
                return {"output": model(images, training=False)}

            tf.saved_model.save(root, folder, signatures=serve.get_concrete_function())
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if float16 or dynamic or images is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if float16:
            converter.target_spec.supported_types = [tf.float16]
        if images is not None:
            converter.representative_dataset = lambda: ([image[None]] for image in images)
        return bytes(converter.convert())


def _rescaling(scale: float, offset: float) -> Callable[[object], object]:
    return lambda image: keras.layers.Rescaling(scale, offset)(image)


def _sub_div(image: object) -> object:
    """As the reference's code and its Hub modules write it."""
    return (image * 255.0 - 127.0) / 128.0


def _pixels(image: object) -> object:
    return keras.layers.Rescaling(1 / 128, -127 / 128)(keras.ops.cast(image, "float32"))


# Name -> how the model is built, how it is converted, and how pixels become its input.
FORMS: dict[str, tuple[dict[str, object], dict[str, object], Callable[[np.ndarray], np.ndarray]]] = {
    "normalized, batch 1": ({}, {}, lambda x: (x - 127) / 128),
    "normalized, any batch": ({}, {"batch": None}, lambda x: (x - 127) / 128),
    "mean over the map": ({"pool": "global"}, {"batch": None}, lambda x: (x - 127) / 128),
    "logits": ({"softmax": False}, {}, lambda x: (x - 127) / 128),
    "[0, 1], scale and offset inside": ({"before": _rescaling(255 / 128, -127 / 128)}, {}, lambda x: x / 255),
    "[0, 1], as the Hub modules": ({"before": _sub_div}, {"batch": None}, lambda x: x / 255),
    "pixels": ({"before": _rescaling(1 / 128, -127 / 128)}, {}, lambda x: x),
    "pixels of uint8": ({"before": _pixels, "dtype": "uint8"}, {}, lambda x: x.astype(np.uint8)),
    "a head of a 1x1 convolution": (
        {"head": "convolution", "pool": "global, kept"},
        {"batch": None},
        lambda x: (x - 127) / 128,
    ),
    "zero padding in layers": ({"zero_padding": True}, {}, lambda x: (x - 127) / 128),
    "float16": ({}, {"float16": True}, lambda x: (x - 127) / 128),
    "float16, any batch, [0, 1]": ({"before": _sub_div}, {"float16": True, "batch": None}, lambda x: x / 255),
}
