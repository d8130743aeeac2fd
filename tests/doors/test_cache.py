"""The cache: what is put in comes out whole or not at all, whatever happened to its file."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from efficientnet_lite.doors.cache import FILE_NAME, Cache, cache_folder
from efficientnet_lite.errors import OutputFailed

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
        "import sys; from pathlib import Path; from efficientnet_lite.doors.cache import Cache\n"
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


def test_a_place_that_cannot_be_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(OutputFailed, match="could not be written"):
        Cache(tmp_path / "file" / "cache")


def test_the_environment_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path

    monkeypatch.delenv("EFFICIENTNET_LITE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "efficientnet-lite"
