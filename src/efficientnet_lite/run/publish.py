"""The end of every training: float32 and int8 files, their proof on the real runtime, and the run folder."""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from efficientnet_lite.photos.accounting import COLUMNS, Accounting
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.frames import Frame
from efficientnet_lite.photos.labelled import LostPhoto
from efficientnet_lite.photos.partition import publish_split
from efficientnet_lite.progress import OnProgress, ShowStage
from efficientnet_lite.proof.gate import writable
from efficientnet_lite.proof.replay import Proof, prove
from efficientnet_lite.quantize.calibration_photos import (
    CalibrationSet,
    images_by_place,
    shuffled,
    stratified,
    views_in_turn,
)
from efficientnet_lite.quantize.int8_record import Int8Record, recorded
from efficientnet_lite.quantize.method import Method, Quantized
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.card import NewRun, ProvenFiles, card_of
from efficientnet_lite.run.config_toml import config_toml
from efficientnet_lite.run.model_card import model_card
from efficientnet_lite.run.report.facts import facts_of
from efficientnet_lite.run.report.page import class_counts, render
from efficientnet_lite.run.report.pictures import gallery_of, with_doubted
from efficientnet_lite.run.shown import ShowsSummary, nearby
from efficientnet_lite.run.simulated import as_simulated
from efficientnet_lite.run.summary import Summary, summary_of
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.runtimes.model_files import model_from_bytes
from efficientnet_lite.sequences import Made
from efficientnet_lite.stop_signals import interrupted_by_sigterm
from efficientnet_lite.storage import files, tables
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.tflite.artifact import About, float_artifact, int8_artifact
from efficientnet_lite.training.code_tuning import Tune
from efficientnet_lite.training.curves import publish_log
from efficientnet_lite.training.epochs import read_panels
from efficientnet_lite.vocabulary import Precision
from efficientnet_lite.weights.safetensors import write_safetensors

BLOCK = 2048  # photos whose features are in memory at once


@dataclass(frozen=True, slots=True, repr=False)
class Trained(ShowsSummary):
    """A published run. It shows its summary."""

    run: Path
    card: Mapping[str, Any]  # the content of card.json
    head: Head | None  # how it was fitted; None where the whole network learned by a recipe
    proof: Proof
    notes: tuple[str, ...]  # what a person should know about the data set, and what the run lacks
    accounting: Accounting  # of every photo of the data set
    seconds: float | None = None  # that the training took, from the call on; no run says it of itself

    @property
    def summary(self) -> Summary:
        """What there is to say of the run first."""
        return summary_of(self.card, nearby(self.run), seconds=self.seconds)


def publish_run(
    folder: Path, run: NewRun, cache: Cache, stage: ShowStage, tune: Tune | None = None
) -> Trained:
    """Write both files, prove them, and fill the run folder that becomes `run.out`.

    `tune` makes the integers better before they are written.

    Raises VerificationFailed where a file is too far from its parent, OutputFailed where the disk is full.
    """
    photos, weights = run.photos, run.learned.weights
    labels = photos.dataset.labels
    plan = run.settings.plan(len(labels))
    layers = fold(plan, weights.parameters)
    about = About(
        run.settings.contract, weights.sha256, weights.license, labels=labels, translations=run.translations
    )
    with interrupted_by_sigterm(), stage("Quantizing to int8") as on_progress, writable("int8", run.out):
        made, record, lost = _quantize(plan, layers, run, cache, on_progress)
    tuned = tune(plan, layers, made) if tune else None
    network = tuned.network if tuned else made.network
    written: dict[Precision, bytes] = {
        "float32": float_artifact(plan, layers, about),
        "int8": int8_artifact(plan, network, replace(about, quantization=record.identity)),
    }
    models = [_opened(precision, data, run) for precision, data in written.items()]
    with stage("Testing both files") as on_progress:
        proof = _prove(models, layers[DENSE], run, on_progress)
    simulated = None
    if tuned and tuned.best_epoch:
        proving = photos.surveyed(photos.positions(photos.proof_split))
        with stage("Comparing int8 with its simulation") as on_progress:
            simulated = as_simulated(
                plan, network, models[1], about, proving, run.settings.base_views, on_progress
            )
    with stage("Writing the run"):
        proven = ProvenFiles(written, proof, record, (*lost, *proof.lost), tuned, simulated)
        card = _publish(folder, run, proven)
    cache.prune()
    notes = photos.dataset.notes + photos.assignment.notes
    notes += (tuned.note,) if tuned and tuned.note else ()
    return Trained(run.out.absolute(), card, run.learned.head, proof, notes, photos.accounting)


