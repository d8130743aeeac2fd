"""What lies behind an address (`https://`, `s3://`, `memory://`, ...), read by fsspec: retried, and bounded in time.

An address fails for good where there is nothing or nobody may read it; any other failure is tried again from where it
happened. A server that says nothing, drips, or sends no more than it takes to look alive is given up.
"""

import errno
import io
import posixpath
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

from efficientnet_lite import extras
from efficientnet_lite.addresses import is_address, public
from efficientnet_lite.errors import UnreadablePhoto, UnusableInput
from efficientnet_lite.photos.decode import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]

ATTEMPTS = 6  # without a byte between them
PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0  # before another attempt; each is twice the last
SILENCE_S = 20.0  # in which nothing comes, of an HTTP server
WINDOW_S, LEAST_BYTES = 60.0, 60 * 1024  # of waiting, in which at least so many bytes must come
PHOTO_S = 120.0  # for one photo, all attempts together
CHUNK_BYTES = 1 << 20
HTTP = ("http", "https")
# What a table or manifest, which may be a stranger's, may lead to.
OPEN_PROTOCOLS = frozenset((*HTTP, "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hf", "memory"))
FIX = "check the address, and that it can be reached"
Outcome = TypeVar("Outcome")
_PASSING = (408, 425, 429)  # of HTTP's answers from 400 on: try again
_FORBIDDEN = (401, 403)  # a signature runs out, say
_TROUBLE = {  # of this system with a disk, a mounted network or itself
    getattr(errno, name, None)
    for name in ("EIO", "ESTALE", "ETIMEDOUT", "EMFILE", "ENFILE", "ENOMEM", "EREMOTEIO")
} - {None}


def is_http(address: str) -> bool:
    return address.partition("://")[0].lower() in HTTP


def path_in(address: str) -> str:
    """What names a file in an address: behind the host, where it has one, and before a query."""
    rest = address.partition("://")[2]
    path = rest.partition("/")[2] if is_http(address) else rest
    return path.partition("?")[0].partition("#")[0]


def joined(address: str, link: str) -> str | None:
    """Where a link of what lies at an address leads; None where that is no address."""
    try:
        return urljoin(address, link)
    except ValueError:  # [ without ]
        return None


def is_open_address(text: str) -> bool:
    """Whether what a stranger wrote is an address that is followed: one protocol, and no file of this machine."""
    return "::" not in text and text.partition("://")[0].lower() in OPEN_PROTOCOLS


def beside(address: str, written: str) -> str:
    """The address of what a manifest or table at `address` names."""
    if is_address(written):
        return written
    if is_http(address):
        plain = written.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
        return joined(address, plain) or f"{address.rpartition('/')[0]}/{plain}"
    protocol, _, path = address.partition("://")
    return f"{protocol}://{posixpath.normpath(posixpath.join(posixpath.dirname(path), written))}"


# Errors of aiohttp that say nothing to a reader, and hold for good.
_ASTRAY = {
    "TooManyRedirects": "the server leads in a circle",
    "NonHttpUrlRedirect": "the server leads to another protocol, which is not followed",
    "InvalidUrlRedirect": "the server leads to an address that is none",
    "InvalidUrlClientError": "no address that can be asked",
    "InvalidURL": "no address that can be asked",
}


class Hopeless(OSError):
    """What would be the same at another attempt: too slow, too long."""


class TooSlow(Hopeless):
    """What another attempt would not mend, and another day might."""


class Unreached(OSError):
    """No answer that counts, after as many attempts as it takes: no network, a server in trouble, or one too slow."""


