"""Photos in archives: of WebDataset and any others, packed or not, hostile, cut."""

import gzip
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listed_rows import link_in_tar, photo, read, table, tar_bytes

from efficientnet_lite.errors import EfficientNetLiteError, UnusableInput
from efficientnet_lite.features.sources import passages, streams, tar_shards
from efficientnet_lite.features.sources.photo_list import list_sources

MODES = {"w": "a.tar", "w:gz": "a.tar.gz"}
SAMPLES = [
    ("./", b""),
    ("0001.cls", b"3\n"),
    ("0001.jpg", photo(1)),
    ("0001.json", json.dumps({"url": "http://x/1", "width": 640, "tags": ["a"], "good": True}).encode()),
    ("0001.txt", b"ein Schuh\n"),
    ("0002.cls", b"hat"),
    ("0002.png", photo(2)),
    ("0002.json", b'{"width": 2.5, "good": null, "half": "\\ud800"}'),
    ("sub/0003.jpg", photo(3)),
    ("0004.txt", b"no photo"),
]


@pytest.fixture(params=MODES)
def shard(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(members, name=MODES[request.param]):
        (tmp_path / name).write_bytes(tar_bytes(members, request.param, format=tarfile.PAX_FORMAT))
        return name

    return make


def test_what_lies_beside_a_photo_of_webdataset_is_its_label_and_columns(shard):
    name = shard(SAMPLES[1:])

    columns, rows = table(name)

    assert columns == {
        "url": "string", "source_width": "float64", "tags": "string", "good": "bool", "txt": "string", "half": "string"
    }  # fmt: skip
    first, second, third = rows
    assert first == {
        "id": "0001", "path": f"{name}/0001.jpg", "label": "3", "url": "http://x/1", "source_width": 640.0,
        "tags": '["a"]', "good": True, "txt": "ein Schuh", "half": None,
    }  # fmt: skip
    assert (second["id"], second["label"], second["source_width"], second["half"]) == (
        "0002",
        "hat",
        2.5,
        "\\ud800",
    )
    assert (third["id"], third["path"], third["label"]) == ("sub/0003", f"{name}/sub/0003.jpg", None)
    with list_sources(name) as listed:
        assert listed.passed_over == {".txt": 1}
        assert [each.size for each in listed.entries()] == [len(photo(n)) for n in (1, 2, 3)]


def test_the_bytes_are_those_that_were_put_in_in_any_order_and_by_many_threads(shard, monkeypatch):
    monkeypatch.setattr(passages, "HELD_PHOTOS", 8)
    photos = {f"{n:03d}.jpg": photo(n) + bytes(n * 900) for n in range(60)}
    name = shard(photos.items())

    with list_sources(name) as listed, ThreadPoolExecutor(6) as pool:
        entries = list(listed.entries())
        for order in (entries, entries[40:], entries[::-7]):
            for entry, data in zip(order, pool.map(listed.read, order), strict=True):
                assert data == photos[entry.path.rpartition("/")[2]]


def test_a_shard_that_stands_twice_counts_once_and_a_name_that_stands_twice_in_it_counts_twice(shard):
    name = shard([("a.jpg", photo(1)), ("a.jpg", photo(2))])

    assert read([name, f"./{name}", name]) == [(f"{name}/a.jpg", photo(1)), (f"{name}/a.jpg", photo(2))]


def test_what_an_attack_puts_into_an_archive_is_a_row_with_its_reason(shard, tmp_path):
    (tmp_path.parent / "secret.jpg").write_bytes(photo(9))
    fifo, device = tarfile.TarInfo("f.jpg"), tarfile.TarInfo("d.jpg")
    fifo.type, device.type = tarfile.FIFOTYPE, tarfile.CHRTYPE
    sparse = tarfile.TarInfo("s.jpg")
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**60)}
    name = shard(
        [
            ("../secret.jpg", photo(1)), ("/etc/x.jpg", photo(1)), ("..\\..\\x.jpg", photo(1)), ("C:/x.jpg", photo(1)),
            ("in/../../x.jpg", photo(1)), link_in_tar("l.jpg", "../secret.jpg"),
            link_in_tar("h.jpg", "ok.jpg", tarfile.LNKTYPE), fifo, device, sparse, ("._mac.jpg", b"fork"),
            ("__MACOSX/1.jpg", photo(1)), ("ok.jpg", photo(5)),
        ]
    )  # fmt: skip

    found = read(name)

    assert found[-1] == (f"{name}/ok.jpg", photo(5))
    assert [reason for _, reason in found[:5]] == [tar_shards.LEADS_OUT] * 5
    assert [reason for _, reason in found[5:-1]] == [tar_shards.NO_FILE] * 5
    with list_sources(name) as listed:
        assert listed.passed_over == {"__MACOSX/": 1, "hidden files": 1}


