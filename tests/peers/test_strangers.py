"""Networks of other families, as the stock converter writes them: they pass the check and answer as before.

In an environment of its own, see requirements.txt; skipped elsewhere.
"""

import functools
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from efficientnet_lite.network.plan import PROBABILITIES
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.model_files import model_from_bytes
from efficientnet_lite.strangers.description import describe
from efficientnet_lite.strangers.structure import check_model

REASON = "TensorFlow lives in an environment of its own: requirements.txt"
tf = pytest.importorskip("tensorflow", reason=REASON)
keras = pytest.importorskip("keras", reason=REASON)

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # benchmarks/ is never installed
from benchmarks.peers import keras_lite  # noqa: E402

pytestmark = [
    # the converter calibrates with its own interpreter, which says that it is deprecated
    pytest.mark.filterwarnings("ignore:(?s).*tf.lite.Interpreter is deprecated:UserWarning"),
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected:UserWarning"),
]

SIZE, CLASSES = 96, 10
SMALL = ("MobileNet V2", "MobileNet V3 small", "EfficientNet-Lite0", "a head of one's own", "odd layers")
PRECISIONS = ("float32", "float16", "dynamic", "int8", "uint8 to uint8")
IMAGES = np.random.default_rng(0).uniform(0, 255, (4, SIZE, SIZE, 3)).astype(np.float32)


def application(name):
    """A network of `keras.applications`, with random weights and a classifier of `CLASSES`."""
    return lambda: getattr(keras.applications, name)(
        weights=None, input_shape=(SIZE, SIZE, 3), classes=CLASSES
    )


def lite():
    origin = open_origin(f"lite0@{SIZE}")
    return keras_lite.build(origin.plan, origin.weights.parameters, output=PROBABILITIES)


def with_a_head():
    """What tutorials put around a network: rescaling, normalization, dropout, layers of one's own."""
    layers = keras.layers
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    image = layers.Input((SIZE, SIZE, 3))
    value = layers.Rescaling(1 / 127.5, offset=-1)(image)
    value = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0])(value)
    value = layers.GlobalAveragePooling2D(keepdims=True)(base(value, training=False))
    value = layers.Dropout(0.2)(layers.Flatten()(value))
    value = layers.Dense(32, activation="relu")(value)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(value))


def of_odd_layers():
    """Layers that the well-known networks do without, and people use."""
    layers = keras.layers
    image = layers.Input((SIZE, SIZE, 3))
    value = layers.Conv2D(8, 3, strides=2, padding="same")(layers.Resizing(64, 64)(image))
    value = layers.LeakyReLU()(layers.PReLU(shared_axes=[1, 2])(value))
    value = layers.Conv2D(8, 3, activation="tanh")(layers.ZeroPadding2D()(value))
    value = layers.Concatenate()([layers.MaxPooling2D(2)(value), layers.AveragePooling2D(2)(value)])
    value = layers.GlobalMaxPooling2D()(layers.Conv2D(16, 3, groups=4)(value))
    return keras.Model(image, layers.Dense(CLASSES, activation="sigmoid")(value))


NETWORKS = {
    "MobileNet V1": application("MobileNet"),
    "MobileNet V2": application("MobileNetV2"),
    "MobileNet V3 small": application("MobileNetV3Small"),
    "MobileNet V3 large": application("MobileNetV3Large"),
    "ResNet50": application("ResNet50"),
    "EfficientNet-B0": application("EfficientNetB0"),
    "EfficientNet-Lite0": lite,
    "a head of one's own": with_a_head,
    "odd layers": of_odd_layers,
}


@functools.lru_cache(maxsize=1)
def network(name):
    """A network that answers differently to different images: batch norm has seen some."""
    keras.utils.set_random_seed(1)
    model = NETWORKS[name]()
    if name != "EfficientNet-Lite0":  # which has its own weights
        inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
        for layer in (*model.layers, *(each for base in inner for each in base.layers)):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.0
        for part in (*inner, model):
            part(IMAGES, training=True)
    return model


def converted(model, precision):
    """As the converter's documentation does it."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if "int8" in precision:
        converter.representative_dataset = lambda: ([image[None]] for image in IMAGES)
    if precision == "uint8 to uint8":
        converter.representative_dataset = lambda: ([image[None]] for image in IMAGES)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    return bytes(converter.convert())


def bare(data, image):
    """What LiteRT answers without us."""
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    (taken,) = interpreter.get_input_details()
    interpreter.set_tensor(taken["index"], image.astype(taken["dtype"]))
    interpreter.invoke()
    (given,) = interpreter.get_output_details()
    return interpreter.get_tensor(given["index"])


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        (name, precision)
        for name in NETWORKS
        for precision in PRECISIONS
        if precision not in ("float16", "dynamic") or name in SMALL
    ],
)
def test_the_stock_converters_file_opens_and_answers_as_without_us(name, precision):
    data = converted(network(name), precision)

    model = check_model(data)
    runner = LiteRT(data)
    answers = [next(iter(runner(image[None].astype(runner.inputs[0].dtype)).values())) for image in IMAGES]

    for image, answer in zip(IMAGES, answers, strict=True):
        assert np.array_equal(answer, bare(data, image[None]))
    assert np.ptp(answers) > 0
    assert Counter(operator.name for operator in model.operators)["CONV_2D"] > 2
    if precision == "uint8 to uint8":  # takes photos without a word about how
        opened = model_from_bytes(data, where="a file", workers=1)
        assert len(opened.outputs) == 1


class Both(tf.Module):
    """A classifier and its features, as two functions of one module."""

    def __init__(self):
        layers = keras.layers
        image = layers.Input((32, 32, 3))
        features = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, strides=2)(image))
        self.classifier = keras.Model(image, layers.Dense(4, activation="softmax")(features))
        self.embedder = keras.Model(image, features)
        self.weights = [variable.value for variable in self.classifier.variables]

    @tf.function(input_signature=[tf.TensorSpec((1, 32, 32, 3), tf.float32)])
    def classify(self, images):
        return {"probabilities": self.classifier(images, training=False)}

    @tf.function(input_signature=[tf.TensorSpec((1, 32, 32, 3), tf.float32)])
    def embed(self, images):
        return {"features": self.embedder(images, training=False)}


def test_of_the_stock_converters_two_signatures_the_default_one_is_run(tmp_path):
    both = Both()
    functions = {"embed": both.embed, "serving_default": both.classify}
    tf.saved_model.save(both, str(tmp_path), signatures=functions)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path), signature_keys=list(functions))
    data, image = bytes(converter.convert()), IMAGES[:1, :32, :32] / 255

    described, answer = describe(data), LiteRT(data)(image)

    assert bare(data, image).shape == (1, 8)  # plain LiteRT runs the first graph
    assert described.signatures == ("serving_default", "embed")
    assert answer.keys() == {"probabilities"}
    assert np.allclose(answer["probabilities"], both.classifier(image), atol=1e-6)
