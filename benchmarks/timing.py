"""Times that other load on the machine disturbs as little as can be, and the memory of a whole process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of one call. The least is what the machine can do; the median is what it did."""

    least: float
    median: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """How long one call takes in terms of another, from pairs measured in turn; 0.9: a tenth less."""

    median: float
    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.lowest:.2f}-{self.highest:.2f})"


def timed(call: Callable[[], object], runs: int) -> Timed:
    """`runs` calls, after one that does not count."""
    call()
    times = [_milliseconds(call) for _ in range(runs)]
    return Timed(min(times), median(times))


def paired(
    first: Callable[[], object], second: Callable[[], object], *, rounds: int, runs: int
) -> tuple[Timed, Timed, Ratio]:
    """Both calls in turn, A B A B, in blocks of `runs`; the ratio is that of the least in two such blocks.

    The least of a block is hardly touched by other programs, and two blocks in a row find the same machine,
    so the ratio is steadier than either time.
    """
    first()
    second()
    blocks = [[[_milliseconds(call) for _ in range(runs)] for call in (first, second)] for _ in range(rounds)]
    ratios = [min(one) / min(other) for one, other in blocks]
    one, other = ([value for block in blocks for value in block[side]] for side in (0, 1))
    return (
        Timed(min(one), median(one)),
        Timed(min(other), median(other)),
        Ratio(median(ratios), min(ratios), max(ratios)),
    )


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended well."""

    seconds: float  # from its start to its end, the interpreter's own start included
    peak_bytes: int  # largest resident memory
    output: str


def finished(
    command: Sequence[str | os.PathLike[str]], *, environment: Mapping[str, str] | None = None
) -> Finished:
    """Run `command` to its end; its messages go to stderr.

    A child's peak begins at that of this process, which is its image before it becomes another program.
    Callers that measure memory must stay small themselves.

    Raises:
        CalledProcessError: it fails.
    """
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    ) as process:
        assert process.stdout is not None  # it was asked for
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Finished(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), output)
