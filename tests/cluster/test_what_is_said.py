"""What a user reads where a cluster is not there, or nodes of it cannot give the same vectors."""

import contextlib
import http.server
import shutil
import subprocess
import sys
import threading
import time

import pytest
from embed_scenes import digests
from two_nodes import command, finished

pytestmark = pytest.mark.ray


@contextlib.contextmanager
def served():
    """A port at which a web server answers, which is not Ray."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_where_nobody_answers_that_is_said_within_twenty_seconds(place):
    with served() as other:
        for address, said in (
            ("127.0.0.1:1", "no Ray cluster answers: Connection refused"),
            ("no-such-host.invalid:6379", "no Ray cluster answers"),
            (other, "what answers there is not Ray"),
            ("nonsense", "no address of a cluster"),
        ):
            began = time.monotonic()
            code = 2 if address == "nonsense" else 3
            _, err = finished(command(place, "none", "--engine", "ray", "--address", address), code)
            assert said in err
            assert address in err
            assert time.monotonic() - began < 20
    assert not (place / "none").exists()


def test_an_address_without_the_engine_is_refused(place):
    _, err = finished(command(place, "none", "--address", "127.0.0.1:6379"), 2)

    assert "--engine ray" in err


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("raise ImportError('none here')", "cannot be imported on the node"),
        (None, "efficientnet-lite 9.9 rather than 0.1.0"),
    ],
)
def test_a_node_without_the_package_or_with_another_version_is_named(
    two_nodes, place, tmp_path, package, said
):
    """The node finds another package first, as on a machine on which another was installed."""
    import efficientnet_lite

    theirs = tmp_path / "efficientnet_lite"
    if package is None:
        shutil.copytree(efficientnet_lite.__path__[0], theirs)
        (theirs / "version.py").write_text((theirs / "version.py").read_text() + '\n__version__ = "9.9"\n')
    else:
        theirs.mkdir()
        (theirs / "__init__.py").write_text(package)
    node = two_nodes.add(env_vars={"PYTHONPATH": str(tmp_path)})
    try:
        two_nodes.wait()
        _, err = finished(command(place, "odd", "--engine", "ray", "--address", two_nodes.address), 2)
    finally:
        two_nodes.kill(node)

    assert said in err
    assert not list((place / "odd").glob("part-*"))
    assert not two_nodes.workers()


def test_a_node_that_does_not_see_the_photos_is_named_and_no_photo_is_given_up(two_nodes, place):
    """A node in a mount namespace of its own, whose folder of photos is empty."""
    hidden = f"mount -t tmpfs none {place}/photos"
    if subprocess.run(["unshare", "-m", "sh", "-c", hidden], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount")
    start = (
        f"{sys.executable} -m ray.scripts.scripts start --address {two_nodes.address} --num-cpus 1 --block"
    )
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", f"{hidden} && exec {start}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as node:
        try:
            two_nodes.wait(3)
            process = command(place, "blind", "--engine", "ray", "--address", two_nodes.address)
            _, err = finished(process, 3)
        finally:
            node.terminate()

    assert "cannot read it (it cannot be read: No such file or directory), and this machine can" in err
    assert "put the photos where every node sees them" in err
    finished(command(place, "blind"))
    assert digests(place / "blind") == digests(place / "local")
