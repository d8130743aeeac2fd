"""The notebooks of examples/, run from top to bottom in an empty folder, show what is stored in them.

Figures differ from machine to machine, so outputs are compared by their shape.
"""

import re
from copy import deepcopy
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient", reason="make test-examples")
nbformat = pytest.importorskip("nbformat", reason="make test-examples")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
TOLD = ("text/plain", "text/html")  # what is compared of a cell's output; a picture only by being there
DURATION = re.compile(r"(?:# h )?(?:# min )?# s\b")


def shape(text: str) -> str:
    """What is said, without its figures and how far apart they stand."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)  # colors, and a line that is written over
    return DURATION.sub("TIME", re.sub(r"\s+", " ", re.sub(r"[\d.,]*\d", "#", text))).strip()


def shown(cell) -> list[str]:
    """The outputs of a cell one after another: what kind each is, and what it tells."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        told = [shape(data[kind]) for kind in TOLD if kind in data]
        found.append(" ".join([output.output_type, *sorted(data), *told]))
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_is_stored(path, tmp_path, monkeypatch):
    monkeypatch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path / "cache"))
    stored = nbformat.read(path, as_version=4)
    (tmp_path / "here").mkdir()
    fresh = deepcopy(stored)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None

    place = {"metadata": {"path": str(tmp_path / "here")}}
    nbclient.NotebookClient(fresh, timeout=600, resources=place, coalesce_streams=True).execute()

    cells = [
        (old, new) for old, new in zip(stored.cells, fresh.cells, strict=True) if old.cell_type == "code"
    ]
    assert len([old for old, _ in cells if old.outputs]) >= 6
    for old, new in cells:
        assert shown(new) == shown(old), old.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_light_and_names_no_place_of_its_maker(path):
    text = path.read_text(encoding="utf-8")

    assert len(text) < 200_000
    assert re.findall(r'"/[a-z]+/|[A-Z]:\\\\|/home/|/root/|/tmp/', text) == []


def test_there_is_a_notebook():
    assert [path.name for path in NOTEBOOKS] == ["first_five_minutes.ipynb"]
