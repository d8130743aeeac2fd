"""`Embedder`: the vectors that `embed` writes, of photos in every form, by what travels without its engines."""

import copy
import pickle
import threading

import numpy as np
import pytest
import scenes
from PIL import Image

import efficientnet_lite as el
from efficientnet_lite.features.backbone import space_of
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.files import sha256_bytes

MANY = 12  # photos for which the cache is opened


@pytest.fixture(scope="module")
def paths(photos):
    return sorted(photos.rglob("*.??g"))[:MANY]


@pytest.fixture(scope="module")
def embedder(weights):
    return el.Embedder(scenes.MODEL, weights=weights, view="squash")


@pytest.fixture(scope="module")
def vectors(embedder, paths):
    return embedder.embed(paths)


def test_it_gives_what_embed_gives(vectors, weights, paths):
    embedded = el.embed(scenes.MODEL, paths, weights=weights, view="squash")

    assert (vectors.dtype, vectors.shape, vectors.flags.c_contiguous) == (np.float32, (MANY, 1280), True)
    assert np.array_equal(vectors, embedded.features)
    assert len(np.unique(vectors, axis=0)) == MANY


def test_a_photo_gives_the_same_vector_in_every_form(embedder, vectors, paths):
    path = paths[0]
    with Image.open(path) as image, path.open("rb") as file:
        image.load()
        pixels = np.asarray(image.convert("RGB"))
        forms = [path, str(path), path.read_bytes(), file, image, pixels, pixels / 255]
        found = embedder.embed(form for form in forms)

    assert np.array_equal(found, np.repeat(vectors[:1], len(forms), axis=0))
    assert np.array_equal(embedder.embed(pixels[None]), vectors[:1])
    assert np.array_equal(embedder.embed(path), vectors[:1])


def test_no_photos_are_a_matrix_without_rows(embedder):
    assert embedder.embed([]).shape == embedder.embed(iter(())).shape == (0, embedder.dim)


def test_a_photo_that_cannot_be_used_fails_with_its_reason_or_is_a_row_of_nan(
    embedder, vectors, paths, tmp_path
):
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    given = [paths[0], tmp_path / "bad.jpg", np.zeros((3, 8, 8), np.uint8), "gone.jpg", paths[1]]

    found = embedder.embed(given, on_bad="nan")
    each = list(embedder.embed_each(given))

    assert np.array_equal(found[[0, 4]], vectors[:2])
    assert np.isnan(found[1:4]).all()
    assert [type(outcome) for outcome in each] == [np.ndarray, Refused, Refused, Refused, np.ndarray]
    assert np.array_equal(np.stack([each[0], each[4]]), vectors[:2])
    for photo, refused in zip(given[1:4], each[1:4], strict=True):
        with pytest.raises(el.UnreadablePhoto) as raised:
            embedder.embed([photo])
        assert (raised.value.what, raised.value.fix) == (refused.reason, refused.fix)
    with pytest.raises(el.UsageError, match="on_bad='skip'"):
        embedder.embed(paths, on_bad="skip")


def test_its_errors_are_those_of_a_prediction(embedder, run):
    model = el.load(run)
    for given in (
        "gone.jpg",
        np.zeros((3, 8, 8), np.uint8),
        [b"no photo"],
        [np.full((8, 8, 3), np.nan)],
        [7],
        {},
    ):
        with pytest.raises(el.EfficientNetLiteError) as own:
            embedder.embed(given)
        with pytest.raises(type(own.value)) as known:
            model.predict(given)
        assert str(own.value) == str(known.value)


def test_photos_are_asked_for_as_they_are_needed(embedder, paths):
    asked = []

    def photos():
        for number in range(10_000):
            asked.append(number)
            yield paths[number % MANY]

    found = embedder.embed_each(photos())
    for _ in range(20):
        next(found)

    assert len(asked) < 20 + 4 * (1 + len(threading.enumerate()) + 8)
    found.close()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_takes_the_network_along_and_no_engine(embedder, vectors, paths, again):
    other = again(embedder)

    assert "pool" not in vars(other._model)
    assert repr(other) == repr(embedder) == "<Embedder lite0@32: 32 pixels, squash>"
    assert (other.dim, other.contract) == (1280, embedder.contract)
    assert np.array_equal(other.embed(paths[:2]), vectors[:2])


def test_a_run_and_the_vectors_that_its_training_kept_are_used(trained, photos, cache, monkeypatch):
    paths = sorted(photos.rglob("*.png"))
    embedder = el.Embedder(trained.run)
    plain = embedder.embed(paths)
    space = space_of(sha256_bytes(embedder._model.data), embedder.contract, "crop")
    known = {sha256_bytes(path.read_bytes()) for path in paths}
    assert known <= Cache().keys(space)  # by the training

    monkeypatch.setattr(type(embedder._model), "on_image", None)  # what is not looked up fails

    assert np.array_equal(embedder.embed(paths), plain)


def test_the_cache_is_neither_made_nor_filled(embedder, paths, tmp_path, monkeypatch):
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path / "cache"))

    embedder.embed(paths)
    assert not (tmp_path / "cache").exists()

    with Cache() as cache:
        embedder.embed(paths)
        assert cache.held() == []


def test_the_vectors_may_be_asked_for_by_one_thread_after_another(embedder, vectors, paths, cache):
    found, rows = embedder.embed_each(paths), []
    before = Cache().keys("looks:1")

    for _ in paths:
        thread = threading.Thread(target=lambda: rows.append(next(found)))
        thread.start()
        thread.join()

    assert np.array_equal(np.stack(rows), vectors)
    assert Cache().keys("looks:1") == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"veiw": "crop"}, r"Embedder\(\) has no argument 'veiw'\n.*\n.*did you mean `view=`"),
        ({"view": "cropped"}, "view='cropped'"),
        ({"workers": 0}, "workers=0"),
        ({"weights": "nowhere"}, "nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, words):
    with pytest.raises(el.EfficientNetLiteError, match=words):
        el.Embedder(scenes.MODEL, **arguments)
