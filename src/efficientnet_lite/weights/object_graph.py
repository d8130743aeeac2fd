"""What TensorFlow 2 calls the variables of a tensor bundle, whose keys say only where each hangs: `variables/17/...`.

Such a bundle, of a SavedModel or a `tf.train.Checkpoint`, has its graph of objects among the tensors, and that has
the name of each variable: `blocks_3_expand_bn/gamma`. The graph is read as data and nothing else: names, never code.

Source: TensorFlow, core/protobuf/trackable_object_graph.proto (field numbers), core/util/tensor_bundle
(`WriteStringTensor`), python/checkpoint/trackable_view.py (keys).
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from efficientnet_lite.crc32c import masked_crc32c
from efficientnet_lite.network.naming import plan_layer
from efficientnet_lite.protobuf import BYTES, Malformed, typed, varint
from efficientnet_lite.weights.stored_tensors import Stored, damaged, some
from efficientnet_lite.weights.tf1_read import BundleEntry, Index

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"  # what a variable's key ends in
STRING = 7  # TensorFlow's number of the dtype
MAX_GRAPH_BYTES = 2 * 2**20  # lite0 has 30 KB; lite4 in the middle of a training 0.3 MB
MAX_PARTS = 100_000  # objects and variables
SLOTS = ("_variables", ".OPTIMIZER_SLOT")  # of the key of what only an optimizer needs


def has_graph(index: Index) -> bool:
    return GRAPH in index.entries


def plan_named(
    index: Index, shards: list[bytes], tensors: Mapping[str, Stored], *, where: Path | str
) -> dict[str, Stored]:
    """`tensors` of such a bundle by the layer plan's names; the others, such as a head's, by their own.

    Optimizers' slots, counters, seeds and sums are left out. Raises CheckpointError where the graph is damaged, or
    gives one name to two tensors.
    """
    try:
        called = dict(_names(_text(index.entries[GRAPH], shards)))
    except (Malformed, UnicodeDecodeError, struct.error) as error:
        reason = str(error) if isinstance(error, Malformed) else "a name is no text"
        raise damaged(f"in its graph of objects, {reason}", where) from error
    found: dict[str, Stored] = {}
    kept: dict[str, BundleEntry] = {}
    for key, stored in tensors.items():
        if not stored.shape or not stored.dtype.real or not set(SLOTS).isdisjoint(key.split("/")):
            continue
        name = plan_name(called.get(key, key.removesuffix(VALUE)))
        entry = index.entries[key]
        if name in kept:  # Keras' own export keeps every variable twice
            if (kept[name].shape, kept[name].checksum) != (entry.shape, entry.checksum):
                raise damaged(f"{some([name])} is there twice", where)
            continue
        found[name], kept[name] = stored, entry
    return found


def plan_name(called: str) -> str:
    """`blocks_3/expand/gamma` for the variable `.../blocks_3_expand_bn/gamma:0`; any other name as it is."""
    parts = called.removesuffix(":0").split("/")
    layer = plan_layer(parts[-2]) if len(parts) > 1 else None
    return f"{layer}/{parts[-1].replace('depthwise_kernel', 'kernel')}" if layer else "/".join(parts)


def _text(entry: BundleEntry, shards: list[bytes]) -> bytes:
    """The bytes of a tensor of one text: its length, a checksum of that, the text."""
    if entry.dtype != STRING or entry.shape or entry.size > MAX_GRAPH_BYTES or entry.shard >= len(shards):
        raise Malformed(f"there are {entry.size:,} bytes of type {entry.dtype}")
    raw = shards[entry.shard][entry.offset : entry.offset + entry.size]
    length, position = varint(raw, 0)
    checked = struct.pack("<I" if length < 2**32 else "<Q", length) + raw[position:]
    if len(raw) != position + 4 + length or masked_crc32c(checked) != entry.checksum:
        raise Malformed("the checksum is wrong")
    return raw[position + 4 :]


def _names(graph: bytes) -> Iterator[tuple[str, str]]:
    """Key -> name of each variable. TrackableObjectGraph: nodes 1; of a node attributes 2; of those name 2, key 3."""
    parts = 0
    for _, node in typed(graph, {1: BYTES}):
        parts += 1
        for _, attribute in typed(node, {2: BYTES}):
            parts += 1
            values = dict(typed(attribute, {2: BYTES, 3: BYTES}))
            if values.get(2) and values.get(3):
                yield values[3].decode(), values[2].decode()
        if parts > MAX_PARTS:
            raise Malformed(f"there are more than {MAX_PARTS:,} objects")
