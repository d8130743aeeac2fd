"""Photos in Parquet tables: bytes, Hugging Face's struct, paths; what is carried, and hostile files."""

import datetime
import decimal
import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from listed_rows import photo, read, table

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.features.sources import parquet_rows, photo_list
from efficientnet_lite.features.sources.photo_list import list_sources
from efficientnet_lite.storage.confined_pieces import end_idle, pieces

pa = pytest.importorskip("pyarrow", reason="the extra [embed]")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra [embed]")
from parquet_bombs import bombs  # noqa: E402


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_column_of_bytes_is_read_and_the_others_are_carried(here):
    day = datetime.datetime(2026, 1, 2, 3, 4, 5, 6)
    columns = {
        "key": ["k0", "k1", "k2"], "jpg": [photo(0), photo(1), None], "width": [8, None, 3], "mask": [b"m"] * 3,
        "taken": pa.array([day] * 3, pa.timestamp("ns")), "price": [decimal.Decimal("1.50")] * 3,
        "tags": [["a"], [], None], "label": ["hat", None, "x"], "nested": [{"b": b"x"}] * 3,
        "good": [True, False, None],
    }  # fmt: skip
    pq.write_table(pa.table(columns), "x.parquet", row_group_size=2)

    types, rows = table("x.parquet")

    assert types == {
        "key": "string", "source_width": "int64", "taken": "string", "price": "string", "tags": "string", "good": "bool"
    }  # fmt: skip
    assert rows[0] == {
        "id": "x.parquet/000000", "path": "x.parquet/000000", "label": "hat", "key": "k0", "source_width": 8,
        "taken": "2026-01-02 03:04:05.000006000", "price": "1.50", "tags": '["a"]', "good": True,
    }  # fmt: skip
    assert read("x.parquet") == [
        ("x.parquet/000000", photo(0)),
        ("x.parquet/000001", photo(1)),
        ("x.parquet/000002", "the row has no bytes of a photo"),
    ]


@pytest.mark.parametrize("all_bytes", [True, False])
def test_hugging_faces_struct_is_read_by_its_bytes_else_by_its_path(here, all_bytes):
    (here / "beside.jpg").write_bytes(photo(1))
    second = {"bytes": photo(1) if all_bytes else None, "path": "beside.jpg"}
    images = [{"bytes": photo(0), "path": "0.jpg"}, second, {"bytes": photo(2), "path": None}]
    about = {"info": {"features": {"label": {"names": ["dog", "cat"], "_type": "ClassLabel"}}}}
    data = pa.table({"image": images, "label": [1, 0, 1]}).replace_schema_metadata(
        {"huggingface": json.dumps(about)}
    )
    pq.write_table(data, "x.parquet")

    _, rows = table("x.parquet")

    assert [row["label"] for row in rows] == ["cat", "dog", "cat"]
    beside = "x.parquet/beside.jpg" if all_bytes else "beside.jpg"
    assert read("x.parquet") == [
        ("x.parquet/0.jpg", photo(0)),
        (beside, photo(1)),
        ("x.parquet/000002", photo(2)),
    ]


def test_a_column_of_paths_is_read_as_a_manifest_is(here):
    (here / "d").mkdir()
    (here / "d/a.jpg").write_bytes(photo(4))
    pq.write_table(pa.table({"id": [5, 6], "file_name": ["a.jpg", "b.jpg"], "n": [1, 2]}), "d/x.parquet")

    assert table("d/x.parquet") == (
        {"n": "int64"},
        [
            {"id": "5", "path": "d/a.jpg", "label": None, "n": 1},
            {"id": "6", "path": "d/b.jpg", "label": None, "n": 2},
        ],
    )
    assert read("d/x.parquet") == [("d/a.jpg", photo(4)), ("d/b.jpg", "no such file (row 1)")]


def test_rows_are_had_in_any_order_by_many_threads(here):
    photos = [photo(n) + bytes(n * 100) for n in range(100)]
    pq.write_table(pa.table({"image": photos}), "x.parquet", row_group_size=30)

    with list_sources("x.parquet") as listed, ThreadPoolExecutor(4) as pool:
        entries = list(listed.entries())
        for order in (entries, entries[70:], entries[::-9]):
            assert list(pool.map(listed.read, order)) == [photos[int(each.path[-6:])] for each in order]


