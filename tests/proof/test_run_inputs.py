"""The inputs on which a file is run beside another runtime."""

import numpy as np
import pytest
import tiny

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.proof.golden import golden_npz
from efficientnet_lite.proof.parity import fixed_inputs
from efficientnet_lite.proof.run_inputs import MOST_INPUTS, run_inputs
from efficientnet_lite.strangers.structure import check_model

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
INT8, FLOAT = (check_model(tiny.tiny(precision)) for precision in ("int8", "float32"))


def golden(images):
    return golden_npz(images, {"probabilities": np.zeros((len(images), 4), np.uint8)})


@pytest.mark.parametrize("name", ["m.tflite.golden.npz", "m.golden.npz", "golden.npz"])
def test_the_images_of_a_golden_file_are_taken_and_it_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(golden(IMAGES))

    raw, named = run_inputs(INT8, tmp_path / "m.tflite")

    assert np.array_equal(raw, IMAGES)
    assert named == f"of {name}"


def test_its_own_golden_file_comes_before_that_of_a_run(tmp_path):
    (tmp_path / "golden.npz").write_bytes(golden(IMAGES))
    (tmp_path / "m.tflite.golden.npz").write_bytes(golden(IMAGES[:1]))

    assert len(run_inputs(INT8, tmp_path / "m.tflite").raw) == 1


def test_without_one_fixed_images_are_drawn(tmp_path):
    raw, named = run_inputs(FLOAT, tmp_path / "m.tflite")

    assert np.array_equal(raw, (fixed_inputs(32) / 255).astype(np.float32))
    assert named.startswith("drawn: a color ramp")


def test_of_many_images_a_few_are_taken(tmp_path):
    (tmp_path / "m.tflite.golden.npz").write_bytes(golden(IMAGES.repeat(7, axis=0)))

    assert len(run_inputs(INT8, tmp_path / "m.tflite").raw) == MOST_INPUTS


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES[:, :16], r"uint8 images of \[16, 32, 3\], the file takes \[32, 32, 3\]"),
        (IMAGES.astype(np.float32), "float32 images"),
    ],
)
def test_images_that_do_not_fit_are_refused(tmp_path, images, message):
    (tmp_path / "m.tflite.golden.npz").write_bytes(golden(images))

    with pytest.raises(ArtifactError, match=message):
        run_inputs(INT8, tmp_path / "m.tflite")
