"""Confined libraries, as in `confined`, for what is too long to be held: an answer comes piece by piece, as it is read.

A child answers one question after another, since starting one takes a moment; one that is free waits for the next.
What it says is a byte for its kind and eight for its length, then as many bytes; no piece is longer than is expected.
A limit of the processor's time holds for each piece, and that of memory for each question.
"""

import io
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from efficientnet_lite.storage.confined import (
    OUT_OF_MEMORY,
    QUIET,
    SECONDS,
    Failed,
    address_space,
    confine,
    imported,
    reason_of,
)

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]

QUESTION, SAID, ASKED, LENGTH = (struct.Struct(form) for form in ("<QQQ", "<cQ", "<QQ", "<Q"))
PIECE, BYTES, REFUSED, END = b"p", b"b", b"x", b"."
BUFFER_BYTES, MOST_ASKED_BYTES = 1 << 18, 1 << 20
MAX_REASON = 1000  # bytes of a refusal
MOST_IDLE = 4  # children of one module; each has some 100 MB
CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from efficientnet_lite.storage.confined_pieces import serve; serve(sys.argv[2], sys.argv[3])"
)
ReadAt = Callable[[int, int], bytes]  # position and number of bytes -> those that are there


class Declined(Exception):
    """What the child's module says of the bytes, one line: raised there, and again where it was asked."""


def pieces(
    module: str, question: bytes, *, library: str, memory: int, limit: int, read: ReadAt | None = None
) -> Iterator[bytes]:
    """What `respond(question, file)` of the module yields, in a process that imports little else.

    `file` is a stream of what `read` gives, for bytes that only this process can have. None of the pieces is longer
    than `limit`, and the child takes at most `memory` bytes beside its libraries.

    Raises Declined where `respond` does, Failed where the child dies, takes too long or too much memory, or makes no
    sense, and what `read` raises.
    """
    child, is_busy = _taken(module, library), True
    try:
        said = child.ask(question, memory, read)
        kind, length = next(said)
        while kind == PIECE:
            if length > limit:
                raise Failed(f"it unfolds to more than {limit:,} bytes")
            piece = child.exactly(length)
            kind, length = next(said)
            if kind == END:  # so that the child is free before the last piece is used
                _give_back(child)
                is_busy = False
            yield piece
        reason = child.exactly(min(length, MAX_REASON)) if kind == REFUSED else None
        if is_busy:
            _give_back(child)
            is_busy = False
        if reason is not None:
            raise Declined(reason.decode("utf-8", "replace"))
    finally:
        if is_busy:
            child.end()


class _Child:
    """A process that answers, and how it is spoken to."""

    def __init__(self, module: str, library: str) -> None:
        if not sys.executable or getattr(sys, "frozen", False):
            raise Failed("there is no Python here that could read it in a process of its own")
        self.names, self.owner = (module, library), os.getpid()
        command = [sys.executable, "-I", "-c", CHILD, json.dumps(sys.path), module, library]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | QUIET,
                bufsize=BUFFER_BYTES,
            )
        except OSError as error:
            raise Failed(f"no process could be started: {error.strerror or error}") from error

    def ask(self, question: bytes, memory: int, read: ReadAt | None) -> Iterator[tuple[bytes, int]]:
        """Kind and length of what is said next; whoever asks takes so many bytes in between."""
        self._memory = memory
        self._tell(QUESTION.pack(SECONDS, memory, len(question)) + question)
        while True:
            kind, length = SAID.unpack(self.exactly(SAID.size))
            if kind == BYTES and read is not None:
                position, count = ASKED.unpack(self.exactly(ASKED.size))
                data = read(position, min(count, MOST_ASKED_BYTES))
                self._tell(LENGTH.pack(len(data)) + data)
                continue
            if kind not in (PIECE, REFUSED, END):
                raise Failed("the library gave no sensible answer")
            yield kind, length

    def exactly(self, count: int) -> bytes:
        """So many bytes of what it says. Raises Failed where it ends before."""
        assert self._process.stdout is not None
        data = self._process.stdout.read(count)
        if len(data) < count:
            raise self._died()
        return data

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(OSError):
                stream.close()
        self._process.wait()

    def _tell(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError as error:
            raise self._died() from error

    def _died(self) -> Failed:
        return Failed(reason_of(self._process.wait(), self.names[1], SECONDS, self._memory))


_lock = threading.Lock()
_idle: dict[tuple[str, str], list[_Child]] = {}


def _taken(module: str, library: str) -> _Child:
    while True:
        with _lock:
            waiting = _idle.get((module, library), [])
            child = waiting.pop() if waiting else None
        if child is None:
            return _Child(module, library)
        if child.owner != os.getpid():  # of the process that this one was forked from
            continue
        if child.is_alive():
            return child
        child.end()


def _give_back(child: _Child) -> None:
    """Let it wait for the next question, unless as many wait as are ever asked at once."""
    with _lock:
        waiting = _idle.setdefault(child.names, [])
        is_kept = len(waiting) < MOST_IDLE
        if is_kept:
            waiting.append(child)
    if not is_kept:
        child.end()


def end_idle() -> None:
    """End the children that wait for a question."""
    with _lock:
        waiting = [child for children in _idle.values() for child in children if child.owner == os.getpid()]
        _idle.clear()
    for child in waiting:
        child.end()


def serve(module: str, library: str) -> None:
    """In the child: import what is needed, then answer within the limits what comes on standard input."""
    imported(library)
    respond: Callable[[bytes, FarFile], Iterator[Any]] = import_module(module).respond
    reserved = address_space()
    with os.fdopen(os.dup(1), "wb", BUFFER_BYTES) as out:
        os.dup2(2, 1)  # what a library prints is no answer
        asking = sys.stdin.buffer
        while head := asking.read(QUESTION.size):
            seconds, memory, length = QUESTION.unpack(head)
            try:
                confine(seconds=seconds, memory=reserved + memory)
                for piece in respond(asking.read(length), FarFile(asking, out)):
                    out.write(SAID.pack(PIECE, len(piece)))
                    out.write(piece)
                    confine(seconds=seconds)
                out.write(SAID.pack(END, 0))
            except Declined as error:
                said = str(error).encode("utf-8", "replace")[:MAX_REASON]
                out.write(SAID.pack(REFUSED, len(said)) + said)
            except MemoryError:
                os._exit(OUT_OF_MEMORY)
            out.flush()


class FarFile(io.RawIOBase):
    """In the child: bytes that the process has which asked. The question says how many there are: see `measured`."""

    def __init__(self, asking: Any, out: Any) -> None:
        super().__init__()
        self._asking, self._out = asking, out
        self._position = self._size = 0

    def measured(self, size: int) -> "FarFile":
        self._size = size
        return self

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: "Buffer") -> int:
        view = memoryview(buffer).cast("B")
        wanted, done = max(0, min(len(view), self._size - self._position)), 0
        while done < wanted:
            asked = ASKED.pack(self._position, min(MOST_ASKED_BYTES, wanted - done))
            self._out.write(SAID.pack(BYTES, len(asked)) + asked)
            self._out.flush()
            (length,) = LENGTH.unpack(self._asking.read(LENGTH.size))
            if not length:
                break
            view[done : done + length] = self._asking.read(length)
            self._position += length
            done += length
        return done
