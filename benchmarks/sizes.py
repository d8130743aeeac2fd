"""Classifiers of lite0 at the input sizes that small chips carry: trained, and judged on photos that they never saw."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.folds import FOLDS, folds
from benchmarks.inputs import Inputs, photos_below
from efficientnet_lite import metrics
from efficientnet_lite.commands.train import train
from efficientnet_lite.metrics import Interval
from efficientnet_lite.run.folder import Run, is_run, open_run
from efficientnet_lite.run.summary import summary_of

NAME, SIZES = "lite0", (96, 128, 160, 192, 224)
FOLDS_RUN = 1  # of three; each takes ten minutes at 224 pixels on a busy machine
VALIDATION_SHARE = 8  # one of so many of the photos that are not judged


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Photos named right, as phones see them, by files whose training and calibration had none of them."""

    right: int
    photos: int

    @property
    def top1(self) -> float:
        return self.right / self.photos

    @property
    def interval(self) -> Interval:
        """95 %."""
        return metrics.wilson_interval(self.right, self.photos)


def runs(inputs: Inputs, size: int) -> list[Run]:
    """A run for each fold that is run, kept in `inputs.runs`, where those of an earlier call are taken as they are."""
    found = []
    for number, manifest in _manifests(inputs):
        folder = inputs.runs / f"{NAME}-{size}-fold{number}"
        if not is_run(folder):
            train(manifest, folder, model=f"{NAME}@{size}", max_drop=1.0, min_agreement=0.0)
        found.append(open_run(folder))
    return found


def accuracy(found: Sequence[Run], precision: str) -> Accuracy:
    """Of the folds' files of that precision together."""
    right = photos = 0
    for run in found:
        summary = summary_of(run.card, run.folder)
        (file,) = (each for each in summary.files if each.precision == precision)
        assert summary.view == "mediapipe"
        assert summary.split == "test"
        right += round(file.top1 * summary.judged)
        photos += summary.judged
    return Accuracy(right, photos)


def _manifests(inputs: Inputs) -> Iterator[tuple[int, Path]]:
    """A manifest for each fold, whose judging photos are its test photos; the label is the folder's name."""
    for fold in islice(folds(photos_below(inputs.photos)), FOLDS_RUN):
        path = inputs.runs / f"fold{fold.number}of{FOLDS}.csv"
        rows = [
            (photo, photo.parent.name, "validation" if place % VALIDATION_SHARE == 0 else "train")
            for place, photo in enumerate(fold.calibrating)
        ]
        rows += [(photo, photo.parent.name, "test") for photo in fold.judging]
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("path", "label", "split"), *rows])
        yield fold.number, path
