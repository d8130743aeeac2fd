"""Native libraries that a stranger's bytes may kill, run in a process of their own with limits of time and memory.

The process gets the bytes on its standard input and answers on its standard output; nothing else is shared, so a
crash, an endless loop or a wild allocation ends it alone. Its answer is to be judged as a stranger's, too, and so is
what the library prints meanwhile, of which both ends are kept.

`answer` reads a file, in seconds; `ask_tool` asks a tool that works on it, in minutes.

Memory and processor time are limited by the operating system where it can (Linux; macOS knows no limit of memory,
Windows neither); the limit of seconds holds everywhere.
"""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, NamedTuple

from efficientnet_lite.plaintext import printed

SECONDS, BYTES_A_SECOND = 5, 16 * 2**20  # of the processor; HDF5 of 64 MB takes 0.2 s
PATIENCE = 6  # seconds on the clock for one of the processor: machines are busy
# Beside what the library itself takes: the file, its arrays, copies.
MEMORY, MEMORY_OF_A_BYTE = 192 * 2**20, 4
TOOL_SECONDS, TOOL_MEMORY = 120, 4 * 2**30  # on the clock; beside what its imports take
HEARD_BYTES = 1 << 15  # of the beginning and of the end of what is printed
NO_LIMIT = 0  # of memory
UNKNOWN_ADDRESS_SPACE = 2**30  # where the system does not say what is reserved
OUT_OF_MEMORY, NO_LIBRARY, TOO_LONG = (
    77,
    78,
    79,
)  # the child's exit codes, and what stands for one that was killed
CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from efficientnet_lite.storage.confined import serve; serve(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))"
)
QUIET = {
    "OPENBLAS_NUM_THREADS": "1",  # threads reserve memory, of which there is little
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # others reserve a gigabyte at once
    "MALLOC_ARENA_MAX": "2",
    "HDF5_PLUGIN_PRELOAD": "::",  # no code from anywhere else
}


class Failed(Exception):
    """The child gave no answer; the text says why in a few words that fit behind "it was not read: "."""

    def __init__(self, why: str, words: str = "", begun: bytes = b"") -> None:
        super().__init__(why)
        self.words = words  # what it printed, safe to show
        self.begun = begun  # what it had answered until then


class Told(NamedTuple):
    """What a tool answered, and what it printed meanwhile, safe to show."""

    answer: bytes
    words: str


class _Ended(NamedTuple):
    """A child that has ended."""

    answer: bytes  # at most a byte longer than asked for
    code: int
    late: bool  # its time was over
    words: str


def answer(module: str, data: bytes, *, library: str, limit: int) -> bytes:
    """What `respond(data, file)` of the module writes to its file, in a process that imports little else.

    `module` and the `library` that it runs are given by their names; what their imports take counts for no limit.
    Raises Failed where the child dies, takes too long or too much memory, or answers more than `limit` bytes.
    """
    seconds, memory = SECONDS + len(data) // BYTES_A_SECOND, MEMORY + MEMORY_OF_A_BYTE * len(data)
    ended = _ended(module, data, library, limit, (seconds, memory), clock=PATIENCE * seconds)
    if len(ended.answer) > limit:
        raise Failed(f"it unfolds to more than {limit:,} bytes")
    if ended.code or ended.late:
        raise Failed(reason_of(TOO_LONG if ended.late else ended.code, library, seconds, memory))
    return ended.answer


def ask_tool(
    module: str,
    question: bytes,
    *,
    library: str,
    limit: int,
    seconds: int = TOOL_SECONDS,
    memory: int | None = TOOL_MEMORY,
) -> Told:
    """What `respond(question, file)` of the module writes to its file, and what was printed, by it or by the tool.

    Arguments as for `answer`; `seconds` are of the clock, and of the processor. Nothing can be written to the disk,
    unless `memory` is None: then a library is asked that is trusted with both.
    Raises Failed, with the tool's words and what it had answered until then, where it dies, takes too long or too
    much memory, or answers more than `limit` bytes.
    """
    ended = _ended(module, question, library, limit, (seconds, memory or NO_LIMIT), clock=seconds)
    if len(ended.answer) > limit:
        raise Failed(f"it answers more than {limit:,} bytes", ended.words)
    if ended.code or ended.late:
        code = TOO_LONG if ended.late else ended.code
        raise Failed(_end_of_tool(code, library, seconds, memory or NO_LIMIT), ended.words, ended.answer)
    return Told(ended.answer, ended.words)


