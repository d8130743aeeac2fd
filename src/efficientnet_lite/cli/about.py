"""Commands that only look: info, models."""

from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from efficientnet_lite.cli.common import Json, Quiet, Verbose, console_of
from efficientnet_lite.cli.console import Console, percent
from efficientnet_lite.errors import ArtifactError, CheckpointError, UsageError
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.header import MAGIC_BYTES, format_of
from efficientnet_lite.proof.gate import Verdict
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.runtimes.model import MAX_MODEL_BYTES
from efficientnet_lite.storage import files
from efficientnet_lite.storage.files import read_bytes
from efficientnet_lite.stories.origin import named_model
from efficientnet_lite.strangers.accelerators import MIB, TargetName
from efficientnet_lite.strangers.description import ModelInfo, Port, describe
from efficientnet_lite.strangers.readiness import Finding, OperatorPlace, Readiness, check_readiness
from efficientnet_lite.tflite.slots import MODEL_IDENTIFIER
from efficientnet_lite.weights.published import HUB_FILES, PACKAGES
from efficientnet_lite.weights.read import read_checkpoint
from efficientnet_lite.weights.stored_tensors import MAX_CHECKPOINT_BYTES

_READY = {
    "ready": "ready: every operator maps, by the rules",
    "conditional": "ready only with an option of the delegate",
    "not ready": "NOT READY",
    "not known": "not known: no obstacle found, and no rule can say more",
}


