"""How good a file is on labelled photos, as each consumer sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite import metrics
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.metrics import ClassScores, Interval
from efficientnet_lite.photos.accounting import Accounting, Skipped, account
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.images import Refused
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.proof.judged import Judged
from efficientnet_lite.runtimes.model import Model


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A file on labelled photos in one view. Fractions are 0 to 1."""

    view: View
    count: int  # photos that could be used
    top1: float
    interval: Interval  # 95 % of top1
    top5: float
    macro_f1: float
    balanced_accuracy: float
    confusion: npt.NDArray[np.int64]  # (C, C), row = true class
    classes: tuple[ClassScores, ...]

    def to_json(self, labels: Sequence[str] | None) -> dict[str, Any]:
        """A document of plain values; the keys `as`, `count`, `top1`, `top5` stay what they are."""
        names = labels or [str(index) for index in range(len(self.classes))]
        return {
            "as": self.view,
            "count": self.count,
            "top1": self.top1,
            "top1_interval": list(self.interval),
            "top5": self.top5,
            "macro_f1": self.macro_f1,
            "balanced_accuracy": self.balanced_accuracy,
            "classes": [
                {"label": name, **asdict(row)} for name, row in zip(names, self.classes, strict=True)
            ],
            "confusion": self.confusion.tolist(),
        }


@dataclass(frozen=True, slots=True)
class Scored:
    """Raw results: what a file said of every photo that could be used."""

    scores: dict[View, npt.NDArray[np.float32]]  # (N, C): logits where the file has them, else probabilities
    truth: npt.NDArray[np.intp]  # (N,)
    kept: tuple[int, ...]  # which of the photos these are
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """The measures for each view."""

    evaluations: tuple[Evaluation, ...]
    refused: tuple[Refused, ...]
    names: tuple[str, ...]  # of the model's classes, by index
    split: str
    accounting: Accounting  # of the photos of the split, and of what was skipped before they were opened
    unknown: Mapping[str, int]  # classes that the model has not -> photos that were not judged
    absent: tuple[int, ...]  # classes of the model of which there is no photo
    unjudged: tuple[int, ...]  # classes whose photos are there, and none of them could be used
    synsets: tuple[str, ...] | None = None  # of ImageNet's classes, by index
    trained_on: int = 0  # of a run: how many of these photos its head was fitted on


def score(
    model: Model,
    photos: Sequence[Path],
    truth: Sequence[int],
    views: Sequence[View],
    *,
    on_progress: OnProgress | None = None,
) -> Scored:
    """Run `model` on every photo in each of `views`; `truth` has a class index for each photo."""
    model.check_classes()
    rows: dict[View, list[npt.NDArray[np.float32]]] = {view: [] for view in views}
    kept, refused = [], []
    for position, outcome in enumerate(model.look(photos, views)):
        if isinstance(outcome, Refused):
            refused.append(outcome)
        else:
            kept.append(position)
            for view, outputs in zip(views, outcome, strict=True):
                rows[view].append(model.scores(outputs))
        if on_progress:
            on_progress(position + 1, len(photos))
    scores = {
        view: np.stack(found) if found else np.empty((0, model.classes), np.float32)
        for view, found in rows.items()
    }
    return Scored(scores, np.asarray(truth, np.intp)[kept], tuple(kept), tuple(refused))


def evaluation(scores: npt.NDArray[np.float32], truth: npt.NDArray[np.intp], view: View) -> Evaluation:
    """The measures of (N, C) scores, N at least 1, against the true classes (N,)."""
    classes, predicted = scores.shape[1], scores.argmax(axis=1)
    matrix = metrics.confusion(truth, predicted, classes)
    right = int(((predicted == truth) & ~np.isnan(scores).any(axis=1)).sum())  # NaN answers nothing
    return Evaluation(
        view=view,
        count=len(truth),
        top1=right / len(truth),
        interval=metrics.wilson_interval(right, len(truth)),
        top5=metrics.top_k(scores, truth, 5),
        macro_f1=metrics.macro_f1(matrix),
        balanced_accuracy=metrics.balanced_accuracy(matrix),
        confusion=matrix,
        classes=metrics.per_class(matrix),
    )


def measure(model: Model, judged: Judged, views: Sequence[View], *, on_progress: OnProgress) -> Measured:
    """Run the model on every photo in every view.

    Raises UnusableInput where no photo can be used.
    """
    scored = score(model, judged.photos, judged.truth, views, on_progress=on_progress)
    if not scored.kept:
        reason = scored.refused[0].reason if scored.refused else "there is none"
        raise UnusableInput(
            f"none of {len(judged.photos)} photos can be used; the first: {reason}",
            where=judged.photos[0] if judged.photos else "the data",
            fix="give photos",
        )
    evaluations = tuple(evaluation(scored.scores[view], scored.truth, view) for view in views)
    lost = [Skipped(judged.names.get(Path(each.where), each.where), each.reason) for each in scored.refused]
    counted = account(len(scored.kept), [*judged.skipped, *lost], judged.passed_over)
    seen, there = set(scored.truth.tolist()), set(judged.truth)
    return Measured(
        evaluations,
        scored.refused,
        model.names,
        judged.split,
        counted,
        judged.unknown,
        absent=tuple(sorted(set(range(model.classes)) - there)),
        unjudged=tuple(sorted(there - seen)),
        synsets=model.synsets,
    )
