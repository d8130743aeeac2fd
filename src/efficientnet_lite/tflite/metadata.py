"""The metadata inside a `.tflite`: named entries, and the one that tells MediaPipe what the tensors mean.

An entry is a name and a model buffer; `TFLITE_METADATA` holds a flatbuffer of its own. Written here
because MediaPipe's own writers can no longer be imported (1.2.2). The label files that it names lie behind
the model, see `label_files.py`.

Source: metadata_schema.fbs (identifier M001) of google-ai-edge/mediapipe, mediapipe/tasks/metadata, for
the slot and enumeration numbers below.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal

import flatbuffers

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.tflite.container import offset_vector
from efficientnet_lite.tflite.flatbuffer import Reader, Table
from efficientnet_lite.tflite.slots import MODEL_IDENTIFIER, BufferSlot, MetadataSlot, ModelSlot

TEXT_ENTRY = "TFLITE_METADATA"
IDENTIFIER = b"M001"
MIN_PARSER_VERSION = "1.0.0"
AUTHOR = "efficientnet-lite"

MAX_ENTRIES, MAX_ENTRY_BYTES = 256, 4 << 20
MAX_BUFFERS = 1 << 16
MAX_CHANNELS = 256  # of a normalization
MAX_TENSORS = 256  # described in the metadata; also files of each

_LOCALIZED = re.compile(r"labels_(.+)\.txt")

InputRange = Literal["unit", "normalized", "codes"]


class _Model(IntEnum):
    NAME, DESCRIPTION, VERSION, SUBGRAPHS, AUTHOR, LICENSE, FILES, MIN_PARSER_VERSION = range(8)


class _Subgraph(IntEnum):
    NAME, DESCRIPTION, INPUTS, OUTPUTS = range(4)


class _Tensor(IntEnum):
    NAME, DESCRIPTION, DIMENSION_NAMES, CONTENT, PROCESS_UNITS, STATS, FILES = range(7)


class _File(IntEnum):
    NAME, DESCRIPTION, TYPE, LOCALE, VERSION = range(5)


class _Union(IntEnum):  # both Content and ProcessUnit
    TYPE, VALUE = range(2)


class _Image(IntEnum):
    COLOR_SPACE, DEFAULT_SIZE = range(2)


class _Normalization(IntEnum):
    MEAN, STD = range(2)


class _Stats(IntEnum):
    MAX, MIN = range(2)


_FEATURE_PROPERTIES, _IMAGE_PROPERTIES = 1, 2  # ContentProperties
_RGB = 1  # ColorSpaceType
_NORMALIZATION = 1  # ProcessUnitOptions
_AXIS_LABELS = 2  # AssociatedFileType TENSOR_AXIS_LABELS


@dataclass(frozen=True, slots=True)
class TensorText:
    """What the metadata say of one input or output."""

    name: str
    description: str
    mean: tuple[float, ...]  # (x - mean) / std for x in 0..255; empty where nothing is said
    std: tuple[float, ...]
    label_files: tuple[tuple[str, str], ...]  # (locale, file name); the locale is "" for the default


@dataclass(frozen=True, slots=True)
class ModelText:
    """What the entry `TFLITE_METADATA` says."""

    name: str
    description: str
    version: str
    author: str
    license: str
    inputs: tuple[TensorText, ...]
    outputs: tuple[TensorText, ...]


def build_metadata(
    contract: Contract,
    *,
    name: str,
    description: str,
    version: str,
    outputs: Sequence[str],
    input_range: InputRange,
    files: Sequence[str] = (),
    license: str = "",
) -> bytes:
    """The content of `TEXT_ENTRY` for a file of ours.

    Float files take [0, 1] ("unit"): mean 0, std 255 turn a photo's 0..255 into it. Files whose input and
    outputs are 8-bit "codes" carry the normalization of the float network inside them, as the schema asks;
    with the input's scale 1/128 and zero point 127 raw pixels then pass through unchanged.

    Args:
        outputs: in the file's order; those over classes get the label files.
        input_range: what the input is; "normalized" is (x - mean) / stddev as float.
        files: names of the label files, as `label_files` gives them.
    """
    mean, std = (0, 255) if input_range == "unit" else (contract.mean, contract.stddev)
    low, high = (0, 255) if input_range == "codes" else (-mean / std, (255 - mean) / std)
    builder = flatbuffers.Builder(1024)
    image = _union(builder, _IMAGE_PROPERTIES, _table(builder, _Image, codes={_Image.COLOR_SPACE: _RGB}))
    normalization = _table(
        builder,
        _Normalization,
        {_Normalization.MEAN: _floats(builder, [mean]), _Normalization.STD: _floats(builder, [std])},
    )
    pixels = f"a square RGB image of {contract.size} pixels, {low:g} to {high:g}"
    tensor = _table(
        builder,
        _Tensor,
        {
            _Tensor.NAME: builder.CreateString("images"),
            _Tensor.DESCRIPTION: builder.CreateString(pixels),
            _Tensor.CONTENT: image,
            _Tensor.PROCESS_UNITS: offset_vector(builder, [_union(builder, _NORMALIZATION, normalization)]),
            _Tensor.STATS: _stats(builder, low, high),
        },
    )
    described = [_output(builder, output, 255 if input_range == "codes" else 1, files) for output in outputs]
    subgraph = _table(
        builder,
        _Subgraph,
        {
            _Subgraph.INPUTS: offset_vector(builder, [tensor]),
            _Subgraph.OUTPUTS: offset_vector(builder, described),
        },
    )
    texts = {
        _Model.NAME: name,
        _Model.DESCRIPTION: description,
        _Model.VERSION: version,
        _Model.AUTHOR: AUTHOR,
        _Model.LICENSE: license,
        _Model.MIN_PARSER_VERSION: MIN_PARSER_VERSION,
    }
    fields = {slot: builder.CreateString(text) for slot, text in texts.items()}
    fields[_Model.SUBGRAPHS] = offset_vector(builder, [subgraph])
    builder.Finish(_table(builder, _Model, fields), IDENTIFIER)
    return bytes(builder.Output())


def _output(builder: flatbuffers.Builder, output: str, top: int, files: Sequence[str]) -> int:
    descriptions = {
        "probabilities": "the probability of each class",
        "logits": "the score of each class before softmax",
        "features": "the feature vector",
    }
    fields = {
        _Tensor.NAME: builder.CreateString(output),
        _Tensor.DESCRIPTION: builder.CreateString(descriptions.get(output, "a feature map")),
        _Tensor.CONTENT: _union(builder, _FEATURE_PROPERTIES, _table(builder, ())),
    }
    if output == "probabilities":
        fields[_Tensor.STATS] = _stats(builder, 0, top)
    if output in ("probabilities", "logits") and files:
        fields[_Tensor.FILES] = offset_vector(builder, [_label_file(builder, file) for file in files])
    return _table(builder, _Tensor, fields)


def _label_file(builder: flatbuffers.Builder, file: str) -> int:
    fields = {_File.NAME: builder.CreateString(file)}
    if match := _LOCALIZED.fullmatch(file):
        fields[_File.LOCALE] = builder.CreateString(match[1])
    return _table(builder, _File, fields, codes={_File.TYPE: _AXIS_LABELS})


def _table(
    builder: flatbuffers.Builder,
    layout: Any,  # the IntEnum class that names the slots, or an empty tuple
    offsets: Mapping[Any, int] | None = None,
    codes: Mapping[Any, int] | None = None,
) -> int:
    builder.StartObject(len(layout))
    for slot, offset in (offsets or {}).items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, code in (codes or {}).items():
        builder.PrependUint8Slot(slot, code, 0)
    return int(builder.EndObject())


def _union(builder: flatbuffers.Builder, kind: int, value: int) -> int:
    return _table(builder, _Union, {_Union.VALUE: value}, codes={_Union.TYPE: kind})


def _stats(builder: flatbuffers.Builder, low: float, high: float) -> int:
    return _table(
        builder, _Stats, {_Stats.MAX: _floats(builder, [high]), _Stats.MIN: _floats(builder, [low])}
    )


def _floats(builder: flatbuffers.Builder, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def read_entries(model: bytes, *, where: Path | str = "the model") -> dict[str, bytes]:
    """Every metadata entry of the flatbuffer, name -> content.

    Raises:
        ArtifactError: no TFLite model, damaged, more or larger entries than a model can have.
    """
    root = Reader(model, identifier=MODEL_IDENTIFIER, kind="a TFLite model", where=where).root
    buffers = root.tables(ModelSlot.BUFFERS, limit=MAX_BUFFERS, what="buffers")
    entries: dict[str, bytes] = {}
    for entry in root.tables(ModelSlot.METADATA, limit=MAX_ENTRIES, what="metadata entries"):
        name, index = entry.text(MetadataSlot.NAME), entry.number(MetadataSlot.BUFFER, "I")
        if index >= len(buffers):
            raise root.damaged(f"the metadata entry {name!r} has buffer {index} of {len(buffers)}")
        content = buffers[index].raw(BufferSlot.DATA)[1]
        if name in entries:
            raise root.damaged(f"two metadata entries are called {name!r}")
        if sum(map(len, entries.values())) + len(content) > MAX_ENTRY_BYTES:
            raise root.damaged(f"its metadata are larger than {MAX_ENTRY_BYTES:,} bytes")
        entries[name] = bytes(content)
    return entries


def read_text(model: bytes, *, where: Path | str = "the model") -> ModelText | None:
    """What the model's `TFLITE_METADATA` says; None where it has none.

    Raises:
        ArtifactError: the model or its metadata are damaged.
    """
    entry = read_entries(model, where=where).get(TEXT_ENTRY)
    return None if entry is None else parse_text(entry, where=where)


def parse_text(entry: bytes, *, where: Path | str) -> ModelText:
    """The same from the entry's content."""
    root = Reader(entry, identifier=IDENTIFIER, kind="TFLite metadata", where=where).root
    subgraphs = root.tables(_Model.SUBGRAPHS, limit=1, what="described subgraphs")

    def tensors(slot: _Subgraph) -> tuple[TensorText, ...]:
        return tuple(
            _tensor_text(tensor)
            for subgraph in subgraphs
            for tensor in subgraph.tables(slot, limit=MAX_TENSORS, what="described tensors")
        )

    return ModelText(
        name=root.text(_Model.NAME),
        description=root.text(_Model.DESCRIPTION),
        version=root.text(_Model.VERSION),
        author=root.text(_Model.AUTHOR),
        license=root.text(_Model.LICENSE),
        inputs=tensors(_Subgraph.INPUTS),
        outputs=tensors(_Subgraph.OUTPUTS),
    )


