"""What deletes, renames or replaces stands in the modules that own it: we delete and replace only what we made."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "efficientnet_lite"
OWNERS = {
    "storage/files.py": "a file that is being written, and the lock beside a target",
    "storage/cache.py": "the cache's own file",
    "storage/folders.py": "folders that we wrote, by their lists, and the stages in which they are built",
}
DELETE = {"rmtree", "unlink", "rmdir", "removedirs", "renames", "move"}
OF_OS = {"remove", "rename", "replace", "truncate"}


def deletions(path: Path) -> list[str]:
    """Calls and mentions in a module that take something away from the disk, or put it in something's place."""
    return [
        f"{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and _deletes(node))
        or (isinstance(node, ast.Call) and _renames(node))
    ]


def _deletes(node: ast.Attribute) -> bool:
    of_os = isinstance(node.value, ast.Name) and node.value.id == "os" and node.attr in OF_OS
    return node.attr in DELETE or of_os


def _renames(node: ast.Call) -> bool:
    """`path.replace(target)` and `path.rename(target)`; a text has two arguments, a dataclass names its fields."""
    if not isinstance(node.func, ast.Attribute) or node.keywords or len(node.args) != 1:
        return False
    return node.func.attr in {"replace", "rename"} and ast.unparse(node.func.value) != "os"


def test_only_the_owners_delete():
    places = {path: path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")}

    found = {place: deletions(path) for path, place in places.items()}

    assert {place: each for place, each in found.items() if each and place not in OWNERS} == {}
    assert [place for place in OWNERS if not found[place]] == []  # an owner that owns nothing leaves the list


@pytest.mark.parametrize(
    "text",
    [
        "shutil.rmtree(folder)",
        "path.unlink(missing_ok=True)",
        "(folder / name).rmdir()",
        "os.remove(path)",
        "os.replace(a, b)",
        "a.replace(b)",
        "a.with_name(name).rename(b)",
        "shutil.move(a, b)",
        "list(map(Path.unlink, paths))",
    ],
)
def test_a_deletion_elsewhere_is_found(tmp_path, text):
    (tmp_path / "module.py").write_text(text)

    assert len(deletions(tmp_path / "module.py")) == 1


@pytest.mark.parametrize(
    "text",
    ["text.replace('a', 'b')", "dataclasses.replace(plan, size=1)", "replace(plan)", "names.remove(name)"],
)
def test_what_deletes_nothing_passes(tmp_path, text):
    (tmp_path / "module.py").write_text(text)

    assert deletions(tmp_path / "module.py") == []
