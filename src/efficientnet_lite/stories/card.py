"""Everything that a run folder says of itself: card.json, the model card, config, labels, split, weights."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.labels import digest
from efficientnet_lite.metrics import too_few_to_judge
from efficientnet_lite.photos.accounting import COLUMNS
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.labelled import LostPhoto
from efficientnet_lite.photos.partition import publish_split
from efficientnet_lite.proof.gate import verdict
from efficientnet_lite.proof.replay import Proof
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.run.report.page import class_counts, first_page, is_installed
from efficientnet_lite.runtimes.litert import runtime_version
from efficientnet_lite.storage import files, tables
from efficientnet_lite.stories.log import publish_log
from efficientnet_lite.stories.material import Material, Settings
from efficientnet_lite.stories.model_card import model_card
from efficientnet_lite.tflite.artifact import Precision
from efficientnet_lite.training.learned import Learned
from efficientnet_lite.version import __version__
from efficientnet_lite.weights.published import NAMES
from efficientnet_lite.weights.safetensors import write_safetensors

PRECISIONS: tuple[Precision, ...] = ("float32", "int8")


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a run folder."""

    name: str
    settings: Settings
    learned: Learned
    contract: Contract
    material: Material
    files: Mapping[Precision, bytes]  # precision -> .tflite
    proof: Proof
    lost: Sequence[LostPhoto]  # while the run was made, of all splits
    photos: Path


def publish(folder: Path, run: Contents) -> dict[str, Any]:
    """Write every file of the run into `folder`, the card last; gives the card.

    Raises OutputFailed where the disk is full or cannot be written to.
    """
    labels, material, learned = run.material.dataset.labels, run.material, run.learned
    for precision, data in run.files.items():
        files.publish(folder / _export_name(run.name, precision), data)
    files.publish(folder / run_folder.GOLDEN, run.proof.golden)
    files.publish(folder / run_folder.LABELS, ("\n".join(labels) + "\n").encode())
    publish_split(folder / "split.csv", material.dataset, material.store.looks, material.assignment)
    tables.publish_csv(folder / "skipped.csv", COLUMNS, material.accounting.rows())
    write_safetensors(
        folder / run_folder.WEIGHTS,
        learned.weights.parameters,
        {
            "format": "efficientnet-lite",
            "schema": "1",
            "variant": run.settings.model.variant.name,
            "size": str(run.settings.model.size),
            "labels": json.dumps(list(labels), ensure_ascii=False),
            "license": learned.weights.license,
            "source": learned.origin,
        },
    )
    if learned.log:
        publish_log(folder, learned.log, learned.best_epoch)
    files.publish(folder / "config.toml", _config(run).encode())
    card = _card(folder, run)
    if is_installed():
        files.publish(folder / run_folder.REPORT, _page(folder, run, card))
    files.publish(folder / "README.md", model_card(run.name, card).encode())
    return run_folder.seal(folder, card)


def _export_name(name: str, precision: str) -> str:
    return f"exports/{''.join(c if c.isalnum() or c in '-_.' else '_' for c in name)}_{precision}.tflite"


def _card(folder: Path, run: Contents) -> dict[str, Any]:
    settings, proof, material, learned = run.settings, run.proof, run.material, run.learned
    weights, head = learned.weights, learned.head
    labels = material.dataset.labels
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
        "contract": run.contract.to_json(),
        "labels": list(labels),
        "labels_sha256": digest(labels),
        "weights": {
            "source": weights.source,
            "sha256": weights.sha256,
            "license": weights.license,
            "notice": weights.notice,
        },
        "data": {
            "kind": material.dataset.kind,
            "split_given": material.assignment.given,
            "split_sha256": files.sha256_file(folder / "split.csv"),
            "photos": {split: len(material.positions(split)) for split in ("train", "validation", "test")},
            **material.accounting.to_json(),
            "exact_duplicates": len(material.assignment.exact),
            "near_duplicates": len(material.assignment.near),
            "leaks": len(material.assignment.leaks),
            "two_labels": sum(map(len, material.assignment.two_labels)),
            "lost": [{"path": each.name, "split": each.split, "reason": each.reason} for each in run.lost],
            "notes": list(material.dataset.notes + material.assignment.notes),
        },
        "head": {
            "views": list(settings.views),
            "class_weights": settings.class_weights,
            "strength": head.chosen.strength if head else 0.0,
            "path": [asdict(attempt) for attempt in head.attempts] if head else [],
        },
        "fine_tuning": learned.fine_tuning,
        "training": learned.training,
        "metrics": {
            "split": material.proof_split,
            "chosen_on_the_same_photos": material.proof_split == "validation",
            "photos": len(material.positions(material.proof_split)),
            "judged": proof.comparisons[0].count,
            "too_few_to_judge": bool(too_few_to_judge(proof.comparisons[0].count)),
            "network_top1": proof.network_top1,
            **{
                precision: [each.to_json(labels) for each in evaluations[precision]]
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
                "path": _export_name(run.name, precision),
                "precision": precision,
                "bytes": len(run.files[precision]),
                "sha256": files.sha256_bytes(run.files[precision]),
                "top1": next(each.top1 for each in evaluations[precision] if each.view == run.contract.view),
                "agreement": min(agreements[precision].values()),  # of float32 with what it is made of
                "as": {
                    each.view: {"top1": each.top1, "agreement": agreements[precision][each.view]}
                    for each in evaluations[precision]
                },
                "latency_ms": proof.latency[precision].median_ms,
                "latency_p90_ms": proof.latency[precision].p90_ms,
            }
            for precision in PRECISIONS
        ],
        "golden": run_folder.GOLDEN,
    }


def _page(folder: Path, run: Contents, card: Mapping[str, Any]) -> bytes:
    """The run's report.html."""
    material = run.material
    rows, splits = material.dataset.rows, material.assignment.splits
    return first_page(
        card,
        folder=folder,
        name=run.name,
        counts=class_counts(
            material.dataset.labels, ((row.label, split) for row, split in zip(rows, splits, strict=True))
        ),
        mistakes=run.proof.mistakes,
        shown=material.surveyed(material.positions(material.proof_split)),
    )


def _named(weights: str) -> str:
    """`weights` as it means the same from everywhere: a name as it is, a checkpoint by its whole path."""
    return weights if weights in (*NAMES, "none") else tables.escaped(str(Path(weights).absolute()))


def _config(run: Contents) -> str:
    """What reproduces the run, as TOML. JSON's strings, numbers and lists of strings are TOML's too."""
    settings = run.settings
    values: dict[str, object] = {
        "photos": tables.escaped(str(run.photos.absolute())),
        "model": str(settings.model),
        "weights": _named(settings.weights),
        **({"weights_sha256": run.learned.weights.sha256} if run.learned.training is None else {}),
        "no_ema": not settings.ema,
        "val": float(settings.fraction),
        "seed": settings.seed,
        "views": list(settings.views),
        "class_weights": settings.class_weights,
        "calibration": settings.calibration,
        "max_drop": float(settings.bars.max_drop),
        "min_agreement": float(settings.bars.min_agreement),
        "on_bad": settings.on_bad,
        "no_links": not settings.links,
        **({"class_folders": settings.class_folders} if settings.class_folders else {}),
        "labels_locale": [tables.escaped(each) for each in settings.labels_locale],
        "efficientnet_lite": __version__,
    }
    values |= run.learned.config or {}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "# efficientnet-lite train --config makes this run again\n" + "\n".join(lines) + "\n"
