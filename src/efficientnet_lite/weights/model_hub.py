"""Files of a model hub, by huggingface_hub: from its own cache, or from the network where there is one.

Environment: EFFICIENTNET_LITE_OFFLINE and HF_HUB_OFFLINE (any value but empty and 0: the network is not
touched); HF_HOME, HF_ENDPOINT and the proxies' variables as huggingface_hub understands them.
"""

import os
import socket
import tempfile
import threading
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from urllib.parse import urlsplit

from efficientnet_lite.errors import printable
from efficientnet_lite.notices import LOG

OFFLINE = ("EFFICIENTNET_LITE_OFFLINE", "HF_HUB_OFFLINE")
ANSWER_S = 10.0  # within which a server is found and takes a connection


class NotHad(Exception):
    """A file that cannot be had; the text says why, `fix` what to do about it where that is special."""

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.fix = fix


def switched_off() -> str | None:
    """The variable that forbids the network, if any does."""
    return next((name for name in OFFLINE if os.environ.get(name, "") not in ("", "0")), None)


def fetch(repository: str, file: str, revision: str, *, offline: bool) -> Path:
    """The file in huggingface_hub's own cache, downloaded unless it is there or `offline`.

    Its retries take half a minute where there is no network, so that is asked before.

    Raises NotHad.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
    try:
        import huggingface_hub
        from huggingface_hub import constants
    except ImportError as error:
        raise NotHad("huggingface_hub is not installed", "pip install 'efficientnet-lite[hf]'") from error
    download = partial(huggingface_hub.hf_hub_download, repository, file, revision=revision)
    with suppress(Exception):  # whatever it says of a file that is not there
        return Path(download(local_files_only=True))
    if offline:
        raise NotHad(
            f"they are not in the hub's cache, and {switched_off() or 'the caller'} forbids the network"
        )
    if said := _unreachable(constants.ENDPOINT):
        raise NotHad(f"they are not in the hub's cache, and there is no network: {said}")
    try:
        usual = Path(constants.HF_HUB_CACHE)
        if _is_writable(usual):
            return Path(download())
        _tell_unwritable(usual)
        return Path(download(cache_dir=_temporary().name, token=False))  # its token lies in the same place
    except Exception as error:  # its errors have no common base, and other ones in every major version
        cause = _root(error)
        raise NotHad(f"the download failed: {printable(str(cause) or type(cause).__name__)[:200]}") from error


def commit_of(path: Path) -> str | None:
    """The commit that a file of the hub's cache is of: its folder is called so."""
    name = path.parent.name
    return name if len(name) == 40 and set(name) <= set("0123456789abcdef") else None


def _is_writable(folder: Path) -> bool:
    """Whether `folder`, which is made where it is missing, can be written to."""
    if str(folder).startswith("~"):  # so it begins for a user without a home
        return False
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    return False


def _tell_unwritable(folder: Path) -> None:
    LOG.warning(
        f"the hub's cache {printable(folder)} cannot be written to, so the next run downloads again; "
        "HF_HOME=FOLDER chooses another place"
    )


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()  # deleted when the process ends


def _unreachable(address: str) -> str | None:
    """Why no connection to the server of `address`, or to the proxy before it, comes about; None where one does."""
    from urllib.request import getproxies, proxy_bypass

    server = urlsplit(address)
    proxy = getproxies().get(server.scheme) or getproxies().get("all")
    if proxy and not proxy_bypass(server.hostname or ""):
        server = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    port = server.port or (443 if server.scheme == "https" else 80)
    said: list[str] = []

    def connect() -> None:
        try:
            socket.create_connection((server.hostname or "", port), timeout=ANSWER_S).close()
            said.append("")
        except OSError as error:
            said.append(error.strerror or str(error))

    asking = threading.Thread(target=connect, daemon=True)  # finding a server's number has no time limit
    asking.start()
    asking.join(ANSWER_S)
    reason = said[0] if said else f"no answer within {ANSWER_S:.0f} s"
    return f"{server.hostname} cannot be reached ({reason})" if reason else None


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
