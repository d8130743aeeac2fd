"""`info`: look at a file, a run or a model."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efficientnet_lite.cli.common import Json, Quiet, Verbose, console_of
from efficientnet_lite.cli.console import Console, percent
from efficientnet_lite.errors import EfficientNetLiteError
from efficientnet_lite.network.plan import make_plan
from efficientnet_lite.vocabulary import TargetName

if TYPE_CHECKING:
    from efficientnet_lite.chips.fitting import BoardFit
    from efficientnet_lite.run.folder import Run
    from efficientnet_lite.strangers.description import ModelInfo, Port
    from efficientnet_lite.weights.read import Weights

FIRST_NAMES, LONGEST = 10, 60  # of a model's classes, and characters of each; --json has all


def info(
    source: str,
    /,
    *,
    target: TargetName | None = None,
    sram: int | None = None,
    system_config: str | None = None,
    memory_mode: str | None = None,
    json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Say what a file contains: operators, shapes, quantization, metadata, contract; or a run, or a model.

    Of a .tflite also whether it is an EfficientNet-Lite that `export` takes in as weights, and why not.

    With --target the exit code is 5 where the file does not map onto the accelerator, else 0.
    Of the latter, `verdict` of --json tells what maps from what hangs on an option, and from what no rule decides.

    Args:
        source: a .tflite file of anyone's, a run folder, a checkpoint, or a model such as lite1.
        target: say instead what this chip makes of it, and why not all of it. edgetpu and gpu go by rules, and want a
            .tflite file. ethos-u55-128 and its like ask Vela, Arm's compiler (extra "ethos-u"), also of a run, or of
            a model such as lite0@96 in int8: operators, memory, and time by its estimate. tflm runs TFLite Micro's
            interpreter (extra "tflm"): the arena that it needs, operators to register, and answers beside LiteRT's.
        sram: KiB that an Ethos-U may use: the fastest way within them, or by how much it is too large and which input
            size fits.
        system_config: the memories around an Ethos-U, a name of Vela's Arm/vela.ini. Makers of chips have their own.
        memory_mode: how they are used, likewise.
    """
    from efficientnet_lite.cli.target_report import show_boards, show_target
    from efficientnet_lite.commands.asked_target import boards_of
    from efficientnet_lite.commands.info import info as info_of
    from efficientnet_lite.run.folder import Run
    from efficientnet_lite.strangers.description import ModelInfo
    from efficientnet_lite.weights import imagenet
    from efficientnet_lite.weights.read import Weights

    console = console_of(json, verbose, quiet)
    if target is not None:
        found = info_of(
            source, target=target, sram=sram, system_config=system_config, memory_mode=memory_mode
        )
        show_target(console, Path(source), found)
        return
    match info_of(source, sram=sram, system_config=system_config, memory_mode=memory_mode):
        case Run() as run:
            boards: Sequence[BoardFit] = ()
            try:
                boards = boards_of(run.folder)
            except (
                EfficientNetLiteError
            ) as error:  # the file is gone or damaged, the card may be read all the same
                console.warn(f"nothing is said of boards: {error.what}")
            if json:
                listed = [each.to_json() for each in boards]
                console.json({"run": run.folder.absolute(), "card": dict(run.card), "boards": listed})
            else:
                _show_run(console, run)
                if boards:
                    show_boards(console, run.folder, boards)
            return
        case ModelInfo() as described:
            document: dict[str, Any] = {"path": Path(source).absolute(), **described.to_json()}
            rows = _file_rows(described)
        case Weights() as checkpoint:
            document = _checkpoint(Path(source), checkpoint)
            rows = _rows(document)
        case offer:
            document = asdict(offer) | {"labels": imagenet.labels()}
            rows = _offer_rows(document)
    if json:
        console.json(document)
    else:
        console.facts(source, rows)


def _show_run(console: Console, run: "Run") -> None:
    from efficientnet_lite.cli.run_summary import show_next, show_summary
    from efficientnet_lite.run.report.int8_facts import int8_facts
    from efficientnet_lite.run.summary import summary_of

    summary = summary_of(run.card, run.folder)
    show_summary(console, summary)
    rows: list[tuple[str, object]] = [
        ("model", f"{run.card.get('variant')} at {run.card.get('size')} pixels"),
        ("classes", _names(run.labels)),
        ("proof", summary.proof),
        *([("int8", made.sentence)] if (made := int8_facts(run.card.get("int8"))) else []),
        *((export.precision, export.path) for export in run.exports),
    ]
    console.facts("", rows)
    if not console.quiet:
        show_next(console, summary)


