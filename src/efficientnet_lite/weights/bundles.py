"""TensorFlow's tensor bundles, wherever they lie: TF1 checkpoints, SavedModels, TF1 Hub modules, and archives of them.

    model.ckpt.index, model.ckpt.data-...                          a TF1 checkpoint, or one of `tf.train.Checkpoint`
    saved_model.pb, variables/variables.index, ...                 a SavedModel
    the same and tfhub_module.pb                                   a TF1 Hub module
    65565c66.../saved_model.pb, ...                                such modules in tensorflow_hub's cache

Only names and numbers are read, without TensorFlow: of saved_model.pb, which is a program, nothing. The card that is in
folders of ours says what the input is and what the classes are called.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from efficientnet_lite.errors import CheckpointError, EfficientNetLiteError
from efficientnet_lite.network.naming import dialect_of, has_squeeze_and_excite
from efficientnet_lite.network.plan import FROM_TO
from efficientnet_lite.protobuf import BYTES, Malformed, typed
from efficientnet_lite.storage import files
from efficientnet_lite.weights.archive import read_archive
from efficientnet_lite.weights.content import Content
from efficientnet_lite.weights.object_graph import has_graph, plan_named
from efficientnet_lite.weights.own_card import CARDS, LABELS, OwnCard, read_card
from efficientnet_lite.weights.stored_tensors import MAX_CHECKPOINT_BYTES, damaged, some
from efficientnet_lite.weights.tf1_read import read_index, read_tensors, shard_name

STATE_FILE = "checkpoint"  # TensorFlow's note which of a folder's checkpoints is the last
INDEX_SUFFIX = ".index"
SAVED_MODEL, HUB_MODULE = "saved_model.pb", "tfhub_module.pb"  # neither is read
KERAS_NOTES = "keras_metadata.pb"  # Keras 2's, what each layer of the model is
MAX_NOTES_BYTES = 8 * 2**20
VARIABLES = "variables"  # the folder within those two, and the prefix within that
MAX_ENTRIES = 1000  # of a cache of modules
MAX_DESCRIPTION_BYTES = 4096
TF1 = "TF1 checkpoint"  # the format, as it is shown
UNPACK = "unpack it and give the checkpoint within"
PARAMETER_FILE = (
    "give a .pth, .safetensors, .weights.h5, .keras or TF1 checkpoint, a SavedModel or a run folder of ours"
)
CONVERT = (
    "to predict with it, make a .tflite file by TensorFlow's converter, with a uint8 input or with metadata; "
    f"of {FROM_TO} give a checkpoint in the names of timm, of the reference or of ours"
)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A folder, of the disk or of an archive."""

    names: Collection[str]  # of the files in it that belong to a checkpoint
    read: Callable[[str, int], bytes | None]  # name, at most so many bytes; None where there is no such file
    where: Path

    def content(self, name: str) -> bytes:
        data = self.read(name, MAX_CHECKPOINT_BYTES)
        assert data is not None  # it is one of the names
        return data


def open_folder(path: Path) -> Content:
    """The bundle in a folder: a checkpoint, a SavedModel, a Hub module, or the only one in a cache of modules."""
    if path.name == VARIABLES and files.is_file(path.parent / SAVED_MODEL):
        path = path.parent
    if files.is_file(path / VARIABLES / f"{VARIABLES}{INDEX_SUFFIX}"):
        return _saved_model(path)
    folder = _of_disk(path)
    if not any(name.endswith(INDEX_SUFFIX) for name in folder.names):
        if files.is_file(path / SAVED_MODEL):
            raise CheckpointError("this SavedModel has no variables", where=path, fix=CONVERT)
        if modules := [entry for entry in files.entries(path)[:MAX_ENTRIES] if _is_module(entry)]:
            return _one_of(modules, path)
    state = folder.content(STATE_FILE) if STATE_FILE in folder.names else b""
    return _with_card(_bundle(_choose(folder.names, state, path), folder), read_card(folder.read, path))


def open_bundle(index: Path) -> Content:
    """The checkpoint that the file `index` belongs to, whatever else lies beside it; or the SavedModel around it."""
    if index.parent.name == VARIABLES and files.is_file(index.parent.parent / SAVED_MODEL):
        return _saved_model(index.parent.parent)
    prefix = index.name.removesuffix(INDEX_SUFFIX)
    folder = _of_disk(index.parent)
    shards = [name for name in folder.names if name.startswith(f"{prefix}.data-")]
    return _bundle(prefix, replace(folder, names=shards, where=index), index_name=index.name)


