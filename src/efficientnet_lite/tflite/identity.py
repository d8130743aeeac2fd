"""The metadata entry of our own: what a file of ours says of itself beyond what MediaPipe reads."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import ArtifactError, printable
from efficientnet_lite.photos.contract import Contract

OWN_ENTRY = "EFFICIENTNET_LITE"


@dataclass(frozen=True, slots=True)
class Int8Identity:
    """How the integers of a file were made."""

    effort: str  # "standard", "best"
    method: str  # which version of ours
    photos: int  # that set the ranges
    calibration_sha256: str  # `quantize.calibration_photos.CalibrationSet.sha256`
    kept: tuple[str, ...] = ()  # steps that compute in float32

    @property
    def sentence(self) -> str:
        """As people read it, without a full stop."""
        photos = "1 photo" if self.photos == 1 else f"{self.photos:,} photos"
        digest = printable(self.calibration_sha256[:12])
        made = f"effort {printable(self.effort)}, method {printable(self.method)}"
        steps = "1 step" if len(self.kept) == 1 else f"{len(self.kept)} steps"
        kept = f"; {steps} in float32" if self.kept else ""
        return f"{made}; ranges set by {photos}, digest {digest}{kept}"


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
    quantization: Int8Identity | None = None  # of int8 files since method 2

    def to_bytes(self) -> bytes:
        """The content of `OWN_ENTRY`; equal values give equal bytes."""
        fields = {"schema": 1, **asdict(self), "contract": self.contract.to_json()}
        if self.quantization is None:
            del fields["quantization"]
        elif not self.quantization.kept:
            del fields["quantization"]["kept"]
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
        for name, usable in _USABLE.items():
            if not usable(fields.get(name)):
                raise ArtifactError(
                    f"its entry {OWN_ENTRY} has no usable {name!r}", where=where, fix="export the model again"
                )
        own = {name: fields.get(name) for name in _USABLE} | {"outputs": tuple(fields["outputs"])}
        if own["quantization"] is not None:
            said = own["quantization"]
            kept = {"kept": tuple(said.get("kept", ()))}
            own["quantization"] = Int8Identity(**{name: said[name] for name in _OF_INTEGERS} | kept)
        return cls(**own, contract=Contract.from_json(fields.get("contract"), where=str(where)))


def _text(value: object) -> bool:
    return isinstance(value, str)


_OF_INTEGERS: dict[str, Callable[[object], bool]] = {  # field of `Int8Identity` -> whether it may hold this
    "effort": _text,
    "method": _text,
    "photos": lambda value: type(value) is int and value >= 1,
    "calibration_sha256": _text,
}


def _quantization(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and all(usable(value.get(name)) for name, usable in _OF_INTEGERS.items())
        and _texts(value.get("kept", []))
    )


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


_USABLE: dict[str, Callable[[object], bool]] = {  # field -> whether it may hold this
    "variant": _text,
    "precision": _text,
    "weights_sha256": _text,
    "package_version": _text,
    "outputs": _texts,
    "classes": lambda value: value is None or (type(value) is int and value >= 1),
    "labels_sha256": lambda value: value is None or _text(value),
    "quantization": _quantization,
}
