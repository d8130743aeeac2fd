"""Every failure that a user is expected to meet, as one tree; each leaf says its exit code.

    EfficientNetLiteError
    ├── UsageError            2  the command or call itself is wrong: unknown model, target exists
    │   ├── WrongArgument     2  a value that makes no sense, with the argument's name
    │   └── WrongType         2  a value of a type that the call has no use for; a TypeError too
    ├── UnusableInput         3  what was handed over cannot be used
    │   ├── UnreadablePhoto   3  one photo, with the reason; collected and counted, rarely fatal
    │   ├── UnusableDataset   3  a folder or manifest as a whole
    │   └── OutputFailed      3  a file could not be written: full disk, no permission
    ├── ArtifactError         4  a file opens as the wrong thing, or not at all
    │   ├── CheckpointError   4  weights: damaged, of another variant, keys missing or left over
    │   └── WeightsMissing    4  named weights that are not on this machine and cannot be had
    └── VerificationFailed    5  a written file is further from the model that it was made from than allowed

An argument of the call stands in a message as Python writes it, in backticks: `val=`, `overwrite=True`,
`data=FOLDER`. A command line shows it as its option (`cli/wording.py`).

Exit codes: 0 done; 1 unexpected, with traceback; 130 interrupted; the others above.
"""

from pathlib import Path
from typing import Any, ClassVar

from efficientnet_lite.addresses import public

EXIT_OK = 0
EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_ARTIFACT = 4
EXIT_VERIFICATION = 5
EXIT_INTERRUPTED = 130
CALL = "the arguments of the call"  # where a wrong one is; for a command line, itself
# Characters of each part of a message, which may quote what a stranger wrote; a path has 4096.
MAX_SHOWN = 5000


class EfficientNetLiteError(Exception):
    """An expected failure. Says what is wrong, where, and what the user can do about it."""

    exit_code: ClassVar[int] = EXIT_UNEXPECTED  # each subclass says its own; this class is never raised

    def __init__(self, what: str, *, where: Path | str, fix: str) -> None:
        super().__init__(what)
        self.what, self.fix = what, fix
        self.where = (
            public(where) if isinstance(where, str) else where
        )  # messages are kept, and sent to others

    def __str__(self) -> str:
        return f"{bounded(self.what)}\n  in:  {bounded(printable(self.where))}\n  try: {bounded(self.fix)}"

    def __reduce__(self) -> tuple[Any, ...]:  # a worker process hands over its errors pickled
        return _made_again, (type(self), self.what, self.where, self.fix)


class UsageError(EfficientNetLiteError):
    """The command or call itself cannot be carried out as written."""

    exit_code = EXIT_USAGE


class WrongArgument(UsageError):
    """An argument of a call has a value that makes no sense: made by `wrong_argument`.

    Python sees the argument's name; the command line shows its option, or the field of a config.
    """

    argument: str = ""
    value: object = None

    def __reduce__(self) -> tuple[Any, ...]:
        return *super().__reduce__(), vars(self)


class WrongType(UsageError, TypeError):
    """An argument of a call has a type that the call has no use for: made by `wrong_type`."""


class UnusableInput(EfficientNetLiteError):
    """What was handed over cannot be used."""

    exit_code = EXIT_INPUT


class UnreadablePhoto(UnusableInput):
    """One photo that cannot become pixels. `what` is the reason, one line, fit for a report."""


class UnusableDataset(UnusableInput):
    """A folder or manifest that cannot be learned from as it is."""


class OutputFailed(UnusableInput):
    """A file could not be written; nothing is left under its final name."""


class ArtifactError(EfficientNetLiteError):
    """A model file that is not what was asked for, or is damaged."""

    exit_code = EXIT_ARTIFACT


class CheckpointError(ArtifactError):
    """Weights that are damaged, of another variant, or have keys missing or left over."""


class WeightsMissing(ArtifactError):
    """Named weights that are not on this machine; `fix` names the ways to get them."""


class VerificationFailed(EfficientNetLiteError):
    """A written file is further from the model that it was made from than allowed; it was not published."""

    exit_code = EXIT_VERIFICATION


def _made_again(
    kind: type[EfficientNetLiteError], what: str, where: Path | str, fix: str
) -> EfficientNetLiteError:
    return kind(what, where=where, fix=fix)


def wrong_argument(argument: str, value: object, *, fix: str) -> WrongArgument:
    """The error for `argument` of a call, by its name in Python, with the `value` that it has."""
    error = WrongArgument(f"{argument}={value!r}", where=CALL, fix=fix)
    error.argument, error.value = argument, value
    return error


def wrong_type(argument: str, value: object, *, fix: str) -> WrongType:
    """The error for `argument` of a call, by its name in Python, whose `value` has a type without use here."""
    return WrongType(f"`{argument}=` has the type {type_name(value)}", where=CALL, fix=fix)


def type_name(value: object) -> str:
    """The type of `value` as messages call it: "int", "torch.Tensor"."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def printable(value: Path | str) -> str:
    """`value` on one line and safe for a terminal.

    Control characters and bytes that are no UTF-8 come backslash-escaped; every other character,
    spaces and accents included, stays as it is. A backslash stays too, so the form is for reading.
    """
    text = str(value)
    if text.isprintable() and text.isascii():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def bounded(text: str) -> str:
    """`text`, the middle left out where it is longer than a reader would want."""
    if len(text) <= MAX_SHOWN:
        return text
    half = MAX_SHOWN // 2
    return f"{text[:half]} … ({len(text) - 2 * half:,} characters) … {text[-half:]}"
