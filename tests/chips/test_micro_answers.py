"""TFLite Micro without its package: what is said of gaps, of the resolver, of scratch, and where it is missing."""

from importlib.util import find_spec

import numpy as np
import pytest
import tiny
from rounded_network import coarse_images, float_tensors, random_layers, rounded_network

from efficientnet_lite.chips import micro
from efficientnet_lite.chips.arena import scratch_bytes
from efficientnet_lite.chips.output_gaps import output_gaps, steps_of
from efficientnet_lite.cli.app import main
from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.tflite.int8 import write_int8

INT8, FLOAT = tiny.tiny("int8"), tiny.tiny("float32")


@pytest.fixture(scope="module")
def lite0():
    """The integer file of lite0 at 32 pixels, of five classes."""
    plan = make_plan(VARIANTS["lite0"], size=32, classes=5)
    layers = random_layers(plan)
    tensors = float_tensors(plan, layers, coarse_images(plan, 2))
    return write_int8(plan, rounded_network(plan, layers, tensors))


@pytest.mark.skipif(find_spec("tflite_micro") is not None, reason="it is installed here")
def test_without_the_package_how_to_get_it_is_said():
    with pytest.raises(UsageError, match="TFLite Micro, which is not installed") as caught:
        micro.measured(INT8, np.zeros((1, 32, 32, 3), np.uint8), where="m.tflite")

    assert "efficientnet-lite[tflm]" in caught.value.fix


@pytest.mark.skipif(find_spec("tflite_micro") is not None, reason="it is installed here")
def test_the_command_ends_with_2_without_it_and_says_how_to_get_it(tmp_path, capsys):
    (tmp_path / "m.tflite").write_bytes(INT8)

    with pytest.raises(SystemExit) as end:
        main(["info", str(tmp_path / "m.tflite"), "--target", "tflm"])

    assert end.value.code == 2
    assert "efficientnet-lite[tflm]" in capsys.readouterr().err


def test_codes_are_counted_and_stand_for_numbers():
    (step,) = steps_of(check_model(INT8))
    found, wanted = np.array([[0, 255]], np.uint8), np.array([[3, 250]], np.uint8)

    (gap,) = output_gaps({"p": found}, {"p": wanted}, [step])

    assert step == 1 / 256
    assert (gap.codes, gap.reals) == (5, 5 / 256)
    assert (gap.beyond(codes=5, reals=0), gap.beyond(codes=4, reals=1)) == (False, True)


def test_reals_behind_integers_are_counted_in_codes_and_those_of_floats_are_not():
    found, wanted = np.float32([[0.5, 4.0]]), np.float32([[0.25, 4.0]])

    by_scale, by_range, of_floats = (
        output_gaps({"p": found}, {"p": wanted}, [step])[0] for step in (0.125, 0.0, None)
    )

    assert (by_scale.codes, by_range.codes, of_floats.codes) == (2, 17, None)
    assert steps_of(check_model(FLOAT)) == [None]
    assert of_floats.beyond(codes=99, reals=0.01)
    assert not of_floats.beyond(codes=0, reals=0.0625)  # of the largest number, 4


def test_no_number_is_beyond_every_bar():
    (gap,) = output_gaps({"p": np.float32([[np.nan]])}, {"p": np.float32([[1]])}, [1.0])

    assert gap.beyond(codes=255, reals=1e9)


def test_each_operator_is_registered_by_a_method_of_its_name(lite0):
    assert micro.resolver_of(check_model(lite0)) == (
        "AddAdd",
        "AddAveragePool2D",
        "AddConv2D",
        "AddDepthwiseConv2D",
        "AddFullyConnected",
        "AddQuantize",
        "AddSoftmax",
    )


def test_scratch_is_what_exceeds_the_most_that_is_alive(lite0):
    # Alive at most 32 * 16 * 16 * 3 + 96 * 8 * 8 codes in block 1; a depthwise layer of 1152 channels and 25 places
    # asks for 2 bytes each, where next to nothing is alive.
    wide, places, alive = 1152, 25, 30_720

    assert scratch_bytes(check_model(lite0)) == 2 * wide * places + 2 * wide + 192 - alive
    assert scratch_bytes(check_model(FLOAT)) == 0
