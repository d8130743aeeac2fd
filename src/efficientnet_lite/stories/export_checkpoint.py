"""A TF1 checkpoint as the reference saves it, with moving averages, read back bit for bit before it gets its name."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.errors import CheckpointError, EfficientNetLiteError, VerificationFailed
from efficientnet_lite.network.naming import SHADOW, tf1_variables
from efficientnet_lite.network.plan import VARIANTS, Plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.progress import ShowStage, silent
from efficientnet_lite.proof.parity import Parity
from efficientnet_lite.storage import files, folders
from efficientnet_lite.storage.listing import FolderKind, no_marker, seal
from efficientnet_lite.storage.targets import Apart, check_folder, check_parent
from efficientnet_lite.stories.exported import Exported
from efficientnet_lite.stories.origin import Origin, open_origin
from efficientnet_lite.tflite.label_files import label_files
from efficientnet_lite.version import __version__
from efficientnet_lite.weights.published import sources_apart
from efficientnet_lite.weights.read import INDEX_SUFFIX, STATE_FILE, read_checkpoint
from efficientnet_lite.weights.stored_tensors import MAX_CHECKPOINT_BYTES, some
from efficientnet_lite.weights.tf1_read import read_index, read_tensors, shard_name
from efficientnet_lite.weights.tf1_write import PREFIX, checkpoint_entries, write_checkpoint

Tensors = Mapping[str, NDArray[Any]]

CARD = "efficientnet-lite.json"  # makes a folder ours, and says what it is made of
CARD_FORMAT = "tf1-checkpoint"
MAX_CARD_BYTES = 64 * 2**10
ONE_SET = "the raw weights and the moving averages in it are the same: the source has one set of weights"
NO_STEP = "global_step is 0 and optimizer slots are left out: no training goes on from it"


def export_checkpoint(
    source: str | Path,
    out: str | Path,
    *,
    model: str | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    overwrite: bool = False,
    stage: ShowStage = silent,
) -> Exported:
    """Write the weights of a run, a checkpoint or published weights as a TF1 checkpoint; needs no TensorFlow.

    Args:
        source: a run folder, a checkpoint, or a model such as "lite1"; see `origin.open_origin`.
        out: the folder to write.
        model, weights: see `origin.open_origin`.
        ema: of a checkpoint that has both, write raw weights and moving averages; else the raw ones as both.
        overwrite: replace an existing checkpoint of ours; another folder never.

    Raises:
        UsageError: the call cannot be carried out as it is.
        VerificationFailed: what was written reads otherwise; nothing is published.
    """
    out, apart = Path(out), sources_apart(source, weights)
    _check(out, overwrite, apart)
    origin = open_origin(source, model=model, weights=weights, ema=ema)
    raw, notes = _raw(origin, source, model, weights) if ema else (origin.parameters, (ONE_SET,))
    publish_checkpoint(
        out,
        origin.plan,
        checkpoint_entries(origin.plan, raw, averages=origin.parameters),
        contract=origin.contract,
        labels=origin.labels,
        about={"source": origin.source, "license": origin.license, "weights_sha256": origin.sha256},
        overwrite=overwrite,
        apart=apart,
        stage=stage,
    )
    return Exported(
        path=out.absolute(),
        format=CARD_FORMAT,
        precision="float32",
        outputs=(),
        bytes=files.folder_size(out),
        sha256=files.sha256_folder(out),
        parity=Parity(difference=0.0, cosine=1.0, snr_db=np.inf, agreement=None),  # equal, or not published
        notes=(*notes, NO_STEP),
    )


def publish_checkpoint(
    out: Path,
    plan: Plan,
    entries: Tensors,
    *,
    contract: Contract | None = None,
    labels: tuple[str, ...] | None = None,
    about: Mapping[str, str] | None = None,
    overwrite: bool = False,
    apart: Collection[Apart] = (),
    stage: ShowStage = silent,
) -> None:
    """Write `entries`, which `checkpoint_entries` made for `plan`, into the folder `out`, and prove it.

    For a training in progress, whose slots and step are among the entries. Beside the checkpoint lie
    the card and, where there are `labels`, labels.txt; readers of checkpoints leave both alone.

    Args:
        contract: what the network's input is; None: that of a photo of the plan's size.
        about: more for the card, such as source and license.
        apart: what `out` must not lie on or above.

    Raises:
        UsageError: `out` exists and may not be replaced.
        VerificationFailed: what was written reads otherwise; nothing is published.
    """
    card = {
        "format": CARD_FORMAT,
        "schema": 1,
        "variant": plan.variant.name,
        "contract": (contract or Contract(plan.size)).to_json(),
        "classes": plan.classes,
        **(about or {}),
        "package_version": __version__,
    }
    _check(out, overwrite, apart)
    with folders.replacing(out, TF1_CHECKPOINT, overwrite=overwrite, apart=apart) as folder:
        with stage("Writing the checkpoint") as on_progress:
            write_checkpoint(folder, entries)
            for name, text in (label_files(labels) if labels else {}).items():
                files.publish(folder / name, text)
            seal(folder, TF1_CHECKPOINT, card)
            on_progress(1, 1)
        with stage("Reading it back") as on_progress:
            _require_equal(folder, plan, entries, out)
            on_progress(1, 1)


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
    own = card["format"] == CARD_FORMAT and card["variant"] in VARIANTS and isinstance(card["contract"], dict)
    if not own or not files.is_file(folder / (PREFIX + INDEX_SUFFIX)):
        raise ValueError(f"its {CARD} is of no TF1 checkpoint")


def _layout(folder: Path, card: Mapping[str, Any] | None) -> list[str]:
    if card is None:
        raise no_marker(CARD)
    return [STATE_FILE, PREFIX + INDEX_SUFFIX, shard_name(PREFIX, 0, 1), "labels.txt"]


TF1_CHECKPOINT = FolderKind("TF1 checkpoint", CARD, MAX_CARD_BYTES, _check_card, _layout)


def unequal(found: Tensors, wanted: Tensors) -> list[str]:
    """The names, sorted, that are not in both, or whose tensors differ in dtype, shape or a bit."""
    return sorted(
        name
        for name in found.keys() | wanted.keys()
        if name not in found or name not in wanted or _bits(found[name]) != _bits(wanted[name])
    )


def _bits(array: NDArray[Any]) -> tuple[Any, ...]:
    return array.dtype, array.shape, array.tobytes()


def _raw(
    origin: Origin, source: str | Path, model: str | None, weights: str | Path
) -> tuple[Tensors, tuple[str, ...]]:
    """The raw weights that belong to the averages of `origin`, and what a person should know of them."""
    try:
        raw = open_origin(source, model=model, weights=weights, ema=False).parameters
    except CheckpointError as error:  # the averages alone are sound
        return origin.parameters, (f"the raw weights in it are the moving averages: {error.what}",)
    return raw, () if unequal(raw, origin.parameters) else (ONE_SET,)


def _require_equal(folder: Path, plan: Plan, entries: Tensors, where: Path) -> None:
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


def _check(out: Path, overwrite: bool, apart: Collection[Apart]) -> None:
    check_folder(out, TF1_CHECKPOINT, overwrite=overwrite, apart=apart)
    check_parent(out)
