"""One network by every door: the command, Python, and its files in the hands of whoever runs them, without us.

Ten photos, prepared once as the contract says; every door must give the vectors that `embed` gives, within 1e-4. The
TF1 module in `hub.Module` is in tests/hub1.
"""

import numpy as np
import pytest
from pyarrow import parquet

import efficientnet_lite as el
from efficientnet_lite.cli.app import run
from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.views import prepare, to_float

MODEL, SIZE, COUNT = "lite0@64", 64, 10
NEARNESS = 1e-4  # of a number of a vector; they reach 4
MORE = "make test-all"

pytestmark = [  # of tensorflow_hub and TensorFlow themselves
    pytest.mark.filterwarnings("ignore:pkg_resources is deprecated"),
    pytest.mark.filterwarnings("ignore:Deprecated call to `pkg_resources"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def folder(shared, tmp_path_factory):
    """Ten photos of clothes, as files and as what a model gets of them, and the vectors that `embed` makes."""
    photos = tmp_path_factory.mktemp("doors") / "photos"
    photos.mkdir()
    found = sorted((shared / "data/clothing/validation").rglob("*.jpg"))
    for path in found[:: len(found) // COUNT][:COUNT]:
        (photos / path.name).write_bytes(path.read_bytes())
    return photos.parent


@pytest.fixture(scope="module")
def photos(folder):
    return sorted((folder / "photos").iterdir())


@pytest.fixture(scope="module")
def images(photos):
    """float32 (10, 64, 64, 3) in [0, 1]."""
    contract = Contract(SIZE)
    return np.stack([to_float(prepare(path.read_bytes(), ["crop"], contract).images[0]) for path in photos])


@pytest.fixture(scope="module")
def wanted(folder, photos, weights):
    """What `embed` gives."""
    vectors = el.embed(MODEL, photos, weights=weights).features
    assert vectors.shape == (COUNT, 1280)
    assert vectors.max() > 1  # so that 1e-4 says something
    assert min(np.abs(vectors[0] - other).max() for other in vectors[1:]) > 0.1
    return vectors


@pytest.fixture(scope="module")
def export(folder, weights):
    """The file of features of one format, made once."""

    def made(name, **options):
        path = folder / name
        if not path.exists():
            el.export(MODEL, path, weights=weights, outputs=["features"], **options)
        return path

    return made


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow", reason=f"needs TensorFlow: {MORE}", exc_type=ImportError)


@pytest.fixture(scope="module")
def hub(tf):
    return pytest.importorskip("tensorflow_hub", reason=f"needs tensorflow_hub: {MORE}", exc_type=ImportError)


def assert_near(found, wanted):
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=NEARNESS)


# Ours


READ = {
    "parquet": lambda out: np.stack(parquet.read_table(out)["vector"].to_numpy()),
    "npy": lambda out: np.load(out / "features.npy"),
}


@pytest.mark.parametrize("format", READ)
def test_the_command(folder, photos, wanted, weights, format):
    out = folder / f"vectors {format}"
    arguments = [MODEL, str(folder / "photos"), "--out", str(out), "--weights", weights, "--format", format]

    assert run(["embed", *arguments, "--quiet"]) == 0

    assert_near(READ[format](out), wanted)


def test_python(photos, wanted, weights):
    embedder = el.Embedder(MODEL, weights=weights)

    assert_near(embedder.embed(photos), wanted)
    assert_near(embedder.embed([path.read_bytes() for path in photos]), wanted)


# The files, by their own runtimes


def test_a_tflite_file_by_litert(export, images, wanted):
    from ai_edge_litert.interpreter import Interpreter

    features = Interpreter(str(export("features.tflite"))).get_signature_runner("serving_default")

    assert_near(np.concatenate([features(images=image[None])["features"] for image in images]), wanted)


def test_an_onnx_file_by_onnx_runtime(export, images, wanted):
    onnxruntime = pytest.importorskip("onnxruntime", reason=f"needs ONNX Runtime: {MORE}")
    path = export("features.onnx", format="onnx")

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    assert_near(session.run(["features"], {"images": images})[0], wanted)


def test_a_saved_model_by_hub_keraslayer_and_by_tensorflow(hub, tf, export, images, wanted):
    pytest.importorskip("tf_keras", reason=f"needs tf_keras: {MORE}", exc_type=ImportError)
    path = export("module", format="savedmodel")

    assert_near(hub.KerasLayer(str(path))(images).numpy(), wanted)
    assert_near(hub.KerasLayer(str(path), trainable=True)(images, training=False).numpy(), wanted)
    assert_near(tf.saved_model.load(str(path))(images).numpy(), wanted)


def test_a_saved_model_by_keras_3(tf, export, images, wanted):
    keras = pytest.importorskip("keras", reason=f"needs Keras: {MORE}", exc_type=ImportError)
    layer = keras.layers.TFSMLayer(str(export("module", format="savedmodel")), call_endpoint="call_inference")

    assert_near(np.asarray(layer(images)), wanted)


def test_a_tf1_module_by_its_signature_and_by_hub_keraslayer(hub, tf, export, images, wanted):
    pytest.importorskip("tf_keras", reason=f"needs tf_keras: {MORE}", exc_type=ImportError)
    path = str(export("module_tf1", format="hub-tf1"))

    module = hub.load(path)
    layer = hub.KerasLayer(path, signature="image_feature_vector", output_key="default")

    assert_near(module.signatures["image_feature_vector"](tf.constant(images))["default"].numpy(), wanted)
    assert_near(layer(images).numpy(), wanted)


# The files again as MODEL


@pytest.mark.parametrize(
    ("name", "options", "needs"),
    [
        ("features.tflite", {}, "ai_edge_litert"),
        ("features.onnx", {"format": "onnx"}, "onnxruntime"),
        ("module", {"format": "savedmodel"}, "tensorflow"),
        ("module_tf1", {"format": "hub-tf1"}, "tensorflow"),
    ],
)
def test_embed_takes_a_file_in_place_of_the_name(export, photos, wanted, name, options, needs):
    pytest.importorskip(needs, reason=f"needs {needs}: {MORE}", exc_type=ImportError)

    found = el.embed(export(name, **options), photos).features

    if name == "features.onnx":  # by another runtime
        assert_near(found, wanted)
    else:
        assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("options", "cosine"),
    [
        ({"precision": "float16"}, 0.999),
        ({"precision": "dynamic"}, 0.97),
        ({"precision": "int8"}, 0.97),
        ({"precision": "int8", "io": "int8"}, 0.97),
    ],
    ids=["float16", "dynamic", "int8", "int8 at both ends"],
)
def test_a_file_of_a_smaller_precision_gives_vectors_near_by(export, shared, photos, wanted, options, cosine):
    others = shared / "data/clothing/validation/t-shirt"  # 81 photos
    given = {} if options["precision"] == "float16" else {"data": others}
    if options["precision"] == "int8":
        given["calibration"] = 31  # the other 50 prove it, so that it is quantized once
    path = export("_".join(options.values()) + ".tflite", **given, **options)

    found = el.embed(path, photos).features

    assert (found.dtype, found.shape) == (np.float32, wanted.shape)  # reals, whatever the file's own codes
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    assert ((found * wanted).sum(1) / norms).min() > cosine
    assert not np.array_equal(found, wanted)


def test_who_wants_classes_of_a_file_of_features_is_told_what_it_is(export, folder):
    path, photos = export("features.tflite"), folder / "photos"

    with pytest.raises(ArtifactError, match="this file gives feature vectors, not classes") as caught:
        el.predict(path, photos)
    assert "`embed`" in caught.value.fix
    with pytest.raises(ArtifactError, match="it gives feature vectors, and has no classes") as caught:
        el.verify(path, parent=path, data=photos)
    assert "`embed`" in caught.value.fix


def test_of_a_file_of_classes_embed_says_how_to_get_one_with_features(folder, photos, weights):
    path = folder / "classes.tflite"
    el.export(MODEL, path, weights=weights)

    with pytest.raises(ArtifactError, match="its outputs are probabilities, none is features") as caught:
        el.embed(path, photos)
    assert "outputs=['features']" in caught.value.fix
