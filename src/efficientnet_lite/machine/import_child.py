"""In a process of its own: imports one module after another, and says of each how it went. See `imports`."""

import json
import sys
import time
from importlib import import_module
from typing import BinaryIO

MOST_SAID = 300  # characters of an error


def respond(data: bytes, file: BinaryIO) -> None:
    """For each module of a JSON list a line of JSON: its file, the seconds it took, and what went wrong or ""."""
    for name in json.loads(data):
        start = time.perf_counter()
        try:
            place = getattr(import_module(name), "__file__", None)
            wrong = ""
        except BaseException as error:  # a broken package may also end the process
            place, wrong = None, said_of(error)
        top = getattr(sys.modules.get(name.partition(".")[0]), "__file__", None)
        line = {"file": place or top, "seconds": time.perf_counter() - start, "wrong": wrong}
        file.write(json.dumps(line).encode() + b"\n")
        file.flush()


def said_of(error: BaseException) -> str:
    """The first words of what lies behind an error: some libraries wrap a short reason in a long page."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"[:MOST_SAID]
