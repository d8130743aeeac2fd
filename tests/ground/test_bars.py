"""Bars: what a line says of a stage at every width, and that it never claims what is not so."""

import io
import os
import re
import threading
import time
from contextlib import suppress
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite.bars import Stages
from efficientnet_lite.progress import duration
from efficientnet_lite.terminal import cells, columns, has_colors

CODES = re.compile(r"\x1b\[\??[\d;]*[A-Za-z]")
FULL, FAINT = "\x1b[32m", "\x1b[38;5;237m"  # green, and what rich draws the rest of a bar with
FILLED = "\u2501"


class Screen(io.StringIO):
    """A terminal in memory."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _a_usual_terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown_on(stream):
    return Stages(stream).shown


def last(screen):
    """What stands in each line in the end, as a terminal shows it."""
    lines = CODES.sub("", screen.getvalue()).split("\n")
    return [line.rpartition("\r")[2].rstrip() for line in lines]


def bar_of(screen):
    """The cells of the last bar, with the codes of their colors."""
    return re.findall(rf"((?:\x1b\[[\d;]*m|[{FILLED}\u2578\u257a])+)", screen.getvalue())[-1]


@pytest.mark.parametrize("width", [100, 80, 60])
@pytest.mark.parametrize("total", [1, 8, 2000, 10**6])
def test_a_bar_ends_full_and_so_does_one_without_a_count(monkeypatch, width, total):
    monkeypatch.setenv("COLUMNS", str(width))
    screen = Screen()

    with shown_on(screen)("Fitting the head") as on_progress:
        on_progress(total, total)
    with shown_on(screen)("Writing"):
        pass

    counted, uncounted, _ = last(screen)
    cells_of_bar = {60: 12, 80: 14, 100: 24}[width]
    assert FILLED * cells_of_bar in counted
    assert FILLED * cells_of_bar in uncounted
    assert (f"{total:,}/{total:,}" in counted) == (total > 1)
    assert "/" not in uncounted
    assert FULL in bar_of(screen)


def test_what_ends_early_without_an_error_is_all_there_was():
    screen = Screen()

    with shown_on(screen)("Training") as on_progress:
        on_progress(3, 8)

    log = io.StringIO()
    with shown_on(log)("Training") as on_progress:
        on_progress(3, 8)

    assert "Training: 3 of 3, " in log.getvalue()
    assert "3/3" in last(screen)[0]
    assert FILLED * 14 in last(screen)[0]
    assert FULL in bar_of(screen)


def test_a_running_stage_says_how_fast_it_goes_and_how_long_it_takes(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()

    with shown_on(screen)("Embedding") as on_progress:
        on_progress(50_000, 100_000)  # of an earlier run, and no part of the rate
        for done in range(50_000, 50_040):
            on_progress(done, 100_000)
            time.sleep(0.01)
    running = [line for line in re.split(r"[\r\n]", CODES.sub("", screen.getvalue())) if " left" in line]

    rate, left = re.search(r"50,0\d\d/100,000 +([\d.]+)/s (\d+) min", running[-1]).groups()
    assert 10 < float(rate) <= 100
    assert 50_000 / float(rate) / 60 == pytest.approx(int(left), rel=0.5)
    assert max(map(cells, running)) < 80


def test_a_log_has_a_line_of_a_long_stage_every_few_minutes(monkeypatch):
    log, clock = io.StringIO(), iter(range(0, 10_000, 100))
    monkeypatch.setattr("efficientnet_lite.bars.time.monotonic", lambda: next(clock))

    with shown_on(log)("Embedding") as on_progress:
        for done in range(500, 507):
            on_progress(done, 1000)

    assert log.getvalue().splitlines() == [
        "Embedding ...",
        "Embedding: 502 of 1000, 20 h 45 min left",
        "Embedding: 505 of 1000, 16 h 30 min left",
        "Embedding: 506 of 506, 800.0 s",
    ]


@pytest.mark.parametrize("done", [0, 3, 7])
def test_a_stage_that_fails_keeps_its_count_and_says_that_it_stopped(done):
    screen = Screen()

    def interrupted():
        with shown_on(screen)("Training") as on_progress:
            on_progress(done, 8)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert f"{done}/8" in last(screen)[0]
    assert last(screen)[0].endswith("stopped")
    assert FULL not in bar_of(screen)


@given(
    st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp", "Cf")), max_size=60, min_size=1),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.integers(1, 200),
    st.booleans(),
)
def test_a_line_never_is_wider_than_its_terminal_and_never_breaks_its_count(text, done, total, width, over):
    screen = Screen()
    done = min(done, total)

    def shown():
        with shown_on(screen)(text) as on_progress:
            on_progress(done, total)
            if not over:
                raise KeyboardInterrupt

    with mock.patch.dict(os.environ, {"COLUMNS": str(width), "TERM": "xterm"}), suppress(KeyboardInterrupt):
        shown()

    (line, after) = last(screen)
    count = f"{done:,}/{done if over else total:,}"
    assert after == ""
    assert cells(line) < max(width, 2)
    if (done if over else total) > 1 and width > len(count) + 20:
        assert count in line


def test_colors_are_written_only_where_they_may_be(monkeypatch):
    def shown(**environment):
        screen = Screen()
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            with shown_on(screen)("Training") as on_progress:
                on_progress(8, 8)
        return screen.getvalue()

    assert f"{FULL}{FILLED}" in shown()
    assert not re.search(r"\x1b\[[\d;]*m", shown(NO_COLOR="1"))
    assert re.fullmatch(r"Training \.\.\.\nTraining: 8 of 8, \d+\.\d s\n", shown(TERM="dumb"))


def test_force_color_colors_a_pipe_and_no_color_wins(monkeypatch):
    pipe = io.StringIO()
    assert not has_colors(pipe)

    monkeypatch.setenv("FORCE_COLOR", "1")
    assert has_colors(pipe)

    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colors(pipe)


@pytest.mark.parametrize(
    ("said", "width"), [("120", 120), ("0", 80), ("-5", 80), ("wide", 80), ("", 80), ("²", 80)]
)
def test_a_terminal_is_as_wide_as_columns_says_where_it_says_something(monkeypatch, said, width):
    monkeypatch.setenv("COLUMNS", said)

    assert columns(Screen()) == width
    assert columns(io.StringIO()) is None


def test_lines_written_meanwhile_stand_above_the_bar():
    screen = Screen()
    stages = Stages(screen)

    with stages.shown("Training") as on_progress:
        for epoch in range(3):
            on_progress(epoch + 1, 3)
            assert stages.print_above(f"epoch {epoch + 1}\n")

    assert last(screen)[:3] == ["epoch 1", "epoch 2", "epoch 3"]
    assert last(screen)[3].startswith("Training")


def test_a_bar_leaves_no_thread_and_needs_no_reader():
    class Gone(Screen):
        def write(self, text):
            raise BrokenPipeError

    before = set(threading.enumerate())

    with shown_on(Gone())("Training") as on_progress:
        on_progress(1, 1)

    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_a_stream_without_utf_8_gets_a_plain_bar():
    class Ascii(Screen):
        encoding = "ascii"

    screen = Ascii()

    with shown_on(screen)("Größe") as on_progress:
        on_progress(8, 8)

    assert screen.getvalue().isascii()
    assert "--------" in screen.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.949, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (112, "1 min 52 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_time_is_said_as_people_say_it(seconds, text):
    assert duration(seconds) == text
