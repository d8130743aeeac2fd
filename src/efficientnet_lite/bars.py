"""The stages of the work, for whoever watches: bars where a line can be written over, else the lines of a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from efficientnet_lite import terminal
from efficientnet_lite.errors import printable
from efficientnet_lite.notices import listening
from efficientnet_lite.progress import OnProgress, Progress, ShowStage, duration, rate_of, silent

if TYPE_CHECKING:
    from rich.console import Console

EVERY_S = 300  # between two lines of a stage in a log


def stages(progress: Progress) -> ShowStage:
    """What `progress=` of a public function means: bars on the stream of errors, nothing, or the caller's own."""
    if isinstance(progress, bool):
        return _with_lines if progress else silent
    return progress


@contextmanager
def _with_lines(description: str) -> Iterator[OnProgress]:
    """A stage on the stream of errors, and the lines that it says meanwhile."""
    drawn = Stages(sys.stderr)
    with listening(lambda line: drawn.say(f"warning: {line}"), drawn.say), drawn.shown(description) as shown:
        yield shown


class Stages:
    """Shows stages on one stream, one at a time."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._console: Console | None = None  # that the bar is drawn on, while one is

    def shown(self, description: str) -> AbstractContextManager[OnProgress]:
        """Show one stage; gives on_progress(done, total).

        Where lines can be written over it is a bar, which stays when the stage is over. Elsewhere it is a line
        when the stage begins, one every few minutes and one when it ends, so that a log holds neither thousands of
        lines nor none.
        """
        form = self._bar if terminal.can_redraw(self.stream) else self._two_lines
        return form(printable(description))

    def say(self, line: str) -> None:
        """Write a line, above the bar where one is drawn."""
        text = f"{printable(line)}\n"
        if not self.print_above(text):
            self._write(text)

    def print_above(self, text: str) -> bool:
        """Write `text` above the bar; False where none is drawn, and it is to be written as ever."""
        if self._console is None:
            return False
        self._console.print(text, end="", markup=False, emoji=False, highlight=False, soft_wrap=True)
        return True

    @contextmanager
    def _bar(self, description: str) -> Iterator[OnProgress]:
        from efficientnet_lite.drawn_bar import console_on, drawn_bar  # rich is imported with the first bar

        console = console_on(self.stream)
        with drawn_bar(description, console) as on_progress:
            self._console = console
            try:
                yield on_progress
            finally:
                self._console = None

    @contextmanager
    def _two_lines(self, description: str) -> Iterator[OnProgress]:
        self._write(f"{description} ...\n")
        began, reached = time.monotonic(), ""
        told, first = began, -1

        def on_progress(done: int, total: int) -> None:
            nonlocal reached, told, first
            # Shown when the stage is over: then this is all there was.
            reached = f"{done} of {done}, " if total > 1 else ""
            first = done if first < 0 else first  # what was there before was not done now
            if total > 1 and (now := time.monotonic()) - told >= EVERY_S and done > first:
                told, speed = now, (done - first) / (now - began)
                said = [f"{done} of {total}", rate_of(speed), f"{duration((total - done) / speed)} left"]
                self._write(f"{description}: {', '.join(filter(None, said))}\n")

        yield on_progress
        self._write(f"{description}: {reached}{time.monotonic() - began:.1f} s\n")

    def _write(self, text: str) -> None:
        encoding = self.stream.encoding or "utf-8"
        with suppress(OSError, ValueError):  # nobody is there to tell
            self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self.stream.flush()
