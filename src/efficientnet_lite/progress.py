"""How work tells what it is doing, without printing: stages, each with a counter."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

OnProgress = Callable[[int, int], None]  # done, total
ShowStage = Callable[[str], AbstractContextManager[OnProgress]]
# Of a public function: nothing is shown, bars are, or what the caller makes of stages.
Progress = bool | ShowStage


@contextmanager
def silent(description: str) -> Iterator[OnProgress]:
    """A stage that nobody watches."""
    yield lambda done, total: None


def rate_of(speed: float) -> str:
    """Things a second for people: "1,180/s", "0.4/s"; empty where that would say nothing."""
    if speed < 0.05:
        return ""
    return f"{speed:.1f}/s" if speed < 9.95 else f"{speed:,.0f}/s"


def duration(seconds: float) -> str:
    """Time for people: "0.4 s", "12 s", "1 min 52 s", "2 h 5 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