class RemoteFile(io.RawIOBase):
    """The bytes behind an address. Raises OSError, with what the server said, once there is no hope.

    Forwards only and in one request where `seekable` is not asked for; else by requests for spans.
    """

    def __init__(
        self,
        address: str,
        *,
        seekable: bool = False,
        deadline_s: float | None = None,
        most_bytes: int | None = None,
    ) -> None:
        """At most `most_bytes` are of use, so that a server that announces more is not waited for."""
        super().__init__()
        self._most_bytes = most_bytes
        self._address, self._any_place = address, seekable
        self._deadline = None if deadline_s is None else time.monotonic() + deadline_s
        self._system, self._path = system_of(address)
        self._handle: Any = None
        self._position = 0
        self._waited, self._gained = 0.0, 0
        self._size: int | None = None
        if seekable:
            self._size = self._steadily(self._measured)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._any_place

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if not self._any_place:
            raise io.UnsupportedOperation("forwards only")
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size or 0}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: "Buffer") -> int:
        view = memoryview(buffer).cast("B")
        if not len(view):
            return 0
        data: bytes = self._steadily(lambda: self._read(len(view)))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._drop()
        super().close()

    def _steadily(self, action: Callable[[], Outcome]) -> Outcome:
        def timed() -> Outcome:
            started = time.monotonic()
            try:
                return action()
            finally:
                self._check_pace(time.monotonic() - started)

        return patiently(timed, self._drop)

    def _check_pace(self, waited: float) -> None:
        self._waited += waited
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TooSlow(f"not there within {PHOTO_S:.0f} s")
        if self._waited > WINDOW_S:
            if self._gained < LEAST_BYTES:
                raise TooSlow(f"{self._gained:,} bytes in {self._waited:.0f} s are too slow")
            self._waited, self._gained = 0.0, 0

    def _read(self, count: int) -> bytes:
        if self._handle is None:
            self._handle = self._opened()
        if self._any_place:
            self._handle.seek(self._position)
        data: bytes = self._handle.read(min(count, CHUNK_BYTES))
        self._gained += len(data)
        if not data and self._size is not None and self._position < self._size:
            raise OSError(f"it ends after {self._position:,} of {self._size:,} bytes")
        return data

    def _opened(self) -> Any:
        """A handle whose next byte is ours."""
        if self._any_place:
            return self._system.open(self._path, "rb")
        if not is_http(self._address):
            handle = self._system.open(self._path, "rb")
            handle.seek(self._position)
            return handle
        headers = {"Accept-Encoding": "identity"}  # what unfolds is a member's business
        if self._position:
            headers["Range"] = f"bytes={self._position}-"
        # A size other than 0 keeps fsspec from asking for it, and blocks of 0 from asking for spans.
        handle = self._system.open(self._path, "rb", block_size=0, size=1, headers=headers)
        announced = int(handle.r.headers.get("Content-Length", 0))
        if self._most_bytes is not None and announced > self._most_bytes:
            raise Hopeless(f"{announced:,} bytes are more than a photo can have ({self._most_bytes:,})")
        left = self._position if handle.r.status != 206 else 0
        while left:
            skipped = handle.read(min(left, CHUNK_BYTES))
            if not skipped:
                raise OSError(f"it ends before byte {self._position:,}, where it went on before")
            left -= len(skipped)
        return handle

    def _measured(self) -> int:
        try:
            size = self._system.info(self._path).get("size")
        except FileNotFoundError as error:  # fsspec says so of any failure of HTTP
            raise error.__cause__ or error from None
        if size is None:
            raise OSError("the server does not say how long it is")
        return int(size)

    def _drop(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(Exception):
                handle.close()


def patiently(action: Callable[[], Outcome], between: Callable[[], None] = lambda: None) -> Outcome:
    """What an action gives, after as many attempts as it takes.

    Raises OSError, with what was said last; Unreached where that does not hold for good.
    """
    pause = PAUSE_S
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return action()
        except Exception as error:  # which ones differs from library to library
            between()
            if isinstance(error, TooSlow):
                raise Unreached(_said(error)) from error
            if isinstance(error, Hopeless) or _is_final(error):
                raise OSError(_said(error)) from error
            if attempt == ATTEMPTS:
                raise Unreached(_said(error)) from error
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
    raise AssertionError("the last attempt returns or raises")


def read_photo(address: str) -> bytes:
    """The bytes of a photo behind an address, at most those that a photo may have and one. Raises UnreadablePhoto."""
    parts = io.BytesIO()
    try:
        with RemoteFile(address, deadline_s=PHOTO_S, most_bytes=MAX_BYTES) as file:
            while parts.tell() <= MAX_BYTES and (part := file.read(CHUNK_BYTES)):
                parts.write(part)
    except OSError as error:
        raise UnreadablePhoto(f"it cannot be read: {error}", where=address, fix=FIX) from error
    return parts.getvalue()


def may_pass(error: BaseException | None) -> bool:
    """Whether what kept a photo from being read may have passed another time: trouble on the way, or no permission.

    What is not there, or is no photo, stays so.
    """
    while error is not None:
        if isinstance(error, Unreached | PermissionError) or getattr(error, "status", None) in _FORBIDDEN:
            return True
        if isinstance(error, OSError) and error.errno in _TROUBLE:
            return True
        error = error.__cause__
    return False


def system_of(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path within it.

    Raises UsageError where fsspec or what it needs for this protocol is not installed, UnusableInput where there is no
    such protocol.
    """
    protocol = address.partition("://")[0]
    with extras.needed(
        f"addresses such as {protocol}:// need fsspec", where=address, install=extras.EMBED, saying_why=True
    ):
        from fsspec.core import url_to_fs
    try:
        with extras.needed(
            f"{protocol}:// needs a library",
            where=address,
            install=f"install it, or {extras.EMBED}",
            saying_why=True,
        ):
            system, path = url_to_fs(address, **_options(protocol))
    except ValueError as error:
        raise UnusableInput(f"no address that can be read: {_said(error)}", where=address, fix=FIX) from error
    return system, path


@cache
def _options(protocol: str) -> dict[str, Any]:
    if protocol not in HTTP:
        return {}
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
    return {"client_kwargs": {"timeout": timeout}}


def _is_final(error: Exception) -> bool:
    """Whether trying again would give the same."""
    status = getattr(error, "status", None)
    if isinstance(status, int) and status:
        return 400 <= status < 500 and status not in _PASSING
    if any(type(error).__name__.startswith(name) for name in _ASTRAY):
        return True
    return isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotImplementedError)


def _said(error: Exception) -> str:
    """What went wrong, on one line."""
    if isinstance(error, TimeoutError):
        return f"no answer in {SILENCE_S:.0f} s"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if astray := next(
        (text for name, text in _ASTRAY.items() if type(error).__name__.startswith(name)), None
    ):
        return astray
    status, message = getattr(error, "status", None), getattr(error, "message", None)
    if isinstance(status, int) and status:
        return f"the server answers {status} {message or ''}".strip()
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return public(" ".join(text.split()))[:300]
