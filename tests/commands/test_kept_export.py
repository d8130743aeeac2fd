"""`export` of int8 files in which layers that are named stay in float32."""

import re

import numpy as np
import pytest
import scenes

from efficientnet_lite.artifacts.kept_layers import part_of_name
from efficientnet_lite.commands.export import export
from efficientnet_lite.commands.info import info
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.runtimes.model_files import open_model

PLAN = make_plan(VARIANTS["lite0"], size=scenes.SIZE, classes=3)
LAYERS = [name.rpartition("/")[0] for name in PLAN.parameter_shapes() if name.endswith("/kernel")]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Photos enough that some calibrate and the others prove: 3 x 10."""
    return scenes.photograph(tmp_path_factory.mktemp("many") / "photos", count=10)


def test_the_file_says_what_it_keeps_and_where_it_no_longer_runs_whole(trained, many, tmp_path):
    out = tmp_path / "m.tflite"
    found = export(trained.run, out, precision="int8", data=many, calibration=10, keep=["head", "stem/conv"])

    kept = ("stem/conv", "head/conv", "head/dense")
    described = info(found.path)
    assert found.int8.kept == described.identity.quantization.kept == kept
    assert found.to_json()["int8"]["kept"] == list(kept)
    assert described.text.description == "int8 at 32 pixels, 3 steps in float32: probabilities"
    assert described.identity.quantization.sentence.endswith("; 3 steps in float32")
    assert described.float_operators == 9  # the stem and two crossings; from the head on all, and two more
    notes = [note for note in found.notes if "Edge TPU" in note]
    rules = info(found.path, target="edgetpu")
    assert rules.verdict == "not ready"
    assert f"{rules.mapped} of {len(rules.operators)} operators map" in notes[0]
    assert info(found.path, target="gpu").mapped == len(rules.operators)
    assert not [note for note in found.notes if "GPU" in note]


def test_a_run_lists_and_replays_the_file_as_its_own_also_with_any_batch(run, many):
    found = export(
        run,
        keep="blocks_2/add",
        precision="int8",
        data=many,
        calibration=10,
        outputs="logits",
        min_agreement=0.8,
        batch="dynamic",
    )

    assert found.path.name == "shapes_int8_any-batch_keep-blocks_2-add_logits.tflite"
    assert [note for note in found.notes if "Edge TPU" in note] == [
        "the Edge TPU compiler and GPU delegates refuse a batch that may change"  # whatever is kept
    ]
    assert not verify(run).faults
    (listed,) = info(run).card["artifacts"]
    assert listed["int8"]["kept"] == ["blocks_2/add"]
    model = open_model(found.path)
    assert (model.input.dtype, model.outputs["logits"].dtype) == (np.uint8, np.uint8)


def test_a_file_is_called_after_what_it_keeps():
    assert part_of_name(["stem/conv", "head"]) == part_of_name(["head", "stem/conv"]) == "keep-head-stem-conv"
    assert re.fullmatch("keep-49-layers-[0-9a-f]{8}", part_of_name(LAYERS[:-1]))
    assert part_of_name(["../../up"]) == "keep-up"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": "float16"}, "int8 .tflite files"),
        ({"precision": None}, "int8 .tflite files"),
        ({"keep": "stem/comv"}, "no layer 'stem/comv'"),
        ({"keep": ["stem", "../../up"]}, "no layer '../../up'"),
        ({"keep": "head/dense", "outputs": "features"}, "a file of features has no layer head/dense"),
        ({"keep": LAYERS}, "nothing left to quantize"),
    ],
)
def test_what_cannot_be_kept_is_one_message_and_nothing_is_written(trained, many, tmp_path, options, says):
    with pytest.raises(UsageError, match=says):
        export(
            trained.run,
            tmp_path / "m.tflite",
            **{"precision": "int8", "data": many, "keep": ["stem"], **options},
        )

    assert scenes.names(tmp_path) == []
