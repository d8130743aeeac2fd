"""A run's config.toml, read again: its fields are called as the options of `train`."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from efficientnet_lite.arguments import fitted
from efficientnet_lite.documents import toml_table
from efficientnet_lite.errors import UnusableInput, UsageError, WrongArgument
from efficientnet_lite.storage import files, tables

P = ParamSpec("P")
R = TypeVar("R")
MAX_BYTES = 64 * 2**10  # a run's own has 1 KB
SAID = {"efficientnet_lite", "backend", "proof_photos"}  # how the run was made; nothing that it is asked for
FOLLOWS = {"weights_sha256": "weights"}  # holds for the file's own value of the other alone
NOT = {"no_ema": "ema", "no_links": "links"}  # switches, which Python says the other way round
PAIRS = ("labels_locale", "set")  # lists of NAME=VALUE


def read_config(path: Path) -> dict[str, Any]:
    """The fields; raises UnusableInput where there is no such file, or it is no TOML."""
    content = files.read_bytes(path, limit=MAX_BYTES, what="a config")
    try:
        return toml_table(content)
    except ValueError as error:
        raise UnusableInput(
            f"the config is no TOML: {str(error)[:200]}", where=path, fix="give the config.toml of a run"
        ) from error


def wrong_field(path: Path, name: str, what: str, fix: str) -> UnusableInput:
    """The error for a field of the config at `path`."""
    return UnusableInput(f"the field {name} {what}", where=path, fix=fix)


def filled_by_config(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, whose arguments are those of the file that its `config` names, where a call leaves them out.

    Raises UnusableInput: the file cannot be read, or one of its fields is unknown or of another type.
    """
    parameters = inspect.signature(function).parameters

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given = inspect.signature(function).bind_partial(*args, **kwargs).arguments
        if given.get("config") is None:
            return function(*args, **kwargs)
        path = Path(given["config"])
        filled = {}
        for field, value in read_config(path).items():
            name = NOT.get(field, field)
            if field in SAID or name in given or FOLLOWS.get(name) in given:
                continue
            if name not in parameters or field in ("config", *NOT.values()):
                raise wrong_field(path, field, "is no option of train", "take it out, or see help(train)")
            try:
                filled[name] = fitted(name, _value(field, value), parameters[name].annotation)
            except UsageError as error:
                raise wrong_field(path, field, f"is {str(value)[:80]!r}", error.fix) from error
        try:
            return function(**given, **filled)  # type: ignore[call-arg]  # a part of its arguments each
        except WrongArgument as error:
            if error.argument in filled:
                error.where = path
            raise

    return call


def _value(field: str, value: object) -> object:
    """A field's value as Python takes it; what is of another type stays, to be refused."""
    if field in NOT:
        return not value if isinstance(value, bool) else value
    if isinstance(value, list):
        values = [tables.unescaped(each) if isinstance(each, str) else each for each in value]
        is_paired = field in PAIRS and all(isinstance(each, str) and "=" in each for each in values)
        return dict(each.split("=", 1) for each in values) if is_paired else values
    return tables.unescaped(value) if isinstance(value, str) else value
