"""Vectors made by two nodes, of which one is lost, or its worker, or the process that began: those of one machine."""

import json
import signal

import pyarrow.parquet as pq
import pytest
from embed_scenes import digests
from two_nodes import COUNT, command, finished, kill, parts_in, wait_for

pytestmark = pytest.mark.ray


def begin(cluster, place, out):
    """A run on the cluster that has written a part, and not all of them."""
    process = command(place, out, "--engine", "ray", "--address", cluster.address, "--json")
    wait_for(lambda: parts_in(place / out), process)
    assert len(parts_in(place / out)) < 15
    return process


def check_whole(place, out):
    """As the local engine's to the byte, and each photo once."""
    assert digests(place / out) == digests(place / "local")
    parts = [pq.read_table(place / out / part) for part in parts_in(place / out)]
    paths = [path for part in parts for path in part["path"].to_pylist()]
    assert len(paths) == len(set(paths)) == COUNT


def test_two_nodes_write_what_one_machine_writes(two_nodes, place):
    out, _ = finished(command(place, "two", "--engine", "ray", "--address", two_nodes.address, "--json"))

    assert out.startswith("{")
    check_whole(place, "two")


def test_a_worker_is_killed(two_nodes, place):
    process = begin(two_nodes, place, "worker")
    workers = two_nodes.workers()
    assert workers
    kill(workers[0])
    out, _ = finished(process)

    assert json.loads(out)["rows"] == COUNT

    check_whole(place, "worker")


def test_a_node_is_killed_and_none_takes_its_place(two_nodes, place):
    process = begin(two_nodes, place, "node")
    two_nodes.kill(two_nodes.nodes[0])
    out, err = finished(process)

    assert json.loads(out)["rows"] == COUNT  # and nothing of Ray's beside it
    assert "lost the node" in err
    check_whole(place, "node")


def test_the_process_that_began_is_killed_and_started_again(two_nodes, place):
    process = begin(two_nodes, place, "driver")
    process.kill()
    process.communicate()
    written = {name: (place / "driver" / name).stat().st_mtime_ns for name in parts_in(place / "driver")}
    assert 0 < len(written) < 18
    finished(command(place, "driver", "--engine", "ray", "--address", two_nodes.address))

    check_whole(place, "driver")
    kept = [name for name, time in written.items() if (place / "driver" / name).stat().st_mtime_ns == time]
    assert len(kept) >= len(written) - 1  # the last one may have been announced and no more


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_it_says_how_it_goes_on_and_one_machine_goes_on_with_it(two_nodes, place, how):
    process = begin(two_nodes, place, f"stopped-{how}")
    process.send_signal(how)
    _, said = finished(process, 130)
    assert "parts are written; the same command goes on from there" in said
    assert not list((place / f"stopped-{how}").glob(".*"))  # nothing half-written
    finished(command(place, f"stopped-{how}"))

    check_whole(place, f"stopped-{how}")
