"""What a user should know although nothing failed: lines of the log `efficientnet_lite`, to whoever listens.

A warning is for everybody, what is below it for who wants to follow. A command line listens; where nobody does,
Python's logging writes the warnings to stderr. Pure.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOG = logging.getLogger("efficientnet_lite")

Say = Callable[[str], None]


class _Lines(logging.Handler):
    """Hands each line on, once."""

    def __init__(self, warn: Say, note: Say) -> None:
        super().__init__()
        self.warn, self.note, self.said = warn, note, set[str]()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self.said:
            self.said.add(text)
            (self.warn if record.levelno >= logging.WARNING else self.note)(text)


@contextmanager
def listening(warn: Say, note: Say = lambda line: None) -> Iterator[None]:
    """While the block runs these two get every line, and nobody else does."""
    handlers, level, LOG.propagate = LOG.handlers, LOG.level, False
    LOG.handlers = [_Lines(warn, note)]
    LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOG.handlers, LOG.propagate = handlers, True
        LOG.setLevel(level)


def direct(warn: Say, note: Say) -> None:
    """From here on these two get the lines, where somebody listens."""
    for handler in LOG.handlers:
        if isinstance(handler, _Lines):
            handler.warn, handler.note = warn, note