def test_a_table_without_photos_is_refused_by_its_columns(here):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), "x.parquet")

    with pytest.raises(
        UnusableInput, match=r"no column of photos or paths, but 'a' \(int64\), 'b' \(string\)"
    ):
        read("x.parquet")
    two = pa.Table.from_arrays(
        [pa.array([photo(1)]), pa.array(["x"]), pa.array(["y"])], names=["image", "a", "a"]
    )
    pq.write_table(two, "x.parquet")
    with pytest.raises(UnusableInput, match="it has the column 'a' twice"):
        read("x.parquet")
    (here / "y.parquet").write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(UnusableInput, match="no Parquet table that can be read"):
        read("y.parquet")
    (here / "z.parquet").write_bytes(b"PAR1" + bytes(100) + (2**31 - 1).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(UnusableInput, match=r"its footer has 2,147,483,647 bytes, more than 67,108,864"):
        read("z.parquet")


def test_a_damaged_page_takes_its_group_of_rows_with_it_and_is_tried_once(here, monkeypatch):
    photos, asked = [photo(n) for n in range(12)], []
    monkeypatch.setattr(
        parquet_rows, "pieces", lambda *given, **options: asked.append(1) or pieces(*given, **options)
    )
    columns = pa.table({"image": photos, "n": range(12)})
    pq.write_table(columns, "x.parquet", row_group_size=4, compression="none", use_dictionary=False)
    data = bytearray((here / "x.parquet").read_bytes())
    start = pq.read_metadata("x.parquet").row_group(1).column(0).data_page_offset
    data[start : start + 20] = b"\xff" * 20
    (here / "x.parquet").write_bytes(data)

    found = [data for _, data in read("x.parquet")]

    assert found[:4] + found[8:] == photos[:4] + photos[8:]
    assert all(each.startswith("it cannot be read: no Parquet table") for each in found[4:8])
    assert len(asked) == 4  # the list, group 0 and into 1, 1 alone, 2


def test_a_table_that_unfolds_enormously_is_refused_from_its_footer(here):
    options = {"compression": "lz4", "use_dictionary": False, "write_statistics": False}
    pq.write_table(pa.table({"image": [bytes(60 * 2**20)] * 3}), "x.parquet", **options)

    with pytest.raises(UnusableInput, match=r"bytes of 'image' unfold to 188,"):
        read("x.parquet")


def test_changed_and_cut_tables_are_rows_or_one_error(here, monkeypatch):
    monkeypatch.setattr(
        photo_list, "end_idle", lambda: None
    )  # one child for all, as for a list of many tables
    pq.write_table(
        pa.table({"image": [photo(n) for n in range(20)], "text": [f"text {n}" for n in range(20)]}),
        "w.parquet",
    )
    whole = (here / "w.parquet").read_bytes()
    random_ = random.Random(5)
    for case in range(40):
        data = bytearray(whole)
        for _ in range(random_.choice((1, 1, 4))):
            data[random_.randrange(len(data))] = random_.randrange(256)
        if case % 5 == 0:
            data = data[: random_.randrange(len(data))]
        (here / "x.parquet").write_bytes(data)
        try:
            assert read("x.parquet")
        except UnusableInput:
            continue
    end_idle()


READ_ALL = """
import json, resource, sys
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.features.sources.photo_list import list_sources

def peak(whose):
    return resource.getrusage(whose).ru_maxrss

with list_sources("sound.parquet") as listed:
    sound = [len(listed.read(entry)) for entry in listed.entries()]
said, before = [], peak(resource.RUSAGE_SELF)
for path in sys.argv[1:]:
    try:
        with list_sources(path) as listed:
            said.append([len(listed.read(entry)) for entry in listed.entries()])
    except UnusableInput as error:
        said.append([error.what, error.exit_code])
print(json.dumps([sound, said, peak(resource.RUSAGE_SELF) - before, peak(resource.RUSAGE_CHILDREN)]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system's limit of memory")
def test_what_pages_claim_or_unfold_to_takes_little_memory_and_is_one_error(here):
    pq.write_table(pa.table({"image": [photo(1)]}), "sound.parquet")
    tables = bombs()
    for name, data in tables.items():
        (here / name).with_suffix(".parquet").write_bytes(data)

    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *(f"{name}.parquet" for name in tables)],
        capture_output=True,
        check=True,
    )

    sound, said, own_kib, childs_kib = json.loads(done.stdout)
    assert sound == [len(photo(1))]
    for (what, code), name in zip(said, tables, strict=True):
        assert what.startswith("no Parquet table that can be read: it asks for more than 53"), (name, what)
        assert code == 3
    assert own_kib < 20_000
    assert childs_kib < 600_000
