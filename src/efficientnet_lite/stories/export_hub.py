"""A TF1 Hub module of a run, a checkpoint or published weights, proven before it gets its name."""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.labels import digest
from efficientnet_lite.network.naming import tf1_variables
from efficientnet_lite.network.plan import LOGITS, POOLED, make_plan
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof.parity import Parity, fixed_inputs, numpy_outputs, parity
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import FolderKind, no_marker, seal
from efficientnet_lite.storage.targets import Apart, check_folder, check_parent
from efficientnet_lite.stories.exported import Exported
from efficientnet_lite.stories.origin import Origin, open_origin
from efficientnet_lite.tflite.identity import Identity
from efficientnet_lite.tflite.label_files import label_files
from efficientnet_lite.version import __version__
from efficientnet_lite.weights.published import sources_apart

Kind = Literal["feature-vector", "classification"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OUTPUTS: dict[Kind, tuple[str, ...]] = {"feature-vector": (POOLED,), "classification": (LOGITS, POOLED)}
# What makes a folder ours. Readers of Hub modules leave alone what lies in assets/ and is in no collection.
MARKER = "assets/efficientnet_lite.json"
MAX_MARKER_BYTES = 64 * 2**10
VARIABLES = ("variables/variables.index", "variables/variables.data-00000-of-00001")


def export_hub_module(
    source: str | Path,
    out: str | Path,
    *,
    kind: Kind = "feature-vector",
    model: str | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    overwrite: bool = False,
    stage: ShowStage = silent,
) -> Exported:
    """Write a TF1 Hub module, images in [0, 1] of any size, and prove it on TensorFlow.

    Its variables have the names of the reference's checkpoints.

    Args:
        source: a run folder, a checkpoint, or a model such as "lite1"; see `origin.open_origin`.
        out: the folder to write.
        kind: "feature-vector" gives (N, 1280), "classification" logits and, by another signature, features.
        model, weights, ema: see `origin.open_origin`.
        overwrite: replace an existing module of ours; another folder never.

    Raises:
        UsageError: the call cannot be carried out as it is, or TensorFlow is not installed.
        VerificationFailed: the module is too far from numpy; nothing is published.
    """
    out, apart = Path(out), sources_apart(source, weights)
    _check(out, kind, overwrite, apart)
    require_tensorflow(out)
    origin = open_origin(source, model=model, weights=weights, ema=ema)
    require_classes(origin, kind, str(source))
    wanted = module_outputs(origin, stage)
    with folders.replacing(out, HUB_MODULE, overwrite=overwrite, apart=apart) as folder:
        nearness = write_module(origin, kind, folder, wanted, where=out, stage=stage)
    return exported_module(out, kind, nearness)


def module_outputs(origin: Origin, stage: ShowStage = silent) -> dict[str, npt.NDArray[np.float32]]:
    """What a module of `origin` must give for `fixed_inputs`, of either kind; see `parity.numpy_outputs`."""
    with stage("Running the layers in numpy") as on_progress:
        outputs = numpy_outputs(origin.plan, origin.layers(), fixed_inputs(origin.plan.size))
        on_progress(1, 1)
    return outputs


def write_module(
    origin: Origin,
    kind: Kind,
    folder: Path,
    wanted: Mapping[str, npt.NDArray[np.float32]],
    *,
    where: Path,
    stage: ShowStage = silent,
) -> Parity:
    """Write the module of `origin` into the empty `folder`, and read it back against `wanted`.

    `where` is what errors name: the place that `folder` is to get. Raises VerificationFailed.
    """
    plan = origin.plan
    if kind == "feature-vector":
        plan = make_plan(plan.variant, size=plan.size, classes=None)
    writer = require_tensorflow(where)
    with stage(f"Writing the {kind} module") as on_progress:
        writer.write_hub_module(folder, plan, origin.parameters, tf1_variables(plan))
        _mark(folder, origin, kind)
        on_progress(1, 1)
    with stage("Checking it on TensorFlow") as on_progress:
        classifies = kind == "classification"
        signature = writer.CLASSIFICATION if classifies else writer.FEATURE_VECTOR
        images = fixed_inputs(plan.size).astype(np.float32) / 255
        found = writer.run_hub_module(folder, signature, images)
        found[LOGITS if classifies else POOLED] = found.pop(writer.DEFAULT)
        nearness = parity(found, wanted)
        on_progress(1, 1)
    nearness.require(what=f"the {kind} module", where=where)
    return nearness


def exported_module(out: Path, kind: Kind, nearness: Parity) -> Exported:
    """The result for a module that lies at `out`."""
    return Exported(
        path=out.absolute(),
        format="hub-tf1",
        precision="float32",
        outputs=OUTPUTS[kind],
        bytes=files.folder_size(out),
        sha256=files.sha256_folder(out),
        parity=nearness,
    )


def _check_marker(folder: Path, marker: Mapping[str, Any]) -> None:
    Identity.from_bytes(json.dumps(marker).encode(), where=folder)


def _layout(folder: Path, marker: Mapping[str, Any] | None) -> list[str]:
    if marker is None:
        raise no_marker(MARKER)
    return ["saved_model.pb", "tfhub_module.pb", "assets/labels.txt", *VARIABLES]


HUB_MODULE = FolderKind("Hub module", MARKER, MAX_MARKER_BYTES, _check_marker, _layout)


def require_classes(origin: Origin, kind: Kind, source: str) -> None:
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
    try:
        from efficientnet_lite.artifacts import hub_graph as hub_tf1
    except ImportError as error:
        raise UsageError(
            "TensorFlow, which writes Hub modules, is not installed",
            where=where,
            fix="pip install 'efficientnet-lite[train]'",
        ) from error
    return hub_tf1


def _mark(folder: Path, origin: Origin, kind: Kind) -> None:
    """Beside the graph: labels in the order of the logits, and what the module is made of."""
    identity = Identity(
        variant=origin.plan.variant.name,
        contract=origin.contract,
        precision="float32",
        outputs=OUTPUTS[kind],
        classes=origin.plan.classes,
        labels_sha256=digest(origin.labels) if origin.labels else None,
        weights_sha256=origin.sha256,
        package_version=__version__,
    )
    texts = label_files(origin.labels) if origin.labels else {}
    if kind == "feature-vector":
        identity, texts = replace(identity, classes=None, labels_sha256=None), {}
    about = json.loads(identity.to_bytes()) | {"source": origin.source, "license": origin.license}
    (folder / "assets").mkdir(exist_ok=True)
    for name, text in texts.items():
        files.publish(folder / "assets" / name, text)
    seal(folder, HUB_MODULE, about)


def _check(out: Path, kind: str, overwrite: bool, apart: Collection[Apart]) -> None:
    """Refuse what cannot work, before any work is done."""
    if kind not in KINDS:
        raise UsageError(f"no such kind of module: {kind}", where=CALL, fix=f"give {' or '.join(KINDS)}")
    check_folder(out, HUB_MODULE, overwrite=overwrite, apart=apart)
    check_parent(out)
