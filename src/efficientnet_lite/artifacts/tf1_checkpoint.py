"""A TF1 checkpoint as the reference saves it, with moving averages, read back bit for bit; needs no TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import ArtifactKind, Making, NewArtifact
from efficientnet_lite.errors import CheckpointError, EfficientNetLiteError, VerificationFailed
from efficientnet_lite.network.naming import SHADOW, tf1_variables
from efficientnet_lite.network.plan import VARIANTS, Plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof.parity import Parity
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import FolderKind, seal
from efficientnet_lite.tflite.label_files import label_files
from efficientnet_lite.version import __version__
from efficientnet_lite.weights.bundles import INDEX_SUFFIX, STATE_FILE
from efficientnet_lite.weights.read import Weights, read_checkpoint
from efficientnet_lite.weights.stored_tensors import MAX_CHECKPOINT_BYTES, some
from efficientnet_lite.weights.tf1_read import read_index, read_tensors, shard_name
from efficientnet_lite.weights.tf1_write import PREFIX, Variables, checkpoint_entries, write_checkpoint

FORMAT = "tf1-checkpoint"
CARD = "efficientnet-lite.json"  # makes a folder ours, and says what it is made of
MAX_CARD_BYTES = 64 * 2**10
ONE_SET = "the raw weights and the moving averages in it are the same: the source has one set of weights"
NO_STEP = "global_step is 0 and optimizer slots are left out: no training goes on from it"


def write(making: Making, place: Path) -> NewArtifact:
    """The folder; of a source of both raw weights and moving averages with both, else with one set as both."""
    origin, weights = making.origin, making.origin.weights
    raw, notes = _raw(weights)
    about = {"source": weights.source, "license": weights.license, "weights_sha256": weights.sha256}
    _write(
        place,
        origin.plan,
        checkpoint_entries(origin.plan, raw, averages=weights.parameters),
        _card(origin.plan, origin.contract, about),
        origin.labels,
        where=making.out,
        stage=making.stage,
    )
    exported = Exported(
        path=making.out.absolute(),
        format=FORMAT,
        precision="float32",
        outputs=(),
        parity=Parity(difference=0.0, cosine=1.0, snr_db=np.inf, agreement=None),  # equal, or not published
        notes=(*notes, NO_STEP),
    )
    return NewArtifact(exported, None)


def publish_checkpoint(
    out: Path,
    plan: Plan,
    entries: Variables,
    *,
    contract: Contract | None = None,
    labels: tuple[str, ...] | None = None,
    about: Mapping[str, str] | None = None,
    overwrite: bool = False,
    stage: ShowStage = silent,
) -> None:
    """Write `entries`, which `checkpoint_entries` made for `plan`, into the folder `out`, and prove it.

    For a training in progress, whose slots and step are among the entries. Beside the checkpoint lie
    the card and, where there are `labels`, labels.txt; readers of checkpoints leave both alone.

    Args:
        contract: what the network's input is; None: that of a photo of the plan's size.
        about: more for the card, such as source and license.

    Raises:
        UsageError: `out` exists and may not be replaced.
        VerificationFailed: what was written reads otherwise; nothing is published.
    """
    card = _card(plan, contract or Contract(plan.size), about or {})
    with folders.replacing(out, TF1_CHECKPOINT, overwrite=overwrite) as folder:
        _write(folder, plan, entries, card, labels, where=out, stage=stage)


def _card(plan: Plan, contract: Contract, about: Mapping[str, str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "schema": 1,
        "variant": plan.variant.name,
        "contract": contract.to_json(),
        "classes": plan.classes,
        **about,
        "package_version": __version__,
    }


def _write(
    folder: Path,
    plan: Plan,
    entries: Variables,
    card: Mapping[str, Any],
    labels: tuple[str, ...] | None,
    *,
    where: Path,
    stage: ShowStage,
) -> None:
    with stage("Writing the checkpoint") as on_progress:
        write_checkpoint(folder, entries)
        for name, text in (label_files(labels) if labels else {}).items():
            files.publish(folder / name, text)
        seal(folder, TF1_CHECKPOINT, card)
        on_progress(1, 1)
    with stage("Reading it back") as on_progress:
        _require_equal(folder, plan, entries, where)
        on_progress(1, 1)


def _raw(weights: Weights) -> tuple[Variables, tuple[str, ...]]:
    """The raw weights that belong to the averages, and what a person should know of them."""
    if isinstance(weights.raw, CheckpointError):
        return weights.parameters, (f"the raw weights in it are the moving averages: {weights.raw.what}",)
    raw = weights.parameters if weights.raw is None else weights.raw
    return raw, () if unequal(raw, weights.parameters) else (ONE_SET,)


def checkpoint_faults(folder: Path, weights: Path, name: str) -> list[str]:
    """What differs between the checkpoint in `folder`, called `name`, and the run's file `weights`.

    Raises CheckpointError where one of both cannot be read.
    """
    wanted = read_checkpoint(weights)
    faults = []
    for ema, what in ((True, "moving averages"), (False, "raw weights")):
        found = read_checkpoint(folder, ema=ema).parameters
        if differing := unequal(found, wanted.parameters):
            faults.append(f"the {what} of {name} differ from {weights.name}: {some(differing)}")
    return faults


def _check_card(folder: Path, card: Mapping[str, Any]) -> None:
    own = card["format"] == FORMAT and card["variant"] in VARIANTS and isinstance(card["contract"], dict)
    if not own or not files.is_file(folder / (PREFIX + INDEX_SUFFIX)):
        raise ValueError(f"its {CARD} is of no TF1 checkpoint")


def unequal(found: Variables, wanted: Variables) -> list[str]:
    """The names, sorted, that are not in both, or whose tensors differ in dtype, shape or a bit."""
    return sorted(
        name
        for name in found.keys() | wanted.keys()
        if name not in found or name not in wanted or _bits(found[name]) != _bits(wanted[name])
    )


def _bits(array: NDArray[Any]) -> tuple[Any, ...]:
    return array.dtype, array.shape, array.tobytes()


def _require_equal(folder: Path, plan: Plan, entries: Variables, where: Path) -> None:
    """Raise VerificationFailed unless all of `folder` reads as `entries`, as a model's weights and one by one."""
    variables = tf1_variables(plan)
    differing: set[str] = set()
    try:
        for ema, suffix in ((True, SHADOW), (False, "")):
            found = read_checkpoint(folder, variant=plan.variant, ema=ema).parameters
            wanted = {name: entries[variable + suffix] for name, variable in variables.items()}
            differing |= {variables[name] + suffix for name in unequal(found, wanted)}
        parts = [
            files.read_bytes(folder / name, limit=MAX_CHECKPOINT_BYTES, what="a part of a checkpoint")
            for name in (PREFIX + INDEX_SUFFIX, shard_name(PREFIX, 0, 1))
        ]
        tensors = read_tensors(read_index(parts[0], where=where), parts[1:], where=where)
        differing |= set(unequal({name: stored.load() for name, stored in tensors.items()}, entries))
    except EfficientNetLiteError as error:
        raise VerificationFailed(
            f"the written checkpoint cannot be read, so nothing is published: {error.what}",
            where=where,
            fix=error.fix,
        ) from error
    if differing:
        raise VerificationFailed(
            f"{len(differing)} tensors of the written checkpoint read otherwise, so nothing is published: "
            f"{some(sorted(differing))}",
            where=where,
            fix="report this: it is a fault of the package",
        )


# What an earlier version wrote, without a list of it.
UNLISTED = (STATE_FILE, PREFIX + INDEX_SUFFIX, shard_name(PREFIX, 0, 1), "labels.txt")
TF1_CHECKPOINT = FolderKind(
    "TF1 checkpoint", CARD, MAX_CARD_BYTES, _check_card, lambda folder, card: UNLISTED
)
KIND = ArtifactKind(
    FORMAT,
    write,
    None,
    folder=TF1_CHECKPOINT,
    golden=False,
    both_weights=True,
    in_a_run=lambda options: [FORMAT],
)
