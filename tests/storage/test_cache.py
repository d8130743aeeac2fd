"""The cache: what is put in comes out whole or not at all, whatever happened to its file."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from efficientnet_lite.notices import listening
from efficientnet_lite.storage import cache as cache_door
from efficientnet_lite.storage import cache_place
from efficientnet_lite.storage.cache import FILE_NAME, Cache
from efficientnet_lite.storage.cache_place import cache_folder

ENTRIES = {f"key-{number}": bytes([number]) * 5000 for number in range(40)}


def filled(folder):
    with Cache(folder) as cache:
        cache.put("space", ENTRIES, about="numbers")
    return folder / FILE_NAME


def test_what_is_put_in_comes_out(tmp_path):
    filled(tmp_path)

    with Cache(tmp_path) as cache:
        assert dict(cache.get("space", list(ENTRIES))) == ENTRIES
        assert cache.keys("space") == set(ENTRIES)
        assert not dict(cache.get("another", list(ENTRIES)))
        (held,) = cache.held()
        assert (held.about, held.entries, held.bytes) == ("numbers", 40, 200_000)


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
def test_only_its_owner_can_read_it(tmp_path):
    path = filled(tmp_path / "new")

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), cut=st.booleans())
def test_a_damaged_file_gives_whole_values_or_none_and_can_be_filled_again(tmp_path, place, cut):
    path = filled(tmp_path)
    data = bytearray(path.read_bytes())
    position = int(place * len(data))
    if cut:
        del data[position:]
    else:
        data[position] ^= 0xFF
    path.write_bytes(data)

    with Cache(tmp_path) as cache:
        for key, value in cache.get("space", list(ENTRIES)):
            assert value == ENTRIES[key]
        cache.put("space", ENTRIES, about="numbers")
        cache.clear()
        cache.put("space", ENTRIES, about="numbers")
        assert dict(cache.get("space", list(ENTRIES))) == ENTRIES


def test_a_killed_writer_leaves_what_it_had_committed(tmp_path):
    program = (
        "import sys; from pathlib import Path; from efficientnet_lite.storage.cache import Cache\n"
        "cache = Cache(Path(sys.argv[1]))\n"
        "for number in range(10**6):\n"
        "    cache.put('space', {str(number): bytes(20000)}, about='x'); print(number, flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for _ in range(20):
        last = int(writer.stdout.readline())
    time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()

    with Cache(tmp_path) as cache:
        wanted = [str(number) for number in range(last + 1)]
        assert {key for key, value in cache.get("space", wanted) if value == bytes(20000)} == set(wanted)


def test_the_least_recently_used_space_goes_first(tmp_path):
    with Cache(tmp_path, limit_bytes=250_000) as cache:
        cache.put("old", ENTRIES, about="old")
        cache.put("new", ENTRIES, about="new")
        cache.prune()

        assert [held.about for held in cache.held()] == ["new"]
        assert dict(cache.get("new", list(ENTRIES))) == ENTRIES


def test_clear_gives_the_bytes_back(tmp_path):
    path = filled(tmp_path)
    before = path.stat().st_size

    with Cache(tmp_path) as cache:
        freed = cache.clear()

    assert freed > 150_000
    assert path.stat().st_size < before / 2


@pytest.fixture
def told(monkeypatch):
    """What users are told meanwhile."""
    monkeypatch.setattr(cache_place, "_told", set())
    heard = []
    with listening(heard.append):
        yield heard


def serves(folder):
    """Whether a cache there gives back what it was given, as far as this run goes."""
    with Cache(folder) as cache:
        cache.put("space", ENTRIES, about="numbers")
        return dict(cache.get("space", list(ENTRIES))) == ENTRIES


@pytest.mark.parametrize("place", ["file", "file/cache", "pipe", "loop", "n" * 300, "folder"])
def test_a_place_that_cannot_be_is_a_notice_and_a_temporary_cache_serves(tmp_path, told, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder" / FILE_NAME).mkdir(parents=True)  # a folder in the place of the cache's own file
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")

    assert serves(tmp_path / place)
    assert serves(tmp_path / place)

    [notice] = told
    assert f"the cache {tmp_path / place} cannot be used" in notice
    assert "EFFICIENTNET_LITE_CACHE=FOLDER" in notice


SERVES = """
import os, sys
from pathlib import Path
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.notices import listening
if sys.argv[1] == "homeless":  # a container's user, whom no file of the system knows
    os.environ.pop("HOME", None); os.environ.pop("XDG_CACHE_HOME", None)
    os.setuid(4_012_345)
with listening(print):
    for _ in range(2):
        with Cache() as cache:
            cache.put("space", {"key": b"value"}, about="x")
            assert list(cache.get("space", ["key"])) == [("key", b"value")]
            assert cache.size_bytes() == 0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a user without a home")