def _end_of_tool(code: int, library: str, seconds: int, memory: int) -> str:
    """Why a tool gave no answer: as for any library, and what it died of by its name."""
    if code < 0 and -code != getattr(signal, "SIGXCPU", 0) and -code in set(signal.Signals):
        return f"it died of it ({signal.Signals(-code).name})"
    if code > 0 and code not in (OUT_OF_MEMORY, NO_LIBRARY, TOO_LONG):
        return f"it ended with an error ({code})"
    return reason_of(code, library, seconds, memory)


def _ended(
    module: str, data: bytes, library: str, limit: int, limits: tuple[int, int], *, clock: float
) -> _Ended:
    """A child with `limits` of seconds and bytes, that has at most `clock` seconds; Failed where there is none."""
    if not sys.executable or getattr(sys, "frozen", False):
        raise Failed("there is no Python here that could read it in a process of its own")
    command = [sys.executable, "-I", "-u", "-c", CHILD, json.dumps(sys.path), module, library]
    try:
        return _run([*command, *map(str, limits)], data, limit, clock)
    except OSError as error:
        raise Failed(f"no process could be started: {error.strerror or error}") from error


def reason_of(code: int, library: str, seconds: int, memory: int) -> str:
    """Why there is no answer, by a child's exit code and its limits."""
    if code == OUT_OF_MEMORY:
        return f"it asks for more than {memory:,} bytes of memory"
    if code == NO_LIBRARY:
        return f"{library} is installed, but cannot be imported"
    if code == TOO_LONG or code == -getattr(signal, "SIGXCPU", 0) != 0:
        return f"it kept the library busy for more than {seconds} s"
    return f"the library that reads it died of it ({code})"


def _run(command: list[str], data: bytes, limit: int, seconds: float) -> _Ended:
    late, heard = threading.Event(), bytearray()
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | QUIET,
    ) as child:

        def end() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(seconds, end)
        threads = [
            threading.Thread(target=_feed, args=(child, data)),
            threading.Thread(target=_hear, args=(child, heard)),
        ]
        for thread in (timer, *threads):
            thread.start()
        try:
            assert child.stdout is not None
            found = child.stdout.read(limit + 1)
            code = child.wait() if len(found) <= limit else 0
        finally:  # also for Ctrl-C
            timer.cancel()
            child.kill()
            for thread in threads:
                thread.join()
    return _Ended(found, code, late.is_set(), printed(bytes(heard)))


def _feed(child: subprocess.Popen[bytes], data: bytes) -> None:
    assert child.stdin is not None
    with suppress(OSError), child.stdin:  # the child may die before it has read all
        child.stdin.write(data)


def _hear(child: subprocess.Popen[bytes], heard: bytearray) -> None:
    """All that it prints, so that it never waits for a reader; both ends of it are kept."""
    assert child.stderr is not None
    while piece := os.read(child.stderr.fileno(), HEARD_BYTES):
        heard += piece
        if len(heard) > 2 * HEARD_BYTES:
            heard[HEARD_BYTES:-HEARD_BYTES] = b"\n...\n"


def serve(module: str, library: str, seconds: int, memory: int) -> None:
    """In the child: import what is needed, then answer what comes on standard input within the limits."""
    imported(library)
    respond: Callable[[bytes, BinaryIO], None] = import_module(module).respond
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what a library prints is no answer
        confine(seconds=seconds, memory=None if memory == NO_LIMIT else address_space() + memory)
        try:
            respond(sys.stdin.buffer.read(), out)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)


def imported(library: str) -> None:
    """In a child: import the library, or end."""
    try:
        import_module(library)
    except ImportError:
        sys.exit(NO_LIBRARY)


def confine(*, seconds: int, memory: int | None = None) -> None:
    """In a child: limit what this process takes from now on; with `memory` its address space, and no file grows."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = [(resource.RLIMIT_CPU, math.ceil(time.process_time()) + seconds), (resource.RLIMIT_CORE, 0)]
    if memory is not None:
        limits += [(resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, 0)]
    for kind, value in limits:
        with suppress(ValueError, OSError):  # macOS; or there is a lower limit already
            resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


def address_space() -> int:
    """What this process has reserved, its libraries and their threads included."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return UNKNOWN_ADDRESS_SPACE
