"""Every place of every command line that takes a path, with every kind of path that cannot serve there."""

import json
import os

import pytest

from efficientnet_lite.cli.app import run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")
SIZE = 32

# A row for each place: the command line, where PATH stands for the odd one and HERE for the folder of models.
PLACES = (
    "train PATH --out HERE/new --model lite0@32 --weights HERE/weights.safetensors",
    "train HERE/photos --out PATH --model lite0@32",
    "train HERE/photos --out HERE/new --config PATH",
    "train HERE/photos --out HERE/new --model lite0@32 --weights PATH",
    "train HERE/photos --out HERE/new --model lite0@32 --labels-locale de=PATH",
    "check PATH",
    "shards PATH --out HERE/new",
    "shards HERE/photos --out PATH",
    "shards HERE/photos --out PATH --overwrite",
    "predict PATH HERE/photos",
    "predict HERE/model.tflite PATH",
    "predict lite0@32 HERE/photos --weights PATH",
    "predict HERE/model.tflite HERE/photos --labels-map PATH",
    "evaluate PATH HERE/photos",
    "evaluate HERE/model.tflite PATH",
    "evaluate HERE/model.tflite --images HERE/photos/a/*.png --labels PATH",
    "evaluate HERE/model.tflite --images PATH --labels HERE/one.txt",
    "verify PATH",
    "verify HERE/model.tflite --parent PATH --data HERE/photos",
    "verify HERE/model.tflite --parent HERE/model.tflite --data PATH",
    "report PATH",
    "report PATH --out HERE/new.html",
    "export PATH --out HERE/new.tflite",
    "export lite0@32 --out PATH",
    "export lite0@32 --out PATH --overwrite",
    "export lite0@32 --weights PATH --out HERE/new.tflite",
    "export lite0@32 --out HERE/new.tflite --precision int8 --data PATH",
    "export lite0@32 --out HERE/new.tflite --labels-locale de=PATH",
    "export lite0@32 --out PATH --format tf1-checkpoint",
    "hub-cache lite0 --dir PATH",
    "hub-cache lite0 --dir PATH --remove",
    "embed PATH HERE/photos --out HERE/new",
    "embed lite0@32 PATH --out HERE/new",
    "embed lite0@32 HERE/photos --out PATH",
    "info PATH",
    "info PATH --target gpu",
)
# Path -> what the message says of it; of what lies there as something else, commands say it in their own words.
APART = (
    "predict HERE/model.tflite PATH",
    "verify PATH",
    "hub-cache lite0 --dir PATH",
)  # other words, as good
PREDICTED = "predict HERE/model.tflite PATH"
ODD = {
    "n" * 300: "longer than the file system allows",
    "file.txt/below": "a file, not a folder",
    "loop": "",
    "pipe": "",
    "socket": "",
    "nul\0inside": "a NUL character",
    "\ud800": "a character that this system cannot write",
}


def arguments(line, here, path):
    return [word.replace("PATH", str(here / path)).replace("HERE", str(here)) for word in line.split()]


def left(here):
    return sorted(path.relative_to(here).as_posix() for path in here.rglob("*"))


@pytest.mark.parametrize(("odd", "said"), ODD.items(), ids=[ascii(odd)[:20] for odd in ODD])
@pytest.mark.parametrize("line", PLACES)
def test_an_odd_path_is_one_message_that_names_the_cause(here, capfd, monkeypatch, line, odd, said):
    if line.startswith("report"):
        pytest.importorskip("matplotlib")
    monkeypatch.setenv("EFFICIENTNET_LITE_OFFLINE", "1")
    before = left(here)

    try:
        code = run(arguments(line, here, odd))
    except SystemExit as ending:
        code = ending.code

    out, printed = capfd.readouterr()
    assert code in (2, 3), (code, printed)
    if line == PREDICTED and odd in ("loop", "pipe", "socket"):  # the row of that photo says it
        assert odd in out
    else:
        assert [printed.count(part) for part in ("error: ", "\n  in:  ", "\n  try: ")] == [1, 1, 1]
        assert said in printed
    assert left(here) == before


RUN_ALL = """
import contextlib, io, json, os, sys, traceback
from efficientnet_lite.cli.app import run
for arguments in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = run(arguments)
        except SystemExit as ending:
            code = ending.code
        except Exception:
            code = traceback.format_exc()
    print(json.dumps([code, said.getvalue()]))
"""


@pytest.mark.parametrize(
    ("name", "said", "lines"),
    [
        ("closed/inside", "closed may not be entered", PLACES),
        (
            "unreadable",
            "Permission denied",
            [
                line
                for line in PLACES
                if not any(part in line for part in ("--out PATH", "--data PATH", "--dir PATH"))
            ],
        ),
        (
            "sealed/new",
            "written",
            [line for line in PLACES if "--out PATH" in line],
        ),
    ],
)
def test_a_path_that_permissions_bar_is_one_message_that_names_the_cause(here, bound, name, said, lines):
    (here / "closed").mkdir(mode=0)
    (here / "unreadable").touch(mode=0)
    (here / "sealed").mkdir(mode=0o555)
    lines = [line for line in lines if not line.startswith("report") and line not in APART]
    try:
        done = bound(
            RUN_ALL,
            json.dumps([arguments(line, here, name) for line in lines]),
            EFFICIENTNET_LITE_OFFLINE="1",
        )
    finally:
        (here / "closed").rmdir()
        (here / "unreadable").unlink()
        (here / "sealed").rmdir()

    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(lines), done.stderr
    for line, (code, printed) in zip(lines, found, strict=True):
        assert code in (2, 3), (line, code, printed)
        assert printed.count("error: ") == 1, line
        assert said in printed, line


def test_a_current_folder_that_is_gone_is_named_and_absolute_paths_do_without_it(here, tmp_path, bound):
    gone = tmp_path / "gone"
    relative = [line.replace("PATH", "x").replace("HERE/", "") for line in PLACES]
    lines = [line.split() for line in relative if not line.startswith("report") and "--remove" not in line]
    lines += [["check", "."], ["check", str(here / "photos")], ["info", "lite0"]]
    program = "import os\nos.mkdir({0!r})\nos.chdir({0!r})\nos.rmdir({0!r})\n".format(str(gone)) + RUN_ALL
    done = bound(program, json.dumps(lines), EFFICIENTNET_LITE_OFFLINE="1")

    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(lines), done.stderr
    assert [code for code, _ in found[-2:]] == [0, 0]
    for line, (code, printed) in zip(lines[:-2], found, strict=False):
        assert code in (2, 3), (line, code, printed)
        assert printed.count("error: ") == 1, line
    assert "the current folder has been deleted" in found[-3][1]


@pytest.mark.parametrize(
    "line", [*PLACES, "train HERE/photos --out HERE/new --weights PATH --model lite0@32"]
)
def test_an_empty_word_is_not_the_current_folder(here, capfd, monkeypatch, line):
    monkeypatch.chdir(here / "photos")
    before = left(here)

    words = [word.replace("HERE", str(here)).replace("PATH", "") for word in line.split()]

    if "" in words:
        code, said = run(words), capfd.readouterr().err
        assert code == 2 or "--config" in line  # which is read before the words are looked at
        assert "is empty" in said or "no regular file" in said
    assert left(here) == before
