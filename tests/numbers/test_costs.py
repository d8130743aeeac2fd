"""What a billion photos cost, as the page says it: from the measured figures, by the script."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_has_what_the_script_makes_of_the_numbers():
    subprocess.run([sys.executable, ROOT / "scripts/make_cost_table.py", "--check"], check=True)
