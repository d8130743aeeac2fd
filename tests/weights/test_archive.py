"""Archives of TF1 checkpoints: read in memory, and nothing of a hostile one is taken."""

import gzip
import io
import tarfile
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.weights import archive as archives
from efficientnet_lite.weights.archive import is_archive, read_archive

FILES = {"net/checkpoint": b"state", "net/model.ckpt.index": b"index" * 300, "net/notes.txt": b"x"}


def tar(members=FILES, *, form=tarfile.PAX_FORMAT, extra=(), zipped=True):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in extra:
            archive.addfile(member)
    data = buffer.getvalue()
    return gzip.compress(data, 1) if zipped else data


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def read(data, tmp_path):
    return read_archive(data, lambda name: not name.endswith(".txt"), where=tmp_path / "x.tar.gz")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_the_wanted_files_come_back_from_every_kind_of_tar(tmp_path, zipped, form):
    long = {} if form == tarfile.USTAR_FORMAT else {f"{'d' * 120}/ä.index": b"long"}
    data = tar(FILES | long, form=form, zipped=zipped, extra=[member("net", tarfile.DIRTYPE)])

    found = read(data, tmp_path)

    assert is_archive(data)
    assert found == {name: data for name, data in (FILES | long).items() if not name.endswith(".txt")}


@pytest.mark.parametrize(
    "bad",
    [
        member("/etc/cron.d/x"),
        member("../outside.index"),
        member("net/../../outside.index"),
        member("..\\outside.index"),
        member("C:outside.index"),
        member("net/link.index", tarfile.SYMTYPE, "/etc/passwd"),
        member("net/link.index", tarfile.LNKTYPE, "net/checkpoint"),
        member("net/pipe", tarfile.FIFOTYPE),
        member("net/disk", tarfile.BLKTYPE),
        member("net/tty", tarfile.CHRTYPE),
    ],
    ids=lambda bad: bad.name,
)
def test_a_member_that_could_reach_outside_is_refused_and_nothing_is_written(tmp_path, bad):
    with pytest.raises(CheckpointError, match="the archive was not read"):
        read(tar(extra=[bad]), tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 10**6)

    with pytest.raises(CheckpointError, match="unpacks to more than 1,000,000 bytes"):
        read(tar({"net/big.txt": bytes(2 * 10**6)}), tmp_path)


def test_a_checkpoint_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_CHECKPOINT_BYTES", 1000)

    with pytest.raises(CheckpointError, match="its checkpoint has more than 1,000 bytes"):
        read(tar({"net/a.index": bytes(600), "net/b.index": bytes(600)}), tmp_path)


def test_endless_members_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="more than 1,000 members"):
        read(tar({f"net/{number}.txt": b"" for number in range(1001)}), tmp_path)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_long_name_of_a_gigabyte_is_refused_before_it_is_read(tmp_path, kind):
    head = tarfile.TarInfo("x")
    head.type, head.size = kind, 2**30
    data = gzip.compress(head.tobuf(tarfile.GNU_FORMAT) + bytes(2**20), 1)
    tracemalloc.start()

    with pytest.raises(CheckpointError, match="a header has 1,073,741,824 bytes"):
        read(data, tmp_path)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_headers_upon_headers_are_refused(tmp_path):
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, 0

    with pytest.raises(CheckpointError, match="damaged"):
        read(head.tobuf(tarfile.GNU_FORMAT) * 20_000, tmp_path)


@settings(deadline=None)
@given(length=st.integers(0, 2000))
def test_an_archive_cut_anywhere_is_refused(tmp_path_factory, length):
    data = tar()
    cut = data[: min(length, len(data) - 1)]

    with pytest.raises(CheckpointError, match="damaged"):
        read(b"\x1f\x8b" + cut[2:], tmp_path_factory.getbasetemp())


@settings(deadline=None)
@given(st.data())
def test_changed_bytes_of_a_header_give_an_error_or_contents_and_never_a_crash(tmp_path_factory, draw):
    data = bytearray(
        tar(zipped=False, form=draw.draw(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])))
    )
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, 511))] = draw.draw(st.integers(0, 255))
    data[148:156] = b"%06o\0 " % (256 + sum(data[:148]) + sum(data[156:512]))  # a sound checksum again

    try:
        found = read(bytes(data), tmp_path_factory.getbasetemp())
    except CheckpointError:
        return

    assert all(isinstance(part, bytes) for part in found.values())
