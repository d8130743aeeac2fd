"""The feature pass: once for each photo, by content, and on from where it was killed."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.contract import Contract
from efficientnet_lite.doors.cache import Cache
from efficientnet_lite.doors.dataset import open_dataset
from efficientnet_lite.doors.litert import Runner
from efficientnet_lite.doors.photos import read_bytes
from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.forward import Layer
from efficientnet_lite.inference.features import Backbone, FeatureStore
from efficientnet_lite.inference.views import prepare, to_float
from efficientnet_lite.spec import VARIANTS, make_plan
from efficientnet_lite.tflite.write import write_float

VIEWS = ("crop", "squash-mirrored")
PLAN = make_plan(VARIANTS["lite0"], size=32, classes=None)


def backbone():
    random = np.random.default_rng(0)
    layers = {
        step.name: Layer(
            (random.normal(0, 1, step.kernel_shape) * np.sqrt(2 / np.prod(step.kernel_shape[:2]))).astype(
                np.float32
            ),
            np.zeros(step.outputs, np.float32),
        )
        for step in PLAN.convs
    }
    return Backbone("lite0@32", write_float(PLAN, layers, outputs=("features",)), Contract(32))


@pytest.fixture
def photos(tmp_path):
    random = np.random.default_rng(1)
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            pixels = random.integers(0, 256, (50, 70, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def fill(photos, tmp_path):
    """One pass over the photos: the filled store, and its vectors for each view."""

    def run(views=VIEWS, **options):
        with Cache(tmp_path / "cache") as cache:
            store = FeatureStore(backbone(), open_dataset(photos).rows, cache, 2)
            store.fill(views, **options)
            return store, {view: store.matrix(sorted(store.looks), view) for view in views}

    return run


def test_every_photo_is_computed_once(fill):
    (first, once), (second, again) = fill(), fill()

    assert (first.computed, second.computed) == (20, 0)
    assert first.looks == second.looks
    assert all(np.array_equal(once[view], again[view]) for view in VIEWS)


def test_vectors_are_what_the_file_gives_for_the_view(fill):
    store, found = fill()
    runner = Runner(store.backbone.model)

    for view in VIEWS:
        for position in (0, 13):
            path = store.rows[position].path
            (image,) = prepare(read_bytes(path), [view], Contract(32), where=path).images
            assert np.array_equal(runner(to_float(image)[None])["features"][0], found[view][position])


def test_a_new_view_or_a_changed_photo_is_all_that_is_computed_again(fill, photos):
    fill()
    assert fill(views=(*VIEWS, "squash"))[0].computed == 20

    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(photos / "a" / "3.png")
    assert fill()[0].computed == 1


def test_bad_photos_are_refused_with_a_reason_or_stop_the_pass(fill, photos):
    (photos / "b" / "cut.png").write_bytes((photos / "b" / "0.png").read_bytes()[:300])

    store, _ = fill()
    assert [store.rows[position].name for position, _ in store.refused] == ["b/cut.png"]
    assert len(store.looks) == 20
    with pytest.raises(UnreadablePhoto, match="cut"):
        fill(stop_on_bad=True)


def test_vectors_that_the_cache_has_lost_meanwhile_are_computed_again(fill, photos, tmp_path):
    wanted = fill()[1]["crop"]
    with Cache(tmp_path / "cache") as cache:
        store = FeatureStore(backbone(), open_dataset(photos).rows, cache, 2)
        store.fill(VIEWS)
        cache.clear()

        assert np.array_equal(store.matrix(range(20), "crop"), wanted)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_pass_goes_on_where_it_was(tmp_path, photos):
    random = np.random.default_rng(2)
    for number in range(400):
        pixels = random.integers(0, 256, (200, 300, 3), np.uint8)
        Image.fromarray(pixels).save(photos / "a" / f"more-{number}.bmp")
    program = (
        "import sys; sys.path[:0] = sys.argv[3:]\n"
        "from pathlib import Path; import test_features as t\n"
        "cache = t.Cache(Path(sys.argv[2]))\n"
        "store = t.FeatureStore(t.backbone(), t.open_dataset(Path(sys.argv[1])).rows, cache, 2)\n"
        "store.fill(t.VIEWS, on_progress=lambda done, total: print(done, flush=True))\n"
    )
    arguments = [photos, tmp_path / "cache", os.path.dirname(__file__)]  # noqa: PTH120
    command = [sys.executable, "-c", program, *map(str, arguments)]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    while int(killed.stdout.readline()) < 200:
        pass
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    time.sleep(0.1)

    with Cache(tmp_path / "cache") as cache:
        store = FeatureStore(backbone(), open_dataset(photos).rows, cache, 2)
        store.fill(VIEWS)

    assert len(store.looks) == 420
    assert 0 < store.computed <= 420 - 128  # at most a batch that was not yet written is lost


def test_the_runtime_greets_nobody_and_hides_nothing_else():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import os, test_features as t\n"
        "os.write(2, b'before\\n'); t.Runner(t.backbone().model); os.write(2, b'after\\n')\n"
    )
    command = [sys.executable, "-c", program, os.path.dirname(__file__)]  # noqa: PTH120
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.stderr == "before\nafter\n"
