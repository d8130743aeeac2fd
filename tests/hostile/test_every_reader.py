"""Everything that reads a stranger's bytes, on bombs, loops, cuts and noise: one error of ours, soon, in little memory.

The readers run in a process that may take 1 GiB of memory beyond what it begins with; each file gets five
seconds. A new reader, or a new way to bloat one, is a line of the table.
"""

import gzip
import io
import json
import math
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import altered as forms
import numpy as np
import pytest
import tiny
from ai_edge_litert import schema_py_generated as schema
from checkpoint_files import bundle, entry, field, header, object_graph, table

from efficientnet_lite.crc32c import masked_crc32c
from efficientnet_lite.network.plan import INPUT, VARIANTS, Conv, Dense, make_plan
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.protobuf import message
from efficientnet_lite.records.riegeli import HEADER, SIGNATURE, SIMPLE, TRANSPOSED
from efficientnet_lite.records.tfrecord import framed
from efficientnet_lite.tflite.artifact import About, int8_artifact
from efficientnet_lite.tflite.int8 import IntegerLayer, IntegerNetwork
from efficientnet_lite.tflite.quantmath import INPUT_SCALE, RELU6_SCALE

pa = pytest.importorskip("pyarrow", reason="the extra [embed]")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra [embed]")
pytest.importorskip("resource", reason="a limit of memory needs Unix")
if not sys.platform.startswith("linux"):
    pytest.skip("a limit of memory needs Linux", allow_module_level=True)

SECONDS = 5
BITS_20000 = "9" * 6021


def deep(opening, times=200_000):
    return (opening * times).encode()


