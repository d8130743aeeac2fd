"""Options that several commands have, and what they make."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from efficientnet_lite.addresses import is_address
from efficientnet_lite.cli.console import Console
from efficientnet_lite.cli.paths_on_stdin import paths_on_stdin
from efficientnet_lite.cli.wording import COMMAND_LINE as COMMAND_LINE
from efficientnet_lite.errors import UsageError
from efficientnet_lite.notices import direct
from efficientnet_lite.storage import files
from efficientnet_lite.vocabulary import ClassFolders

if TYPE_CHECKING:
    from efficientnet_lite.photos.found import Verbatim

STDIN = "-"

# Parts of a long help, in their order.
DATA, HEAD, INT8, FINE_TUNING, RECIPE, OUTPUT = (
    Group(title, sort_key=place)
    for place, title in enumerate(("Data", "Head", "Int8", "Fine-tuning", "Recipe", "Output"))
)


def shown(default: object) -> Parameter:
    """What the help names as an option's default, where the value itself would say nothing."""
    return Parameter(show_default=lambda value: str(default))


OFF = shown("off")
Switch = Annotated[bool, Parameter(negative=()), OFF]
Jsonl = Annotated[bool, Parameter(name="--jsonl", negative=(), group=OUTPUT), OFF]
# `Any...` leaves to the command's docstring what it does; what several say in the same words stands here.
AnyJson = Annotated[bool, Parameter(name="--json", negative=(), group=OUTPUT), OFF]
AnyVerbose = Annotated[int, Parameter(name=["--verbose", "-v"], count=True, group=OUTPUT), OFF]
AnyLinks = Annotated[bool, Parameter(name="--no-links", negative=()), OFF]
Json = Annotated[AnyJson, Parameter(help="print one JSON document instead of the table.")]
Verbose = Annotated[AnyVerbose, Parameter(help="say more; may be given again.")]
Quiet = Annotated[
    Switch,
    Parameter(name=["--quiet", "-q"], group=OUTPUT, help="say nothing but results, warnings and errors."),
]
NoLinks = Annotated[AnyLinks, Parameter(help="skip every link in the data set instead of following it.")]
Folders = Annotated[
    ClassFolders | None,
    Parameter(help="which folders are the classes, where they can be read in two ways."),
    shown("the only way, or an error that names both"),
]
NoEma = Annotated[
    Switch,
    Parameter(help="of a checkpoint that has both, read the raw weights instead of the moving averages."),
]
WeightsName = Annotated[str, Parameter(help="for a model name: imagenet, hub, or the path of a checkpoint.")]
Locales = Annotated[
    tuple[str, ...],
    Parameter(
        name="--labels-locale",
        negative=(),
        help="LOCALE=FILE, class names in another language, one a line; may be given again.",
    ),
    shown("none"),
]
RunFile = Annotated[
    Literal["float32", "int8"] | None, Parameter(help="of a run, which file to use."), shown("int8")
]
Workers = Annotated[int | None, Parameter(help="threads."), shown("one for each core")]
# A single hyphen is stdin, and a photo's name may begin with one; `spellings` tells options apart.
Photos = Annotated[tuple[str, ...], Parameter(negative=(), allow_leading_hyphen=True)]


def console_of(json: bool, verbose: int, quiet: bool) -> Console:
    """The console of one command."""
    console = Console(json=json, verbose=verbose, quiet=quiet)
    direct(console.warn, console.note, lambda line: console.note(line, verbose=1))
    return console


def one_form(**given: bool) -> None:
    """Raises UsageError where more than one of these switches asks for a form of the result."""
    asked = [f"--{name}" for name, is_asked in given.items() if is_asked]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} exclude each other", where=COMMAND_LINE, fix="give one")


def photos_given(given: Sequence[str], *, addresses: bool = False) -> "Iterable[str | Path | Verbatim]":
    """The photos that a command line names; a list on stdin, read as it comes, names no patterns.

    With `addresses` one such as `https://...` stays text, since a path would lose one of its slashes.
    """
    from efficientnet_lite.network.plan import parse_model_name

    for text in given:
        if text != STDIN and not files.lexists(text) and parse_model_name(text) is not None:
            raise UsageError(
                f"{text} is a model, and photos are asked for here",
                where=COMMAND_LINE,
                fix="give the model first, then the photos",
            )
    found = _each_given(given, addresses)
    return found if STDIN in given else list(found)


def _each_given(given: Sequence[str], addresses: bool) -> "Iterator[str | Path | Verbatim]":
    from efficientnet_lite.photos.found import Verbatim

    def kept(text: str) -> str | Path:
        return text if addresses and is_address(text) and not files.lexists(text) else Path(text)

    for text in given:
        if text == STDIN:
            yield from (Verbatim(kept(line)) for line in paths_on_stdin())
        else:
            yield kept(text)


def locales_of(given: tuple[str, ...]) -> dict[str, Path]:
    """`de=FILE` each."""
    found = {}
    for text in given:
        locale, equals, file = text.partition("=")
        if not equals or not locale or not file:
            raise UsageError(
                "this is no LOCALE=FILE", where=text, fix="give for example --labels-locale de=de.txt"
            )
        found[locale] = Path(file)
    return found
