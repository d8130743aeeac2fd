"""The warnings of one thread, kept from the user while it decodes."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

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
