"""What a public function is given, held to its own annotations: `@called` is the one place for it.

A value of another type is a `WrongType`, one that its choices do not have a `WrongArgument`, a name that no parameter
has a `WrongType` that says which one was meant. Numbers of numpy become Python's, what lists something a tuple, a
path-like a `Path`. Pure.
"""

import inspect
import numbers
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from efficientnet_lite.errors import CALL, WrongType, wrong_argument, wrong_type

P = ParamSpec("P")
R = TypeVar("R")
OPEN = "open"  # in an Annotated: of many types, which the function looks at itself
WORDS: Mapping[object, str] = {
    NoneType: "None",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}


class _Unfit(Exception):
    """A value is none of what an annotation allows; `is_choice` where its type is right."""

    def __init__(self, is_choice: bool = False) -> None:
        self.is_choice = is_choice


def called(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, whose arguments come as its annotations say, or WrongType or WrongArgument is raised."""
    signature = inspect.signature(function)
    name = function.__qualname__.rpartition("<locals>.")[2].removesuffix(".__init__")
    known = {each: found.annotation for each, found in signature.parameters.items() if each != "self"}

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        _check_names(name, kwargs, list(known))
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise WrongType(
                f"{name}(): {error}", where=CALL, fix=f"see help(efficientnet_lite.{name})"
            ) from error
        for argument, value in bound.arguments.items():
            if argument in known:
                bound.arguments[argument] = fitted(argument, value, known[argument])
        return function(*bound.args, **bound.kwargs)

    # What `help` shows; the docstring says the types, which would make one line of thousands of characters of it.
    plain = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    call.__signature__ = inspect.Signature(plain)  # type: ignore[attr-defined]  # of every function
    return call


def fitted(name: str, value: object, hint: Any) -> Any:
    """`value` as the annotation `hint` has it; raises WrongType or WrongArgument for the argument `name`."""
    try:
        made = _fitted(value, hint)
    except _Unfit as unfit:
        fix = f"give {_either(list(dict.fromkeys(_words(hint))))}"
        raise (wrong_argument if unfit.is_choice else wrong_type)(name, value, fix=fix) from None
    if isinstance(made, str) and not made:  # an unset variable would be the current folder
        raise wrong_argument(name, value, fix="give it, or leave it out")
    return made


def listed(value: str | Iterable[str]) -> tuple[str, ...]:
    """One text or several, as several."""
    return (value,) if isinstance(value, str) else tuple(value)


def _check_names(function: str, given: Mapping[str, object], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            fix = f"did you mean `{near[0]}=`?" if near else f"it takes {', '.join(known)}"
            raise WrongType(f"{function}() has no argument {name!r}", where=CALL, fix=fix)


def _fitted(value: object, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin is Annotated:
        return value if OPEN in get_args(hint) else _fitted(value, get_args(hint)[0])
    if origin in (Union, UnionType):
        return _one_of(value, get_args(hint))
    if origin is Literal:
        if isinstance(value, str) and value in get_args(hint):
            return value
        raise _Unfit(is_choice=isinstance(value, str))
    if origin in (Sequence, tuple, Iterable):
        return _listed(value, get_args(hint)[0])
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise _Unfit
        return {
            _fitted(key, get_args(hint)[0]): _fitted(each, get_args(hint)[1]) for key, each in value.items()
        }
    if origin is Callable:
        return _if(callable(value), value)
    return _plain(value, hint)


def _one_of(value: object, hints: Sequence[Any]) -> Any:
    is_choice = False
    for hint in hints:
        try:
            return _fitted(value, hint)
        except _Unfit as unfit:
            is_choice |= unfit.is_choice
    raise _Unfit(is_choice)


def _listed(value: object, hint: Any) -> tuple[Any, ...]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise _Unfit
    return tuple(_fitted(each, hint) for each in value)


def _plain(value: object, kind: Any) -> Any:
    """A value of a class: Python's own where numpy has one like it."""
    is_truth = isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")
    if kind is bool:
        return bool(_if(is_truth, value))
    if kind is int:
        try:
            return operator.index(_if(not is_truth, value))
        except TypeError:
            raise _Unfit from None
    if kind is float:
        return float(_if(not is_truth and isinstance(value, numbers.Real), value))
    if kind is Path:
        return Path(_if(hasattr(value, "__fspath__"), value))
    if kind is NoneType or kind is None:
        return _if(value is None, value)
    return _if(kind is Any or kind is object or isinstance(value, kind), value)


def _if(holds: bool, value: Any) -> Any:
    if not holds:
        raise _Unfit
    return value


def _words(hint: Any) -> Iterable[str]:
    """What an annotation allows, for a reader."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        said: list[str] = []
        for each in get_args(hint):
            is_list = get_origin(each) in (Sequence, tuple, Iterable)
            of_such = is_list and set(_words(get_args(each)[0])) <= set(said)
            said += ["a list of such"] if of_such else _words(each)
        yield from said
    elif origin is Literal:
        yield from map(repr, get_args(hint))
    elif origin in (Sequence, tuple, Iterable):
        yield f"a list, each {_either(list(_words(get_args(hint)[0])))}"
    elif origin is Mapping:
        key, value = (_either(list(_words(each))) for each in get_args(hint))
        yield f"a dictionary, {key} to {value}"
    elif origin is Callable:
        yield "a function"
    else:
        yield WORDS.get(hint, f"a {getattr(hint, '__name__', hint)}")


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
