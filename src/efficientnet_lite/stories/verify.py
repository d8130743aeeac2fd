"""`verify`: a finished run, or a file and its parent, replayed once more on this machine."""

import csv
import io
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite import bundle
from efficientnet_lite.bundle import Run
from efficientnet_lite.doors import files
from efficientnet_lite.doors.dataset import open_dataset
from efficientnet_lite.errors import ArtifactError, UnusableInput, UsageError
from efficientnet_lite.inference.predict import Model, open_model
from efficientnet_lite.inference.verify import (
    MAX_DROP,
    MIN_AGREEMENT,
    Bars,
    Comparison,
    compare,
    finite,
    score_together,
)
from efficientnet_lite.spec import PROBABILITIES
from efficientnet_lite.stories import golden
from efficientnet_lite.stories.labelled import labelled_photos
from efficientnet_lite.stories.progress import Stage, silent
from efficientnet_lite.stories.run_artifacts import replay

MAX_CONFIG_BYTES = 2**20
MAX_SPLIT_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Verified:
    """What a replay showed."""

    target: Path
    comparisons: tuple[Comparison, ...]  # one for each view; empty where there are no photos
    faults: tuple[str, ...]  # why it did not pass
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """`agreement`, `drop` and `snr_db` are those of the worst view; null where nothing was compared."""
        worst = min(self.comparisons, key=lambda each: each.agreement, default=None)
        drops = [each.drop for each in self.comparisons if each.drop is not None]
        return {
            "target": str(self.target),
            "passed": self.passed,
            "agreement": worst.agreement if worst else None,
            "drop": max(drops, default=None),
            "snr_db": finite(min((each.snr_db for each in self.comparisons), default=math.inf)),
            "comparisons": [each.to_json() for each in self.comparisons],
            "faults": list(self.faults),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Proven:
    """The labelled photos that proved a run."""

    names: tuple[str, ...]  # as split.csv has them
    paths: tuple[Path, ...]
    truth: tuple[int, ...]  # class indices


def verify(
    target: str | Path,
    *,
    data: str | Path | None = None,
    parent: str | Path | None = None,
    max_drop: float | None = None,
    min_agreement: float | None = None,
    trust: bool = False,
    stage: Stage = silent,
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
        run = bundle.open_run(target)
        return _verify_run(run, Path(data) if data else None, max_drop, min_agreement, trust, stage)
    if parent is None or data is None:
        raise UsageError(
            "a single file is verified against its parent, on photos",
            where=target,
            fix="give --parent FLOAT.tflite and --data PHOTOS, or give a run folder",
        )
    bars = _bars({}, max_drop, min_agreement, target)
    models = [open_model(Path(parent)), open_model(target)]
    comparisons, notes = _compare(models, *labelled_photos(Path(data), models[0].labels), stage)
    faults = [fault for each in comparisons for fault in each.failures(bars)]
    return Verified(target.absolute(), tuple(comparisons), tuple(faults), tuple(notes))


def _verify_run(
    run: Run,
    data: Path | None,
    max_drop: float | None,
    min_agreement: float | None,
    trust: bool,
    stage: Stage,
) -> Verified:
    faults: list[str] = []
    notes: list[str] = []
    bars = _bars(run.card["verification"], max_drop, min_agreement, run.folder)
    for export in run.exports:
        if not files.is_file(export.path):
            faults.append(f"{export.path.name} is missing")
        elif files.sha256_file(export.path) != export.sha256:
            faults.append(f"{export.path.name} is not the file that the card names: its SHA-256 differs")
    if faults:
        return Verified(run.folder.absolute(), (), tuple(faults), ())
    models = [open_model(run.export(precision)) for precision in ("float32", "int8")]
    with stage("Replaying the golden inputs") as on_progress:
        faults += _golden_faults(run, *models)
        wrong, unplayed = replay(run, trust=trust)
        faults, notes = faults + wrong, notes + unplayed
        on_progress(1, 1)
    comparisons: Sequence[Comparison] = ()
    if data is not None:
        comparisons, refused = _compare(models, *labelled_photos(data, run.labels), stage)
        notes += refused
    elif proven := proven_photos(run):
        comparisons, refused = _compare(models, proven.paths, proven.truth, stage)
        notes += refused
    else:
        notes.append("the photos that proved this run are not there as they were; give some with --data")
    faults += [fault for each in comparisons for fault in each.failures(bars)]
    return Verified(run.folder.absolute(), tuple(comparisons), tuple(faults), tuple(notes))


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
    path = run.folder / bundle.GOLDEN
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


def proven_photos(run: Run, root: Path | None = None) -> Proven | None:
    """The labelled photos that proved the run, where they are still there with the same content.

    `root` is the folder or manifest where they are looked for; None: where they were.
    """
    try:
        if root is None:
            config = tomllib.loads(
                files.read_bytes(run.folder / "config.toml", limit=MAX_CONFIG_BYTES, what="a config").decode()
            )
            copied = config.get("proof_photos")  # where the data set is none of photo files
            root = (
                bundle.inside(run.folder, copied) if copied else Path(files.unescaped(str(config["photos"])))
            )
        rows = {row.name: row for row in open_dataset(root).rows}
        index = {label: number for number, label in enumerate(run.labels)}
        names, paths, truth = [], [], []
        for name, label, split, sha256 in split_rows(run):
            if split == run.card["metrics"].get("split"):
                if files.sha256_file(rows[name].path) != sha256:
                    return None
                names.append(name)
                paths.append(rows[name].path)
                truth.append(index[label])
    except (UnusableInput, ValueError, KeyError):
        return None
    return Proven(tuple(names), tuple(paths), tuple(truth)) if names else None


def split_rows(run: Run) -> list[tuple[str, str, str, str]]:
    """Path, label, split and SHA-256 of each row of split.csv.

    Raises:
        ArtifactError: it is damaged.
    """
    path = run.folder / "split.csv"
    try:
        text = files.read_bytes(path, limit=MAX_SPLIT_BYTES, what="a split").decode()
        return [
            (files.csv_text(row["path"]), files.csv_text(row["label"]), row["split"], row["sha256"])
            for row in csv.DictReader(io.StringIO(text, newline=""), strict=True, restval="")
        ]
    except (ValueError, KeyError, csv.Error) as error:
        raise ArtifactError(
            f"the split cannot be read: {type(error).__name__}: {error}",
            where=path,
            fix="train the run again",
        ) from error


def _compare(
    models: Sequence[Model], photos: Sequence[Path], truth: Sequence[int] | None, stage: Stage
) -> tuple[list[Comparison], list[str]]:
    with stage("Replaying the photos") as on_progress:
        parent, child = score_together(models, photos, truth, ["crop", "squash"], on_progress=on_progress)
    if not parent.kept:
        raise UnusableInput("none of the photos can be used", where="--data", fix="give a folder of photos")
    known = parent.truth if truth is not None else None
    comparisons = [compare(parent.scores[view], child.scores[view], known, view) for view in parent.scores]
    notes = [f"{len(parent.refused)} photos could not be used"] if parent.refused else []
    return comparisons, notes
