"""A folder of C sources for a microcontroller: an int8 model, replayed on TFLite Micro, and what an application needs.

Of a run it holds the run's own int8 file, which is proven already; with photos, or of other weights, one that is made
and proven as `tflite` does.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite.artifacts import tflite
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.firmware.c_sources import Firmware, write_sources
from efficientnet_lite.artifacts.kind import ArtifactKind, Making, NamedArrays, NewArtifact
from efficientnet_lite.artifacts.options import ExportOptions, photos_needed
from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.chips import micro
from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.network.plan import LOGITS, PROBABILITIES
from efficientnet_lite.photos.views import Image
from efficientnet_lite.proof.golden import golden_npz, golden_path
from efficientnet_lite.proof.kernel_spread import MOST_CLASSES
from efficientnet_lite.proof.parity import EQUAL
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.runtimes.model_files import MAX_MODEL_BYTES, model_from_bytes
from efficientnet_lite.storage import files
from efficientnet_lite.storage.listing import FolderKind, seal
from efficientnet_lite.tflite.identity import Identity

FORMAT = "tflm"
MARKER = "efficientnet-lite.json"  # makes a folder ours, and says what it is made of
MAX_MARKER_BYTES = 64 * 2**10
MODEL = "model.tflite"
_OF_ANY_FILE = ("precision", "workers")


def check_options(options: ExportOptions, out: Path) -> None:
    """Raises UsageError for what no source could be exported with, or where TFLite Micro is missing."""
    if options.precision not in (None, "int8"):
        raise UsageError(
            f"a microcontroller gets an int8 model, not {options.precision}",
            where=CALL,
            fix="leave `precision=` out",
        )
    if tuple(options.outputs) not in ((), (PROBABILITIES,), (LOGITS,)):
        raise UsageError(
            f"such a model does not give {' and '.join(options.outputs)}",
            where=CALL,
            fix="give `outputs=['probabilities']` or `outputs=['logits']`, or leave it out",
        )
    if options.data is not None:
        tflite.check_options(_int8(options), out)
    micro.require(out)


def write(making: Making, place: Path) -> NewArtifact:
    """The folder, and what TFLite Micro gives for the fixed inputs, as codes."""
    origin, out = making.origin, making.out
    made = _own(making, place) if making.options.data is None else _made(making, place)
    data = _read(place)
    model = model_from_bytes(data, where=out)
    given = made.golden or model.run(making.images)
    with making.stage("Running it on TFLite Micro") as on_progress:
        report = micro.replayed(data, making.images, given, where=out)
        report = replace(report, inputs_named=f"of {golden_path(out).name}")
        on_progress(1, 1)
    with making.stage("Writing the sources") as on_progress:
        firmware = _firmware(origin, model, report, making.images)
        write_sources(place, firmware)
        files.publish(golden_path(place / MODEL), golden_npz(making.images, given))
        _mark(place, origin, model, firmware)
        on_progress(1, 1)
    notes = (*made.exported.notes, *report.notes)
    exported = replace(made.exported, path=out.absolute(), format=FORMAT, micro=report, notes=notes)
    return NewArtifact(exported, report.outputs)


def run(path: Path, outputs: Sequence[str], images: Image) -> NamedArrays:
    """What the folder's model gives on TFLite Micro, as codes."""
    found = micro.run(_read(path), images, where=path)
    return {name: found[name] for name in outputs if name in found}


def _own(making: Making, place: Path) -> NewArtifact:
    """The int8 file that the source has, copied to its place; UsageError where it has none, or it is to be another."""
    own, options = making.origin.int8, making.options
    if own is None:
        raise photos_needed()
    given = {**options.given(), "outputs": () if options.outputs == (PROBABILITIES,) else options.outputs}
    for name in (each for each, value in given.items() if value and each not in _OF_ANY_FILE):
        raise UsageError(
            f"`{name}=` is about an int8 file that is made anew, and without photos the run's own is taken",
            where=CALL,
            fix=f"give `data=FOLDER`, or leave `{name}=` out",
        )
    data = own.read()
    model = model_from_bytes(data, where=own.path)
    files.publish(place / MODEL, data)
    outputs = tuple(model.outputs)
    exported = Exported(making.out.absolute(), FORMAT, "int8", outputs, EQUAL)
    return NewArtifact(exported, None)


def _made(making: Making, place: Path) -> NewArtifact:
    """An int8 file that is made and proven as any other, at its place in the folder."""
    options = _int8(making.options)
    classes = making.origin.plan.classes
    if not options.outputs and classes is not None and classes > MOST_CLASSES:
        options = replace(options, outputs=(LOGITS,))  # its SOFTMAX would end the program
    return tflite.write(making.at(making.out, options), place / MODEL)


def _int8(options: ExportOptions) -> ExportOptions:
    return replace(options, format="tflite", precision="int8", io="uint8")


def _firmware(origin: Origin, model: Model, report: micro.MicroReport, images: Image) -> Firmware:
    ((name, output),) = model.outputs.items()
    if model.input.dtype != np.uint8 or output.dtype != np.uint8:
        raise UsageError(
            f"its int8 file takes {model.input.dtype} and gives {output.dtype}, and the sources are for uint8",
            where=origin.name,
            fix="give `data=FOLDER`: a file for microcontrollers is then made",
        )
    classes = int(np.prod(output.shape[1:]))
    labels = model.labels or tuple(f"class {index}" for index in range(classes))
    return Firmware(
        name=origin.name,
        data=model.data,
        sha256=model.sha256,
        license=origin.weights.license,
        contract=model.contract,
        labels=labels,
        input=model.input,
        output=replace(output, name=name),
        report=report,
        images=images,
    )


def _mark(folder: Path, origin: Origin, model: Model, firmware: Firmware) -> None:
    assert model.identity is not None  # it is ours
    about = {
        "format": FORMAT,
        "source": origin.weights.source,
        "license": origin.weights.license,
        "model_sha256": firmware.sha256,
        "arena_bytes": firmware.arena_bytes,
        "micro": firmware.report.to_json(),
    }
    seal(folder, FIRMWARE, json.loads(model.identity.to_bytes()) | about)


def _read(folder: Path) -> bytes:
    return files.read_bytes(folder / MODEL, limit=MAX_MODEL_BYTES, what="a .tflite file")


def _check_marker(folder: Path, marker: Mapping[str, Any]) -> None:
    Identity.from_bytes(json.dumps(marker).encode(), where=folder)
    if marker["format"] != FORMAT or not files.is_file(folder / MODEL):
        raise ValueError(f"its {MARKER} is of no firmware")


FIRMWARE = FolderKind("firmware folder", MARKER, MAX_MARKER_BYTES, _check_marker, lambda folder, marker: None)
KIND = ArtifactKind(FORMAT, write, run, check_options, FIRMWARE, in_a_run=lambda options: [FORMAT])