def _offer_rows(offer: dict[str, Any]) -> list[tuple[str, object]]:
    return [
        ("model", offer["model"]),
        ("input", f"{offer['size']} x {offer['size']} pixels"),
        ("parameters", f"{offer['parameters']:,}"),
        ("multiply-adds", f"{offer['madds']:,}"),
        ("top-1 float", f"{percent(offer['top1'])} at {offer['top1_size']}, as published"),
        ("top-1 int8", f"{percent(offer['top1_int8'])} at {offer['top1_int8_size']}, the reference's own"),
        ("weights", offer["weights"]),
        ("license", offer["license"]),
        ("installed", "yes" if offer["installed"] else "no"),
        ("labels", _names(offer["labels"])),
    ]


def _checkpoint(path: Path, found: "Weights") -> dict[str, Any]:
    return {
        "path": path.absolute(),
        "format": found.format,
        "model": found.variant.name,
        "size": (found.contract or found.variant).size,
        "classes": found.classes,
        "parameters": make_plan(found.variant, classes=found.classes).trainable_parameters(),
        "sha256": found.sha256,
        "labels": found.labels,
    }


def _rows(document: dict[str, Any]) -> list[tuple[str, object]]:
    return [(key.replace("_", " "), _shown(value)) for key, value in document.items()]


def _names(names: Sequence[str]) -> list[str]:
    """How many there are, and the first of them."""
    first = [name if len(name) <= LONGEST else f"{name[:LONGEST]}…" for name in names[:FIRST_NAMES]]
    more = ["..."] if len(names) > FIRST_NAMES else []
    return [f"{len(names):,}: {first[0]}", *first[1:], *more] if first else ["none"]


def _shown(value: object) -> object:
    if isinstance(value, tuple):
        return _names(value)
    if isinstance(value, Path):
        return value
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _port(port: "Port") -> str:
    quantized = f", scale {port.scale:.9g}, zero point {port.zero_point}" if port.scale else ""
    return f"{port.name}: {port.dtype} {list(port.shape)}{quantized}"


def _file_rows(described: "ModelInfo") -> list[tuple[str, object]]:
    no = f"no: {described.not_taken}"
    rows: list[tuple[str, object]] = [
        ("bytes", f"{described.bytes:,}"),
        *([("network", described.network)] if described.network else []),
        ("requantize", no if described.not_taken else "yes: export it with --precision int8 --data PHOTOS"),
        ("parameters", f"{described.parameters:,}"),
    ]
    rows += [("input", _port(port)) for port in described.inputs]
    rows += [("output", _port(port)) for port in described.outputs]
    if len(described.signatures) > 1:
        run, *others = described.signatures
        rows.append(("signature", f"{run} is run; also {', '.join(others)}"))
    rows += [
        ("operators", [f"{each.count} {each.name} v{each.version}" for each in described.operators]),
        ("float operators", described.float_operators),
        ("weights", "one scale a channel" if described.per_channel else "one scale a tensor, or float"),
        ("shapes", "may change at run time" if described.dynamic else "fixed"),
        ("constants", "aligned to 16 bytes" if described.aligned else "not aligned to 16 bytes"),
        ("memory for tensors", f"{described.arena_bytes:,} bytes"),
        ("oldest runtime", described.min_runtime or "not said"),
    ]
    rows += [
        (f"labels, {locale}" if locale else "labels", _names(names))
        for locale, names in described.names.items()
    ] or [("labels", "none")]
    if described.text:
        rows.append(("metadata", f"{described.text.name}; {described.text.description}"))
        rows += [
            ("normalization", f"mean {list(tensor.mean)}, std {list(tensor.std)}")
            for tensor in described.text.inputs
        ]
    if described.identity:
        contract = described.identity.contract
        if described.identity.quantization is not None:
            rows.append(("int8", described.identity.quantization.sentence))
            if kept := described.identity.quantization.kept:
                rows.append(("in float32", _names(kept)))
        rows.append(("contract", f"{described.identity.variant} at {contract.size} pixels, {contract.view}"))
    return rows
