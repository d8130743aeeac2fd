"""A Core ML package, `.mlpackage`: an image of raw pixels to a label and its probability, for iOS 15 and macOS 12.

Not run on a device: Core ML runs on Apple's systems alone. It is proven by what stands in the written file, which is
read back and computed in numpy; see `coreml_graph`.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

import numpy as np

from efficientnet_lite import extras
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import ArtifactKind, Making, NamedArrays, NewArtifact
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.artifacts.reduced import MIN_SNR_DB
from efficientnet_lite.artifacts.tflite import OUTPUTS
from efficientnet_lite.errors import CALL, ArtifactError, UsageError, VerificationFailed
from efficientnet_lite.figures import noise
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import PROBABILITIES
from efficientnet_lite.photos.views import Image
from efficientnet_lite.proof.parity import Parity, numpy_outputs, parity
from efficientnet_lite.storage import files
from efficientnet_lite.storage.listing import FolderKind, seal
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity

FORMAT = "coreml"
# A part of the package with an author of its own, as the format has it; it makes the folder ours.
ITEM = "efficientnet-lite/efficientnet-lite.json"
CARD = f"Data/{ITEM}"
MAX_CARD_BYTES = 64 * 2**10
NOT_RUN = "Not run on a device"
NOTES = ("not run on a device: it was read back, and what stands in it was computed in numpy",)
HALF: Final = "float16"
PRECISIONS = ("float32", HALF)


def check_options(options: ExportOptions, out: Path) -> None:
    """Raises UsageError for what no source could be exported with, or where coremltools is missing."""
    outputs = _outputs(options)
    if len(set(outputs)) != len(outputs) or not set(outputs) <= set(OUTPUTS):
        raise UsageError(
            f"outputs {list(outputs)} cannot be", where=CALL, fix=f"give some of {', '.join(OUTPUTS)}"
        )
    if options.precision not in (None, *PRECISIONS):
        raise UsageError(
            f"there is no Core ML package of ours in {options.precision}",
            where=CALL,
            fix=f"give `precision=` {' or '.join(PRECISIONS)}, or leave it out",
        )
    if out.suffix != ".mlpackage":
        raise UsageError(
            "the name of a Core ML package must end in .mlpackage",
            where=out,
            fix=f"write {out.with_suffix('.mlpackage')}",
        )
    _require_coremltools(out)


def write(making: Making, place: Path) -> NewArtifact:
    """The package, and what numpy gives for the fixed inputs."""
    origin, out, outputs = making.origin, making.out, _outputs(making.options)
    graph, precision = _require_coremltools(out), making.options.precision or "float32"
    if origin.plan.classes is None and outputs != ("features",):
        raise UsageError(
            "these weights end at the features", where=origin.name, fix="give `outputs=['features']`"
        )
    with making.stage("Writing the Core ML package") as on_progress:
        _write(graph, place, making, outputs, halves=precision == HALF)
        on_progress(1, 1)
    with making.stage("Reading it back") as on_progress:
        nearness, loss = _proven(graph, place, making, outputs, halves=precision == HALF)
        on_progress(1, 1)
    exported = Exported(
        path=out.absolute(),
        format=FORMAT,
        precision=precision,
        outputs=outputs,
        parity=nearness,
        reduction=loss,
        notes=NOTES,
    )
    return NewArtifact(exported, {name: making.wanted[name] for name in outputs})


def run(path: Path, outputs: object, images: Image) -> NoReturn:
    """Raises UsageError, since nothing here runs it."""
    raise UsageError(
        "Core ML runs on Apple's systems alone", where=path, fix="try it on a device with its golden file"
    )


def _write(graph: ModuleType, place: Path, making: Making, outputs: tuple[str, ...], *, halves: bool) -> None:
    origin = making.origin
    labels = origin.labels_of(outputs)
    classes = origin.plan.classes if outputs != ("features",) else None
    known = origin.identity(outputs, classes=classes, labels=labels)
    identity = replace(known, precision=HALF if halves else known.precision).to_bytes()
    text = graph.PackageText(
        description=f"{NOT_RUN}. EfficientNet-{origin.plan.variant.name.capitalize()}, {origin.plan.size} pixels, "
        "pixels of an sRGB image as they are; written by efficientnet-lite",
        license=origin.weights.license,
        metadata={OWN_ENTRY: identity.decode(), "status": NOT_RUN.lower()},
    )
    graph.write_package(
        place,
        origin.plan,
        making.layers,
        outputs=outputs,
        labels=labels,
        halves=halves,
        text=text,
        items={ITEM: "What the model was made of"},
    )
    (place / CARD).parent.mkdir(parents=True)
    about = {"status": NOT_RUN.lower(), "format": FORMAT, "source": origin.weights.source}
    seal(place, COREML, about | json.loads(identity) | {"license": origin.weights.license})


def _proven(
    graph: ModuleType, place: Path, making: Making, outputs: tuple[str, ...], *, halves: bool
) -> tuple[Parity, Parity | None]:
    """How near the written program is to its network; and of halves what they lose against float32.

    Raises ArtifactError where the package says something else than was asked for, VerificationFailed where it computes
    something else.
    """
    out, plan, labels = making.out, making.origin.plan, making.origin.labels_of(outputs)
    found = graph.read_package(place)
    classes = labels is not None and PROBABILITIES in outputs
    named = [name for name in outputs if not (classes and name == PROBABILITIES)]
    said = {*found.outputs}, found.labels, found.image, found.rgb
    asked = {*named, *((graph.LABEL, graph.SHARES) if classes else ())}, labels if classes else None
    if said != (*asked, (plan.size, plan.size), True) or not found.description.startswith(NOT_RUN):
        raise ArtifactError(
            "the Core ML package that was written says something else than was asked for",
            where=out,
            fix="report this: it is a fault of the package or of coremltools",
        )
    values: NamedArrays = found.compute(making.images)
    stored = numpy_outputs(plan, _rounded(making.layers), making.images) if halves else making.wanted
    nearness = parity(values, stored)
    nearness.require(what="the Core ML package", where=out)
    loss = parity(values, making.wanted) if halves else None
    if loss is not None and not loss.snr_db >= MIN_SNR_DB[HALF]:
        raise VerificationFailed(
            f"weights of 16 bits lose too much against float32, so nothing is published: {noise(loss.snr_db)} on the "
            f"fixed inputs, at most {noise(MIN_SNR_DB[HALF])} is allowed",
            where=out,
            fix="export it as float32",
        )
    return nearness, loss


def _rounded(layers: Mapping[str, Layer]) -> dict[str, Layer]:
    """The layers with their arrays rounded to 16 bits, as numbers of 32."""
    with np.errstate(over="ignore"):  # what overflows is found by its outputs
        return {
            name: Layer(*(each.astype(np.float16).astype(np.float32) for each in (layer.kernel, layer.bias)))
            for name, layer in layers.items()
        }


def _outputs(options: ExportOptions) -> tuple[str, ...]:
    return tuple(options.outputs) or (PROBABILITIES,)


def _require_coremltools(where: Path) -> ModuleType:
    """The writer; raises UsageError where coremltools is not installed."""
    with extras.needed("coremltools is not installed", where=where, install=extras.COREML):
        from efficientnet_lite.artifacts import coreml_graph
    return coreml_graph


def _check_card(folder: Path, card: Mapping[str, Any]) -> None:
    Identity.from_bytes(json.dumps(card).encode(), where=folder)
    if card["format"] != FORMAT or not files.is_file(folder / "Manifest.json"):
        raise ValueError(f"its {CARD} is of no Core ML package")


COREML = FolderKind("Core ML package", CARD, MAX_CARD_BYTES, _check_card, lambda folder, card: None)
KIND = ArtifactKind(
    FORMAT,
    write,
    run,
    check_options,
    COREML,
    ending=".mlpackage",
    in_a_run=lambda options: [HALF] if options.precision == HALF else [],
)
