"""What Vela, Arm's compiler for Ethos-U NPUs, makes of a `.tflite` file: which operators, how much memory, what time.

The times are the compiler's own estimates, for the system that it is told of: no NPU runs here.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from efficientnet_lite import extras
from efficientnet_lite.chips.ethos_u import ETHOS_U, EthosU
from efficientnet_lite.chips.tool import Tool
from efficientnet_lite.chips.vela_child import DRAM, NO_CONFIG, SRAM
from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import ArtifactError, wrong_argument
from efficientnet_lite.strangers.structure import CheckedModel, check_model
from efficientnet_lite.vocabulary import EthosUTarget

VELA = Tool("Vela", "ethosu.regor", "ethos-u-vela", extras.ETHOS_U, "efficientnet_lite.chips.vela_child")
NPU_OPERATOR = "ethos-u"  # what stands in a compiled file for all that the NPU runs at a time
MORE_BYTES = (
    16 << 20
)  # that a compiled file may have beyond twice those of the plain one, with what is said of it
MAX_REASON = 300  # characters
MAX_SRAM_KIB = 1 << 22  # 4 GiB, what an NPU can address
CODES = ("int8", "uint8", "int16")
_WARNING = re.compile(r"^Warning \(supported operators\) operator: (\S+), ofm: '(.*)'$")
_FIX = "export it with `precision='int8'`, and give that file"


@dataclass(frozen=True, slots=True)
class PlacedByVela:
    """One operator of the file, and where it runs."""

    operator: int  # in order of execution
    name: str
    version: int
    output: str
    on: Literal["npu", "cpu"]
    reason: str  # why the CPU, in Vela's words


@dataclass(frozen=True, slots=True)
class Compilation:
    """What one way of compiling needs, and how long one image then takes, by the compiler's estimate."""

    sram_bytes: int
    dram_bytes: int  # with the weights, where the system has DRAM in place of flash
    cycles: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class VelaReport:
    """What Vela says of one file for one NPU."""

    target: EthosUTarget
    title: str  # "Arm Ethos-U55-128"
    tool: str  # "Vela 5.2.0"
    system: str
    memory_mode: str
    clock_hz: int
    operators: tuple[PlacedByVela, ...]
    macs: int  # multiply-accumulates for one image
    compiled_bytes: int  # of the compiled file, which lies in flash
    fastest: Compilation
    smallest: Compilation
    chosen: Literal["fastest", "smallest"]  # how the compiled file is compiled
    sram_limit: int | None  # that was given
    largest_size: int | None = None  # pixels, the input of this network that fits where this one is too large

    @property
    def mapped(self) -> int:
        """How many operators the NPU runs."""
        return sum(each.on == "npu" for each in self.operators)

    @property
    def too_large_by(self) -> int:
        """Bytes of SRAM that it needs beyond the limit at least."""
        return max(0, self.smallest.sram_bytes - self.sram_limit) if self.sram_limit is not None else 0

    @property
    def ready(self) -> bool:
        """Every operator on the NPU, within the SRAM that was given."""
        return self.mapped == len(self.operators) and not self.too_large_by

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        found = {"ready": self.ready, "mapped": self.mapped, "too_large_by": self.too_large_by}
        return {**asdict(self), **found}


class Compiled(NamedTuple):
    """A file for the NPU, and what is said of it."""

    report: VelaReport
    model: bytes


def compiled_by_vela(
    data: bytes,
    target: EthosUTarget,
    *,
    sram: int | None = None,
    system: str | None = None,
    memory_mode: str | None = None,
    where: Path | str = "the model",
) -> Compiled:
    """`data` compiled for `target`, once it has passed our own check.

    Args:
        sram: bytes of it that the NPU may use; the fastest way within them is taken, else the smallest.
        system, memory_mode: of Vela's `Arm/vela.ini`; those of `ethos_u` where None.

    Raises:
        UsageError: Vela is not installed, or knows no such system or memory mode.
        ArtifactError: the file is damaged, none of 8-bit integers, or Vela refuses it, dies or takes too long.
    """
    VELA.require(where)
    model, npu = check_model(data, where=where), ETHOS_U[target]
    _require_codes(model, npu, where)
    asked = {
        "accelerator": target,
        "system": system or npu.system,
        "memory_mode": memory_mode or npu.memory_mode,
        "sram": sram,
    }
    question = json.dumps(asked).encode() + b"\n" + data
    told = VELA.ask(question, limit=2 * len(data) + MORE_BYTES, where=where, fix=_FIX)
    head, _, compiled = told.answer.partition(b"\n")
    try:
        answer = json_value(head)
        if NO_CONFIG in answer:
            raise _unknown(answer, system, memory_mode)
        report = _report(answer, model, npu, asked, len(compiled), told.words)
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise VELA.refusal(
            f"answers what makes no sense ({error!r})", told.words, where=where, fix=extras.ETHOS_U
        ) from error
    return Compiled(report, compiled)


