"""What a user should know although nothing failed: one line, from any depth, to whoever listens.

A command line listens; where nobody does, a notice is a warning of Python's own kind. Pure.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str], None]
_listeners: list[Listener] = []


class Notice(UserWarning):
    """Nothing failed, but something is not as the user may think."""


def notify(text: str) -> None:
    """Tell `text` to the last listener, from any thread."""
    if _listeners:
        _listeners[-1](text)
    else:
        warnings.warn(text, Notice, stacklevel=3)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """While the block runs `listener` gets every notice."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
