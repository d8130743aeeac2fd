"""docs/tutorial.md, done from top to bottom: each command runs as it stands, and prints what the page shows.

The photos are those of the page, fewer of them, so that figures differ: lines are compared by their shape. Installing
is what `make test-wheel` does; fine-tuning needs Keras, see `make test-examples`.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/tutorial.md"
ELSEWHERE = ("python3 -m venv", "source ", "pip ", "open ", "python examples/try_it.py")  # see the docstring
PHOTOS = 50  # of each class
# A command in a line of its own, or a fence: its language, and what it shows.
STEP = re.compile(r"^ {4}(\w[^\n]*)$|^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
DURATION = re.compile(r"(?:#\s+h\s+)?(?:#\s+min\s+)?#\s+s\b")

pytestmark = pytest.mark.skipif(
    find_spec("keras") is None, reason="fine-tuning needs Keras: make test-examples"
)


@dataclass
class Step:
    """A command of the page, and the lines that it is shown to print."""

    command: str
    shown: list[str]


def steps(page: str) -> list[Step]:
    found: list[Step] = []
    for command, language, shown in STEP.findall(page):
        if command:
            found.append(Step(command, []))
        elif language == "text" and found and not found[-1].command.startswith(ELSEWHERE):
            found[-1].shown += shown.splitlines()
    return [step for step in found if not step.command.startswith(ELSEWHERE)]


def shape(lines: Iterable[str]) -> str:
    """What lines say without their figures, however far apart and however they are wrapped."""
    text = re.sub(r"─+", "─", re.sub(r"[\d.,]*\d", "#", " ".join(lines)))
    return DURATION.sub("TIME", re.sub(r"\s+", " ", text)).strip()


def missing(shown: list[str], printed: str) -> list[str]:
    """What is shown and was not printed, in this order; where the page has "...", anything may stand."""
    rest = shape(printed.splitlines())
    lost = []
    for elided, group in groupby(shown, key=lambda line: line.strip() == "..."):
        lines = list(group)
        if not elided:
            _, found, after = rest.partition(shape(lines))
            lost += [] if found else lines
            rest = after if found else rest
    return lost


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(command)
    words = {"efficientnet-lite": [sys.executable, "-m", "efficientnet_lite"], "python": [sys.executable]}[
        program
    ]
    environment = {
        "COLUMNS": "80",
        "EFFICIENTNET_LITE_CACHE": str(folder / "cache"),
        "PYTHONWARNINGS": "ignore",
    }
    return subprocess.run(
        [*words, *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where a reader stands: the scripts of a checkout, and a photo to ask about."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    return folder


def test_the_tutorial_from_top_to_bottom(folder):
    done = steps(PAGE.read_text(encoding="utf-8"))
    assert len(done) >= 7

    for step in done:
        answer = run(step.command, folder)

        assert answer.returncode == 0, f"{step.command}\n{answer.stdout}\n{answer.stderr}"
        assert missing(step.shown, answer.stdout) == [], f"{step.command}\n{answer.stdout}"
        if "make_digits" in step.command:
            fewer(folder / "photos")
            shutil.copy(next((folder / "photos/3").iterdir()), folder / "photo.jpg")
    assert (folder / "runs/photos/exports/photos_int8.tflite").is_file()
    assert (folder / "runs/photos/exports/golden.npz").is_file()
    assert (folder / "runs/photos/report.html").is_file()


def fewer(photos: Path) -> None:
    for label in photos.iterdir():
        for photo in sorted(label.iterdir())[PHOTOS:]:
            photo.unlink()


def test_a_line_that_is_not_printed_would_be_found():
    printed = "digits: 10 classes, 240 photos, 9 s\nint8  4.0 MB  97 %\n   (95-98)\n"
    head = "digits: 10 classes, 1,797 photos, 1 min 52 s"

    assert missing([head, "...", "int8 3.95 MB  100 % (8-10)"], printed) == []
    assert missing([head, "...", "int8 is fine"], printed) == ["int8 is fine"]
    assert missing(["int8  4.0 KB  97 % (95-98)"], printed) != []
    assert missing([head, "float32"], printed) != []
