"""How work tells what it is doing, without printing: stages, each with a counter."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

OnProgress = Callable[[int, int], None]  # done, total
ShowStage = Callable[[str], AbstractContextManager[OnProgress]]


@contextmanager
def silent(description: str) -> Iterator[OnProgress]:
    """A stage that nobody watches."""
    yield lambda done, total: None
