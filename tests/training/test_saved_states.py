"""Saved states: exact, bounded on disk, and one damaged file never costs more than one state."""

import json

import numpy as np
import pytest

from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.training import saved_states


def arrays_of(step):
    random = np.random.default_rng(step)
    return {
        "parameters/stem/conv/kernel": random.normal(size=(3, 3, 3, 4)).astype(np.float32),
        "step": np.array(step, np.int64),
    }


@pytest.fixture
def folder(tmp_path):
    for step in (5, 10, 15):
        saved_states.save(tmp_path / "states", step, arrays_of(step), {"sum": 0.1 * step, "rows": [[1, "a"]]})
    return tmp_path / "states"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def newest(folder):
    warnings = []
    return saved_states.newest(folder, warn=warnings.append), warnings


def test_the_newest_state_comes_back_to_the_bit(folder):
    found, warnings = newest(folder)

    assert (found.step, found.journal, warnings) == (15, {"sum": 0.1 * 15, "rows": [[1, "a"]]}, [])
    for name, array in arrays_of(15).items():
        assert (found.arrays[name].dtype, found.arrays[name].shape) == (array.dtype, array.shape)
        assert found.arrays[name].tobytes() == array.tobytes()


def test_two_states_are_kept_and_what_a_killed_process_left_goes(folder):
    (folder / ".step-00000000020.safetensors.0123abcd.part").write_bytes(b"half")
    (folder / "step-00000000020.safetensors").write_bytes(b"without its journal")

    saved_states.save(folder, 25, arrays_of(25), {})

    assert names(folder) == [
        f"step-{step:011d}.{kind}" for step in (15, 25) for kind in ("json", "safetensors")
    ]


def test_numbers_without_their_journal_are_no_state(folder):
    (folder / "step-00000000020.safetensors").write_bytes(b"killed before the journal was written")

    assert newest(folder)[0].step == 15


@pytest.mark.parametrize("kind", ["json", "safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "longer"])
def test_a_damaged_newest_state_falls_back_to_the_one_before(folder, kind, damage):
    path = folder / f"step-00000000015.{kind}"
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        path.write_bytes(data[:-3] + bytes([data[-3] ^ 0x80]) + data[-2:])
    elif damage == "longer":
        path.write_bytes(data + b"x")
    else:
        path.unlink()

    found, warnings = newest(folder)

    assert found.step == 10
    if (kind, damage) != ("json", "gone"):  # then there is nothing to warn of
        assert len(warnings) == 1
        assert "step-00000000015" in warnings[0]


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"step": -1}, {"bytes": "9"}, {"journal": []}, {"sha256": "0" * 64}, {"bytes": 2**60}],
)
def test_a_journal_that_says_something_else_is_refused(folder, change):
    path = folder / "step-00000000015.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    found, warnings = newest(folder)

    assert found.step == (15 if change == {"bytes": 2**60} else 10)  # a bound that is too wide does no harm
    assert len(warnings) == (found.step == 10)


def test_no_state_at_all_is_no_error_and_only_damaged_ones_are(folder, tmp_path):
    assert newest(tmp_path / "nothing") == (None, [])

    for path in folder.glob("*.json"):
        path.write_text("[]")
    with pytest.raises(CheckpointError, match="none of its 2 saved states"):
        newest(folder)
