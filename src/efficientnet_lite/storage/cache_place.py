"""Where what can be had again is kept: the folder, and what to say where it cannot be used.

Environment: EFFICIENTNET_LITE_CACHE (the folder; the platform's own place for caches where it is not set).
"""

import os
from pathlib import Path

import platformdirs

from efficientnet_lite.errors import printable
from efficientnet_lite.notices import LOG

VARIABLE = "EFFICIENTNET_LITE_CACHE"
_told: set[str] = set()  # what this process has said already


def cache_folder() -> Path | None:
    """The folder, which need not exist; None for a user without a home (a container), who has no place for it."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    try:
        folder = Path(platformdirs.user_cache_dir("efficientnet-lite", appauthor=False))
    except RuntimeError:  # no HOME, and the system does not know the user
        return None
    return folder if folder.is_absolute() else None  # older versions give one that begins with "~"


def tell(what: str) -> None:
    """Say once in a process that the cache is not as it should be, and how another is chosen."""
    if what not in _told:
        _told.add(what)
        LOG.warning(f"{what}; {VARIABLE}=FOLDER chooses another place")


def tell_unusable(folder: Path | None, error: Exception | str | None) -> None:
    """Say once that nothing is kept beyond this run, and why."""
    if folder is None:
        fault = "there is no home folder to keep the cache in"
    else:
        fault = f"the cache {printable(folder)} cannot be used ({getattr(error, 'strerror', None) or error})"
    tell(f"{fault}, so a temporary one serves for this run")
