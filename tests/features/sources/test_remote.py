"""Photos behind addresses: of every kind of source, from memory and from an HTTP server that fails in every way."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from bad_server import serving
from listed_rows import photo, read, table, tar_bytes

from efficientnet_lite.errors import EfficientNetLiteError, UnreadablePhoto, UnusableInput
from efficientnet_lite.features.sources import remote, remote_folders
from efficientnet_lite.features.sources.photo_list import list_sources
from efficientnet_lite.features.sources.remote import RemoteFile, beside
from efficientnet_lite.photos import decode
from efficientnet_lite.photos.accounting import MAY_PASS
from efficientnet_lite.records.example import encode
from records import record

fsspec = pytest.importorskip("fsspec", reason="the extra [embed]")
pytest.importorskip("aiohttp", reason="the extra [embed]")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra [embed]")
pa = pytest.importorskip("pyarrow", reason="the extra [embed]")

# aiohttp gives the connection of a request that it refuses back when the garbage is collected, and warns of it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PHOTOS = {n: photo(n) + bytes(n * 997) for n in range(12)}


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_S", 0.001)
    monkeypatch.setattr(remote, "SILENCE_S", 0.4)
    remote._options.cache_clear()
    yield
    remote._options.cache_clear()


@pytest.fixture
def folder(tmp_path):
    """Every kind of source, with the same photos."""
    (tmp_path / "p/train/a").mkdir(parents=True)
    (tmp_path / "p/val/b").mkdir(parents=True)
    (tmp_path / "p/notes.txt").write_text("x")
    for n, data in PHOTOS.items():
        (tmp_path / ("p/train/a" if n % 2 else "p/val/b") / f"{n:02d}.jpg").write_bytes(data)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "p").rglob("*.jpg"))
    (tmp_path / "m.csv").write_text("id,path\n" + "".join(f"{int(name[-6:-4])},{name}\n" for name in names))
    (tmp_path / "m.jsonl").write_text(
        "".join(json.dumps({"id": int(x[-6:-4]), "file": x}) + "\n" for x in names)
    )
    members = [
        (f"{n:02d}.{end}", data) for n, jpg in PHOTOS.items() for end, data in (("cls", b"c"), ("jpg", jpg))
    ]
    (tmp_path / "s.tar").write_bytes(tar_bytes(members))
    (tmp_path / "s.tgz").write_bytes(tar_bytes(members, "w:gz"))
    examples = (encode(data, n, height=9, width=9, label="c", name=f"{n}") for n, data in PHOTOS.items())
    (tmp_path / "r.tfrecord").write_bytes(b"".join(map(record, examples)))
    data = pa.table({"id": list(PHOTOS), "image": list(PHOTOS.values())})
    pq.write_table(data, tmp_path / "t.parquet", row_group_size=5)
    pq.write_table(pa.table({"id": list(PHOTOS), "path": [names[0]] * 12}), tmp_path / "paths.parquet")
    return tmp_path


KINDS = ("p/", "p/*/*/*.jpg", "m.csv", "m.jsonl", "s.tar", "s.tgz", "r.tfrecord", "t.parquet")


def in_memory(folder):
    system = fsspec.filesystem("memory")
    for path in folder.rglob("*"):
        if path.is_file():
            system.pipe_file(f"/{folder.name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"memory://{folder.name}"


@pytest.fixture
def places(folder):
    """Where the same folder lies: in memory, and behind two servers that fail each tenth and each third request."""
    memory = in_memory(folder)
    with serving(folder, every=10) as seldom, serving(folder, every=3) as often:
        yield {"memory": memory, "seldom": f"{seldom.address}/plain", "often": f"{often.address}/plain"}
        for server in (seldom, often):
            assert server.failed >= len(server.asked) // server.every
    fsspec.filesystem("memory").rm(f"/{folder.name}", recursive=True)


@pytest.mark.parametrize("protocol", ["memory", "seldom", "often"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_is_read_from_an_address(places, protocol, kind):
    with list_sources(f"{places[protocol]}/{kind}") as listed, ThreadPoolExecutor(4) as pool:
        entries = list(listed.entries())
        found = list(pool.map(listed.read, entries))

        assert len(entries) == len(set(found)) == len(PHOTOS)
        assert set(found) == set(PHOTOS.values())
        assert all(each.path.startswith(places[protocol]) for each in entries)
        assert listed.digest == list_sources(f"{places[protocol]}/{kind}").digest
        if kind == "p/":
            assert [each.label for each in entries] == ["a"] * 6 + ["b"] * 6
            assert listed.passed_over == {".txt": 1}
        if kind[0] in "mt":
            assert {each.id for each in entries} == {str(n) for n in PHOTOS}
        if kind[0] == "s":
            assert {each.label for each in entries} == {"c"}


def test_photos_of_many_bytes_come_whole_from_a_table_behind_an_address(folder):
    photos = [photo(n) + bytes(range(256)) * 5000 for n in range(3)]
    pq.write_table(pa.table({"image": photos}), folder / "large.parquet", compression="none")

    with serving(folder, every=7) as server:
        assert [data for _, data in read(f"{server.address}/plain/large.parquet")] == photos
        assert server.failed


def test_rows_of_a_table_behind_an_address_are_beside_it(places):
    with list_sources(f"{places['memory']}/paths.parquet") as listed:
        assert {listed.read(each) for each in listed.entries()} == {PHOTOS[1]}


def test_a_stranger_s_table_leads_to_no_file_of_this_machine_and_to_no_chain(folder):
    secret = folder / "secret.jpg"
    secret.write_bytes(photo(3))
    rows = (
        f"file://{secret}",
        f"local://{secret}",
        f"simplecache::file://{secret}",
        f"filecache::http://x/{secret}",
    )
    (folder / "bad.csv").write_text("path\n" + "\n".join(rows) + "\n")
    memory = in_memory(folder)

    for where in (str(folder / "bad.csv"), f"{memory}/bad.csv"):
        with pytest.raises(UnusableInput, match=r"4 skipped, the first.*not followed from a table"):
            list_sources(where)
    fsspec.filesystem("memory").rm(f"/{folder.name}", recursive=True)


def one(folder, manner, name="p/train/a/09.jpg", **options):
    with serving(folder, **options) as server:
        (found,) = read(f"{server.address}/{manner}/{name}")
        return found[1], server.asked


def test_a_connection_that_breaks_is_taken_up_where_it_broke(folder):
    data, asked = one(folder, "cut")

    assert data == PHOTOS[9]
    assert -(-len(PHOTOS[9]) // 3000) <= len(asked) <= 10


@pytest.mark.parametrize("manner", ["norange", "plain"])
def test_a_server_without_spans_is_read_from_the_beginning_again(folder, manner):
    with serving(folder) as server, RemoteFile(f"{server.address}/{manner}/s.tar") as file:
        first = file.read(5000)
        file._drop()
        rest = b""
        while part := file.read(1 << 16):
            rest += part

    assert first + rest == (folder / "s.tar").read_bytes()


def test_a_server_that_promises_more_than_it_sends_is_an_error_of_the_photo(folder):
    reason, asked = one(folder, "long")

    assert reason.startswith("it cannot be read: ")
    assert 1 < len(asked) <= remote.ATTEMPTS + 1


def test_a_server_that_promises_less_gives_a_cut_photo(folder):
    assert one(folder, "short")[0] == PHOTOS[9][:-20]


def test_a_photo_that_never_ends_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(remote, "MAX_BYTES", 300_000)
    monkeypatch.setattr(decode, "MAX_BYTES", 300_000)

    reason, asked = one(folder, "endless")

    assert "more than" in reason
    assert len(asked) == 1


def test_a_photo_that_is_announced_as_enormous_is_not_waited_for(folder):
    reason, asked = one(folder, "huge")

    assert (
        reason
        == "it cannot be read: 1,125,899,906,842,624 bytes are more than a photo can have (268,435,456)"
    )
    assert len(asked) == 1


@pytest.mark.parametrize("manner", ["circle", "astray"])
def test_a_server_that_leads_astray_is_not_followed(folder, manner):
    reason, asked = one(folder, manner)

    assert reason.startswith("it cannot be read: the server leads ")
    assert len(asked) <= 12


def test_a_server_that_says_nothing_or_drips_is_given_up(folder, monkeypatch):
    monkeypatch.setattr(remote, "ATTEMPTS", 2)
    assert one(folder, "silent")[0] == "it cannot be read: no answer in 0 s; this may pass"

    monkeypatch.setattr(remote, "PHOTO_S", 0.5)
    started = time.monotonic()
    assert one(folder, "drip")[0] == "it cannot be read: not there within 0 s; this may pass"
    assert time.monotonic() - started < 20


def test_an_archive_that_drips_is_given_up(folder, monkeypatch):
    monkeypatch.setattr(remote, "WINDOW_S", 0.5)

    with serving(folder) as server, pytest.raises(UnusableInput, match=r"bytes in \d+ s are too slow"):
        list_sources(f"{server.address}/drip/s.tar")


def test_what_is_not_there_is_said_at_once_and_other_photos_count(folder):
    with serving(folder) as server:
        base = f"{server.address}/plain"
        found = read([f"{base}/gone.jpg", f"{base}/p/val/b/00.jpg"])
        assert found == [
            (f"{base}/gone.jpg", "it cannot be read: no such file"),
            (f"{base}/p/val/b/00.jpg", PHOTOS[0]),
        ]
        assert len(server.asked) == 2
        with pytest.raises(UnusableInput, match="no such file"):
            list_sources(f"{base}/gone.tar")
    with pytest.raises(UnusableInput, match="nothing matches"):
        list_sources("memory://nowhere/*.jpg")
    with pytest.raises(UnusableInput, match="no address that can be read"):
        list_sources("nothing://x/1.jpg")


def test_an_archive_cut_on_its_server_gives_the_photos_before(folder):
    data = (folder / "s.tar").read_bytes()
    (folder / "cut.tar").write_bytes(data[: data.index(b"06.jpg") + 800])

    with serving(folder, every=10) as server:
        found = read(f"{server.address}/plain/cut.tar")

    assert [data for _, data in found[:-1]] == [PHOTOS[n] for n in range(6)]
    assert "damaged here" in found[-1][1]


def test_a_pattern_of_numbers_and_signs_of_a_query_are_kept_apart(folder):
    with serving(folder) as server:
        found = read(f"{server.address}/plain/p/val/b/{{00..02}}.jpg")
        assert [data if isinstance(data, bytes) else None for _, data in found] == [
            PHOTOS[0],
            None,
            PHOTOS[2],
        ]


def test_a_page_of_links_leads_nowhere_else_and_is_bounded(folder, monkeypatch):
    links = (
        "?C=N;O=D",
        "/",
        "../",
        "./",
        "http://127.0.0.1:1/x.jpg",
        "a.jpg",
        "a.jpg#top",
        "sub/b.jpg",
        "//h/c.jpg",
    )
    (folder / "site").mkdir()
    (folder / "site/a.jpg").write_bytes(photo(1))
    (folder / "site/index.html").write_text(
        "".join(f"<p><a class=x href='{link}'>{link}</a>" for link in links)
    )
    (folder / "endless.html").write_text("<a href='no end'>" * 1000)
    with serving(folder) as server:
        assert read(f"{server.address}/plain/site/") == [(f"{server.address}/plain/site/a.jpg", photo(1))]
        monkeypatch.setattr(remote_folders, "MAX_PAGE_BYTES", 100_000)
        with pytest.raises(OSError, match="a page of links has more than 100,000 bytes"):
            remote_folders._links(f"{server.address}/endless/endless.html")


@pytest.mark.parametrize(
    ("address", "written", "found"),
    [
        ("http://h/a/m.csv", "b/1 ?#%.jpg", "http://h/a/b/1 %3F%23%25.jpg"),
        ("http://h/a/m.csv", "/b/1.jpg", "http://h/b/1.jpg"),
        ("s3://bucket/a/m.csv", "../b/1.jpg", "s3://bucket/b/1.jpg"),
        ("memory://m.csv", "1.jpg", "memory://1.jpg"),
        ("http://h/m.csv", "https://other/1.jpg", "https://other/1.jpg"),
    ],
)
def test_what_a_table_names_is_beside_it(address, written, found):
    assert beside(address, written) == found


def test_columns_come_over_the_network_too(places):
    columns, rows = table(f"{places['often']}/r.tfrecord")

    assert columns["image/height"] == "int64"
    assert rows[0]["label"] == "c"


def test_what_is_no_address_is_a_row_or_one_error(folder):
    (folder / "m.csv").write_text("path\nhttp://[x/1.jpg\nhttp:///y\n//[z\np/val/b/00.jpg\n")
    (folder / "links").mkdir()
    (folder / "links/index.html").write_text(
        '<a href="http://[">x</a><a href="//[q">x</a><a href="1.jpg">x</a>'
    )
    (folder / "links/1.jpg").write_bytes(PHOTOS[1])
    with serving(folder) as server:
        base = f"{server.address}/plain"
        found = [data for _, data in read(f"{base}/m.csv")]
        assert found.pop() == PHOTOS[0]
        assert all(data.startswith("it cannot be read: ") for data in found)
        assert len(found) == 3
        assert read(f"{base}/links/") == [(f"{base}/links/1.jpg", PHOTOS[1])]
    for address in ("http://[x", "http://[x/1.tar", "https://", "s3://["):
        with pytest.raises(EfficientNetLiteError):
            read(address)


@pytest.mark.parametrize("name", ["p/val/b/00.jpg", "s.tar", "s.tgz", "r.tfrecord", "t.parquet"])
@pytest.mark.parametrize(("answer", "passes"), [(503, True), (403, True), (404, False)])
def test_what_may_pass_is_told_from_what_is_not_there(folder, name, answer, passes):
    with serving(folder) as server, list_sources(f"{server.address}/plain/{name}") as listed:
        server.refused = {name.rpartition("/")[2]: answer}
        with pytest.raises(UnreadablePhoto) as caught:
            listed.read(next(listed.entries()))

    assert caught.value.what.endswith(MAY_PASS) is passes
