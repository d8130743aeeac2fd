"""What the warnings say that calibration photos cost is what was measured, as docs/numbers.md has it."""

import sys
from pathlib import Path
from statistics import mean

import pytest

from efficientnet_lite.quantize import variety

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.page import sections  # noqa: E402

LUCK_DB = 0.5  # another machine rounds otherwise, and few photos are a matter of luck


def test_the_figures_of_the_warnings_are_the_measured_ones():
    section = sections((ROOT / "docs" / "numbers.md").read_text(encoding="utf-8")).get("calibration")
    if section is None:
        pytest.skip("not measured yet: python -m benchmarks calibration")
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    lost = {row[0]: float(row[-1]) for row in rows[2:]}

    for count, said in variety.LOST_TO_FEW.items():
        assert lost[f"{count} photos"] == pytest.approx(said, abs=LUCK_DB)
    kinds = [value for name, value in lost.items() if " photos of " in name]
    assert mean(kinds) == pytest.approx(variety.LOST_TO_ONE_KIND, abs=LUCK_DB)
    assert lost["uniform noise"] == pytest.approx(variety.LOST_TO_NOISE, abs=3)
