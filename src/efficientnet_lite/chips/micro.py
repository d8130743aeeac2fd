"""TFLite Micro's interpreter, asked what a `.tflite` file needs on a microcontroller and whether it answers as LiteRT.

The package `tflite-micro` is the C++ library with its reference kernels, built for this machine. What it plans is what
a chip would: of 32 bits, a little less stays in the arena there; of kernels that a chip's maker wrote, some ask for
room beside (`arena`).

Tried with the package of 2026-10-23: integer files run, whether they take and give uint8, int8 or float32, and float
files; float16 and dynamic files do not, nor a QUANTIZE from float32 to uint8. Answers are those of LiteRT's reference
kernels, code for code; XNNPACK, LiteRT's default, rounds differently.
"""

import json
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from efficientnet_lite.chips.arena import scratch_bytes
from efficientnet_lite.chips.output_gaps import OutputGap, RawOutputs, output_gaps, steps_of
from efficientnet_lite.chips.tool import Tool
from efficientnet_lite.errors import ArtifactError, VerificationFailed
from efficientnet_lite.extras import TFLM
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.strangers.structure import CheckedModel, check_model

_HAS_PACKAGE = sys.platform == "linux" and platform.machine() == "x86_64"
_ELSEWHERE = f"its package is for Linux on x86-64 alone; there: {TFLM}"
TOOL = Tool(
    "TFLite Micro",
    "tflite_micro",
    "tflite-micro",
    TFLM if _HAS_PACKAGE else _ELSEWHERE,
    "efficientnet_lite.chips.micro_child",
)
# How far an export may be from LiteRT as everyone runs it, in codes of 255: those of today are within 2.
MOST_CODES = 8
SAME_CODES = 1  # likewise from LiteRT's reference kernels, which compute the same: 0 on all that was tried
MOST_OF_REALS = 1e-4  # of an output of a file without integers
ENOUGH_SECONDS = 45  # for inputs of a file that is looked at, of the two minutes that there are
MAX_ANSWER_BYTES = 256 << 20
MOST_FLAT_CLASSES = 511  # more of them may end the program where none stands out; see proof/kernel_spread.py

_ALLOCATED = re.compile(r"Arena allocation (head|tail) (\d{1,12}) bytes")
_FAILED = re.compile(r"Node (\w{1,40}) \(number (\d{1,6})\) failed to (?:prepare|invoke)")
_PLACE = re.compile(r"^tensorflow/\S{1,200}\.cc(?::\d{1,6})? ")  # of its own source
_LACKING = re.compile(r"Didn't find op for builtin opcode '(\w{1,40})'")
_FIX = "export it with `precision='int8'`, or as float32"
_FIX_AGAIN = "ask again while the machine does nothing else; where that does not help, give another file"
_FIX_FLAT = "export it with `outputs=['logits']`"
_FLAT = (
    f"SOFTMAX of more than {MOST_FLAT_CLASSES} classes in integers ends the program on a photo for which no class "
    "stands out"
)


@dataclass(frozen=True, slots=True)
class MicroReport:
    """What a file needs on TFLite Micro, and what it gives there."""

    runtime: str  # name and version
    file: str  # that was asked of; of a model, its name
    model_bytes: int
    arena_bytes: int  # the smallest in which it opens and runs, found by search
    activation_bytes: int  # of it: tensors, which share their places
    persistent_bytes: int  # of it: what operators keep as long as the file is open
    scratch_bytes: int  # beside it, at most, where the kernels are those of CMSIS-NN; not run
    resolver: tuple[str, ...]  # methods of MicroMutableOpResolver that register its operators, sorted
    inputs: int  # on how many it was run
    inputs_named: str  # which they were
    gaps: tuple[OutputGap, ...]  # from LiteRT, one for each output
    outputs: RawOutputs
    notes: tuple[str, ...]  # what may go wrong on a chip all the same

    @property
    def difference(self) -> OutputGap:
        """That of the output which differs most; of a file that was run."""
        return max(self.gaps, key=lambda each: (each.codes or 0, each.reals))

    @property
    def within(self) -> bool:
        """Every output is as near to LiteRT as an export must be."""
        return not any(each.beyond(codes=MOST_CODES, reals=MOST_OF_REALS) for each in self.gaps)

    def to_json(self) -> dict[str, Any]:
        """A document of plain values, without the outputs."""
        return {
            "runtime": self.runtime,
            "file": self.file,
            "model_bytes": self.model_bytes,
            "arena_bytes": self.arena_bytes,
            "activation_bytes": self.activation_bytes,
            "persistent_bytes": self.persistent_bytes,
            "scratch_bytes": self.scratch_bytes,
            "resolver": list(self.resolver),
            "inputs": self.inputs,
            "inputs_named": self.inputs_named,
            "gaps": [asdict(each) for each in self.gaps],
            "most_codes": MOST_CODES,
            "within": self.within,
            "notes": list(self.notes),
        }


