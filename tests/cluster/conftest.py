"""A cluster of two nodes, and photos with the vectors that one machine makes of them."""

import pytest
import scenes
from embed_scenes import photograph
from two_nodes import COUNT, TwoNodes, command, finished


@pytest.fixture(scope="session")
def _running():
    pytest.importorskip("ray")
    running = TwoNodes()
    yield running
    running.end()


@pytest.fixture
def two_nodes(_running):
    _running.mend()
    return _running


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A folder with `photos`, two of which are none, and the vectors that the local engine makes of them."""
    place = tmp_path_factory.mktemp("scene")
    photograph(place / "photos", count=COUNT, broken=(5, 333))
    scenes.write_random_weights(place / "w.safetensors")
    finished(command(place, "local"))
    return place
