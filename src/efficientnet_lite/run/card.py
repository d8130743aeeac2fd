"""What a run says of itself for programs, its card.json, and what it is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_lite.features.feature_store import FeatureStore
from efficientnet_lite.labels import digest
from efficientnet_lite.metrics import too_few_to_judge
from efficientnet_lite.photos.dataset import DatasetPlace
from efficientnet_lite.photos.doubtful import DoubtfulLabels
from efficientnet_lite.photos.labelled import LostPhoto
from efficientnet_lite.photos.partition import Partition
from efficientnet_lite.proof.evaluate import Evaluation
from efficientnet_lite.proof.gate import verdict
from efficientnet_lite.proof.replay import Proof
from efficientnet_lite.quantize.int8_record import Int8Record
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.simulated import AsSimulated
from efficientnet_lite.runtimes.litert import runtime_version
from efficientnet_lite.storage import files
from efficientnet_lite.training.code_tuning import TunedIntegers
from efficientnet_lite.training.learned import Learned
from efficientnet_lite.training.settings import Settings
from efficientnet_lite.version import __version__
from efficientnet_lite.vocabulary import Precision

MOST_IN_MATRIX = (
    256  # classes; of more a confusion matrix is mostly zeros, and too large a card does not open
)
MOST_DOUBTFUL = 12  # labels that are named
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")


@dataclass(frozen=True, slots=True)
class NewRun:
    """A network that has learned, and the photos that it is proven on: what becomes a run."""

    out: Path
    source: DatasetPlace  # of the photos, as it was given
    settings: Settings
    photos: Partition
    features: FeatureStore  # of `photos`, by the backbone that has learned
    learned: Learned
    doubtful: DoubtfulLabels | None  # labels to look at; None where they were not looked for
    translations: Mapping[str, tuple[str, ...]]  # locale -> class names

    @property
    def name(self) -> str:
        return self.out.absolute().name


@dataclass(frozen=True, slots=True)
class ProvenFiles:
    """The model files of a run, and their proof."""

    files: Mapping[Precision, bytes]  # precision -> .tflite
    proof: Proof
    int8: Int8Record  # how the int8 file was made
    lost: Sequence[LostPhoto]  # while the run was made, of all splits
    tuned: TunedIntegers | None = None  # how the integers learned, where they did
    simulated: AsSimulated | None = None  # how near their file is to the simulation that they learned in


def card_of(folder: Path, run: NewRun, proven: ProvenFiles) -> dict[str, Any]:
    """What card.json says of the run that is being made in `folder`, but for the list of its files."""
    settings, photos, learned, proof = run.settings, run.photos, run.learned, proven.proof
    weights, head = learned.weights, learned.head
    labels = photos.dataset.labels
    evaluations = {"float32": proof.float32, "int8": proof.int8}
    agreements = {
        "float32": proof.float_agreement,
        "int8": {each.view: each.agreement for each in proof.comparisons},
    }
    return {
        "schema": run_folder.SCHEMA,
        "package": {"efficientnet-lite": __version__, "ai-edge-litert": runtime_version()},
        "variant": settings.model.variant.name,
        "size": settings.model.size,
        "contract": settings.contract.to_json(),
        "labels": list(labels),
        "labels_sha256": digest(labels),
        "weights": {
            "source": weights.source,
            "sha256": weights.sha256,
            "license": weights.license,
            "notice": weights.notice,
        },
        "data": {
            "kind": photos.dataset.kind,
            "split_given": photos.assignment.given,
            "split_sha256": files.sha256_file(folder / "split.csv"),
            "photos": {split: len(photos.positions(split)) for split in ("train", "validation", "test")},
            **photos.accounting.to_json(),
            "exact_duplicates": len(photos.assignment.exact),
            "near_duplicates": len(photos.assignment.near),
            "leaks": len(photos.assignment.leaks),
            "two_labels": sum(map(len, photos.assignment.two_labels)),
            "doubtful_labels": _doubtful(run.doubtful),
            "lost": [{"path": each.name, "split": each.split, "reason": each.reason} for each in proven.lost],
            "notes": list(photos.dataset.notes + photos.assignment.notes),
        },
        "head": {
            "views": list(settings.views),
            "class_weights": settings.class_weights,
            "strength": head.chosen.strength if head else 0.0,
            "path": [asdict(attempt) for attempt in head.attempts] if head else [],
        },
        "int8": {**proven.int8.to_json(), "quantization_aware": _tuned(proven)},
        "fine_tuning": learned.fine_tuning,
        "training": learned.training,
        "metrics": {
            "split": photos.proof_split,
            "chosen_on_the_same_photos": photos.proof_split == "validation",
            "photos": len(photos.positions(photos.proof_split)),
            "judged": proof.comparisons[0].count,
            "too_few_to_judge": bool(too_few_to_judge(proof.comparisons[0].count)),
            "network_top1": proof.network_top1,
            **{
                precision: [measured(each, labels) for each in evaluations[precision]]
                for precision in PRECISIONS
            },
        },
        "verification": {
            "max_drop": float(settings.bars.max_drop),
            "min_agreement": float(settings.bars.min_agreement),
            "float_difference": proof.float_difference,
            "comparisons": [each.to_json() for each in proof.comparisons],
            "enough_photos": all(each.decided(settings.bars) for each in proof.comparisons),
            "verdict": verdict(proof.comparisons, settings.bars, whole=not proof.lost),
        },
        "exports": [
            {
                "path": run_folder.export_name(run.name, [precision], ".tflite"),
                "precision": precision,
                "bytes": len(proven.files[precision]),
                "sha256": files.sha256_bytes(proven.files[precision]),
                "top1": next(
                    each.top1 for each in evaluations[precision] if each.view == settings.contract.view
                ),
                "agreement": min(agreements[precision].values()),  # of float32 with what it is made of
                "as": {
                    each.view: {"top1": each.top1, "agreement": agreements[precision].get(each.view)}
                    for each in evaluations[precision]
                },
                "latency_ms": proof.latency[precision].median_ms,
                "latency_p90_ms": proof.latency[precision].p90_ms,
                "kernels": proof.kernels.to_json() if precision == "int8" and proof.kernels else None,
            }
            for precision in PRECISIONS
        ],
        "golden": run_folder.GOLDEN,
    }


def measured(found: Evaluation, labels: Sequence[str]) -> dict[str, Any]:
    """What the card says of a file in one view.

    Of many classes it has `confused` in place of `confusion`: [true class, named class, photos], without zeros.
    """
    document = found.to_json(labels)
    if len(labels) > MOST_IN_MATRIX:
        del document["confusion"]
        true, named = found.confusion.nonzero()
        document["confused"] = np.stack([true, named, found.confusion[true, named]], axis=1).tolist()
    return document


def _tuned(proven: ProvenFiles) -> dict[str, Any] | None:
    if proven.tuned is None:
        return None
    simulated = None if proven.simulated is None else proven.simulated.to_json()
    return {**proven.tuned.to_json(), "simulated": simulated}


def _doubtful(found: DoubtfulLabels | None) -> dict[str, Any] | None:
    if found is None or not found.judged:
        return None
    named = [row.to_json() for row in found.rows[:MOST_DOUBTFUL]]
    return {"judged": found.judged, "found": len(found.rows), "first": named}
