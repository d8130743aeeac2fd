"""The gate: a written file against the one that it came from, on the same pixels, on the real runtime."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import ArtifactError, CheckpointError, VerificationFailed, wrong_argument
from efficientnet_lite.metrics import Interval
from efficientnet_lite.photos.contract import View
from efficientnet_lite.photos.images import Refused, images_of
from efficientnet_lite.progress import OnProgress
from efficientnet_lite.proof.evaluate import Scored
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.threads import in_threads
from efficientnet_lite.vocabulary import MAX_DROP, MIN_AGREEMENT, Precision

Verdict = Literal["verified", "not refuted", "failed"]


@dataclass(frozen=True, slots=True)
class Bars:
    """What a file may lose against its parent."""

    max_drop: float = MAX_DROP  # fraction of photos
    min_agreement: float = MIN_AGREEMENT

    def check(self) -> None:
        """Raises UsageError where a bar is no fraction; NaN, which nothing misses, is none."""
        for argument, bar in (("max_drop", self.max_drop), ("min_agreement", self.min_agreement)):
            if not 0 <= bar <= 1:
                raise wrong_argument(argument, bar, fix="give a fraction from 0 to 1")

    def changed(self, max_drop: float | None, min_agreement: float | None) -> "Bars":
        """These with the bars that are given instead; raises UsageError as `check`."""
        bars = Bars(
            self.max_drop if max_drop is None else max_drop,
            self.min_agreement if min_agreement is None else min_agreement,
        )
        bars.check()
        return bars


@dataclass(frozen=True, slots=True)
class Comparison:
    """A child against its parent in one view. Fractions are 0 to 1; intervals are 95 %, paired."""

    view: View
    count: int
    agreement: float
    agreement_interval: Interval
    drop: float | None  # top-1 of the parent minus the child's, may be negative; None without labels
    drop_interval: Interval | None
    top1_parent: float | None
    top1_child: float | None
    snr_db: float  # of the logits where both files give them, else of the probabilities
    max_difference: float  # largest of a score

    def failures(self, bars: Bars) -> list[str]:
        """Which bars are missed even by the favourable end of the interval, and by how much."""
        missed = []
        if self.drop_interval is not None and self.drop_interval.low > bars.max_drop:
            missed.append(
                f"{self.view}: top-1 drops by {_points(self.drop)} "
                f"({_points(self.drop_interval.low)} to {_points(self.drop_interval.high)}), "
                f"more than {_points(bars.max_drop)}, on {self.count} photos"
            )
        if self.agreement_interval.high < bars.min_agreement:
            missed.append(
                f"{self.view}: {self._same_class()}, below {100 * bars.min_agreement:.1f} %, "
                f"of {self.count} photos"
            )
        return missed

    def doubts(self, bars: Bars) -> list[str]:
        """Which bars the photos are too few to decide on, with what they show."""
        found = []
        if (
            self.drop_interval is not None
            and self.drop_interval.low <= bars.max_drop < self.drop_interval.high
        ):
            found.append(
                f"{self.view}: top-1 drops by {_points(self.drop)} "
                f"({100 * self.drop_interval.low:.2f} to {100 * self.drop_interval.high:.2f}) "
                f"on {self.count} photos, allowed {100 * bars.max_drop:.2f}"
            )
        if self.agreement_interval.low < bars.min_agreement <= self.agreement_interval.high:
            found.append(
                f"{self.view}: {self._same_class()} of {self.count} photos, "
                f"wanted {100 * bars.min_agreement:.1f} %"
            )
        return found

    def _same_class(self) -> str:
        low, high = self.agreement_interval
        return (
            f"both name the same class for {100 * self.agreement:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        )

    def decided(self, bars: Bars) -> bool:
        """Whether the photos suffice: both intervals lie wholly on the good side of their bars."""
        drop_known = self.drop_interval is None or self.drop_interval.high <= bars.max_drop
        return drop_known and self.agreement_interval.low >= bars.min_agreement

    def to_json(self) -> dict[str, Any]:
        """A document of plain values; `snr_db` is null where there is no difference at all."""
        fields = {("as" if key == "view" else key): value for key, value in asdict(self).items()}
        return fields | {"snr_db": finite(self.snr_db)}


def verdict(comparisons: Sequence[Comparison], bars: Bars, *, whole: bool = True) -> Verdict:
    """What the photos say of a file: it holds, they are too few to say, or it fails.

    "verified" is sure: every interval lies on the good side of its bar. Where there is no photo, or not
    `whole`, since some of the photos were lost, nothing is.
    """
    if any(each.failures(bars) for each in comparisons):
        return "failed"
    sure = whole and bool(comparisons) and all(each.decided(bars) for each in comparisons)
    return "verified" if sure else "not refuted"


def doubts(comparisons: Sequence[Comparison], bars: Bars, *, whole: bool = True) -> list[str]:
    """Why the photos refute nothing and prove nothing: which interval reaches beyond its bar."""
    if not comparisons:
        return ["no photo was replayed"]
    open_questions = [line for each in comparisons for line in each.doubts(bars)]
    return (
        open_questions
        if whole
        else ["some of the photos, or all of a class, could not be read", *open_questions]
    )


def finite(value: float) -> float | None:
    """`value` for JSON, which knows no infinity."""
    return value if math.isfinite(value) else None


def _points(fraction: float | None) -> str:
    return f"{100 * (fraction or 0):.2f} points"


def score_together(
    models: Sequence[Model],
    photos: Sequence[Path],
    truth: Sequence[int] | None,
    views: Sequence[View],
    *,
    contents: Sequence[str] | None = None,
    on_progress: OnProgress | None = None,
) -> list[Scored]:
    """Every model on the same pixels of every photo, each decoded once; models share one contract.

    `contents` has the SHA-256 that each photo must have; another counts as lost.

    Raises:
        ArtifactError: the models take inputs of different sizes.
    """
    contract = models[0].contract
    for model in models:
        model.check_classes()
        if model.contract.size != contract.size or model.classes != models[0].classes:
            raise ArtifactError(
                f"it takes {model.contract.size} pixels and has {model.classes} classes, "
                f"the file that it is tested against {contract.size} and {models[0].classes}",
                where=model.where,
                fix="compare files of the same export",
            )

    def one(photo: tuple[Path, str | None]) -> list[list[Array]] | Refused:
        images = images_of(photo[0], views, contract, sha256=photo[1])
        if isinstance(images, Refused):
            return images
        found = []
        for model in models:
            with model.pool.borrowed() as runner:
                found.append([model.scores(model.on_image(runner, image)) for image in images])
        return found

    scores = np.empty((len(models), len(views), len(photos), models[0].classes), np.float32)
    kept, refused = list[int](), list[Refused]()
    wanted: Sequence[str | None] = contents if contents is not None else [None] * len(photos)
    work = zip(photos, wanted, strict=True)
    for position, outcome in enumerate(in_threads(one, work, workers=models[0].workers)):
        if isinstance(outcome, Refused):
            refused.append(outcome)
        else:
            scores[:, :, len(kept)] = outcome
            kept.append(position)
        if on_progress:
            on_progress(position + 1, len(photos))
    true = np.asarray(truth, np.intp)[kept] if truth is not None else np.zeros(len(kept), np.intp)
    return [
        Scored(dict(zip(views, own[:, : len(kept)], strict=True)), true, tuple(kept), tuple(refused))
        for own in scores
    ]


def compare(parent: Array, child: Array, truth: npt.NDArray[np.intp] | None, view: View) -> Comparison:
    """`child` against `parent`, scores (N, C) of the same N >= 1 photos; `truth` (N,) where it is known."""
    count = len(parent)
    sure = [~np.isnan(scores).any(axis=1) for scores in (parent, child)]  # NaN answers nothing
    same = int(((parent.argmax(axis=1) == child.argmax(axis=1)) & sure[0] & sure[1]).sum())
    drop = drop_interval = top1_parent = top1_child = None
    if truth is not None:
        right = [
            (scores.argmax(axis=1) == truth) & each
            for scores, each in zip((parent, child), sure, strict=True)
        ]
        top1_parent, top1_child = (float(each.mean()) for each in right)
        drop, drop_interval = top1_parent - top1_child, metrics.paired_interval(*right)
    return Comparison(
        view=view,
        count=count,
        agreement=same / count,
        agreement_interval=metrics.wilson_interval(same, count),
        drop=drop,
        drop_interval=drop_interval,
        top1_parent=top1_parent,
        top1_child=top1_child,
        snr_db=float(metrics.snr_db(parent, child)),
        max_difference=float(np.abs(parent - child).max()),
    )


def require(
    comparisons: Sequence[Comparison], bars: Bars, *, where: Path | str, precision: str = "int8"
) -> None:
    """Raises VerificationFailed where a comparison misses a bar even by its favourable end."""
    missed = [line for comparison in comparisons for line in comparison.failures(bars)]
    if missed:
        raise VerificationFailed(
            f"the {precision} file loses too much against float32, so nothing is published: "
            + "; ".join(missed),
            where=where,
            fix=("calibrate with more photos (`calibration=`), or " if precision == "int8" else "")
            + "allow it (`max_drop=`, `min_agreement=`)",
        )


@contextmanager
def writable(precision: Precision, where: Path) -> Iterator[None]:
    """What a check or the runtime says of a file that was just written, as what it means: a fault of the weights."""
    try:
        yield
    except CheckpointError:  # says so itself
        raise
    except ArtifactError as error:
        raise VerificationFailed(
            f"these weights cannot be written in {precision}, so nothing is published: "
            f"{error.what.rpartition('or it is damaged: ')[2]}",
            where=where,
            fix="look at the weights: they are far from those of a trained network"
            + ("" if precision == "float32" else "; or export them as float32"),
        ) from error
