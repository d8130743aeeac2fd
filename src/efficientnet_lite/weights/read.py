"""A path or the name of published weights -> parameters by the layer plan's names.

What a path holds is told by its content: extensions lie. Every reader gives `Stored` tensors, and
`fit` makes of them the parameters of one variant, or one error that says everything that is wrong.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from efficientnet_lite import labels as class_names
from efficientnet_lite.documents import json_value
from efficientnet_lite.errors import CheckpointError, UnusableInput, printable
from efficientnet_lite.network.plan import DENSE, IMAGENET_CLASSES, MAX_SIZE, MIN_SIZE, Variant
from efficientnet_lite.notices import LOG
from efficientnet_lite.packers import PACKERS
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.header import MAGIC_BYTES, format_of
from efficientnet_lite.storage import files
from efficientnet_lite.weights import imagenet, published
from efficientnet_lite.weights.archive import is_archive
from efficientnet_lite.weights.bundles import (
    HUB_MODULE,
    INDEX_SUFFIX,
    PARAMETER_FILE,
    SAVED_MODEL,
    STATE_FILE,
    UNPACK,
    open_archive,
    open_bundle,
    open_folder,
    state_of,
)
from efficientnet_lite.weights.content import Content
from efficientnet_lite.weights.fit import Fitted, fit
from efficientnet_lite.weights.keras_h5 import H5_MAGIC, check_head, read_keras, zipped_config, zipped_weights
from efficientnet_lite.weights.own_card import OwnCard
from efficientnet_lite.weights.prefixes import network_of
from efficientnet_lite.weights.pth import MAGIC_NUMBER, ZIP_PREFIX, is_pth, read_state_dict
from efficientnet_lite.weights.safetensors import FORMAT, SCHEMA, header_bytes, read_safetensors
from efficientnet_lite.weights.stored_tensors import MAX_CHECKPOINT_BYTES, damaged
from efficientnet_lite.weights.tf1_read import is_index
from efficientnet_lite.weights.unpickle import NEWER_PICKLE, STATE_DICT_ONLY

RUN_CARD, RUN_WEIGHTS = "card.json", "weights.safetensors"
OLD_PTH = b"L%dL\n." % MAGIC_NUMBER  # how torch's legacy stream begins in protocols 0 and 1
OLD_PICKLE = re.compile(rb"\([dl]p0\n|\([dl]q\0|[}\]]q\0|c[\w.]{1,100}\n[\w.]{1,100}\n")  # in the same


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
    # "torch .pth", "safetensors", "Keras weights", "TF1 checkpoint", "TensorFlow checkpoint", "SavedModel" or
    # "TF1 Hub module".
    format: str = ""
    notes: tuple[str, ...] = ()  # what was chosen, and what passed over
    contract: Contract | None = None  # of what we wrote: how it takes photos
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
    import difflib  # for an error alone

    near = difflib.get_close_matches(str(weights).lower(), published.NAMES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UnusableInput(
        files.missing(path, "file"), where=path, fix=f"{hint}give imagenet, hub, or the path of a checkpoint"
    )


def read_checkpoint(
    path: Path, *, variant: Variant | None = None, ema: bool = True, with_raw: bool = False
) -> Weights:
    """The weights at `path`: a .pth, a safetensors file, a TensorFlow checkpoint, a SavedModel, a TF1 Hub module, a
    Keras file, or a run folder of ours.

    What TensorFlow wrote may be given as its folder, a prefix, one of its files, or a .tar or .tar.gz of
    the folder; nothing of it is executed. With `ema` the moving averages are read where the file has them,
    else the raw weights; and `with_raw` those besides.

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


def _weights(content: Content, path: Path, variant: Variant | None, *, ema: bool) -> Weights:
    tensors, notes = network_of(content.tensors, where=path, ema=ema)
    fitted = fit(tensors, where=path, variant=variant, ema=ema)
    if fitted.head is not None:
        check_head(content.config, fitted.head, path)
        notes.append(f"its dense layer {fitted.head} is the head, of {fitted.classes} classes")
    if content.card is not None:
        _check_card(content.card, fitted, path)
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
        contract=_contract(content, path),
    )