def zipped(name, data, method=zipfile.ZIP_DEFLATED, change=lambda data: data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr(name, data)
    return change(stream.getvalue())


def encrypted(data):
    """The same archive, which now says that its member is encrypted."""
    changed = bytearray(data)
    changed[data.index(b"PK\3\4") + 6] |= 1
    changed[data.index(b"PK\1\2") + 8] |= 1
    return bytes(changed)


def wide_dictionary(data):
    """The same archive, whose LZMA asks for a dictionary of 4 GB."""
    start = data.index(b"\x5d", 30)  # the properties: lc 3, lp 0, pb 2
    return data[: start + 1] + b"\xff\xff\xff\xff" + data[start + 5 :]


def larger(data, size=2**31 - 1):
    """The same archive, whose member claims another size."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, data.index(b"PK\1\2") + 24, size)
    return bytes(changed)


def npy(shape, content=b"", descr="<f4"):
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + content


def tar_header(name=b"x.index", size=b"", kind=b"0", magic=b"ustar\x0000"):
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124 : 124 + len(size)], block[136:148], block[156:157] = size, b"00000000000\0", kind
    block[257:265] = magic
    block[148:156] = b"%06o\0 " % (sum(block) + 8 * 32)
    return bytes(block)


def pax(**records):
    text = b""
    for key, value in records.items():
        body = f" {key}={value}\n".encode()
        length = len(body) + 2
        text += str(length + (len(str(length)) > 2)).encode() + body
    size = b"%011o\0" % len(text)
    return tar_header(size=size, kind=b"x") + text.ljust(-(-len(text) // 512) * 512, b"\0")


def real_tar(mode, name="m.ckpt.index"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{mode}") as archive:
        member = tarfile.TarInfo(name)
        member.size = 5000
        archive.addfile(member, io.BytesIO(bytes(5000)))
    return stream.getvalue()


def saved_model(graph=None, card=None, labels=b"a\nb\n", index=None, data=None):
    """A SavedModel of ours in a tar, of one variable, or with another graph of objects, card, index or data."""
    key = "variables/0/.ATTRIBUTES/VARIABLE_VALUE"
    graph = object_graph({key: "blocks_0_depthwise/kernel"}) if graph is None else graph
    sound, shards = bundle({key: np.ones((3, 3, 32, 1), np.float32)}, graph=graph)
    contract = {"size": 224, "view": "crop", "crop_padding": 32, "mean": 127, "stddev": 128}
    about = {"schema": 1, "variant": "lite0", "contract": contract, "classes": 2}
    files = {
        "variables/variables.index": index or sound,
        "variables/variables.data-00000-of-00001": data or shards[0],
        "efficientnet-lite.json": json.dumps(about).encode() if card is None else card,
        "assets/labels.txt": labels,
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def graph_entry(size, offset=0, data=b""):
    """A SavedModel whose graph of objects claims to have `size` bytes."""
    record = entry(7, (), 0, offset, size, 0)
    return saved_model(index=table([header(), (b"_CHECKPOINTABLE_OBJECT_GRAPH", record)]), data=data or b"x")


def safetensors(header):
    return struct.pack("<Q", len(header)) + header


def pickle_bomb():
    body = b"\x80\x02)" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(200))
    return zipped("archive/data.pkl", body + b".", zipfile.ZIP_STORED)


def card(**fields):
    return json.dumps({"schema": 1, "labels": ["a", "b"]} | fields).encode()


def tflite(data):
    """A file of labels behind something that is no model: the archive is looked at first or not at all."""
    return b"\0" * 8 + data


def dotted(size, key="a."):
    return (key * (size // len(key)) + "a = 1\n").encode()


def parts_marker():
    words = ("model", "model_sha256", "runtime", "package", "layout", "dtype", "list_sha256")
    made = dict.fromkeys(words, "x") | dict.fromkeys(("pixels", "size", "part_rows", "rows"), 1)
    document = {
        "made_by": "efficientnet-lite 0",
        "complete": True,
        "provenance": made | {"contract": {}, "columns": {}},
    }
    return json.dumps(document | {"written": {"part-00000.parquet": {"bytes": 1, "sha256": "0"}}}).encode()


def vector_part(size=8, rows=3, paths=None, vectors=None, errors=None, number=1.0, **options):
    """A part of feature vectors in Parquet."""
    stream = io.BytesIO()
    paths = [f"{row}.jpg" for row in range(rows)] if paths is None else paths
    flat = pa.array(np.full(rows * size, number, np.float32))
    table = {
        "id": pa.array(paths, pa.string()),
        "path": pa.array(paths, pa.string()),
        "error": pa.array(errors or [None] * rows, pa.string()),
        "vector": pa.array(vectors, pa.list_(pa.float32(), size))
        if vectors
        else pa.FixedSizeListArray.from_arrays(flat, size),
    }
    pq.write_table(pa.table(table), stream, **options)
    return stream.getvalue()


def photo_record(data=b"\xff\xd8\xff photo"):
    record = message(1, message(1, message(1, b"image/encoded") + message(2, message(1, message(1, data)))))
    return framed(record)


def huge_record(size):
    length = struct.pack("<Q", size)
    return length + struct.pack("<I", masked_crc32c(length)) + bytes(100)


def parquet(values, name="image", **options):
    stream = io.BytesIO()
    pq.write_table(pa.table({name: values}), stream, **options)
    return stream.getvalue()


def riegeli(data, kind=SIMPLE, records=1, unfolded=None):
    """A file of one chunk of ArrayRecord, which says how many records it has and how large they are."""
    size = len(data) if unfolded is None else unfolded
    return SIGNATURE + HEADER.pack(0, len(data), 0, kind | records << 8, size) + data


def many_layers(kind, times=4000):
    """The small classifier with thousands of operators in a row, all of the same constants: nothing kept for each."""

    def change(tree):
        conv = tree.of("CONV_2D")[0]
        kernel, bias = tree.constant(np.ones((8, 1, 1, 8), np.float32)), tree.constant(np.ones(8, np.float32))
        options = schema.Conv2DOptionsT(strideH=1, strideW=1) if kind == "CONV_2D" else None
        shape = tree.graph.tensors[conv.outputs[0]].shape
        (read,) = conv.outputs
        after = tree.of("MEAN")[0]
        made = []
        for _ in range(times):
            result = tree.tensor(shape)
            inputs = {"CONV_2D": [read, kernel, bias], "MUL": [read, bias], "PAD": [read]}[kind]
            if kind == "PAD":
                inputs.append(tree.constant(np.zeros((4, 2), np.int32)))
            table = {"MUL": schema.MulOptionsT(), "PAD": schema.PadOptionsT()}.get(kind, options)
            made.append(tree.made(kind, inputs, [result], table))
            read = result
        place = tree.operators.index(after)
        tree.operators[place:place] = made
        after.inputs = np.array([read, *after.inputs[1:]], np.int32)

    return forms.altered(tiny.tiny(), change)


def int8_file(changed=lambda data: data):
    """An int8 file of ours, its weights 0."""
    plan, layers, scales = make_plan(VARIANTS["lite0"], size=32, classes=2), {}, {INPUT: INPUT_SCALE}
    for step in plan.steps:
        scales[step.name] = RELU6_SCALE
        if isinstance(step, Conv | Dense):
            shape = step.kernel_shape if isinstance(step, Conv) else (step.inputs, step.outputs)
            scale = np.ones(step.outputs if isinstance(step, Conv) else 1, np.float32)
            layers[step.name] = IntegerLayer(
                np.zeros(shape, np.int8), scale, np.zeros(step.outputs, np.int32)
            )
    about = About(Contract(32), "0" * 64, "x", ("logits",))
    return changed(int8_artifact(plan, IntegerNetwork(layers, scales), about))


BIG = BITS_20000.encode()
REAL = {
    "array record": [riegeli(b"photo" * 99)],
    "checkpoint": [
        real_tar("gz"),
        real_tar(""),
        safetensors(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}') + bytes(4),
        zipped("archive/data.pkl", b"\x80\x02}q\0.", zipfile.ZIP_STORED),
        zipped("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
        saved_model(),
    ],
    "golden": [zipped("images.npy", npy((4,), bytes(16)))],
    "labels": [tflite(zipped("labels.txt", b"a\nb\n"))],
    "labels map": [b'{"0": "tench", "1": "goldfish"}', b"\n".join([b"name"] * 1000)],
    "card": [card()],
    "config": [b'model = "lite0"\nseed = 3\n'],
    "identity": [b'{"schema": 1, "classes": 2}'],
    "integers": [int8_file()],
    "listed manifest": [b"path,note\nrows.csv,x\n", gzip.compress(b"path,note\nrows.csv,x\n")],
    "listed parquet": [parquet([b"\xff\xd8\xff photo"] * 3)],
    "listed records": [photo_record() * 2],
    "listed tar": [real_tar("gz", "a.jpg"), real_tar("", "a.jpg")],
    "manifest": [b'{"path": "a.jpg", "label": "b"}\n'],
    "npu report": [b'{"target": "ethos-u55-128", "tool": "Vela", "made_of": {}, "compiled": {}}'],
    "taken": [tiny.tiny()],
    "tfrecord": [struct.pack("<Q", 3) + bytes(4) + b"abc" + bytes(4)],
    "state": [b'{"schema": 1, "step": 1, "bytes": 0, "sha256": "", "journal": {}}'],
    "parts": [parts_marker()],
    "vector part": [vector_part()],
}
NUMBERS = {
    "card": [
        card(schema=0).replace(b"0", BIG),
        b'{"schema": 1e999}',
        b'{"schema": NaN}',
        card() + b" " * 2**23,
    ],
    "config": [
        b"seed = " + BIG,
        b"seed = 0x" + b"f" * 5000,
        b"seed = [0b" + b"1" * 20000 + b"]",
        b"x = {a = 0o" + b"7" * 7000 + b"}",
        dotted(2**20),
        dotted(60_000),
        dotted(60_000, "a . "),
        dotted(60_000, "'a'."),
        b"[" + dotted(60_000)[:-5] + b"]",
        deep("x=["),
        b"x=" + deep("[", 60_000),
        b"x=" + deep("{a=", 20_000),
    ],
    "manifest": [
        b'{"path": "a.jpg", "label": ' + BIG + b"}",
        b'{"path": ' + deep("[") + b"}",
        b'{"path": "a.jpg", "label": "b", "split": ' + BIG + b"}",
    ],
    "parts": [
        b'{"made_by": "efficientnet-lite 0", "complete": true, "provenance": {"rows": ' + BIG + b"}}",
        deep("["),
        deep('{"written":'),
    ],
    "labels map": [b'{"' + BIG + b'": "a"}', b'{"0": ' + BIG + b"}", deep("["), deep('{"0":')],
    "identity": [b'{"schema": ' + BIG + b"}", b'{"schema": 1, "classes": ' + BIG + b"}", deep("[")],
    "npu report": [b'{"target": ' + BIG + b', "tool": 1, "made_of": 1, "compiled": 1}', deep("[")],
    "state": [b'{"schema": ' + BIG + b"}", deep("["), b'{"schema": 1, "step": ' + BIG + b"}"],
    "checkpoint": [
        safetensors(b'{"a":{"dtype":"F32","shape":[' + BIG + b'],"data_offsets":[0,4]}}'),
        safetensors(
            b'{"__metadata__":{"format":"efficientnet-lite","schema":"1","labels":"[' + BIG + b']"}}'
        ),
        safetensors(b'{"a":' + deep("[")),
        zipped("a/data.pkl", b"\x80\x02\x8a\xff" + b"\xff" * 255 + b".", zipfile.ZIP_STORED),
        saved_model(card=b'{"schema": ' + BIG + b"}"),
        saved_model(card=b'{"schema": 1, "contract": {"size": ' + BIG + b"}}"),
        saved_model(card=b'{"schema": 1, "classes": 1e999}'),
        saved_model(card=deep("[", 30_000)),
    ],
}
BOMBS = {
    "array record": [
        riegeli(b"x", unfolded=2**62),
        riegeli(b"x", records=2**55),
        riegeli(b"x", kind=TRANSPOSED),
        SIGNATURE + HEADER.pack(0, 2**64 - 1, 0, SIMPLE, 1),
    ],
    "checkpoint": [
        gzip.compress(bytes(2**20), 1) * 64,
        tar_header(size=b"\x80" + (2**60).to_bytes(11)),
        gzip.compress(tar_header(size=b"\x80" + (2**60).to_bytes(11))),
        tar_header(size=b"\xff" * 12),
        tar_header(size=b"77777777777\0") * 20,
        tar_header(size=b"-0000000001\0"),
        tar_header(size=b"12x\0"),
        pax(size=2**60) + tar_header(),
        pax(size="-1") + tar_header(),
        pax(size="9" * 30) + tar_header(),
        pax(**{"GNU.sparse.major": 1, "GNU.sparse.minor": 0, "GNU.sparse.name": "x"})
        + tar_header(size=b"00000001000\0")
        + b"9999999999\n".ljust(512, b"1"),
        pax(**{"GNU.sparse.map": "0,1," * 5000}) + tar_header(),
        tar_header(size=b"00000002000\0", kind=b"S"),
        pax(path="x") * 1000 + tar_header(),
        tar_header(size=b"77777777777\0", kind=b"L"),
        tar_header(size=b"00000200000\0", kind=b"x") + b"1" * 65536,
        zipped("model.weights.h5", bytes(2**24)),
        zipped("model.weights.h5", bytes(100), zipfile.ZIP_LZMA, wide_dictionary),
        zipped("model.weights.h5", bytes(100), zipfile.ZIP_DEFLATED, encrypted),
        zipped("model.weights.h5", bytes(100), zipfile.ZIP_DEFLATED, larger),
        zipped("archive/data.pkl", bytes(2**24)),
        zipped("archive/data.pkl", bytes(100), zipfile.ZIP_LZMA, wide_dictionary),
        pickle_bomb(),
        saved_model(graph=b"\x0a\x00" * 2**20),
        saved_model(graph=field(1, b"\x12\x00" * 2**19)),
        saved_model(graph=field(1, field(2, b"\x12\x00" * 2**19))),
        saved_model(graph=field(1, b"\x0a\x00" * 2**19)),
        saved_model(graph=object_graph({f"variables/{n}": "stem_conv/kernel" for n in range(20_000)})),
        saved_model(graph=object_graph({"variables/0/.ATTRIBUTES/VARIABLE_VALUE": "/" * 10**6})),
        graph_entry(2**62),
        graph_entry(2**20, 2**63),
        graph_entry(2**21, data=b"\xff" * 2**21),
        graph_entry(12, data=b"\xff" * 9 + b"\x01" + bytes(4)),
        saved_model(labels=b"a\n" * 2**22),
        saved_model(labels=b"\r\n" * 2**22),
        saved_model(card=b"{}" + b" " * 2**17),
        zipped("archive/data.pkl", b"\x80\x02" + b"]" * 3_000_000, zipfile.ZIP_STORED),
        zipped("archive/data.pkl", b"\x80\x02" + b"(" * 3_000_000, zipfile.ZIP_STORED),
        zipped("archive/data.pkl", b"\x80\x02K\1" + b"\x85" * 3_000_000 + b".", zipfile.ZIP_STORED),
        zipped("archive/data.pkl", b"\x80\x02K\1r\xff\xff\xff\xff" * 1000 + b".", zipfile.ZIP_STORED),
        safetensors(b'{"a":{"dtype":"F32","shape":[1073741824,1073741824],"data_offsets":[0,4]}}') + bytes(4),
        safetensors(b'{"a":{"dtype":"F32","shape":[0' + b",9" * 30 + b'],"data_offsets":[0,0]}}'),
    ],
    "golden": [
        zipped("images.npy", npy((2**40,))),
        zipped("images.npy", npy((2**20,) * 30)),
        zipped("images.npy", npy((-1,))),
        zipped("images.npy", npy((2**62, 0))),
        zipped("images.npy", npy((1,), b"x", "|O")),
        zipped("images.npy", npy((1,), b"x", [("a", "<f4")])),
        zipped("images.npy", b"\x93NUMPY\1\0" + struct.pack("<H", 60_000) + b"(" * 60_000),
        zipped("images.npy", b"\x93NUMPY\1\0" + struct.pack("<H", 4000) + b"(" * 4000),
        zipped("images.npy", b"\x93NUMPY\1\0" + struct.pack("<H", 4000) + b"-" * 4000),
        zipped("images.npy", npy("(" + BITS_20000[:3000] + ",)")),
        zipped("images.npy", npy((2**24,), bytes(2**24), "|u1") + b"x"),
        zipped("images.npy", bytes(100), zipfile.ZIP_LZMA, wide_dictionary),
        zipped("images.npy", bytes(100), zipfile.ZIP_BZIP2),
        zipped("images.npy", npy((1,), bytes(4)), zipfile.ZIP_DEFLATED, encrypted),
        zipped("images.npy", npy((1,), bytes(4)), zipfile.ZIP_DEFLATED, larger),
    ],
    "labels": [
        tflite(zipped("labels.txt", bytes(2**24))),
        tflite(zipped("labels.txt", b"a\n", zipfile.ZIP_LZMA, wide_dictionary)),
        tflite(zipped("labels.txt", b"a\n", zipfile.ZIP_DEFLATED, encrypted)),
        tflite(zipped("labels.txt", b"a\n", zipfile.ZIP_BZIP2)),
    ],
    "labels map": [b"a\n" * 2**22, b"[" + b'"a",' * 2**21 + b'"a"]', b"x" * (2**24 + 1)],
    "card": [b'{"schema": 1, "x": [' + b"[]," * 2_000_000 + b"[]]}", deep('{"a":'), deep("[")],
    "parts": [b'{"x": [' + b"[]," * 5_000_000 + b"[]]}", b"x" * (16 * 2**20 + 1), deep("[")],
    "listed manifest": [
        b"path," + b"n" * 2**21 + b"\n",
        b'path,n\na.jpg,"' + b"x\n" * 2**20,
        gzip.compress(b"path\n" + bytes(2**28)),
        b"path\n" + b"file:///etc/passwd\n" * 1000,
        b'{"path": ' + deep("["),
        b"".join(b'{"path": "a", "c%d": 1}\n' % n for n in range(2000)),
    ],
    "listed parquet": [
        b"PAR1" + b"\xff" * 2000 + struct.pack("<I", 2000) + b"PAR1",
        b"PAR1" + struct.pack("<I", 2**31 - 1) + b"PAR1",
        parquet(["x"] * 3, name="text"),
    ],
    "listed records": [
        framed(b"")[:-4] + bytes(4),
        framed(bytes(2**20)),
        gzip.compress(struct.pack("<Q", 2**60) + bytes(4)),
        huge_record(2**40),
        huge_record(2**63),
        framed(b"\x0a\xff\xff\xff\xff\x0f"),
    ],
    "listed tar": [
        gzip.compress(bytes(2**20), 1) * 64,
        tar_header(b"x.jpg", size=b"\x80" + (2**60).to_bytes(11)),
        gzip.compress(tar_header(b"x.jpg", size=b"\x80" + (2**60).to_bytes(11))),
        gzip.compress(tar_header(b"x.jpg", size=b"77777777777\0") + bytes(2**26)),
        pax(size=2**60) + tar_header(b"x.jpg"),
        pax(size="9" * 30) + tar_header(b"x.jpg"),
        pax(path="../x.jpg") + tar_header(b"x.jpg"),
        pax(path="x") * 1000 + tar_header(b"x.jpg"),
        tar_header(b"x.jpg", size=b"00000002000\0", kind=b"S"),
        tar_header(b"x.jpg", kind=b"2"),
        tar_header(b"x.jpg", size=b"77777777777\0", kind=b"L"),
    ],
    "integers": [
        *(many_layers(kind, times) for kind, times in (("CONV_2D", 2000), ("MUL", 4000))),
        int8_file(lambda data: data.replace(b'"classes":2', b'"classes":9')),
        int8_file(lambda data: data.replace(b'["logits"]', b'["l0gits"]')),
        int8_file(lambda data: data.replace(b'"variant":"lite0"', b'"variant":"lite4"')),
    ],
    "taken": [
        *(many_layers(kind, times) for kind, times in (("CONV_2D", 2000), ("MUL", 4000), ("PAD", 4000))),
        tiny.tiny() + bytes(2**20),
        forms.altered(tiny.tiny(), forms.nothing, entries={"TFLITE_METADATA": b"M001" * 2**19}),
    ],
    "tfrecord": [struct.pack("<Q", 2**60) + bytes(4), struct.pack("<QI", 2**31, 0) + bytes(100)],
    "vector part": [
        b"PAR1" + struct.pack("<I", 2**31 - 1) + b"PAR1",
        parquet(["x"] * 3, name="path"),
        vector_part(size=9),
        vector_part(paths=[None, "b", "c"]),
        vector_part(paths=["x" * 2**20, "b", "c"]),
        vector_part(rows=1_000_000, compression="zstd"),
        vector_part(vectors=[None] * 3),
        vector_part(number=math.nan),
        vector_part(errors=["gone"] * 3),
    ],
}
NAMES = {
    "card": "card.json",
    "config": "config.toml",
    "listed manifest": "rows.csv",
    "listed parquet": "table.parquet",
    "listed records": "file.tfrecord",
    "listed tar": "file.tar",
    "manifest": "rows.jsonl",
    "parts": "_dataset.json",
    "state": "step-00000000001.json",
    "vector part": "part-00000.parquet",
    "golden": "a.golden.npz",
    "npu report": "a.tflite.report.json",
}


def cuts_and_noise():
    """Every real file cut, with changed bytes, and replaced by random ones behind its first eight."""
    random_ = random.Random(7)
    for reader, reals in REAL.items():
        for data in reals:
            for _ in range(6):
                yield reader, data[: random_.randrange(len(data))]
                changed = bytearray(data)
                for _ in range(random_.choice((1, 1, 3))):
                    changed[random_.randrange(len(data))] = random_.randrange(256)
                yield reader, bytes(changed)
            yield reader, data[:8] + random_.randbytes(2000)
            yield reader, random_.randbytes(3000)
            yield reader, b""


def read_all(tmp_path, cases):
    lines = []
    for number, (reader, data) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / NAMES.get(reader, "file")
        path.write_bytes(data)
        lines.append(f"{reader}\t{path}\n")
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("reading.py")],
        input="".join(lines),
        capture_output=True,
        text=True,
        timeout=600,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(lines), (lines[len(rows)], done.stderr[-2000:])
    return rows


@pytest.mark.parametrize("table", [NUMBERS, BOMBS], ids=["numbers and depth", "bombs and loops"])
def test_what_bloats_or_detains_a_reader_is_refused_soon_and_in_little_memory(tmp_path, table):
    cases = [(reader, data) for reader, files in table.items() for data in files]

    for (_, data), row in zip(cases, read_all(tmp_path, cases), strict=True):
        assert row["outcome"] == "refused", (row, data[:100])
        assert row["seconds"] < SECONDS, (row, data[:100])


def test_cut_changed_and_random_bytes_are_read_or_refused(tmp_path):
    cases = list(cuts_and_noise())

    rows = read_all(tmp_path, cases)

    for (_, data), row in zip(cases, rows, strict=True):
        assert row["outcome"] in ("read", "refused"), (row, data[:100])
        assert row["seconds"] < SECONDS, (row, data[:100])
    refused = {row["reader"] for row in rows if row["outcome"] == "refused"}
    assert refused == set(REAL)


def test_the_files_that_are_changed_are_sound_themselves(tmp_path):
    others = ("array record", "config", "golden", "labels", "labels map", "parts")
    cases = [(name, REAL[name][0]) for name in REAL if name in others or name.startswith("listed")]

    assert {row["outcome"] for row in read_all(tmp_path, cases)} == {"read"}
