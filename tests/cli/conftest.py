"""What several tests of commands work on."""

import os
import socket

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.tflite.artifact import About, float_artifact

SIZE = 32


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a small model of two classes, photos of them, and what is neither: a pipe, a loop of links."""
    root = tmp_path_factory.mktemp("odd")
    plan = make_plan(VARIANTS["lite0"], size=SIZE, classes=2)
    random = np.random.default_rng(0)
    parameters = {
        name: np.ones(shape, np.float32)
        if name.endswith(("gamma", "moving_variance"))
        else random.normal(0, 0.1, shape).astype(np.float32)
        for name, shape in plan.parameter_shapes().items()
    }
    about = About(Contract(SIZE), "0" * 64, "unknown", labels=("a", "b"))
    (root / "model.tflite").write_bytes(float_artifact(plan, fold(plan, parameters), about))
    for label in "ab":
        (root / "photos" / label).mkdir(parents=True)
        for number in range(3):
            pixels = random.integers(0, 255, (40, 40, 3), np.uint8)
            Image.fromarray(pixels).save(root / "photos" / label / f"{number}.png")
    (root / "one.txt").write_text("0\n")
    (root / "file.txt").write_text("neither model nor photo\n")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        folder = os.open(root, os.O_RDONLY)
        try:
            bound.bind(f"/proc/self/fd/{folder}/socket")
        finally:
            os.close(folder)
    return root
