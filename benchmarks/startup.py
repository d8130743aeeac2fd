"""How long a command takes before it does anything, in terms of what `import numpy` takes."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.inputs import Inputs
from benchmarks.table import Table
from benchmarks.timing import finished, paired
from efficientnet_lite.cli.app import COMMANDS, NAME

ROUNDS, RUNS = 3, 4  # blocks of so many starts, one command and `import numpy` in turn
TOOL = (sys.executable, "-m", "efficientnet_lite")
MEASURE = (sys.executable, "-c", "import numpy")


def startup(_inputs: Inputs) -> Table:
    """A cold start of every command's help, of `models` and of the shortest predictions, beside `import numpy`."""
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "python -c pass": (sys.executable, "-c", "pass"),
            **{_called(*words): (*TOOL, *words) for words in _short()},
            **{_called(*words): (*TOOL, *words) for words in _predictions(Path(folder))},
        }
        rows = []
        for name, command in commands.items():
            took, measure, ratio = paired(
                lambda command=command: finished(command),
                lambda: finished(MEASURE),
                rounds=ROUNDS,
                runs=RUNS,
            )
            shown = name.replace(folder, "FOLDER")
            rows.append([shown, f"{took.least:.0f} ms", f"{measure.least:.0f} ms", str(ratio)])
    columns = ["command", "least", "import numpy, least", "command / import numpy"]
    note = f"Ratios of blocks of {RUNS} starts that took turns: median of {ROUNDS}, lowest and highest."
    return Table("Start-up", columns, rows, note)


def _short() -> list[tuple[str, ...]]:
    """Command lines that say something and do nothing."""
    return [("--help",), ("models",), *((*command.name.split(), "--help") for command in COMMANDS)]


def _predictions(folder: Path) -> list[tuple[str, ...]]:
    photo, file = folder / "photo.jpg", folder / "lite0.tflite"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)).save(photo)
    subprocess.run([*TOOL, "export", "lite0", "--out", file, "-q"], check=True, capture_output=True)
    return [("predict", str(file), str(photo), "-q"), ("predict", "lite0", str(photo), "-q")]


def _called(*words: str) -> str:
    return " ".join((NAME, *words))
