"""Event files: TensorBoard's own reader finds the figures again, and no TensorFlow is loaded for them."""

import subprocess
import sys

import pytest

pytest.importorskip("tensorboard", reason="the extra [train]: make test-all")

from efficientnet_lite.errors import OutputFailed
from efficientnet_lite.training.tensorboard import TensorBoard

PROGRAM = """
import sys
from pathlib import Path
from efficientnet_lite.training.tensorboard import TensorBoard

board = TensorBoard(Path(sys.argv[1]))
board.scalars(1, {"loss": 0.5})
board.close()
print(sorted({"tensorflow", "keras", "jax"} & set(sys.modules)))
"""


def read(folder):
    """Tag -> its (step, value)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_reads_the_figures_again(tmp_path):
    board = TensorBoard(tmp_path / "new" / "logs")
    board.scalars(0, {"loss": None, "validation_loss": 0.75, "top1/crop": 0.5})
    board.scalars(1, {"loss": 0.25, "validation_loss": float("nan"), "top1/crop": 0.625})

    assert read(tmp_path / "new" / "logs") == {  # before it is closed: a page beside shows it
        "loss": [(1, 0.25)],
        "validation_loss": [(0, 0.75)],
        "top1/crop": [(0, 0.5), (1, 0.625)],
    }
    board.close()


def test_two_trainings_into_one_folder_do_not_meet(tmp_path):
    first, second = TensorBoard(tmp_path), TensorBoard(tmp_path)
    first.close()
    second.close()

    assert first.path != second.path


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OutputFailed) as caught:
        TensorBoard(tmp_path / "file" / "logs")

    assert str(tmp_path / "file") in str(caught.value)


def test_no_framework_is_loaded(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, timeout=120
    )

    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
