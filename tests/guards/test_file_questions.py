"""The file system is asked in one place: Python 3.11's own questions raise, and the door's never do."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "efficientnet_lite"
HOME = "storage/files.py"
QUESTIONS = {
    *("exists", "lexists", "is_file", "is_dir", "is_symlink", "is_socket", "is_fifo", "is_mount"),
    *("is_block_device", "is_char_device", "isfile", "isdir", "islink", "ismount", "samefile"),
}
IN_DOORS = {"stat", "lstat", "iterdir", "listdir", "scandir"}  # a door catches what they raise
DOORS = {
    *(
        "photos/decode.py",
        "photos/patterns.py",
        "photos/walk.py",
        "photos/manifest_files.py",
        "storage/cache.py",
        "storage/confined.py",
        "storage/cache_place.py",
    ),
    *("records/tfrecord.py", "records/arrayrecord.py", "weights/published.py"),
}


def questions(path: Path, place: str) -> list[str]:
    """Where a module asks the file system itself; `place` is its path within the package."""
    asked = QUESTIONS if place in DOORS else QUESTIONS | IN_DOORS
    return [
        f"{place}:{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in asked
        and not (isinstance(node.value, ast.Name) and node.value.id == "files")
    ]


def test_only_the_door_asks():
    places = {path: path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")}

    found = [each for path, place in places.items() if place != HOME for each in questions(path, place)]

    assert len(places) > 100
    assert found == [], "ask with files.exists, is_file, is_dir, is_link, size, entries of storage/files.py"


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("run/folder.py", "path.exists()"),
        ("run/folder.py", "(folder / name).is_file()"),
        ("run/folder.py", "os.path.isdir(path)"),
        ("run/folder.py", "list(filter(Path.is_file, paths))"),
        ("run/folder.py", "entry.is_dir(follow_symlinks=False)"),
        ("run/folder.py", "path.stat().st_size"),
        ("run/folder.py", "sorted(folder.iterdir())"),
        ("photos/decode.py", "path.is_symlink()"),
    ],
)
def test_a_question_elsewhere_is_found(tmp_path, place, text):
    (tmp_path / "module.py").write_text(text)

    assert len(questions(tmp_path / "module.py", place)) == 1


@pytest.mark.parametrize("text", ["files.exists(path)", "files.is_dir(path.parent)", "import stat"])
def test_the_doors_question_passes(tmp_path, text):
    (tmp_path / "module.py").write_text(text)

    assert questions(tmp_path / "module.py", "run/folder.py") == []
