"""A float32 `.onnx` file: `images` (batch, S, S, 3) in [0, 1], proven on ONNX Runtime."""

from pathlib import Path
from types import ModuleType

import numpy as np

from efficientnet_lite import extras
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import ArtifactKind, Making, NewArtifact
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.artifacts.tflite import OUTPUTS, run
from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.proof.parity import parity
from efficientnet_lite.runtimes.model_files import model_from_onnx
from efficientnet_lite.storage import files
from efficientnet_lite.tflite.identity import OWN_ENTRY
from efficientnet_lite.tflite.label_files import label_files


def check_options(options: ExportOptions, out: Path) -> None:
    """Raises UsageError for what no source could be exported with, or where onnx is missing."""
    outputs = _outputs(options)
    if len(set(outputs)) != len(outputs) or not set(outputs) <= set(OUTPUTS):
        raise UsageError(
            f"outputs {list(outputs)} cannot be", where=CALL, fix=f"give some of {', '.join(OUTPUTS)}"
        )
    if out.suffix != ".onnx":
        raise UsageError(
            "the name of an ONNX file must end in .onnx", where=out, fix=f"write {out.with_suffix('.onnx')}"
        )
    _require_onnx(out)


def write(making: Making, place: Path) -> NewArtifact:
    """One file, and what numpy gives for the fixed inputs."""
    origin, out, outputs = making.origin, making.out, _outputs(making.options)
    graph = _require_onnx(out)
    if origin.plan.classes is None and outputs != ("features",):
        raise UsageError(
            "these weights end at the features", where=origin.name, fix="give `outputs=['features']`"
        )
    with making.stage("Writing the ONNX file") as on_progress:
        metadata = _metadata(origin, outputs)
        data = graph.write_onnx(origin.plan, making.layers, outputs=outputs, metadata=metadata)
        on_progress(1, 1)
    with making.stage("Checking it on ONNX Runtime") as on_progress:
        written = model_from_onnx(data, where=out, workers=1)
        with written.pool.borrowed() as runner:  # all images in one call: the batch is free
            found = runner(np.stack([written.encode(image) for image in making.images]))
        nearness = parity(found, making.wanted)
        on_progress(1, 1)
    nearness.require(what="the ONNX file", where=out)
    files.publish(place, data)
    exported = Exported(
        path=out.absolute(), format="onnx", precision="float32", outputs=outputs, parity=nearness
    )
    return NewArtifact(exported, {name: making.wanted[name] for name in outputs})


def _require_onnx(where: Path) -> ModuleType:
    """The writer; raises UsageError where onnx is not installed."""
    with extras.needed("onnx is not installed", where=where, install=extras.ONNX):
        from efficientnet_lite.artifacts import onnx_graph
    return onnx_graph


def _outputs(options: ExportOptions) -> tuple[str, ...]:
    return tuple(options.outputs) or ("probabilities",)


def _metadata(origin: Origin, outputs: tuple[str, ...]) -> dict[str, str]:
    """What a `.tflite` of ours has as entries and attached files, as texts."""
    classes = origin.plan.classes if outputs != ("features",) else None
    labels = origin.labels_of(outputs)
    identity = origin.identity(outputs, classes=classes, labels=labels)
    attached = label_files(labels) if labels else {}
    texts = {OWN_ENTRY: identity.to_bytes(), **attached}
    return {"license": origin.weights.license} | {name: text.decode() for name, text in texts.items()}


KIND = ArtifactKind("onnx", write, run, check_options, ending=".onnx")
