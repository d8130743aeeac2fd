"""Options that several commands have, and what they make."""

from typing import Annotated, Literal, NoReturn

from cyclopts import Parameter

from efficientnet_lite.cli.console import Console

Json = Annotated[bool, Parameter(name="--json", negative=())]
Jsonl = Annotated[bool, Parameter(name="--jsonl", negative=())]
Verbose = Annotated[int, Parameter(name=["--verbose", "-v"], count=True)]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], negative=())]
Precision = Literal["float32", "int8"] | None


def console_of(json: bool, verbose: int, quiet: bool) -> Console:
    """The console of one command."""
    return Console(json=json, verbose=verbose, quiet=quiet)


def exit_with(code: int) -> NoReturn:
    """End the command with an exit code after its result was printed."""
    raise SystemExit(code)
