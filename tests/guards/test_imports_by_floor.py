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

# From the ground up: a module may import from every room before its own, and within its own all but circles.
ROOMS = (
    "ground",  # every module directly in the package that is not named here
    "storage",
    "photos",
    "records",
    "network",
    "weights",
    "tflite",
    "strangers",
    "runtimes",
    "machine",
    "features",
    "cluster",
    "classifier",
    "neighbors",
    "quantize",
    "chips",
    "proof",
    "artifacts",
    "training",
    "run",
    "commands",
    "cli",
)
TOP = ("__main__", "__init__", "export_model")  # front doors, above all rooms

EVERYWHERE = {"numpy"}
LIBRARIES = {  # a room, a part or one module of it -> what it may import beside the standard library
    "features.sources.remote": {"fsspec", "aiohttp"},
    "features.sources.remote_folders": {"fsspec"},
    "features.sources.parquet_child": {"pyarrow"},
    "drawn_bar": {"rich"},
    "terminal": {"os", "rich"},  # what is behind a stream
    "bars": {"rich", "sys", "time"},
    "threads": {"os"},  # how many cores this process may use
    "crc32c": {"google_crc32c"},
    "storage.files": {"filelock"},
    "storage.cache": {"sqlite3"},
    "storage.spool": {"sqlite3"},
    "storage.cache_place": {"platformdirs"},
    "photos.decode": {"PIL", "simplejpeg"},
    "photos.heif": {"pillow_heif"},
    "network.keras_model": {"keras"},
    "network.keras_arrays": {"keras"},
    "weights": {"safetensors"},
    "weights.h5_child": {"h5py"},
    "weights.model_hub": {"huggingface_hub"},
    "tflite": {"ai_edge_litert", "flatbuffers"},
    "strangers": {"ai_edge_litert", "flatbuffers"},
    "runtimes.litert": {"ai_edge_litert", "flatbuffers"},
    "runtimes.onnx": {"onnxruntime"},
    "machine.libraries": {"packaging"},
    "features.parts": {"pyarrow"},
    "features.clip_retrieval": {"pyarrow"},
    "neighbors.part_child": {"pyarrow"},
    "cluster": {"ray"},
    "neighbors.plane": {"umap"},
    "neighbors.own_page": {"jinja2"},
    "neighbors.search": {"threadpoolctl"},
    "neighbors.graph": {"usearch"},
    "classifier.head": {"sklearn", "threadpoolctl"},
    "quantize.learned": {"tensorflow"},  # inside functions: `effort="best"`, and training on its simulation
    "chips.micro_child": {"tflite_micro"},
    "chips.vela_child": {"ethosu"},
    "artifacts.firmware.c_text": {"jinja2"},
    "artifacts.onnx_graph": {"onnx"},
    "artifacts.coreml_graph": {"coremltools"},
    "artifacts.saved_model_graph": {"tensorflow", "keras"},
    "artifacts.hub_graph": {"tensorflow"},
    "artifacts.reference_graph": {"tensorflow"},
    "training": {"keras"},
    "training.saved_states": {"safetensors"},
    "training.batches": {"grain"},
    "training.tensorboard": {"tensorboard"},
    "training.channel_copies": {"tensorflow"},
    "training.code_learner": {"tensorflow"},
    "training.oscillation": {"tensorflow"},
    "training.backend": {"tensorflow", "jax"},  # gradients and compiling, for which Keras has no word
    "training.devices": {"jax"},  # where tensors lie, and several hosts
    "records.arrayrecord": {"array_record"},
    "commands.transformer": {"sklearn"},
    "training.curves": {"matplotlib"},
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
# Values and arithmetic, as the ground: rooms and modules that reach nothing outside either.
PURE = {
    "network",
    *(f"photos.{name}" for name in ("accounting", "classes", "contract", "duplicates", "header", "layout")),
    *(
        f"photos.{name}"
        for name in ("manifest", "pared", "raw", "resample", "rubbish", "split", "splitwords", "tiff")
    ),
    *("tflite.quantmath", "records.example", "records.riegeli"),
    *("machine.processor", "machine.discreet", "machine.remarks"),
}


class Arrow(NamedTuple):
    """One import: from a module of ours to a module of ours, or to the top name of a library."""

    source: str
    line: int
    target: str
    ours: bool


def module_names(root: Path) -> dict[str, Path]:
    """Name without the package -> file: `spec`, `storage.files`, `doors.__init__`, `__init__`."""
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
            found.append(Arrow(source, line, target, ours=True))
    return found


def room(module: str) -> str:
    """The room of a module; `ground` for what lies directly in the package and is no front door."""
    first = module.split(".")[0]
    return first if "." in module or first in ROOMS or first in TOP else "ground"


def floor(module: str) -> int | None:
    here = room(module)
    if here in TOP:
        return len(ROOMS)
    return ROOMS.index(here) if here in ROOMS else None


def fault(arrow: Arrow) -> str | None:
    """Why the plan forbids this arrow, or None."""
    return _fault_inside(arrow) if arrow.ours else _fault_outside(arrow)


def _fault_inside(arrow: Arrow) -> str | None:
    here, there = floor(arrow.source), floor(arrow.target)
    if here is None or there is None:
        return f"the plan has no room {room(arrow.source if here is None else arrow.target)}"
    return "an import must not go up" if there > here else None


def _fault_outside(arrow: Arrow) -> str | None:
    names = arrow.source.split(".")
    parts = {room(arrow.source), *(".".join(names[: count + 1]) for count in range(len(names)))}
    allowed = EVERYWHERE.union(*(LIBRARIES.get(part, set()) for part in parts))
    if arrow.target in allowed:
        return None
    pure = room(arrow.source) in {"ground", *PURE} or arrow.source in PURE
    if pure and arrow.target in OUTSIDE:
        return "it reaches nothing outside"
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
    assert {arrow.source for arrow in found} > {"errors", "metrics", "storage.files", "cli.console"}
    assert Arrow("cli.console", 0, "errors", ours=True) in [arrow._replace(line=0) for arrow in found]
    assert Arrow("terminal", 0, "rich", ours=False) in [arrow._replace(line=0) for arrow in found]


def house(root: Path, files: Mapping[str, str]) -> Path:
    """A package with these files; every room and module that an import could mean exists."""
    for name in (
        *("__init__", "__main__", "errors", "metrics", *(f"{room}/__init__" for room in ROOMS[1:])),
        *("storage/files", "storage/folders", "photos/decode", "photos/contract", "network/plan"),
        *("network/keras_model", "weights/read", "tflite/float", "runtimes/litert", "runtimes/model"),
        *("classifier/head", "proof/gate", "proof/evaluate", "artifacts/onnx_graph", "training/recipe"),
        *("run/folder", "commands/check", "cli/console"),
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
        ("metrics.py", "from efficientnet_lite.storage import files", "must not go up"),
        ("storage/files.py", "import efficientnet_lite.tflite.float", "must not go up"),
        ("storage/folders.py", "from efficientnet_lite.run import folder", "must not go up"),
        ("photos/decode.py", "from efficientnet_lite.runtimes.litert import LiteRT", "must not go up"),
        ("tflite/float.py", "from efficientnet_lite.run import folder", "must not go up"),
        ("runtimes/model.py", "from efficientnet_lite.classifier.head import fit", "must not go up"),
        ("artifacts/onnx_graph.py", "from efficientnet_lite.run import folder", "must not go up"),
        ("network/keras_model.py", "from efficientnet_lite.training import recipe", "must not go up"),
        ("run/folder.py", "from efficientnet_lite.commands import check", "must not go up"),
        ("commands/check.py", "from efficientnet_lite.cli.console import Console", "must not go up"),
        ("commands/check.py", "from efficientnet_lite import train", "must not go up"),
        ("metrics.py", "def f():\n    from efficientnet_lite.cli import console", "must not go up"),
        (
            "errors.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .storage.files import publish",
            "must not go up",
        ),
        ("storage/files.py", "from ..commands import check", "must not go up"),
        (
            "metrics.py",
            "import importlib\nimportlib.import_module('efficientnet_lite.storage.files')",
            "go up",
        ),
        (
            "metrics.py",
            "from importlib import import_module\nimport_module('efficientnet_lite.cli')",
            "go up",
        ),
        ("cellar/__init__.py", "from efficientnet_lite import errors", "no room cellar"),
        ("cellar/loop.py", "from efficientnet_lite.network.plan import Plan", "no room cellar"),
        ("training/step.py", "import tensorflow", "may not use this library"),
        ("cli/console.py", "import keras", "may not use this library"),
        ("metrics.py", "import PIL.Image", "may not use this library"),
        ("cli/console.py", "import sklearn", "may not use this library"),
        ("photos/decode.py", "import filelock", "may not use this library"),
        ("storage/files.py", "import sqlite3", "may not use this library"),
        ("classifier/head.py", "def f():\n    import tensorflow as tf", "may not use this library"),
        (
            "cli/console.py",
            "try:\n    import torch\nexcept ImportError:\n    pass",
            "may not use this library",
        ),
        ("commands/check.py", "__import__('ray')", "may not use this library"),
        ("runtimes/model.py", "from jax import numpy", "may not use this library"),
        ("__init__.py", "import keras", "may not use this library"),
        ("metrics.py", "import os", "reaches nothing outside"),
        ("errors.py", "from time import time", "reaches nothing outside"),
        ("network/plan.py", "import tempfile", "reaches nothing outside"),
        ("photos/contract.py", "import os", "reaches nothing outside"),
        ("network/plan.py", "from efficientnet_lite.network import plan", "in a circle"),
    ],
)
def test_an_import_against_the_plan_is_found(tmp_path, file, text, why):
    found = violations(house(tmp_path, {file: text}))

    assert len(found) == 1, found
    assert why in found[0]


