"""What a replay showed, and the replay of photos that two files are compared on."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.photos.classes import some
from efficientnet_lite.photos.contract import PROOF_VIEWS, View
from efficientnet_lite.progress import ShowStage
from efficientnet_lite.proof.gate import (
    Bars,
    Comparison,
    Verdict,
    compare,
    doubts,
    finite,
    score_together,
    verdict,
)
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.tflite.identity import Int8Identity


@dataclass(frozen=True, slots=True)
class Verified:
    """What a replay showed."""

    target: Path
    comparisons: tuple[Comparison, ...]  # one for each view; empty where there are no photos
    faults: tuple[str, ...]  # why it failed
    notes: tuple[str, ...]
    bars: Bars
    whole: bool = True  # no photo was lost while it was replayed
    int8: Int8Identity | None = None  # how the integers of the file were made, as it says itself

    @property
    def passed(self) -> bool:
        """Nothing speaks against it, though the photos may be too few to be sure: see `verdict`."""
        return not self.faults

    @property
    def verdict(self) -> Verdict:
        return "failed" if self.faults else verdict(self.comparisons, self.bars, whole=self.whole)

    @property
    def doubts(self) -> list[str]:
        """Why it is not refuted and no more, where that is its verdict."""
        if self.verdict != "not refuted":
            return []
        return doubts(self.comparisons, self.bars, whole=self.whole)

    def to_json(self) -> dict[str, Any]:
        """`agreement`, `drop` and `snr_db` are those of the worst view; null where nothing was compared."""
        worst = min(self.comparisons, key=lambda each: each.agreement, default=None)
        drops = [each.drop for each in self.comparisons if each.drop is not None]
        return {
            "target": str(self.target),
            "verdict": self.verdict,
            "passed": self.passed,
            "doubts": self.doubts,
            "agreement": worst.agreement if worst else None,
            "drop": max(drops, default=None),
            "snr_db": finite(min((each.snr_db for each in self.comparisons), default=math.inf)),
            "comparisons": [each.to_json() for each in self.comparisons],
            "faults": list(self.faults),
            "notes": list(self.notes),
            "int8": None if self.int8 is None else asdict(self.int8),
            "max_drop": float(self.bars.max_drop),
            "min_agreement": float(self.bars.min_agreement),
        }


def compare_on(
    models: Sequence[Model],
    photos: Sequence[Path],
    truth: Sequence[int] | None,
    stage: ShowStage,
    contents: Sequence[str] | None = None,
    views: Sequence[View] = PROOF_VIEWS,
) -> tuple[list[Comparison], list[str], bool]:
    """A comparison of a parent and a child for each view, notes, and whether no photo was lost meanwhile.

    Raises UnusableInput where no photo can be used.
    """
    with stage("Testing on the photos") as on_progress:
        parent, child = score_together(
            models, photos, truth, views, contents=contents, on_progress=on_progress
        )
    if not parent.kept:
        raise UnusableInput(
            f"none of {len(photos)} photos can be used"
            + (f"; the first: {parent.refused[0].reason}" if parent.refused else ""),
            where=photos[0] if photos else "`data=`",
            fix="give a folder of photos",
        )
    known = parent.truth if truth is not None else None
    comparisons = [compare(parent.scores[view], child.scores[view], known, view) for view in parent.scores]
    notes = []
    if parent.refused:
        named = some([f"{Path(each.where).name} ({each.reason})" for each in parent.refused], 3)
        notes.append(f"{len(parent.refused)} of {len(photos)} photos could not be used: {named}")
    if truth is None:
        notes.append("the photos have no labels of the model's, so nobody knows what is lost in accuracy")
    wholly = set(truth or ()) - set(parent.truth.tolist()) if truth is not None else set()
    if wholly:
        notes.append(f"of {len(wholly)} classes no photo could be used")
    return comparisons, notes, not wholly and not any(each.lost for each in parent.refused)
