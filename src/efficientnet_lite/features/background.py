"""One thread that carries out a step while the next one is being prepared: at most one is under way, none waits."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import ParamSpec, Self

P = ParamSpec("P")


class Background:
    """Steps in order, in a thread of their own. What goes wrong in one is raised to who comes next."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._step: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until nothing is under way; what goes wrong in the last step is raised where nothing else was."""
        try:
            if self._step is not None and kind is None:
                self._step.result()
        finally:
            if self._step is not None:
                wait([self._step])
            self._thread.shutdown()

    def do(self, step: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Begin a step when the one before it is done."""
        if self._step is not None:
            self._step.result()
        self._step = self._thread.submit(step, *args, **kwargs)

    def check(self) -> None:
        """Raise what went wrong in the last step, if it is done."""
        if self._step is not None and self._step.done():
            self._step.result()
