"""Layers of an int8 file that stay in float: which are meant, what the file is called, and where it then runs."""

import re
from collections.abc import Iterator, Sequence

from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.network.plan import Conv, Dense, Plan
from efficientnet_lite.network.step_names import steps_named
from efficientnet_lite.storage.files import sha256_bytes
from efficientnet_lite.strangers.accelerators import TARGETS
from efficientnet_lite.strangers.readiness import check_readiness
from efficientnet_lite.tflite.float import needed_steps, tensors_of

LONGEST = 60  # characters of a part of a file's name


def kept_steps(plan: Plan, outputs: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """The steps that `names` mean in a file of `outputs`, in the plan's order.

    Raises UsageError for a name that is no layer's, or of one that the file has not, and where no integers are left.
    """
    needed = needed_steps(plan, list(tensors_of(plan, outputs).values()))
    inside = {step.name for step in needed}
    for name in names:
        if not inside.intersection(steps_named(plan, [name])):
            raise UsageError(
                f"a file of {', '.join(outputs)} has no layer {name}",
                where=CALL,
                fix="leave it out of `keep=`, or give other `outputs=`",
            )
    kept = tuple(name for name in steps_named(plan, names) if name in inside)
    if not {step.name for step in needed if isinstance(step, Conv | Dense)} - set(kept):
        raise UsageError(
            "with every layer kept in float there is nothing left to quantize",
            where=CALL,
            fix="give fewer to `keep=`, or `precision='float32'`",
        )
    return kept


def part_of_name(names: Sequence[str]) -> str:
    """What tells a file that keeps `names` from others, as a part of its name."""
    told = sorted(set(names))
    text = "-".join(["keep", *(re.sub("[^A-Za-z0-9_]+", "-", name).strip("-") for name in told)])
    if len(text) <= LONGEST:
        return text
    digest = sha256_bytes("\n".join(told).encode())
    return f"keep-{len(told)}-layers-{digest[:8]}"


def notes_on_accelerators(data: bytes) -> Iterator[str]:
    """What becomes of a file with some layers in float on each accelerator that has rules here."""
    for target in TARGETS:
        found = check_readiness(data, target)
        if found.verdict == "not known":
            yield f"{found.title}: one that computes in integers alone leaves the layers in float to the CPU"
        elif found.verdict == "not ready":
            first = f", the first that does not is {found.obstacle.name}" if found.obstacle else ""
            yield (
                f"{found.title}: with layers in float it no longer runs whole: {found.mapped} of "
                f"{len(found.operators)} operators map{first}"
            )
