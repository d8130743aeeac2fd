"""Parquet tables whose footers are sound and whose pages claim, or unfold to, more than any photo has."""

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq

MANY = 2**31 - 1
DATA_PAGE, DICTIONARY_PAGE = 0, 2
ROOM = 200_000  # bytes of a chunk, which a page of a bomb takes the place of


def _number(value, before=0x15):
    """A whole number of Thrift's compact protocol, as the field behind the last."""
    value, out = value << 1, bytes([before])
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _page(data, *, unfolded, values=1, kind=DATA_PAGE):
    """A page and its header. Source: Apache Parquet, parquet.thrift, `PageHeader`."""
    header = _number(kind) + _number(unfolded) + _number(len(data))
    if kind == DICTIONARY_PAGE:
        return header + b"\x4c" + _number(values) + _number(0) + b"\0\0" + data
    return header + b"\x2c" + _number(values) + _number(0) + _number(3) + _number(3) + b"\0\0" + data


def _table(page, codec, offset="data_page_offset", **options):
    """A table of one value, whose page, or dictionary, is replaced."""
    schema = pa.schema([pa.field("image", pa.binary(), nullable=False)])
    noise = random.Random(3).randbytes(ROOM)
    stream = io.BytesIO()
    pq.write_table(pa.table({"image": [noise]}, schema=schema), stream, compression=codec, **options)
    data = stream.getvalue()
    start = getattr(pq.read_metadata(io.BytesIO(data)).row_group(0).column(0), offset)
    assert len(page) < ROOM
    return data[:start] + page + data[start + len(page) :]


def bombs():
    """Name -> the bytes of a table."""
    zeros = 900 * 2**20
    photo = zeros.to_bytes(4, "little") + bytes(2**20 - 4)
    frame = pa.compress(bytes(2**20), "zstd", asbytes=True)
    packed = pa.compress(photo, "zstd", asbytes=True) + frame * (zeros // 2**20)
    plain = {"use_dictionary": False}
    claims = b"\xff\xff\xff\xff\x07"  # what Snappy unfolds to
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 256, pa.int32()), ["x" * 2**25])
    stream = io.BytesIO()
    columns = pa.table({"image": [b"\xff\xd8\xff"] * 256, "text": values})
    pq.write_table(columns, stream, compression="zstd", store_schema=False)
    return {
        "a page of zeros": _table(_page(packed, unfolded=zeros + 2**20), "zstd", **plain),
        "a page that claims much": _table(_page(claims + bytes(9), unfolded=MANY), "snappy", **plain),
        "a dictionary of many values": _table(
            _page(bytes(64), unfolded=64, values=MANY, kind=DICTIONARY_PAGE), "none", "dictionary_page_offset"
        ),
        "one long text for every row": stream.getvalue(),
    }
