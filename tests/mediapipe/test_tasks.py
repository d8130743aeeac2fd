"""MediaPipe Tasks, the consumer on phones, opens our files and sees what our own runtime sees.

In an environment of its own, see requirements.txt. Tolerances: for the same pixels MediaPipe runs the
same LiteRT kernels, but normalizes float input in its own arithmetic, so scores differ by rounding; uint8
input passes through unchanged, so uint8 scores are equal. The same holds for whole photos, in the view
`mediapipe`. From a file its scores differ a little more, because its JPEG decoder is another.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from efficientnet_lite.commands.export import export
from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.decode import decode
from efficientnet_lite.photos.views import prepare_pixels, to_float
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.model_files import open_model
from efficientnet_lite.tflite.artifact import INT8, About, float_artifact, int8_artifact
from efficientnet_lite.weights import imagenet
from efficientnet_lite.weights.read import load_weights

sys.path.insert(0, str(Path(__file__).parent.parent / "tflite"))
import tiny

REASON = "MediaPipe runs in an environment of its own: requirements.txt"
vision = pytest.importorskip("mediapipe.tasks.python.vision", reason=REASON)
mediapipe = pytest.importorskip("mediapipe", reason=REASON)  # alone, this folder would pass for it

pytestmark = pytest.mark.mediapipe

LITE0 = VARIANTS["lite0"]
CONTRACT = Contract(LITE0.size)
PHOTOS = 12
FLOAT_NOISE = 1e-5  # measured: 1.4e-6


def classify(model, pixels, **options):
    """MediaPipe's answer for one image: its categories, the best first."""
    base = mediapipe.tasks.BaseOptions(model_asset_buffer=model)
    with vision.ImageClassifier.create_from_options(
        vision.ImageClassifierOptions(base_options=base, **options)
    ) as classifier:
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
        (head,) = classifier.classify(image).classifications
    return head.categories


def scores(categories):
    """Scores by class index."""
    return np.array([category.score for category in sorted(categories, key=lambda category: category.index)])


def our_scores(model, pixels):
    """Probabilities by our own runtime for an image of the model's size."""
    runner = LiteRT(model)
    (output,) = runner.outputs
    value = pixels if runner.inputs[0].dtype == np.uint8 else to_float(pixels)
    (codes,) = runner(value[None])[output.name]
    return codes * np.float32(output.scale) if output.scale else codes


