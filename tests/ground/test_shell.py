"""A command line that is copied from the screen reaches the program word for word."""

import shutil
import subprocess

import pytest

from efficientnet_lite.errors import printable
from efficientnet_lite.shell import command_line

WORDS = [
    "runs/clothing",
    "runs/my clothes",
    "it's $HOME/`x` & co; rm -rf *",
    '"quoted"',
    "写真",
    "back\\slash",
    "new\nline",
    "tab\tand \x1b[31mred",
    "caf\udce9",  # a byte that is no UTF-8
    "",
]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_reads_every_word_as_it_is(word):
    line = command_line(["printf", "%s", word])

    assert printable(line) == line  # so the screen shows what is to be copied
    found = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
    assert found == word.encode("utf-8", "surrogateescape")


def test_a_plain_word_stays_bare_on_either_system():
    assert command_line(["predict", "runs/clothing"]) == "predict runs/clothing"
    assert command_line(["predict", r"runs\clothing"], windows=True) == r"predict runs\clothing"
    assert command_line(["predict", r"runs\my clothes"], windows=True) == r'predict "runs\my clothes"'
