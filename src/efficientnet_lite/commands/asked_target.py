"""What a file, a run or a model is to a chip: by our rules, or by what the chip's own tool says of it."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from efficientnet_lite.chips import micro
from efficientnet_lite.chips.fitting import BoardFit, fits_on, needs_of
from efficientnet_lite.chips.micro import MicroReport
from efficientnet_lite.chips.vela import VELA, VelaReport, compiled_by_vela, sram_bytes
from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.network.plan import VARIANTS, Plan, make_plan, parse_model_name
from efficientnet_lite.proof.run_inputs import run_inputs
from efficientnet_lite.run.folder import is_run, open_run
from efficientnet_lite.run.source import open_origin
from efficientnet_lite.runtimes.model_files import MAX_MODEL_BYTES
from efficientnet_lite.storage import files
from efficientnet_lite.strangers.readiness import Readiness, check_readiness
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity
from efficientnet_lite.tflite.metadata import read_entries
from efficientnet_lite.vocabulary import ETHOS_U_TARGETS, EthosUTarget, RuleTarget, TargetName

A_TFLITE = "a .tflite file"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an NPU stands among; None as in `chips.ethos_u`."""

    sram_kib: int | None = None  # of SRAM that it may use
    system_config: str | None = None
    memory_mode: str | None = None

    def require_unused(self, target: TargetName | None) -> None:
        """Raises UsageError for one that was given, where `target` has no use for it."""
        for name, value in (("sram", self.sram_kib), *((each, getattr(self, each)) for each in NAMES)):
            if value is not None:
                raise UsageError(
                    f"`{name}=` is about an Ethos-U, and the target is {target or 'not given'}",
                    where=CALL,
                    fix=f"leave it out, or give `target={ETHOS_U_TARGETS[2]}` or its like",
                )


NAMES = ("system_config", "memory_mode")


def asked_target(
    source: Path, target: TargetName, around: Surroundings = Surroundings()
) -> Readiness | VelaReport | MicroReport:
    """What `target` makes of the source.

    Raises:
        UsageError: the source is nothing that it can be asked about, or its tool is not installed.
        ArtifactError: the file is damaged, or its tool refuses it.
    """
    if target == "edgetpu" or target == "gpu":
        around.require_unused(target)
        return asked_rules(source, target)
    if target == "tflm":
        around.require_unused(target)
        return asked_micro(source)
    return asked_vela(source, target, around)


def asked_micro(source: Path) -> MicroReport:
    """What TFLite Micro says of a file, of a run's int8 file, or of a model in int8, which is opened and not run."""
    micro.require(source)
    data, where = int8_of(source)
    model = check_model(data, where=where)
    micro.require_one_image(model, where)
    if not files.is_file(where):  # of a model no photo has set the ranges, so that its answers say nothing
        return micro.measured(data, run_inputs(model, where).raw[:0], where=where)
    inputs = run_inputs(model, where)
    return micro.measured(data, inputs.raw, where=where, named=inputs.named, seconds=micro.ENOUGH_SECONDS)


def asked_rules(path: Path, target: RuleTarget) -> Readiness:
    """Whether the .tflite file would map onto an accelerator, by rules; UsageError where it is none."""
    if files.is_dir(path) or not (files.exists(path) or path.suffix == ".tflite"):
        raise UsageError(
            f"`target={target}` is a question about a .tflite file, and this is none"
            if files.exists(path) or parse_model_name(str(path)) is not None
            else files.missing(path, "file"),
            where=path,
            fix=_file_to_ask(path),
        )
    return check_readiness(files.read_bytes(path, limit=MAX_MODEL_BYTES, what=A_TFLITE), target, where=path)


def _file_to_ask(path: Path) -> str:
    """What to give in place of a run, of a model's name, or of anything else."""
    if files.is_dir(path) and is_run(path):
        return f"give {open_run(path).export('int8')}"
    if parse_model_name(str(path)) is not None:
        return "make an int8 file of it with `export`, and give that"
    return "give a .tflite file, of a run one of its exports/"


def asked_vela(source: Path, target: EthosUTarget, around: Surroundings) -> VelaReport:
    """What Vela says of a file, of a run's int8 file, or of a model in int8; see `compiled_by_vela`."""
    VELA.require(source)
    limit = sram_bytes(around.sram_kib)
    data, where = int8_of(source)
    compile_it = partial(
        compiled_by_vela,
        target=target,
        sram=limit,
        system=around.system_config,
        memory_mode=around.memory_mode,
        where=where,
    )
    report = compile_it(data).report
    plan = plan_of(data) if report.too_large_by else None
    if limit is None or plan is None:
        return report
    from efficientnet_lite.chips.sizes import largest_size

    fits = largest_size(plan, lambda each: compile_it(each).report.smallest.sram_bytes, limit)
    return replace(report, largest_size=fits)


def int8_of(source: Path) -> tuple[bytes, Path]:
    """The int8 file of a source and its place: itself, that of a run, or one of a model that no photo has seen."""
    if files.is_dir(source) and is_run(source):
        path = open_run(source).export("int8")
    elif files.is_file(source) or source.suffix == ".tflite":
        path = source
    else:
        from efficientnet_lite.artifacts.unproven import unproven_int8

        return unproven_int8(open_origin(str(source))), source
    return files.read_bytes(path, limit=MAX_MODEL_BYTES, what=A_TFLITE), path


def boards_of(source: Path) -> tuple[BoardFit, ...]:
    """How the int8 file of a source fits on well-known boards, by estimates; raises as `int8_of`."""
    data, where = int8_of(source)
    return fits_on(needs_of(check_model(data, where=where), len(data)), plan_of(data))


def plan_of(data: bytes) -> Plan | None:
    """The network of a file of ours; None of another's."""
    entries = read_entries(data)
    if OWN_ENTRY not in entries:
        return None
    identity = Identity.from_bytes(entries[OWN_ENTRY], where="the model")
    return make_plan(VARIANTS[identity.variant], size=identity.contract.size, classes=identity.classes)
