"""Questions to the file system: any path is answered, none raises, and what is in the way is named."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.storage import files

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")
QUESTIONS = (files.exists, files.lexists, files.is_file, files.is_dir, files.is_link, files.is_empty_dir)


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """A folder with one of everything that can lie in one."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/inside").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        folder = os.open(tmp_path, os.O_RDONLY)
        try:  # a socket's whole path may have 108 bytes only
            bound.bind(f"/proc/self/fd/{folder}/socket")
        finally:
            os.close(folder)
    return tmp_path


@posix_only
@pytest.mark.parametrize(
    ("name", "yes"),
    [
        ("file", "exists lexists is_file"),
        ("empty", "exists lexists is_dir is_empty_dir"),
        ("full", "exists lexists is_dir"),
        ("link", "exists lexists is_file is_link"),
        ("broken", "lexists is_link"),
        ("loop", "lexists is_link"),
        ("pipe", "exists lexists"),
        ("socket", "exists lexists"),
        ("nothing", ""),
        ("file/below", ""),
        ("loop/below", ""),
        ("n" * 300, ""),
        ("nul\0inside", ""),
        ("\ud800", ""),
    ],
)
def test_each_kind_of_place_is_told(zoo, name, yes):
    assert [question.__name__ for question in QUESTIONS if question(zoo / name)] == yes.split()


@given(st.text(st.characters(), max_size=400))
def test_no_path_raises(name):
    for question in QUESTIONS:
        assert question(name) in (True, False)
    files.obstacle(name)


@posix_only
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file", None),
        ("nothing", None),
        ("nothing/below", None),
        ("broken", None),
        ("file/below/it", "file is a file, not a folder"),
        ("loop", "a link in it leads back to itself"),
        ("n" * 300, "longer than the file system allows"),
        ("nul\0inside", "a NUL character"),
        ("\ud800", "a character that this system cannot write"),
    ],
)
def test_what_is_in_the_way_is_named(zoo, name, said):
    found = files.obstacle(zoo / name)

    assert found is None if said is None else said in found


def test_the_folder_that_may_not_be_entered_is_named(tmp_path, bound):
    program = """
import sys
from pathlib import Path
from efficientnet_lite.storage import files
path = Path(sys.argv[1], "run/card.json")
print(files.exists(path), files.is_file(path), files.is_dir(path.parent), files.obstacle(path))
try:
    files.entries(Path(sys.argv[1]))
except files.UnusableInput as error:
    print(error.what)
"""
    closed = tmp_path / "closed"
    (closed / "run").mkdir(parents=True)
    (closed / "run/card.json").touch()
    closed.chmod(0)

    done = bound(program, closed)

    assert done.stdout == (
        f"False False False the folder {closed} may not be entered\n"
        "the folder cannot be read: Permission denied\n"
    ), done.stderr


def test_a_folder_is_listed_sorted_or_refused_with_the_cause(zoo):
    assert [path.name for path in files.entries(zoo)] == sorted(path.name for path in zoo.iterdir())
    for name in ("nothing", "file", "file/below", "n" * 300, "nul\0inside"):
        with pytest.raises(UnusableInput, match="the folder cannot be read"):
            files.entries(zoo / name)
