"""In a process of its own: a file opened by TFLite Micro in the smallest arena that it takes, and run there.

A question is a line of JSON, the model and its raw inputs; the answer a line, "arena" and its bytes, and the raw
outputs, for each input that was run one after the other; or the stage at which the file was refused. Why it was, and
what the arena holds, TFLite Micro says on standard error, which the parent reads.

Too small an arena is refused, or ends the process with a bad address: so each that is tried has a process of its own.
"""

import json
import math
import os
import signal
import time
from typing import Any, BinaryIO

import numpy as np

AMPLE = 512 << 20  # bytes; what is not touched costs nothing
STEP = 16  # bytes: arenas are aligned so
TRIAL_SECONDS = 60  # for one arena, on the clock; opening takes 0.01 s


def respond(question: bytes, out: BinaryIO) -> None:
    """Open, search, run."""
    line, _, rest = question.partition(b"\n")
    asked = json.loads(line)
    model, raw = rest[: asked["model"]], rest[asked["model"] :]
    inputs = np.frombuffer(raw, asked["dtype"]).reshape(asked["shape"])
    stage = b"open"
    try:
        opened(model, AMPLE)
        arena = smallest_arena(model)
        interpreter = opened(model, arena)
        stage = b"run"
        found = answers(interpreter, inputs, asked["outputs"], asked["seconds"])
    except (RuntimeError, ValueError):  # it has said why
        out.write(stage)
        return
    interpreter.print_allocations()
    out.write(b"arena %d\n" % arena + found)


def opened(model: bytes, arena: int) -> Any:
    """TFLite Micro's interpreter of the model in an arena of `arena` bytes. Raises RuntimeError where it refuses."""
    from tflite_micro import runtime

    return runtime.Interpreter.from_bytes(model, arena_size=arena)


def answers(interpreter: Any, inputs: np.ndarray[Any, Any], outputs: int, seconds: float | None) -> bytes:
    """What the model gives for raw inputs, all or as many as begin within `seconds`; outputs in their order."""
    found, end = b"", time.monotonic() + (math.inf if seconds is None else seconds)
    for value in inputs:
        interpreter.set_input(value, 0)
        interpreter.invoke()
        found += b"".join(interpreter.get_output(index).tobytes() for index in range(outputs))
        if time.monotonic() > end:
            break
    return found


def smallest_arena(model: bytes) -> int:
    """The fewest bytes in which the model opens, a multiple of `STEP`: by doubling, then by halves."""
    enough = 1024
    while not opens(model, enough):
        enough *= 2
        if enough > AMPLE:
            raise RuntimeError("it opens in no arena")
    too_few = enough // 2
    while enough - too_few > STEP:
        middle = (enough + too_few) // 2 // STEP * STEP
        if opens(model, middle):
            enough = middle
        else:
            too_few = middle
    return enough


def opens(model: bytes, arena: int) -> bool:
    """Whether the model opens in `arena` bytes, tried in a process that may die of it and says nothing."""
    trial = os.fork()
    if trial == 0:
        try:
            signal.alarm(TRIAL_SECONDS)
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(nothing, stream)
            os.closerange(3, 256)  # the parent's answer too, for whose end somebody waits
            opened(model, arena)
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(trial, 0)[1] == 0
