"""A finished file: the network, its metadata, and the labels behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from efficientnet_lite import __version__
from efficientnet_lite.contract import Contract
from efficientnet_lite.forward import Layer
from efficientnet_lite.labels import digest
from efficientnet_lite.spec import Plan
from efficientnet_lite.tflite.attached import label_files, pack_labels
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity
from efficientnet_lite.tflite.metadata import TEXT_ENTRY, build_metadata
from efficientnet_lite.tflite.quantized import IntegerNetwork, write_int8
from efficientnet_lite.tflite.write import Output, write_float


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of itself besides its arrays."""

    contract: Contract
    weights_sha256: str
    license: str
    outputs: tuple[Output, ...] = ("probabilities",)
    labels: tuple[str, ...] | None = None  # in the order of the outputs
    translations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # locale -> the same names


def float_artifact(plan: Plan, layers: Mapping[str, Layer], about: About) -> bytes:
    """The float32 file, complete."""
    entries = _entries(plan, about, "float32")
    return _packed(write_float(plan, layers, outputs=about.outputs, metadata=entries), about)


def int8_artifact(plan: Plan, network: IntegerNetwork, about: About) -> bytes:
    """The full-int8 file with uint8 input and output, complete."""
    entries = _entries(plan, about, "int8")
    return _packed(write_int8(plan, network, outputs=about.outputs, metadata=entries), about)


def _entries(plan: Plan, about: About, precision: str) -> dict[str, bytes]:
    identity = Identity(
        variant=plan.variant.name,
        contract=about.contract,
        precision=precision,
        outputs=about.outputs,
        classes=plan.classes if about.outputs != ("features",) else None,
        labels_sha256=digest(about.labels) if about.labels else None,
        weights_sha256=about.weights_sha256,
        package_version=__version__,
    )
    text = build_metadata(
        about.contract,
        name=f"EfficientNet-{plan.variant.name.capitalize()}",
        description=f"{precision} at {about.contract.size} pixels: {', '.join(about.outputs)}",
        version="1",
        outputs=about.outputs,
        quantized=precision == "int8",
        files=list(_files(about)),
        license=about.license,
    )
    return {TEXT_ENTRY: text, OWN_ENTRY: identity.to_bytes()}


def _files(about: About) -> dict[str, bytes]:
    return label_files(about.labels, about.translations) if about.labels else {}


def _packed(model: bytes, about: About) -> bytes:
    files = _files(about)
    return pack_labels(model, files) if files else model