def info(
    source: str,
    /,
    *,
    target: TargetName | None = None,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Say what a file contains: operators, shapes, quantization, metadata, contract; or a run, or a model.

    Args:
        source: a .tflite file of anyone's, a run folder, a checkpoint, or a model such as lite1.
        target: say instead whether a .tflite file would map onto this accelerator, and why not.
        json: print one JSON document instead of the table.
        verbose: say more; may be given again.
        quiet: say nothing but results, warnings and errors.
    """
    console = console_of(json, verbose, quiet)
    path = Path(source)
    if target is not None:
        _show_target(console, path, target)
        return
    if files.is_dir(path) and run_folder.is_run(path):
        run = run_folder.open_run(path)
        document: dict[str, Any] = {"run": path.absolute(), "card": dict(run.card)}
        rows = _run_rows(run)
    elif files.is_dir(path):
        document = _checkpoint(path)
        rows = [[key, _shown(value)] for key, value in document.items()]
    elif files.exists(path) or path.suffix == ".tflite":
        document, rows = _file(path)
    else:
        name = named_model(source)
        document = _facts(name.variant.name, name.size)
        rows = [[key.replace("_", " "), _shown(value)] for key, value in document.items()]
    if json:
        console.json(document)
    else:
        console.table("", ["", source], rows)


def models(*, json: Json = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """List the five variants: input size, parameters, multiply-adds, published accuracy, and their weights.

    Args:
        json: print one JSON document instead of the table.
        verbose: say more; may be given again.
        quiet: say nothing but results, warnings and errors.
    """
    console = console_of(json, verbose, quiet)
    facts = [_facts(variant.name, variant.size) for variant in VARIANTS.values()]
    if json:
        console.json(facts)
    else:
        _show_models(console, facts)


def _show_target(console: Console, path: Path, target: TargetName) -> None:
    if files.is_dir(path) or not (files.exists(path) or path.suffix == ".tflite"):
        raise UsageError(
            "--target is a question about a .tflite file, and this is none"
            if files.exists(path)
            else files.missing(path, "file"),
            where=path,
            fix="give a .tflite file, of a run one of its exports/",
        )
    data = read_bytes(path, limit=MAX_MODEL_BYTES, what="a .tflite file")
    readiness = check_readiness(data, target, where=path)
    if console.as_json:
        console.json({"path": path.absolute(), **readiness.to_json()})
    else:
        _show_readiness(console, readiness)


def _show_readiness(console: Console, readiness: Readiness) -> None:
    """Operators by kind, the verdict, and what it rests on."""
    console.line(f"{readiness.title}: {_READY[readiness.verdict]}")
    if readiness.verdict != "not known":
        console.line(f"{readiness.mapped} of {len(readiness.operators)} operators map, in one partition")
    if (obstacle := readiness.obstacle) is not None:
        console.line(f"first obstacle: {_said(obstacle)}")
    if readiness.mapped and readiness.memory_bytes is not None:
        console.line(_memory(readiness, readiness.memory_bytes))
    kinds = Counter((each.name, each.version, each.on, _why(each)) for each in readiness.operators)
    rows = [
        [name, version, count, readiness.target if on == "target" else on, why]
        for (name, version, on, why), count in kinds.items()
    ]
    columns = ["operator", "version", "count", "on", "rule"]
    console.table("", columns, rows, right=columns[1:3])
    unsure: dict[str, Finding] = {}  # the first for each rule
    for finding in (each for placed in readiness.operators for each in placed.findings):
        if finding != obstacle and (finding.effect in ("option", "unknown") or not finding.verified):
            unsure.setdefault(finding.rule, finding)
    for finding in unsure.values():
        console.line(f"note: {_said(finding)}")
    for remark in readiness.remarks:
        console.line(remark)


def _said(finding: Finding) -> str:
    place = f"operator {finding.operator} ({finding.name} v{finding.version}), tensor {finding.tensor!r}"
    unverified = "" if finding.verified else "unverified; "
    return f"{place}: {finding.found}; the rule: {finding.rule} ({unverified}{finding.source})"


def _why(placed: OperatorPlace) -> str:
    """The rule that keeps an operator from the target, or that its mapping hangs on."""
    order = ("refused", "cpu", "option", "unknown")
    findings = sorted(placed.findings, key=lambda each: order.index(each.effect))
    if findings:
        return findings[0].rule + ("" if findings[0].verified else " (unverified)")
    return "outside of the partition" if placed.on == "cpu" else ""


def _memory(readiness: Readiness, memory: tuple[int, int]) -> str:
    sure, best = (f"{each / MIB:.1f}" for each in memory)
    weights = f"{readiness.weights_bytes / MIB:.2f} MiB"
    room = f"the {sure} to {best} MiB that logs show usable on the chip ({readiness.memory_source})"
    if readiness.weights_bytes <= memory[0]:
        return f"weights: {weights}, within {room}"
    if readiness.weights_bytes <= memory[1]:
        return f"weights: {weights}, about {room}: they may not fit whole"
    return f"weights: {weights}, more than {room}: the rest is streamed with every photo, which is slow"


def _facts(name: str, size: int) -> dict[str, Any]:
    variant = VARIANTS[name]
    package, hub = PACKAGES.get(name), HUB_FILES[name]
    return {
        "model": name if size == variant.size else f"{name}@{size}",
        "size": size,
        "parameters": variant.parameters,
        "madds": make_plan(variant, size=size).madds(),
        "top1": variant.top1,
        "top1_size": variant.size,
        "top1_int8": variant.top1_int8,
        "top1_int8_size": variant.int8_size,
        "weights": package.origin if package else hub.origin,
        "license": package.license if package else hub.license,
        "installed": package is not None and find_spec(package.module) is not None,
    }


def _file(path: Path) -> tuple[dict[str, Any], list[list[object]]]:
    """The document and the rows of a file, told by its content: a .tflite, or a checkpoint."""
    data = read_bytes(path, limit=MAX_CHECKPOINT_BYTES, what="a .tflite file or a checkpoint")
    if data[4:8] == MODEL_IDENTIFIER or path.suffix.lower() == ".tflite":
        described = describe(data, where=path)
        return {"path": path.absolute(), **described.to_json()}, _file_rows(described)
    fix = "give a .tflite file, a checkpoint, a run folder, or a model such as lite1"
    if (photo := format_of(data[:MAGIC_BYTES])) is not None:
        raise ArtifactError(f"this is a photo ({photo}), not a model", where=path, fix=fix)
    if path.suffix.lower() == ".onnx":
        raise ArtifactError("an ONNX file, of which info has nothing to say", where=path, fix=fix)
    try:
        document = _checkpoint(path)
    except CheckpointError as error:
        raise CheckpointError(
            f"it is no .tflite file, and cannot be read as a checkpoint: {error.what}",
            where=path,
            fix=error.fix,
        ) from error
    return document, [[key, _shown(value)] for key, value in document.items()]


def _checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint, a file or a folder, holds; raises CheckpointError where that is nothing, or damaged."""
    found = read_checkpoint(path)
    return {
        "path": path.absolute(),
        "format": found.format,
        "model": found.variant.name,
        "classes": found.classes,
        "parameters": make_plan(found.variant, classes=found.classes).trainable_parameters(),
        "sha256": found.sha256,
    }


def _show_models(console: Console, facts: list[dict[str, Any]]) -> None:
    columns = ["model", "size", "parameters", "MAdds", "top-1 float", "top-1 int8", "weights"]
    rows = [
        [
            fact["model"],
            fact["size"],
            f"{fact['parameters']:,}",
            f"{fact['madds'] / 1e6:,.0f} M",
            f"{percent(fact['top1'])} at {fact['top1_size']}",
            f"{percent(fact['top1_int8'])} at {fact['top1_int8_size']}",
            "installed" if fact["installed"] else fact["weights"].rpartition(" from ")[2],
        ]
        for fact in facts
    ]
    console.table("", columns, rows, right=columns[1:6])
    console.line("Accuracies as published, on ImageNet's validation photos; int8 is the reference's own.")


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _port(port: Port) -> str:
    quantized = f", scale {port.scale:.9g}, zero point {port.zero_point}" if port.scale else ""
    return f"{port.name}: {port.dtype} {list(port.shape)}{quantized}"


def _file_rows(described: ModelInfo) -> list[list[object]]:
    rows: list[list[object]] = [
        ["bytes", f"{described.bytes:,}"],
        ["parameters", f"{described.parameters:,}"],
    ]
    rows += [["input", _port(port)] for port in described.inputs]
    rows += [["output", _port(port)] for port in described.outputs]
    if len(described.signatures) > 1:
        run, *others = described.signatures
        rows.append(["signature", f"{run} is run; also {', '.join(others)}"])
    operators = ", ".join(f"{each.count} {each.name} v{each.version}" for each in described.operators)
    rows += [
        ["operators", operators],
        ["float operators", described.float_operators],
        ["weights", "one scale a channel" if described.per_channel else "one scale a tensor, or float"],
        ["shapes", "may change at run time" if described.dynamic else "fixed"],
        ["constants", "aligned to 16 bytes" if described.aligned else "not aligned to 16 bytes"],
        ["memory for tensors", f"{described.arena_bytes:,} bytes"],
        ["oldest runtime", described.min_runtime or "not said"],
        [
            "labels",
            ", ".join(f"{count} {locale or 'default'}" for locale, count in described.labels.items())
            or "none",
        ],
    ]
    if described.text:
        rows.append(["metadata", f"{described.text.name}; {described.text.description}"])
        rows += [
            ["normalization", f"mean {list(tensor.mean)}, std {list(tensor.std)}"]
            for tensor in described.text.inputs
        ]
    if described.identity:
        contract = described.identity.contract
        rows.append(["contract", f"{described.identity.variant} at {contract.size} pixels, {contract.view}"])
    return rows


def _run_rows(run: run_folder.Run) -> list[list[object]]:
    card = run.card
    rows: list[list[object]] = [
        ["model", f"{card.get('variant')} at {card.get('size')} pixels"],
        [
            "classes",
            f"{len(run.labels)}: {', '.join(run.labels[:10])}{', ...' if len(run.labels) > 10 else ''}",
        ],
    ]
    try:
        for export in card["exports"]:
            top1 = ", ".join(f"{view} {percent(each['top1'])}" for view, each in export.get("as", {}).items())
            size = f"{int(export.get('bytes', 0)):,}"
            rows.append([export["precision"], f"{export['path']}, {size} bytes, top-1 {top1}"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ArtifactError(
            f"the card's exports cannot be read: {error!r:.200}",
            where=run.folder / run_folder.CARD,
            fix="train the run again",
        ) from error
    said = card["verification"].get("verdict")
    if said in get_args(Verdict):  # cards of older versions have none
        rows.append(["int8 against float32", said])
    judged, whole = (card["metrics"].get(name) for name in ("judged", "photos"))
    if type(judged) is type(whole) is int:
        rows.append(["judged on", f"{judged} photos" if judged == whole else f"{judged} of {whole} photos"])
    return rows
