"""An index by usearch: it finds what the exact search does, and is opened for the vectors that it was made of alone."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from efficientnet_lite.errors import UnusableInput, UsageError
from efficientnet_lite.neighbors.index_file import GRAPH, MARKER, OpenIndex, publish_index
from efficientnet_lite.neighbors.search import nearest_in
from efficientnet_lite.neighbors.vectors import StoredVectors
from efficientnet_lite.progress import silent

pytest.importorskip("usearch", reason="the extra [search]")


@pytest.fixture(scope="module")
def stored(vector_folders):
    return StoredVectors(vector_folders["parts"])


@pytest.fixture(scope="module")
def index(stored, tmp_path_factory):
    out = tmp_path_factory.mktemp("index") / "i"
    publish_index(stored, out, dtype="float32", overwrite=False, stage=silent)
    return out


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_among_few_it_finds_what_the_exact_search_does(stored, tmp_path, dtype):
    made = publish_index(stored, tmp_path / "i", dtype=dtype, overwrite=False, stage=silent)
    queries = np.array(stored.matrix()[:3])

    found, exact = OpenIndex(made.folder, stored).nearest(queries, 5), nearest_in(stored, queries, 5)

    assert (made.count, made.recall) == (10, 1)
    assert sorted(path.name for path in made.folder.iterdir()) == [MARKER, GRAPH]
    assert found.places[:, 0].tolist() == [0, 1, 2]
    assert np.abs(found.cosines - exact.cosines).max() < 2e-2
    if dtype == "float32":
        assert found.places.tolist() == exact.places.tolist()


def test_that_of_other_vectors_is_refused(index, vector_folders):
    with pytest.raises(UnusableInput, match="not of the vectors"):
        OpenIndex(index, StoredVectors(vector_folders["float16"]))


@pytest.mark.parametrize("damage", ["bit", "cut", "gone", "marker", "another graph"])
def test_a_damaged_one_is_refused_before_it_is_opened(index, stored, tmp_path, damage):
    spoiled = shutil.copytree(index, tmp_path / "i")
    graph = bytearray((spoiled / GRAPH).read_bytes())
    if damage == "gone":
        (spoiled / GRAPH).unlink()
    elif damage == "marker":
        (spoiled / MARKER).write_text(json.dumps({"made_by": "efficientnet-lite 0", "count": 10}))
    else:
        graph[len(graph) // 2] ^= 1
        (spoiled / GRAPH).write_bytes({"bit": graph, "cut": graph[:-1], "another graph": b"usearch"}[damage])

    with pytest.raises(UnusableInput) as caught:
        OpenIndex(spoiled, stored)

    assert "`index`" in caught.value.fix


def test_it_replaces_its_own_kind_alone_and_only_when_asked(index, stored, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "photo.jpg").write_bytes(b"x")
    own = shutil.copytree(index, tmp_path / "i")

    for out, overwrite in ((mine, True), (own, False), (stored.folder / "i", False)):
        with pytest.raises(UsageError):
            publish_index(stored, out, dtype="float32", overwrite=overwrite, stage=silent)
    publish_index(stored, own, dtype="int8", overwrite=True, stage=silent)

    assert json.loads((own / MARKER).read_text())["dtype"] == "int8"
    assert [path.name for path in mine.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize("change", ["ends", "noise", "other"])
def test_a_graph_of_which_the_library_dies_ends_nothing_but_its_reading(index, stored, tmp_path, change):
    """A stranger's index, whose digest is right."""
    spoiled = shutil.copytree(index, tmp_path / "i")
    random, graph = np.random.default_rng(3), bytearray((spoiled / GRAPH).read_bytes())
    if change == "other":
        publish_index(
            StoredVectors(stored.folder), tmp_path / "o", dtype="int8", overwrite=False, stage=silent
        )
        graph = bytearray((tmp_path / "o" / GRAPH).read_bytes()[:-100])
    elif change == "noise":
        graph[64:] = random.bytes(len(graph) - 64)
    else:
        graph[-400:] = b"\xff" * 400
    (spoiled / GRAPH).write_bytes(graph)
    document = json.loads((spoiled / MARKER).read_text())
    document["written"][GRAPH] = {"bytes": len(graph), "sha256": hashlib.sha256(graph).hexdigest()}
    (spoiled / MARKER).write_text(json.dumps(document))

    opened = OpenIndex(spoiled, stored)

    with pytest.raises(UnusableInput) as caught:
        opened.nearest(np.array(stored.matrix()[:3]), 5)
    assert GRAPH in caught.value.what
