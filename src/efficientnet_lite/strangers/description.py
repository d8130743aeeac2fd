"""What a `.tflite` file is, as one value: for `info`, and for tests that promise something about our files."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.strangers.structure import CheckedModel, check_model
from efficientnet_lite.strangers.tensors import TensorInfo
from efficientnet_lite.tflite.container import ALIGNMENT
from efficientnet_lite.tflite.identity import OWN_ENTRY, Identity
from efficientnet_lite.tflite.label_files import read_files, read_labels
from efficientnet_lite.tflite.metadata import TEXT_ENTRY, ModelText, parse_text, read_entries

_FLOATS = ("float32", "float16")
_RUNTIME_ENTRY = "min_runtime_version"


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output. real = scale * (code - zero_point) where there is a scale."""

    name: str  # as the signature calls it, else the tensor's own name
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True, slots=True)
class OperatorCount:
    """How often one version of one operator occurs."""

    name: str
    version: int
    count: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A described file."""

    bytes: int  # labels behind the model included
    operators: tuple[OperatorCount, ...]  # the most frequent first
    float_operators: int  # operators that read or make floating-point numbers; 0 in a full-int8 file
    parameters: int  # elements of the constants that convolutions and dense layers read
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    signatures: tuple[str, ...]  # the one that is run first
    per_channel: bool  # some weights have a scale for each output channel
    dynamic: bool  # some tensor may change its shape; the Edge TPU compiler refuses that
    aligned: bool  # every constant begins at a multiple of 16 bytes, as the schema asks
    arena_bytes: int  # most that tensors alive at once take
    description: str
    min_runtime: str  # "" where the file says nothing
    text: ModelText | None  # the metadata that MediaPipe reads
    labels: dict[str, int]  # locale -> number of labels, "" for the default
    names: dict[str, tuple[str, ...]]  # the labels themselves, in the order of the outputs
    files: dict[str, int]  # behind the model, name -> bytes
    identity: Identity | None  # files of ours only
    network: str | None = None  # which of this family it holds: "EfficientNet-Lite1, 240 pixels, 10 classes"
    not_taken: str | None = None  # why `export` does not take it in; None where it does, or nobody asked

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        return asdict(self)


def describe(data: bytes, *, where: Path | str = "the model") -> ModelInfo:
    """What the file `data` is; everything in it is checked first.

    Raises:
        ArtifactError: no TFLite model, damaged, or of a kind that is refused.
    """
    model = check_model(data, where=where)
    entries = read_entries(data, where=where)
    text = parse_text(entries[TEXT_ENTRY], where=where) if TEXT_ENTRY in entries else None
    names = read_labels(data, where=where) or {}
    counts = Counter((operator.name, operator.version) for operator in model.operators)
    constants = [tensor for tensor in model.tensors if tensor.constant_bytes is not None]
    return ModelInfo(
        bytes=len(data),
        operators=tuple(
            OperatorCount(name, version, count)
            for (name, version), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ),
        float_operators=sum(
            _is_float(model, operator.inputs + operator.outputs) for operator in model.operators
        ),
        parameters=_parameters(model),
        inputs=_ports(model, model.inputs),
        outputs=_ports(model, model.outputs),
        signatures=tuple(
            signature.key for signature in sorted(model.signatures, key=lambda each: each != model.main)
        ),
        per_channel=any(tensor.scales > 1 for tensor in constants),
        dynamic=any(tensor.dynamic for tensor in model.tensors),
        aligned=all(tensor.data_at % ALIGNMENT == 0 for tensor in constants),
        arena_bytes=model.arena_bytes,
        description=model.description,
        min_runtime=entries.get(_RUNTIME_ENTRY, b"").rstrip(b"\0").decode(errors="backslashreplace"),
        text=text,
        labels={locale: len(found) for locale, found in names.items()},
        names=names,
        files={name: len(content) for name, content in read_files(data, where=where).items()},
        identity=Identity.from_bytes(entries[OWN_ENTRY], where=where) if OWN_ENTRY in entries else None,
    )


def _is_float(model: CheckedModel, indices: tuple[int, ...]) -> bool:
    return any(index >= 0 and model.tensors[index].dtype in _FLOATS for index in indices)


def _parameters(model: CheckedModel) -> int:
    """Elements of the weights and biases, each tensor once.

    Weights that are stored as float16 or int8 reach their operator through a DEQUANTIZE.
    """
    source = {
        operator.outputs[0]: operator.inputs[0]
        for operator in model.operators
        if operator.name == "DEQUANTIZE"
    }
    weights: dict[int, TensorInfo] = {}
    for operator in model.operators:
        if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            for index in operator.inputs[1:]:
                origin = source.get(index, index)
                if origin >= 0 and model.tensors[origin].constant_bytes is not None:
                    weights[origin] = model.tensors[origin]
    return sum(tensor.elements for tensor in weights.values())


def _ports(model: CheckedModel, indices: tuple[int, ...]) -> tuple[Port, ...]:
    named = (model.main.inputs, model.main.outputs) if model.main else ()
    names = {index: name for each in named for name, index in each.items()}
    return tuple(
        Port(names.get(index, tensor.name), tensor.shape, tensor.dtype, tensor.scale, tensor.zero_point)
        for index, tensor in ((index, model.tensors[index]) for index in indices)
    )
