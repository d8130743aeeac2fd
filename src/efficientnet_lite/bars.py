"""The stages of the work as bars, for whoever watches: the one drawing of them, in a terminal and in a notebook.

A bar is one line that is written over, without any code of a terminal but colors, so that it needs no library.
Where nothing can be written over, a log has one line when a stage begins and one when it ends.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TextIO

from efficientnet_lite import terminal
from efficientnet_lite.errors import printable
from efficientnet_lite.progress import OnProgress, ShowStage, duration

EVERY_S = 0.1  # seconds between two drawings
# Cells at most: what is done, the bar, how much of it, and what time it takes; two lie between them.
DESCRIPTION, BAR, COUNT, BEHIND = 26, 24, 11, 31
SHORTEST_BAR = 6
FILLED, EMPTY = "\u2501", "\u2500"  # heavy and light lines
PLAIN_FILLED, PLAIN_EMPTY = "#", "-"
RUNNING, FULL, FAINT, PLAIN = "\x1b[36m", "\x1b[32m", "\x1b[2m", "\x1b[0m"  # cyan, green


def shown_on(stream: TextIO | None = None) -> ShowStage:
    """Shows every stage on `stream`, that of the process's errors where None: as a bar, or as lines of a log."""
    return Stages(stream or sys.stderr).shown


@dataclass(slots=True)
class _Stage:
    """One stage while it runs."""

    description: str
    began: float = field(default_factory=time.monotonic)
    done: int = 0
    total: int | None = None
    over: bool = False  # it has ended as it should
    stopped: bool = False  # it has ended otherwise

    def count(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def end(self) -> None:
        """It is over: what was done is all."""
        self.over, self.total = True, self.total and self.done

    @property
    def counted(self) -> bool:
        """Whether a number says more than that it runs, or is over."""
        return self.total is not None and self.total > 1

    def share(self) -> float:
        return 1.0 if self.over else self.done / self.total if self.total else 0.0

    def time(self) -> str:
        """What it has taken, or what is left where that can be said."""
        if self.stopped:
            return "stopped"
        took = time.monotonic() - self.began
        if self.over or not self.total or not 0 < self.done < self.total:
            return duration(took)
        return f"{duration(took * (self.total - self.done) / self.done)} left"

    def line(self, width: int) -> "_Line":
        """The stage in `width` cells. Numbers stay whole: what finds no room goes.

        First the bar gets shorter and goes, then the time, then the count, then the end of the description.
        """
        count = f"{self.done:,}/{self.total:,}" if self.counted else ""
        lead = max(terminal.cells(self.description), min(DESCRIPTION, width // 3))
        behind = f"{count:>{COUNT}}  {self.time()}"
        bar = min(BAR, width - lead - max(len(behind), min(BEHIND, 2 * width // 5)) - 4)
        if bar >= SHORTEST_BAR:
            padded = self.description + " " * (lead - terminal.cells(self.description))
            return _Line(f"{padded}  ", *self._parts(bar), f"  {behind}")
        for parts in ([self.description, count, self.time()], [self.description, count], [self.description]):
            text = "  ".join(filter(None, parts))
            if terminal.cells(text) <= width:
                return _Line(text)
        return _Line(_cut(self.description, width))

    def _parts(self, bar: int) -> tuple[int, int, int]:
        """Cells of the bar that are empty, full, and empty again: without a count a part of it moves."""
        if self.over or self.counted:
            full = bar if self.share() >= 1 else min(bar - 1, int(bar * self.share()))
            return 0, full, bar - full
        part = bar // 4
        ways = bar - part
        place = int(8 * (time.monotonic() - self.began)) % (2 * ways)
        at = min(place, 2 * ways - place)
        return at, part, bar - at - part


class _Line(NamedTuple):
    """What stands in the line of a stage: text, the bar's cells that are empty, full and empty again, text."""

    before: str
    left: int = 0
    full: int = 0
    right: int = 0
    behind: str = ""

    def cells(self) -> int:
        return terminal.cells(self.before) + self.left + self.full + self.right + len(self.behind)

    def drawn(self, filled: str, empty: str, color: str) -> str:
        """`filled` and `empty` are a cell each; without a color there is no code at all."""

        def colored(code: str, part: str) -> str:
            return f"{code}{part}{PLAIN}" if part and color else part

        left, right = (colored(FAINT, empty * cells) for cells in (self.left, self.right))
        return f"{self.before}{left}{colored(color, filled * self.full)}{right}{self.behind}"


def _cut(text: str, width: int) -> str:
    while text and terminal.cells(text) > width:
        text = text[:-1]
    return text


class Stages:
    """Shows stages on one stream, one at a time."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._stage: _Stage | None = None  # while its bar is drawn
        self._width = 0  # cells of the line that stands there
        self._lock = threading.RLock()

    @contextmanager
    def shown(self, description: str) -> Iterator[OnProgress]:
        """Show one stage; gives on_progress(done, total).

        Where lines can be written over it is a bar, which stays when the stage is over. Elsewhere it is a line
        when the stage begins and one when it ends, so that a log holds neither thousands of lines nor none.
        """
        stage = _Stage(printable(description))
        form = self._bar if terminal.can_redraw(self.stream) else self._two_lines
        with form(stage):
            yield stage.count
            stage.end()

    @contextmanager
    def above(self) -> Iterator[None]:
        """While the block runs the bar is away, so that lines can be written where it stood."""
        with self._lock:
            self._erase()
            yield
            self._draw()

    @contextmanager
    def _bar(self, stage: _Stage) -> Iterator[None]:
        ended = threading.Event()

        def keep_drawing() -> None:
            while not ended.wait(EVERY_S):
                self._draw()

        drawing = threading.Thread(target=keep_drawing, daemon=True, name="progress")
        self._stage = stage
        drawing.start()
        try:
            yield
        finally:
            ended.set()
            drawing.join()
            stage.stopped = not stage.over
            self._draw()
            self._stage = None
            self._write("\n")
            self._width = 0

    @contextmanager
    def _two_lines(self, stage: _Stage) -> Iterator[None]:
        self._write(f"{stage.description} ...\n")
        yield
        reached = f"{stage.done} of {stage.total}, " if stage.counted else ""
        self._write(f"{stage.description}: {reached}{time.monotonic() - stage.began:.1f} s\n")

    def _draw(self) -> None:
        with self._lock:
            if self._stage is None:
                return
            width = (terminal.columns(self.stream) or terminal.USUAL_WIDTH) - 1  # the last cell would wrap
            line = self._stage.line(width)
            shapes = (FILLED, EMPTY) if terminal.is_utf8(self.stream) else (PLAIN_FILLED, PLAIN_EMPTY)
            color = FULL if self._stage.over else RUNNING
            text = line.drawn(*shapes, color if terminal.has_colors(self.stream) else "")
            taken = line.cells()
            self._write(f"\r{text}{' ' * min(self._width - taken, width - taken)}")
            self._width = taken

    def _erase(self) -> None:
        if self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def _write(self, text: str) -> None:
        encoding = self.stream.encoding or "utf-8"
        try:
            self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self.stream.flush()
        except (OSError, ValueError):
            pass  # nobody is there to tell
