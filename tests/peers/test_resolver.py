"""Each package that people have beside ours installs with it, in its current version; asks the package index."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PEERS = ("gradio", "streamlit", "datasets", "timm", "fastai", "ultralytics", "mediapipe")
SHUT_OUT: dict[str, str] = {}  # peer -> the bound that shuts it out, where that is not ours


def compiled(*requirements: str, ours: bool) -> subprocess.CompletedProcess[str]:
    """What uv would install for `requirements`, and for ours."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "-"]
    return subprocess.run(
        [*command, *([str(ROOT / "pyproject.toml")] if ours else [])],
        input="\n".join(requirements),
        capture_output=True,
        text=True,
        timeout=300,
    )


def current(peer: str) -> str:
    done = compiled(peer, ours=False)
    assert done.returncode == 0, done.stderr
    return next(line for line in done.stdout.splitlines() if line.partition("==")[0] == peer)


@pytest.mark.parametrize("peer", PEERS)
def test_the_current_version_of_a_peer_installs_beside_ours(peer):
    done = compiled(current(peer), ours=True)

    if peer in SHUT_OUT:
        assert done.returncode != 0, f"{peer} is no longer shut out: take it out of the table"
        assert SHUT_OUT[peer] in " ".join(done.stderr.split())
    else:
        assert done.returncode == 0, done.stderr
        assert {"numpy", "pillow"} <= {line.partition("==")[0] for line in done.stdout.splitlines()}


def test_a_bound_of_ours_that_shuts_a_peer_out_is_named():
    done = compiled("pillow<11", ours=True)

    assert done.returncode != 0
    assert "pillow>=11.3" in " ".join(done.stderr.split())
