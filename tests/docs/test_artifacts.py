"""The pages about files and migration: their Python runs, their commands parse, their preprocessing is ours."""

import ast
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import scenes

from efficientnet_lite.cli.app import parser
from efficientnet_lite.commands.train import train
from efficientnet_lite.network.plan import VARIANTS
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.run.report.snippets import snippets
from efficientnet_lite.weights.published import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
OF_ITSELF = {"embedding", "vectors"}  # their snippets run in test_embedding.py and test_vectors.py
FILES_PAGE = ROOT / "docs/artifacts.md"
NEEDS_MORE = "pip install 'efficientnet-lite["  # what a command says that lacks an extra
BLOCK = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
# A line of its own, indented or in a fence, or a piece of a sentence in backquotes.
COMMAND = re.compile(
    r"^(?: {4})?(efficientnet-lite [^`\n]+?)(?:  +#.*)?$|`(efficientnet-lite [^`\n]+)`", flags=re.MULTILINE
)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def commands(page: Path) -> list[str]:
    return [alone or inline for alone, inline in COMMAND.findall(read(page))]


BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in DOCS
    if page.stem not in OF_ITSELF
    for number, block in enumerate(BLOCK.findall(read(page)))
]


def missing(block: str) -> list[str]:
    """Libraries that a block imports, and weights that it names, that are not installed."""
    if "hub.Module(" in block:  # which tests/hub1 runs
        return ["tensorflow_hub 0.15"]
    names = {package.module for name, package in PACKAGES.items() if f'"{name}"' in block}
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return sorted(name for name in names if find_spec(name) is None)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, dict[str, subprocess.CompletedProcess[str]]]:
    """A folder with what the pages name, and what each command of the page of files did there.

    photos/, photo.jpg and the run runs/clothing come from here, everything else from those commands.
    """
    folder = tmp_path_factory.mktemp("pages")
    scenes.photograph(folder / "photos")
    scenes.draw("ball", 99).save(folder / "photo.jpg", quality=95)
    train(folder / "photos", folder / "runs/clothing", model=scenes.MODEL, weights=scenes.weights(folder))
    done = {
        command: subprocess.run(
            [sys.executable, "-m", "efficientnet_lite", *shlex.split(command)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        for command in re.findall(r"^ {4}efficientnet-lite (.+)$", read(FILES_PAGE), flags=re.MULTILINE)
    }
    return folder, done


@pytest.mark.parametrize("block", BLOCKS)
def test_every_python_snippet_of_the_pages_runs(block, made, tmp_path):
    if absent := missing(block):
        pytest.skip(f"{', '.join(absent)} not installed: make test-all, or test-mediapipe")
    folder = tmp_path / "here"
    shutil.copytree(made[0], folder)

    done = subprocess.run(
        [sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.stem)
def test_every_command_of_a_page_parses(page):
    app = parser()

    for command in commands(page):
        words = shlex.split(command)[1:]
        of_the_line_itself = words[0] in ("--completion", "--help", "--version")
        if not of_the_line_itself:
            app.parse_args(words, exit_on_error=False, print_error=False)


def test_the_lines_of_the_tutorial_for_an_app_are_those_of_the_report():
    page = read(ROOT / "docs/tutorial.md")

    for snippet in snippets("exports/photos_int8.tflite", VARIANTS["lite0"].size):
        assert f"```{snippet.language.lower()}\n{snippet.code}```" in page


def test_a_command_that_does_not_exist_would_be_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("    efficientnet-lite verify runs/a --fast\n", encoding="utf-8")

    with pytest.raises(Exception, match="--fast"):
        test_every_command_of_a_page_parses(page)


def test_the_pages_have_snippets_and_commands():
    assert len(BLOCKS) >= 5
    assert len(commands(FILES_PAGE)) >= 6
    assert len(commands(ROOT / "docs/migration.md")) >= 10


@pytest.mark.parametrize("view", ["crop", "squash"])
def test_the_preprocessing_of_the_page_is_ours(view, made):
    photo = made[0] / "photo.jpg"
    (block,) = (each for each in BLOCK.findall(read(FILES_PAGE)) if "def look" in each)
    names = {}
    exec(block.partition("\n\n\npixels")[0], names)

    theirs = names["look"](photo, 32, view).astype(int)

    (ours,) = prepare(photo.read_bytes(), [view], Contract(32)).images
    assert np.abs(theirs - ours).max() <= 3  # another JPEG decoder: simplejpeg and Pillow round differently


def test_the_commands_of_the_page_of_files_do_what_it_says(made):
    failed = {
        command: done.stderr
        for command, done in made[1].items()
        if done.returncode != 0 and NEEDS_MORE not in done.stderr
    }

    assert failed == {}
