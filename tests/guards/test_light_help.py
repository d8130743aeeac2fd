"""Help and `models` load what they print with, and no more: neither a runtime, nor a decoder, nor numpy."""

import subprocess
import sys
from functools import cache

from efficientnet_lite.cli.app import COMMANDS

# Libraries that the command line itself is made of; cyclopts brings attrs, docstring_parser and rich.
PARSER = {"cyclopts", "attr", "attrs", "docstring_parser", "rich"}
SMALL = {"platformdirs"}  # where the cache lies
OWN = 60  # modules of ours that may be loaded, one for each command among them; the package has more than 350
RICH = 60  # of rich, which colours code, reads Markdown and draws bars besides

# Runs command lines one after another and prints, for each, the modules that are loaded by then.
PROGRAM = """
import contextlib, io, sys
from efficientnet_lite.cli.app import main
for line in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
        main(line.split())
    assert shown.getvalue(), line
    print(line, *sorted(sys.modules), sep="\\t")
"""


def loaded(*lines: str) -> dict[str, set[str]]:
    """Command line -> the modules of libraries and of ours that it and those before it have loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *lines], capture_output=True, text=True, timeout=60, check=True
    )
    found = {}
    for row in done.stdout.splitlines():
        line, *modules = row.split("\t")
        found[line] = {each for each in modules if each.partition(".")[0] not in sys.stdlib_module_names}
    return found


def libraries(modules: set[str]) -> set[str]:
    """Top names, those aside that the interpreter brings to its own start."""
    return {module.partition(".")[0] for module in modules} - at_start() - {"efficientnet_lite"}


@cache
def at_start() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return {module.partition(".")[0] for module in done.stdout.split()}


def test_help_of_every_command_loads_the_parser_alone():
    found = loaded("--help", "--version", *(f"{command.name} --help" for command in COMMANDS))

    assert len(found) == len(COMMANDS) + 2
    assert libraries(found["--help"]) == set()
    for line, modules in found.items():
        assert libraries(modules) <= PARSER | SMALL, line
    everything = list(found.values())[-1]  # sys.modules grows
    assert sum(module.startswith("efficientnet_lite.") for module in everything) <= OWN
    assert sum(module.startswith("rich.") for module in everything) <= RICH
    assert not everything & {"rich.progress", "rich.markdown", "rich.syntax", "rich.live"}


def test_the_variants_are_listed_without_a_runtime():
    modules = loaded("models", "models --json")["models --json"]

    assert libraries(modules) <= PARSER | SMALL
    assert sum(module.startswith("efficientnet_lite.") for module in modules) <= OWN


def test_a_library_that_creeps_in_is_found():
    found = loaded("cache list --help", "info lite0 --json")

    assert libraries(found["cache list --help"]) <= PARSER | SMALL
    assert "numpy" in libraries(found["info lite0 --json"])
