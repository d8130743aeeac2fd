"""A path or the name of published weights -> parameters by the layer plan's names.

What a path holds is told by its content: extensions lie. Every reader gives `Stored` tensors, and
`fit` makes of them the parameters of one variant, or one error that says everything that is wrong.
"""

import difflib
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite import labels as class_names
from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import CheckpointError, UnusableInput, printable
from efficientnet_lite.network.plan import DENSE, IMAGENET_CLASSES, Variant
from efficientnet_lite.notices import LOG
from efficientnet_lite.packers import PACKERS
from efficientnet_lite.photos.header import MAGIC_BYTES, format_of
from efficientnet_lite.storage import files
from efficientnet_lite.weights import imagenet, published
from efficientnet_lite.weights.archive import is_archive, read_archive
from efficientnet_lite.weights.fit import Fitted, fit
from efficientnet_lite.weights.keras_h5 import H5_MAGIC, check_head, read_keras, zipped_config, zipped_weights
from efficientnet_lite.weights.prefixes import network_of
from efficientnet_lite.weights.pth import MAGIC_NUMBER, ZIP_PREFIX, is_pth, read_state_dict
from efficientnet_lite.weights.safetensors import FORMAT, SCHEMA, header_bytes, read_safetensors
from efficientnet_lite.weights.stored_tensors import MAX_CHECKPOINT_BYTES, Stored, damaged, some
from efficientnet_lite.weights.tf1_read import is_index, read_index, read_tensors, shard_name
from efficientnet_lite.weights.unpickle import NEWER_PICKLE, STATE_DICT_ONLY