def open_archive(data: bytes, path: Path) -> Content:
    """The one bundle in a .tar or .tar.gz, a published checkpoint or a module as tfhub.dev gave it."""
    members = read_archive(data, _belongs, where=path)
    folders = {str(PurePosixPath(name).parent) for name in members if name.endswith(INDEX_SUFFIX)}
    if not folders:
        raise CheckpointError("the archive holds no TF1 checkpoint and no SavedModel", where=path, fix=UNPACK)
    if len(folders) != 1:
        raise CheckpointError(
            f"the archive has checkpoints in {len(folders)} folders, expected 1: {some(sorted(folders))}",
            where=path,
            fix="unpack it and give the folder of one checkpoint",
        )
    parent = PurePosixPath(folders.pop())
    folder = _of_archive(members, parent, path)
    prefix = _choose(folder.names, folder.read(STATE_FILE, MAX_CHECKPOINT_BYTES) or b"", path)
    content, root = _bundle(prefix, folder), parent
    if parent.name == prefix == VARIABLES:
        content, root = _of_a_model(content, path), parent.parent
    content = _with_card(content, read_card(_of_archive(members, root, path).read, path))
    return replace(content, sha256=files.sha256_bytes(data))


def state_of(data: bytes) -> str | None:
    """The prefix that a state file names, without the folders of the machine that wrote it."""
    match = re.search(rb'^model_checkpoint_path: "([^"\n]{1,1000})"', data, re.MULTILINE)
    return re.split(r"[/\\]", match[1].decode(errors="replace"))[-1] if match else None


def _of_disk(folder: Path) -> _Parts:
    def read(name: str, limit: int) -> bytes | None:
        path = folder / name
        return (
            files.read_bytes(path, limit=limit, what="a part of a checkpoint") if files.exists(path) else None
        )

    names = {entry.name for entry in files.entries(folder) if _belongs(entry.name) and files.is_file(entry)}
    return _Parts(names, read, folder)


def _of_archive(members: dict[str, bytes], folder: PurePosixPath, where: Path) -> _Parts:
    def read(name: str, limit: int) -> bytes | None:
        data = members.get(str(folder / name))
        if data is not None and len(data) > limit:
            raise damaged(f"{name} has {len(data):,} bytes, more than {limit:,}", where)
        return data

    names = {PurePosixPath(name).name for name in members if PurePosixPath(name).parent == folder}
    return _Parts(names, read, where)


def _belongs(name: str) -> bool:
    """Whether a file of this name can be part of a checkpoint; "._" is what macOS adds to archives."""
    beside = {PurePosixPath(each).name for each in (*CARDS, *LABELS)}
    return not name.startswith("._") and (
        name == STATE_FILE or name.endswith(INDEX_SUFFIX) or ".data-" in name or name in beside
    )


def _choose(names: Collection[str], state: bytes, where: Path) -> str:
    """The prefix of the checkpoint to read: the one that the state file names, or the only one."""
    prefixes = sorted(name.removesuffix(INDEX_SUFFIX) for name in names if name.endswith(INDEX_SUFFIX))
    if (last := state_of(state)) in prefixes:
        return str(last)
    if len(prefixes) == 1:
        return prefixes[0]
    if not prefixes:
        foreign = where.suffix.lower() == ".mlpackage"
        what = "the folder holds no model, neither a run nor a checkpoint"
        what = "Apple's systems alone open a Core ML package" if foreign else what
        raise CheckpointError(what, where=where, fix=_model_in(where) or PARAMETER_FILE)
    raise CheckpointError(
        f"the folder holds {len(prefixes)} checkpoints: {some(prefixes)}",
        where=where,
        fix=f"give one of them, for example {prefixes[-1]}{INDEX_SUFFIX}",
    )


def _model_in(folder: Path) -> str:
    """What to give in place of a folder that has .tflite files, as one of C sources has; empty where it has none."""
    found = sorted(files.entries(folder)) if files.is_dir(folder) else []
    models = [path for path in found if path.suffix == ".tflite"]
    return f"give a file of it, for example {models[0]}" if models else ""


