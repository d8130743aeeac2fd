"""The card in a folder of ours, a TF1 checkpoint, a SavedModel or a Hub module: which network, how it takes photos,
what its classes are called. It is believed no further than the tensors and the labels beside it bear it out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite import labels as class_names
from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import ArtifactError, CheckpointError
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.plaintext import plain_text

CARDS = ("efficientnet-lite.json", "assets/efficientnet_lite.json")  # the latter of a Hub module
LABELS = ("labels.txt", "assets/labels.txt")
MAX_CARD_BYTES = 64 * 2**10
MAX_LABELS_BYTES = 8 * 2**20
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class OwnCard:
    """What the card says, and the labels beside it."""

    variant: str
    contract: Contract
    classes: int | None
    labels: tuple[str, ...] | None
    source: str
    license: str
    weights_sha256: str | None  # of what it was made from


def read_card(read: Callable[[str, int], bytes | None], where: Path | str) -> OwnCard | None:
    """The card of a folder; None where it has none.

    `read(name, limit)` gives a file of it, None where there is none. Raises CheckpointError where the card is damaged,
    of a later version, or the labels are no longer those that it was written with.
    """
    card = next((data for name in CARDS if (data := read(name, MAX_CARD_BYTES)) is not None), None)
    if card is None:
        return None
    try:
        fields = json_value(card)
    except ValueError as error:
        raise _unusable("is no JSON", where) from error
    if not isinstance(fields, dict):
        raise _unusable("is not ours", where)
    if fields.get("schema") != SCHEMA:
        raise CheckpointError(
            "its card has a form that this version does not know", where=where, fix="update efficientnet-lite"
        )
    try:
        contract = Contract.from_json(fields.get("contract"), where=str(where))
    except ArtifactError as error:
        raise CheckpointError(error.what, where=where, fix=error.fix) from error
    classes = fields.get("classes")
    if not (classes is None or (type(classes) is int and classes >= 1)):
        raise _unusable("has no usable 'classes'", where)
    return OwnCard(
        variant=_text(fields, "variant", where),
        contract=contract,
        classes=classes,
        labels=_labels(read, fields, where) if classes is not None else None,
        source=_text(fields, "source", where, ""),
        license=_text(fields, "license", where, "unknown"),
        weights_sha256=fields.get("weights_sha256"),
    )


def _labels(
    read: Callable[[str, int], bytes | None], fields: dict[str, Any], where: Path | str
) -> tuple[str, ...] | None:
    data = next((data for name in LABELS if (data := read(name, MAX_LABELS_BYTES)) is not None), None)
    written = fields.get("labels_sha256")
    if data is None and written is None:
        return None
    try:
        names = tuple(plain_text(data or b"").removesuffix("\n").split("\n"))
    except ValueError as error:
        raise _other_labels(f"no longer a list of names: {error}", where) from error
    if written is not None and class_names.digest(names) != written:
        raise _other_labels("missing" if data is None else "no longer what was written", where)
    return names


def _text(fields: dict[str, Any], name: str, where: Path | str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise _unusable(f"has no usable {name!r}", where)
    return value


def _other_labels(what: str, where: Path | str) -> CheckpointError:
    return CheckpointError(
        f"its labels.txt is {what}", where=where, fix="bring back the labels, or export the model again"
    )


def _unusable(what: str, where: Path | str) -> CheckpointError:
    return CheckpointError(f"its card {what}", where=where, fix="export the model again")
