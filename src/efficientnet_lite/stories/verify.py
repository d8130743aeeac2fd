"""`verify`: a finished run, or a file and its parent, replayed once more on this machine."""

import csv
import io
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite import bundle
from efficientnet_lite.bundle import Run
from efficientnet_lite.doors import files
from efficientnet_lite.doors.dataset import list_photos, open_dataset
from efficientnet_lite.errors import ArtifactError, UnusableInput, UsageError
from efficientnet_lite.inference.predict import Model, open_model
from efficientnet_lite.inference.verify import (
    MIN_AGREEMENT,
    Bars,
    Comparison,
    compare,
    finite,
    score_together,
)
from efficientnet_lite.spec import PROBABILITIES
from efficientnet_lite.stories.progress import Stage, silent

GOLDEN_TOLERANCE = 1e-3  # of a float probability, between processors
GOLDEN_CODES = 2  # of an int8 output, between processors
MAX_GOLDEN_BYTES = 64 * 2**20
MAX_CONFIG_BYTES = 2**20


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


def verify(
    target: str | Path,
    *,
    data: str | Path | None = None,
    parent: str | Path | None = None,
    max_drop: float | None = None,
    min_agreement: float | None = None,
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
    """
    target = Path(target)
    if target.is_dir():
        return _verify_run(
            bundle.open_run(target), Path(data) if data else None, max_drop, min_agreement, stage
        )
    if parent is None or data is None:
        raise UsageError(
            "a single file is verified against its parent, on photos",
            where=target,
            fix="give --parent FLOAT.tflite and --data PHOTOS, or give a run folder",
        )
    models = [open_model(Path(parent)), open_model(target)]
    bars = Bars(
        Bars().max_drop if max_drop is None else max_drop,
        MIN_AGREEMENT if min_agreement is None else min_agreement,
    )
    comparisons, notes = _compare(models, *_photos(Path(data), models[0].labels), stage)
    faults = [fault for each in comparisons for fault in each.failures(bars)]
    return Verified(target.absolute(), tuple(comparisons), tuple(faults), tuple(notes))


def _verify_run(
    run: Run, data: Path | None, max_drop: float | None, min_agreement: float | None, stage: Stage
) -> Verified:
    faults: list[str] = []
    notes: list[str] = []
    for export in run.exports:
        if not export.path.is_file():
            faults.append(f"{export.path.name} is missing")
        elif files.sha256_file(export.path) != export.sha256:
            faults.append(f"{export.path.name} is not the file that the card names: its SHA-256 differs")
    if faults:
        return Verified(run.folder.absolute(), (), tuple(faults), ())
    models = [open_model(run.export(precision)) for precision in ("float32", "int8")]
    with stage("Replaying the golden inputs") as on_progress:
        faults += _golden_faults(run, *models)
        on_progress(1, 1)
    comparisons: Sequence[Comparison] = ()
    if data is not None:
        comparisons, notes = _compare(models, *_photos(data, run.labels), stage)
    elif proven := _proven_photos(run):
        comparisons, notes = _compare(models, *proven, stage)
    else:
        notes.append("the photos that proved this run are not where they were; give some with --data")
    saved = run.card.get("verification", {})
    bars = Bars(
        max_drop if max_drop is not None else float(saved.get("max_drop", Bars().max_drop)),
        min_agreement if min_agreement is not None else float(saved.get("min_agreement", MIN_AGREEMENT)),
    )
    faults += [fault for each in comparisons for fault in each.failures(bars)]
    return Verified(run.folder.absolute(), tuple(comparisons), tuple(faults), tuple(notes))


def _golden_faults(run: Run, float_model: Model, int8_model: Model) -> list[str]:
    path = run.folder / bundle.GOLDEN
    try:
        content = files.read_bytes(path, limit=MAX_GOLDEN_BYTES, what="golden outputs")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            images, wanted = arrays["images"], {key: arrays[key] for key in ("float32", "int8")}
        inputs = np.stack([float_model.encode(image) for image in images])
        found = {
            "float32": float_model.run(inputs)[PROBABILITIES],
            "int8": int8_model.run(images)[PROBABILITIES],
        }
        gaps = {key: float(np.abs(found[key].astype(float) - wanted[key]).max()) for key in found}
    except (ValueError, KeyError, OSError, UnusableInput) as error:
        raise ArtifactError(
            f"the golden outputs cannot be read: {error}", where=path, fix="train the run again"
        ) from error
    allowed = {"float32": GOLDEN_TOLERANCE, "int8": GOLDEN_CODES}
    return [
        f"the {key} file's golden outputs differ by {gap:.3g}, more than {allowed[key]:g}"
        for key, gap in gaps.items()
        if gap > allowed[key]
    ]


def _proven_photos(run: Run) -> tuple[list[Path], list[int] | None] | None:
    """The labelled photos that proved the run, where they are still there with the same content."""
    try:
        config = tomllib.loads(
            files.read_bytes(run.folder / "config.toml", limit=MAX_CONFIG_BYTES, what="a config").decode()
        )
        root = Path(files.unescaped(str(config["photos"])))
        rows = {row.name: row for row in open_dataset(root).rows}
    except (UnusableInput, ValueError, KeyError):
        return None
    photos, truth = [], []
    index = {label: number for number, label in enumerate(run.labels)}
    wanted = run.card.get("metrics", {}).get("split")
    for name, label, split, sha256 in _split_rows(run):
        row = rows.get(name)
        if split == wanted and label in index:
            if row is None or files.sha256_file(row.path) != sha256:
                return None
            photos.append(row.path)
            truth.append(index[label])
    return (photos, truth) if photos else None


def _split_rows(run: Run) -> list[tuple[str, str, str, str]]:
    text = files.read_bytes(run.folder / "split.csv", limit=2**30, what="a split").decode()
    reader = csv.DictReader(io.StringIO(text))
    return [
        (files.csv_text(row["path"]), files.csv_text(row["label"]), row["split"], row["sha256"])
        for row in reader
    ]


def _photos(data: Path, labels: Sequence[str] | None) -> tuple[list[Path], list[int] | None]:
    """Photos of `data`, with class indices where it is a data set of the model's classes."""
    try:
        dataset = open_dataset(data)
        index = {label: number for number, label in enumerate(labels or ())}
        if set(dataset.labels) <= set(index):
            return [row.path for row in dataset.rows], [index[row.label] for row in dataset.rows]
    except UnusableInput:
        pass
    return [path for path, _ in list_photos([data]).photos], None


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