@pytest.mark.parametrize("cut", ["photo", "header", "end"])
def test_of_an_archive_that_breaks_off_the_photos_before_count_and_the_loss_is_a_row(
    tmp_path, monkeypatch, cut
):
    monkeypatch.chdir(tmp_path)
    whole = tar_bytes([(f"{n}.jpg", photo(n) + bytes(1200)) for n in range(4)])
    third = whole.index(b"2.jpg")
    place = {"photo": third + 900, "header": third + 100, "end": third}[cut]
    (tmp_path / "a.tar").write_bytes(whole[:place])

    found = read("a.tar")

    assert found[:2] == [(f"a.tar/{n}.jpg", photo(n) + bytes(1200)) for n in range(2)]
    ((path, reason),) = found[2:]
    assert path == ("a.tar/2.jpg" if cut == "photo" else "a.tar")
    assert reason == (tar_shards.NO_END if cut == "end" else f"{tar_shards.DAMAGED}: it breaks off")


@pytest.mark.parametrize("packed", [False, True])
def test_a_member_that_claims_more_than_there_is_is_where_the_archive_ends(tmp_path, packed):
    huge = bytearray(tar_bytes([("2.jpg", photo(2))])[:1024])
    huge[124:136] = b"\x80" + (2**60).to_bytes(11)
    huge[148:156] = b"        "
    huge[148:156] = b"%06o\0 " % sum(huge[:512])
    data = tar_bytes([("1.jpg", photo(1))])[:1536].rstrip(b"\0")
    data = data.ljust(-(-len(data) // 512) * 512, b"\0") + bytes(huge)
    (tmp_path / "a.tar").write_bytes(gzip.compress(data) if packed else data)

    found = read(str(tmp_path / "a.tar"))

    assert found[0][1] == photo(1)
    assert [each for _, each in found[1:]] == [f"{tar_shards.DAMAGED}: it breaks off"]


def test_of_a_packed_archive_that_breaks_off_the_photos_before_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise = [bytes(range(256)) * 40 + photo(n) * 30 for n in range(40)]
    whole = tar_bytes([(f"{n:02d}.jpg", photo(n) + each) for n, each in enumerate(noise)], "w:gz")
    (tmp_path / "a.tgz").write_bytes(whole[: len(whole) // 2])

    found = read("a.tgz")

    good = [data for _, data in found if isinstance(data, bytes)]
    assert len(good) > 5
    assert good == [photo(n) + noise[n] for n in range(len(good))]
    assert found[-1][1].startswith(tar_shards.DAMAGED)
    assert len(found) == len(good) + 1


def test_of_what_gzip_unfolds_without_end_the_photos_before_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(streams, "MAX_UNFOLDED_BYTES", 2**20)
    zeros = [(f"{n}.bmp", bytes(2**20)) for n in (2, 3)]
    (tmp_path / "a.tgz").write_bytes(tar_bytes([("1.jpg", photo(1)), *zeros], "w:gz"))

    assert read("a.tgz") == [
        ("a.tgz/1.jpg", photo(1)),
        ("a.tgz/2.bmp", f"{tar_shards.DAMAGED}: gzip unfolds it to more than 100 times its bytes"),
    ]


def test_an_archive_packed_in_another_way_or_gone_is_named(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_bytes([("1.jpg", photo(1))], "w:bz2"))

    with pytest.raises(UnusableInput, match="packed by bzip2"):
        read(str(tmp_path / "a.tar"))
    (tmp_path / "b.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(UnusableInput, match=r"no photos found: 1 skipped, the first.*damaged here"):
        read(str(tmp_path / "b.tar"))


def test_an_archive_that_changes_after_it_was_listed_is_an_error_of_its_photos(shard, tmp_path):
    name = shard([(f"{n}.jpg", photo(n)) for n in range(3)])
    with list_sources(name) as listed:
        shard([("0.jpg", photo(0))])
        entries = list(listed.entries())
        with pytest.raises(EfficientNetLiteError, match="has changed since it was listed"):
            listed.read(entries[2])


WHOLE = tar_bytes(SAMPLES[1:], "w")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, len(WHOLE)),
    packed=st.booleans(),
)
def test_changed_and_cut_archives_are_rows_or_one_error(tmp_path, edits, cut, packed):
    data = bytearray(tar_bytes(SAMPLES[1:], "w:gz") if packed else WHOLE)
    for place, value in edits:
        data[place % len(data)] = value
    (tmp_path / "a.tar").write_bytes(data[:cut])

    try:
        found = read(str(tmp_path / "a.tar"))
    except UnusableInput:
        return
    assert found
