"""A small network, drawn photos, and their vectors in every layout."""

import shutil

import pytest
from embed_scenes import model_of, network, photograph, write

pytest.importorskip("pyarrow", reason="the extra [embed]")

LAYOUTS = {
    "parts": {},
    "float16": {"dtype": "float16"},
    "int8": {"dtype": "int8"},
    "clip-retrieval": {"layout": "clip-retrieval"},
    "npy": {"format": "npy"},
}


@pytest.fixture(scope="session")
def small_model():
    return model_of(network())


@pytest.fixture(scope="session")
def drawn_photos(tmp_path_factory):
    return photograph(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def vector_folders(small_model, drawn_photos, tmp_path_factory):
    """Layout -> a complete folder; not to be changed."""
    place = tmp_path_factory.mktemp("vectors")
    for layout, form in LAYOUTS.items():
        write(small_model, drawn_photos, place / layout, **form)
    return {layout: place / layout for layout in LAYOUTS}


@pytest.fixture
def spoiled(vector_folders, tmp_path):
    """Makes a copy of a layout's folder, which may be changed."""
    return lambda layout="parts": shutil.copytree(vector_folders[layout], tmp_path / layout)
