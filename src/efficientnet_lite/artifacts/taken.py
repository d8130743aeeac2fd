"""A float `.tflite` of anyone's as an origin: its network read from it, and proven to answer as the file does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from efficientnet_lite.artifacts.origin import Origin
from efficientnet_lite.errors import ArtifactError, CheckpointError, VerificationFailed, printable
from efficientnet_lite.labels import digest, fault
from efficientnet_lite.network.fold import unfold
from efficientnet_lite.network.plan import (
    DENSE,
    PROBABILITIES,
    ModelName,
    Plan,
    make_plan,
    model_name,
)
from efficientnet_lite.notices import LOG
from efficientnet_lite.photos.contract import MEAN, Contract
from efficientnet_lite.proof.parity import FLOAT_TOLERANCE, Parity, fixed_inputs, parity
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.model_files import MAX_MODEL_BYTES
from efficientnet_lite.storage import files
from efficientnet_lite.strangers.recognized import Feeding, Recognized, recognize
from efficientnet_lite.strangers.structure import check_model
from efficientnet_lite.tflite.float import TENSORS, write_float
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity
from efficientnet_lite.tflite.label_files import label_files, read_labels
from efficientnet_lite.tflite.metadata import read_entries, read_normalization, read_text
from efficientnet_lite.weights import imagenet
from efficientnet_lite.weights.read import Weights

OURS, STRANGERS = "a float .tflite of ours", "a float .tflite"
LONGEST_LICENSE = 500  # characters
SMALLEST = 1e-30  # of a probability, below which its logarithm says nothing in float32
NO_STATISTICS = "batch norm is folded into its weights: no training can go on from its statistics"


@dataclass(frozen=True, slots=True)
class Taken:
    """The network of a file, and how far its answers are from the file's own."""

    origin: Origin
    feeding: Feeding
    half: bool  # its weights are float16 in the file
    own: bool  # a file of ours
    nearness: Parity  # over the fixed inputs; of probabilities their logarithms count too

    @property
    def summary(self) -> str:
        """One line: variant, size, classes, and what the file is fed."""
        plan = self.origin.plan
        classes = (
            "no classes, it ends at the features" if plan.classes is None else f"{plan.classes:,} classes"
        )
        fed = f"input {self.feeding.words}" + ("" if self.feeding.said else ", as is assumed")
        half = ", weights of float16" if self.half else ""
        return f"EfficientNet-{plan.variant.name.capitalize()}, {plan.size} pixels, {classes}, {fed}{half}"


def origin_of_tflite(path: Path, model: str | None = None) -> Origin:
    """The weights of a float .tflite; `model`, where given, is the variant that they must be, and the input size.

    Raises:
        UnusableInput: there is no such file.
        ArtifactError: it is damaged, none of this family, or its weights are codes; CheckpointError where it is of
            another variant than `model`.
        VerificationFailed: the network read from it does not answer as the file itself.
    """
    taken = take(files.read_bytes(path, limit=MAX_MODEL_BYTES, what="a .tflite file"), where=path)
    for note in _warnings(taken):
        LOG.warning("%s: %s", path, note)
    for note in taken.origin.weights.notes:
        LOG.info("%s: %s", path, note)
    LOG.info("%s: %s, within %.1g of the file's own answers", path, taken.summary, taken.nearness.difference)
    if model is None:
        return taken.origin
    asked, found = model_name(model), taken.origin
    if asked.variant is not found.plan.variant:
        raise CheckpointError(
            f"the file is of {found.plan.variant.name}, expected {asked.variant.name}",
            where=path,
            fix=f"use the model {found.plan.variant.name}, or a file of {asked.variant.name}",
        )
    plan = make_plan(asked.variant, size=asked.size, classes=found.plan.classes)
    contract = (
        found.contract if asked.size == found.contract.size else Contract(asked.size, found.contract.view)
    )
    return Origin(str(asked), plan, contract, found.labels, found.weights, found.translations)


def _warnings(taken: Taken) -> list[str]:
    """What was assumed, and what the file has lost already."""
    notes = []
    if not taken.feeding.said:
        notes.append(
            f"nothing in it says which input it wants: {taken.feeding.words} is assumed, as of the reference"
        )
    if taken.half:
        notes.append("its weights are float16, so what is made of it has their rounding")
    return notes


def take(data: bytes, *, where: Path | str) -> Taken:
    """The network in `data`, checked as a stranger's, recognized, and proven against the file itself in LiteRT.

    Raises as `origin_of_tflite`.
    """
    model = check_model(data, where=where)
    entries, text = read_entries(data, where=where), read_text(data, where=where)
    identity = Identity.from_bytes(entries[OWN_ENTRY], where=where) if OWN_ENTRY in entries else None
    normalization = ((0.0,), (255.0,)) if identity else read_normalization(data, where=where)
    found = recognize(data, model, normalization=normalization, where=where)
    nearness = _proven(data, found, where)
    contract = Contract(found.plan.size) if identity is None else _own_contract(identity, found.plan, where)
    labels, translations = _labels(data, found, identity, where)
    license = printable((text.license if text else "")[:LONGEST_LICENSE]) or "unknown"
    plan = found.plan
    weights = Weights(
        parameters=unfold(plan, found.layers),
        variant=plan.variant,
        source=STRANGERS if identity is None else OURS,
        license=license,
        sha256=files.sha256_bytes(data) if identity is None else identity.weights_sha256,
        classes=plan.classes,
        labels=labels,
        path=Path(where),
        format="float .tflite",
        notes=(NO_STATISTICS,),
        contract=contract,
    )
    name = str(ModelName(plan.variant, plan.size))
    origin = Origin(name, plan, contract, labels, weights, translations)
    return Taken(origin, found.feeding, found.half, identity is not None, nearness)


