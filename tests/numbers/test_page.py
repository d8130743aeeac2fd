"""docs/numbers.md is written by the benchmarks alone, and their arithmetic is right."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks/ is run from the root and is never installed

from benchmarks import timing  # noqa: E402
from benchmarks.inputs import Inputs  # noqa: E402
from benchmarks.page import put, section, sections, with_section  # noqa: E402
from benchmarks.table import Table  # noqa: E402


def made(name: str, value: object) -> str:
    return section(
        name, f"python -m benchmarks {name}", Table(f"About {name}", ["what", "much"], [["it", value]])
    )


def test_a_measured_section_replaces_its_own_and_leaves_the_others(tmp_path):
    page = tmp_path / "numbers.md"
    for text in (made("one", 1), made("two", 2)):
        put(page, text)

    put(page, made("one", 3))

    assert sections(page.read_text()) == {"one": made("one", 3), "two": made("two", 2)}
    assert list(sections(page.read_text())) == ["one", "two"]


def test_what_is_no_section_is_refused():
    with pytest.raises(ValueError, match="one section"):
        with_section("", "| a | b |\n")


def test_a_page_that_people_write_keeps_all_but_the_section():
    page = f"# Files\n\nwords\n\n{made('one', 1)}\nmore words\n"

    assert with_section(page, made("one", 2)) == page.replace(made("one", 1), made("one", 2))
    with pytest.raises(ValueError, match="has no section two"):
        with_section(page, made("two", 2))


def test_the_numbers_page_holds_nothing_that_no_benchmark_wrote():
    page = (ROOT / "docs" / "numbers.md").read_text(encoding="utf-8")
    first = next(iter(sections(page).values()))

    assert with_section(page, first) == page


def test_a_ratio_is_taken_between_the_least_of_neighboring_blocks(monkeypatch):
    times = itertools.chain([2.0, 9.0, 1.0, 8.0], [6.0, 7.0, 2.0, 5.0], [1.0, 1.0, 1.0, 1.0])
    monkeypatch.setattr(timing, "_milliseconds", lambda call: next(times))

    first, second, ratio = timing.paired(lambda: None, lambda: None, rounds=3, runs=2)

    assert (ratio.lowest, ratio.median, ratio.highest) == (1.0, 2.0, 3.0)
    assert (first.least, second.least) == (1.0, 1.0)


def test_a_process_that_fails_is_no_measurement():
    with pytest.raises(Exception, match="exit status 3"):
        timing.finished([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.skipif(sys.platform == "win32", reason="peak memory comes from the operating system's wait4")
def test_the_peak_of_a_process_is_its_own():
    # From an interpreter of its own: the system counts what a process was before it became another program.
    measure = """
import sys
from benchmarks import timing
done = timing.finished([sys.executable, "-c", "print(len(bytearray(b'x' * 400_000_000)))"])
print(done.output.strip(), done.peak_bytes)
"""
    done = subprocess.run(
        [sys.executable, "-c", measure], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    output, peak_bytes = done.stdout.split()

    assert output == "400000000"
    assert 400e6 < int(peak_bytes) < 1e9


def test_a_missing_folder_is_named_with_its_option():
    with pytest.raises(SystemExit, match="--web-photos"):
        Inputs().web_photos  # noqa: B018
