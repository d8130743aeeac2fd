"""Completion: the script works in a real bash, and is one that zsh and fish can read."""

import re
import shutil
import subprocess
import sys

import pytest

from efficientnet_lite.cli.app import run
from efficientnet_lite.cli.completion import NO_PATHS, SPLIT_PATHS


@pytest.fixture(scope="module")
def scripts():
    command = [sys.executable, "-m", "efficientnet_lite", "--completion"]
    return {
        shell: subprocess.run(
            [*command, shell], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        for shell in ("bash", "zsh", "fish")
    }


@pytest.fixture
def complete(scripts, tmp_path):
    """What bash offers for a command line that ends where the cursor is."""
    if shutil.which("bash") is None:
        pytest.skip("no bash on this system")
    (tmp_path / "script").write_text(scripts["bash"])

    def offers(*words):
        program = (
            'source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            "_efficientnet_lite; printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        done = subprocess.run(
            ["bash", "--norc", "-c", program, "bash", "efficientnet-lite", *words],
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return offers


def test_bash_completes_commands_options_and_choices(complete):
    assert complete("tr") == ["train"]
    assert complete("cache", "") == ["list", "clear"]
    assert {"--out", "--model", "--max-drop"} <= set(complete("train", "photos", "--"))
    assert complete("evaluate", "run", "photos", "--as", "me") == ["mediapipe"]
    assert {"edgetpu", "gpu"} <= set(complete("info", "a.tflite", "--target", ""))


def test_paths_are_left_to_bash_itself_which_knows_of_spaces(complete, scripts):
    assert complete("predict", "ru") == []
    assert "complete -o default -F _efficientnet_lite efficientnet-lite\n" in scripts["bash"]
    assert NO_PATHS in scripts["bash"]
    assert SPLIT_PATHS not in scripts["bash"]


def test_zsh_completes_from_a_folder_of_its_own_and_from_a_sourced_script(scripts, tmp_path):
    script = scripts["zsh"]
    assert script.startswith("#compdef efficientnet-lite\n\n_efficientnet-lite() {\n")
    assert "compdef _efficientnet-lite efficientnet-lite\n" in script
    positional = re.findall(r"^ *'(?:\d|\*):(?! ).*$", script, re.MULTILINE)
    assert len(positional) > 15
    assert [
        line for line in positional if not line.rstrip(" \\").endswith((":_files'", ")'", "->args'"))
    ] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_of_its_shell(scripts, shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this system")
    (tmp_path / "script").write_text(scripts[shell])

    done = subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    assert "train" in scripts[shell]


@pytest.mark.parametrize("arguments", [[], ["tcsh"], ["bash", "zsh"], [""]])
def test_any_other_shell_is_refused_with_those_that_there_are(arguments, capsys):
    assert run(["--completion", *arguments]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert "give one of bash, zsh, fish" in said.err
