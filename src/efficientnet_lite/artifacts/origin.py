"""What a model is made of: the weights of a published model, a checkpoint or a run, with labels and contract."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from efficientnet_lite.errors import ArtifactError, UsageError
from efficientnet_lite.labels import digest
from efficientnet_lite.network.fold import fold
from efficientnet_lite.network.numpy_run import Layer
from efficientnet_lite.network.plan import (
    LOGITS,
    PROBABILITIES,
    ModelName,
    Plan,
    make_plan,
    model_name,
    nearest_model,
    parse_model_name,
)
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.runtimes.model_files import MAX_MODEL_BYTES
from efficientnet_lite.storage import files
from efficientnet_lite.tflite.identity import Identity
from efficientnet_lite.version import __version__
from efficientnet_lite.weights.read import Weights, read_checkpoint


@dataclass(frozen=True, slots=True)
class OwnInt8:
    """An int8 file of the same weights that is there and proven: that of a run."""

    path: Path
    sha256: str  # as it was when it was proven

    def read(self) -> bytes:
        """The file as it was proven. Raises ArtifactError where it is another one, or cannot be read."""
        data = files.read_bytes(self.path, limit=MAX_MODEL_BYTES, what="a .tflite file")
        if files.sha256_bytes(data) != self.sha256:
            raise ArtifactError(
                "it is not the file that the run's card names: its SHA-256 differs",
                where=self.path,
                fix="`verify` says what else is wrong with the run; train it again",
            )
        return data


@dataclass(frozen=True, slots=True)
class Origin:
    """Everything from which files are written."""

    name: str  # "lite1", "lite4@300", or the run's name
    plan: Plan
    contract: Contract
    labels: tuple[str, ...] | None
    weights: Weights
    translations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # locale -> the labels
    int8: OwnInt8 | None = None

    def layers(self) -> dict[str, Layer]:
        """Batch norm folded in."""
        return fold(self.plan, self.weights.parameters)

    def labels_of(self, outputs: Sequence[str]) -> tuple[str, ...] | None:
        """The labels of a file with these outputs: none where it ends at the features."""
        return self.labels if {LOGITS, PROBABILITIES} & set(outputs) else None

    def identity(
        self, outputs: tuple[str, ...], *, classes: int | None, labels: tuple[str, ...] | None
    ) -> Identity:
        """What a float32 artifact with these outputs says of itself."""
        return Identity(
            variant=self.plan.variant.name,
            contract=self.contract,
            precision="float32",
            outputs=outputs,
            classes=classes,
            labels_sha256=digest(labels) if labels else None,
            weights_sha256=self.weights.sha256,
            package_version=__version__,
        )


def origin_of(name: ModelName, weights: Weights) -> Origin:
    """The model of that name and input size, with these weights."""
    plan = make_plan(name.variant, size=name.size, classes=weights.classes)
    return Origin(str(name), plan, Contract(name.size), weights.labels, weights)


def origin_of_checkpoint(
    path: Path, model: str | None = None, *, ema: bool = True, with_raw: bool = False
) -> Origin:
    """The weights of a file or folder; `model`, where given, is the variant that they must be, and the input size."""
    asked = model_name(model) if model else None
    found = read_checkpoint(path, variant=asked.variant if asked else None, ema=ema, with_raw=with_raw)
    if asked is None and found.contract is not None:  # a folder of ours says it itself
        origin = origin_of(ModelName(found.variant, found.contract.size), found)
        return replace(origin, contract=found.contract)
    return origin_of(asked or ModelName(found.variant, found.variant.size), found)


def named_model(text: str) -> ModelName:
    """The model that `text` names, where nothing lies at `text` as a path; UsageError for a path or no model."""
    path = Path(text)
    looks_like_one = len(path.parts) > 1 or text.startswith(".") or path.suffix or files.obstacle(path)
    if looks_like_one and parse_model_name(text) is None:
        raise UsageError(
            files.missing(path),
            where=text,
            fix=f"check the path, or give a model such as {nearest_model(text) or 'lite1'}",
        )
    return model_name(text)
