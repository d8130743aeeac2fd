"""The files that we write against the outputs of the original code, on the real runtime.

Reference outputs: computed with tensorflow/tpu's own code and the official weights, see the shared folder's
design/training-facts.md, section 6. LiteRT and TensorFlow sum in another order, so a few float32 roundings remain:
measured 5e-6 on logits, where a wrong padding, epsilon or normalization gives 0.01 and more.
"""

import numpy as np
import pytest

from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.metrics import softmax
from efficientnet_lite.network import numpy_run
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.contract import MEAN, STDDEV, Contract
from efficientnet_lite.photos.views import prepare, to_float
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.weights.read import load_weights

LOGITS = 3e-5
PROBABILITIES = 1e-5
OUTPUTS = ("logits", "probabilities", "features")


def official(name, **options):
    """The official weights, or a skip that says what is missing."""
    try:
        return load_weights(VARIANTS[name], **options)
    except WeightsMissing as error:
        pytest.skip(f"no weights of {name}: {error.fix}")


@pytest.mark.parametrize("name", ["lite0", "lite1", "lite2"])
def test_the_float_file_gives_the_reference_outputs_of_the_panda(shared, name):
    plan = make_plan(VARIANTS[name])
    runner = LiteRT(write_float(plan, fold(plan, official(name).parameters), outputs=OUTPUTS))
    reference = np.load(shared / f"reference/panda_{name}.npz")
    images = ((STDDEV * reference["input"] + MEAN) / 255).astype(np.float32)

    found = runner(images)

    assert images.max() > 1 or images.min() < 0  # bicubic overshoot: the graph must not clamp
    assert np.abs(found["logits"] - reference["logits"]).max() < LOGITS
    assert np.abs(found["probabilities"] - reference["probabilities"]).max() < PROBABILITIES
    assert np.abs(found["features"] - reference["pooled_features"]).max() < LOGITS
    assert found["probabilities"].argmax() == 388


@pytest.mark.parametrize(("ema", "key"), [(True, "probabilities"), (False, "probabilities_raw")])
def test_a_tf1_checkpoint_gives_the_reference_evaluation(shared, ema, key):
    checkpoint = load_weights(VARIANTS["lite0"], shared / "reference/efficientnet-lite0", ema=ema)
    plan = make_plan(VARIANTS["lite0"])
    runner = LiteRT(write_float(plan, fold(plan, checkpoint.parameters)))
    reference = np.load(shared / "reference/lite0_eval.npz")

    for name, wanted in zip(reference["file_names"], reference[key], strict=True):
        data = (shared / "reference/eval-photos" / str(name)).read_bytes()
        (image,) = prepare(data, ["reference"], Contract(224), where=str(name)).images
        found = runner(to_float(image)[None])["probabilities"][0]

        assert np.abs(found - wanted).max() < PROBABILITIES, name


def test_raw_and_averaged_weights_are_told_apart(shared):
    folder = shared / "reference/efficientnet-lite0"
    averaged, raw = (load_weights(VARIANTS["lite0"], folder, ema=ema).parameters for ema in (True, False))

    assert all(np.any(averaged[name] != raw[name]) for name in averaged)


@pytest.mark.parametrize("name", list(VARIANTS))
def test_the_file_of_every_variant_computes_what_numpy_computes(name):
    """Random weights with statistics that are neither 0 nor 1, at a small and odd-sided input."""
    plan = make_plan(VARIANTS[name], size=75, classes=7)
    random = np.random.default_rng(1)
    parameters = {
        key: random.uniform(0.5, 1.5, shape).astype(np.float32)
        if key.endswith(("gamma", "moving_variance"))
        else random.normal(0, 1 / np.sqrt(max(1, np.prod(shape[:-1]))), shape).astype(np.float32)
        for key, shape in plan.parameter_shapes().items()
    }
    layers = fold(plan, parameters)
    images = random.uniform(0, 1, (1, 75, 75, 3)).astype(np.float32)

    found = LiteRT(write_float(plan, layers, outputs=OUTPUTS))(images)
    tensors = numpy_run.run(plan.steps, layers, (255 * images - MEAN) / STDDEV)

    assert np.abs(found["features"] - tensors["features"].reshape(1, -1)).max() < 1e-4
    assert np.abs(found["logits"] - tensors["head/dense"]).max() < 1e-4
    assert np.abs(found["probabilities"] - softmax(tensors["head/dense"])).max() < 1e-5


@pytest.mark.parametrize("name", list(VARIANTS))
def test_the_plan_counts_the_published_parameters(name):
    assert make_plan(VARIANTS[name]).trainable_parameters() == VARIANTS[name].parameters
