"""Writers of checkpoint files for tests, independent of the readers and of the frameworks.

The pickles are written instruction by instruction, so that a test can also write what torch never
would; the TF1 index is written after TensorFlow's table_format.txt.
"""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from efficientnet_lite.network.naming import Dialect, foreign_names
from efficientnet_lite.network.plan import Plan, Variant, make_plan

Array = NDArray[Any]

STORAGE = {
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "float64": "DoubleStorage",
    "uint16": "BFloat16Storage",
    "int64": "LongStorage",
}
LEGACY_PREFIX = b"\x80\x02\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(
    10, "little"
)  # PROTO 2, LONG1 of 10 bytes
TF_DTYPE = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "uint16": 14, "float16": 19}


def random_parameters(variant: Variant, classes: int | None = 10, seed: int = 0) -> dict[str, Array]:
    """Arrays for every parameter of `variant`, variances positive, no two tensors alike."""
    random = np.random.default_rng(seed)
    shapes = make_plan(variant, classes=classes).parameter_shapes()
    return {
        name: np.abs(values) if name.endswith("variance") else values
        for name, shape in shapes.items()
        for values in [random.standard_normal(shape, np.float32)]
    }


@dataclass(frozen=True)
class View:
    """A tensor as a pickle describes it; tests lie about every field."""

    key: object
    count: object
    shape: object
    stride: object
    offset: object = 0
    storage: str = "FloatStorage"
    location: object = "cpu"
    tag: object = "storage"


@dataclass(frozen=True)
class Raw:
    """Instructions that are written as they are."""

    instructions: bytes


