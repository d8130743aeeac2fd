"""Fixtures for everyone: the shared photos and reference data, which never become part of the repository."""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Each worker of pytest-xdist has its core: threads of BLAS would wait for each other by spinning. Children have it too.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

try:
    from hypothesis import settings
except ImportError:  # the environments of the slower groups do without
    pass
else:
    settings.register_profile("patient", deadline=None)  # a busy machine fails no test
    settings.load_profile("patient")

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef, request: pytest.FixtureRequest) -> object:
    """What a fixture of a module or wider made by `tmp_path_factory` goes with it, unless a test failed meanwhile.

    pytest does so for `tmp_path` alone (tmp_path_retention_policy), and keeps these until the session ends.
    """
    if "tmp_path_factory" not in fixturedef.argnames:
        return (yield)
    base: Path = request.getfixturevalue("tmp_path_factory").getbasetemp()
    before, failed, made = set(base.iterdir()), request.session.testsfailed, set()

    def remove() -> None:
        if request.session.testsfailed == failed:
            for folder in made:
                shutil.rmtree(folder, ignore_errors=True)

    fixturedef.addfinalizer(remove)  # before the fixture's own, so that it comes after them
    try:
        return (yield)
    finally:
        made.update(set(base.iterdir()) - before)


@pytest.fixture(scope="session", autouse=True)
def no_loss_of_power() -> Iterator[None]:
    """Nothing waits for the disk: what a kill leaves is the same. A sixth of the time of a run went there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared photos and reference outputs; tests that need it are skipped without it."""
    folder = Path(os.environ.get("EFFICIENTNET_LITE_SHARED", ROOT.parent / "shared"))
    if not (folder / "README.md").is_file():
        pytest.skip(f"no shared data at {folder}: set EFFICIENTNET_LITE_SHARED")
    return folder


@pytest.fixture(scope="session")
def bound() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program that file permissions bind: `bound(program, *arguments, **environment)`.

    They do not bind root, as whom tests often run; Linux lets root give that privilege up.
    """
    if os.name != "posix":
        pytest.skip("needs POSIX permissions")

    def run(program: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            env={**os.environ, **environment},
            preexec_fn=_give_up_root_privileges,
            capture_output=True,
            text=True,
            timeout=120,
        )

    with tempfile.TemporaryDirectory() as name:
        closed = Path(name, "closed")
        closed.mkdir(mode=0)
        if run("import os, sys; os.listdir(sys.argv[1])", closed).returncode == 0:
            pytest.skip("permissions cannot be made to bind here")
    return run


def _give_up_root_privileges() -> None:
    """In a child before its program starts: no CAP_DAC_OVERRIDE (1), no CAP_DAC_READ_SEARCH (2)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    for capability in (1, 2) if prctl else ():
        prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
