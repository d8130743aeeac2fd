"""Every import of the package against the plan of the house: rooms, floors, and who may use which library.

The rules are the tables below. Imports inside functions, under `if TYPE_CHECKING` and by
`import_module("...")` count as any other, since each is an arrow that a reader has to follow.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "efficientnet_lite"
SOURCE = Path(__file__).resolve().parents[2] / "src" / PACKAGE

# From the ground up. A module may import from every floor below its own.
FLOORS = (
    {"ground"},  # every module directly in the package that is not named here
    {"doors"},
    {"storage"},
    {"checkpoints", "tflite", "quantize", "inference", "head", "report"} | {"model", "formats", "training"},
    {"stories", "bundle"},
    {"cli", "api", "__main__", "__init__", "export_model"},
)
# Arrows along a floor, from one room to another. Within a room everything is allowed but circles.
ALONG = {
    ("quantize", "tflite"),
    ("quantize", "inference"),
    ("head", "inference"),
    ("inference", "tflite"),  # a file is checked and its metadata read before it is run
    ("formats", "tflite"),
    ("formats", "model"),
    ("training", "model"),
    ("training", "inference"),  # blocks that do not learn are run once, by LiteRT
    ("training", "tflite"),
    ("stories", "bundle"),
    ("cli", "api"),
    ("__main__", "cli"),
    ("export_model", "cli"),
    ("__init__", "api"),
}
# Doors know nothing of each other; these modules of a floor are for everyone on it.
SHARED_DOORS = {
    "doors.files",
    "doors.walk",
    "doors.manifests",
    "doors.heif",
    "doors.quiet",
    "doors.cache_place",
    "doors.hub",
}
# In this order a module may use those behind it, never those before it.
ORDERED = (("inference.verify", "inference.evaluate", "inference.predict"),)

EVERYWHERE = {"numpy"}
LIBRARIES = {  # a room, or one module of it -> what it may import beside the standard library
    "doors.photos": {"PIL", "simplejpeg"},
    "doors.heif": {"pillow_heif"},
    "doors.litert": {"ai_edge_litert", "flatbuffers"},
    "doors.hub": {"huggingface_hub"},
    "doors.cache_place": {"platformdirs"},
    "doors.files": {"filelock"},
    "doors.arrayrecord": {"array_record"},
    "doors.cache": {"sqlite3"},
    "doors.onnx": {"onnxruntime"},
    "checkpoints": {"safetensors"},
    "checkpoints.h5_child": {"h5py"},
    "tflite": {"ai_edge_litert", "flatbuffers"},
    "head": {"sklearn", "threadpoolctl"},
    "report": {"jinja2", "matplotlib"},
    "model": {"keras"},
    "training": {"keras"},
    "training.data": {"grain"},
    "training.tensorboard": {"tensorboard"},
    "training.backend": {"tensorflow", "jax"},  # gradients and compiling, for which Keras has no word
    "training.devices": {"jax"},  # where tensors lie, and several hosts
    "formats.hub_tf1": {"tensorflow"},
    "formats.saved_model": {"tensorflow", "keras"},
    "formats.reference_saved_model": {"tensorflow"},
    "formats.onnx": {"onnx"},  # no room `export`: once imported, it would hide the public function
    "cli": {"cyclopts", "rich"},
}
# Parts of the standard library that reach outside: the ground has none, and a database is a door's.
OUTSIDE = {
    "os",
    "sys",
    "time",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "shutil",
    "tempfile",
    "urllib",
}
ONLY_WHERE_NAMED = {"sqlite3"}


class Arrow(NamedTuple):
    """One import: from a module of ours to a module of ours, or to the top name of a library."""

    source: str
    line: int
    target: str
    ours: bool


def module_names(root: Path) -> dict[str, Path]:
    """Name without the package -> file: `spec`, `doors.files`, `doors.__init__`, `__init__`."""
    return {
        ".".join(path.relative_to(root).with_suffix("").parts): path for path in sorted(root.rglob("*.py"))
    }


def imported(tree: ast.AST, package: str) -> Iterator[tuple[int, str, str | None]]:
    """Line, dotted module and name (None in `import x`) of every import; relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((node.lineno, module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = (
                node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            )
            if function in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value, None


def own_name(dotted: str, modules: Mapping[str, Path]) -> str:
    """A dotted name of the package as `module_names` spells it, or would if there were such a module."""
    inner = dotted.removeprefix(PACKAGE).removeprefix(".")
    return inner if inner in modules else f"{inner}.__init__".removeprefix(".")


def arrows(root: Path) -> list[Arrow]:
    modules = module_names(root)
    found = []
    for source, path in modules.items():
        folder = ".".join([PACKAGE, *path.relative_to(root).parent.parts])
        for line, module, name in imported(ast.parse(path.read_text(encoding="utf-8")), folder):
            if module.split(".")[0] != PACKAGE:
                found.append(Arrow(source, line, module.split(".")[0], ours=False))
                continue
            target = own_name(f"{module}.{name}", modules)  # `from room import module`
            if target not in modules:
                target = own_name(module, modules)  # `from module import name`
            if (target, name) != ("__init__", "__version__"):  # the version is everybody's
                found.append(Arrow(source, line, target, ours=True))
    return found


def room(module: str) -> str:
    """The room of a module; `ground` for what lies directly in the package and has no floor of its own."""
    first = module.split(".")[0]
    return first if "." in module or any(first in floor for floor in FLOORS) else "ground"


def floor(module: str) -> int | None:
    return next((level for level, rooms in enumerate(FLOORS) if room(module) in rooms), None)


def fault(arrow: Arrow) -> str | None:
    """Why the plan forbids this arrow, or None."""
    return _fault_inside(arrow) if arrow.ours else _fault_outside(arrow)


def _fault_inside(arrow: Arrow) -> str | None:
    source, target = room(arrow.source), room(arrow.target)
    here, there = floor(arrow.source), floor(arrow.target)
    if here is None or there is None:
        return f"the plan has no room {source if here is None else target}"
    if there > here:
        return "an import must not go up"
    if source != target:
        return None if there < here or (source, target) in ALONG else f"{source} may not use {target}"
    if source == "doors" and arrow.target not in SHARED_DOORS:
        return "doors do not know each other"
    for order in ORDERED:
        if {arrow.source, arrow.target} <= set(order) and order.index(arrow.source) > order.index(
            arrow.target
        ):
            return f"the order is {' -> '.join(order)}"
    return None


def _fault_outside(arrow: Arrow) -> str | None:
    allowed = EVERYWHERE | LIBRARIES.get(room(arrow.source), set()) | LIBRARIES.get(arrow.source, set())
    if arrow.target in allowed:
        return None
    if room(arrow.source) == "ground" and arrow.target in OUTSIDE:
        return "the ground reaches nothing outside"
    if arrow.target in sys.stdlib_module_names and arrow.target not in ONLY_WHERE_NAMED:
        return None
    return f"{arrow.source} may not use this library"


def circles(found: list[Arrow]) -> list[str]:
    """Modules that import themselves by way of others."""
    targets: Mapping[str, set[str]] = {arrow.source: set() for arrow in found}
    for arrow in found:
        if arrow.ours and arrow.target != "__init__" and arrow.target in targets:
            targets[arrow.source].add(arrow.target)

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in targets[waiting.pop()] - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    return sorted(module for module in targets if module in reachable(module))


def violations(root: Path) -> list[str]:
    found = arrows(root)
    forbidden = [
        f"{arrow.source}:{arrow.line} imports {arrow.target}: {why}"
        for arrow in found
        if (why := fault(arrow))
    ]
    return forbidden + [f"{module} imports itself in a circle" for module in circles(found)]


def test_every_import_follows_the_plan():
    assert violations(SOURCE) == []


def test_the_plan_is_applied_to_the_whole_package():
    found = arrows(SOURCE)

    assert len(module_names(SOURCE)) == len(list(SOURCE.rglob("*.py")))
    assert {arrow.source for arrow in found} > {"errors", "metrics", "doors.files", "cli.console"}
    assert Arrow("cli.console", 0, "errors", ours=True) in [arrow._replace(line=0) for arrow in found]
    assert Arrow("cli.console", 0, "rich", ours=False) in [arrow._replace(line=0) for arrow in found]


def house(root: Path, files: Mapping[str, str]) -> Path:
    """A package with these files; every room and module that an import could mean exists."""
    for name in (
        *("__init__", "__main__", "api", "bundle", "errors", "spec", "cli/__init__", "cli/console"),
        *(
            "doors/__init__",
            "doors/files",
            "doors/photos",
            "storage/__init__",
            "storage/folders",
            "stories/__init__",
            "stories/check",
            "tflite/write",
        ),
        *("inference/verify", "inference/evaluate", "inference/predict", "quantize/recipe", "head/fit"),
        *(
            "checkpoints/read",
            "model/__init__",
            "model/build",
            "formats/__init__",
            "formats/onnx",
            "training/__init__",
            "training/recipe",
        ),
    ):
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("spec.py", "from efficientnet_lite.doors import files", "must not go up"),
        ("doors/files.py", "import efficientnet_lite.tflite.write", "must not go up"),
        ("doors/files.py", "from efficientnet_lite.storage import folders", "must not go up"),
        ("storage/folders.py", "from efficientnet_lite import bundle", "must not go up"),
        ("tflite/write.py", "from efficientnet_lite import bundle", "must not go up"),
        ("stories/check.py", "from efficientnet_lite.cli.console import Console", "must not go up"),
        ("stories/check.py", "from efficientnet_lite import classify", "must not go up"),
        ("spec.py", "def f():\n    from efficientnet_lite.cli import console", "must not go up"),
        (
            "errors.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .doors.files import publish",
            "must not go up",
        ),
        ("doors/files.py", "from ..stories import check", "must not go up"),
        ("spec.py", "import importlib\nimportlib.import_module('efficientnet_lite.doors.files')", "go up"),
        ("spec.py", "from importlib import import_module\nimport_module('efficientnet_lite.cli')", "go up"),
        ("doors/photos.py", "from efficientnet_lite.doors.litert import Runner", "do not know each other"),
        ("doors/files.py", "from . import photos", "do not know each other"),
        (
            "tflite/write.py",
            "from efficientnet_lite.checkpoints import read",
            "tflite may not use checkpoints",
        ),
        ("inference/predict.py", "from efficientnet_lite.head.fit import fit", "inference may not use head"),
        ("bundle.py", "from efficientnet_lite.stories import check", "bundle may not use stories"),
        ("inference/predict.py", "from efficientnet_lite.inference import evaluate", "the order is"),
        ("inference/evaluate.py", "from .verify import verify", "the order is"),
        ("cellar/__init__.py", "from efficientnet_lite import spec", "no room cellar"),
        ("cellar/loop.py", "from efficientnet_lite.spec import Plan", "no room cellar"),
        ("model/build.py", "from efficientnet_lite.training import recipe", "model may not use training"),
        ("training/step.py", "import tensorflow", "may not use this library"),
        ("tflite/write.py", "from efficientnet_lite.model import build", "tflite may not use model"),
        ("inference/predict.py", "from efficientnet_lite.formats import onnx", "may not use formats"),
        ("cli/console.py", "import keras", "may not use this library"),
        ("spec.py", "import PIL.Image", "may not use this library"),
        ("cli/console.py", "import sklearn", "may not use this library"),
        ("doors/photos.py", "import filelock", "may not use this library"),
        ("doors/files.py", "import sqlite3", "may not use this library"),
        ("head/fit.py", "def f():\n    import tensorflow as tf", "may not use this library"),
        (
            "cli/console.py",
            "try:\n    import torch\nexcept ImportError:\n    pass",
            "may not use this library",
        ),
        ("stories/check.py", "__import__('ray')", "may not use this library"),
        ("inference/predict.py", "from jax import numpy", "may not use this library"),
        ("__init__.py", "import keras", "may not use this library"),
        ("spec.py", "import os", "reaches nothing outside"),
        ("errors.py", "from time import time", "reaches nothing outside"),
        ("spec.py", "from efficientnet_lite import spec", "in a circle"),
    ],
)
def test_an_import_against_the_plan_is_found(tmp_path, file, text, why):
    found = violations(house(tmp_path, {file: text}))

    assert len(found) == 1, found
    assert why in found[0]


