"""A run's own int8 file made anew from its weights: no training, but the whole proof, and all that the run says of it.

The photos that proved the run prove the new file, and none of them calibrates it. It takes the place of the old one
only where it is no farther from float32 on them, in one step: card, golden outputs, model card and page speak of the
file that lies there, or everything stays as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import Making
from efficientnet_lite.artifacts.sample import Sample, sample_of
from efficientnet_lite.artifacts.tflite import about_of, outputs_of
from efficientnet_lite.errors import ArtifactError, UnusableInput, UsageError, VerificationFailed
from efficientnet_lite.network.plan import PROBABILITIES
from efficientnet_lite.notices import LOG
from efficientnet_lite.photos.labelled import Surveyed
from efficientnet_lite.proof.evaluate import Scored, evaluation
from efficientnet_lite.proof.gate import (
    Bars,
    Comparison,
    compare,
    doubts,
    require,
    score_together,
    verdict,
    writable,
)
from efficientnet_lite.proof.kernel_spread import KernelSpread
from efficientnet_lite.proof.parity import parity
from efficientnet_lite.proof.replay import golden, golden_spread
from efficientnet_lite.quantize.int8_record import Int8Record, recorded
from efficientnet_lite.quantize.method import Method
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.arrivals import building
from efficientnet_lite.run.card import measured
from efficientnet_lite.run.folder import Run
from efficientnet_lite.run.intact import bars_of, changed_exports, views_of
from efficientnet_lite.run.model_card import model_card
from efficientnet_lite.run.proven import own, proven_photos
from efficientnet_lite.run.report.replayed import replayed_page
from efficientnet_lite.runtimes.engine import chosen_workers
from efficientnet_lite.runtimes.latency import Latency, latency
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.runtimes.model_files import model_from_bytes, open_model
from efficientnet_lite.sequences import Made
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.listing import listing, own_files
from efficientnet_lite.tflite.artifact import int8_artifact
from efficientnet_lite.tflite.label_files import read_labels
from efficientnet_lite.vocabulary import CALIBRATION_PHOTOS

MAX_OWN_BYTES = 2**31  # of one file of a run that is copied


@dataclass(frozen=True, slots=True)
class _Proven:
    """The new file, and what the photos that proved the run say of it."""

    data: bytes
    record: Int8Record
    scored: Scored
    comparisons: Sequence[Comparison]
    latency: Latency
    golden: bytes
    kernels: KernelSpread | None  # on the golden inputs
    whole: bool  # none of those photos was lost meanwhile


def requantize(folder: Path, making: Making) -> Exported:
    """Put an int8 file of the same weights, made by the options of `making`, in the place of the run's own.

    Raises:
        UnusableInput: the photos that proved the run are not there, or those of `data` cannot be used.
        ArtifactError: the run is damaged.
        VerificationFailed: the new file misses the bars, or is farther from float32 than the one that is there.
        UsageError: the run was changed meanwhile.
    """
    run, options, stage = run_folder.open_run(folder), making.options, making.stage
    bars = bars_of(run, options.max_drop, options.min_agreement)
    photos = _proof_photos(run)
    workers = chosen_workers(options.workers)
    parent = _parent(run, workers)
    nearness = parity(outputs_of(parent, making.images), making.wanted)
    nearness.require(what="the run's float32 file", where=parent.where)
    count = CALIBRATION_PHOTOS if options.calibration is None else options.calibration
    with stage("Looking at the photos") as on_progress:
        assert options.data is not None  # demanded by `artifacts.tflite.check_options`
        seed = options.calibration_seed or 0
        sample = sample_of(
            Path(options.data),
            making.origin,
            count,
            workers,
            on_progress,
            seed=seed,
            without=set(photos.contents),
        )
    fit = sample.part(range(min(count, len(sample.images))))
    data, record = _quantized(making, parent, fit, workers)
    child = model_from_bytes(data, where="the int8 file", workers=workers)
    old = _old(run, workers)
    with stage("Testing the new file") as on_progress:
        models = [parent, child, *([old] if old else [])]
        scored = score_together(
            models,
            photos.paths,
            photos.truth,
            views_of(run),
            contents=photos.contents,
            on_progress=on_progress,
        )
    comparisons = _compared(scored[0], scored[1])
    before = _compared(scored[0], scored[2]) if old else None
    require(comparisons, bars, where=folder)
    _require_no_worse(comparisons, before, folder)
    kept = scored[0].kept
    shown = Made(len(kept), lambda at: (photos.paths[kept[at]], photos.contents[kept[at]]))
    whole = len(kept) == len(photos.paths)
    outputs = golden(parent, child, shown)
    spread = golden_spread(child, outputs)
    proven = _Proven(data, record, scored[1], comparisons, latency(child), outputs, spread, whole)
    with stage("Writing the run"):
        path = _publish(run, proven, bars, making)
    worst = min(comparisons, key=lambda each: each.agreement)
    said = verdict(comparisons, bars, whole=proven.whole)
    return Exported(
        path=path.absolute(),
        format="tflite",
        precision="int8",
        outputs=(PROBABILITIES,),
        parity=nearness,
        bytes=len(data),
        sha256=files.sha256_bytes(data),
        comparison=worst,
        notes=(*_notes(comparisons, before), *sample.all_notes()),
        verdict=said,
        doubts=tuple(doubts(comparisons, bars, whole=proven.whole)) if said == "not refuted" else (),
        skipped=sample.refused,
        int8=record,
    )


def _proof_photos(run: Run) -> Surveyed:
    try:
        return proven_photos(run)
    except UnusableInput as error:
        raise UnusableInput(
            f"{error.what}, so nothing would prove a new int8 file as the run was proven",
            where=error.where,
            fix="put them back, or give `out=` for a file beside the run",
        ) from error


def _parent(run: Run, workers: int) -> Model:
    """The run's float32 file; raises ArtifactError where that is not what the card names."""
    path = own(run, run.export("float32"))
    if faults := [fault for fault in changed_exports(run) if fault.startswith(path.name)]:
        raise ArtifactError(faults[0], where=path, fix="train the run again")
    return open_model(path, workers=workers)


