"""One stage as a bar of rich: it ends full, and none of its numbers breaks, however narrow the terminal is."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TextIO, cast

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from efficientnet_lite import terminal
from efficientnet_lite.progress import OnProgress, duration, rate_of

PER_SECOND = 10  # drawings
# Cells: what is done, at most where the terminal is wide, the bar, how much of it, how fast, and what time that takes.
DESCRIPTION, BAR, COUNT, RATE, TIME = 26, 24, 11, 8, 16
SHORTEST, SHORT, SHORTER = 6, 14, 12  # cells of a bar
SPACIOUS, WIDE, FOR_BAR, FOR_TIME = (
    90,
    80,
    60,
    40,
)  # narrower ones have a shorter bar, no rate, no bar, no time


class _Safe:
    """A stream that takes every character, and whose reader may be gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()


def console_on(stream: TextIO) -> Console:
    """What draws on `stream`, a terminal or a notebook's; there by a widget where ipywidgets is installed."""
    by_widget = terminal.is_notebook(stream) and find_spec("ipywidgets") is not None
    return Console(
        file=None if by_widget else cast(TextIO, _Safe(stream)),
        force_terminal=True,
        force_jupyter=by_widget,
        width=max(1, (terminal.columns(stream) or terminal.USUAL_WIDTH) - 1),  # the last cell would wrap
        no_color=not terminal.has_colors(stream),
        legacy_windows=False,
    )


@contextmanager
def drawn_bar(description: str, console: Console) -> Iterator[OnProgress]:
    """Draw one stage; gives on_progress(done, total)."""
    bar = Progress(
        *_columns(console.width, description),
        console=console,
        refresh_per_second=PER_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = bar.add_task(description, total=None)
    with bar:
        try:
            yield lambda done, total: bar.update(task, completed=done, total=total)
        except BaseException:
            bar.update(task, stopped=True)
            raise
        done = bar.tasks[0].completed or 1  # it is over: what was done is all
        bar.update(task, completed=done, total=done)


def _columns(width: int, description: str) -> list[ProgressColumn]:
    """What finds room in `width` cells beside the description and the count: a shorter bar or none, then no time."""
    room = width - cell_len(description) - COUNT - 1
    time = TIME if width >= FOR_TIME - 1 and room > TIME else 0
    rate = RATE if width >= WIDE - 1 and room > time + RATE + SHORTEST + 2 else 0
    longest = BAR if width >= SPACIOUS - 1 or (not rate and width >= WIDE - 1) else SHORT if rate else SHORTER
    bar = min(longest, room - time - rate - 2 - bool(rate))
    if bar < SHORTEST or width < FOR_BAR - 1:
        bar = 0
    columns: list[ProgressColumn] = [_Description(width, bar, rate, time)]
    if bar:
        columns.append(BarColumn(bar, complete_style="cyan", finished_style="green", pulse_style="cyan"))
    columns.append(_Count(Column(no_wrap=True, justify="right", min_width=COUNT if bar else None)))
    if rate:
        columns.append(_Rate(Column(no_wrap=True, justify="right", min_width=RATE)))
    if time:
        columns.append(_Time(Column(no_wrap=True)))
    return columns


def _count(task: Task) -> str:
    """How much of how much, where that says more than that a stage runs, or is over."""
    return f"{task.completed:,.0f}/{task.total:,.0f}" if task.total is not None and task.total > 1 else ""


class _Description(ProgressColumn):
    """What is done, shortened to the room that the other columns leave."""

    def __init__(self, width: int, bar: int, rate: int, time: int) -> None:
        aligned = min(DESCRIPTION, width // 3) if bar else None
        super().__init__(Column(no_wrap=True, min_width=aligned))
        self._room = width - sum(cells + 1 for cells in (bar, rate, time) if cells)
        self._least = COUNT if bar else 0

    def render(self, task: Task) -> Text:
        text = Text(task.description)
        text.truncate(max(1, self._room - max(self._least, len(_count(task))) - 1), overflow="ellipsis")
        return text


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_count(task))


class _Rate(ProgressColumn):
    """How many a second, as long as it goes on."""

    def render(self, task: Task) -> Text:
        running = _count(task) and not task.finished and not task.fields.get("stopped")
        return Text(rate_of(task.speed) if running and task.speed else "")


class _Time(ProgressColumn):
    """What it has taken, or what is left where that can be said."""

    def render(self, task: Task) -> Text:
        if task.fields.get("stopped"):
            return Text("stopped")
        left = task.time_remaining if _count(task) and not task.finished else None
        if left is not None:
            return Text(f"{duration(left)} left")
        return Text(duration((task.finished_time if task.finished else task.elapsed) or 0))
