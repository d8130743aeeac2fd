"""Options that every command has, and what they make."""

from typing import Annotated, NoReturn

from cyclopts import Parameter

from efficientnet_lite.cli.console import Console

Json = Annotated[bool, Parameter(name="--json", negative=())]
Verbose = Annotated[int, Parameter(name=["--verbose", "-v"], count=True)]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], negative=())]


def console_of(json: bool, verbose: int, quiet: bool) -> Console:
    """The console of one command."""
    return Console(json=json, verbose=verbose, quiet=quiet)


def exit_with(code: int) -> NoReturn:
    """End the command with an exit code after its result was printed."""
    raise SystemExit(code)
