"""`verify`: a finished run, or a file and its parent, replayed once more on this machine."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite.errors import CALL, ArtifactError, UnusableInput, UsageError, printable
from efficientnet_lite.network.plan import PROBABILITIES
from efficientnet_lite.photos.classes import some
from efficientnet_lite.photos.labelled import labelled_photos
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof import golden
from efficientnet_lite.proof.gate import (
    MAX_DROP,
    MIN_AGREEMENT,
    Bars,
    Comparison,
    Verdict,
    compare,
    doubts,
    finite,
    score_together,
    verdict,
)
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.folder import Run
from efficientnet_lite.run.proven import own, proven_photos
from efficientnet_lite.runtimes.model import Model, open_model
from efficientnet_lite.storage import files
from efficientnet_lite.stories.run_artifacts import replay


@dataclass(frozen=True, slots=True)
class Verified:
    """What a replay showed."""

    target: Path
    comparisons: tuple[Comparison, ...]  # one for each view; empty where there are no photos
    faults: tuple[str, ...]  # why it failed
    notes: tuple[str, ...]
    bars: Bars
    whole: bool = True  # no photo was lost while it was replayed

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
            "max_drop": float(self.bars.max_drop),
            "min_agreement": float(self.bars.min_agreement),
        }


def verify(
    target: str | Path,
    *,
    data: str | Path | None = None,
    parent: str | Path | None = None,
    max_drop: float | None = None,
    min_agreement: float | None = None,
    trust: bool = False,
    stage: ShowStage = silent,
) -> Verified:
    """Replay a run's files, or one file against its parent.

    For a run: every export has the bytes that the card names, gives the golden outputs, and the int8 file
    is held to the bars on the photos that proved it, where they are still there. With `data` other
    photos are used: labelled ones as `train` takes them, or any folder.

    Args:
        target: a run folder, or a .tflite file.
        data: photos; needed with `parent`.
        parent: the file that a .tflite `target` came from.
        max_drop, min_agreement: other bars than those of the run.
        trust: let TensorFlow execute a SavedModel or Hub module of the run.
    """
    target = Path(target)
    if files.is_dir(target):
        if parent is not None:
            raise _unused("`parent=`", "a single file", "a run has both of its files")
        run = run_folder.open_run(target)
        return _verify_run(run, Path(data) if data else None, max_drop, min_agreement, trust, stage)
    if not files.exists(target):
        raise UnusableInput(files.missing(target), where=target, fix="give a run folder, or a .tflite file")
    if parent is None or data is None:
        raise UsageError(
            "a single file is verified against its parent, on photos",
            where=target,
            fix="give `parent=FLOAT.tflite` and `data=PHOTOS`, or give a run folder",
        )
    if trust:
        raise _unused("`trust=True`", "a run", "in a single file nothing is executed")
    bars = _bars({}, max_drop, min_agreement, target)
    models = [open_model(Path(parent)), open_model(target)]
    if models[1].labels and models[0].labels and models[1].labels != models[0].labels:
        raise ArtifactError(
            "its classes are not those of its parent, or in another order",
            where=target,
            fix="compare files of the same export",
        )
    photos = labelled_photos(Path(data), models[0].labels)
    comparisons, lost, whole = _compare(models, photos.paths, photos.truth, stage)
    notes = [*lost, *photos.notes]
    faults = [fault for each in comparisons for fault in each.failures(bars)]
    return Verified(target.absolute(), tuple(comparisons), tuple(faults), tuple(notes), bars, whole)


def _unused(argument: str, user: str, why: str) -> UsageError:
    return UsageError(f"{argument} is for {user}: {why}", where=CALL, fix="leave it out")


def _verify_run(
    run: Run,
    data: Path | None,
    max_drop: float | None,
    min_agreement: float | None,
    trust: bool,
    stage: ShowStage,
) -> Verified:
    faults: list[str] = []
    notes: list[str] = []
    bars = _bars(run.card["verification"], max_drop, min_agreement, run.folder)
    for export in run.exports:
        own(run, export.path)
        if not files.is_file(export.path):
            faults.append(f"{export.path.name} is missing")
        elif files.sha256_file(export.path) != export.sha256:
            faults.append(f"{export.path.name} is not the file that the card names: its SHA-256 differs")
    if faults:
        return Verified(run.folder.absolute(), (), tuple(faults), (), bars)
    models = [open_model(run.export(precision)) for precision in ("float32", "int8")]
    with stage("Replaying the golden inputs") as on_progress:
        faults += _golden_faults(run, *models)
        wrong, unplayed = replay(run, trust=trust)
        faults, notes = faults + wrong, notes + unplayed
        on_progress(1, 1)
    comparisons: Sequence[Comparison] = ()
    whole = True
    if data is not None:
        given = labelled_photos(data, run.labels)
        comparisons, refused, whole = _compare(models, given.paths, given.truth, stage)
        notes += [*refused, *given.notes]
    else:
        try:
            photos = proven_photos(run)
        except UnusableInput as error:
            notes.append(f"{error.what} (in {printable(error.where)}); give some with `data=`")
        else:
            comparisons, refused, whole = _compare(models, photos.paths, photos.truth, stage, photos.contents)
            notes += refused
    faults += [fault for each in comparisons for fault in each.failures(bars)]
    return Verified(run.folder.absolute(), tuple(comparisons), tuple(faults), tuple(notes), bars, whole)


def _bars(saved: Mapping[str, Any], max_drop: float | None, min_agreement: float | None, where: Path) -> Bars:
    """The bars of a card, those that the user gave instead, and the usual ones where neither says."""
    found = [saved.get("max_drop", MAX_DROP), saved.get("min_agreement", MIN_AGREEMENT)]
    if not all(type(bar) in (int, float) and 0 <= bar <= 1 for bar in found):
        raise ArtifactError(
            f"the bars of the card are {found}, expected fractions", where=where, fix="train the run again"
        )
    given = [old if new is None else new for old, new in zip(found, (max_drop, min_agreement), strict=True)]
    bars = Bars(*given)
    bars.check()
    return bars


def _golden_faults(run: Run, float_model: Model, int8_model: Model) -> list[str]:
    path = own(run, run.folder / run_folder.GOLDEN)
    wanted = golden.read_golden(path, ("images", "float32", "int8"))
    images = wanted["images"]
    try:
        inputs = np.stack([float_model.encode(image) for image in images])
        found = {
            "float32": float_model.run(inputs)[PROBABILITIES],
            "int8": int8_model.run(images)[PROBABILITIES],
        }
        if any(wanted[key].shape != outputs.shape for key, outputs in found.items()):
            raise ValueError(f"their shapes are {[wanted[key].shape for key in found]}")
    except (ValueError, TypeError) as error:
        raise golden.unusable(path, error) from error
    return golden.faults(found, wanted, "the run's files")


def _compare(
    models: Sequence[Model],
    photos: Sequence[Path],
    truth: Sequence[int] | None,
    stage: ShowStage,
    contents: Sequence[str] | None = None,
) -> tuple[list[Comparison], list[str], bool]:
    """A comparison for each view, notes, and whether no photo was lost meanwhile."""
    with stage("Replaying the photos") as on_progress:
        parent, child = score_together(
            models, photos, truth, ["crop", "squash"], contents=contents, on_progress=on_progress
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
