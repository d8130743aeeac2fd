"""What a command line may have meant: options and commands that do not exist, and values of another kind."""

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from cyclopts import App, ArgumentCollection
from cyclopts.exceptions import (
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from efficientnet_lite.cli.common import COMMAND_LINE, STDIN
from efficientnet_lite.cli.config import kinds
from efficientnet_lite.errors import UsageError
from efficientnet_lite.storage import files

PROGRAM = "efficientnet-lite"
WHOLE = re.compile(r"[+-]?[0-9][0-9_]{0,30}")
MAX_WORD = 60  # characters; nobody means an option by more


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Those of `known` options or commands that `word` may mean, the best first; none where none is near.

    Case, dashes and underscores do not count; initials and the first letter alone do (`--lr`, `-o`).
    """
    plain = _plain(word)[:MAX_WORD]
    names = {name: _plain(name) for name in dict.fromkeys(known)}
    if len(plain) == 1:
        return [name for name, spelled in names.items() if spelled.startswith(plain)][:3]
    rules: tuple[Callable[[str], bool], ...] = (
        lambda name: plain in (names[name], "".join(part[0] for part in name.strip("-").split("-") if part)),
        lambda name: len(plain) > 2 and names[name].startswith(plain),
    )
    found = next(filter(None, ([name for name in names if holds(name)] for holds in rules)), [])
    found = found or _alike(plain, names) or [name for name in names if _abbreviates(plain, names[name])]
    if not found and word.startswith("--no-"):
        return nearest(f"--{word.removeprefix('--no-')}", known)
    return found[:3]


def _alike(plain: str, names: Mapping[str, str]) -> list[str]:
    """Those that have most of their letters in common with `plain`, and others that have nearly as many."""
    ratios = {name: difflib.SequenceMatcher(None, names[name], plain).ratio() for name in names}
    least = max(0.55, max(ratios.values(), default=0) - 0.1)
    return sorted((name for name in names if ratios[name] >= least), key=lambda name: -ratios[name])


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence to put behind an error; empty where nothing is near."""
    found = [name if name.startswith("-") else f'"{name}"' for name in nearest(word, known)]
    return f". Did you mean {' or '.join(found)}?" if found else ""


def check_words(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Refuse an option among the photos, and a fraction where a whole number stands.

    A step of cyclopts between reading a command line and converting it: a photo's name may begin with a hyphen, and
    1.5 would be made 1.
    """
    options, called = options_of(arguments), " ".join((PROGRAM, *commands))
    for argument in arguments:
        is_whole = set(kinds(argument.hint)) == {int} and not argument.parameter.count
        for token in argument.tokens:
            word = token.value
            is_option = argument.parameter.allow_leading_hyphen and word.startswith("-") and word != STDIN
            if is_option and not files.lexists(word):
                raise _unknown(word.partition("=")[0], options, called)
            # An unset variable would be the current folder.
            if not word.strip() and set(kinds(argument.hint)) == {str}:
                raise UsageError(
                    f"{argument.name} is empty", where=COMMAND_LINE, fix="give it, or leave it out"
                )
            if is_whole and token.source == "cli" and not WHOLE.fullmatch(word):
                what = f"{argument.name} is {word[:40]!r}, which is no whole number"
                raise UsageError(what, where=COMMAND_LINE, fix=f"see {called} --help")


def options_of(arguments: ArgumentCollection) -> list[str]:
    """The options of a command as they are shown, `--negative` ones aside."""
    shown = (argument for argument in arguments if argument.show)
    return [name for argument in shown for name in argument.parameter.name or () if name.startswith("-")]


def usage_error(error: CycloptsError, commands: Sequence[str]) -> UsageError:
    """What cyclopts says of a command line, with what was meant among `commands` and their options."""
    called = " ".join(error.command_chain or ())
    if isinstance(error, UnknownOptionError):
        word = error.token.keyword or error.token.value
        return _unknown(word, options_of(error.argument_collection), f"{PROGRAM} {called}")
    see = f"see {' '.join((PROGRAM, called, '--help') if called in commands else (PROGRAM, '--help'))}"
    what = " ".join(str(error).split())
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        what, see = _missing(error, error.argument.name, f"{PROGRAM} {called}", see)
    elif isinstance(error, UnusedCliTokensError):
        what = f"there is no place for {' '.join(map(repr, error.unused_tokens or ()))[:200]}"
    elif isinstance(error, UnknownCommandError):
        word = (error.unused_tokens or [""])[0]
        known = [
            each.removeprefix(f"{called} ").partition(" ")[0] for each in commands if each.startswith(called)
        ]
        kind = "option" if word.startswith("-") else "command"
        what = f"no such {kind}: {word[:80]}{did_you_mean(word, [*known, '--help', '--version'])}"
    elif 'Invalid value "npu" for --target' in what:  # which is no misspelled gpu
        what = f"{what.partition(' Did you mean')[0]} An NPU is asked about by its name"
    return UsageError(what, where=COMMAND_LINE, fix=see)


def _missing(error: MissingArgumentError, name: str, called: str, see: str) -> tuple[str, str]:
    """What is missing: the value of an option, or a word that the command needs, with all that it needs."""
    if name.startswith("-"):
        return f"{error.keyword or name} has no value", see
    taken = inspect.signature(error.target).parameters.values() if error.target else ()
    needed = [each.name.upper() for each in taken if each.kind is each.POSITIONAL_ONLY]
    return f"{name} is missing", f"give {' '.join((called, *needed))}; {see}"


def _unknown(word: str, options: Sequence[str], called: str) -> UsageError:
    what = f"no such option: {word[:80]}{did_you_mean(word, options)}"
    return UsageError(what, where=COMMAND_LINE, fix=f"see {called} --help")


def _abbreviates(short: str, word: str) -> bool:
    letters = iter(word)
    return len(short) > 1 and short[0] == word[:1] and all(letter in letters for letter in short)


def _plain(word: str) -> str:
    return re.sub("[^a-z0-9]", "", word.lower())