def _bundle(prefix: str, folder: _Parts, *, index_name: str | None = None) -> Content:
    """The bundle `prefix` of a folder, by the file's names, or the plan's where TensorFlow 2 wrote it."""
    where = folder.where
    data = folder.content(index_name or prefix + INDEX_SUFFIX)
    index = read_index(data, where=where)
    wanted = [shard_name(prefix, shard, index.shards) for shard in range(index.shards)]
    if missing := [name for name in wanted if name not in folder.names]:
        raise CheckpointError(
            f"{len(missing)} of {index.shards} data files are missing: {some(missing)}",
            where=where,
            fix="put all files of the checkpoint into one folder",
        )
    digest, shards, total = hashlib.sha256(data), [], 0
    for name in wanted:
        shards.append(folder.content(name))
        digest.update(shards[-1])
        total += len(shards[-1])
        if total > MAX_CHECKPOINT_BYTES:
            raise damaged(f"its data files have more than {MAX_CHECKPOINT_BYTES:,} bytes", where)
    tensors = read_tensors(index, shards, where=where)
    if not has_graph(index):
        return Content(tensors, TF1, digest.hexdigest())
    return Content(
        plan_named(index, shards, tensors, where=where), "TensorFlow checkpoint", digest.hexdigest()
    )


def _saved_model(path: Path) -> Content:
    """The variables of a SavedModel or Hub module, by name; what computes with them is not looked at."""
    content = _of_a_model(_bundle(VARIABLES, replace(_of_disk(path / VARIABLES), where=path)), path)
    folder = _of_disk(path)
    content = replace(content, config=_layers(folder.read(KERAS_NOTES, MAX_NOTES_BYTES) or b""))
    return _with_card(content, read_card(folder.read, path))


def _of_a_model(content: Content, where: Path) -> Content:
    """The variables of a SavedModel, TensorFlow 2's or TensorFlow 1's; raises CheckpointError where none is known."""
    format = "TF1 Hub module" if content.format == TF1 else "SavedModel"
    if dialect_of(content.tensors) is None and not has_squeeze_and_excite(content.tensors):
        raise CheckpointError(
            f"this {format} is of another network, or has its variables under names of its own: "
            f"none of {len(content.tensors)} is known ({some(content.tensors)})",
            where=where,
            fix=CONVERT,
        )
    return replace(content, format=format)


def _layers(notes: bytes) -> bytes:
    """The configurations in Keras' notes, one JSON list: SavedMetadata, nodes 1, of those metadata 5."""
    try:
        nodes = (dict(typed(node, {5: BYTES})) for _, node in typed(notes, {1: BYTES}))
        return b"[" + b",".join(node[5] for node in nodes if node.get(5)) + b"]"
    except Malformed:
        return b""  # it says nothing; the weights are judged by themselves


def _with_card(content: Content, card: OwnCard | None) -> Content:
    if card is None:
        return content
    metadata = {"source": card.source, "license": card.license}
    if card.labels is not None:
        metadata["labels"] = json.dumps(card.labels)
    return replace(content, metadata=metadata, card=card)


def _is_module(path: Path) -> bool:
    return files.is_file(path / VARIABLES / f"{VARIABLES}{INDEX_SUFFIX}") and files.is_file(
        path / SAVED_MODEL
    )


def _one_of(modules: list[Path], cache: Path) -> Content:
    """The module of a cache, or of several of the same weights one that has the last layer too."""
    cards = [_card_or_none(module) for module in modules]
    weights = {
        card.weights_sha256 if card else str(module) for module, card in zip(modules, cards, strict=True)
    }
    if len(weights) > 1:
        raise CheckpointError(
            f"the folder holds {len(modules)} modules of different weights: {some(map(_address, modules))}",
            where=cache,
            fix=f"give one of them, for example {modules[0]}",
        )
    classify = [
        module for module, card in zip(modules, cards, strict=True) if card and card.classes is not None
    ]
    chosen = (classify or modules)[0]
    content = _saved_model(chosen)
    if len(modules) == 1:
        return content
    return replace(
        content, chosen=f"of its {len(modules)} modules, of the same weights, {chosen.name} is read"
    )


def _card_or_none(module: Path) -> OwnCard | None:
    try:
        return read_card(_of_disk(module).read, module)
    except EfficientNetLiteError:
        return None  # whoever reads the module says what is wrong


def _address(module: Path) -> str:
    """What tensorflow_hub's note beside a module says that it is, else its name."""
    note = files.beginning(module.with_name(f"{module.name}.descriptor.txt"), MAX_DESCRIPTION_BYTES)
    match = re.match(rb"Module: (\S{1,200})", note)
    return match[1].decode(errors="replace") if match else module.name
