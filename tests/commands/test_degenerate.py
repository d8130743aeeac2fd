"""Networks that are none: they export, with a note, or are refused for what they are."""

import numpy as np
import pytest
import scenes

from efficientnet_lite.commands.export import export
from efficientnet_lite.errors import CheckpointError, VerificationFailed
from efficientnet_lite.proof import golden, parity
from efficientnet_lite.runtimes.model_files import open_model
from efficientnet_lite.weights.read import read_checkpoint
from efficientnet_lite.weights.safetensors import write_safetensors

pytestmark = pytest.mark.usefixtures("own_cache")
SAME = "the network gives the same for every photo"


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    path = scenes.write_random_weights(tmp_path_factory.mktemp("random") / "lite0.safetensors")
    return read_checkpoint(path).parameters


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return scenes.photograph(tmp_path_factory.mktemp("few") / "photos", count=2)


@pytest.fixture
def spoiled(ordinary, tmp_path):
    """A checkpoint whose parameters with `part` in their names are multiplied by a factor."""

    def write(part, factor):
        path = tmp_path / "weights" / "w.safetensors"
        path.parent.mkdir()
        changed = {
            name: (values * factor).astype(np.float32) if part in name else values
            for name, values in ordinary.items()
        }
        write_safetensors(path, changed, {})
        return path

    return write


def made(path, out, few, precision, **options):
    if precision == "int8":
        options |= {"data": few, "calibration": 3}  # the other 3 prove it, so that it is quantized once
    return export(path, out, model=scenes.MODEL, precision=precision, **options)


@pytest.mark.parametrize(
    ("part", "factor", "precision"),
    [
        ("", 0, "float32"),
        ("", 0, "float16"),
        ("", 0, "dynamic"),
        ("", 0, "int8"),
        ("dense", 0, "int8"),
        ("gamma", 1e-6, "int8"),
    ],
)
def test_a_network_that_says_nothing_is_exported_and_said_to_be_one(
    spoiled, few, tmp_path, part, factor, precision
):
    found = made(spoiled(part, factor), tmp_path / "m.tflite", few, precision)

    assert any(note.startswith(SAME) for note in found.notes)
    answers = open_model(found.path).predict([np.asarray(scenes.draw("box", seed)) for seed in range(2)])
    assert np.ptp(answers, axis=0).max() == 0


def test_an_ordinary_network_is_not_said_to_be_one(spoiled, few, tmp_path):
    found = made(spoiled("gamma", 1), tmp_path / "m.tflite", few, "float16")

    assert not any(note.startswith(SAME) for note in found.notes)


@pytest.mark.parametrize(
    ("part", "factor", "precision", "says"),
    [
        (
            "kernel",
            1e5,
            "float16",
            r"its logits differ by [67]\d % on the fixed inputs, at most 3\.2 % is allowed",
        ),
        (
            "kernel",
            1e5,
            "dynamic",
            r"its logits differ by [56]\d % on the fixed inputs, at most 32 % is allowed",
        ),
        ("moving_variance", 0, "float16", "at most 3.2 % is allowed"),
        ("dense", 1e30, "dynamic", "cannot be written in dynamic"),
        ("dense", 1e30, "int8", "so large that one step"),
        ("gamma", 1e5, "int8", "so large that one step"),
    ],
)
def test_a_file_that_is_far_from_its_parent_leaves_nothing(
    spoiled, few, tmp_path, part, factor, precision, says
):
    """Its output is probabilities alone, which say little: half of these files were published before."""
    path = spoiled(part, factor)

    with pytest.raises(VerificationFailed, match=says) as failure:
        made(path, tmp_path / "m.tflite", few, precision)

    assert failure.value.exit_code == 5
    assert "nothing is published" in failure.value.what
    assert scenes.names(tmp_path) == ["weights"]


@pytest.mark.parametrize("precision", ["float16", "dynamic"])
def test_photos_on_which_a_far_file_agrees_do_not_save_it(spoiled, few, tmp_path, precision):
    path = spoiled("kernel", 1e5)

    with pytest.raises(VerificationFailed):
        export(
            path,
            tmp_path / "m.tflite",
            model=scenes.MODEL,
            precision=precision,
            data=few,
            min_agreement=0,
            max_drop=1,
        )

    assert scenes.names(tmp_path) == ["weights"]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_weights_that_overflow_are_named(spoiled, few, tmp_path, precision):
    with pytest.raises(CheckpointError, match="no finite number") as failure:
        made(spoiled("gamma", 1e30), tmp_path / "m.tflite", few, precision)

    assert failure.value.exit_code == 4
    assert scenes.names(tmp_path) == ["weights"]


@pytest.mark.parametrize(("part", "factor"), [("kernel", 1e-20), ("gamma", 1e4), ("beta", 1e15)])
def test_no_weights_end_in_a_message_about_a_damaged_file(spoiled, few, tmp_path, part, factor):
    """They export, or the message is of what they are."""
    path = spoiled(part, factor)
    said = ""

    for precision in ("float32", "int8"):
        try:
            made(path, tmp_path / "m.tflite", few, precision, overwrite=True)
        except (VerificationFailed, CheckpointError) as error:
            said += str(error)

    assert "damaged" not in said
    assert "report this" not in said


def test_large_logits_are_compared_as_float32_can(spoiled, few, tmp_path):
    found = made(spoiled("dense", 1e6), tmp_path / "m.tflite", few, "float32", outputs=("logits",))

    assert found.parity.difference > 1e-3  # of millions
    assert found.parity.miss < 1e-3


@pytest.mark.parametrize(
    ("largest", "difference", "holds"),
    [
        *((1.0, 0.0009, True), (1.0, 0.0011, False), (15.0, 0.0009, True), (15.0, 0.0011, False)),
        *((40.0, 0.0019, True), (40.0, 0.003, False), (100.0, 0.006, True), (100.0, 0.007, False)),
        *((0.0, 0.0011, False), (1e6, 50, True), (1e6, 70, False), (1.0, np.nan, False), (np.inf, 1, False)),
    ],
)
def test_outputs_may_differ_by_a_thousandth_and_beyond_sixteen_in_proportion(largest, difference, holds):
    """One bound for all that is compared with numpy or with golden outputs; none is looser for ordinary values."""
    wanted = np.array([[largest, -largest / 2, 0.0]], np.float64)
    found = wanted.copy()
    found[0, 2] += difference

    with np.errstate(invalid="ignore"):
        assert (golden.faults({"logits": found}, {"logits": wanted}, "it") == []) is holds
        said = parity.parity({"logits": found}, {"logits": wanted})
    if holds:
        said.require(what="it", where="here")
    else:
        with pytest.raises(VerificationFailed):
            said.require(what="it", where="here")
