"""What a user should know although nothing failed: lines of the log `efficientnet_lite`, to whoever listens.

A warning is for everybody, what is below it for who wants to follow, a detail for who asks for it. A command line
listens; where nobody does,
Python's logging writes the warnings to stderr. Pure.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOG = logging.getLogger("efficientnet_lite")

Say = Callable[[str], None]


class _Lines(logging.Handler):
    """Hands each line on, once."""

    def __init__(self, warn: Say, note: Say, detail: Say) -> None:
        super().__init__()
        self.warn, self.note, self.detail, self.said = warn, note, detail, set[str]()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self.said:
            self.said.add(text)
            if record.levelno >= logging.WARNING:
                self.warn(text)
            else:
                (self.note if record.levelno >= logging.INFO else self.detail)(text)


def _nobody(line: str) -> None:
    """Nobody asks."""


@contextmanager
def listening(warn: Say, note: Say = _nobody, detail: Say = _nobody) -> Iterator[None]:
    """While the block runs these get every line, and nobody else does."""
    handlers, level, LOG.propagate = LOG.handlers, LOG.level, False
    LOG.handlers = [_Lines(warn, note, detail)]
    LOG.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        LOG.handlers, LOG.propagate = handlers, True
        LOG.setLevel(level)


def direct(warn: Say, note: Say, detail: Say = _nobody) -> None:
    """From here on these get the lines, where somebody listens."""
    for handler in LOG.handlers:
        if isinstance(handler, _Lines):
            handler.warn, handler.note, handler.detail = warn, note, detail
