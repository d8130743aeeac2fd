"""The file door: whole files or none, locks, and input that is no file."""

import errno
import io
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite.errors import OutputFailed, UnusableInput, UsageError
from efficientnet_lite.storage import files

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_published_file_has_its_bytes_and_the_users_usual_permissions(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old, and longer than the new one")

    files.publish(path, b"new")

    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["model.tflite"]
    (tmp_path / "usual").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError, MemoryError])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, interruption):
    path = tmp_path / "card.json"
    path.write_bytes(b"old")

    def interrupted():
        with files.replacing(path) as file:
            file.write(b"half")
            raise interruption

    with pytest.raises(interruption):
        interrupted()

    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["card.json"]


def test_nothing_is_under_the_final_name_before_the_end(tmp_path):
    path = tmp_path / "card.json"

    with files.replacing(path) as file:
        file.write(b"half")
        file.flush()
        during = names(tmp_path)

    assert len(during) == 1
    assert during[0].endswith(files.PART_SUFFIX)
    assert names(tmp_path) == ["card.json"]


@posix_only
def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    path, final_name_existed = tmp_path / "card.json", []
    monkeypatch.setattr(os, "fsync", lambda number: final_name_existed.append(path.exists()))

    files.publish(path, b"data")

    assert final_name_existed == [False, True]  # a power cut between them leaves the old file or the new one