def require(where: Path | str) -> None:
    """Raises UsageError, which says how to get it, where TFLite Micro is not installed."""
    TOOL.require(where)


def measured(
    data: bytes,
    inputs: npt.NDArray[Any],
    *,
    where: Path | str,
    given: RawOutputs | None = None,
    named: str = "",
    seconds: float | None = None,
) -> MicroReport:
    """What a file needs on TFLite Micro, and how far from LiteRT it answers there.

    Args:
        data: the file, of anyone's.
        inputs: raw ones, (N, ...) of the shape of its only input without the first side of 1, in its dtype; with N = 0
            it is opened, and not run.
        where: the file, for messages.
        given: what LiteRT gave for them, (N, ...) by output; computed where None.
        named: which inputs they are, for the report.
        seconds: run no more inputs than begin within so many, on the clock, but one; all of them where None.

    Raises:
        UsageError: TFLite Micro is not installed.
        ArtifactError: the file is damaged, or refused, by us or by TFLite Micro, in its own words; or ended it.
    """
    TOOL.require(where)
    model = check_model(data, where=where)
    require_one_image(model, where)
    engine = LiteRT(data, where=where)
    answered = _ask(data, model, inputs, seconds, where)
    found = _outputs(answered, engine, where)
    inputs = inputs[: _count(found)]
    return MicroReport(
        runtime=TOOL.title,
        file=str(where),
        model_bytes=len(data),
        arena_bytes=answered.arena,
        activation_bytes=answered.parts["head"],
        persistent_bytes=answered.parts["tail"],
        scratch_bytes=scratch_bytes(model),
        resolver=resolver_of(model),
        inputs=len(inputs),
        inputs_named=named,
        gaps=_gaps(found, given or _run(engine, inputs), model) if len(inputs) else (),
        outputs=found,
        notes=_notes(model),
    )


def run(data: bytes, inputs: npt.NDArray[Any], *, where: Path | str) -> RawOutputs:
    """What a file gives on TFLite Micro for raw inputs; arguments and errors as for `measured`."""
    return measured(data, inputs, where=where).outputs


def replayed(data: bytes, inputs: npt.NDArray[Any], given: RawOutputs, *, where: Path | str) -> MicroReport:
    """The gate of a file for microcontrollers: `measured`, and as near to LiteRT as it must be.

    Each output must be within `MOST_CODES` codes of `given`, what LiteRT gave for the same inputs, and within
    `SAME_CODES` of LiteRT's reference kernels, which compute as TFLite Micro does; one of reals within `MOST_OF_REALS`.
    For files of ours, since the reference kernels have fewer checks than others.

    Raises, besides what `measured` does, VerificationFailed: says which output is how far from which kernels.
    """
    report = measured(data, inputs, where=where, given=given)
    _hold(report, report.gaps, MOST_CODES, "LiteRT", where)
    engine = LiteRT(
        data, where=where, kernels="reference"
    )  # what ends the process has ended TFLite Micro's before
    steps = steps_of(check_model(data, where=where))
    same = output_gaps(report.outputs, _run(engine, inputs), steps)
    _hold(report, same, SAME_CODES, "LiteRT's reference kernels", where)
    return report


def _hold(report: MicroReport, found: tuple[OutputGap, ...], most: int, of: str, where: Path | str) -> None:
    """Raises VerificationFailed where an output is too far from that `of` other kernels."""
    for each in found:
        if each.beyond(codes=most, reals=MOST_OF_REALS):
            bar = f"{MOST_OF_REALS:g} of the largest" if each.codes is None else f"{most}"
            raise VerificationFailed(
                f"{report.runtime} gives {each.output} that are {each.said} from those of {of} "
                f"on {report.inputs} inputs, more than {bar}",
                where=where,
                fix="quantize it anew with `export`, whose files all kernels round alike; of such a one, report this",
            )


def resolver_of(model: CheckedModel) -> tuple[str, ...]:
    """The methods of MicroMutableOpResolver that register the operators of a file, sorted.

    Source: tensorflow/lite/micro/micro_mutable_op_resolver.h; a test compiles them against its header.
    """
    return tuple(sorted({f"Add{_camel(operator.name)}" for operator in model.operators}))


def _camel(name: str) -> str:
    if name == "PADV2":
        return "PadV2"
    return "".join(part if part[0].isdigit() else part.capitalize() for part in name.split("_"))


def require_one_image(model: CheckedModel, where: Path | str) -> None:
    """Raises ArtifactError for a file that takes something else, or of which TFLite Micro runs something else."""
    shapes = [list(model.tensors[index].shape) for index in model.inputs]
    names = {model.tensors[index].name for index in model.outputs}
    if (
        len(shapes) != 1
        or shapes[0][:1] != [1]
        or len(model.signatures) > 1
        or len(names) < len(model.outputs)
    ):
        raise ArtifactError(
            f"TFLite Micro is asked of files that take one image, by one signature; this takes {shapes} "
            f"by {len(model.signatures)}",
            where=where,
            fix="give a classifier of one image",
        )