def sram_bytes(kib: int | None) -> int | None:
    """KiB as bytes; WrongArgument where no chip could have so many."""
    if kib is not None and not 1 <= kib <= MAX_SRAM_KIB:
        raise wrong_argument("sram", kib, fix=f"give KiB, from 1 to {MAX_SRAM_KIB:,}")
    return None if kib is None else kib * 1024


def _require_codes(model: CheckedModel, npu: EthosU, where: Path | str) -> None:
    """Refuse a file of which an NPU could run nothing."""
    if any(tensor.dynamic for tensor in model.tensors):
        raise ArtifactError(
            f"its shapes may change at run time, and {npu.title} needs them when it is compiled for",
            where=where,
            fix="export it with a batch of 1, without `batch='dynamic'`",
        )
    made = [model.tensors[operator.outputs[0]] for operator in model.operators]
    if not any(tensor.dtype in CODES and tensor.scales for tensor in made):
        first = model.operators[0]
        raise ArtifactError(
            f"{npu.title} computes in 8-bit integers alone, and here operator 0 ({first.name}) already makes "
            f"{made[0].dtype}",
            where=where,
            fix=_FIX,
        )


def _unknown(answer: Mapping[str, Any], system: str | None, memory_mode: str | None) -> Exception:
    """The error for a name that stands in no configuration of Vela's."""
    known = ", ".join(str(each) for each in answer["known"])
    if answer[NO_CONFIG] == "System_Config":
        return wrong_argument("system_config", system, fix=f"give one of Vela's: {known}")
    return wrong_argument("memory_mode", memory_mode, fix=f"give one of Vela's: {known}")


def _report(
    answer: Mapping[str, Any],
    model: CheckedModel,
    npu: EthosU,
    asked: Mapping[str, Any],
    compiled_bytes: int,
    words: str,
) -> VelaReport:
    clock = _count(answer["clock_hz"])
    fastest, smallest = (_compilation(each, clock) for each in answer["reports"])
    return VelaReport(
        target=npu.name,
        title=npu.title,
        tool=VELA.title,
        system=asked["system"],
        memory_mode=asked["memory_mode"],
        clock_hz=clock,
        operators=_placed(model, answer["operators"], reasons(words)),
        macs=_count(answer["reports"][0]["macs"]),
        compiled_bytes=compiled_bytes,
        fastest=fastest,
        smallest=smallest,
        chosen="fastest" if _count(answer["chosen"]) == 0 else "smallest",
        sram_limit=asked["sram"],
    )


def _compilation(report: Mapping[str, Any], clock: int) -> Compilation:
    memories, cycles = report["memories"], _count(report["cycles"])
    return Compilation(
        _count(memories.get(SRAM, 0)), _count(memories.get(DRAM, 0)), cycles, round(1000 * cycles / clock, 3)
    )


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"no count: {value!r}"[:80])
    return value


def _placed(
    model: CheckedModel, left: Sequence[Mapping[str, str]], why: Mapping[str, str]
) -> tuple[PlacedByVela, ...]:
    """Every operator of the file: on the CPU where it still stands in the compiled one, else on the NPU."""
    on_cpu = {each["output"] for each in left if each["name"] != NPU_OPERATOR}
    found = []
    for place, operator in enumerate(model.operators):
        output = model.tensors[operator.outputs[0]].name
        cpu = output in on_cpu
        found.append(
            PlacedByVela(
                place,
                operator.name,
                operator.version,
                output,
                "cpu" if cpu else "npu",
                why.get(output, "Vela gives no reason") if cpu else "",
            )
        )
    return tuple(found)


def reasons(words: str) -> dict[str, str]:
    """Why an operator stays on the CPU, by the name of its output, from what Vela prints."""
    found: dict[str, str] = {}
    output: str | None = None
    for line in words.split("\n"):
        if (warned := _WARNING.match(line)) is not None:
            output = None if warned[2] in found else warned[2]  # it is compiled twice
            if output is not None:
                found[output] = ""
        elif output is not None and len(found[output]) < MAX_REASON:
            found[output] = " ".join([*filter(None, [found[output]]), line.removeprefix("Reason: ")])[
                :MAX_REASON
            ]
    return found