def _old(run: Run, workers: int) -> Model | None:
    """The int8 file that is there; None where it is not, or is no longer the run's."""
    for export in run.exports:
        if export.precision == "int8" and not any(
            fault.startswith(export.path.name) for fault in changed_exports(run)
        ):
            return open_model(export.path, workers=workers)
    return None


def _quantized(making: Making, parent: Model, fit: Sample, workers: int) -> tuple[bytes, Int8Record]:
    """The file whose ranges these photos set, with the labels of the float32 file, and how it was made."""
    origin, out = making.origin, making.out
    names = dict(read_labels(parent.data, where=parent.where) or {})
    names.pop("", None)
    about = about_of(origin, (PROBABILITIES,), names)
    assert fit.photos is not None  # of `sample_of`
    with Cache() as cache, making.stage("Quantizing to int8") as on_progress, writable("int8", out):
        made, record = recorded(
            origin.plan,
            making.layers,
            fit.images,
            fit.photos,
            cache,
            method=Method(effort=making.options.effort or "standard"),
            workers=workers,
            on_progress=on_progress,
            warn=LOG.warning,
        )
        cache.prune()
    return int8_artifact(origin.plan, made.network, replace(about, quantization=record.identity)), record


def _compared(parent: Scored, child: Scored) -> list[Comparison]:
    return [compare(parent.scores[view], child.scores[view], parent.truth, view) for view in parent.scores]


def _agreement(comparisons: Sequence[Comparison]) -> float:
    return float(np.mean([each.agreement for each in comparisons]))


