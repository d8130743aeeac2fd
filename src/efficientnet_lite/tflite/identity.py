"""The metadata entry of our own: what a file of ours says of itself beyond what MediaPipe reads."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.photos.contract import Contract

OWN_ENTRY = "EFFICIENTNET_LITE"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file of ours says of itself, beyond what MediaPipe reads."""

    variant: str  # "lite1"
    contract: Contract
    precision: str  # "float32", "int8"
    outputs: tuple[str, ...]  # in the file's order
    classes: int | None  # None where the file ends at the features
    labels_sha256: str | None  # `labels.digest`
    weights_sha256: str
    package_version: str

    def to_bytes(self) -> bytes:
        """The content of `OWN_ENTRY`; equal values give equal bytes."""
        fields = {"schema": 1, **asdict(self), "contract": self.contract.to_json()}
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, entry: bytes, *, where: Path | str) -> Self:
        """Read what `to_bytes` wrote; raises ArtifactError that names the field."""
        try:
            fields = json_value(entry)
        except ValueError as error:
            raise ArtifactError(
                f"its entry {OWN_ENTRY} is no JSON", where=where, fix="export the model again"
            ) from error
        if not isinstance(fields, dict) or fields.get("schema") != 1:
            raise ArtifactError(
                f"its entry {OWN_ENTRY} has a form that this version does not know",
                where=where,
                fix="upgrade efficientnet-lite, or export the model again",
            )
        for name in ("variant", "precision", "weights_sha256", "package_version"):
            if not isinstance(fields.get(name), str):
                raise _refuse(name, where)
        outputs, classes, digest = (fields.get(name) for name in ("outputs", "classes", "labels_sha256"))
        if not isinstance(outputs, list) or not all(isinstance(name, str) for name in outputs):
            raise _refuse("outputs", where)
        if classes is not None and (type(classes) is not int or classes < 1):
            raise _refuse("classes", where)
        if digest is not None and not isinstance(digest, str):
            raise _refuse("labels_sha256", where)
        return cls(
            variant=fields["variant"],
            contract=Contract.from_json(fields.get("contract"), where=str(where)),
            precision=fields["precision"],
            outputs=tuple(outputs),
            classes=classes,
            labels_sha256=digest,
            weights_sha256=fields["weights_sha256"],
            package_version=fields["package_version"],
        )


def _refuse(field: str, where: Path | str) -> ArtifactError:
    return ArtifactError(
        f"its entry {OWN_ENTRY} has no usable {field!r}", where=where, fix="export the model again"
    )