def test_a_container_without_a_home_has_a_temporary_cache_and_one_notice(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    environment = {name: value for name, value in os.environ.items() if name != "EFFICIENTNET_LITE_CACHE"}

    done = subprocess.run(
        [sys.executable, "-c", SERVES, "homeless"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    [notice] = done.stdout.splitlines()
    assert "no home folder" in notice
    assert "EFFICIENTNET_LITE_CACHE=FOLDER" in notice
    assert list(tmp_path.iterdir()) == []  # no folder that is called ~


@pytest.mark.parametrize("kind", ["closed", "read-only", "read-only file"])
def test_a_cache_that_may_not_be_written_is_a_notice_and_a_temporary_one_serves(tmp_path, bound, kind):
    folder = tmp_path / "cache"
    folder.mkdir()
    if kind == "read-only file":
        (folder / FILE_NAME).touch(mode=0o444)
    else:
        folder.chmod(0o555)
        folder = folder if kind == "read-only" else folder / "inside"

    done = bound(SERVES, "here", EFFICIENTNET_LITE_CACHE=str(folder))

    tmp_path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    [notice] = done.stdout.splitlines()
    assert "Permission denied" in notice


def test_a_cache_that_another_process_holds_is_waited_for_with_a_word(tmp_path, told, monkeypatch):
    assert cache_door.SILENCE_S == 2
    monkeypatch.setattr(cache_door, "SILENCE_S", 0.3)
    filled(tmp_path)
    hold = (
        "import sqlite3, time; held = sqlite3.connect(Path(sys.argv[1], 'FILE'), isolation_level=None)\n"
        "held.execute('BEGIN IMMEDIATE'); print('held', flush=True); time.sleep(1.5); held.execute('COMMIT')\n"
    )
    other = in_another_process(hold.replace("FILE", FILE_NAME), tmp_path)
    assert other.stdout.readline() == "held\n"

    with Cache(tmp_path) as cache:
        cache.put("space", {"late": b"value"}, about="x")
    other.communicate(timeout=60)

    with Cache(tmp_path) as cache:  # it was kept where it belongs
        assert dict(cache.get("space", ["late"])) == {"late": b"value"}
    [notice] = told
    assert "another process holds the cache" in notice
    assert "EFFICIENTNET_LITE_CACHE" in notice


def test_a_cache_that_stays_held_is_given_up_once_and_not_at_every_step(tmp_path, told, monkeypatch):
    monkeypatch.setattr(cache_door, "PATIENCE_S", 0.5)
    filled(tmp_path)
    held = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)

    with Cache(tmp_path) as cache:
        held.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        for number in range(10):
            cache.put("space", {str(number): b"value"}, about="x")
        waited = time.monotonic() - started
    held.close()

    assert waited < 2
    assert ["still holds the cache" in notice for notice in told] == [True]


def test_the_environment_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path

    monkeypatch.delenv("EFFICIENTNET_LITE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "efficientnet-lite"


def in_another_process(program, folder):
    start = "import os, sys; from pathlib import Path; from efficientnet_lite.storage.cache import Cache\n"
    command = [sys.executable, "-c", start + program, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def spoil(path):
    """Overwrite the first page but for the words that tell whose file it may be, as a failing disk might."""
    with path.open("r+b") as file:
        file.seek(16)
        file.write(b"no database at all" * 300)


def test_a_value_in_the_place_of_another_counts_as_absent(tmp_path):
    path = filled(tmp_path)
    with sqlite3.connect(path) as connection:  # whole values, as from an index that points to wrong rows
        connection.execute("UPDATE entries SET key = 'lost' WHERE key = 'key-3'")
        connection.execute("UPDATE entries SET key = 'key-3' WHERE key = 'key-4'")
    connection.close()

    with Cache(tmp_path) as cache:
        assert set(dict(cache.get("space", list(ENTRIES)))) == set(ENTRIES) - {"key-3", "key-4"}


def test_damage_while_it_is_open_costs_the_entries_only(tmp_path):
    path = filled(tmp_path)

    with Cache(tmp_path) as cache:
        spoil(path)
        found = dict(cache.get("space", list(ENTRIES)))
        assert all(ENTRIES[key] == value for key, value in found.items())
        cache.put("space", ENTRIES, about="numbers")
        cache.put("space", ENTRIES, about="numbers")
        assert dict(cache.get("space", list(ENTRIES))) == ENTRIES


def test_a_file_of_somebody_elses_under_the_caches_name_is_left_alone(tmp_path, told):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / FILE_NAME).write_text("mine: notes on two caches")
    (tmp_path / "photo").mkdir()
    (tmp_path / "photo" / FILE_NAME).write_bytes(b"\xff\xd8\xff\xe0 mine")
    (tmp_path / "other").mkdir()
    connection = sqlite3.connect(tmp_path / "other" / FILE_NAME)
    connection.execute("CREATE TABLE songs (name)")
    connection.execute("INSERT INTO songs VALUES ('mine')")
    connection.commit()
    connection.close()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    for folder in ("text", "photo", "other"):
        with Cache(tmp_path / folder) as cache:
            cache.put("space", ENTRIES, about="numbers")
            assert dict(cache.get("space", list(ENTRIES))) == ENTRIES
            cache.clear()

    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert all("somebody else's" in notice for notice in told)
    assert told


@pytest.mark.parametrize("schema", ["entries (a)", "spaces (id INTEGER PRIMARY KEY)"])
def test_tables_of_another_make_are_begun_anew(tmp_path, schema):
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute(f"CREATE TABLE {schema}")
    connection.close()

    filled(tmp_path)
    with Cache(tmp_path) as cache:
        assert dict(cache.get("space", list(ENTRIES))) == ENTRIES


def test_a_damaged_file_that_cannot_be_deleted_makes_way_for_a_temporary_one(tmp_path, told, monkeypatch):
    path = filled(tmp_path)
    spoil(path)
    before = path.read_bytes()

    def refuse(*_, **__):  # what Windows says while another process has the file open
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(Path, "unlink", refuse)
    with Cache(tmp_path) as cache:
        cache.put("space", ENTRIES, about="numbers")
        assert dict(cache.get("space", list(ENTRIES))) == ENTRIES

    assert path.read_bytes() == before
    assert ["cannot access the file" in notice for notice in told] == [True]


def test_who_finds_the_damage_second_keeps_what_the_first_began_anew(tmp_path):
    path = filled(tmp_path)
    first, second = Cache(tmp_path), Cache(tmp_path)
    damage = sqlite3.DatabaseError("database disk image is malformed")
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT

    first._failed(damage)
    first.put("space", ENTRIES, about="numbers")
    begun = path.stat().st_ino
    second._failed(damage)

    assert path.stat().st_ino == begun
    assert dict(second.get("space", list(ENTRIES))) == ENTRIES
    first.close()
    second.close()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_READ])
def test_trouble_that_passes_throws_nothing_away(tmp_path, told, code):
    filled(tmp_path)
    trouble = sqlite3.OperationalError("trouble")
    trouble.sqlite_errorcode = code

    with Cache(tmp_path) as cache:
        cache._failed(trouble)
        assert dict(cache.get("space", list(ENTRIES))) == ENTRIES


def test_a_file_that_ends_too_early_is_damaged(tmp_path):
    filled(tmp_path)
    trouble = sqlite3.OperationalError("disk I/O error")
    trouble.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHORT_READ

    with Cache(tmp_path) as cache:
        cache._failed(trouble)
        assert not cache.keys("space")


def test_several_processes_fill_it_at_once(tmp_path):
    program = (
        "cache = Cache(Path(sys.argv[1])); sys.stdin.readline()\n"
        "for n in range(30): cache.put('space', {f'{os.getpid()}-{n}': bytes(5000)}, about='x')\n"
    )
    writers = [in_another_process(program, tmp_path) for _ in range(3)]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    for writer in writers:
        writer.communicate()

    with Cache(tmp_path) as cache:
        keys = cache.keys("space")
        assert len(dict(cache.get("space", sorted(keys)))) == 90


@pytest.mark.skipif(sys.platform == "win32", reason="limits of another kind")
@pytest.mark.parametrize("limit", [0, 8192, 300_000])
def test_a_full_disk_costs_time_and_not_the_run(tmp_path, limit):
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "cache = Cache(Path(sys.argv[1]))\n"
        "for n in range(20):\n"
        "    cache.put('space', {str(n): bytes(50_000)}, about='x')\n"
        "    for key, value in cache.get('space', [str(n)]): assert value == bytes(50_000)\n"
        "cache.touch(['space']); cache.prune(); cache.clear(); cache.close(); print('done')\n"
    )
    run = in_another_process(program, tmp_path)
    output, _ = run.communicate(timeout=60)

    assert (run.returncode, output) == (0, "done\n")
    with Cache(tmp_path) as cache:  # and the file serves again when there is room
        cache.put("space", ENTRIES, about="numbers")
        assert dict(cache.get("space", list(ENTRIES))) == ENTRIES


def test_a_transaction_that_fails_leaves_none_open(tmp_path):
    with Cache(tmp_path) as cache:
        with pytest.raises(TypeError):
            cache.put("space", {"key": object()}, about="numbers")
        cache.put("space", ENTRIES, about="numbers")

        assert dict(cache.get("space", list(ENTRIES))) == ENTRIES
