"""The feature pass: once for each photo, by content, and on from where it was killed."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from efficientnet_lite.errors import UnreadablePhoto
from efficientnet_lite.features.backbone import Backbone
from efficientnet_lite.features.feature_store import _BATCH, FeatureStore
from efficientnet_lite.features.kept_looks import LOOKS, look_from_bytes
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.photos.decode import read_bytes
from efficientnet_lite.photos.rows import Row
from efficientnet_lite.photos.views import prepare, to_float
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.tflite.float import write_float

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
    runner = LiteRT(store.backbone.model)

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


def test_a_damaged_vector_is_computed_once_more_and_kept(fill, tmp_path):
    store, wanted = fill()
    with Cache(tmp_path / "cache") as cache:
        cache.put(store.backbone.space("crop"), {store.looks[3].sha256: b"short"}, about="x")

    assert np.array_equal(fill()[1]["crop"], wanted["crop"])
    with Cache(tmp_path / "cache") as cache:
        sha = store.looks[3].sha256
        assert dict(cache.get(store.backbone.space("crop"), [sha]))[sha] == wanted["crop"][3].tobytes()


def test_a_photo_that_changes_during_the_run_is_no_vector_of_the_old_one(photos, tmp_path):
    with Cache(tmp_path / "cache") as cache:
        store = FeatureStore(backbone(), open_dataset(photos).rows, cache, 2)
        store.fill(VIEWS)
        cache.clear()
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(store.rows[5].path)

        with pytest.raises(UnreadablePhoto, match="changed during the run"):
            store.matrix(range(20), "crop")


def test_photos_of_equal_bytes_share_a_vector(fill, photos):
    (photos / "b" / "copy.png").write_bytes((photos / "a" / "0.png").read_bytes())
    store, found = fill()

    first, copy = ([row.name for row in store.rows].index(name) for name in ("a/0.png", "b/copy.png"))
    assert np.array_equal(found["crop"][first], found["crop"][copy])


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'["00", 50, 70]',  # a fingerprint of one byte
        b'["' + b"00" * 217 + b'", 50, 70]',
        b'["' + b"zz" * 216 + b'", 50, 70]',
        b'["' + b"00" * 216 + b'", 0, 70]',
        b'["' + b"00" * 216 + b'", 50, -1]',
        b'["' + b"00" * 216 + b'", 1e999, 70]',
        b'["' + b"00" * 216 + b'", null, 70]',
        b"[5, 50, 70]",
    ],
)
def test_bytes_that_are_no_look_are_none(value):
    assert look_from_bytes("0" * 64, value) is None


def test_a_damaged_look_is_taken_again(fill, tmp_path):
    store, _ = fill()
    with Cache(tmp_path / "cache") as cache:
        cache.put(LOOKS, {store.looks[3].sha256: b'["00", 50, 70]'}, about="x")

    again, _ = fill()
    assert (again.computed, again.looks) == (1, store.looks)


def test_the_hostile_photos_are_refused_with_reasons_and_the_others_are_done(shared, tmp_path):
    expected = (shared / "data/hostile-images/expected.csv").read_text(encoding="utf-8").splitlines()[1:]
    wanted = {line.split(",")[0]: line.split(",")[1] for line in expected if "made at run time" not in line}
    rows = [
        Row(shared / "data/hostile-images" / name, name, "hostile", None)
        for name in wanted
        if (shared / "data/hostile-images" / name).is_file()
    ]

    with Cache(tmp_path / "cache") as cache:
        store = FeatureStore(backbone(), rows, cache, 2)
        store.fill(("crop",))
        refused = {rows[position].name for position, _ in store.refused}
        matrix = store.matrix(sorted(store.looks), "crop")

    assert refused == {row.name for row in rows if wanted[row.name] == "reject"}
    assert all(reason and "\n" not in reason for _, reason in store.refused)
    assert np.isfinite(matrix).all()
    assert len(rows) > 100


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
def test_a_photo_that_may_not_be_read_is_refused_and_ends_nothing(fill, photos, monkeypatch):
    locked = photos / "a" / "3.png"
    opened = type(locked).open

    def refuse(path, *arguments, **options):  # root may read everything, so permissions do not show it
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(type(locked), "open", refuse)
    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *a, **k: refuse(locked) if str(path) == str(locked) else real(path, *a, **k)
    )
    store, _ = fill()

    assert [store.rows[position].name for position, _ in store.refused] == ["a/3.png"]
    assert len(store.looks) == 19


def test_vectors_leave_memory_batch_by_batch(tmp_path):
    random = np.random.default_rng(3)
    for number in range(300):
        pixels = random.integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.bmp")
    rows = [Row(path, path.name, "a", None) for path in sorted(tmp_path.glob("*.bmp"))]
    written = []

    class Noting(Cache):
        def put(self, space, entries, *, about):
            written.append((space, len(entries)))
            super().put(space, entries, about=about)

    with Noting(tmp_path / "cache") as cache:
        store = FeatureStore(backbone(), rows, cache, 2)
        store.fill(("crop",))

    assert [count for space, count in written if space == store.backbone.space("crop")] == [*[_BATCH] * 4, 44]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_pass_goes_on_where_it_was(tmp_path, photos):
    random = np.random.default_rng(2)
    for number in range(400):
        pixels = random.integers(0, 256, (200, 300, 3), np.uint8)
        Image.fromarray(pixels).save(photos / "a" / f"more-{number}.bmp")
    program = (
        "import sys; sys.path[:0] = sys.argv[3:]\n"
        "from pathlib import Path; import test_feature_store as t\n"
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
        "import sys; sys.path.insert(0, sys.argv[1]); import os, test_feature_store as t\n"
        "os.write(2, b'before\\n'); t.LiteRT(t.backbone().model); os.write(2, b'after\\n')\n"
    )
    command = [sys.executable, "-c", program, os.path.dirname(__file__)]  # noqa: PTH120
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.stderr == "before\nafter\n"