def network_in(data: bytes, *, where: Path | str) -> tuple[str | None, str | None]:
    """For people: the network in `data`, and why it is not taken in; the one or the other is None."""
    try:
        return take(data, where=where).summary, None
    except (ArtifactError, VerificationFailed) as error:
        return None, error.what


def _proven(data: bytes, found: Recognized, where: Path | str) -> Parity:
    """How far a float32 file of the layers is from the file that they were read from, both in LiteRT."""
    plan, images = found.plan, fixed_inputs(found.plan.size)
    named = {tensor: plan.endpoint_output(name) for name, tensor in plan.endpoints.items()}
    named |= {tensor: name for name, tensor in TENSORS.items()}
    public = {index: named[tensor] for index, tensor in found.outputs.items() if tensor in named}
    if not public:
        raise ArtifactError(
            "its outputs are neither classes nor features, so that nothing proves what was read from it",
            where=where,
            fix="export it with the probabilities, the logits or the features as its output",
        )
    theirs = LiteRT(data, where=where)
    ours = LiteRT(write_float(plan, found.layers, outputs=tuple(dict.fromkeys(public.values()))), where=where)
    names = {tensor.index: tensor.name for tensor in theirs.outputs}
    pixels = theirs.inputs[0].dtype == np.uint8
    wanted: dict[str, list[np.ndarray]] = {}
    given: dict[str, list[np.ndarray]] = {}
    for image in images:
        answer = theirs(image[None] if pixels else found.feeding(image[None].astype(np.float64)))
        for name, values in ours(image[None] / np.float32(255)).items():
            given.setdefault(name, []).append(values[0])
        for index, name in public.items():
            wanted.setdefault(name, []).append(answer[names[index]].reshape(given[name][-1].shape))
    nearness = parity(_with_logarithms(given), _with_logarithms(wanted))
    if not nearness.miss <= FLOAT_TOLERANCE:
        raise _otherwise(nearness, found, where)
    return nearness


def _with_logarithms(outputs: Mapping[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Probabilities saturate; their logarithms are the logits but for a shift."""
    stacked = {name: np.stack(values) for name, values in outputs.items()}
    if PROBABILITIES in stacked:
        stacked["their logarithms"] = np.log(np.maximum(stacked[PROBABILITIES], SMALLEST))
    return stacked


def _otherwise(nearness: Parity, found: Recognized, where: Path | str) -> VerificationFailed:
    what = (
        f"the network read from it answers otherwise than the file itself: by {nearness.difference:.2g}, "
        f"at most {FLOAT_TOLERANCE:g} is allowed"
    )
    if found.zero == MEAN:
        return VerificationFailed(
            what, where=where, fix="report this with the file: it is a fault of the package or the runtime"
        )
    return VerificationFailed(
        f"{what}; its input is {found.feeding.words}, of which {found.zero:.6g} in 0 to 255 is its zero, with which it "
        f"pads photos, where networks here have {MEAN}",
        where=where,
        fix="if it was trained with (x - 127) / 128, the normalization in the file is wrong: convert it with that one",
    )


def _own_contract(identity: Identity, plan: Plan, where: Path | str) -> Contract:
    """How it takes photos; raises ArtifactError where a file of ours says of itself what its graph is not."""
    said = (identity.variant, identity.contract.size, identity.classes)
    found = (plan.variant.name, plan.size, plan.classes)
    standard = Contract(plan.size)
    usual = (identity.contract.mean, identity.contract.stddev) == (standard.mean, standard.stddev)
    if said != found or not usual:
        raise _damaged(f"it says of itself {said} (variant, size, classes), its graph is {found}", where)
    return identity.contract


def _labels(
    data: bytes, found: Recognized, identity: Identity | None, where: Path | str
) -> tuple[tuple[str, ...] | None, dict[str, tuple[str, ...]]]:
    """The names of its classes, also in other languages; of a published last layer ImageNet's."""
    plan = found.plan
    if plan.classes is None:
        return None, {}
    named = dict(read_labels(data, where=where) or {})
    names = named.pop("", None)
    if names is None:
        head = found.layers[DENSE]
        return (imagenet.labels() if imagenet.is_published_head(head.kernel, head.bias) else None), {}
    if len(names) != plan.classes:
        raise _damaged(f"it has {len(names):,} labels for {plan.classes:,} classes", where)
    for name in names:
        if reason := fault(name):
            raise _damaged(f"its label '{printable(name[:50])}' cannot be used: {reason}", where)
    if identity is not None and identity.labels_sha256 not in (None, digest(names)):
        raise _damaged("its labels are no longer those that it was written with", where)
    if imagenet.synsets_of(names) is not None:
        names = imagenet.labels()  # of a stranger's two pairs are equal
    return names, {locale: other for locale, other in named.items() if _is_translation(names, locale, other)}


def _is_translation(names: tuple[str, ...], locale: str, other: tuple[str, ...]) -> bool:
    try:
        label_files(names, {locale: other})
    except ValueError:
        return False
    return True


def _damaged(what: str, where: Path | str) -> ArtifactError:
    return ArtifactError(what, where=where, fix="get or export the file again")
