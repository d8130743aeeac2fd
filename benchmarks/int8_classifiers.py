"""Whether a classifier keeps its decisions in int8, by cross-validation on a data set of a few classes."""

import csv
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from benchmarks.folds import NAMES, folds
from benchmarks.inputs import Inputs, photos_below
from benchmarks.table import Table
from efficientnet_lite import metrics
from efficientnet_lite.commands.train import train

FEW, FEW_VALIDATION = 10, 3  # training and validation photos of each class
VALIDATION_SHARE = 8  # else one of so many photos
FOLDS_RUN = 1  # of three; each takes some minutes
COLUMNS = ("path", "label", "split")


class Row(NamedTuple):
    """A photo of the manifest."""

    path: Path
    label: str
    split: str


def agreement(inputs: Inputs) -> Table:
    """Same class as float, and top-1, of trained classifiers: ten photos a class and all."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            for title, few in ((f"{FEW} a class", True), ("all", False)):
                rows += [[name, title, *cells] for cells in _judged(inputs, Path(folder), name, few=few)]
    columns = [
        "model",
        "training photos",
        "view",
        "judged",
        "same class as float",
        "top-1 float32",
        "top-1 int8",
    ]
    note = (
        f"{FOLDS_RUN} of three folds: its photos are judged by files whose training and calibration had "
        "none of them. "
        "In brackets the 95 % interval."
    )
    return Table("Classifiers in int8: decisions kept", columns, rows, note)


def _judged(inputs: Inputs, folder: Path, name: str, *, few: bool) -> Iterator[list[object]]:
    """A line for each view."""
    seen: dict[str, list[tuple[int, float, float, float]]] = defaultdict(list)
    for fold in islice(folds(photos_below(inputs.photos)), FOLDS_RUN):
        manifest = folder / "photos.csv"
        with manifest.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *_rows(fold.calibrating, few), *_tests(fold.judging)])
        run = folder / f"{name}-{few}-{fold.number}"
        trained = train(manifest, run, model=name, max_drop=1.0, min_agreement=0.0)
        for found in trained.proof.comparisons:
            assert found.top1_parent is not None
            assert found.top1_child is not None
            seen[found.view].append((found.count, found.agreement, found.top1_parent, found.top1_child))
    for view, parts in seen.items():
        count = sum(part[0] for part in parts)
        same, parent, child = (round(sum(part[0] * part[at] for part in parts)) for at in (1, 2, 3))
        low, high = metrics.wilson_interval(same, count)
        yield [
            view,
            count,
            f"{100 * same / count:.1f} % ({100 * low:.1f}-{100 * high:.1f})",
            *(f"{100 * right / count:.1f} %" for right in (parent, child)),
        ]


def _rows(photos: Sequence[Path], few: bool) -> Iterator[Row]:
    """Training and validation photos; the label is the folder's name."""
    classes: dict[str, list[Path]] = defaultdict(list)
    for photo in photos:
        classes[photo.parent.name].append(photo)
    for label, paths in classes.items():
        validation = FEW_VALIDATION if few else len(paths) // VALIDATION_SHARE
        wanted = paths[: FEW + FEW_VALIDATION] if few else paths
        for place, path in enumerate(wanted):
            yield Row(path, label, "validation" if place < validation else "train")


def _tests(photos: Sequence[Path]) -> Iterator[Row]:
    return (Row(photo, photo.parent.name, "test") for photo in photos)