@pytest.mark.parametrize(
    ("number", "fix"),
    [(errno.ENOSPC, "free some space"), (errno.EACCES, "permissions"), (errno.EIO, "another")],
)
def test_a_failing_disk_is_an_error_with_its_remedy_and_leaves_nothing(tmp_path, number, fix):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")

    def failing():
        with files.replacing(path) as file:
            file.write(b"half")
            raise OSError(number, os.strerror(number))

    with pytest.raises(OutputFailed) as failure:
        failing()

    assert os.strerror(number) in failure.value.what
    assert failure.value.where == path
    assert fix in failure.value.fix
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["model.tflite"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_disk_that_fills_up_while_flushing_is_reported_too(tmp_path, monkeypatch):
    def full(self: Path, *args: object, **options: object) -> io.BufferedWriter:
        return open("/dev/full", "wb")  # noqa: PTH123

    monkeypatch.setattr(Path, "open", full)

    with pytest.raises(OutputFailed, match="No space left"):
        files.publish(tmp_path / "model.tflite", b"data")


@pytest.mark.parametrize("place", ["", ".", "/", "..", "folder", "folder/.."])
def test_a_folder_is_no_place_for_a_file(tmp_path, monkeypatch, place):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(OutputFailed, match="could not be written"):
        files.publish(Path(place), b"data")

    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == []


@pytest.mark.parametrize("place", ["missing/card.json", "file/card.json"])
def test_a_place_below_nothing_or_below_a_file_is_an_error_that_names_the_remedy(tmp_path, place):
    (tmp_path / "file").touch()

    with pytest.raises(OutputFailed) as failure:
        files.publish(tmp_path / place, b"data")

    assert "folder" in failure.value.fix or "file" in failure.value.fix
    assert names(tmp_path) == ["file"]


@posix_only
@pytest.mark.parametrize("character", ["a", "é", "写", "😀"])
def test_the_longest_name_that_a_file_can_have_can_be_published(tmp_path, character):
    name = character * (255 // len(character.encode()))

    files.publish(tmp_path / name, b"data")

    assert (tmp_path / name).read_bytes() == b"data"


@posix_only
def test_a_link_is_replaced_and_its_target_stays(tmp_path):
    (tmp_path / "target").write_bytes(b"target")
    (tmp_path / "link").symlink_to("target")

    files.publish(tmp_path / "link", b"new")

    assert (tmp_path / "target").read_bytes() == b"target"
    assert not (tmp_path / "link").is_symlink()


def test_threads_that_publish_one_file_leave_one_of_their_versions(tmp_path):
    path, versions = tmp_path / "card.json", [bytes([n]) * 100_000 for n in range(8)]

    threads = [threading.Thread(target=files.publish, args=(path, version)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert path.read_bytes() in versions
    assert names(tmp_path) == ["card.json"]


def test_json_is_utf8_for_people_and_reads_back_as_it_was(tmp_path):
    path, value = tmp_path / "card.json", {"label": "café 写真", "path": "caf\udce9.jpg", "top1": 0.5}

    files.publish_json(path, value)

    text = path.read_bytes().decode()
    assert json.loads(text) == value
    assert "café 写真" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": {1, 2}}])
def test_json_that_others_cannot_read_is_refused_before_a_file_is_touched(tmp_path, value):
    with pytest.raises((ValueError, TypeError)):
        files.publish_json(tmp_path / "card.json", value)

    assert names(tmp_path) == []


def test_digests_are_those_of_the_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")

    digest = files.sha256_file(path)

    assert digest == files.sha256_bytes(b"abc") == files.sha256_bytes(memoryview(b"abc"))
    assert digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1


@given(st.integers(0, 20), st.integers(0, 20))
def test_a_file_is_read_whole_up_to_its_limit_and_refused_above(tmp_path_factory, size, limit):
    path = tmp_path_factory.mktemp("read") / "file"
    path.write_bytes(b"x" * size)

    if size <= limit:
        assert files.read_bytes(path, limit=limit, what="a model") == b"x" * size
    else:
        with pytest.raises(UnusableInput, match=rf"{size} bytes are more than a model can have \({limit}\)"):
            files.read_bytes(path, limit=limit, what="a model")


@posix_only
def test_a_file_that_claims_to_be_empty_is_bounded_all_the_same():
    endless = Path("/proc/kallsyms")  # says 0 bytes and has millions
    if not endless.exists() or endless.stat().st_size:
        pytest.skip("no file of /proc that hides its size")

    with pytest.raises(UnusableInput, match="11 bytes are more"):
        files.read_bytes(endless, limit=10, what="a model")


@posix_only
@pytest.mark.parametrize("read", [files.sha256_file, lambda p: files.read_bytes(p, limit=9, what="a model")])
@pytest.mark.parametrize(
    "name", ["missing", "folder", "pipe", "loop", "file/below", "nul\0", "n" * 300, "dangling"]
)
def test_what_is_no_file_is_refused_with_a_reason_and_never_waited_for(tmp_path, read, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")

    with pytest.raises(UnusableInput) as failure:
        read(tmp_path / name)

    assert failure.value.where == tmp_path / name
    assert failure.value.what
    assert failure.value.fix


@posix_only
def test_a_file_without_permission_says_so(tmp_path, monkeypatch):
    def forbidden(self: Path, *args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    (tmp_path / "file").touch()
    monkeypatch.setattr(Path, "open", forbidden)  # root may read everything

    with pytest.raises(UnusableInput, match="Permission denied"):
        files.sha256_file(tmp_path / "file")


def test_a_second_run_on_one_target_is_refused_whatever_its_spelling(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")

    def second(target: str) -> None:
        with files.locked(Path(target)):
            pytest.fail("two runs hold one target")

    with files.locked(tmp_path / "run"):
        for spelling in (".", "../run", str(tmp_path / "run")):
            with pytest.raises(UsageError, match="another run"):
                second(spelling)


def test_a_lock_is_free_again_and_gone_after_the_run_even_a_failed_one(tmp_path):
    def failing():
        with files.locked(tmp_path / "runs" / "one"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    with files.locked(tmp_path / "runs" / "one"):
        assert names(tmp_path / "runs") == [".one.lock"]

    assert names(tmp_path / "runs") == []


def test_another_process_is_kept_out_and_a_killed_one_leaves_no_lock(tmp_path):
    target = tmp_path / "run"
    code = (
        "import sys, time; from pathlib import Path; from efficientnet_lite.storage import files\n"
        "with files.locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)\n"
    )

    def lock() -> None:
        with files.locked(target):
            pass

    holder = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another run"):
            lock()
    finally:
        holder.kill()
        holder.communicate()

    lock()
    assert names(tmp_path) == []


def test_the_root_and_a_place_below_a_file_cannot_be_locked(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="cannot be locked"), files.locked(Path(tmp_path.anchor)):
        pass
    with pytest.raises(OutputFailed), files.locked(tmp_path / "file" / "run"):
        pass


def test_a_lock_that_cannot_be_deleted_ends_no_run(tmp_path, monkeypatch):
    def refused(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "in use, as Windows says")

    monkeypatch.setattr(Path, "unlink", refused)

    for _ in range(2):  # the lock is free again, though its file is there
        with files.locked(tmp_path / "run"):
            assert names(tmp_path) == [".run.lock"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no files")
def test_a_place_where_no_lock_can_be_made_is_not_said_to_be_held():
    with pytest.raises(OutputFailed, match="it could not be written"), files.locked(Path("/proc/run")):
        pass
