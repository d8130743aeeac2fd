"""An int8 `.tflite` file compiled by Vela for an Ethos-U, with a report of what Vela said beside it.

The file that is compiled is proven as every int8 file is. Of the compiled one the inputs and outputs alone are held to
it, their shapes, types and scales: nothing here can run it. That is for the device, with the golden file of the other.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from efficientnet_lite.artifacts.exported import CompiledFile, Exported
from efficientnet_lite.artifacts.kind import ArtifactKind, Making, NewArtifact
from efficientnet_lite.artifacts.options import ExportOptions, photos_needed
from efficientnet_lite.chips.sizes import largest_size
from efficientnet_lite.chips.vela import VELA, VelaReport, compiled_by_vela, sram_bytes
from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import (
    CALL,
    EfficientNetLiteError,
    UsageError,
    VerificationFailed,
)
from efficientnet_lite.extras import ETHOS_U
from efficientnet_lite.proof.parity import EQUAL
from efficientnet_lite.runtimes.model_files import model_from_bytes
from efficientnet_lite.storage import files
from efficientnet_lite.storage.targets import Apart, check_own_file
from efficientnet_lite.strangers.structure import outlines
from efficientnet_lite.vocabulary import EthosUTarget

FORMAT = "ethos-u"
MAX_REPORT_BYTES = 4 << 20
NOT_RUN = "not run: there is no Ethos-U here; times are Vela's estimates"
_OURS = ("target", "tool", "made_of", "compiled")  # what a report has
_USED = ("target", "sram", "precision")


def compiled_name(plain: Path, target: EthosUTarget) -> Path:
    """Where the compiled file of `plain` lies beside it."""
    return plain.with_name(f"{plain.stem}_{target}.tflite")


def report_path(compiled: Path) -> Path:
    """Where the report of a compiled file lies."""
    return compiled.with_name(f"{compiled.name}.report.json")


def check(options: ExportOptions, out: Path) -> None:
    """Raises UsageError where Vela is missing, or the options are about a file that is made anew."""
    VELA.require(out)
    sram_bytes(options.sram)
    for name in (each for each in options.given() if each not in _USED):
        raise UsageError(
            f"`{name}=` is about an int8 file that is made anew, and without photos the run's own is compiled",
            where=CALL,
            fix=f"give `data=FOLDER` and `out=`, or leave `{name}=` out",
        )


def check_report(compiled: Path, *, overwrite: bool, apart: Collection[Apart] = ()) -> None:
    """Refuse, before any work is done, what lies where the report would, unless it is one. Raises UsageError."""
    check_own_file(
        report_path(compiled),
        _is_report,
        what="report",
        overwrite=overwrite,
        example="model.report.json",
        apart=apart,
    )


def _is_report(path: Path) -> bool:
    try:
        found = json_value(files.read_bytes(path, limit=MAX_REPORT_BYTES, what="a report"))
    except (ValueError, EfficientNetLiteError):
        return False
    return isinstance(found, dict) and all(name in found for name in _OURS)


def write(making: Making, place: Path) -> NewArtifact:
    """The compiled file of the int8 file that the origin has, and its report."""
    origin, options, out = making.origin, making.options, making.out
    own, target = origin.int8, options.target
    assert target is not None  # demanded by whoever chose this kind
    if own is None:
        raise photos_needed()
    data = own.read()
    limit = sram_bytes(options.sram)
    with making.stage(f"Compiling for {target}") as on_progress:
        report, model = compiled_by_vela(data, target, sram=limit, where=out)
        on_progress(1, 1)
    if report.too_large_by:
        raise _too_large(making, report, limit or 0)
    _require_same_outlines(data, model, out)
    files.publish(place, model)
    file = CompiledFile(out.absolute(), len(model), files.sha256_bytes(model), report)
    outputs = tuple(model_from_bytes(data, where=own.path).outputs)
    exported = Exported(out.absolute(), FORMAT, "int8", outputs, EQUAL, notes=_notes(report), compiled=file)
    ending = f"_{target}.tflite"
    plain = f"{out.name.removesuffix(ending)}.tflite" if out.name.endswith(ending) else own.path.name
    return NewArtifact(exported, None, _document(file, plain, own.sha256))


def _require_same_outlines(plain: bytes, model: bytes, where: Path) -> None:
    """Raises VerificationFailed where the compiled file takes or gives something else than the plain one."""
    wanted, found = (outlines(data, where=where) for data in (plain, model))
    if found != wanted:
        raise VerificationFailed(
            f"{VELA.title} gives a file with inputs and outputs {found}, expected {wanted}",
            where=where,
            fix=f"report this to its makers; the plain file is sound; or try another release: {ETHOS_U}",
        )


def _document(file: CompiledFile, plain: str, sha256: str) -> dict[str, Any]:
    made = {"file": plain, "sha256": sha256}
    compiled = {"file": file.path.name, "bytes": file.bytes, "sha256": file.sha256}
    return {**file.report.to_json(), "made_of": made, "compiled": compiled, "note": NOT_RUN}


def _notes(report: VelaReport) -> tuple[str, ...]:
    left = len(report.operators) - report.mapped
    cpu = f"{left} of {len(report.operators)} operators stay on the CPU, in the compiled file too"
    return (cpu,) if left else ()


def _too_large(making: Making, report: VelaReport, limit: int) -> VerificationFailed:
    """The error for a network that needs more SRAM than was given, with the size that would do."""

    def needed(model: bytes) -> int:
        return compiled_by_vela(model, report.target, sram=limit).report.smallest.sram_bytes

    size = largest_size(making.origin.plan, needed, limit)
    return VerificationFailed(
        f"it needs {report.smallest.sram_bytes / 1024:,.0f} KiB of SRAM at least, "
        f"{report.too_large_by / 1024:,.0f} KiB more than it may use, so nothing is published",
        where=making.out,
        fix=f"train it at {size} pixels, which fit, or give more `sram=`" if size else "give more `sram=`",
    )


KIND = ArtifactKind(
    FORMAT,
    write,
    None,
    check,
    ending=".tflite",
    golden=False,
    report=True,
    in_a_run=lambda options: ["int8", str(options.target)],
)
