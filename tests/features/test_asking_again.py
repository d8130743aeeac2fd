"""Photos that a server did not give are asked for again; in the end the folder is that of a call without trouble."""

import json

import pytest
from bad_server import serving
from embed_scenes import digests, write

from efficientnet_lite.features.sources import remote
from efficientnet_lite.photos.accounting import MAY_PASS

pq = pytest.importorskip("pyarrow.parquet", reason="the extra [embed]")
pytest.importorskip("aiohttp", reason="the extra [embed]")


@pytest.fixture
def server(photos, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_S", 0.001)
    with serving(photos) as server:
        yield server


def passing(out):
    """What the marker says, and the paths whose reason may pass."""
    rows = pq.read_table(out).to_pylist()
    found = [row["path"].rpartition("/")[2] for row in rows if (row["error"] or "").endswith(MAY_PASS)]
    return json.loads((out / "_dataset.json").read_text()).get("may_pass"), found


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_what_a_server_gives_later_takes_its_place_and_nothing_else_changes(
    dtype, model, photos, server, tmp_path
):
    given = [f"{server.address}/plain/{path.relative_to(photos)}" for path in sorted(photos.rglob("*.png"))]
    given[7:7] = [f"{server.address}/plain/gone.png"]
    out = tmp_path / "v"
    write(model, given, tmp_path / "whole", dtype=dtype)

    server.refused = {"02.png": 503, "04.png": 500, "09.png": 403}
    embedded = write(model, given, out, dtype=dtype)
    assert passing(out) == (3, ["02.png", "04.png", "09.png"])
    assert (embedded.rows, embedded.skipped) == (12, 5)

    # now the server is in trouble with all but one
    server.refused = {f"{number:02}.png": 503 for number in range(11) if number != 9}
    embedded = write(model, given, out, dtype=dtype)
    assert passing(out) == (2, ["02.png", "04.png"])
    assert embedded.skipped == 4

    server.refused = {}
    server.asked.clear()
    write(model, given, out, dtype=dtype)
    assert sorted(each[-6:] for each in server.asked) == ["02.png", "04.png"]
    assert digests(out) == digests(tmp_path / "whole")
    server.asked.clear()
    embedded = write(model, given, out, dtype=dtype)
    assert server.asked == []
    assert embedded.paths == tuple(each for each in given if each[-6:] not in ("05.png", "ne.png"))  # as text


def test_clip_retrieval_says_how_its_photos_are_asked_for_again(model, photos, server, tmp_path, caplog):
    server.refused = {"02.png": 503}
    given = f"{server.address}/plain/hats/"

    with caplog.at_level("WARNING"):
        write(model, given, tmp_path / "v", layout="clip-retrieval")
        write(model, given, tmp_path / "v", layout="clip-retrieval")

    said = "photos that could not be read, which may pass: 1; `overwrite=True` asks for them again"
    assert caplog.messages == [said, said]
