"""Whether a `.tflite` file, ours or a stranger's, would map onto an accelerator, operator by operator, and why not.

The rules are the rows of `targets.py`, and `limits.py` has a function for each question that they ask. A
verdict is about rules, not about a device: nothing is compiled.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from efficientnet_lite.strangers.accelerators import TARGETS, Effect, Source, Target, TargetName
from efficientnet_lite.strangers.check import CheckedModel, check_model
from efficientnet_lite.strangers.limits import CHECKS, Place
from efficientnet_lite.strangers.tensors import TensorInfo

# Ready with every operator; ready with an option of the delegate; not ready; not for rules to say.
Verdict = Literal["ready", "conditional", "not ready", "not known"]


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
class Placed:
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

    target: TargetName
    title: str
    verdict: Verdict
    ready: bool
    operators: tuple[Placed, ...]
    mapped: int  # operators in the partition that the target takes
    obstacle: Finding | None  # the first that stands in the way
    weights_bytes: int  # constants of the operators in that partition
    memory_bytes: tuple[int, int] | None  # for them on the chip: surely, and at best
    memory_source: str
    remarks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        return asdict(self)


def check_readiness(data: bytes, target: TargetName, *, where: Path | str = "the model") -> Readiness:
    """What the rules of `target` say of the file `data`; everything in it is checked first.

    Raises:
        ArtifactError: no TFLite model, damaged, or of a kind that is refused.
    """
    return assess(check_model(data, where=where), data, TARGETS[target])


def assess(model: CheckedModel, data: bytes, target: Target) -> Readiness:
    """The same for a model that was checked; `data` are the bytes that it was read from."""
    view = memoryview(data)
    findings = [
        tuple(_broken(Place(view, model.tensors, operator), index, target))
        for index, operator in enumerate(model.operators)
    ]
    refused = any(each.effect == "refused" for found in findings for each in found)
    maps = [not refused and not any(_stops(each) for each in found) for found in findings]
    taken = range(0) if target.rows is None else _partition(maps, target.partition)
    obstacle = next((each for found in findings for each in found if _stops(each)), None)
    if refused:
        obstacle = next(each for found in findings for each in found if each.effect == "refused")
    elsewhere: Literal["cpu", "unknown"] = "unknown" if target.rows is None and not refused else "cpu"
    verdict = _verdict(target, findings, len(taken))
    return Readiness(
        target=target.name,
        title=target.title,
        verdict=verdict,
        ready=verdict == "ready",
        operators=tuple(
            Placed(
                operator=index,
                name=operator.name,
                version=operator.version,
                output=model.tensors[operator.outputs[0]].name,
                on="target" if index in taken else elsewhere,
                findings=findings[index],
            )
            for index, operator in enumerate(model.operators)
        ),
        mapped=len(taken),
        obstacle=obstacle,
        weights_bytes=_weights_bytes(model, taken),
        memory_bytes=target.memory_bytes,
        memory_source=target.memory.text if target.memory else "",
        remarks=target.remarks,
    )


def _stops(finding: Finding) -> bool:
    return finding.effect in ("refused", "cpu")


def _verdict(target: Target, findings: Sequence[tuple[Finding, ...]], mapped: int) -> Verdict:
    effects = {each.effect for found in findings for each in found}
    if effects & {"refused", "cpu"}:
        return "not ready"
    if target.rows is None:
        return "not known"
    if mapped < len(findings):
        return "not ready"
    return "conditional" if "option" in effects else "ready"


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
    """The rules that one operator breaks, and those of which nobody knows whether it does."""
    operator = place.operator
    output = place.tensors[operator.outputs[0]]

    def finding(tensor: TensorInfo, found: str, rule: str, effect: Effect, source: Source) -> Finding:
        return Finding(
            operator=index,
            name=operator.name,
            version=operator.version,
            tensor=tensor.name,
            found=found,
            rule=rule,
            effect=effect,
            source=source.text,
            verified=source.seen,
        )

    row = None if target.rows is None else target.rows.get(operator.name)
    if target.rows is not None and row is None:
        yield finding(output, "it is not in the list", "only listed operators map", "cpu", target.listing)
    if row is not None and row.newest is not None and operator.version > row.newest:
        found = f"version {operator.version}"
        yield finding(output, found, f"versions to {row.newest}", target.too_new, row.dated)
    if row is not None and not row.listed.seen:
        yield finding(output, "its row was not read", "only listed operators map", "unknown", row.listed)
    for rule in (*(row.rules if row else ()), *target.rules):
        if (broken := CHECKS[rule.check](place, rule)) is not None:
            yield finding(broken[0], broken[1], rule.says, rule.effect, rule.source)
