"""What surrounds a process: system, Python, the place of the cache, and variables that change how libraries work."""

import getpass
import os
import platform
import re
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite.errors import UnusableInput, bounded, printable
from efficientnet_lite.machine.discreet import Discretion
from efficientnet_lite.storage import files
from efficientnet_lite.weights.model_hub import OFFLINE

# Those that a report of a fault is read for. A value is said where it is a number or a word, else only that it is set.
VARIABLES = (
    *("EFFICIENTNET_LITE_CACHE", *OFFLINE),
    *("PYTHONPATH", "PYTHONOPTIMIZE", "LD_PRELOAD", "LD_LIBRARY_PATH"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE"),
    *("KERAS_BACKEND", "TF_USE_LEGACY_KERAS", "CUDA_VISIBLE_DEVICES"),
)
OWN_FILES = re.compile(r"cache-\d+\.sqlite(-wal|-shm)?")
PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.,-]{0,20}")


@dataclass(frozen=True, slots=True)
class CachePlace:
    """Where what is computed once is kept. None: there is no place, or the system does not say."""

    folder: Path | None
    bytes: int
    free_bytes: int | None  # of its disk
    fault: str  # why nothing can be written there; "" where it can


def system() -> str:
    """The operating system, its release, the machine's kind and the C library."""
    name = platform.system() or "unknown system"
    with suppress(OSError, ValueError):
        name = platform.freedesktop_os_release().get("PRETTY_NAME", name)
    libc = " ".join(each for each in platform.libc_ver() if each)
    kernel = f"{platform.system()} {platform.release()}"
    parts = (name, kernel if kernel not in name else "", platform.machine(), libc)
    return bounded(printable(", ".join(part for part in parts if part)))


def python() -> str:
    """Which Python runs this, and how it was installed."""
    if files.is_dir(Path(sys.prefix) / "conda-meta"):
        place = "conda"
    else:
        place = "virtual environment" if sys.prefix != sys.base_prefix else "no virtual environment"
    bits = "" if sys.maxsize > 2**32 else ", 32 bits"
    return f"{platform.python_implementation()} {platform.python_version()}{bits}, {place}"


def discretion() -> Discretion:
    """What a report may not say of who runs this."""
    users = {os.environ.get("SUDO_USER", "")}
    with suppress(OSError, KeyError, ImportError):  # a user whom the system does not know
        users.add(getpass.getuser())
    homes = set()
    for spelling in ("~", *(f"~{user}" for user in users if user)):
        with suppress(RuntimeError):  # nobody's process, as in a container
            home = Path(spelling).expanduser()
            homes |= {str(home), str(files.real(home))}
    return Discretion(tuple(sorted(homes)), tuple(sorted(users)), platform.node())


def variables() -> dict[str, str]:
    """Of VARIABLES those that are set, with their values or "set"."""
    there = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    return {name: value if PLAIN_VALUE.fullmatch(value) else "set" for name, value in there.items()}


def encodings() -> dict[str, str]:
    """In which encoding names of files, and what is shown, are written."""
    shown = getattr(sys.stdout, "encoding", None)
    return {"names of files": sys.getfilesystemencoding(), "output": shown or "utf-8"}


def load() -> float | None:
    """Programs that wanted a core in the last minute, on average; None where the system does not say."""
    with suppress(OSError, AttributeError):
        return os.getloadavg()[0]
    return None


def cache_place() -> CachePlace:
    """Where the cache is or would be; a file without a name is written there to see whether that works."""
    try:
        from efficientnet_lite.storage.cache_place import cache_folder

        folder = cache_folder()
    except Exception as error:  # platformdirs is broken; the rest is still of interest
        return CachePlace(None, 0, None, f"platformdirs: {type(error).__name__}: {error}")
    if folder is None:
        return CachePlace(None, 0, None, "there is no home folder to keep it in")
    there = _nearest(folder)
    free = None
    with suppress(OSError):
        free = shutil.disk_usage(there).free
    return CachePlace(folder, _bytes(folder), free, _fault(folder, there))


def _bytes(folder: Path) -> int:
    """Of the cache's own files; whatever else lies in the folder counts for nothing."""
    with suppress(UnusableInput):
        return sum(files.size(each) for each in files.entries(folder, OWN_FILES))
    return 0


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    return next(
        (each for each in (folder.absolute(), *folder.absolute().parents) if files.exists(each)), folder
    )


def _fault(folder: Path, there: Path) -> str:
    if not files.is_dir(there):
        return f"{there} is no folder"
    if there != folder.absolute():  # it is made when it is first needed
        return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} may not be written to"
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""
