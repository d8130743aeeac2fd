"""`train --config FILE`: options from a run's config.toml, where the command line does not give them."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from cyclopts import App, ArgumentCollection, CycloptsError, Token

from efficientnet_lite.cli.wording import COMMAND_LINE, OPTIONS, option, spelled
from efficientnet_lite.errors import CALL, EfficientNetLiteError, UsageError, WrongArgument
from efficientnet_lite.run.config_file import FOLLOWS, SAID, read_config, wrong_field
from efficientnet_lite.storage import tables

OPTION = "config"  # the parameter that names the file
TOML: Mapping[type, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (float, int)}
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}


class Filled:
    """What one command line took from its config: option -> the file and the words that stand there for it."""

    def __init__(self) -> None:
        self.fields: dict[str, tuple[Path, list[str]]] = {}

    def fill_in(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Give every option that the command line leaves out its value of the file that --config names.

        A step of cyclopts between reading a command line and converting it.

        Raises:
            UnusableInput: the file cannot be read, or one of its fields is unknown or of another type.
        """
        self.fields |= _fill_in(arguments)

    def name_source(self, error: EfficientNetLiteError) -> None:
        """Let `error` name what the user wrote: the option of the command line, or the config and its field."""
        if isinstance(error, WrongArgument):
            name = OPTIONS.get(error.argument, error.argument)
            path, _ = self.fields.get(name, (None, []))
            value = ", ".join(map(str, error.value)) if isinstance(error.value, list) else error.value
            error.what = f"{_field(name) if path else option(name)} is {value}"
            error.where = path or COMMAND_LINE
        elif error.where in (CALL, COMMAND_LINE):

            def field_or_option(argument: str, value: str) -> str:
                name = OPTIONS.get(argument, argument)
                if name not in self.fields:
                    return option(argument, value)
                error.where = self.fields[name][0]
                return _field(name)

            error.what = spelled(error.what, field_or_option)
        else:
            for name, (path, words) in self.fields.items():
                if str(error.where) in words:
                    error.where = f"{error.where} ({_field(name)} of {path})"
                    return


def _field(name: str) -> str:
    return f"the field {name}"


def _fill_in(arguments: ArgumentCollection) -> dict[str, tuple[Path, list[str]]]:
    """Option -> file and words, for those that the file fills in."""
    options = {argument.field_info.name: argument for argument in arguments if not argument.children}
    if OPTION not in options or not options[OPTION].tokens:
        return {}
    filled: dict[str, tuple[Path, list[str]]] = {}
    path = Path(options[OPTION].tokens[-1].value)
    given = {name for name, argument in options.items() if argument.tokens}
    for name, value in read_config(path).items():
        if name in SAID:
            continue
        if name not in options or name == OPTION:
            near = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
            fix = f"did you mean {near[0]}?" if near else "take it out; train --help names what there is"
            raise wrong_field(path, name, "is no option of train", fix)
        if name in given or FOLLOWS.get(name) in given:
            continue
        argument = options[name]
        filled[name] = (path, _texts(path, name, value, argument.hint))
        for index, text in enumerate(filled[name][1]):
            argument.append(Token(keyword=name, value=text, source=str(path), index=index))
        try:
            argument.convert()
        except CycloptsError as error:
            raise wrong_field(path, name, f"is {value!r}", "see train --help for what it takes") from error
    return filled


def _texts(path: Path, name: str, value: object, hint: Any) -> list[str]:
    """`value` as the words that would stand on a command line.

    Raises UnusableInput where TOML gives it another type than the option has.
    """
    found, many = set(kinds(hint)), get_origin(hint) is tuple
    values = value if many and isinstance(value, list) else [value]
    allowed = tuple(kind for each in found for kind in TOML.get(each, (str,)))
    if many is not isinstance(value, list) or not all(type(each) in allowed for each in values):
        wanted = " or ".join(sorted({WORDS.get(kind, WORDS[str]) for kind in found}))
        raise wrong_field(
            path, name, f"is {str(value)[:80]!r}", f"give {'a list, each ' if many else ''}{wanted}"
        )
    return [_text(each) for each in values]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return tables.unescaped(value) if isinstance(value, str) else repr(value)


def kinds(hint: Any) -> Iterator[type]:
    """The types that an option takes, each of a union; a text for what is written as one, such as a path."""
    origin = get_origin(hint)
    if origin is Annotated:
        yield from kinds(get_args(hint)[0])
    elif origin in (Union, UnionType) or origin is tuple:
        for each in get_args(hint):
            if each not in (NoneType, ...):
                yield from kinds(each)
    else:
        yield hint if hint in TOML else str


def photos_of(given: Path | None) -> Path:
    """PHOTOS of the command line or its config; raises UsageError where neither has it."""
    if given is None:
        raise UsageError(
            "no PHOTOS are given",
            where=COMMAND_LINE,
            fix="give a folder or a manifest, or a --config with photos",
        )
    return given
