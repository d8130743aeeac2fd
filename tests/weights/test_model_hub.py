"""The real huggingface_hub and a server of this machine: had, kept, and what is said where a file is not to be had."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason="the extra `hf` is not installed: make test-all")

CONTENT, COMMIT = b"weights" * 1000, "c0ffee" + "0" * 34
LOCATE = """
import json, sys, time
from efficientnet_lite.weights import published as weights
from efficientnet_lite.errors import EfficientNetLiteError
from efficientnet_lite.notices import listening
from efficientnet_lite.network.plan import VARIANTS
told, started = [], time.monotonic()
with listening(told.append):
    try:
        _, found = weights.locate(VARIANTS[sys.argv[1]], "hub")
        said = {"sha256": found.sha256, "origin": found.origin}
    except EfficientNetLiteError as error:
        said = {"what": error.what, "fix": error.fix, "code": error.exit_code}
print(json.dumps({**said, "told": told, "seconds": time.monotonic() - started}))
"""


class Answers(http.server.BaseHTTPRequestHandler):
    """What the hub answers for one file of one repository."""

    def do_HEAD(self):
        self.server.asked.append(self.path)
        if not self.path.endswith("/timm/tf_efficientnet_lite3.in1k/resolve/main/model.safetensors"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        running.asked = []
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def locate(tmp_path):
    def locate(variant="lite3", **environment):
        bare = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        done = subprocess.run(
            [sys.executable, "-c", LOCATE, variant],
            env={
                **bare,
                "EFFICIENTNET_LITE_CACHE": str(tmp_path / "ours"),
                "EFFICIENTNET_LITE_OFFLINE": "",
                "HF_HUB_OFFLINE": "",
                "HF_HOME": str(tmp_path / "hub"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return locate


def test_a_file_comes_once_and_is_then_read_without_any_network(server, locate):
    address = f"http://127.0.0.1:{server.server_port}"

    first = locate(HF_ENDPOINT=address)
    asked = len(server.asked)
    second = locate(HF_ENDPOINT=address)
    without = locate(HF_ENDPOINT="http://127.0.0.1:9", EFFICIENTNET_LITE_OFFLINE="1")

    assert first["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert COMMIT in first["origin"]
    [notice] = first["told"]
    assert "first use, not verified" in notice
    assert COMMIT in notice
    assert second["told"] == without["told"] == []
    assert second["sha256"] == without["sha256"] == first["sha256"]
    assert len(server.asked) == asked


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://nowhere.invalid"])
def test_without_a_network_it_is_said_at_once_and_the_extra_is_not_blamed(locate, address):
    found = locate(HF_ENDPOINT=address)

    assert found["seconds"] < 5
    assert "there is no network" in found["what"]
    assert "cannot be reached" in found["what"]
    assert "pip install" not in found["fix"]
    assert "`weights=FILE`" in found["fix"]
    assert found["code"] == 4


@pytest.mark.parametrize("variable", ["EFFICIENTNET_LITE_OFFLINE", "HF_HUB_OFFLINE"])
def test_the_variable_that_forbids_the_network_is_named_and_nothing_is_asked(server, locate, variable):
    found = locate(HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}", **{variable: "1"})

    assert f"{variable} forbids the network" in found["what"]
    assert server.asked == []


def test_a_proxy_that_does_not_answer_is_named(locate):
    found = locate(HF_ENDPOINT="http://nowhere.invalid", http_proxy="http://127.0.0.1:9")

    assert "127.0.0.1 cannot be reached" in found["what"]


def test_what_the_server_has_not_is_its_fault(server, locate):
    found = locate("lite4", HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}")

    assert "the download failed" in found["what"]
    assert "404" in found["what"]
    assert "pip install" not in found["fix"]


def test_where_the_hubs_cache_cannot_be_the_file_comes_all_the_same(server, locate, tmp_path):
    (tmp_path / "file").touch()

    found = locate(HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}", HF_HOME=str(tmp_path / "file"))

    assert found.get("sha256") == hashlib.sha256(CONTENT).hexdigest(), found
    assert "HF_HOME=FOLDER" in found["told"][0]
    assert list(Path(tmp_path).rglob("*.safetensors")) == []
