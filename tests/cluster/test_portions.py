"""What is decided before a cluster is asked: who gets which photos, how many threads, and which versions agree."""

from importlib.util import find_spec

import pytest

from efficientnet_lite.cluster.cluster_work import PASSED_PORTIONS, portions
from efficientnet_lite.cluster.looking import look_at, portion_of
from efficientnet_lite.cluster.nodes import Node, calls_at_once, threads_a_call
from efficientnet_lite.cluster.versions import MISSING, told_differences, versions_here
from efficientnet_lite.errors import UsageError
from efficientnet_lite.features.sources.photo_entry import PhotoEntry, PhotoPlace
from efficientnet_lite.features.sources.photo_list import list_sources


def entries(kind, count, where="a.tar.gz"):
    return [PhotoEntry(str(n), str(n), PhotoPlace(kind, where, n)) for n in range(count)]


def test_photos_are_handed_out_in_order_and_each_once():
    given = entries("span", 25)
    found = list(portions(given, 10))

    assert [len(each) for each in found] == [10, 10, 5]
    assert [entry for each in found for entry in each] == given
    assert list(portions([], 10)) == []


def test_what_can_only_be_read_forwards_is_gone_through_by_few():
    packed = entries("tar", 25) + entries("tar", 200, "b.tar.gz")

    assert [len(each) for each in portions(packed, 10)] == [25, 10 * PASSED_PORTIONS, 80, 40]


@pytest.mark.parametrize(
    ("cpus", "threads", "calls"),
    [([1, 1], 1, 2), ([2], 2, 1), ([64] * 3, 8, 24), ([2, 3], 1, 5), ([12, 6], 6, 3)],
)
def test_calls_leave_no_core_idle_and_share_processes(cpus, threads, calls):
    assert threads_a_call(cpus) == threads
    assert calls_at_once([Node("", "", cpu) for cpu in cpus], threads) == calls


def test_what_differs_is_said_by_name():
    here = versions_here("ai-edge-litert 2.1.0")

    assert here["pillow"] != MISSING
    assert told_differences(here, dict(here)) == ""
    there = {**here, "pillow": "11.0", "ai-edge-litert": MISSING}
    assert told_differences(here, there) == (
        f"ai-edge-litert not there rather than {here['ai-edge-litert']}, pillow 11.0 rather than {here['pillow']}"
    )


def test_paths_are_those_of_any_folder_and_rows_those_of_the_list(tmp_path, monkeypatch):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    with list_sources("a.png") as listed:
        (entry,) = listed.entries()
        (sent,) = portion_of(listed, [entry]).entries

    assert entry.place.where == "a.png"
    assert sent.place.where == str(tmp_path / "a.png")


def test_a_node_that_changed_meanwhile_makes_nothing():
    from efficientnet_lite.cluster.looking import Portion, SentRun

    versions = {**versions_here("ai-edge-litert 2.1.0"), "numpy": "1.0"}
    run = SentRun("", (None,), None, False, versions, "ai-edge-litert 2.1.0", 1)

    with pytest.raises(UsageError, match=r"the node 10\.0\.0\.2 has numpy .* rather than 1\.0"):
        look_at(run, Portion((), {}), node="10.0.0.2", fetch=None)


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed here")
def test_without_ray_it_is_said_what_to_install(tmp_path, capfd):
    from efficientnet_lite.cli.app import run

    assert run(["embed", "lite0@32", str(tmp_path), "--out", str(tmp_path / "v"), "--engine", "ray"]) == 2
    assert "pip install 'efficientnet-lite[ray]'" in capfd.readouterr().err
