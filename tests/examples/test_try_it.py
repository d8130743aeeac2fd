"""examples/try_it.py, started as its docstring says, and asked as a browser asks it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import scenes

from efficientnet_lite.commands.train import train

client = pytest.importorskip("gradio_client", reason="make test-examples")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with photos and a run on them."""
    folder = tmp_path_factory.mktemp("tried")
    scenes.photograph(folder / "photos")
    train(folder / "photos", folder / "runs/photos", model=scenes.MODEL, weights=scenes.weights(folder))
    return folder


@pytest.fixture(scope="module")
def app(folder) -> Iterator[object]:
    """A client of the app, which runs in a process of its own and answers this machine alone."""
    command = [sys.executable, "-u", ROOT / "examples/try_it.py", "runs/photos"]
    quiet = {"GRADIO_ANALYTICS_ENABLED": "False", "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | quiet,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield client.Client(address(process), verbose=False, analytics_enabled=False)
        finally:
            process.terminate()


def address(process: subprocess.Popen[str]) -> str:
    """Where the app says that it listens."""
    said = ""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and (line := process.stdout.readline()):
        said += line
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError(f"the app did not start:\n{said}")


def predicted(folder: Path, photo: Path) -> dict[str, float]:
    """What the command line says of a photo: label -> probability."""
    command = ["predict", "runs/photos", photo, "--top-k", "3", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "efficientnet_lite", *command],
        cwd=folder, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    (photo,) = json.loads(done.stdout)
    return {each["label"]: each["probability"] for each in photo["predictions"]}


@pytest.mark.parametrize("label", scenes.LABELS)
def test_the_app_names_what_predict_names(app, folder, label):
    photo = folder / f"{label}.png"
    scenes.draw(label, 77).save(photo)

    answer = app.predict(client.handle_file(photo), api_name="/classify")

    assert answer["label"] == label
    told = {each["label"]: each["confidence"] for each in answer["confidences"]}
    assert told == pytest.approx(predicted(folder, photo), abs=1e-6)


def test_a_file_that_is_no_photo_is_told_so(app, folder):
    broken = folder / "broken.jpg"
    broken.write_bytes((folder / "photos/ball/ball-01.jpg").read_bytes()[:900])

    with pytest.raises(client.exceptions.AppError, match="damaged or cut off"):
        app.predict(client.handle_file(broken), api_name="/classify")


def test_no_photo_is_told_so(app):
    with pytest.raises(client.exceptions.AppError, match="Choose a photo"):
        app.predict(None, api_name="/classify")


def test_the_app_is_as_short_as_it_is_said_to_be():
    text = (ROOT / "examples/try_it.py").read_text(encoding="utf-8")
    code = text.rpartition('photos\n"""\n')[2]

    assert len([line for line in code.splitlines() if line.strip() and not line.startswith("#")]) <= 20
