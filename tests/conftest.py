"""Fixtures for everyone: the shared photos and reference data, which never become part of the repository."""

import os
from pathlib import Path

import pytest

try:
    from hypothesis import settings
except ImportError:  # the environments of the slower groups do without
    pass
else:
    settings.register_profile("patient", deadline=None)  # a busy machine fails no test
    settings.load_profile("patient")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared photos and reference outputs; tests that need it are skipped without it."""
    folder = Path(os.environ.get("EFFICIENTNET_LITE_SHARED", ROOT.parent / "shared"))
    if not (folder / "README.md").is_file():
        pytest.skip(f"no shared data at {folder}: set EFFICIENTNET_LITE_SHARED")
    return folder
