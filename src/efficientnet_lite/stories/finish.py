"""The end of every training: float32 and int8 files, their proof on the real runtime, and the run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite import metrics
from efficientnet_lite.classifier.head import Head
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import DENSE, Plan
from efficientnet_lite.photos.accounting import Accounting
from efficientnet_lite.photos.contract import Contract, View
from efficientnet_lite.photos.labelled import LostPhoto
from efficientnet_lite.progress import OnProgress, ShowStage
from efficientnet_lite.proof.replay import Proof, prove
from efficientnet_lite.quantize import calibration
from efficientnet_lite.quantize.stages import quantize_head
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.report.page import INSTALL
from efficientnet_lite.runtimes.model import Model, model_from_bytes
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.stories import card
from efficientnet_lite.stories.material import Material, Settings
from efficientnet_lite.stories.reduced import writable
from efficientnet_lite.tflite.artifact import About, Precision, float_artifact, int8_artifact
from efficientnet_lite.tflite.int8 import IntegerNetwork
from efficientnet_lite.training.learned import Learned

BLOCK = 2048  # photos whose features are in memory at once


@dataclass(frozen=True, slots=True)
class Trained:
    """A published run."""

    run: Path
    card: Mapping[str, Any]  # the content of card.json
    head: Head | None  # how it was fitted; None where the whole network learned by a recipe
    proof: Proof
    notes: tuple[str, ...]  # what a person should know about the data set, and what the run lacks
    accounting: Accounting  # of every photo of the data set


@dataclass(frozen=True, slots=True)
class Finished:
    """A network that has learned, and the photos that it is proven on."""

    out: Path
    photos: Path  # as they were given
    settings: Settings
    contract: Contract
    material: Material  # whose features are those of the backbone
    learned: Learned
    plan: Plan  # with the classes
    translations: Mapping[str, tuple[str, ...]]  # locale -> class names


def publish_run(folder: Path, found: Finished, cache: Cache, stage: ShowStage) -> Trained:
    """Write both files, prove them, and fill the run folder that becomes `found.out`.

    Raises VerificationFailed where a file is too far from its parent, OutputFailed where the disk is full.
    """
    settings, material, weights = found.settings, found.material, found.learned.weights
    layers = fold(found.plan, weights.parameters)
    labels = material.dataset.labels
    about = About(
        found.contract, weights.sha256, weights.license, labels=labels, translations=found.translations
    )
    with stage("Quantizing to int8") as on_progress, writable("int8", found.out):
        network, lost = _quantize(found.plan, layers, material, settings, cache, on_progress)
    files: dict[Precision, bytes] = {
        "float32": float_artifact(found.plan, layers, about),
        "int8": int8_artifact(found.plan, network, about),
    }
    models = [
        _opened(precision, data, found.out, material.store.workers) for precision, data in files.items()
    ]
    with stage("Replaying both files") as on_progress:
        proof = _prove(models, layers[DENSE], material, settings, found.out, on_progress)
    content = card.publish(
        folder,
        card.Contents(
            name=found.out.absolute().name,
            settings=settings,
            learned=found.learned,
            contract=found.contract,
            material=material,
            files=files,
            proof=proof,
            lost=(*lost, *proof.lost),
            photos=found.photos,
        ),
    )
    cache.prune()
    notes = material.dataset.notes + material.assignment.notes + _note_of_report(content, found.out)
    return Trained(found.out.absolute(), content, found.learned.head, proof, notes, material.accounting)


def _quantize(
    plan: Plan,
    layers: Mapping[str, Layer],
    material: Material,
    settings: Settings,
    cache: Cache,
    on_progress: OnProgress,
) -> tuple[IntegerNetwork, list[LostPhoto]]:
    """The network in integers, and the photos that were to calibrate it and are lost."""
    training, store = material.positions("train"), material.store
    chosen = calibration.stratified(
        material.labels(training),
        store.looks.ranks(training),
        settings.calibration,
    )
    photos = material.surveyed(training[chosen])
    images, refused = calibration.images_by_place(
        photos.paths, photos.contents, store.backbone.contract, settings.base_views, workers=store.workers
    )
    lost = [LostPhoto(photos.names[place], "train", each.reason) for place, each in refused.items()]
    if not images:
        raise UnusableInput(
            f"all {len(photos.paths)} photos that were to calibrate were lost during the run: {lost[0]}",
            where=material.dataset.root,
            fix="leave the photos in place during a run, and run it again",
        )
    backbone = calibration.quantized_backbone(
        plan, layers, list(images.values()), cache, workers=store.workers, on_progress=on_progress
    )
    return quantize_head(backbone, layers[DENSE]), lost


def _prove(
    models: Sequence[Model],
    layer: Layer,
    material: Material,
    settings: Settings,
    where: Path,
    on_progress: OnProgress,
) -> Proof:
    positions = material.positions(material.proof_split)
    store = material.store
    gone: dict[int, str] = {}  # of features that are not kept: photos that are lost before the replay
    expected: dict[View, npt.NDArray[np.float32]] = {
        view: metrics.softmax(
            np.concatenate(
                [
                    store.matrix(some, view, lost=gone) @ layer.kernel + layer.bias
                    for some in np.split(positions, range(BLOCK, len(positions), BLOCK))
                ]
            )
        )
        for view in settings.base_views
    }
    return prove(
        models[0],
        models[1],
        material.surveyed(positions),
        expected,
        split=material.proof_split,
        labels=material.dataset.labels,
        gone={int(np.searchsorted(positions, position)): reason for position, reason in gone.items()},
        bars=settings.bars,
        where=where,
        on_progress=on_progress,
    )


def _opened(precision: Precision, data: bytes, where: Path, workers: int) -> Model:
    with writable(precision, where):
        model = model_from_bytes(data, where=f"the {precision} file", workers=workers)
        model.pool  # noqa: B018 - opens it
    return model


def _note_of_report(content: Mapping[str, Any], out: Path) -> tuple[str, ...]:
    """How to get the report where its libraries were missing."""
    if run_folder.REPORT in content["files"]:
        return ()
    return (f"no {run_folder.REPORT}: {INSTALL}, then efficientnet-lite report {out}",)
