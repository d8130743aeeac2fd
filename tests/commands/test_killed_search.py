"""An export to int8 that is ended in each of its stages: the old artifact lies there, whole, and nothing else.

Real processes and real signals; `make test-kill`. The stages are those that -v tells.
"""

import os
import signal
import subprocess
import sys
from importlib.util import find_spec

import pytest
import scenes

from efficientnet_lite.errors import EXIT_INTERRUPTED
from efficientnet_lite.proof.golden import golden_path, read_golden
from efficientnet_lite.runtimes.model_files import open_model

pytestmark = [
    pytest.mark.kill,
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
]
BEGINNING = "Quantizing to int8 ..."
STAGE = "int8, "  # what the line of a finished stage begins with
best = pytest.param(
    "best",
    marks=pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs TensorFlow: make test-all"),
)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Of 75 photos 12 calibrate and the others prove, so that one search is all there is."""
    return scenes.photograph(tmp_path_factory.mktemp("many") / "photos", count=25)


@pytest.fixture
def start(many, weights, tmp_path):
    """Start an export of an effort to `tmp_path/out/m.tflite`, with a cache of its own."""
    source = ["lite0@32"] if weights == "imagenet" else [weights, "--model", scenes.MODEL]

    def begin(effort):
        words = ["export", *source, "--out", tmp_path / "out/m.tflite", "--overwrite", "-v"]
        words += ["--precision", "int8", "--effort", effort, "--data", many, "--calibration", "12"]
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "efficientnet_lite",
                *map(str, words),
                "--min-agreement",
                "0",
                "--max-drop",
                "1",
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ
            | {"EFFICIENTNET_LITE_CACHE": str(tmp_path / f"cache-{len(list(tmp_path.iterdir()))}")},
        )

    (tmp_path / "out").mkdir()
    return begin


def stages_of(text):
    return [line for line in text.splitlines() if line.startswith(STAGE)]


def after(process, stages):
    """Read on until so many stages are over, or the process is at its end; gives what was read."""
    read = []
    while line := process.stderr.readline():
        read.append(line)
        if sum(each.startswith(STAGE) for each in read) >= stages and any(
            each.startswith(BEGINNING) for each in read
        ):
            break
    return "".join(read)


def is_whole(path):
    """Whether the artifact gives what its golden file says, to the code."""
    model, wanted = open_model(path), read_golden(golden_path(path), ["images", "probabilities"])
    found = model.run(wanted["images"])["probabilities"]
    return bool((found == wanted["probabilities"]).all())


@pytest.mark.parametrize("effort", ["standard", best])
def test_a_search_that_is_ended_in_any_stage_publishes_nothing(start, tmp_path, effort):
    out = tmp_path / "out" / "m.tflite"
    first = start(effort)
    result, said = first.communicate(timeout=600)
    assert first.returncode == 0, said
    stages, before = len(stages_of(said)), scenes.contents(out.parent)
    assert is_whole(out)

    for number in range(stages + 1):
        for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            process = start(effort)
            after(process, number)
            process.send_signal(sent)
            result, said = process.communicate(timeout=600)

            assert result == "", "an artifact is announced"
            left = scenes.contents(out.parent)
            assert {name: left[name] for name in before} == before, (number, sent)
            if sent is signal.SIGKILL:
                assert process.returncode == -signal.SIGKILL
            else:
                assert process.returncode == EXIT_INTERRUPTED, (number, sent, said)
                assert said.splitlines()[-1] == "warning: interrupted"
                assert left == before, "a stage of the artifact is left"

    whole = start(effort)
    whole.communicate(timeout=600)
    assert whole.returncode == 0
    assert scenes.names(out.parent) == [out.name, golden_path(out).name]  # what the kills left is swept
    assert is_whole(out)