def _contract(content: Content, path: Path) -> Contract | None:
    """How it takes photos, where it is of ours and says so."""
    size = content.metadata.get("size", "")
    if content.card is not None:
        contract = content.card.contract
    elif re.fullmatch(r"[1-9][0-9]{0,3}", size):
        contract = Contract(int(size))
    else:
        return None
    if not MIN_SIZE <= contract.size <= MAX_SIZE:
        raise damaged(f"its input of {contract.size} pixels is outside {MIN_SIZE} to {MAX_SIZE}", path)
    return contract


def _check_card(card: OwnCard, fitted: Fitted, path: Path) -> None:
    """Raises CheckpointError where the weights are not those of which the card beside them speaks."""
    if card.variant != fitted.variant.name:
        named = printable(card.variant[:20])
        raise damaged(f"its card is of {named}, the weights of {fitted.variant.name}", path)
    if card.classes != fitted.classes:
        raise damaged(
            f"its card says {card.classes or 'no'} classes, the weights have {fitted.classes or 'none'}", path
        )


def _opened(path: Path, *, ema: bool) -> Content:
    try:
        return _open(path, ema=ema)
    except OSError as error:  # a folder that may not be entered, a name that is too long
        raise UnusableInput(
            f"it cannot be read: {error.strerror or error}", where=path, fix="check its name and permissions"
        ) from error


def _open(path: Path, *, ema: bool) -> Content:
    if files.is_dir(path):
        return _open_folder(path)
    index = path.with_name(path.name + INDEX_SUFFIX)
    if not files.exists(path) and files.is_file(index):
        return open_bundle(index)
    if path.name in (SAVED_MODEL, HUB_MODULE) and files.is_file(path):  # which are not looked into
        return open_folder(path.parent)
    data = files.read_bytes(path, limit=MAX_CHECKPOINT_BYTES, what="a checkpoint")
    zipped = zipped_weights(data, where=path) if data.startswith(ZIP_PREFIX) else None
    if zipped is not None or data.startswith(H5_MAGIC):
        weights, config = read_keras(data if zipped is None else zipped, where=path)
        described = config if zipped is None else zipped_config(data)
        return Content(weights, "Keras weights", files.sha256_bytes(data), config=described)
    if is_pth(data):
        found = read_state_dict(data, where=path, ema=ema)
        digest = files.sha256_bytes(data)
        return Content(
            found.tensors, "torch .pth", digest, chosen=found.chosen, raw=lambda: found.raw().tensors
        )
    if is_index(data):
        return open_bundle(path)
    if is_archive(data):
        return open_archive(data, path)
    if shard := re.fullmatch(r"(.+)\.data-\d{5}-of-\d{5}", path.name):
        return open_bundle(path.with_name(shard[1] + INDEX_SUFFIX))
    if path.name == STATE_FILE and state_of(data):
        return _open_folder(path.parent)
    if header_bytes(data) is not None:
        return _open_safetensors(data, path)
    raise _unknown(data, path)


def _open_safetensors(data: bytes, path: Path) -> Content:
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
    return Content(tensors, "safetensors", files.sha256_bytes(data), metadata)


def _open_folder(folder: Path) -> Content:
    if files.is_file(folder / RUN_CARD):
        path = folder / RUN_WEIGHTS
        return _open_safetensors(
            files.read_bytes(path, limit=MAX_CHECKPOINT_BYTES, what="the weights of a run"), path
        )
    return open_folder(folder)


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
        what = "a .tflite is an exported model, not a checkpoint"
        fix = (
            f"to write other files of it, give it to `export` in place of a model; to train, {PARAMETER_FILE}"
        )
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
