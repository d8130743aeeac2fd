"""Every command in a real terminal of 60, 80 and 120 columns and in a pipe: nothing breaks that may not.

The stages that they open on the way are listened to: each is told to its end, one at a time.
"""

import contextlib
import io
import os
import re
import struct
import threading

import pytest
from rich.cells import cell_len

from efficientnet_lite.bars import Stages
from efficientnet_lite.cli.app import COMMANDS, run
from efficientnet_lite.errors import WeightsMissing
from efficientnet_lite.network.plan import VARIANTS
from efficientnet_lite.weights.read import load_weights

termios = pytest.importorskip("termios")
fcntl = pytest.importorskip("fcntl")

WIDTHS = (60, 80, 120)
# Each command on the folder of `here`, whose photos, model and run it names; what is written anew has --overwrite.
LINES = {
    "train": "train photos --model lite0@32 --out run --calibration 6 --max-drop 1 --min-agreement 0 --overwrite -v",
    "check": "check photos",
    "shards": "shards photos --out records --overwrite",
    "predict": "predict model.tflite photos -k 2",
    "evaluate": "evaluate model.tflite photos --split all --as crop --as mediapipe",
    "verify": "verify run --max-drop 1 --min-agreement 0",
    "report": "report run --overwrite",
    "quantize-report": "quantize-report run --calibration 4 --overwrite",
    "export": "export run --precision float16 --data photos --out a/folder/of/exports/half.tflite --overwrite",
    "hub-cache": "hub-cache all --dir modules --remove",
    "embed": "embed run photos --out vectors --overwrite",
    "search": "search vectors photos --model run --top-k 3",
    "index": "index vectors --out index --overwrite",
    "duplicates": "duplicates vectors",
    "map": "map vectors --out map.html --method pca --overwrite",
    "info": "info run",
    "models": "models",
    "doctor": "doctor --quick",
    "cache list": "cache list",
    "cache clear": "cache clear",
}
MORE = [
    "--help",
    "info lite1",
    "info model.tflite",
    "info model.tflite --target edgetpu",
    "info model.tflite --target gpu",
    "info missing/folder/of/a/model.tflite",
    "predict lite9 photos",
    "predict model.tflite photos --as sideways",
    "check file.txt",
    "export run --precision int8 --out a.tflite",
    "train photos --out run --vall 0.3",
]
NOTED = {"(no", "room", "here", "for", "--json", "has", "all)"}  # what says that a column is left out
CODES = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
UNITS = ("%", "ms", "MB", "KB", "M", "points", "min", "s")
RULE, COUNT = "\u2500", re.compile(r"[\d,]+/[\d,]+")  # of a table, of a bar
STAGES = {}  # command line -> what each stage that it opened was told


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    try:
        load_weights(VARIANTS["lite0"])
    except WeightsMissing as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            patch.delenv(name, raising=False)
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("efficientnet_lite.run.clinic.examination.WORST", 3)  # rows, each of two files to run
        yield


@pytest.fixture(scope="module")
def shown(here):
    """What a command line writes to a terminal of a width, or to pipes; each once."""
    (here / "a/folder/of/exports").mkdir(parents=True, exist_ok=True)
    known = {}

    def show(line, width):
        if (line, width) not in known:
            if line.split()[1:2] == ["run"] or " run" in line.partition("--out")[0]:
                show(LINES["train"], WIDTHS[0])
            if line.split()[1:2] == ["vectors"]:
                show(LINES["embed"], WIDTHS[0])
            STAGES[line] = told = {}
            with _listening(told):
                known[line, width] = _ran(here, line.split(), width)
        return known[line, width]

    return show


@contextlib.contextmanager
def _listening(told):
    """Stages are shown as ever, and what they are told is kept."""
    shown, within = Stages.shown, []

    @contextlib.contextmanager
    def listened(self, description):
        assert not within, f"{description} within {within}"
        within.append(description)
        with shown(self, description) as on_progress:

            def keep(done, total):
                told.setdefault(description, []).append((done, total))
                on_progress(done, total)

            yield keep
        within.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stages, "shown", listened)
        yield