def _quantize(
    plan: Plan, layers: Mapping[str, Layer], run: NewRun, cache: Cache, on_progress: OnProgress
) -> tuple[Quantized, Int8Record, list[LostPhoto]]:
    """The network in integers, the record of it, and the photos that were to calibrate it and are lost."""
    photos, settings, workers = run.photos, run.settings, run.features.workers
    training = photos.positions("train")
    looks, seed = photos.survey.looks, settings.calibration_seed
    order = shuffled([looks.sha256(each) for each in training], seed) if seed else looks.ranks(training)
    chosen = training[stratified(photos.labels(training), order, settings.calibration)]
    used = photos.surveyed(chosen)
    views = views_in_turn(photos.labels(chosen), settings.base_views)
    images, refused = images_by_place(used.paths, used.contents, settings.contract, views, workers=workers)
    lost = [LostPhoto(used.names[place], "train", each.reason) for place, each in refused.items()]
    if not images:
        raise UnusableInput(
            f"all {len(used.paths)} photos that were to calibrate were lost during the run: {lost[0]}",
            where=photos.dataset.root,
            fix="leave the photos in place during a run, and run it again",
        )
    names = tuple(map(tables.escaped, used.names))
    made, record = recorded(
        plan,
        layers,
        list(images.values()),
        CalibrationSet(names, tuple(used.contents), views, seed).part(list(images)),
        cache,
        method=Method(effort=settings.effort),
        workers=workers,
        on_progress=on_progress,
        of_all_classes=True,
    )
    return made, record, lost


def _prove(models: Sequence[Model], layer: Layer, run: NewRun, on_progress: OnProgress) -> Proof:
    photos, settings = run.photos, run.settings
    positions = photos.positions(photos.proof_split)
    gone: dict[int, str] = {}  # of features that are not kept: photos that are lost before the replay
    expected: dict[View, npt.NDArray[np.float32]] = {
        view: metrics.softmax(
            np.concatenate(
                [
                    run.features.matrix(some, view, lost=gone) @ layer.kernel + layer.bias
                    for some in np.split(positions, range(BLOCK, len(positions), BLOCK))
                ]
            )
        )
        for view in settings.base_views
    }
    return prove(
        models[0],
        models[1],
        photos.surveyed(positions),
        expected,
        split=photos.proof_split,
        labels=photos.dataset.labels,
        gone={int(np.searchsorted(positions, position)): reason for position, reason in gone.items()},
        bars=settings.bars,
        where=run.out,
        on_progress=on_progress,
    )


def _opened(precision: Precision, data: bytes, run: NewRun) -> Model:
    with writable(precision, run.out):
        model = model_from_bytes(data, where=f"the {precision} file", workers=run.features.workers)
        model.pool  # noqa: B018 - opens it
    return model


def _publish(folder: Path, run: NewRun, proven: ProvenFiles) -> dict[str, Any]:
    """Write every file of the run into `folder`, the card last; gives the card.

    Raises OutputFailed where the disk is full or cannot be written to.
    """
    labels, photos, learned = run.photos.dataset.labels, run.photos, run.learned
    for precision, data in proven.files.items():
        files.publish(folder / run_folder.export_name(run.name, [precision], ".tflite"), data)
    files.publish(folder / run_folder.GOLDEN, proven.proof.golden)
    files.publish(folder / run_folder.LABELS, ("\n".join(labels) + "\n").encode())
    publish_split(folder / "split.csv", photos.dataset, photos.survey.looks, photos.assignment)
    tables.publish_csv(folder / "skipped.csv", COLUMNS, photos.accounting.rows())
    write_safetensors(
        folder / run_folder.WEIGHTS,
        learned.weights.parameters,
        {
            "format": "efficientnet-lite",
            "schema": "1",
            "variant": run.settings.model.variant.name,
            "size": str(run.settings.model.size),
            "labels": json.dumps(list(labels), ensure_ascii=False),
            "license": learned.weights.license,
            "source": learned.origin,
        },
    )
    if learned.log:
        publish_log(folder, learned.log, learned.best_epoch)
    if isinstance(run.source, Frame):
        files.publish(folder / run_folder.FRAME, run.source.manifest())
    place = run.out / run_folder.FRAME if isinstance(run.source, Frame) else run.source
    files.publish(folder / "config.toml", config_toml(place, run.settings, learned).encode())
    card = card_of(folder, run, proven)
    files.publish(folder / run_folder.REPORT, _page(folder, run, proven, card))
    files.publish(folder / "README.md", model_card(run.name, card).encode())
    return run_folder.seal(folder, card)


def _page(folder: Path, run: NewRun, proven: ProvenFiles, card: Mapping[str, Any]) -> bytes:
    """The run's report.html, from what its proof saw."""
    photos, facts = run.photos, facts_of(card, folder)
    rows, splits = photos.dataset.rows, photos.assignment.splits
    shown = photos.surveyed(photos.positions(photos.proof_split))

    def find(name: str) -> tuple[Path, str] | None:
        position = bisect_left(Made(len(rows), rows.name), name)  # they are sorted by name
        return rows[position].path, photos.survey.looks.sha256(position)

    return render(
        facts,
        summary_of(card, run.out),
        counts=class_counts(
            photos.dataset.labels, ((row.label, split) for row, split in zip(rows, splits, strict=True))
        ),
        gallery=with_doubted(gallery_of(facts, proven.proof.mistakes, shown), facts, find),
        panels=read_panels(folder),
    )
