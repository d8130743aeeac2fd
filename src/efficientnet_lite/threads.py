"""Work for several threads whose outcomes come in order, few of them at a time."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Given = TypeVar("Given")
Result = TypeVar("Result")

AHEAD = 4  # items a worker that are under way or waiting


def in_threads(
    function: Callable[[Given], Result], items: Iterable[Given], *, workers: int, ahead: int = AHEAD
) -> Generator[Result, None, None]:
    """`function(item)` of every item, in order, computed by `workers` threads.

    At most `ahead` items a worker are under way or waiting, so memory does not grow with the number of
    items. When the caller stops early, what has not begun is dropped.
    """
    pending: deque[Future[Result]] = deque()
    executor = ThreadPoolExecutor(max_workers=workers)
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) >= ahead * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Beside(Generic[Result]):
    """Something that is computed beside what its caller does."""

    _future: Future[Result]

    def result(self) -> Result:
        """Wait for it; raises what went wrong."""
        return self._future.result()

    def check(self) -> None:
        """Raise what went wrong, if that is known."""
        if self._future.done():
            self._future.result()


@contextmanager
def beside(function: Callable[[], Result]) -> Iterator[Beside[Result]]:
    """`function()` in a thread of its own, which has ended when the block has."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        yield Beside(executor.submit(function))