def test_a_circle_of_modules_is_found_whole(tmp_path):
    files = {
        "errors.py": "def f():\n    from efficientnet_lite import metrics",
        "metrics.py": "from efficientnet_lite.errors import UsageError",
    }

    assert violations(house(tmp_path, files)) == [
        f"{name} imports itself in a circle" for name in ("errors", "metrics")
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("metrics.py", "import math, numpy\nfrom .errors import UsageError\nfrom pathlib import Path"),
        (
            "photos/decode.py",
            "from PIL import Image\nimport simplejpeg, os\nfrom efficientnet_lite import errors",
        ),
        ("photos/decode.py", "from efficientnet_lite.storage.files import publish"),
        ("storage/cache.py", "import sqlite3"),
        ("storage/cache_place.py", "import platformdirs"),
        ("tflite/float.py", "from efficientnet_lite.network.plan import Plan\nimport flatbuffers"),
        ("quantize/stages.py", "from efficientnet_lite.tflite import float\nfrom ..runtimes import model"),
        ("proof/gate.py", "from . import evaluate"),
        (
            "classifier/head.py",
            "from sklearn.linear_model import LogisticRegression\nfrom ..runtimes import model",
        ),
        ("commands/check.py", "from efficientnet_lite import errors\nfrom ..storage import files"),
        ("network/keras_model.py", "import keras\nfrom efficientnet_lite.network.plan import Plan"),
        ("artifacts/saved_model_graph.py", "import keras, tensorflow\nfrom ..network import keras_model"),
        ("artifacts/onnx_graph.py", "import onnx\nfrom efficientnet_lite.tflite import float"),
        ("cli/console.py", "import rich, cyclopts\nfrom efficientnet_lite.commands.check import check"),
        ("__main__.py", "from efficientnet_lite.cli import console"),
    ],
)
def test_an_import_by_the_plan_passes(tmp_path, file, text):
    assert violations(house(tmp_path, {file: text})) == []
