"""Signals that ask a process to end, SIGINT and SIGTERM, as a block of work takes them.

Outside of the main thread signals are not ours to take, and nothing is changed.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def asked_to_end(heeded: bool = True) -> Iterator[Callable[[], bool]]:
    """Ask the function that it gives whether SIGINT or SIGTERM came; the second SIGINT interrupts at once."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    with _taking(ask, (signal.SIGINT, signal.SIGTERM) if heeded else ()):
        yield lambda: bool(asked)


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM interrupts as Ctrl-C does, once; what else a caller does about it stays."""
    came = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if not came:
            came = True
            raise KeyboardInterrupt

    is_free = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    with _taking(interrupt, (signal.SIGTERM,) if is_free else ()):
        yield


@contextmanager
def _taking(handler: Handler, numbers: Sequence[signal.Signals]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        numbers = ()
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
