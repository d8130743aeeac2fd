"""The console: what reaches stdout and stderr, on terminals, in pipes, and when something is wrong with them."""

import errno
import io
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite.cli.console import EXIT_READER_GONE, Console, percent, plain
from efficientnet_lite.errors import EXIT_INPUT, MAX_SHOWN, CheckpointError, OutputFailed, UnusableInput
from efficientnet_lite.metrics import Interval

HOSTILE = "[bold]dress[/bold] :smile: \x1b[31m\x9b2J\r\n\u202e\udcff"
HARMLESS = r"[bold]dress[/bold] :smile: \x1b[31m\x9b2J\r\n\u202e\udcff"

anything = st.text(st.characters(), max_size=30)  # lone surrogates and controls included
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | anything
    | anything.map(lambda t: Path("a" + t)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(anything, inner, max_size=4),
    max_leaves=12,
)


def stream(encoding: str = "utf-8") -> io.TextIOWrapper:
    """A stream in memory that is as strict as a pipe."""
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", newline="\n")


def written(target: io.TextIOWrapper) -> str:
    target.flush()
    assert isinstance(target.buffer, io.BytesIO)
    return target.buffer.getvalue().decode(target.encoding)


@pytest.fixture(autouse=True)
def _usual_buffering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a buffer, what is left in it at exit could not be tested."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class BrokenStream(io.StringIO):
    """A stream whose every write fails with this error number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.fixture
def out() -> io.TextIOWrapper:
    return stream()


@pytest.fixture
def err() -> io.TextIOWrapper:
    return stream()


def test_results_go_to_stdout_and_everything_else_to_stderr(out, err):
    console = Console(stdout=out, stderr=err)

    console.line("dress 0.91")
    console.note("a note")
    console.warn("a warning")

    assert written(out) == "dress 0.91\n"
    assert written(err) == "a note\nwarning: a warning\n"


def test_quiet_silences_notes_and_progress_but_no_warning_and_no_result(out, err):
    console = Console(quiet=True, verbose=3, stdout=out, stderr=err)

    console.note("a note")
    with console.progress("decoding") as on_progress:
        on_progress(1, 2)
    console.warn("a warning")
    console.line("a result")

    assert written(err) == "warning: a warning\n"
    assert written(out) == "a result\n"


def test_notes_for_the_verbose_wait_until_they_are_asked_for(out, err):
    for verbose in (0, 1, 2):
        Console(verbose=verbose, stdout=out, stderr=err).note(f"at {verbose}", verbose=1)

    assert written(err) == "at 1\nat 2\n"


def test_an_error_is_three_lines_of_stderr_whatever_its_parts_contain(out, err):
    console = Console(stdout=out, stderr=err)

    console.error(CheckpointError(f"what {HOSTILE}", where=Path(HOSTILE), fix=f"fix {HOSTILE}"))

    assert written(out) == ""
    assert written(err) == f"error: what {HARMLESS}\n  in:  {HARMLESS}\n  try: fix {HARMLESS}\n"


@pytest.mark.parametrize("width", [None, "40"])
def test_hostile_names_reach_no_terminal_raw_and_are_no_markup(monkeypatch, width):
    terminal = Terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    if width:
        monkeypatch.setenv("COLUMNS", width)
    console = Console(stdout=terminal, stderr=terminal)

    console.line(HOSTILE)
    console.note(HOSTILE)
    console.warn(HOSTILE)
    console.table(HOSTILE, [HOSTILE], [[HOSTILE]])

    text = terminal.getvalue()
    joined = " ".join(text.split()) + " "
    assert joined.startswith(f"{HARMLESS} {HARMLESS} warning: {HARMLESS} ")
    assert text.replace("\n", "").isprintable()
    assert joined.count(HARMLESS) == 6


def test_hostile_names_are_harmless_beside_a_progress_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    console = Console(stdout=terminal, stderr=terminal)

    with console.progress(HOSTILE) as on_progress:
        on_progress(1, 2)
        console.note(HOSTILE)
        console.line(HOSTILE)
        on_progress(2, 2)

    text = terminal.getvalue()
    assert text.count(f"{HARMLESS}\n") == 2
    assert "2/2" in text
    assert "\x9b" not in text
    styles = {code for found in re.findall(r"\x1b\[([\d;]*)m", text) for code in found.split(";")}
    assert styles <= {"0", "1", "2", "3", "4"}  # NO_COLOR forbids 30 and above


def test_labels_of_errors_have_colors_where_a_terminal_has_them(monkeypatch):
    def shown(target, **environment):
        with monkeypatch.context() as patch:
            for name in ("NO_COLOR", "FORCE_COLOR"):
                patch.delenv(name, raising=False)
            for name, value in {"TERM": "xterm-256color", "COLUMNS": "30", **environment}.items():
                patch.setenv(name, value)
            error = UnusableInput("the try: of an error: went wrong again", where="it", fix="give another")
            Console(stdout=stream(), stderr=target).error(error)
        return target.getvalue() if isinstance(target, Terminal) else written(target)

    plain_text = "error: the try: of an error:\n       went wrong again\n  in:  it\n  try: give another\n"
    assert shown(Terminal()) == plain_text.replace("error:", "\x1b[31merror:\x1b[0m", 1).replace(
        "  try:", "  \x1b[1mtry:\x1b[0m"
    )
    assert shown(Terminal(), NO_COLOR="1") == plain_text
    assert shown(Terminal(), TERM="dumb") == plain_text
    in_a_pipe = plain_text.replace("\n      ", "")
    assert shown(stream()) == in_a_pipe
    assert shown(stream(), FORCE_COLOR="1").startswith("\x1b[31merror:\x1b[0m the try: of an error: went")


def test_a_table_in_a_pipe_is_as_wide_as_its_cells_and_without_trailing_blanks(out, err):
    console = Console(stdout=out, stderr=err)
    long = "a long class name " * 20 + "end"

    console.table("Classes", ["class", "photos"], [[long, 7], ["hat", 1234]], right=["photos"])

    lines = written(out).splitlines()
    assert [line.split() for line in lines[:2]] == [["Classes"], ["class", "photos"]]
    assert lines[3].startswith(long)
    assert lines[3].endswith("   7")
    assert lines[4].endswith("1234")
    assert len(lines[3]) == len(lines[4]) == len(lines[1])
    assert all(line == line.rstrip() for line in lines)


def test_what_is_wider_than_the_terminal_stays_whole_to_be_copied(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    path = "photos of the sea/" * 5

    console = Console(stdout=terminal, stderr=terminal)
    console.table("", ["photo", "n"], [[path, 1]])
    console.facts("about", [("path", Path(path))])
    console.line(f"it lies in {path}", keep=[path])
    console.note(f"it lies in {path}", keep=[path])
    console.error(UnusableInput("it is empty", where=Path(path), fix=f"fill {path}"))

    lines = terminal.getvalue().splitlines()
    assert [line.strip(" ").rstrip("/") for line in lines].count(path.rstrip("/")) == 6


def test_colors_and_styles_never_enter_a_table(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()

    console = Console(stdout=terminal, stderr=terminal)
    console.table("Title", ["a"], [["b"]])
    console.facts("Title", [("a", "b")])
    console.json({"a": "b"})

    assert "\x1b" not in terminal.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_what_a_stream_cannot_encode_arrives_escaped_and_the_table_keeps_its_columns(encoding):
    out, err = stream(encoding), stream(encoding)
    console = Console(stdout=out, stderr=err)

    console.table("写真", ["class", "n"], [["写真", 1], ["hat", 22]], right=["n"])
    console.note("写真")

    lines = written(out).splitlines()
    assert lines[0] == r"\u5199\u771f"
    assert [len(line) for line in lines[1:]] == [16, 16, 16, 16]
    assert lines[2] == 16 * "-"
    assert written(err) == "\\u5199\\u771f\n"


def test_json_mode_leaves_stdout_to_the_document(out, err):
    console = Console(json=True, stdout=out, stderr=err)

    console.line("for people")
    console.table("for people", ["a"], [["b"]])
    console.json({"top1": 0.5})

    assert json.loads(written(out)) == {"top1": 0.5}


@given(documents, st.sampled_from(["utf-8", "ascii", "cp1252"]))
def test_every_document_is_utf8_that_parses_and_holds_no_control_character(document, encoding):
    out = stream(encoding)

    Console(stdout=out, stderr=out).json(document)

    text = written(out)
    assert json.loads(text.encode("utf-8").decode("utf-8")) == plain(document)
    assert text.endswith("\n")
    assert text.replace("\n", "").isprintable()


@given(st.lists(documents, max_size=4))
def test_a_stream_of_documents_has_one_on_each_line(found):
    out = stream()
    console = Console(stdout=out, stderr=out)

    for document in found:
        console.json_line(document)

    lines = written(out).split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == [plain(document) for document in found]


@dataclass(frozen=True)
class Result:
    path: Path
    interval: Interval


def test_values_of_every_kind_have_a_plain_form(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert plain(Result(Path("a/b.jpg"), Interval(0.1, 0.2))) == {
        "path": str(tmp_path / "a" / "b.jpg"),
        "interval": {"low": 0.1, "high": 0.2},
    }
    assert plain([np.float32(0.5), np.int64(3), np.bool_(True), np.array([1, 2])]) == [0.5, 3, True, [1, 2]]
    assert plain((float("nan"), float("inf"), np.float64("-inf"), np.float32("nan"))) == [None] * 4
    assert plain({1: "caf\u00e9 \udce9"}) == {"1": "caf\u00e9 \\udce9"}


def test_a_value_without_a_form_in_json_is_a_callers_bug(out, err):
    console = Console(stdout=out, stderr=err)

    with pytest.raises(TypeError, match="set has no form in JSON"):
        console.json({"labels": {"hat"}})

    assert written(out) == ""


def test_progress_in_a_log_is_a_line_when_a_stage_begins_and_one_when_it_ends(out, err):
    console = Console(stdout=out, stderr=err)

    for stage in ("decoding", "fitting"):
        with console.progress(stage) as on_progress:
            for done in range(1000):
                on_progress(done + 1, 1000)

    lines = written(err).splitlines()
    assert lines[::2] == ["decoding ...", "fitting ..."]
    assert all(" 1000 of 1000, " in line for line in lines[1::2])
    assert len(lines) == 4
    assert written(out) == ""


def test_progress_on_a_terminal_keeps_a_bar_for_each_stage(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    terminal, out = Terminal(), stream()
    console = Console(stdout=out, stderr=terminal)

    with console.progress("decoding") as on_progress:
        on_progress(5, 5)
        console.note("a note")
    with console.progress("writing"):
        pass

    shown = re.sub(r"\x1b\[\??[\d;]*[A-Za-z]", "", terminal.getvalue())
    lines = [line.rsplit("\r", 1)[-1] for line in shown.split("\n")]
    assert [line.split()[0] for line in lines if line] == ["a", "decoding", "writing"]
    assert "5/5" in lines[1]
    assert "/" not in lines[2]
    assert written(out) == ""


@pytest.mark.parametrize("target", [Terminal, stream])
def test_a_failing_stage_lets_its_error_through_and_claims_no_end(monkeypatch, target):
    monkeypatch.setenv("TERM", "xterm")
    err = target()
    console = Console(stdout=stream(), stderr=err)

    def interrupted() -> None:
        with console.progress("decoding") as on_progress:
            on_progress(1, 5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    console.note("later")

    text = err.getvalue() if isinstance(err, Terminal) else written(err)
    assert "5 of 5" not in text
    assert "5/5" not in text
    assert "decoding: " not in text
    assert text.endswith("later\n")


def test_results_pass_a_progress_bar_into_a_pipe(monkeypatch, out):
    monkeypatch.setenv("TERM", "xterm")
    console = Console(stdout=out, stderr=Terminal())

    with console.progress("predicting") as on_progress:
        console.json_line({"photo": 1})
        on_progress(1, 1)

    assert written(out) == '{"photo": 1}\n'


def test_a_reader_that_left_ends_the_program_as_sigpipe_would(err):
    console = Console(stdout=BrokenStream(errno.EPIPE), stderr=err)

    with pytest.raises(SystemExit) as left:
        console.line("text")

    assert left.value.code == EXIT_READER_GONE == 141
    assert written(err) == ""


def test_a_full_disk_behind_stdout_is_an_error_that_says_so(err):
    console = Console(stdout=BrokenStream(errno.ENOSPC), stderr=err)

    with pytest.raises(OutputFailed, match="No space left") as failure:
        console.json({})

    assert failure.value.exit_code == EXIT_INPUT
    assert "standard output" in str(failure.value)


def test_trouble_with_stderr_stops_nothing(out):
    console = Console(stdout=out, stderr=BrokenStream(errno.EIO))

    console.warn("unheard")
    with console.progress("decoding") as on_progress:
        on_progress(1, 1)
    console.line("heard")

    assert written(out) == "heard\n"


@pytest.fixture
def script() -> list[str]:
    """The command line of a program that prints many lines through a console."""
    body = (
        "from efficientnet_lite.cli.console import Console\n"
        "console = Console()\n"
        "console.warn('caf\\u00e9')\n"
        "for number in range(100_000): console.line(f'line {number} \\u00e9')\n"
        "console.table('title', ['a'], [['b']]); console.json({})\n"
    )
    return [sys.executable, "-W", "error", "-c", body]


@pytest.mark.skipif(os.name != "posix", reason="pipes of Windows end otherwise")
def test_a_real_pipe_closed_early_leaves_no_traceback_and_no_complaint_at_exit(script):
    process = subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().decode() == "line 0 é\n"

    process.stdout.close()
    assert process.stderr is not None
    complaint = process.stderr.read().decode()
    process.stderr.close()

    assert process.wait(timeout=30) == 141
    assert complaint.splitlines() == ["warning: café"]


def test_a_log_that_nobody_reads_any_more_changes_no_exit_code(script):
    process = subprocess.Popen(script, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.close()

    assert process.wait(timeout=60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_full_device_behind_stdout_is_reported_once(lines):
    code = (
        "from efficientnet_lite.cli.console import Console\n"
        f"for number in range({lines}): Console().line('text')\n"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30
        )

    assert done.returncode == 1  # the error leaves the script, whose caller would print it
    assert "OutputFailed: the result could not be written: No space left on device" in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_json_line_reaches_its_reader_while_the_program_goes_on():
    code = (
        "from efficientnet_lite.cli.console import Console\n"
        "Console(json=True).json_line({'photo': 1}); input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        timer = threading.Timer(20, process.kill)  # a line that never comes ends as an empty one
        timer.start()
        assert process.stdout is not None

        line = process.stdout.readline()

        timer.cancel()
        still_running = process.poll() is None
        process.communicate("\n")
    assert line == '{"photo": 1}\n'
    assert still_running


@pytest.mark.skipif(os.name != "posix", reason="closes streams by the shell")
def test_closed_standard_streams_stop_nothing(script):
    command = " ".join(f"'{part}'" if "'" not in part else f'"{part}"' for part in script)

    done = subprocess.run(["sh", "-c", f"{command} >&- 2>&-"], capture_output=True, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_an_ascii_environment_gets_escapes_instead_of_a_crash(script):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}

    done = subprocess.run(script, capture_output=True, env=environment, timeout=60)

    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == rb"line 0 \xe9"
    assert done.stderr.strip() == rb"warning: caf\xe9"


def test_a_console_costs_neither_rich_nor_numpy_until_something_is_drawn():
    code = (
        "import sys; from efficientnet_lite.cli.console import Console, percent\n"
        "console = Console(json=True); console.note('a'); console.json({'a': 1}); percent(0.5)\n"
        "print([name for name in ('rich', 'numpy') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("fraction", "interval", "text"),
    [
        (0.9123, None, "91.2 %"),
        (0.912, Interval(0.8796, 0.937), "91.2 % (88.0-93.7)"),
        (1.0, Interval(0.96, 1.0), "100.0 % (96.0-100.0)"),
        (None, None, "-"),
        (float("nan"), Interval(0, 1), "-"),
    ],
)
def test_fractions_are_shown_as_percents_with_their_interval(fraction, interval, text):
    assert percent(fraction, interval) == text


def test_what_quotes_a_megabyte_is_shown_by_its_beginning_and_end(capsys):
    console = Console()
    long = "a" * 10**6

    console.error(UnusableInput(f"line 1: {long}", where=long, fix=f"mend {long}"))
    console.warn(long)
    console.note(long)

    shown = capsys.readouterr().err
    assert shown.startswith("error: line 1: aaa")
    assert len(shown) < 5 * MAX_SHOWN + 500


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("predict lite0@32 - <&-", 3, "the list of paths cannot be read: it is closed"),
        ("predict lite0@32 - 0>/dev/null", 3, "the list of paths cannot be read"),
        ("info lite0 <&-", 0, ""),
        ("train --help >/dev/full", 3, "the result could not be written"),
        ("cache clear -h >/dev/full", 3, "the result could not be written"),
        ("predict --help >&-", 0, ""),
        ("models >&- 2>&- <&-", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full_make_no_traceback(command, code, said):
    if "full" in command and not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    line = f"'{sys.executable}' -m efficientnet_lite {command}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=120)

    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert said in done.stderr
