"""What surrounds a process: the variables that a report names, and the cache's place, looked at and left as it is."""

import pytest

from efficientnet_lite.machine import surroundings
from efficientnet_lite.storage.cache_place import VARIABLE


@pytest.mark.parametrize(
    ("value", "shown"),
    [("3", "3"), ("Haswell", "Haswell"), ("", None), ("/home/alice/x", "set"), ("x" * 99, "set")],
)
def test_a_value_is_shown_where_it_is_a_word(monkeypatch, value, shown):
    monkeypatch.setenv("OPENBLAS_CORETYPE", value)

    assert surroundings.variables().get("OPENBLAS_CORETYPE") == shown


def test_the_variable_of_the_cache_is_one_of_them():
    assert VARIABLE in surroundings.VARIABLES


def test_the_cache_s_own_files_count_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (tmp_path / "cache-2.sqlite").write_bytes(bytes(100))
    (tmp_path / "cache-2.sqlite-wal").write_bytes(bytes(10))
    (tmp_path / "holiday.mp4").write_bytes(bytes(5000))

    found = surroundings.cache_place()

    assert (found.folder, found.bytes, found.fault) == (tmp_path, 110, "")
    assert len(list(tmp_path.iterdir())) == 3


def test_a_place_below_a_file_is_faulty(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file/cache"))

    assert "is no folder" in surroundings.cache_place().fault