def _require_no_worse(new: Sequence[Comparison], old: Sequence[Comparison] | None, where: Path) -> None:
    """Raises VerificationFailed where the file that is there agrees with float32 on more photos."""
    if old is not None and _agreement(new) < _agreement(old):
        raise VerificationFailed(
            f"the new int8 file names the same class as float32 for {100 * _agreement(new):.2f} % of the photos that "
            f"proved the run, the one that it has for {100 * _agreement(old):.2f} %, so nothing is replaced",
            where=where,
            fix="give more photos (`calibration=`, `data=`), or `out=` for a file beside the run",
        )


def _notes(new: Sequence[Comparison], old: Sequence[Comparison] | None) -> tuple[str, ...]:
    if old is None:
        return ("the run had no int8 file that was its own any more",)
    return (
        f"over all views it names the same class as float32 for {100 * _agreement(new):.2f} % of the photos that "
        f"proved the run, the file that it replaces for {100 * _agreement(old):.2f} %",
    )


def _publish(run: Run, proven: _Proven, bars: Bars, making: Making) -> Path:
    """The run with its new file, in the place of the old one; gives the file's path."""
    folder = run.folder
    with building(folder, overwrite=True) as place:
        now = run_folder.open_run(folder)
        if [export.sha256 for export in now.exports] != [export.sha256 for export in run.exports]:
            raise UsageError("the run has been changed meanwhile", where=folder, fix="run it again")
        for name in sorted(own_files(folder, listing(folder, run_folder.RUN))):
            copy = place / name
            folders.make(copy.parent)
            files.publish(
                copy, files.read_bytes(own(run, folder / name), limit=MAX_OWN_BYTES, what="a file of a run")
            )
        path = next(each.path for each in now.exports if each.precision == "int8")
        name = path.relative_to(folder).as_posix()
        files.publish(place / name, proven.data)
        files.publish(place / run_folder.GOLDEN, proven.golden)
        card = _card(now, name, proven, bars)
        try:
            files.publish(place / "README.md", model_card(folder.absolute().name, card).encode())
        except (KeyError, TypeError) as error:
            raise ArtifactError(
                f"the card is of an earlier version, and has no {error}",
                where=folder / run_folder.CARD,
                fix="give `out=` for a file beside the run",
            ) from error
        run_folder.seal(place, card)
        page = replayed_page(run_folder.open_run(place), None, making.stage)
        files.publish(place / run_folder.REPORT, page.content)
        run_folder.seal(place, card)
    return folder / name


def _card(run: Run, name: str, proven: _Proven, bars: Bars) -> dict[str, Any]:
    """The run's card, which speaks of the new file."""
    card = dict(run.card)
    evaluations = [
        evaluation(proven.scored.scores[view], proven.scored.truth, view) for view in proven.scored.scores
    ]
    agreements = {each.view: each.agreement for each in proven.comparisons}
    view = card["contract"]["view"]
    card["int8"] = proven.record.to_json()
    card["metrics"] = card["metrics"] | {"int8": [measured(each, run.labels) for each in evaluations]}
    card["verification"] = card["verification"] | {
        "max_drop": float(bars.max_drop),
        "min_agreement": float(bars.min_agreement),
        "comparisons": [each.to_json() for each in proven.comparisons],
        "enough_photos": all(each.decided(bars) for each in proven.comparisons),
        "verdict": verdict(proven.comparisons, bars, whole=proven.whole),
    }
    entry = {
        "path": name,
        "precision": "int8",
        "bytes": len(proven.data),
        "sha256": files.sha256_bytes(proven.data),
        "top1": next((each.top1 for each in evaluations if each.view == view), evaluations[0].top1),
        "agreement": min(agreements.values()),
        "as": {each.view: {"top1": each.top1, "agreement": agreements[each.view]} for each in evaluations},
        "latency_ms": proven.latency.median_ms,
        "latency_p90_ms": proven.latency.p90_ms,
        "kernels": proven.kernels.to_json() if proven.kernels else None,
    }
    card["exports"] = [entry if each.get("path") == name else each for each in card["exports"]]
    return card
