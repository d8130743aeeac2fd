"""Photos of one file that can only be read forwards, such as a packed archive, had in nearly the order of the list.

What comes by before it is asked for is held for a while, since several threads ask at once. What has gone by and is
asked for again makes the passage begin anew.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

HELD_BYTES, HELD_PHOTOS = 64 * 2**20, 256
OPEN_AT_ONCE = 4  # files

Passing = Iterator[tuple[int, bytes]]  # where each photo begins, growing, and its bytes
Begin = Callable[[str, int], Passing]  # from a file, and a place in it before which nothing is asked for


class Passages:
    """The files that are read forwards just now. Safe in many threads."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._open: OrderedDict[str, _Passage] = OrderedDict()

    def read(self, where: str, start: int, until: int = 0) -> bytes:
        """The photo that begins at `start`. Raises LookupError where none does, and what the reading raises.

        What is raised holds for all up to `until`, which then are not tried: each would take as long to fail.
        """
        with self._lock:
            passage = self._open.pop(where, None) or _Passage(where, self._begin)
            self._open[where] = passage
            old = [self._open.popitem(last=False)[1]] if len(self._open) > OPEN_AT_ONCE else []
        for each in old:
            each.end()
        return passage.read(start, until)

    def close(self) -> None:
        with self._lock:
            for each in self._open.values():
                each.end()
            self._open.clear()


class _Passage:
    def __init__(self, where: str, begin: Begin) -> None:
        self._where, self._begin = where, begin
        self._lock = threading.Lock()
        self._passing: Passing | None = None
        self._next = 0  # everything that begins before this has come by
        self._held: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._lost = range(0), ""  # what failed for good, and why

    def read(self, start: int, until: int) -> bytes:
        with self._lock:
            if (held := self._held.pop(start, None)) is not None:
                self._bytes -= len(held)
                return held
            lost, reason = self._lost
            if start in lost:
                raise OSError(reason)  # a new one: each raise adds to what an error holds
            was_open = self._passing is not None
            try:
                return self._pass_to(start)
            except OSError as error:
                self._stop()
                if not was_open:
                    self._lost = range(start, until), str(error)
                    raise
            except BaseException:
                self._stop()
                raise
        return self.read(start, until)  # it may have failed in what comes before and is asked for by nobody

    def end(self) -> None:
        with self._lock:
            self._stop()

    def _pass_to(self, start: int) -> bytes:
        if self._passing is None or start < self._next:
            self._stop()
            self._passing = self._begin(self._where, start)
        for place, data in self._passing:
            self._next = place + 1
            if place == start:
                return data
            if place > start:
                break
            self._hold(place, data)
        raise LookupError("it is not there any more: the file has changed")

    def _hold(self, place: int, data: bytes) -> None:
        self._held[place] = data
        self._bytes += len(data)
        while self._bytes > HELD_BYTES or len(self._held) > HELD_PHOTOS:
            self._bytes -= len(self._held.popitem(last=False)[1])

    def _stop(self) -> None:
        passing, self._passing, self._next = self._passing, None, 0
        self._held.clear()
        self._bytes = 0
        if passing is not None and hasattr(passing, "close"):
            passing.close()