def _tensor_text(tensor: Table) -> TensorText:
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    for unit in tensor.tables(_Tensor.PROCESS_UNITS, limit=16, what="process units"):
        options = unit.table(_Union.VALUE)
        if unit.number(_Union.TYPE, "B") == _NORMALIZATION and options is not None:
            mean, std = _channels(options, _Normalization.MEAN), _channels(options, _Normalization.STD)
    return TensorText(
        name=tensor.text(_Tensor.NAME),
        description=tensor.text(_Tensor.DESCRIPTION),
        mean=mean,
        std=std,
        label_files=tuple(
            (file.text(_File.LOCALE), file.text(_File.NAME))
            for file in tensor.tables(_Tensor.FILES, limit=MAX_TENSORS, what="files of a tensor")
            if file.number(_File.TYPE, "b") == _AXIS_LABELS
        ),
    )


def _channels(options: Table, slot: _Normalization) -> tuple[float, ...]:
    values = options.array(slot, "<f4")
    if len(values) > MAX_CHANNELS:
        raise options.damaged(f"it normalizes {len(values):,} channels, more than {MAX_CHANNELS}")
    return tuple(values.tolist())


def read_normalization(
    model: bytes, *, where: Path | str = "the model"
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """(mean, std) that the metadata give for the first input, per channel or one for all; None where none.

    (x - mean) / std for x in 0..255 is what a float file wants.

    Raises:
        ArtifactError: damaged, or numbers with which nothing can be normalized.
    """
    text = read_text(model, where=where)
    if text is None or not text.inputs or not (text.inputs[0].mean or text.inputs[0].std):
        return None
    mean, std = text.inputs[0].mean, text.inputs[0].std
    usable = (
        len(mean) == len(std) in (1, 3)
        and all(abs(m) < 1e6 for m in mean)
        and all(1e-6 < s < 1e6 for s in std)
    )
    if not usable:  # NaN fails the comparisons
        raise unusable(f"its normalization is mean {list(mean)}, std {list(std)}", where)
    return mean, std


def unusable(what: str, where: Path | str) -> ArtifactError:
    """The error for what lies in a file, or behind it, and cannot be taken as it is."""
    return ArtifactError(what, where=where, fix="get or export the file again")
