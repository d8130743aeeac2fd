"""All five variants against timm with the same weights, through a checkpoint that torch wrote.

In an environment of its own, see requirements.txt; skipped elsewhere. No published weights are needed: weights
and batch-norm statistics are random, so that a swapped or forgotten statistic shows. The yardstick is timm in
float64: random deep networks amplify float32 roundings, to 1e-4 of the largest feature in lite4, in timm's own
float32 as in ours. We may be at most three times as far from float64 as timm in float32 is, and a few roundings.
"""

from pathlib import Path

import numpy as np
import pytest

from efficientnet_lite.commands.keras import create_model
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.contract import MEAN, STDDEV
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.weights.imagenet import classes
from efficientnet_lite.weights.read import load_weights

REASON = "timm and torch live in an environment of their own: requirements.txt"
torch = pytest.importorskip("torch", reason=REASON)
timm = pytest.importorskip("timm", reason=REASON)

TIMES, NOISE = 3, 1e-5  # of timm's own distance, and beside it, of the largest value


def shuffled(name):
    """timm's network with random statistics, in evaluation mode."""
    torch.manual_seed(5)
    network = timm.create_model(f"tf_efficientnet_{name}", pretrained=False).eval()
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if key.endswith(("running_var", "bn1.weight", "bn2.weight", "bn3.weight")):
                tensor.uniform_(0.5, 1.5)
            elif key.endswith(("running_mean", "bias")):
                tensor.normal_(0, 0.3)
    return network


def test_names_and_order_of_imagenets_classes_are_timms():
    tables = Path(timm.__file__).with_name("data") / "_info"
    synsets = (tables / "imagenet_synsets.txt").read_text(encoding="utf-8").split()
    lines = (tables / "imagenet_synset_to_lemma.txt").read_text(encoding="utf-8").splitlines()
    lemmas = dict(line.split("\t", 1) for line in lines)

    assert [each.synset for each in classes()] == synsets
    assert [each.name for each in classes()] == [lemmas[synset].split(", ")[0] for synset in synsets]


@pytest.mark.parametrize("name", list(VARIANTS))
def test_the_file_gives_what_timm_gives(name, tmp_path):
    variant, network = VARIANTS[name], shuffled(name)
    torch.save(network.state_dict(), tmp_path / "network.pth")
    images = np.random.default_rng(6).uniform(0, 1, (1, variant.size, variant.size, 3)).astype(np.float32)
    normalized = ((255 * images - MEAN) / STDDEV).astype(np.float32)

    weights = load_weights(variant, tmp_path / "network.pth")
    plan = make_plan(variant)
    found = LiteRT(
        write_float(plan, fold(plan, weights.parameters), outputs=("logits", "probabilities", "features"))
    )(images)
    single, exact = theirs(network, normalized), theirs(network.double(), normalized.astype(np.float64))

    for output, wanted in exact.items():
        largest = np.abs(wanted).max()
        ours, own = (np.abs(each[output] - wanted).max() / largest for each in (found, single))
        print(f"{name} {output}: ours {ours:.1e}, timm in float32 {own:.1e}, of {largest:.3g}")
        assert ours < TIMES * own + NOISE, output
    assert np.ptp(exact["logits"]) > 0.01  # the network says something


@pytest.mark.parametrize("name", ["lite0", "lite3"])
def test_the_keras_model_gives_what_timm_gives(name, tmp_path):
    pytest.importorskip("keras", reason=REASON)
    network = shuffled(name)
    torch.save(network.state_dict(), tmp_path / "network.pth")
    images = np.random.default_rng(6).uniform(0, 1, (1, 64, 64, 3)).astype(np.float32)
    normalized = ((255 * images - MEAN) / STDDEV).astype(np.float32)

    model = create_model(f"{name}@64", weights=tmp_path / "network.pth", num_classes=1000)
    found = np.asarray(model(images, training=False))
    single, exact = theirs(network, normalized), theirs(network.double(), normalized.astype(np.float64))

    largest = np.abs(exact["logits"]).max()
    ours, own = (np.abs(each - exact["logits"]).max() / largest for each in (found, single["logits"]))
    assert ours < TIMES * own + NOISE


def theirs(network, normalized):
    """timm's features, logits and probabilities."""
    with torch.no_grad():
        maps = network.forward_features(torch.from_numpy(normalized.transpose(0, 3, 1, 2).copy()))
        logits = network.forward_head(maps)
        return {
            "features": network.forward_head(maps, pre_logits=True).numpy(),
            "logits": logits.numpy(),
            "probabilities": logits.softmax(dim=1).numpy(),
        }