def _ran(folder, arguments, width):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        if width is None:
            out = io.StringIO()
            patch.setattr("sys.stdout", out)
            patch.setattr("sys.stderr", out)
            _run(arguments)
            return out.getvalue()
        if "--help" in arguments[1:]:  # which asks the process's own streams
            patch.setenv("COLUMNS", str(width))
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
        parts = []
        reader = threading.Thread(target=_read, args=(master, parts))
        reader.start()
        with os.fdopen(slave, "w", encoding="utf-8", buffering=1) as terminal:
            patch.setattr("sys.stdout", terminal)
            patch.setattr("sys.stderr", terminal)
            _run(arguments)
        reader.join()
        os.close(master)
        return b"".join(parts).decode()


def _run(arguments):
    with contextlib.suppress(SystemExit):
        run(arguments)


def _read(master, parts):
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            return
        if not part:
            return
        parts.append(part)


def lines_of(text):
    """The lines that a terminal shows in the end."""
    last = (line.rsplit("\x1b[2K", 1)[-1] for line in text.replace("\r\n", "\n").split("\n"))
    return [CODES.sub("", line).replace("\r", "").rstrip() for line in last]


def alike(word):
    """A word whose digits do not matter: times differ from run to run."""
    return re.sub(r"\d[\d,.]*", "0", word)


def broken(text, whole, width):
    """The words of a screen that are none of the same command's words in a pipe, and the lines that are too wide."""
    words = {alike(word) for word in whole.split()} | NOTED
    found = []
    for line in lines_of(text):
        if " \u2501" in line or "\u2501 " in line:  # a bar
            line = line.partition("\u2501")[0]
        parts = [word for word in line.split() if set(word) != {RULE} and not COUNT.fullmatch(word)]
        found += [
            word for word in parts if alike(word) not in words and alike(word.rstrip(":,")) not in words
        ]
        if cell_len(line) > width and len(line.split()) > 1:
            found.append(line)
        if parts and parts[0] in UNITS:
            found.append(f"a unit alone: {line}")
    return found


def test_every_command_is_looked_at():
    assert list(LINES) == [command.name for command in COMMANDS]
    assert all(line.startswith(name) for name, line in LINES.items())


@pytest.mark.parametrize("line", [*LINES.values(), *MORE])
def test_nothing_breaks_inside_a_number_a_word_or_a_path(shown, line):
    whole = shown(line, None)

    assert "\x1b" not in whole
    assert "\u2501" not in whole
    for width in WIDTHS[:1] if line == LINES["train"] else WIDTHS:  # `info run` shows it at the others
        assert broken(shown(line, width), whole, width) == [], shown(line, width)


@pytest.mark.parametrize("line", LINES.values())
def test_every_stage_is_told_to_its_end_and_its_bar_is_full(shown, line):
    for text in lines_of(shown(line, WIDTHS[0])):
        if counts := [tuple(word.split("/")) for word in text.split() if COUNT.fullmatch(word)]:
            assert all(done == total for done, total in counts), text
    for description, told in STAGES[line].items():
        assert told[-1][0] == told[-1][1] > 0, f"{description} ends at {told[-1]}"
        assert all(0 <= done <= total for done, total in told), description
        assert told == sorted(told, key=lambda each: each[0]), f"{description} falls back"
    assert STAGES[line] or line.split()[0] in ("hub-cache", "info", "models", "doctor", "cache")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_nothing_breaks_in_the_help_of_a_command(shown, command):
    line = f"{command.name} --help"
    plain = re.compile("[\u2500-\u257f]")
    whole = plain.sub(" ", "\n".join(lines_of(shown(line, 400))))

    for width in WIDTHS:
        assert broken(plain.sub(" ", shown(line, width)), whole, width) == []


def test_a_word_cut_in_two_would_be_found():
    assert broken("exports/clothing_flo\nat32.tflite", "exports/clothing_float32.tflite", 60) != []
    assert broken("top-1 84.2\n% (79.9-87.7)", "top-1 84.2 % (79.9-87.7)", 60) != []
    assert broken("a long line of words", "a long line of words", 10) != []
    assert broken("top-1 84.2 %", "top-1 91.0 %", 60) == []
