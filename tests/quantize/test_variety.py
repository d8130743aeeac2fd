"""What the network itself says of calibration photos: few, of one kind, or no photos at all."""

import numpy as np
import pytest
from rounded_network import random_layers

from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.quantize.variety import (
    ENOUGH,
    Variety,
    effective_classes,
    lost_to_few,
    varied,
    variety,
)

PLAN = make_plan(VARIANTS["lite0"], size=32, classes=10)


@pytest.fixture(scope="module")
def layers():
    return random_layers(PLAN)


def noise(count):
    return list(np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), np.uint8))


def test_vectors_count_by_how_far_they_point_apart():
    apart = np.eye(8, 20, dtype=np.float32)

    assert varied(apart) == pytest.approx(8)
    assert varied(np.tile(apart[:1], (8, 1)) * np.arange(1, 9)[:, None]) == pytest.approx(1)
    assert varied(np.concatenate([apart[:2]] * 4)) == pytest.approx(2)
    assert varied(np.zeros((3, 5), np.float32)) == 1


def test_classes_count_by_how_evenly_they_are_named():
    assert effective_classes([0, 1, 2, 3]) == pytest.approx(4)
    assert effective_classes([7] * 9) == 1
    assert 1 < effective_classes([0] * 9 + [1]) < 2


def test_the_loss_is_that_of_the_count_that_was_measured_below():
    assert (
        lost_to_few(1)
        == lost_to_few(2)
        == lost_to_few(4)
        > lost_to_few(5)
        > lost_to_few(24)
        > lost_to_few(25)
    )


@pytest.mark.parametrize(
    ("seen", "of_all_classes", "said"),
    [
        (Variety(100, 20.0, 0.9), False, []),
        (Variety(ENOUGH - 1, 20.0, 0.9), False, ["with so few"]),
        (Variety(1, 1.0, 0.1), False, ["1 photo set"]),
        (Variety(100, 1.1, 0.3), False, ["with noise"]),
        (Variety(100, 1.1, 0.3), True, ["with noise"]),
        (Variety(10, 1.1, 0.3), True, ["with so few", "with noise"]),
        (Variety(100, 3.5, 0.3), False, ["with one class alone"]),
        (Variety(100, 3.5, None), False, ["with one class alone"]),
        (Variety(100, 3.5, 0.9), False, []),  # a network of few kinds, and all of them
        (Variety(100, 3.5, 0.3), True, []),
        (Variety(100, 1.0, 0.1, blind=True), False, []),
    ],
)
def test_each_fault_is_said_with_its_figure(seen, of_all_classes, said):
    found = seen.warnings(of_all_classes=of_all_classes)

    assert [text in line for text, line in zip(said, found, strict=True)] == [True] * len(said)
    assert all(" dB " in line and "docs/int8.md" in line for line in found)


def test_a_blank_image_again_and_again_is_no_variety(layers):
    seen = variety(PLAN, layers, [np.full((32, 32, 3), 128, np.uint8)] * 4, workers=1)

    assert seen.varied == pytest.approx(1)
    assert seen.named == pytest.approx(0.25)
    assert not seen.blind


@pytest.mark.parametrize("factor", [0.0, np.nan])
def test_a_dead_network_is_not_the_photos_fault(layers, factor):
    dead = {name: Layer(layer.kernel * np.float32(factor), layer.bias) for name, layer in layers.items()}
    seen = variety(PLAN, dead, noise(3), workers=1)

    assert seen.blind
    assert seen.warnings() == ()
