"""What a runtime is to those who use one, whichever it is, and a pool of them.

An engine is single-threaded on purpose. Measured on two cores, two engines in two Python threads give
nearly twice the photos a second of one engine with two threads, since LiteRT releases the interpreter
lock while it computes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import LifoQueue
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import wrong_argument
from efficientnet_lite.threads import AHEAD, Given, Result, in_threads
from efficientnet_lite.threads import cores as cores


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output: real = scale * (code - zero_point) where `scale` is not 0."""

    name: str  # as the signature calls it, where the file has one
    index: int
    shape: tuple[int, ...]  # a dynamic batch is 1
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    def reals(self, codes: npt.NDArray[Any]) -> Array:
        """What the values of this tensor stand for, in their shape."""
        values = codes.astype(np.float32)
        return (values - self.zero_point) * np.float32(self.scale) if self.scale else values


class Engine(Protocol):
    """An opened file, for one thread at a time."""

    @property
    def inputs(self) -> tuple[Tensor, ...]: ...

    @property
    def outputs(self) -> tuple[Tensor, ...]: ...

    def __call__(self, *inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Output name -> a fresh array, codes as they are. Inputs must have the file's shapes and dtypes."""
        ...

    def filled(self, fill: Callable[[npt.NDArray[Any]], None]) -> dict[str, npt.NDArray[Any]]:
        """The same for a file of one input, which `fill` writes into the array of its shape that it is given.

        Where that is the runtime's own memory, no copy is made. The array is gone when `fill` returns.
        """
        ...


class EnginePool:
    """One file opened several times, one engine for each thread; those after the first once they are needed."""

    def __init__(
        self, open_engine: Callable[..., Engine], model: bytes, *, workers: int, where: Path | str = "model"
    ) -> None:
        """Open `model` by `open_engine(model, where=where)`, at most once for each of `workers`."""
        self.workers = max(1, workers)
        self._open = partial(open_engine, model, where=where)
        self.first = self._open()
        # The last one that was given back is the next to be lent; None is one that has not been needed yet.
        self._idle: LifoQueue[Engine | None] = LifoQueue()
        for engine in (*[None] * (self.workers - 1), self.first):
            self._idle.put(engine)

    @contextmanager
    def borrowed(self) -> Iterator[Engine]:
        """An engine for this thread alone; waits where all are lent."""
        engine = self._idle.get()
        try:
            if engine is None:
                engine = self._open()
            yield engine
        finally:
            self._idle.put(engine)

    def map(
        self, function: Callable[[Engine, Given], Result], items: Iterable[Given], *, ahead: int = AHEAD
    ) -> Iterator[Result]:
        """`function(engine, item)` of every item, in order; at most `ahead` a thread are under way at once."""

        def with_engine(item: Given) -> Result:
            with self.borrowed() as engine:
                return function(engine, item)

        return in_threads(with_engine, items, workers=self.workers, ahead=ahead)


def chosen_workers(given: int | None) -> int:
    """How many threads a caller wants: one for each core where None. Raises UsageError for none at all."""
    if given is not None and given < 1:
        raise wrong_argument("workers", given, fix="give at least 1, or leave it out")
    return given or cores()
