"""What int8 loses, by cross-validation with an outside judge: stage by stage, and beside other makers' files."""

import csv
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.folds import FOLDS, NAMES, Fold, Judge, Loss, fold_file, folds, photos_of
from benchmarks.inputs import Inputs
from benchmarks.table import Table
from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array, ClassIndices
from efficientnet_lite.photos.contract import BaseView
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.quantize.method import PLAIN, Method
from efficientnet_lite.quantize.stages import quantize
from efficientnet_lite.run.source import Origin, open_origin
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.tflite.artifact import About, float_artifact, int8_artifact

VIEWS: tuple[BaseView, ...] = (
    "crop",
    "squash",
)  # of the photos that calibrate, in turn, as `export` looks at them
COLUMNS = [*(f"{name}, dB" for name in NAMES), "same class as float", "points of top-1 lost"]
NOTE = (
    "Logit SNR against our float32 file on the photos of three folds, each judged by the file that the other 200 "
    "calibrated, with the pixels of judge_int8.py; agreement and accuracy over all three variants. "
    "In brackets the 95 % interval: over draws of the photos for dB, Wilson's for agreement."
)
STAGES: Mapping[str, Mapping[str, bool]] = {
    "copied channels": {"sensitivity": True, "copied": True},
    "factors": {"factors": True},
    "activation scales": {"scales": True},
    "rounding": {"rounding": True},
    "head": {"head": True},
    "logits range": {"logits": True},
    "scales that every kernel rounds alike": {"alike": True},
}
Make = Callable[[Origin, Fold], bytes]  # an int8 file of logits, calibrated beside the fold


def peers(inputs: Inputs) -> Table:
    """Logit SNR, agreement and accuracy of int8 files of the stock converter and ai-edge-quantizer, and of ours."""

    def made(maker: str) -> Make:
        return lambda origin, fold: (
            inputs.stock / fold_file(origin.plan.variant.name, maker, fold.number)
        ).read_bytes()

    makers = {"stock converter": made("stock"), "ai-edge-quantizer": made("edge"), "ours": ours(Method())}
    return Table("Int8 files: ours and other makers'", ["int8 file", *COLUMNS], judged(inputs, makers), NOTE)


def best(inputs: Inputs) -> Table:
    """Logit SNR, agreement and accuracy of our int8 files of the best effort, which needs TensorFlow."""
    rows = judged(inputs, {"ours, effort best": ours(Method(effort="best"))})
    return Table("Int8 files: ours with the best effort", ["int8 file", *COLUMNS], rows, NOTE)


def stages(inputs: Inputs) -> Table:
    """Logit SNR, agreement and accuracy stage by stage, each upon those before it, on the first fold."""
    makers, method = {"nearest codes": ours(PLAIN)}, PLAIN
    for title, switches in STAGES.items():
        method = replace(method, **switches)
        makers[f"+ {title}"] = ours(method)
    note = f"{NOTE} Here the first fold alone: a third of the photos."
    return Table("Int8: what each stage brings", ["stage", *COLUMNS], judged(inputs, makers, [0]), note)


def ours(method: Method) -> Make:
    """Files of the published weights by one method."""

    def make(origin: Origin, fold: Fold) -> bytes:
        images = [
            prepare(photo.read_bytes(), (VIEWS[place % 2],), origin.contract, where=photo).images[0]
            for place, photo in enumerate(fold.calibrating)
        ]
        made = quantize(origin.plan, origin.layers(), images, method=method, workers=cores())
        return int8_artifact(origin.plan, made.network, _about(origin))

    return make


def judged(
    inputs: Inputs, makers: Mapping[str, Make], numbers: Sequence[int] = range(FOLDS)
) -> list[list[object]]:
    """A line for each maker: logit SNR of each variant, agreement and accuracy over all of them.

    Of the folds of these numbers alone; `makers` has int8 files of logits.
    """
    judge, chosen = Judge.of(inputs), [fold for fold in folds(photos_of(inputs)) if fold.number in numbers]
    photos = [photo for fold in chosen for photo in fold.judging]
    truth, rows = _truth(inputs, photos), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parents = {name: judge.logits(_float(open_origin(name)), photos, folder) for name in NAMES}
        for maker, make in makers.items():
            losses, lost = dict[str, Loss](), 0
            for name, parent in parents.items():
                found = []
                for fold in chosen:
                    data = make(open_origin(name), fold)
                    found.append(judge.logits(data, fold.judging, folder))
                losses[name] = Loss.between(parent, np.concatenate(found))
                lost += _right(parent, truth) - _right(np.concatenate(found), truth)
            rows.append([maker, *_cells(losses, lost)])
            print(*rows[-1], sep=" | ", flush=True)
    return rows


def _cells(losses: Mapping[str, Loss], lost: int) -> list[object]:
    whole = Loss.of_all(list(losses.values()))
    same, count = int(whole.same.sum()), len(whole.same)
    low, high = metrics.wilson_interval(same, count)
    return [
        *(loss.decibels() for loss in losses.values()),
        f"{same / count:.4f} ({low:.4f}-{high:.4f})",
        f"{100 * lost / count:.2f}",
    ]


def _about(origin: Origin) -> About:
    return About(origin.contract, origin.weights.sha256, origin.weights.license, ("logits",), origin.labels)


def _float(origin: Origin) -> bytes:
    return float_artifact(origin.plan, origin.layers(), _about(origin))


def _right(logits: Array, truth: ClassIndices) -> int:
    """How many photos are named right."""
    return int((logits.argmax(axis=1) == truth).sum())


def _truth(inputs: Inputs, photos: Sequence[Path]) -> ClassIndices:
    """The class of each photo, from labels.csv beside them."""
    with (inputs.web_photos / "labels.csv").open(newline="") as file:
        known = {row["file"]: int(row["index"]) for row in csv.DictReader(file)}
    return np.array([known[photo.name] for photo in photos], np.intp)
