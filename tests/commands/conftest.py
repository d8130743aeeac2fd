"""One cache, one set of photos and one finished run for all tests of the commands."""

import shutil
from functools import partial

import pytest
import scenes

from efficientnet_lite.commands.train import train


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache of its own, warm after the first run, so that each further one takes about a second."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """A cache that goes with the module, where networks are quantized that serve no other: 15 MB each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path_factory.mktemp("own")))
        yield


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return scenes.weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Three classes of twelve photos; not to be changed."""
    return scenes.photograph(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="session")
def fit(weights):
    """`train` for the small model, with few photos for calibration."""
    return partial(train, model=scenes.MODEL, weights=weights, calibration=8, workers=2)


@pytest.fixture(scope="session")
def trained(fit, photos, tmp_path_factory):
    """What `train` gave for `photos`; not to be changed."""
    return fit(photos, tmp_path_factory.mktemp("runs") / "shapes")


@pytest.fixture
def run(trained, tmp_path):
    """A copy of that run, to be spoiled."""
    return shutil.copytree(trained.run, tmp_path / "runs" / "shapes")