@pytest.fixture(scope="module")
def labels(shared):
    return (shared / "data/imagenet_labels.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def photos(shared):
    """A few photos as they come from the web, decoded."""
    paths = sorted((shared / "data/imagenet-300").glob("*.JPEG"))[:: 300 // PHOTOS]
    return [decode(path.read_bytes(), where=path).pixels for path in paths]


@pytest.fixture(scope="module")
def images(photos):
    """The same photos at the model's size, so that MediaPipe has nothing to resize."""
    return [prepare_pixels(pixels, ["squash"], CONTRACT)[0] for pixels in photos]


@pytest.fixture(scope="module")
def lite0(labels, images):
    """Precision -> a file of lite0 with ImageNet's labels, in English and made-up German; "kept" is uint8 in part."""
    try:
        weights = load_weights(LITE0)
    except WeightsMissing as error:
        pytest.skip(f"no weights of lite0: {error.fix}")
    plan = make_plan(LITE0)
    layers = fold(plan, weights.parameters)
    about = About(
        contract=CONTRACT,
        weights_sha256=weights.sha256,
        license=weights.license,
        labels=tuple(labels),
        translations={"de": tuple(f"{label} (deutsch)" for label in labels)},
    )
    made = quantize(plan, layers, images, workers=2)
    kept = replace(INT8, kept=("stem/conv", "blocks_0/depthwise", "head/dense"))
    return {
        "float32": float_artifact(plan, layers, about),
        "uint8": int8_artifact(plan, made.network, about),
        "kept": int8_artifact(plan, made.network, about, kept, made.prepared),
    }


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_labels_come_in_english_and_german(precision):
    pixels = np.random.default_rng(1).integers(0, 256, (tiny.SIZE, tiny.SIZE, 3), dtype=np.uint8)

    categories = classify(tiny.tiny(precision), pixels, display_names_locale="de")

    for category in categories:
        assert category.category_name == tiny.LABELS[category.index]
        assert category.display_name == tiny.GERMAN[category.index]
    assert len(categories) == tiny.CLASSES


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_model_without_translations_has_no_display_names(precision):
    pixels = np.zeros((tiny.SIZE, tiny.SIZE, 3), np.uint8)

    categories = classify(tiny.tiny(precision), pixels)

    assert {category.display_name for category in categories} <= {None, ""}


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", FLOAT_NOISE), ("int8", 0)])
def test_a_tiny_model_scores_the_same_pixels_as_our_runtime_does(precision, tolerance):
    model = tiny.tiny(precision)
    for seed in range(5):
        pixels = np.random.default_rng(seed).integers(0, 256, (tiny.SIZE, tiny.SIZE, 3), dtype=np.uint8)

        theirs, ours = scores(classify(model, pixels)), our_scores(model, pixels)

        assert np.abs(theirs - ours).max() <= tolerance


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", FLOAT_NOISE), ("uint8", 0), ("kept", 0)])
def test_lite0_scores_photos_of_its_own_size_as_our_runtime_does(lite0, labels, images, precision, tolerance):
    for image in images:
        categories = classify(lite0[precision], image)

        assert [category.category_name for category in categories] == [labels[c.index] for c in categories]
        assert np.abs(scores(categories) - our_scores(lite0[precision], image)).max() <= tolerance


def test_float_and_uint8_agree_on_what_is_in_the_photos(lite0, images):
    best = {
        precision: [classify(model, image, max_results=1)[0].index for image in images]
        for precision, model in lite0.items()
    }

    assert np.mean(np.equal(best["float32"], best["uint8"])) >= 0.9
    assert np.mean(np.equal(best["float32"], best["kept"])) >= 0.9


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", FLOAT_NOISE), ("uint8", 0)])
def test_the_view_mediapipe_is_what_mediapipe_makes_of_whole_photos(lite0, photos, precision, tolerance):
    for pixels in photos:
        (image,) = prepare_pixels(pixels, ["mediapipe"], CONTRACT)

        theirs, ours = scores(classify(lite0[precision], pixels)), our_scores(lite0[precision], image)

        assert np.abs(theirs - ours).max() <= tolerance


@pytest.mark.parametrize("kind", [{}, {"precision": "int8"}], ids=["float32", "int8"])
def test_an_exported_lite0_shows_the_names_of_imagenets_classes(shared, tmp_path, kind):
    data = shared / "data/imagenet-300" if kind else None
    try:
        path = export("lite0", tmp_path / "lite0.tflite", data=data, **kind).path
    except WeightsMissing as error:
        pytest.skip(error.what)
    photo = shared / "reference/panda.jpg"

    categories = classify(path.read_bytes(), decode(photo.read_bytes(), where=photo).pixels)

    assert (categories[0].category_name, categories[0].index) == ("giant panda", 388)
    assert [each.category_name for each in sorted(categories, key=lambda one: one.index)] == list(
        imagenet.labels()
    )


def test_mediapipe_decodes_a_jpeg_within_three_gray_levels_of_us(shared):
    for path in sorted((shared / "data/clothing/validation/shoes").iterdir())[:8]:
        image = mediapipe.Image.create_from_file(str(path))  # held, since its pixels go when it goes

        off = np.abs(image.numpy_view().astype(int) - decode(path.read_bytes(), where=path).pixels)

        assert off.max() <= 3  # another decoder; 3 % to 9 % of the values differ, by 1 mostly
        assert off.mean() < 0.2


EMBEDDED = [
    {"precision": "float32"},
    {"precision": "float32", "batch": "dynamic"},
    {"precision": "float16"},
    {"precision": "dynamic"},
    {"precision": "int8"},
    {"precision": "int8", "io": "float32"},
]


@pytest.mark.parametrize("kind", EMBEDDED, ids=lambda kind: "-".join(kind.values()))
def test_the_embedder_gives_the_features_of_every_kind_of_file(shared, tmp_path, images, kind):
    data = shared / "data/imagenet-300" if kind["precision"] != "float32" else None
    try:
        path = export("lite0", tmp_path / "f.tflite", outputs=("features",), data=data, **kind).path
    except WeightsMissing as error:
        pytest.skip(error.what)
    ours = open_model(path)

    base = mediapipe.tasks.BaseOptions(model_asset_buffer=path.read_bytes())
    with vision.ImageEmbedder.create_from_options(vision.ImageEmbedderOptions(base_options=base)) as embedder:
        for image in images[:3]:
            given = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
            found = np.asarray(embedder.embed(given).embeddings[0].embedding, np.float32)
            with ours.pool.borrowed() as runner:
                wanted = ours.on_image(runner, image)["features"]
            assert found.shape == (1280,)
            assert np.abs(found - wanted).max() < (0.05 if kind["precision"] == "dynamic" else 1e-3)


def test_the_embedder_refuses_int8_input_as_export_warns(shared, tmp_path):
    found = export(
        "lite0@64",
        tmp_path / "f.tflite",
        outputs=("features",),
        precision="int8",
        io="int8",
        data=shared / "data/imagenet-300",
        calibration=16,
    )
    base = mediapipe.tasks.BaseOptions(model_asset_buffer=found.path.read_bytes())

    assert "int8 input" in found.notes[0]
    with pytest.raises((ValueError, RuntimeError), match="INT8"):
        vision.ImageEmbedder.create_from_options(vision.ImageEmbedderOptions(base_options=base))
