"""`progress=True` of a call: bars in a terminal and a notebook, lines in a log, and silence where it is left out."""

import os
import pty
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec

import pytest
import scenes

PROGRAM = """
import sys
import efficientnet_lite as el

el.check("photos")
print("quiet", file=sys.stderr, flush=True)
el.check("photos", progress=True)
print("over", file=sys.stderr, flush=True)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("progress")
    scenes.photograph(folder / "photos", count=4)
    return folder


def lines(text):
    """The lines of a terminal, each as it stood before it was left."""
    return [
        line.rsplit("\r", 1)[-1].replace("\x1b[2K", "") for line in text.replace("\r\n", "\n").split("\n")
    ]


def test_a_terminal_shows_a_bar_that_ends_full_and_nothing_unless_it_is_asked(place):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=place,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "80"},
    ) as child:
        os.close(theirs)
        said = b""
        with suppress(OSError):  # how a terminal ends whose last writer is gone
            while part := os.read(ours, 4096):
                said += part
    os.close(ours)

    before, _, after = said.decode().partition("quiet")
    assert child.returncode == 0
    assert before == ""
    (bar,) = (line for line in lines(after) if "Looking at the photos" in line)
    assert "12/12" in bar
    assert "over" in after


def test_a_log_has_a_line_when_a_stage_begins_and_one_when_it_ends(place):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=place, capture_output=True, text=True, timeout=120, check=True
    )

    assert done.stdout == ""
    quiet, begins, ends, over = done.stderr.splitlines()
    assert (quiet, begins, over) == ("quiet", "Looking at the photos ...", "over")
    assert ends.startswith("Looking at the photos: 12 of 12, ")


@pytest.mark.skipif(
    find_spec("nbclient") is None or find_spec("ipykernel") is None, reason="no Jupyter: make test-examples"
)
def test_a_notebook_shows_a_bar_that_ends_full_and_what_train_gives(place, monkeypatch):
    import nbclient
    import nbformat

    monkeypatch.chdir(place)
    sources = (
        "import efficientnet_lite as el",
        'el.check("photos"); None',
        'el.check("photos", progress=True); None',
        f'el.train("photos", model="{scenes.MODEL}", calibration=8, overwrite=True)',
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbclient.NotebookClient(notebook, timeout=300).execute()

    silent, shown, trained = notebook.cells[1:]
    text = "".join(output.get("text", "") for output in shown.outputs)
    widgets = [output for output in shown.outputs if "text/plain" in output.get("data", {})]
    assert silent.outputs == []
    assert widgets or "12/12" in lines(text.rstrip("\n").removesuffix("\x1b[?25h").rstrip("\n"))[-1]
    (result,) = (each for each in trained.outputs if each.output_type == "execute_result")
    assert result.data["text/html"].startswith("<div><b>photos: 3 classes, 12 photos")
