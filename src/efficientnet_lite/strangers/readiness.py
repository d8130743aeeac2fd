"""Whether a `.tflite` file, ours or a stranger's, would map onto an accelerator, operator by operator, and why not.

The rules are the rows of `accelerators.py`, and `limits.py` has a function for each question that they ask. A
verdict is about rules, not about a device: nothing is compiled.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from efficientnet_lite.strangers.accelerators import TARGETS, Target
from efficientnet_lite.strangers.limits import Broken, Effect, Evidence, Place
from efficientnet_lite.strangers.structure import CheckedModel, check_model
from efficientnet_lite.vocabulary import RuleTarget

ONLY_LISTED = "only listed operators map"
# Ready with every operator; ready with an option of the delegate; not ready; not for rules to say.
Answer = Literal["ready", "conditional", "not ready", "not known"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that an operator breaks."""

    operator: int  # in order of execution
    name: str
    version: int
    tensor: str  # the name of the one that it is about
    found: str
    rule: str
    effect: Effect
    source: str
    verified: bool  # the rule was read at its source


@dataclass(frozen=True, slots=True)
class OperatorPlace:
    """One operator and where it would run."""

    operator: int
    name: str
    version: int
    output: str
    on: Literal["target", "cpu", "unknown"]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the rules of one target say of one file."""

    target: RuleTarget
    title: str
    verdict: Answer
    ready: bool
    operators: tuple[OperatorPlace, ...]
    mapped: int  # operators in the partition that the target takes
    obstacle: Finding | None  # the first that stands in the way
    weights_bytes: int  # constants of the operators in that partition
    memory_bytes: tuple[int, int] | None  # for them on the chip: surely, and at best
    memory_source: str
    remarks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        return asdict(self)


def check_readiness(data: bytes, target: RuleTarget, *, where: Path | str = "the model") -> Readiness:
    """What the rules of `target` say of the file `data`; everything in it is checked first.

    Raises:
        ArtifactError: no TFLite model, damaged, or of a kind that is refused.
    """
    model, asked = check_model(data, where=where), TARGETS[target]
    view = memoryview(data)
    findings = [
        tuple(_broken(Place(view, model.tensors, operator), index, asked))
        for index, operator in enumerate(model.operators)
    ]
    strange = [operator.name not in asked.rows.keys() | asked.lacks for operator in model.operators]
    stops = [each for found in findings for each in found if each.effect in ("refused", "cpu")]
    refusals = [each for each in stops if each.effect == "refused"]
    stopped = {each.operator for each in stops}
    maps = [not (refusals or known or place in stopped) for place, known in enumerate(strange)]
    taken = _partition(maps, asked.partition)
    verdict: Answer = "ready"
    if any(each.effect == "option" for found in findings for each in found):
        verdict = "conditional"
    if stops or len(taken) < len(findings):
        verdict = "not known" if any(strange) and not stops else "not ready"

    def where_run(place: int) -> Literal["target", "cpu", "unknown"]:
        if place in taken:
            return "target"
        return "unknown" if strange[place] and not refusals and place not in stopped else "cpu"

    return Readiness(
        target=asked.name,
        title=asked.title,
        verdict=verdict,
        ready=verdict == "ready",
        operators=tuple(
            OperatorPlace(
                operator=index,
                name=operator.name,
                version=operator.version,
                output=model.tensors[operator.outputs[0]].name,
                on=where_run(index),
                findings=findings[index],
            )
            for index, operator in enumerate(model.operators)
        ),
        mapped=len(taken),
        obstacle=next(iter(refusals or stops), None),
        weights_bytes=_weights_bytes(model, taken),
        memory_bytes=asked.memory_bytes,
        memory_source=asked.memory.text if asked.memory else "",
        remarks=asked.remarks,
    )


def _partition(maps: Sequence[bool], which: Literal["first", "largest"]) -> range:
    """The run of operators that the target takes: one alone, the others stay on the CPU."""
    runs, start = [], 0
    for end in range(len(maps) + 1):
        if end == len(maps) or not maps[end]:
            if end > start:
                runs.append(range(start, end))
            start = end + 1
    if not runs:
        return range(0)
    return runs[0] if which == "first" else max(runs, key=len)


def _weights_bytes(model: CheckedModel, taken: range) -> int:
    """Bytes of the constants that these operators read, each once."""
    constants = {
        index
        for place in taken
        for index in model.operators[place].inputs
        if index >= 0 and model.tensors[index].constant_bytes is not None
    }
    return sum(model.tensors[index].constant_bytes or 0 for index in constants)


def _broken(place: Place, index: int, target: Target) -> Iterator[Finding]:
    """The limits that one operator breaks, and those of which nobody knows whether it does."""
    operator, output = place.operator, place.output

    def finding(broken: Broken, rule: str, effect: Effect, source: Evidence) -> Iterator[Finding]:
        if broken is not None:
            yield Finding(
                operator=index,
                name=operator.name,
                version=operator.version,
                tensor=broken[0].name,
                found=broken[1],
                rule=rule,
                effect=effect,
                source=source.text,
                verified=source.seen,
            )

    row = target.rows.get(operator.name)
    if row is None:
        lacks = operator.name in target.lacks
        found = "it is not in the list" if lacks else "nothing is known of it here"
        source = target.listing if lacks else replace(target.listing, seen=False)
        yield from finding((output, found), ONLY_LISTED, "cpu" if lacks else "unknown", source)
    if row is not None and row.newest is not None and operator.version > row.newest:
        newer = output, f"version {operator.version}"
        yield from finding(newer, f"versions to {row.newest}", target.too_new, row.dated)
    for limit in (*(row.limits if row else ()), *target.limits):
        yield from finding(limit.broken(place), limit.says, limit.effect, limit.source)
