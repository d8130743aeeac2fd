"""Work for several threads whose outcomes come in order, few of them at a time; and how many cores there are."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

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


def share(function: Callable[[Given], object], items: Iterable[Given], *, workers: int) -> None:
    """`function(item)` of every item by `workers` threads, each of which takes the next one when it is free.

    For items of a fraction of a millisecond, of which nobody wants the outcomes in order. The items come from one
    thread at a time. The first error ends it, and is raised here.
    """
    stream, lock, none = iter(items), threading.Lock(), object()
    is_over = threading.Event()

    def work() -> None:
        try:
            while not is_over.is_set():
                with lock:
                    item = next(stream, none)
                if item is none:
                    break
                function(item)  # type: ignore[arg-type]  # it is no `none`
        finally:
            is_over.set()

    with ThreadPoolExecutor(max_workers=workers) as executor:
        working = [executor.submit(work) for _ in range(workers)]
        try:
            for each in working:
                each.result()
        finally:
            is_over.set()


def beside(function: Callable[[], Result]) -> Future[Result]:
    """What `function()` will give or raise, from a thread of its own, which nobody waits for but who asks.

    So an error or Ctrl-C on the other side does not wait for a download to end.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
