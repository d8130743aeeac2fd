"""A TF1 Hub module: images in [0, 1] of any size, variables named as in the reference's checkpoints.

Proven on TensorFlow. "feature-vector" gives (N, 1280), "classification" logits and, by another signature, features.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np

from efficientnet_lite import extras
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import ArtifactKind, Making, NamedArrays, NewArtifact
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.artifacts.saved_model import VARIABLES, check_outputs
from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.naming import tf1_variables
from efficientnet_lite.network.plan import LOGITS, POOLED, make_plan
from efficientnet_lite.photos.views import Image
from efficientnet_lite.proof.parity import Parity, parity
from efficientnet_lite.storage import files
from efficientnet_lite.storage.listing import FolderKind, seal
from efficientnet_lite.storage.quiet import stderr_without
from efficientnet_lite.tflite.identity import Identity
from efficientnet_lite.tflite.label_files import label_files

FORMAT = "hub-tf1"
ModuleKind = Literal["feature-vector", "classification"]
MODULE_KINDS: tuple[ModuleKind, ...] = get_args(ModuleKind)
OUTPUTS: dict[ModuleKind, tuple[str, ...]] = {"feature-vector": (POOLED,), "classification": (LOGITS, POOLED)}
_SAID_ONCE = (b"before absl::InitializeLog()", b"mlir_graph_optimization_pass.cc")  # with the first session
# What makes a folder ours. Readers of Hub modules leave alone what lies in assets/ and is in no collection.
MARKER = "assets/efficientnet_lite.json"
MAX_MARKER_BYTES = 64 * 2**10


def check_options(options: ExportOptions, out: Path) -> None:
    """Raises UsageError for outputs that such a module has not, or where TensorFlow is missing."""
    check_outputs(options.outputs)
    require_tensorflow(out)


def write(making: Making, place: Path) -> NewArtifact:
    """The folder, and what numpy gives for the fixed inputs."""
    kind: ModuleKind = "classification" if tuple(making.options.outputs) == (LOGITS,) else "feature-vector"
    require_classes(making.origin, kind, making.origin.name)
    run_in_numpy(making)
    nearness = write_module(making, kind, place, where=making.out)
    exported = exported_module(making.out, kind, nearness)
    return NewArtifact(exported, {name: making.wanted[name] for name in exported.outputs})


def run(path: Path, outputs: Sequence[str], images: Image) -> NamedArrays:
    """What its signatures give."""
    writer, inputs = require_tensorflow(path), images.astype(np.float32) / 255
    signatures = {LOGITS: writer.CLASSIFICATION, POOLED: writer.FEATURE_VECTOR}
    return {name: writer.run_hub_module(path, signatures[name], inputs)[writer.DEFAULT] for name in outputs}


def run_in_numpy(making: Making) -> None:
    """What a module of either kind must give, computed now, since it takes a while."""
    with making.stage("Running the layers in numpy") as on_progress:
        assert making.wanted
        on_progress(1, 1)


def write_module(making: Making, kind: ModuleKind, folder: Path, *, where: Path) -> Parity:
    """Write the module into the empty `folder`, and read it back.

    `where` is what errors name: the place that `folder` is to get. Raises VerificationFailed.
    """
    plan = making.origin.plan
    if kind == "feature-vector":
        plan = make_plan(plan.variant, size=plan.size, classes=None)
    writer = require_tensorflow(where)
    with making.stage(f"Writing the {kind} module") as on_progress:
        writer.write_hub_module(folder, plan, making.origin.weights.parameters, tf1_variables(plan))
        _mark(folder, making.origin, kind)
        on_progress(1, 1)
    with making.stage("Checking it on TensorFlow") as on_progress:
        classifies = kind == "classification"
        signature = writer.CLASSIFICATION if classifies else writer.FEATURE_VECTOR
        found = writer.run_hub_module(folder, signature, making.images.astype(np.float32) / 255)
        found[LOGITS if classifies else POOLED] = found.pop(writer.DEFAULT)
        nearness = parity(found, making.wanted)
        on_progress(1, 1)
    nearness.require(what=f"the {kind} module", where=where)
    return nearness


def exported_module(out: Path, kind: ModuleKind, nearness: Parity) -> Exported:
    """The result for a module that is to lie at `out`."""
    return Exported(
        path=out.absolute(), format=FORMAT, precision="float32", outputs=OUTPUTS[kind], parity=nearness
    )


def _mark(folder: Path, origin: Origin, kind: ModuleKind) -> None:
    """Beside the graph: labels in the order of the logits, and what the module is made of."""
    labels = origin.labels if kind == "classification" else None
    classes = origin.plan.classes if kind == "classification" else None
    identity = origin.identity(OUTPUTS[kind], classes=classes, labels=labels)
    weights = origin.weights
    about = json.loads(identity.to_bytes()) | {"source": weights.source, "license": weights.license}
    (folder / "assets").mkdir(exist_ok=True)
    for name, text in (label_files(labels) if labels else {}).items():
        files.publish(folder / "assets" / name, text)
    seal(folder, HUB_MODULE, about)


def require_classes(origin: Origin, kind: ModuleKind, source: str) -> None:
    """Raises UsageError where `kind` needs a classifier that the weights lack."""
    if kind == "classification" and origin.plan.classes is None:
        raise UsageError(
            "these weights end at the features, so they classify nothing",
            where=source,
            fix="ask for the feature-vector module, or give weights with a classifier",
        )


def require_tensorflow(where: Path) -> ModuleType:
    """The writer of modules; raises UsageError where TensorFlow is not installed."""
    # Read when TensorFlow is imported: nobody asked for its notes on processors. Errors come as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with extras.needed("TensorFlow, which writes Hub modules, is not installed", where=where):
        from efficientnet_lite.artifacts import hub_graph
    with stderr_without(*_SAID_ONCE):
        hub_graph.first_session()
    return hub_graph


def _check_marker(folder: Path, marker: Mapping[str, Any]) -> None:
    Identity.from_bytes(json.dumps(marker).encode(), where=folder)


# What an earlier version wrote, without a list of it.
UNLISTED = ("saved_model.pb", "tfhub_module.pb", "assets/labels.txt", *VARIABLES)
HUB_MODULE = FolderKind(
    "Hub module", MARKER, MAX_MARKER_BYTES, _check_marker, lambda folder, marker: UNLISTED
)
KIND = ArtifactKind(
    FORMAT, write, run, check_options, HUB_MODULE, executed=True, in_a_run=lambda options: [FORMAT]
)
