"""One name, one meaning: no type is called as another is, and no module either, but where the table says why."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from efficientnet_lite.cli import app

SOURCE = Path(__file__).resolve().parents[2] / "src" / "efficientnet_lite"
# A command's name stands in commands/, in cli/ and in the room that does its work; a format's name where it is
# written and where it is run.
COMMANDS = {command.name.split()[0].replace("-", "_") for command in app.COMMANDS} | {"reference"}
FORMATS = {"tflite", "onnx", "saved_model", "hub_module", "tf1_checkpoint", "safetensors"}


def modules(root: Path) -> Mapping[str, list[str]]:
    """Name of a module -> where it stands."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(root.rglob("*.py")):
        if path.stem not in ("__init__", "__main__"):
            found[path.stem].append(path.relative_to(root).as_posix())
    return found


def types(root: Path) -> Mapping[str, list[str]]:
    """Name of a class or of an alias of a type, private ones too -> the modules that define it."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(root.rglob("*.py")):
        for name in _defined(ast.parse(path.read_text(encoding="utf-8"))):
            found[name].append(path.relative_to(root).as_posix())
    return found


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and _is_type_name(target.id):
                yield target.id


def _is_type_name(name: str) -> bool:
    bare = name.lstrip("_")
    return bare[:1].isupper() and not bare.isupper() and "_" not in bare


def repeated(found: Mapping[str, list[str]], allowed: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    return {name: places for name, places in found.items() if len(places) > 1 and name not in allowed}


def test_no_type_has_two_homes():
    assert repeated(types(SOURCE)) == {}


def test_no_module_name_repeats_but_a_commands_and_a_formats():
    assert repeated(modules(SOURCE), frozenset(COMMANDS | FORMATS)) == {}


def lines_of_code(source: str) -> int:
    """Lines of a module without its docstrings, which say at length what a public function takes."""
    docstrings = [
        each.body[0]
        for each in ast.walk(ast.parse(source))
        if isinstance(each, ast.Module | ast.ClassDef | ast.FunctionDef)
        and ast.get_docstring(each) is not None
    ]
    return len(source.splitlines()) - sum(1 + each.end_lineno - each.lineno for each in docstrings)


def test_a_commands_file_is_short_enough_to_be_read_as_its_steps():
    lines = {path.name: lines_of_code(path.read_text("utf-8")) for path in (SOURCE / "commands").glob("*.py")}

    assert len(lines) > 10
    assert {name: count for name, count in lines.items() if count >= 150} == {}


def test_a_name_that_repeats_is_found(tmp_path):
    for name, text in {
        "a/graph.py": "class Graph: ...\nPart = int\nLIMIT = 3",
        "b/graph.py": "from a.graph import Graph\n_Graph = 1\nLIMIT = 4",
        "b/parts.py": "Part: type = str\nclass Graph: ...",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert repeated(modules(tmp_path)) == {"graph": ["a/graph.py", "b/graph.py"]}
    assert repeated(types(tmp_path)) == {
        "Graph": ["a/graph.py", "b/parts.py"],
        "Part": ["a/graph.py", "b/parts.py"],
    }
