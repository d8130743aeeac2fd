"""docs/vectors.md, done from top to bottom in a folder with a few photos and the smallest model.

Each command runs as it stands, and prints what the page shows but for figures and rows.
"""

import io
import re
import shlex
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import pytest
import scenes

from efficientnet_lite.cli.app import run

pytest.importorskip("pyarrow", reason="the extra `embed`")

PAGE = (Path(__file__).resolve().parents[2] / "docs/vectors.md").read_text(encoding="utf-8")
STEPS = re.findall(
    r"^ {4}(efficientnet-lite [^\n]*)\n(?:\n```text\n(.*?)```)?", PAGE, re.MULTILINE | re.DOTALL
)
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
MODEL = "lite0"  # of the page


def shape(line):
    """A line without its figures, in the singular, and without what only some folders have."""
    line = re.sub(r"by (?:UMAP|PCA|lite[#@]+)", "by X", re.sub(r"[\d.,]*\d", "#", line))
    return re.sub(r"(group|photo|class|picture|label)(?:e?s)?\b", r"\1", line)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    for part, first in (("train", 0), ("validation", 20)):
        scenes.photograph(folder / "clothing" / part, count=6, first=first)
    scenes.draw("ball", 99).save(folder / "hat.jpg", quality=95)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def printed(place):
    """What each command prints."""

    def done(command):
        with redirect_stdout(io.StringIO()) as out:
            assert run(shlex.split(re.sub(rf"\b{MODEL}\b", scenes.MODEL, command))[1:]) == 0, command
        return out.getvalue()

    usable = [step for step in STEPS if "index" not in step[0] or find_spec("usearch")]
    return {command: done(command) for command, _ in usable}


def test_each_command_prints_what_the_page_shows(place, printed):
    assert {shlex.split(command)[1] for command in printed} >= {
        "embed",
        "search",
        "duplicates",
        "check",
        "map",
    }

    for command, shown in STEPS:
        lines = [shape(line) for line in printed.get(command, "").splitlines()]
        for line in shown.splitlines()[:1] if lines else ():
            start = shape(line).partition("with")[0].strip()
            assert any(each.startswith(start) for each in lines), (command, start, lines)
    assert {"found.html", "labels.csv", "map.html"} <= {path.name for path in place.iterdir()}


def test_a_block_of_python_runs(printed, capsys):
    assert len(BLOCKS) == 1
    exec(BLOCKS[0], {})

    assert re.fullmatch(
        r"(?:[01]\.\d\d \w+ clothing/.*\n){3}36 pca .*photos\.html\n", capsys.readouterr().out
    )
