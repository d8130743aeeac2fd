"""A reusable TF2 SavedModel, that can be called, served and trained further, proven on TensorFlow.

It takes images in [0, 1], float32 (N, H, W, 3), of any size; see `saved_model_graph`.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from efficientnet_lite import extras
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import ArtifactKind, Making, NamedArrays, NewArtifact
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.network.plan import DENSE, LOGITS, POOLED, PROBABILITIES, Plan, make_plan
from efficientnet_lite.photos.views import Image
from efficientnet_lite.proof.parity import Parity, parity
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import FolderKind, seal
from efficientnet_lite.tflite.identity import Identity
from efficientnet_lite.tflite.label_files import label_files

FORMAT = "savedmodel"
CARD = "efficientnet-lite.json"  # makes a folder ours, and says what it is made of
MAX_CARD_BYTES = 64 * 2**10
VARIABLES = ("variables/variables.index", "variables/variables.data-00000-of-00001")
NOTES = (
    "the signature image_bytes reads JPEG, PNG and GIF, and does not turn photos by their EXIF orientation",
)


def check_options(options: ExportOptions, out: Path) -> None:
    """Raises UsageError for outputs that no model of TensorFlow has here, or where TensorFlow is missing."""
    check_outputs(options.outputs)
    require_tensorflow(out)


def check_outputs(outputs: Sequence[str]) -> None:
    """Raises UsageError unless they say that it is a feature vector or a classifier, or nothing."""
    if tuple(outputs) not in ((), (POOLED,), (LOGITS,)):
        raise UsageError(
            f"such a model does not give {' and '.join(outputs)}",
            where=CALL,
            fix="give `outputs=['features']` for a feature vector, `outputs=['logits']` for a classifier",
        )


def write(making: Making, place: Path) -> NewArtifact:
    """The folder, and what numpy gives for the fixed inputs."""
    origin, out = making.origin, making.out
    writer = require_tensorflow(out)
    plan = _plan(origin, making.options.outputs)
    with making.stage("Writing the SavedModel") as on_progress:
        _write(writer, place, origin, plan)
        on_progress(1, 1)
    with making.stage("Checking it on TensorFlow") as on_progress:
        nearness = _parity(writer, place, making)
        on_progress(1, 1)
    nearness.require(what="the SavedModel", where=out)
    exported = Exported(
        path=out.absolute(),
        format=FORMAT,
        precision="float32",
        outputs=_outputs(plan),
        parity=nearness,
        notes=NOTES,
    )
    return NewArtifact(exported, {name: making.wanted[name] for name in exported.outputs})


def run(path: Path, outputs: Sequence[str], images: Image) -> NamedArrays:
    """What it gives when it is called and served."""
    ways = require_tensorflow(path).run_saved_model(path, images.astype(np.float32) / 255)
    named = [item for given in ways.values() for item in given.items()]
    return {name: values for name, values in named if name in outputs}


def _outputs(plan: Plan) -> tuple[str, ...]:
    return (POOLED,) if plan.classes is None else (LOGITS, PROBABILITIES, POOLED)


def _plan(origin: Origin, outputs: Sequence[str]) -> Plan:
    if tuple(outputs) == (LOGITS,) and origin.plan.classes is None:
        raise UsageError(
            "these weights end at the features, so they classify nothing",
            where=origin.name,
            fix="ask for the feature vector, or give weights with a classifier",
        )
    if tuple(outputs) == (POOLED,):
        return make_plan(origin.plan.variant, size=origin.plan.size, classes=None)
    return origin.plan


def _write(writer: ModuleType, folder: Path, origin: Origin, plan: Plan) -> None:
    """The model, and beside it the card."""
    parameters = {
        name: array
        for name, array in origin.weights.parameters.items()
        if plan.classes is not None or not name.startswith(DENSE)
    }
    names = origin.labels if plan.classes is not None else None
    labels = None
    if names is not None:
        ((file, text),) = label_files(names).items()
        labels = folder / file
        files.publish(labels, text)
    writer.write_saved_model(folder, plan, parameters, origin.contract, labels=labels)
    if labels is not None:
        # the writer has put a copy into the model's assets
        folders.remove_matching(folder, re.compile(re.escape(labels.name)))
    identity = origin.identity(_outputs(plan), classes=plan.classes, labels=names)
    about = {"format": FORMAT, "source": origin.weights.source, "license": origin.weights.license}
    seal(folder, SAVED_MODEL, json.loads(identity.to_bytes()) | about)


def _parity(writer: ModuleType, folder: Path, making: Making) -> Parity:
    """The written folder, loaded again and asked in every way, against numpy; the worst way counts."""
    ways: Mapping[str, NamedArrays] = writer.run_saved_model(folder, making.images.astype(np.float32) / 255)
    found = [parity(outputs, making.wanted) for outputs in ways.values()]
    return max(found, key=lambda each: np.nan_to_num(each.miss, nan=np.inf))


def require_tensorflow(where: Path) -> ModuleType:
    """The writer; raises UsageError where TensorFlow or Keras is missing, or Keras runs on another backend."""
    # Read when TensorFlow is imported: nobody asked for its notes on processors. Errors come as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with extras.needed("TensorFlow and Keras, which write SavedModels, are not installed", where=where):
        from efficientnet_lite.artifacts import saved_model_graph as saved_model
    if other := saved_model.wrong_backend():
        raise UsageError(
            f"Keras runs on {other} here, and only TensorFlow can write a SavedModel",
            where=where,
            fix="set KERAS_BACKEND=tensorflow, or leave it unset",
        )
    return saved_model


def _check_card(folder: Path, card: Mapping[str, Any]) -> None:
    Identity.from_bytes(json.dumps(card).encode(), where=folder)
    if card["format"] != FORMAT or not files.is_file(folder / "saved_model.pb"):
        raise ValueError(f"its {CARD} is of no SavedModel")


# What an earlier version wrote, without a list of it.
UNLISTED = ("saved_model.pb", "fingerprint.pb", "assets/labels.txt", *VARIABLES)
SAVED_MODEL = FolderKind("SavedModel", CARD, MAX_CARD_BYTES, _check_card, lambda folder, card: UNLISTED)
KIND = ArtifactKind(
    FORMAT, write, run, check_options, SAVED_MODEL, executed=True, in_a_run=lambda options: [FORMAT]
)
