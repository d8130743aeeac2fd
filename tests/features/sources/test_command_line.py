"""What `embed` takes on its command line and on stdin: addresses keep their slashes, beside files and folders."""

import io
import json
import signal
import sys
from types import SimpleNamespace

import pytest
from bad_server import serving
from listed_rows import photo, tar_bytes

from efficientnet_lite.cli.app import run

pq = pytest.importorskip("pyarrow.parquet", reason="the extra [embed]")
pytest.importorskip("fsspec", reason="the extra [embed]")
pytest.importorskip("aiohttp", reason="the extra [embed]")
MODEL = "lite0@32"


@pytest.fixture
def served(tmp_path):
    (tmp_path / "photos").mkdir()
    for number, name in enumerate("ab"):
        (tmp_path / f"photos/{name}.jpg").write_bytes(photo(number))
    (tmp_path / "shard.tar").write_bytes(tar_bytes([("key.jpg", photo(2))]))
    with serving(tmp_path, every=10) as server:
        yield server


def embedded(*arguments):
    assert run(["embed", MODEL, *map(str, arguments), "--quiet"]) == 0


@pytest.mark.parametrize("on_stdin", [False, True])
def test_addresses_arrive_as_they_are_written(served, on_stdin, tmp_path, capfd, monkeypatch):
    base = f"{served.address}/plain"
    named = [f"{base}/photos/a.jpg", f"{base}/shard.tar", f"{base}/gone.jpg", f"{tmp_path}/photos"]
    given = ["-"] if on_stdin else named
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(named).encode())))

    embedded(*given, "--jsonl")

    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(row["path"], "features" in row) for row in rows] == [
        (f"{base}/photos/a.jpg", True),
        (f"{base}/shard.tar/key.jpg", True),
        (f"{base}/gone.jpg", False),
        (f"{tmp_path}/photos/a.jpg", True),
        (f"{tmp_path}/photos/b.jpg", True),
    ]


def test_secrets_of_an_address_are_sent_and_not_kept(served, tmp_path, capfd):
    secret = served.address.replace("//", "//me:hidden@") + "/plain/photos/{}.jpg?id=1&token=hidden"
    (tmp_path / "list.csv").write_text(f"path\n{secret.format('b')}\n")
    shown = [f"{served.address}/plain/photos/{name}.jpg?id=1" for name in ("a", "b", "gone")]

    for number in range(2):  # a new token is no other photo
        given = [secret.format("a"), tmp_path / "list.csv", secret.format("gone")]
        given = [str(each).replace("hidden", f"hidden{number}") for each in given]
        embedded(*given, "--out", tmp_path / "v")
    embedded(*given, "--format", "npy", "--out", tmp_path / "n")

    assert pq.read_table(tmp_path / "v").column("path").to_pylist() == shown
    assert any(each.endswith("token=hidden1") for each in served.asked)
    written = [path.read_bytes() for folder in "vn" for path in (tmp_path / folder).iterdir()]
    assert len(written) == 6
    assert not any(b"hidden" in data for data in written)
    assert "hidden" not in "".join(capfd.readouterr())
    assert (tmp_path / "n/index.csv").read_text().split(",")[3] == shown[0]


def test_sigterm_ends_it_as_ctrl_c_does(served, tmp_path, capfd, monkeypatch):
    buffer = SimpleNamespace(read=lambda count: signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=buffer))

    assert run(["embed", MODEL, "-", "--out", str(tmp_path / "v")]) == 130
    assert "interrupted" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize(
    ("form", "why"),
    [("parquet", "s3:// needs a library"), ("npy", "one matrix is written on this machine")],
)
def test_a_store_that_cannot_be_written_to_is_refused_without_its_secrets(
    served, form, why, tmp_path, capfd, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    code = run(["embed", MODEL, "photos", "--out", "s3://me:hidden@bucket/v", "--format", form])

    assert code == 2
    said = capfd.readouterr().err
    assert why in said
    assert "hidden" not in said
    assert "s3://bucket/v" in said
    assert not (tmp_path / "s3:").exists()
