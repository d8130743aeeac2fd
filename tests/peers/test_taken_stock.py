"""Strangers' float files of this family, as the stock converter writes them: taken in, and as good a source as weights.

In an environment of its own, see requirements.txt; those with a Hub layer, as TFLite Model Maker has it, need
tensorflow_hub and tf_keras, which `.venv-all` has.
"""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from efficientnet_lite.artifacts.taken import take
from efficientnet_lite.commands.export import export
from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.network.plan import VARIANTS
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.strangers.structure import check_model

REASON = "TensorFlow lives in an environment of its own: requirements.txt"
tf = pytest.importorskip("tensorflow", reason=REASON)
pytest.importorskip("keras", reason=REASON)

sys.path.insert(0, str(Path(__file__).resolve().parent))
stock_forms = importlib.import_module("stock_forms")
FORMS = stock_forms.FORMS

pytestmark = [
    # the converter calibrates with its own interpreter, which says that it is deprecated
    pytest.mark.filterwarnings("ignore:(?s).*tf.lite.Interpreter is deprecated:UserWarning"),
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected:UserWarning"),
]
SIZE = 64
OF_ALL = ("normalized, batch 1", "[0, 1], as the Hub modules", "float16")  # of lite0 every form
IMAGES = np.random.default_rng(3).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)


def origin_of(name):
    return open_origin(f"{name}@{SIZE}")


def file_of(name, form):
    build, convert, _ = FORMS[form]
    origin = origin_of(name)
    return stock_forms.converted(
        stock_forms.built(origin.plan, origin.weights.parameters, **build), **convert
    )


def answers_of(data, images):
    runner = LiteRT(data)
    return np.concatenate([next(iter(runner(image[None]).values())) for image in images])


@pytest.mark.parametrize(
    ("name", "form"),
    [
        (name, form)
        for name in ("lite0", "lite1", "lite2")
        for form in FORMS
        if name == "lite0" or form in OF_ALL
    ],
)
def test_a_file_of_the_stock_converter_is_taken_in_and_answers_as_before(name, form, tmp_path):
    data, origin, feed = file_of(name, form), origin_of(name), FORMS[form][2]
    (tmp_path / "old.tflite").write_bytes(data)

    found = take(data, where=form)
    exported = export(
        tmp_path / "old.tflite",
        tmp_path / "new.tflite",
        outputs=["logits" if form == "logits" else "probabilities"],
    )

    assert found.origin.plan == origin.plan
    assert found.origin.labels == (
        None if "float16" in form else origin.labels
    )  # by the published last layer
    half = "float16" in form
    for step, layer in origin.layers().items():
        size = np.abs(layer.kernel).max()
        ours = found.origin.layers()[step]
        assert np.abs(ours.kernel - layer.kernel).max() <= (1e-3 if half else 1e-6) * size
    fed = feed(IMAGES.astype(np.float32))
    theirs = answers_of(data, fed if fed.dtype == np.uint8 else fed.astype(np.float32))
    ours = answers_of(exported.path.read_bytes(), IMAGES.astype(np.float32) / np.float32(255))
    np.testing.assert_allclose(ours, theirs, atol=1e-4 if form == "logits" else 1e-5)


@pytest.mark.parametrize("name", ["lite0", "lite1", "lite2"])
def test_int8_of_a_strangers_file_is_as_good_as_int8_of_the_weights(name, shared, tmp_path):
    (tmp_path / "old.tflite").write_bytes(file_of(name, "[0, 1], as the Hub modules"))
    data = shared / "data/imagenet-300"
    # of probabilities the logits inside are compared, and their bar holds at so few pixels
    options = {"precision": "int8", "data": data, "min_agreement": 0.3, "max_drop": 0.7}

    of_weights = export(f"{name}@{SIZE}", tmp_path / "weights.tflite", **options)
    of_file = export(tmp_path / "old.tflite", tmp_path / "file.tflite", **options)

    assert of_file.reduction is not None
    assert of_weights.reduction is not None
    assert abs(of_file.reduction.snr_db - of_weights.reduction.snr_db) < 0.1
    assert of_file.comparison.count == of_weights.comparison.count >= 200


