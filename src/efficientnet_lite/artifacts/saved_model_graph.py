"""The reusable TF2 SavedModel: callable in training and inference, with signatures for serving.

    __call__(images, training=False)     logits, or features where there are no classes
    call_inference, call_training        the same two as functions of their own, for keras.layers.TFSMLayer
    variables, trainable_variables, regularization_losses       what hub.KerasLayer trains with
    signatures                           serving_default, image_classification, image_feature_vector, image_bytes
    labels                               the file of class names, an asset

Images are float32 (N, H, W, 3) in [0, 1], of any size.

Source: tensorflow/hub, docs/reusable_saved_models.md and docs/common_signatures/images.md.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from efficientnet_lite.arrays import Array
from efficientnet_lite.network.keras_arrays import assign_parameters
from efficientnet_lite.network.keras_model import IMAGES, build_model
from efficientnet_lite.network.plan import LOGITS, POOLED, PROBABILITIES, Plan
from efficientnet_lite.photos.contract import Contract

SERVING, BYTES = "serving_default", "image_bytes"
CLASSIFICATION, FEATURE_VECTOR = "image_classification", "image_feature_vector"
DEFAULT = "default"  # the main output of the two signatures of the Hub
WEIGHT_DECAY = 1e-5  # Source: main.py, `weight_decay`
ANY_IMAGES = (None, None, None, 3)


def wrong_backend() -> str | None:
    """The backend of Keras where it is another than TensorFlow, which alone can write a SavedModel."""
    name: str = keras.backend.backend()
    return None if name == "tensorflow" else name


def write_saved_model(
    folder: Path,
    plan: Plan,
    parameters: Mapping[str, Array],
    contract: Contract,
    *,
    labels: Path | None = None,
) -> None:
    """Write the network into the empty `folder`; `labels` is copied to its assets."""
    network = build_model(plan, side=None, endpoints=tuple(plan.endpoints))
    assign_parameters(network, parameters)
    root = tf.train.Checkpoint()  # carries attributes into the file; tf.Module has `variables` of its own
    root.variables = [variable.value for variable in network.variables]
    root.trainable_variables = [variable.value for variable in network.trainable_variables]
    root.regularization_losses = [
        _decay(variable.value) for variable in network.trainable_variables if variable.name == "kernel"
    ]
    main = POOLED if plan.classes is None else LOGITS
    images = tf.TensorSpec(ANY_IMAGES, tf.float32, IMAGES)

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def call(images: Any, training: bool = False) -> Any:
        return network(images, training=training)[main]

    for training in (False, True):
        call.get_concrete_function(images, training=training)
    root.__call__ = call
    root.call_inference = tf.function(lambda images: call(images, training=False), [images])
    root.call_training = tf.function(lambda images: call(images, training=True), [images])
    if labels is not None:
        root.labels = tf.saved_model.Asset(str(labels))
    tf.saved_model.save(root, str(folder), _signatures(network, plan, contract))


def run_saved_model(folder: Path, images: Array) -> dict[str, dict[str, Array]]:
    """How it was asked -> its outputs by the package's names, for `images` float32 (N, H, W, 3) in [0, 1].

    Every way in but that of encoded images: the call, and each signature.
    """
    loaded = tf.saved_model.load(str(folder))
    tensor = tf.constant(images)
    classifies = CLASSIFICATION in loaded.signatures
    found = {"call": {LOGITS if classifies else POOLED: loaded(tensor, training=False)}}
    for name in (SERVING, FEATURE_VECTOR, *[CLASSIFICATION] * classifies):
        outputs = dict(loaded.signatures[name](images=tensor))
        if DEFAULT in outputs:
            outputs[LOGITS if name == CLASSIFICATION else POOLED] = outputs.pop(DEFAULT)
        found[name] = outputs
    return {way: {name: value.numpy() for name, value in each.items()} for way, each in found.items()}


def _decay(kernel: Any) -> Callable[[], Any]:
    """The loss of one kernel, a function without arguments that holds its variable."""
    return tf.function(lambda: WEIGHT_DECAY * tf.nn.l2_loss(kernel), input_signature=[])  # type: ignore[no-any-return]


def _signatures(network: Any, plan: Plan, contract: Contract) -> dict[str, Any]:
    endpoints = [plan.endpoint_output(name) for name in plan.endpoints]
    features = plan.endpoint_output("pooled_features")

    def served(images: Any) -> dict[str, Any]:
        tensors = network(images, training=False)
        outputs = {POOLED: tensors[features]}
        if plan.classes is not None:
            outputs |= {LOGITS: tensors[LOGITS], PROBABILITIES: tf.nn.softmax(tensors[LOGITS])}
        return outputs

    def hidden(main: str) -> Callable[[Any], dict[str, Any]]:
        def signature(images: Any) -> dict[str, Any]:
            tensors = network(images, training=False)
            return {DEFAULT: tensors[main], **{name: tensors[name] for name in endpoints}}

        return signature

    def decoded(image_bytes: Any) -> dict[str, Any]:
        side = contract.size
        images = tf.map_fn(
            lambda data: _prepare(data, contract),
            image_bytes,
            fn_output_signature=tf.TensorSpec((side, side, 3), tf.float32),
        )
        return served(images)

    images = [tf.TensorSpec(ANY_IMAGES, tf.float32, IMAGES)]
    made = {
        SERVING: tf.function(served, images),
        FEATURE_VECTOR: tf.function(hidden(features), images),
        BYTES: tf.function(decoded, [tf.TensorSpec((None,), tf.string, BYTES)]),
    }
    if plan.classes is not None:
        made[CLASSIFICATION] = tf.function(hidden(LOGITS), images)
    return made


def _prepare(data: Any, contract: Contract) -> Any:
    """The bytes of a JPEG, PNG or GIF -> the image of the contract, float32 (size, size, 3) in [0, 1].

    As near to `photos.views` as TensorFlow comes: the exact inverse cosine transform, an antialiased
    cubic filter, rounded to whole levels. The orientation in EXIF is not looked at.
    """
    pixels = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")  # and PNG, despite its name
    if contract.view == "squash":
        crop, method = pixels, "bilinear"
    else:
        height, width = tf.shape(pixels)[0], tf.shape(pixels)[1]
        # As `contract.center_crop`, in float64 as there: in float32 a side may come out a pixel less.
        short = tf.cast(tf.minimum(height, width), tf.float64)
        share = tf.constant(contract.size / (contract.size + contract.crop_padding), tf.float64)
        side = tf.maximum(1, tf.cast(share * short, tf.int32))
        top, left = (height - side + 1) // 2, (width - side + 1) // 2
        crop, method = pixels[top : top + side, left : left + side], "bicubic"
    size = (contract.size, contract.size)
    resized = tf.image.resize(tf.cast(crop, tf.float32), size, method, antialias=True)
    return tf.clip_by_value(tf.round(resized), 0, 255) / 255
