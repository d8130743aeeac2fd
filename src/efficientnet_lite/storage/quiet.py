"""What libraries say unasked, kept from the user: the warnings of one thread while it decodes, lines of C++."""

import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

_thread = threading.local()


class _InDecodingThread(type):
    """Makes `issubclass(anything, _PillowWarning)` true in a thread that is inside `quiet`."""

    def __subclasscheck__(cls, category: type) -> bool:
        return getattr(_thread, "decoding", False)


class _PillowWarning(Warning, metaclass=_InDecodingThread):
    """Stands for every warning raised while this thread decodes."""


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore the warnings of this thread, and only of this thread.

    Pillow warns of damaged metadata and of photos above 89 megapixels; we say so ourselves, or do
    not mind. `warnings.catch_warnings` is no way to silence it: it swaps the filters of all threads,
    and two that overlap can leave the wrong ones behind.
    """
    if warnings.filters[:1] != [("ignore", None, _PillowWarning, None, 0)]:
        warnings.simplefilter("ignore", _PillowWarning)
    _thread.decoding = True
    try:
        yield
    finally:
        _thread.decoding = False


@contextmanager
def only_errors_of(library: str) -> Iterator[None]:
    """Let a library log nothing but errors meanwhile, such as while it is imported."""
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def stderr_without(*parts: bytes) -> Iterator[None]:
    """Drop lines that hold one of `parts` from stderr, those of C++ included; all others come afterwards.

    A temporary file stands in for file descriptor 2 meanwhile. Where there is no such descriptor (a
    windowed program) or no place for the file, nothing is dropped.
    """
    with ExitStack() as stack:
        try:
            held = stack.enter_context(tempfile.TemporaryFile())
            sys.stderr.flush()
            saved = os.dup(2)
        except (OSError, AttributeError, ValueError):
            yield
            return
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            with suppress(OSError, ValueError):  # what Python holds back belongs to this time too
                sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            others = b"".join(line for line in held.readlines() if not any(part in line for part in parts))
            with suppress(OSError), os.fdopen(os.dup(2), "wb") as stderr:  # a closed pipe ends nothing here
                stderr.write(others)
