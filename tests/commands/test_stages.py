"""Stages of real commands: each that is opened is told to its end, one at a time, and never goes back."""

from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

import efficientnet_lite as el
from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.network.plan import VARIANTS
from efficientnet_lite.weights.read import load_weights

EACH = 12  # photos of a class, of which three judge


class Recorder:
    """A way to show stages that keeps what it is told."""

    def __init__(self):
        self.told, self.open = {}, None

    @contextmanager
    def __call__(self, description):
        assert self.open is None, f"{description} within {self.open}"
        self.open = description
        told = self.told.setdefault(description, [])
        yield lambda done, total: told.append((done, total))
        self.open = None


@pytest.fixture
def shown():
    """A recorder; whatever it was told ends with all that there was, and goes one way."""
    recorder = Recorder()
    yield recorder
    assert recorder.told
    for description, told in recorder.told.items():
        assert not told or told[-1][0] == told[-1][1] > 0, f"{description} ends at {told[-1]}"
        assert all(0 <= done <= total for done, total in told), description


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root, random = tmp_path_factory.mktemp("staged") / "photos", np.random.default_rng(0)
    for label, level in (("dark", 40), ("light", 200)):
        (root / label).mkdir(parents=True)
        for number in range(EACH):
            pixels = random.integers(level - 40, level + 40, (40, 40, 3), np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    (root / "dark" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    return root


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    try:
        load_weights(VARIANTS["lite0"])
    except WeightsMissing as error:
        pytest.skip(str(error))
    out, recorder = tmp_path_factory.mktemp("staged runs") / "run", Recorder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(out.parent / "cache"))
        el.train(photos, out, model="lite0@32", calibration=6, max_drop=1, min_agreement=0, progress=recorder)
        yield out, recorder


def test_train_tells_each_of_its_stages_to_the_end(trained, shown):
    shown.told = trained[1].told

    assert [*shown.told] == [
        "Looking at the photos",
        "Fitting the head",
        "Quantizing to int8",
        "Testing both files",
        "Writing the run",
    ]
    assert shown.told["Looking at the photos"][-1] == (2 * EACH + 1, 2 * EACH + 1)


def test_check_and_shards(photos, shown, tmp_path):
    el.check(photos, progress=shown)
    el.shards(photos, tmp_path / "records", progress=shown)

    assert len(shown.told) == 3


def test_predict_evaluate_and_embed(photos, trained, shown, tmp_path):
    el.predict(trained[0], photos, progress=shown)
    el.evaluate(trained[0], photos, split="all", progress=shown)
    el.embed(trained[0], photos, out=tmp_path / "vectors", progress=shown)

    assert len(shown.told) == 3


def test_export_of_int8_whose_halves_prove_each_other(photos, trained, shown, tmp_path):
    el.export(
        trained[0],
        tmp_path / "a.tflite",
        precision="int8",
        outputs="logits",
        data=photos,
        calibration=20,
        max_drop=1,
        min_agreement=0,
        progress=shown,
    )

    assert [*shown.told] == [
        "Checking the float file",
        "Looking at the photos",
        "Quantizing to int8",
        "Quantizing from one half",
        "Comparing on the other",
    ]


def test_verify_and_report(trained, shown):
    el.verify(trained[0], progress=shown)
    el.report(trained[0], overwrite=True, progress=shown)

    assert len(shown.told) >= 3
