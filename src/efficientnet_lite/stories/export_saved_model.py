"""A reusable TF2 SavedModel of a run, a checkpoint or published weights, proven before it gets its name."""

import json
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.labels import digest
from efficientnet_lite.network.plan import DENSE, LOGITS, POOLED, PROBABILITIES, Plan, make_plan
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

Kind = Literal["classification", "feature-vector"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CARD = "efficientnet-lite.json"  # makes a folder ours, and says what it is made of
CARD_FORMAT = "savedmodel"
MAX_CARD_BYTES = 64 * 2**10
VARIABLES = ("variables/variables.index", "variables/variables.data-00000-of-00001")
NOTES = (
    "the signature image_bytes reads JPEG, PNG and GIF, and does not turn photos by their EXIF orientation",
)


def export_saved_model(
    source: str | Path,
    out: str | Path,
    *,
    kind: Kind | None = None,
    model: str | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    overwrite: bool = False,
    stage: ShowStage = silent,
) -> Exported:
    """Write a SavedModel that can be called, served and trained further, and prove it on TensorFlow.

    It takes images in [0, 1], float32 (N, H, W, 3), of any size; see `artifacts.saved_model_graph`.

    Args:
        source: a run folder, a checkpoint, or a model such as "lite1"; see `origin.open_origin`.
        out: the folder to write.
        kind: "classification" gives logits when called, "feature-vector" features; None for what the
            weights are for.
        model, weights, ema: see `origin.open_origin`.
        overwrite: replace an existing SavedModel of ours; another folder never.

    Raises:
        UsageError: the call cannot be carried out as it is, or TensorFlow and Keras are not installed.
        VerificationFailed: the written folder is too far from numpy; nothing is published.
    """
    out, apart = Path(out), sources_apart(source, weights)
    _check(out, kind, overwrite, apart)
    writer = require_tensorflow(out)
    origin = open_origin(source, model=model, weights=weights, ema=ema)
    plan = _plan(origin, kind, str(source))
    with folders.replacing(out, SAVED_MODEL, overwrite=overwrite, apart=apart) as folder:
        with stage("Writing the SavedModel") as on_progress:
            _write(writer, folder, origin, plan)
            on_progress(1, 1)
        with stage("Checking it on TensorFlow") as on_progress:
            nearness = _parity(writer, folder, origin, plan)
            on_progress(1, 1)
        nearness.require(what="the SavedModel", where=out)
    return Exported(
        path=out.absolute(),
        format=CARD_FORMAT,
        precision="float32",
        outputs=_outputs(plan),
        bytes=files.folder_size(out),
        sha256=files.sha256_folder(out),
        parity=nearness,
        notes=NOTES,
    )


def _check_card(folder: Path, card: Mapping[str, Any]) -> None:
    Identity.from_bytes(json.dumps(card).encode(), where=folder)
    if card["format"] != CARD_FORMAT or not files.is_file(folder / "saved_model.pb"):
        raise ValueError(f"its {CARD} is of no SavedModel")


def _layout(folder: Path, card: Mapping[str, Any] | None) -> list[str]:
    if card is None:
        raise no_marker(CARD)
    return ["saved_model.pb", "fingerprint.pb", "assets/labels.txt", *VARIABLES]


SAVED_MODEL = FolderKind("SavedModel", CARD, MAX_CARD_BYTES, _check_card, _layout)


def _outputs(plan: Plan) -> tuple[str, ...]:
    return (POOLED,) if plan.classes is None else (LOGITS, PROBABILITIES, POOLED)


def _plan(origin: Origin, kind: Kind | None, source: str) -> Plan:
    if kind == "classification" and origin.plan.classes is None:
        raise UsageError(
            "these weights end at the features, so they classify nothing",
            where=source,
            fix="ask for the feature vector, or give weights with a classifier",
        )
    if kind == "feature-vector":
        return make_plan(origin.plan.variant, size=origin.plan.size, classes=None)
    return origin.plan


def _write(writer: ModuleType, folder: Path, origin: Origin, plan: Plan) -> None:
    """The model, and beside it the card."""
    parameters = {
        name: array
        for name, array in origin.parameters.items()
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
    identity = Identity(
        variant=plan.variant.name,
        contract=origin.contract,
        precision="float32",
        outputs=_outputs(plan),
        classes=plan.classes,
        labels_sha256=digest(names) if names else None,
        weights_sha256=origin.sha256,
        package_version=__version__,
    )
    about = {"format": CARD_FORMAT, "source": origin.source, "license": origin.license}
    seal(folder, SAVED_MODEL, json.loads(identity.to_bytes()) | about)


def _parity(writer: ModuleType, folder: Path, origin: Origin, plan: Plan) -> Parity:
    """The written folder, loaded again and asked in every way, against numpy; the worst way counts."""
    images = fixed_inputs(plan.size)
    wanted = numpy_outputs(plan, origin.layers(), images)
    ways: Mapping[str, Mapping[str, npt.NDArray[np.float32]]] = writer.run_saved_model(
        folder, images.astype(np.float32) / 255
    )
    found = [parity(outputs, wanted) for outputs in ways.values()]
    return max(found, key=lambda each: np.nan_to_num(each.miss, nan=np.inf))


def require_tensorflow(where: Path) -> ModuleType:
    """The writer; raises UsageError where TensorFlow or Keras is missing, or Keras runs on another backend."""
    # Read when TensorFlow is imported: nobody asked for its notes on processors. Errors come as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        from efficientnet_lite.artifacts import saved_model_graph as saved_model
    except ImportError as error:
        raise UsageError(
            "TensorFlow and Keras, which write SavedModels, are not installed",
            where=where,
            fix="pip install 'efficientnet-lite[train]'",
        ) from error
    if other := saved_model.wrong_backend():
        raise UsageError(
            f"Keras runs on {other} here, and only TensorFlow can write a SavedModel",
            where=where,
            fix="set KERAS_BACKEND=tensorflow, or leave it unset",
        )
    return saved_model


def _check(out: Path, kind: str | None, overwrite: bool, apart: Collection[Apart]) -> None:
    """Refuse what cannot work, before any work is done."""
    if kind is not None and kind not in KINDS:
        raise UsageError(f"no such kind of SavedModel: {kind}", where=CALL, fix=f"give {' or '.join(KINDS)}")
    check_folder(out, SAVED_MODEL, overwrite=overwrite, apart=apart)
    check_parent(out)