def name(module: str, attribute: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()


def instructions(value: object) -> bytes:
    """The instructions that build `value`, without PROTO and STOP."""
    match value:
        case Raw():
            return value.instructions
        case None:
            return pickle.NONE
        case bool():
            return pickle.NEWTRUE if value else pickle.NEWFALSE
        case int():
            raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return pickle.LONG1 + bytes([len(raw)]) + raw
        case float():
            return pickle.BINFLOAT + struct.pack(">d", value)
        case str():
            return pickle.BINUNICODE + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return pickle.MARK + b"".join(map(instructions, value)) + pickle.TUPLE
        case list():
            return pickle.EMPTY_LIST + pickle.MARK + b"".join(map(instructions, value)) + pickle.APPENDS
        case dict():
            pairs = b"".join(instructions(key) + instructions(item) for key, item in value.items())
            return pickle.EMPTY_DICT + pickle.MARK + pairs + pickle.SETITEMS
        case View():
            storage = (value.tag, Raw(name("torch", value.storage)), value.key, value.location, value.count)
            parts = (
                Raw(instructions(storage) + pickle.BINPERSID),
                value.offset,
                value.shape,
                value.stride,
                False,
                Raw(name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE),
            )
            return name("torch._utils", "_rebuild_tensor_v2") + instructions(parts) + pickle.REDUCE
    raise TypeError(type(value))


def pickled(value: object) -> bytes:
    return pickle.PROTO + b"\x02" + instructions(value) + pickle.STOP


def views(tensors: Mapping[str, Array]) -> dict[str, View]:
    """Each array as a view of its own storage, with the strides it has in memory."""
    return {
        name: View(
            key=str(number),
            count=array.size,
            shape=array.shape,
            stride=tuple(step // array.itemsize for step in array.strides),
            storage=STORAGE[array.dtype.name],
        )
        for number, (name, array) in enumerate(tensors.items())
    }


def numbers(array: Array) -> bytes:
    """The bytes of `array` in the order in which they lie in memory."""
    return array.transpose(np.argsort(array.strides, kind="stable")[::-1]).tobytes()


def legacy_pth(root: object, storages: Mapping[str, bytes], counts: Mapping[str, int]) -> bytes:
    """Torch's legacy stream: three pickles about the format, the state dict, the keys, the numbers."""
    system = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    heads = [0x1950A86A20F9469CFC6C, 1001, system, root, list(storages)]
    raw = (struct.pack("<q", counts[key]) + data for key, data in storages.items())
    return b"".join(map(pickled, heads)) + b"".join(raw)


def zip_pth(root: object, storages: Mapping[str, bytes], *, byteorder: bytes = b"little") -> bytes:
    """Torch's zip archive, stored without compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("weights/data.pkl", pickled(root))
        archive.writestr("weights/byteorder", byteorder)
        for key, data in storages.items():
            archive.writestr(f"weights/data/{key}", data)
        archive.writestr("weights/version", b"3\n")
    return buffer.getvalue()


def pth_bytes(tensors: Mapping[str, Array], *, form: str = "legacy", wrapper: str | None = None) -> bytes:
    """A sound .pth file of `tensors`."""
    root: object = views(tensors)
    storages = {str(number): numbers(array) for number, array in enumerate(tensors.values())}
    counts = {str(number): array.size for number, array in enumerate(tensors.values())}
    if wrapper is not None:
        root = {"epoch": 3, "metric": 0.75, wrapper: root}
    return legacy_pth(root, storages, counts) if form == "legacy" else zip_pth(root, storages)


def slow_crc32c(data: bytes) -> int:
    """CRC-32C bit by bit, as the standard writes it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


def mask(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer: a varint, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def entry(
    dtype: int, shape: tuple[int, ...], shard: int, offset: int, size: int, checksum: int, extra: bytes = b""
) -> bytes:
    """A BundleEntryProto."""
    dims = b"".join(field(2, field(1, side)) for side in shape)
    numbers = field(1, dtype) + field(2, dims) + field(3, shard) + field(4, offset) + field(5, size)
    return numbers + varint(6 << 3 | 5) + struct.pack("<I", checksum) + extra


def block(pairs: list[tuple[bytes, bytes]], *, restart: int = 16) -> bytes:
    """A block of a table: keys with shared prefixes, and a restart point every `restart` entries."""
    out, restarts, last = b"", [], b""
    for count, (key, value) in enumerate(pairs):
        shared = 0
        if count % restart == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    return out + b"".join(struct.pack("<I", place) for place in restarts) + struct.pack("<I", len(restarts))


def with_trailer(contents: bytes, compression: int = 0) -> bytes:
    data = contents + bytes([compression])
    return data + struct.pack("<I", mask(google_crc32c.value(data)))


def footer(index_offset: int, index_size: int) -> bytes:
    handles = varint(0) + varint(0) + varint(index_offset) + varint(index_size)
    return handles.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def table(pairs: list[tuple[bytes, bytes]], *, per_block: int = 8, compression: int = 0) -> bytes:
    """A whole `.index` file with `pairs` in their order."""
    data, handles = b"", []
    for start in range(0, len(pairs), per_block):
        chunk = pairs[start : start + per_block]
        contents = block(chunk, restart=4)
        handles.append((chunk[-1][0], varint(len(data)) + varint(len(contents))))
        data += with_trailer(contents, compression)
    contents = block(handles, restart=1)
    return data + with_trailer(contents) + footer(len(data), len(contents))


def header(shards: int = 1, endianness: int = 0) -> tuple[bytes, bytes]:
    """The entry of the empty name: a BundleHeaderProto."""
    return b"", field(1, shards) + (field(2, endianness) if endianness else b"") + field(3, field(1, 1))


def bundle(
    tensors: Mapping[str, Array], *, shards: int = 1, graph: bytes | None = None
) -> tuple[bytes, list[bytes]]:
    """Index and data shards of a TF1 checkpoint; the tensors are dealt out to the shards in turn.

    With `graph`, of `object_graph`, it is one of TensorFlow 2.
    """
    parts = [bytearray() for _ in range(shards)]
    pairs = [header(shards)]
    if graph is not None:
        raw, checksum = text_tensor(graph)
        pairs.append((b"_CHECKPOINTABLE_OBJECT_GRAPH", entry(7, (), 0, 0, len(raw), checksum)))
        parts[0] += raw
    for number, (key, array) in enumerate(sorted(tensors.items())):
        shard, raw = number % shards, array.tobytes()
        checksum = mask(google_crc32c.value(raw))
        place = len(parts[shard])
        pairs.append(
            (key.encode(), entry(TF_DTYPE[array.dtype.name], array.shape, shard, place, len(raw), checksum))
        )
        parts[shard] += raw
    return table(pairs), [bytes(part) for part in parts]


def text_tensor(text: bytes) -> tuple[bytes, int]:
    """The bytes of a tensor of one text as tensor_bundle's `WriteStringTensor` leaves them, and their checksum."""
    length = struct.pack("<I", len(text))
    checked = struct.pack("<I", mask(google_crc32c.value(length)))
    return varint(len(text)) + checked + text, mask(google_crc32c.value(length + checked + text))


def object_graph(names: Mapping[str, str]) -> bytes:
    """A TrackableObjectGraph: a root, and an object for each variable, key -> the variable's name."""
    children = b"".join(
        field(1, field(1, number) + field(2, key.encode())) for number, key in enumerate(names, 1)
    )
    nodes = [children]
    for key, called in names.items():
        attribute = field(1, b"VARIABLE_VALUE") + field(2, called.encode()) + field(3, key.encode())
        nodes.append(field(2, attribute) + field(5, field(1, 1)))
    return b"".join(field(1, node) for node in nodes)


def write_saved_model(
    folder: Path, parameters: Mapping[str, Array], *, first: int = 0, **card: object
) -> Path:
    """A SavedModel of TensorFlow 2 in `folder`: its variables as Keras names them, in the order of the plan.

    `saved_model.pb` holds nothing that anybody could run. `card` are fields of the card of ours; without any there
    is none. Variables are numbered from `first`.
    """
    keys = {
        name: f"variables/{place}/.ATTRIBUTES/VARIABLE_VALUE" for place, name in enumerate(parameters, first)
    }
    names = {keys[name]: keras_name(name) for name in parameters}
    names["save_counter/.ATTRIBUTES/VARIABLE_VALUE"] = "save_counter"
    tensors = {keys[name]: array for name, array in parameters.items()}
    tensors["save_counter/.ATTRIBUTES/VARIABLE_VALUE"] = np.array(1, np.int64)
    index, shards = bundle(tensors, graph=object_graph(names))
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    (folder / "variables/variables.index").write_bytes(index)
    (folder / "variables/variables.data-00000-of-00001").write_bytes(shards[0])
    if card:
        (folder / "efficientnet-lite.json").write_text(json.dumps({"schema": 1, "classes": None} | card))
    return folder


def keras_name(name: str) -> str:
    """`blocks_3_expand_bn/gamma` for `blocks_3/expand/gamma`, as Keras calls the variable."""
    layer, _, part = name.rpartition("/")
    norm = "_bn" if part in ("gamma", "beta", "moving_mean", "moving_variance") else ""
    return f"{layer.replace('/', '_')}{norm}/{part}"


def write_bundle(folder: Path, index: bytes, shards: list[bytes], prefix: str = "model.ckpt") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{prefix}.index").write_bytes(index)
    for number, data in enumerate(shards):
        (folder / f"{prefix}.data-{number:05}-of-{len(shards):05}").write_bytes(data)
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{prefix}"\n')
    return folder


def to_dialect(
    parameters: Mapping[str, NDArray[np.float32]], plan: Plan, dialect: Dialect
) -> dict[str, NDArray[np.float32]]:
    """`parameters` of `plan` under the names and in the layout of `dialect`. KeyError where one is missing."""
    return {
        foreign.name: np.ascontiguousarray(parameters[name].transpose(np.argsort(foreign.axes)))
        if foreign.axes
        else parameters[name]
        for name, foreign in foreign_names(plan, dialect).items()
    }
