"""The integers run in numpy on real photos with the official weights: every tensor as the reference kernels have it."""

import pytest
from reference_kernels import differing
from rounded_network import float_tensors, rounded_network

from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.tflite.integer_run import run_integers
from efficientnet_lite.weights.read import load_weights

pytestmark = pytest.mark.kernels


@pytest.mark.parametrize("name", ["lite0", "lite1", "lite2"])
def test_every_tensor_of_a_real_photo_has_the_codes_of_the_reference_kernels(shared, name):
    plan = make_plan(VARIANTS[name])
    try:
        layers = fold(plan, load_weights(plan.variant).parameters)
    except WeightsMissing as error:
        pytest.skip(f"no weights of {name}: {error.fix}")
    for path in sorted((shared / "data/imagenet-300").glob("*.JPEG"))[:1]:
        pixels = prepare(path.read_bytes(), ["crop"], Contract(plan.size), where=path).images[0][None]
        network = rounded_network(plan, layers, float_tensors(plan, layers, pixels))

        assert differing(plan, network, run_integers(plan.steps, network, pixels), pixels) == {}
