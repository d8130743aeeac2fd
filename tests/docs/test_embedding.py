"""docs/embedding.md, done from top to bottom in a folder with a few photos and the smallest model.

Each command runs as it stands, and prints what the page shows but for the figures; each block of Python runs after
them, and its `X` are the vectors. pandas, polars and DuckDB are in an environment of their own: `make test-peers`.
"""

import ast
import csv
import io
import json
import re
import shlex
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scenes

import efficientnet_lite as el
from efficientnet_lite.cli.app import main

pytest.importorskip("pyarrow", reason="the extra `embed`")

PAGE = (Path(__file__).resolve().parents[2] / "docs/embedding.md").read_text(encoding="utf-8")
MODEL = "lite1"  # of the page
# A command in a line of its own, or a fence: its language, and what it shows.
STEP = re.compile(
    r"^ {4}((?:find .* \| )?efficientnet-lite [^\n]*)$|^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
ELSEWHERE = ("s3://", "--engine ray")  # what needs a store or a cluster: tests/features, tests/cluster
STEPS = [
    (command, language, text)
    for command, language, text in STEP.findall(PAGE)
    if not any(place in command for place in ELSEWHERE)
]
COMMANDS = [command for command, _, _ in STEPS if command]
BLOCKS = [text for _, language, text in STEPS if language == "python"]
SHOWN = [  # what stands behind each command, empty where nothing does
    text if language == "text" else ""
    for (command, _, _), (_, language, text) in pairwise([*STEPS, ("", "", "")])
    if command
]


def small(text: str) -> str:
    return text.replace(MODEL, scenes.MODEL)


def shape(text: str) -> list[str]:
    """What lines on the standard output say without their figures, and in the singular."""
    lines = re.sub(r"^warning: .*\n(?:  .*\n)*", "", text, flags=re.MULTILINE).strip().splitlines()
    return [re.sub(r"parts\b", "part", re.sub(r"[\d.,]*\d", "#", line)) for line in lines]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """What each command prints in a folder with the photos, lists and archives that the page names."""
    folder = tmp_path_factory.mktemp("embedding")
    scenes.photograph(folder / "photos", count=8)
    scenes.draw("ball", 99).save(folder / "photo.jpg", quality=95)
    (folder / "photos/box/broken.jpg").write_bytes(b"no photo")
    paths = sorted((folder / "photos").rglob("*.png"))
    with (folder / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "price"], *([path, 3] for path in paths)])
    (folder / "shards").mkdir()
    with tarfile.open(folder / "shards/0000.tar", "w") as archive:
        for number, path in enumerate(paths):
            for suffix, data in (("png", path.read_bytes()), ("json", json.dumps({"n": number}).encode())):
                member = tarfile.TarInfo(f"{number:04}.{suffix}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(folder / "cache"))
        patch.setenv("COLUMNS", "80")
        yield [done(small(command)) for command in COMMANDS]


def done(command: str) -> str:
    """What a command prints, which must succeed."""
    before, pipe, line = command.rpartition(" | ")
    if pipe:
        given = subprocess.run(before, shell=True, capture_output=True, check=True).stdout
        words = [sys.executable, "-m", "efficientnet_lite", *shlex.split(line)[1:]]
        return subprocess.run(words, input=given, capture_output=True, check=True, timeout=60).stdout.decode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True))
        with pytest.raises(SystemExit) as ending:
            main(shlex.split(line)[1:])
        printed = sys.stdout.buffer.getvalue().decode()
    assert not ending.value.code, command
    return printed


@pytest.fixture(scope="module")
def vectors(place):
    return el.embed(scenes.MODEL, "photos/").features


def test_a_command_prints_what_the_page_shows(place):
    for command, shown, printed in zip(COMMANDS, SHOWN, place, strict=True):
        assert not shown or shape(printed) == shape(shown), command


def test_the_page_shows_what_most_readers_do_first():
    assert len(COMMANDS) >= 8
    assert COMMANDS[0] == "efficientnet-lite embed lite1 photos/ --out vectors/"
    assert sum(map(bool, SHOWN)) >= 2
    assert [
        each for each in ("pandas", "polars", "duckdb", "pyarrow", "sklearn") if f"import {each}" not in PAGE
    ] == [
        "sklearn"  # `from sklearn... import`
    ]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.sub(r"\W+", "-", block.split("\n\n")[-1])[:40])
def test_a_block_of_python_runs_and_its_matrix_is_right(place, vectors, block):
    names = {
        node.names[0].name.partition(".")[0]
        if isinstance(node, ast.Import)
        else (node.module or "").partition(".")[0]
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    if absent := sorted(name for name in names if find_spec(name) is None):
        pytest.skip(f"{', '.join(absent)} not installed: make test-peers")
    found = {}

    exec(small(block), found)

    if "X" in found and "el" not in found:
        assert found["X"].dtype == np.float32
        atol = 0.03 if "smallest" in block else 0  # int8: half a step of 1/127 of the largest number
        assert np.allclose(found["X"], vectors, rtol=0, atol=atol)


def test_what_the_page_says_of_the_columns_is_so(place):
    import pyarrow.parquet as pq

    schema = pq.read_schema("vectors/part-00000.parquet")
    table = re.findall(r"^\| (`[^|]*) \|", PAGE, flags=re.MULTILINE)
    named = [name for row in table for name in re.findall(r"`(\w+)`", row)]
    own = [name for name in named if name in {*schema.names, "scale"}]

    assert own == [*schema.names, "scale"]
    assert schema.field("vector").type.list_size == 1280
    assert pq.read_schema("smallest/part-00000.parquet").names == [*schema.names, "scale"]
    assert "price" in pq.read_schema("from-list/part-00000.parquet").names
    assert json.loads(Path("vectors/_dataset.json").read_text())["skipped"] == 1


def test_the_layout_of_clip_retrieval_is_as_the_page_says(place, vectors):
    found = np.load("for-clip/img_emb/img_emb_0.npy")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    assert found.dtype == np.float16
    assert np.allclose(found, unit, atol=1e-3)
    assert Path("for-clip/metadata/metadata_0.parquet").is_file()
