"""The options of `train` that belong to --recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from efficientnet_lite.cli.common import COMMAND_LINE
from efficientnet_lite.errors import UsageError


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """With --recipe a network learns from random weights, or from those of --weights, as the reference's did.

    Attributes:
        recipe: imagenet, the reference's recipe (needs the extra "train"). PHOTOS may be a folder of record
            files, train-* and validation-*, as well.
        set: FIELD=VALUE, a field of the recipe, such as batch=64 or epochs=100; may be given again.
        devices: with the JAX backend, how many of them share each batch; all where it is not given.
        data_processes: how many prepare images, for machines with many cores; 0: threads of this one do.
        resume: go on with the training into OUT that did not end, to the bit; begin it where there is none. Also
            of --fine-tune.
    """

    recipe: Literal["imagenet"] | None = None
    set: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    devices: int | None = None
    data_processes: int = 0
    resume: Annotated[bool, Parameter(negative=())] = False


def fields_of(given: Sequence[str]) -> dict[str, str]:
    """Field of the recipe -> its value; raises UsageError for what is no FIELD=VALUE, or given twice."""
    fields: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name or name in fields:
            raise UsageError(
                f"--set {text!r} is " + ("given twice" if name in fields else "no FIELD=VALUE"),
                where=COMMAND_LINE,
                fix="give each field once, for example --set batch=64",
            )
        fields[name] = value.strip()
    return fields