def test_a_circle_of_modules_is_found_whole(tmp_path):
    files = {
        "errors.py": "def f():\n    from efficientnet_lite import spec",
        "spec.py": "from efficientnet_lite.errors import UsageError",
    }

    assert violations(house(tmp_path, files)) == [
        f"{name} imports itself in a circle" for name in ("errors", "spec")
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("spec.py", "import math, numpy\nfrom .errors import UsageError\nfrom pathlib import Path"),
        (
            "doors/photos.py",
            "from PIL import Image\nimport simplejpeg, os\nfrom efficientnet_lite import errors",
        ),
        ("doors/photos.py", "from efficientnet_lite.doors.files import publish"),
        ("doors/cache.py", "import sqlite3"),
        ("doors/cache_place.py", "import platformdirs"),
        ("tflite/write.py", "from efficientnet_lite import __version__\nimport flatbuffers"),
        ("quantize/recipe.py", "from efficientnet_lite.tflite import write\nfrom ..inference import predict"),
        ("inference/verify.py", "from . import evaluate, predict"),
        (
            "head/fit.py",
            "from sklearn.linear_model import LogisticRegression\nfrom ..inference import predict",
        ),
        ("stories/check.py", "from efficientnet_lite import bundle, spec\nfrom ..doors import files"),
        ("model/build.py", "import keras\nfrom efficientnet_lite.spec import Plan"),
        ("formats/saved_model.py", "import keras, tensorflow\nfrom efficientnet_lite.model import build"),
        ("formats/onnx.py", "import onnx\nfrom efficientnet_lite.tflite import write"),
        ("cli/console.py", "import rich, cyclopts\nfrom efficientnet_lite.stories.check import check"),
        ("__main__.py", "from efficientnet_lite.cli import console"),
    ],
)
def test_an_import_by_the_plan_passes(tmp_path, file, text):
    assert violations(house(tmp_path, {file: text})) == []
