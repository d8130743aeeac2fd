"""Vela, Arm's compiler for Ethos-U, run in the child of `storage.confined`: nowhere else is it imported.

The question is a line of JSON and the model behind it; the answer a line of JSON and the compiled model. Only what Vela
is told and what it says stands here; what that means, and whether it makes sense, is for `vela` to say.

Source: ethos-u-vela 5.2, `ethosu.vela.vela` for how its command line asks the compiler. The compiler itself takes the
model from memory, where the command line would write files.
"""

import json
from pathlib import Path
from typing import Any, BinaryIO

CONFIG = "Arm/vela.ini"  # of Vela's own configurations
NO_CONFIG = "no_config"
STRATEGIES = ("Performance", "Size")  # fastest, and least memory; the first is what is compiled
FORMAT = "TFLITE"
SRAM, DRAM = "Sram", "Dram"  # memories, as the compiler calls them


def respond(question: bytes, out: BinaryIO) -> None:
    """Compile the model, for speed and for size; of both, the first that keeps within the SRAM is answered."""
    head, model = question.split(b"\n", 1)
    asked = json.loads(head)
    from ethosu.vela import architecture_features as features

    path = Path(features.CONFIG_FILES_PATH) / CONFIG
    ini = path.read_text(encoding="utf-8")
    known = {kind: _sections(ini, kind) for kind in ("System_Config", "Memory_Mode")}
    wrong = [
        kind
        for kind, name in (("System_Config", "system"), ("Memory_Mode", "memory_mode"))
        if asked[name] not in known[kind]
    ]
    if wrong:
        out.write(json.dumps({NO_CONFIG: wrong[0], "known": known[wrong[0]]}).encode())
        return
    architecture = features.ArchitectureFeatures(
        vela_config_files=[str(path)],
        system_config=asked["system"],
        memory_mode=asked["memory_mode"],
        accelerator_config=asked["accelerator"],
        max_blockdep=features.ArchitectureFeatures.MAX_BLOCKDEP,
        verbose_config=False,
        arena_cache_size=asked["sram"],
    )
    compiled = [
        _compiled(model, asked["accelerator"], architecture, ini, strategy) for strategy in STRATEGIES
    ]
    reports = [_report(each.perf_report) for each in compiled]
    most = asked["sram"]
    chosen = next((place for place, each in enumerate(reports) if most is None or _sram(each) <= most), 0)
    answer = {
        "clock_hz": int(architecture.core_clock),
        "operators": _operators(bytes(compiled[chosen].model)),
        "reports": reports,
        "chosen": chosen,
    }
    out.write(json.dumps(answer).encode() + b"\n")
    out.write(compiled[chosen].model)


def _sections(ini: str, kind: str) -> list[str]:
    """The names of one kind that a configuration has."""
    head = f"[{kind}."
    return [line[len(head) :].rstrip("] ") for line in ini.splitlines() if line.startswith(head)]


def _compiled(model: bytes, accelerator: str, architecture: Any, ini: str, strategy: str) -> Any:
    from ethosu import regor

    system = (
        f"[architecture]\nmacs={architecture.num_macs_per_cycle}\ncores={architecture.ncores}\n"
        f"[vela]\nsystem_config_name={architecture.system_config}\nmemory_mode_name={architecture.memory_mode}\n{ini}"
    )
    options = (
        "\n[compiler]\noutput_format=TFLite\ncop_format=COP1\n"
        f"\n[scheduler]\noptimize={strategy}\narena_size_limit={architecture.arena_cache_size}\n"
        "disable_feature=\ncpu_tensor_alignment=16\ntensor_allocator=HillClimb\n"
    )
    family = "".join(part.capitalize() for part in accelerator.split("-")[:-1])  # "EthosU55"
    return regor.compile(family, model, FORMAT, system, options, verbose=True)


def _report(found: Any) -> dict[str, Any]:
    """What the compiler says of one strategy."""
    return {
        "cycles": int(found.totalCycles),
        "npu_cycles": int(found.npuCycles),
        "macs": int(found.macCount),
        "read_only": int(found.readOnlyPeakUsage),
        "memories": {str(name): int(memory.peakUsage) for name, memory in found.memories.items()},
    }


def _sram(report: dict[str, Any]) -> int:
    return int(report["memories"].get(SRAM, 0))


def _operators(compiled: bytes) -> list[dict[str, str]]:
    """The operators of the compiled model, those that the NPU runs as one of the name "ethos-u"."""
    from ethosu.vela.tflite.BuiltinOperator import BuiltinOperator
    from ethosu.vela.tflite.Model import Model

    names = {code: name for name, code in vars(BuiltinOperator).items() if isinstance(code, int)}
    model = Model.GetRootAsModel(compiled, 0)
    graph = model.Subgraphs(0)
    found = []
    for place in range(graph.OperatorsLength()):
        operator = graph.Operators(place)
        code = model.OperatorCodes(operator.OpcodeIndex())
        custom = code.CustomCode()
        name = (
            custom.decode()
            if custom
            else names.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "?")
        )
        found.append({"name": name, "output": graph.Tensors(operator.Outputs(0)).Name().decode()})
    return found
