"""A finished file: the network, its metadata, and the labels behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from efficientnet_lite.labels import digest
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import Plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.tflite.float import write_float
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity, Int8Identity
from efficientnet_lite.tflite.int8 import IntegerNetwork, write_int8
from efficientnet_lite.tflite.label_files import label_files, pack_labels
from efficientnet_lite.tflite.metadata import TEXT_ENTRY, build_metadata
from efficientnet_lite.tflite.stored_weights import WeightForm
from efficientnet_lite.version import __version__
from efficientnet_lite.vocabulary import DenseScales, Io, Precision


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of itself besides its arrays."""

    contract: Contract
    weights_sha256: str
    license: str
    outputs: tuple[str, ...] = ("probabilities",)  # of `write.tensors_of`
    labels: tuple[str, ...] | None = None  # in the order of the outputs
    translations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # locale -> the same names
    quantization: Int8Identity | None = None  # of an int8 file


@dataclass(frozen=True, slots=True)
class Form:
    """The kind of file, apart from what it computes."""

    precision: Precision = "float32"
    io: Io = "float32"  # type of input and outputs; of "int8" alone another than float32
    any_batch: bool = False  # the caller may change the batch from 1
    dense: DenseScales = "per-tensor"  # scales of the dense layer's int8 kernel
    kept: tuple[str, ...] = ()  # of "int8": steps of the plan that stay in float32
    normalized_input: bool = False  # float: the input is (x - 127) / 128 in place of [0, 1]


FLOAT32: Final = Form()
INT8: Final = Form("int8", "uint8")


def float_artifact(plan: Plan, layers: Mapping[str, Layer], about: About, form: Form = FLOAT32) -> bytes:
    """A file of float arithmetic, complete: of `form.precision` float32, float16 or dynamic."""
    if form.precision == "int8":
        raise ValueError("int8 files are made of an integer network")
    model = write_float(
        plan,
        layers,
        outputs=about.outputs,
        weights=WeightForm(form.precision, form.dense),
        any_batch=form.any_batch,
        normalized_input=form.normalized_input,
        metadata=_entries(plan, about, form),
    )
    return _packed(model, about)


def int8_artifact(
    plan: Plan,
    network: IntegerNetwork,
    about: About,
    form: Form = INT8,
    prepared: Mapping[str, Layer] = MappingProxyType({}),
) -> bytes:
    """An int8 file, complete. What `form` keeps in float computes with the layers of `prepared`."""
    model = write_int8(
        plan,
        network,
        kept={name: prepared.get(name) for name in form.kept},
        outputs=about.outputs,
        io=form.io,
        any_batch=form.any_batch,
        metadata=_entries(plan, about, form),
    )
    return _packed(model, about)


def _entries(plan: Plan, about: About, form: Form) -> dict[str, bytes]:
    """Ours and MediaPipe's. Ours speaks of an input of [0, 1] or of codes, so it is left out of any other."""
    over_classes = {"probabilities", "logits"} & set(about.outputs)
    identity = Identity(
        variant=plan.variant.name,
        contract=about.contract,
        precision=form.precision,
        outputs=about.outputs,
        classes=plan.classes if over_classes else None,
        labels_sha256=digest(about.labels) if about.labels else None,
        weights_sha256=about.weights_sha256,
        package_version=__version__,
        quantization=about.quantization if form.precision == "int8" else None,
    )
    text = build_metadata(
        about.contract,
        name=f"EfficientNet-{plan.variant.name.capitalize()}",
        description=f"{form.precision} at {about.contract.size} pixels{_kept(form)}: {', '.join(about.outputs)}",
        version="1",
        outputs=about.outputs,
        input_range="codes" if form.io != "float32" else "normalized" if form.normalized_input else "unit",
        files=list(_files(about)),
        license=about.license,
    )
    return {TEXT_ENTRY: text} if form.normalized_input else {TEXT_ENTRY: text, OWN_ENTRY: identity.to_bytes()}


def _kept(form: Form) -> str:
    steps = "1 step" if len(form.kept) == 1 else f"{len(form.kept)} steps"
    return f", {steps} in float32" if form.kept else ""


def _files(about: About) -> dict[str, bytes]:
    return label_files(about.labels, about.translations) if about.labels else {}


def _packed(model: bytes, about: About) -> bytes:
    files = _files(about)
    return pack_labels(model, files) if files else model
