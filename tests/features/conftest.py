"""A small network, drawn photos, and whole folders of their vectors."""

import shutil

import pytest
from embed_scenes import model_of, network, photograph, write


@pytest.fixture(scope="module")
def model():
    return model_of(network(), workers=2)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return photograph(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def whole(model, photos, tmp_path_factory):
    """Layout -> a complete folder; not to be changed."""
    place = tmp_path_factory.mktemp("whole")
    for layout in ("parts", "clip-retrieval"):
        write(model, photos, place / layout, layout=layout)
    return {layout: place / layout for layout in ("parts", "clip-retrieval")}


@pytest.fixture
def out(whole, tmp_path):
    """A copy, to be spoiled."""
    return shutil.copytree(whole["parts"], tmp_path / "v")
