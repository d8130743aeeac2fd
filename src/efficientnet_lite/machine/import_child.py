"""In a process of its own: imports one module after another, and says of each how it went. See `imports`."""

import json
from importlib import import_module
from importlib.util import find_spec
from typing import BinaryIO

MOST_SAID = 300  # characters of an error


def respond(data: bytes, file: BinaryIO) -> None:
    """For each module of a JSON list a line of JSON: the file of its package, what went wrong or "", and where."""
    for name in json.loads(data):
        wrong = through = ""
        place = _place(name.partition(".")[0])
        try:
            _import(name)
        except BaseException as error:  # a broken package may also end the process
            wrong, through = said_of(error), package_of(error)
        file.write(json.dumps({"file": place, "wrong": wrong, "through": through}).encode() + b"\n")
        file.flush()


def _import(name: str) -> None:
    """Import a module, or its package alone where that has no such module in another version."""
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name or "." not in name:
            raise
        import_module(name.partition(".")[0])


def _place(package: str) -> str | None:
    """The file that a package is imported from; None where there is none, as of a folder without a file."""
    try:
        spec = find_spec(package)
    except Exception:
        return None
    return spec.origin if spec is not None and spec.has_location else None


def said_of(error: BaseException) -> str:
    """The first words of what lies behind an error: some libraries wrap a short reason in a long page."""
    error = _first(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"[:MOST_SAID]


def package_of(error: BaseException) -> str:
    """The package whose code raised it, which may be another than the one that was asked for."""
    trace, package = _first(error).__traceback__, ""
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        if not name.startswith("importlib"):
            package = name.partition(".")[0]
        trace = trace.tb_next
    return package


def _first(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