class _Answer(NamedTuple):
    arena: int
    parts: Mapping[str, int]  # "head" and "tail", bytes
    raw: bytes  # outputs of all inputs


def _ask(
    data: bytes, model: CheckedModel, inputs: npt.NDArray[Any], seconds: float | None, where: Path | str
) -> _Answer:
    shape = [len(inputs), *model.tensors[model.inputs[0]].shape]
    head = {
        "model": len(data),
        "shape": shape,
        "dtype": str(inputs.dtype),
        "outputs": len(model.outputs),
        "seconds": seconds,
    }
    question = json.dumps(head).encode() + b"\n" + data + inputs.tobytes()
    fix = _fix(model)
    try:
        told = TOOL.ask(question, limit=MAX_ANSWER_BYTES, where=where, fix=_FIX_AGAIN)
    except ArtifactError as error:
        if "SIGABRT" in error.what and _flat_softmax(model):
            raise ArtifactError(error.what, where=where, fix=f"{_FIX_FLAT}: {_FLAT}") from error
        raise
    line, _, raw = told.answer.partition(b"\n")
    if line in (b"open", b"run"):  # the stage at which it was refused
        why = f"does not {line.decode()} it{_obstacle(told.words)}"
        raise TOOL.refusal(why, _reason(told.words), where=where, fix=fix)
    arena = re.fullmatch(rb"arena (\d{1,12})", line)
    parts = {part: int(count) for part, count in _ALLOCATED.findall(told.words)}
    if arena is None or parts.keys() != {"head", "tail"}:
        raise TOOL.refusal("does not say what its arena holds", told.words, where=where, fix=fix)
    return _Answer(int(arena[1]), parts, raw)


def _fix(model: CheckedModel) -> str:
    """What to do where TFLite Micro does not take a file, by what is known of it."""
    tensors = model.tensors
    if any(
        operator.name == "QUANTIZE"
        and (tensors[operator.inputs[0]].dtype, tensors[operator.outputs[0]].dtype) == ("float32", "uint8")
        for operator in model.operators
    ):
        return "export it with `io='int8'`: TFLite Micro makes no uint8 of float32"
    return _FIX


def _obstacle(words: str) -> str:
    """The operator that TFLite Micro names."""
    if found := _LACKING.search(words):
        return f": it has no operator {found[1]}"
    if found := _FAILED.search(words):
        return f": operator {found[2]}, {found[1]}"
    return ""


def _reason(words: str) -> str:
    """Its words without places in its source, and without the operator, which `_obstacle` says."""
    lines = (_PLACE.sub("", line) for line in words.split("\n"))
    return "\n".join(line for line in lines if not _FAILED.search(line))


def _outputs(answered: _Answer, engine: LiteRT, where: Path | str) -> RawOutputs:
    """The outputs of all inputs that were run, by the names that LiteRT calls them."""
    kind = np.dtype([(tensor.name, tensor.dtype, tensor.shape) for tensor in engine.outputs])
    if len(answered.raw) % kind.itemsize:
        raise TOOL.refusal("gives outputs of other sizes than LiteRT", "", where=where, fix=_FIX)
    found = np.frombuffer(answered.raw, kind)
    return {tensor.name: _joined(found[tensor.name]) for tensor in engine.outputs}


def _count(found: RawOutputs) -> int:
    """On how many inputs."""
    return len(next(iter(found.values())))


def _gaps(found: RawOutputs, wanted: RawOutputs, model: CheckedModel) -> tuple[OutputGap, ...]:
    """Over the inputs that were run, the first of those of `wanted`."""
    count = _count(found)
    return output_gaps(found, {name: values[:count] for name, values in wanted.items()}, steps_of(model))


def _run(engine: LiteRT, inputs: npt.NDArray[Any]) -> RawOutputs:
    found = [engine(each[None]) for each in inputs]
    return {
        tensor.name: _joined(np.stack([each[tensor.name] for each in found])) for tensor in engine.outputs
    }


def _joined(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An output of N inputs, (N, 1, ...) of most files, as (N, ...)."""
    return values[:, 0] if values.shape[1:2] == (1,) else values


def _flat_softmax(model: CheckedModel) -> bool:
    """Whether integers of so many classes pass through SOFTMAX that it may end the program."""
    return any(
        operator.name == "SOFTMAX"
        and model.tensors[operator.inputs[0]].dtype != "float32"
        and model.tensors[operator.inputs[0]].shape[-1] > MOST_FLAT_CLASSES
        for operator in model.operators
    )


def _notes(model: CheckedModel) -> tuple[str, ...]:
    return (f"{_FLAT}; {_FIX_FLAT}",) if _flat_softmax(model) else ()
