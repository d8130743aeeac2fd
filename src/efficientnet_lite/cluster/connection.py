"""How a Ray cluster is reached, and what is said where none answers. Ray's reports of use are turned off."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from efficientnet_lite import extras
from efficientnet_lite.errors import CALL, UnusableInput, UsageError

ANSWER_S = 5.0  # in which a port opens, and then says that it is Ray's
FIX = "check the address, and that a Ray cluster runs there (`ray status` says so on its head)"


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """A block that works on the cluster at `address`, "auto" or HOST:PORT; it is left as it was.

    Where None, that of RAY_ADDRESS, or one that runs on this machine, or a cluster of this machine alone for the while.

    Raises:
        UsageError: Ray is not installed, or that is no address.
        UnusableInput: no cluster answers there.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when Ray is imported
    os.environ.setdefault(
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
    )  # else it warns of what it will do one day
    with extras.needed("`engine='ray'` needs Ray", where=CALL, install=extras.RAY):
        import ray
    if ray.is_initialized():  # by the caller, who knows which cluster
        yield
        return
    _check_answers(address or os.environ.get("RAY_ADDRESS", ""))
    with _nothing_printed():
        with _signals_kept():
            _begin(ray, address)
        try:
            yield
        finally:
            with _signals_kept(), suppress(Exception):
                ray.shutdown()


def _begin(ray: Any, address: str | None) -> None:
    try:
        ray.init(
            address=address,
            namespace="efficientnet-lite",
            log_to_driver=False,  # what nodes print is in Ray's logs
            logging_level="ERROR",
            **({} if address else {"include_dashboard": False}),
        )
    except ValueError as error:
        said = str(error).partition("\n")[0]
        raise UsageError(
            f"no address of a cluster: {said}", where=address or CALL, fix="give HOST:PORT, or `auto`"
        ) from error
    except (ConnectionError, RuntimeError) as error:
        raise _no_answer(address or CALL, str(error).partition("\n")[0]) from error


def _check_answers(address: str) -> None:
    """Raise UnusableInput where nobody answers, or nobody who speaks as Ray does, which would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # "auto", or what Ray will call no address
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S) as server:
            is_ray = _speaks_grpc(server)
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise _no_answer(address, said) from error
    if not is_ray:
        raise _no_answer(address, "what answers there is not Ray")


def _speaks_grpc(server: socket.socket) -> bool:
    """Whether it greets as gRPC does: with the settings of HTTP/2 (RFC 9113, 3.4 and 6.5)."""
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return True  # which greets otherwise
    try:
        server.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
        first = server.recv(4)
    except TimeoutError:
        return False
    return len(first) == 4 and first[3] == 4


def _no_answer(address: str, said: str) -> UnusableInput:
    return UnusableInput(f"no Ray cluster answers: {said}", where=address, fix=FIX)


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """Ray prints what it says of lost workers on stdout, whatever it is asked; here it does not."""
    from ray._private import worker

    name = "_worker_logs_enabled"  # there is no public word for it
    before = getattr(worker, name, True)
    setattr(worker, name, False)
    try:
        yield
    finally:
        setattr(worker, name, before)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself; it stays whose it was."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is not before:
            with suppress(ValueError):  # no main thread, so nothing was taken
                signal.signal(signal.SIGTERM, before)