RUN_CARD, RUN_WEIGHTS = "card.json", "weights.safetensors"
STATE_FILE = "checkpoint"  # TensorFlow's note which of a folder's checkpoints is the last
INDEX_SUFFIX = ".index"
UNPACK = "unpack it and give the checkpoint within"
OLD_PTH = b"L%dL\n." % MAGIC_NUMBER  # how torch's legacy stream begins in protocols 0 and 1
OLD_PICKLE = re.compile(rb"\([dl]p0\n|\([dl]q\0|[}\]]q\0|c[\w.]{1,100}\n[\w.]{1,100}\n")  # in the same
PARAMETER_FILE = "give a .pth, .safetensors, .weights.h5, .keras or TF1 checkpoint, or a run folder"


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of one file, or of a training: complete for `variant`, finite, of the plan's shapes.

    `parameters` has the plan's names and layout, float32 and C-contiguous; `head/dense/...` are there
    unless `classes` is None. 1001 classes stay 1001 (the first is the background).
    """

    parameters: dict[str, NDArray[np.float32]]
    variant: Variant
    source: str  # a sentence for people; of a file that says nothing of itself, its format
    license: str  # SPDX, or "unknown"
    sha256: str  # of the file; of a TF1 checkpoint in a folder: the index, then the data shards
    classes: int | None
    labels: tuple[str, ...] | None  # of files that we wrote, and of the published weights
    path: Path
    notice: str = ""  # to be kept with copies, where the license asks for it
    format: str = ""  # "torch .pth", "safetensors", "TF1 checkpoint" or "Keras weights"
    notes: tuple[str, ...] = ()  # what was chosen, and what passed over
    # Of a file of moving averages, where they were asked for: the raw weights beside them, or why there are none.
    raw: Mapping[str, NDArray[np.float32]] | CheckpointError | None = None


def load_weights(
    variant: Variant,
    weights: str | Path = "imagenet",
    *,
    ema: bool = True,
    with_raw: bool = False,
    download: published.Download = published.download_from_hub,
) -> Weights:
    """Weights of `variant`: published ones by name ("imagenet" or "hub"), or those of a checkpoint.

    A file that is called like a name is meant by `Path("imagenet")`. `download` fetches from the hub.
    Raises WeightsMissing where published weights cannot be had, CheckpointError where they or the
    file are damaged or of another variant, UnusableInput where there is no such file.
    """
    if isinstance(weights, str) and weights in published.NAMES:
        path, known = published.locate(variant, weights, download=download)
        found = read_checkpoint(path, variant=variant, ema=ema, with_raw=with_raw)
        labels = imagenet.labels() if found.classes == IMAGENET_CLASSES else found.labels
        return replace(found, source=known.origin, license=known.license, notice=known.notice, labels=labels)
    _check_there(weights)
    found = read_checkpoint(Path(weights), variant=variant, ema=ema, with_raw=with_raw)
    return found if found.source != found.format else replace(found, source=f"{found.format} {found.path}")


def _check_there(weights: str | Path) -> None:
    """Raises UnusableInput, which says what names there are, where nothing lies at the path."""
    path = Path(weights)
    if files.lexists(path) or files.is_file(f"{path}{INDEX_SUFFIX}"):
        return
    near = difflib.get_close_matches(str(weights).lower(), published.NAMES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UnusableInput(
        files.missing(path, "file"), where=path, fix=f"{hint}give imagenet, hub, or the path of a checkpoint"
    )


def read_checkpoint(
    path: Path, *, variant: Variant | None = None, ema: bool = True, with_raw: bool = False
) -> Weights:
    """The weights at `path`: a .pth, a safetensors file, a TF1 checkpoint, a Keras file, or a run folder of ours.

    A TF1 checkpoint may be given as its folder, its prefix, one of its files, or a .tar or .tar.gz of
    the folder. With `ema` the moving averages are read where the file has them, else the raw weights; and
    `with_raw` those besides.

    Raises:
        CheckpointError: the file is damaged, of another variant than `variant`, has tensors missing,
            left over, misshapen or not finite, or is none of these formats.
        UnusableInput: there is no such file, or it cannot be read.
    """
    content = _opened(path, ema=ema)
    found = _weights(content, path, variant, ema=ema)
    if not (with_raw and ema):
        return found
    try:
        if content.raw is not None:  # averages and raw weights are state dicts of their own
            content = replace(content, tensors=content.raw())
        return replace(found, raw=_weights(content, path, variant, ema=False).parameters)
    except CheckpointError as error:  # the averages alone are sound
        return replace(found, raw=error)


def _weights(content: "_Content", path: Path, variant: Variant | None, *, ema: bool) -> Weights:
    tensors, notes = network_of(content.tensors, where=path, ema=ema)
    fitted = fit(tensors, where=path, variant=variant, ema=ema)
    if fitted.head is not None:
        check_head(content.config, fitted.head, path)
        notes.append(f"its dense layer {fitted.head} is the head, of {fitted.classes} classes")
    notes = [content.chosen] * bool(content.chosen) + notes
    for note in notes:
        LOG.info("%s: %s", path, note)
    return Weights(
        parameters=fitted.parameters,
        variant=fitted.variant,
        source=printable(content.metadata.get("source") or content.format),
        license=printable(content.metadata.get("license") or "unknown"),
        sha256=content.sha256,
        classes=fitted.classes,
        labels=_labels(content.metadata, fitted, path),
        path=path,
        format=content.format,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Content:
    """What lies at a path, before it is known whether it fits a variant."""

    tensors: Mapping[str, Stored]
    format: str
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    chosen: str = ""  # which of several state dicts it is
    config: bytes | str = ""  # a Keras model's
    # The raw weights beside averages, where they lie apart.
    raw: Callable[[], Mapping[str, Stored]] | None = None


def _opened(path: Path, *, ema: bool) -> _Content:
    try:
        return _open(path, ema=ema)
    except OSError as error:  # a folder that may not be entered, a name that is too long
        raise UnusableInput(
            f"it cannot be read: {error.strerror or error}", where=path, fix="check its name and permissions"
        ) from error


def _open(path: Path, *, ema: bool) -> _Content:
    if files.is_dir(path):
        return _open_folder(path)
    index = path.with_name(path.name + INDEX_SUFFIX)
    if not files.exists(path) and files.is_file(index):
        return _open_bundle(index)
    data = files.read_bytes(path, limit=MAX_CHECKPOINT_BYTES, what="a checkpoint")
    zipped = zipped_weights(data, where=path) if data.startswith(ZIP_PREFIX) else None
    if zipped is not None or data.startswith(H5_MAGIC):
        weights, config = read_keras(data if zipped is None else zipped, where=path)
        described = config if zipped is None else zipped_config(data)
        return _Content(weights, "Keras weights", files.sha256_bytes(data), config=described)
    if is_pth(data):
        found = read_state_dict(data, where=path, ema=ema)
        digest = files.sha256_bytes(data)
        return _Content(
            found.tensors, "torch .pth", digest, chosen=found.chosen, raw=lambda: found.raw().tensors
        )
    if is_index(data):
        return _open_bundle(path)
    if is_archive(data):
        return _open_archive(data, path)
    if shard := re.fullmatch(r"(.+)\.data-\d{5}-of-\d{5}", path.name):
        return _open_bundle(path.with_name(shard[1] + INDEX_SUFFIX))
    if path.name == STATE_FILE and _state(data):
        return _open_folder(path.parent)
    if header_bytes(data) is not None:
        return _open_safetensors(data, path)
    raise _unknown(data, path)


def _open_safetensors(data: bytes, path: Path) -> _Content:
    if (part := re.search(r"-\d{5}-of-(\d{5})\.safetensors$", path.name)) and int(part[1]) > 1:
        raise _part(path, int(part[1]))
    tensors, metadata = read_safetensors(data, where=path)
    if metadata.get("format") != FORMAT:
        metadata = {}
    elif metadata.get("schema") != SCHEMA:
        raise CheckpointError(
            f"the file has schema {printable(metadata.get('schema', 'none'))[:20]}, expected {SCHEMA}",
            where=path,
            fix="update efficientnet-lite",
        )
    return _Content(tensors, "safetensors", files.sha256_bytes(data), metadata)


def _open_folder(folder: Path) -> _Content:
    if files.is_file(folder / RUN_CARD):
        path = folder / RUN_WEIGHTS
        return _open_safetensors(
            files.read_bytes(path, limit=MAX_CHECKPOINT_BYTES, what="the weights of a run"), path
        )
    names = {entry.name for entry in files.entries(folder) if _belongs(entry.name) and files.is_file(entry)}

    def content(name: str) -> bytes:
        return files.read_bytes(folder / name, limit=MAX_CHECKPOINT_BYTES, what="a part of a checkpoint")

    state = content(STATE_FILE) if STATE_FILE in names else b""
    return _bundle(_choose(names, state, folder), names, content, folder)


def _open_bundle(index: Path) -> _Content:
    """The TF1 checkpoint that `index` belongs to, whatever else lies in the folder."""

    def content(name: str) -> bytes:
        return files.read_bytes(
            index.with_name(name), limit=MAX_CHECKPOINT_BYTES, what="a part of a checkpoint"
        )

    prefix = index.name.removesuffix(INDEX_SUFFIX)
    shards = {path.name for path in files.entries(index.parent) if path.name.startswith(f"{prefix}.data-")}
    return _bundle(prefix, shards, content, index, index_name=index.name)


def _open_archive(data: bytes, path: Path) -> _Content:
    members = read_archive(data, _belongs, where=path)
    folders = {str(PurePosixPath(name).parent) for name in members if name.endswith(INDEX_SUFFIX)}
    if not folders:
        raise CheckpointError("the archive holds no TF1 checkpoint", where=path, fix=UNPACK)
    if len(folders) != 1:
        raise CheckpointError(
            f"the archive has TF1 checkpoints in {len(folders)} folders, expected 1: {some(sorted(folders))}",
            where=path,
            fix="unpack it and give the folder of one checkpoint",
        )
    parent = PurePosixPath(folders.pop())
    parts = {
        PurePosixPath(name).name: part
        for name, part in members.items()
        if PurePosixPath(name).parent == parent
    }
    prefix = _choose(parts, parts.get(STATE_FILE, b""), path)
    content = _bundle(prefix, parts, parts.__getitem__, path)
    return _Content(content.tensors, content.format, files.sha256_bytes(data))


def _belongs(name: str) -> bool:
    """Whether a file of this name can be part of a TF1 checkpoint; "._" is what macOS adds to archives."""
    return not name.startswith("._") and (
        name == STATE_FILE or name.endswith(INDEX_SUFFIX) or ".data-" in name
    )


def _state(data: bytes) -> str | None:
    """The prefix that a state file names, without the folders of the machine that wrote it."""
    match = re.search(rb'^model_checkpoint_path: "([^"\n]{1,1000})"', data, re.MULTILINE)
    return re.split(r"[/\\]", match[1].decode(errors="replace"))[-1] if match else None


def _choose(names: Collection[str], state: bytes, where: Path) -> str:
    """The prefix of the checkpoint to read: the one that the state file names, or the only one."""
    prefixes = sorted(name.removesuffix(INDEX_SUFFIX) for name in names if name.endswith(INDEX_SUFFIX))
    if (last := _state(state)) in prefixes:
        return str(last)
    if len(prefixes) == 1:
        return prefixes[0]
    if not prefixes:
        raise CheckpointError(
            "the folder holds no model, neither a run nor a checkpoint", where=where, fix=PARAMETER_FILE
        )
    raise CheckpointError(
        f"the folder holds {len(prefixes)} checkpoints: {some(prefixes)}",
        where=where,
        fix=f"give one of them, for example {prefixes[-1]}{INDEX_SUFFIX}",
    )


def _bundle(
    prefix: str,
    names: Iterable[str],
    content: Callable[[str], bytes],
    where: Path,
    *,
    index_name: str | None = None,
) -> _Content:
    """The TF1 checkpoint `prefix` among the files `names`, whose bytes `content` gives."""
    data = content(index_name or prefix + INDEX_SUFFIX)
    index = read_index(data, where=where)
    wanted = [shard_name(prefix, shard, index.shards) for shard in range(index.shards)]
    if missing := [name for name in wanted if name not in names]:
        raise CheckpointError(
            f"{len(missing)} of {index.shards} data files are missing: {some(missing)}",
            where=where,
            fix="put all files of the checkpoint into one folder",
        )
    digest, shards, total = hashlib.sha256(data), [], 0
    for name in wanted:
        shards.append(content(name))
        digest.update(shards[-1])
        total += len(shards[-1])
        if total > MAX_CHECKPOINT_BYTES:
            raise damaged(f"its data files have more than {MAX_CHECKPOINT_BYTES:,} bytes", where)
    return _Content(read_tensors(index, shards, where=where), "TF1 checkpoint", digest.hexdigest())


def _labels(metadata: Mapping[str, str], fitted: Fitted, path: Path) -> tuple[str, ...] | None:
    """The class names, in the order of the outputs: of a file that we wrote, or of a published last layer.

    Others have none: a thousand classes are not ImageNet's for their number.
    """
    classes = fitted.classes
    if "labels" not in metadata:
        kernel, bias = (fitted.parameters.get(f"{DENSE}/{part}") for part in ("kernel", "bias"))
        known = kernel is not None and bias is not None and imagenet.is_published_head(kernel, bias)
        return imagenet.labels() if known else None
    try:
        names = json_value(metadata["labels"])
    except ValueError as error:
        raise damaged("its labels are no JSON", path) from error
    if type(names) is not list or not all(type(name) is str for name in names):
        raise damaged("its labels are no list of names", path)
    if len(names) != classes:
        raise damaged(f"it has {len(names)} labels, expected {classes or 0}", path)
    for name in names:
        if fault := class_names.fault(name):
            raise damaged(f"the label '{printable(name[:50])}' cannot be used: {fault}", path)
    return tuple(names)


def _part(path: Path, parts: int) -> CheckpointError:
    return CheckpointError(
        f"this is one of {parts} files that make up a checkpoint",
        where=path,
        fix="put its tensors into one file: safetensors.torch.save_file(model.state_dict(), FILE)",
    )


def _unknown(data: bytes, path: Path) -> CheckpointError:
    """The error for a file of no format that is read here, with a word on those that are often tried."""
    if not data:
        what, fix = "the file is empty", "download or copy it again"
    elif data[4:8] == b"TFL3":
        what, fix = "a .tflite is an exported model, not a checkpoint", PARAMETER_FILE
    elif (photo := format_of(data[:MAGIC_BYTES])) is not None:
        what = f"this is a photo ({photo}), not a model"
        fix = "give a run folder, a .tflite file, a checkpoint, or a model such as lite1"
    elif data.startswith(b"\x80"):
        what, fix = "a pickle, but not of torch's weights; it was not executed", STATE_DICT_ONLY
    elif data.startswith(OLD_PTH):
        what, fix = "torch's weights in a pickle of protocol 0 or 1, expected 2 to 5", NEWER_PICKLE
    elif OLD_PICKLE.match(data):
        what, fix = "a pickle, but not of torch's weights; it was not executed", STATE_DICT_ONLY
    elif packer := next((name for magic, name in PACKERS.items() if data.startswith(magic)), None):
        what, fix = f"an archive, packed by {packer}", UNPACK
    elif data.startswith(b"version https://git-lfs"):
        what, fix = "a pointer of Git LFS, not the file itself", "fetch the file: git lfs pull"
    elif data.lstrip()[:1] == b"{" and b'"weight_map"' in data:
        return _part(path, len(set(re.findall(rb"-\d{5}-of-\d{5}\.", data))))
    elif data.lstrip()[:1] == b"<":
        what, fix = "a web page, not a checkpoint", "download the file itself"
    else:
        what, fix = "no checkpoint of a known format", PARAMETER_FILE
    return CheckpointError(what, where=path, fix=fix)
