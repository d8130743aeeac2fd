"""The arithmetic of the training benchmark: the bytes of a step, and shares of time."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # benchmarks/ is run from the root

from benchmarks.training import bytes_per_image, shares

from efficientnet_lite.network.plan import VARIANTS, make_plan

PUBLISHED = {"lite0": 2134.89, "lite1": 1443.47, "lite2": 1121.02, "lite3": 665.78, "lite4": 324.60}
BANDWIDTH = 936.2e9  # bytes a second, of an RTX 3090


def test_a_convolution_moves_its_input_three_times_and_its_output_ten_times():
    whole = make_plan(VARIANTS["lite0"], classes=1000)
    stem = next(step for step in whole.steps if step.name == "stem/conv")

    found = bytes_per_image(replace(whole, steps=(stem,)), 2)

    assert found == 2 * (3 * 224 * 224 * 3 + 10 * 112 * 112 * 32)


@pytest.mark.parametrize("name", PUBLISHED)
def test_all_variants_reach_the_same_share_of_the_memory_bound_with_timm(name):
    """As docs/scale.md says. Source: huggingface/pytorch-image-models, results, train-amp-nhwc-pt112-cu113-rtx3090."""
    moved = bytes_per_image(make_plan(VARIANTS[name], classes=1000), 2)

    assert PUBLISHED[name] * moved / BANDWIDTH == pytest.approx(0.405, abs=0.01)


def test_shares_are_those_of_the_devices_operations_by_kind():
    def line(name, *events):
        return SimpleNamespace(name=name, events=[SimpleNamespace(name=n, duration_ns=d) for n, d in events])

    device = SimpleNamespace(
        name="/device:GPU:0",
        lines=[
            line("XLA Ops", ("fusion.12", 30), ("fusion.3", 30), ("convolution.1", 40)),
            line("Steps", ("1", 999)),
        ],
    )
    host = SimpleNamespace(name="/host:CPU", lines=[line("tf_XLAEigen/1", ("fusion.12", 500))])

    found = shares(SimpleNamespace(planes=[host, device]))

    assert found == [("fusion", 0.6), ("convolution", 0.4)]