@pytest.mark.parametrize("form", ["dynamic", "int8"])
def test_what_the_converter_has_rounded_is_refused(form):
    origin = origin_of("lite0")
    model = stock_forms.built(origin.plan, origin.weights.parameters)
    images = [image.astype(np.float32) / 128 - 1 for image in IMAGES] if form == "int8" else None
    data = stock_forms.converted(model, images=images, dynamic=form == "dynamic")

    with pytest.raises(ArtifactError, match="int8") as refused:
        take(data, where=form)

    assert "give the float32 file" in refused.value.fix


@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0"])
def test_networks_that_begin_alike_are_told_apart(name):
    keras = importlib.import_module("keras")
    model = getattr(keras.applications, name)(weights=None, input_shape=(SIZE, SIZE, 3), classes=10)
    data = bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    check_model(data)

    with pytest.raises(ArtifactError, match="no EfficientNet-Lite: "):
        take(data, where=name)


# --- with a Hub layer


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """The published module's form: features, of [0, 1]."""
    pytest.importorskip("tensorflow_hub", reason="tensorflow_hub lives in .venv-all")
    out = tmp_path_factory.mktemp("hub") / "module"
    return export(f"lite0@{SIZE}", out, format="hub-tf1", outputs=["features"]).path


@pytest.mark.parametrize("any_batch", [False, True])
def test_a_file_of_model_maker_is_taken_in(module, any_batch, tmp_path):
    """A Hub layer, dropout, a dense layer with softmax; a SavedModel, then the converter."""
    hub, keras = pytest.importorskip("tensorflow_hub"), pytest.importorskip("tf_keras")
    keras.utils.set_random_seed(1)
    layer = hub.KerasLayer(
        str(module),
        input_shape=(SIZE, SIZE, 3),
        signature="image_feature_vector",
        output_key="default",
        tags=[],
    )
    head = keras.layers.Dense(5, activation="softmax")
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layer, keras.layers.Dropout(0.2), head])
    if any_batch:
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
    else:
        serve = tf.function(lambda images: model(images, training=False))
        concrete = serve.get_concrete_function(tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
    data = bytes(converter.convert())

    found = take(data, where="a file")

    assert (found.feeding.words, found.feeding.said) == ("[0, 1]", True)
    assert (found.origin.plan.variant, found.origin.plan.size) == (VARIANTS["lite0"], SIZE)
    assert found.origin.plan.classes == 5
    kernel, _ = head.get_weights()
    np.testing.assert_array_equal(found.origin.layers()["head/dense"].kernel, kernel)


def test_a_file_of_the_references_kind_of_graph_is_taken_in(module):
    """TensorFlow 1: a graph and a session, the input as it is normalized, by its placeholder."""
    tf1 = tf.compat.v1
    hub_graph = importlib.import_module("efficientnet_lite.artifacts.hub_graph")
    origin = origin_of("lite0")
    with tf.Graph().as_default(), tf1.Session() as session:
        shapes = origin.plan.parameter_shapes()
        variables = {name: tf1.get_variable(name, shape) for name, shape in shapes.items()}
        images = tf1.placeholder(tf.float32, (1, SIZE, SIZE, 3), "images")
        scaled = (images * 128.0 + 127.0) / 255.0  # which the graph's own operators undo
        tensors = hub_graph._tensors(origin.plan, variables, scaled, training=False, survival=1)
        answer = tf.nn.softmax(tensors["head/dense"])
        for name, variable in variables.items():
            variable.load(origin.weights.parameters[name], session)
        data = bytes(tf1.lite.TFLiteConverter.from_session(session, [images], [answer]).convert())

    found = take(data, where="a file")

    assert found.origin.plan == origin.plan
    assert found.origin.labels == origin.labels
