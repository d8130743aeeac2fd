"""An export that is killed at any moment, or meets a full disk: no artifact without its golden file, none that the card
does not list, and no entry of what is not there or is another.

Real kills, before every single change of the disk. Each kind is published as `export` does; only the writing of its
content, which is in a stage that nobody reads, is replaced by files of a known text.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import foreign
import pytest

from efficientnet_lite.artifacts.kinds import KINDS
from efficientnet_lite.run import folder as run_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and forks of POSIX")
HERE = Path(__file__).parent


def _where_it_is_made(format):
    """Folders with many files have many changes to die at: half a minute, spent where their library is."""
    library = {"savedmodel": "tensorflow", "hub-tf1": "tensorflow", "coreml": "coremltools"}.get(format)
    missing = library is not None and find_spec(library) is None
    return pytest.param(format, marks=pytest.mark.skipif(missing, reason=f"needs {library}: make test-all"))


PROGRAM = """
import json, os, resource, shutil, signal, sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
import foreign
from test_foreign import KINDS as FOLDERS
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import Making, NewArtifact
from efficientnet_lite.artifacts.kinds import KINDS
from efficientnet_lite.artifacts.options import ExportOptions
from efficientnet_lite.artifacts.publication import publish
from efficientnet_lite.errors import OutputFailed
from efficientnet_lite.proof.golden import golden_path, read_golden
from efficientnet_lite.proof.parity import Parity
from efficientnet_lite.run.arrivals import Arrivals
from efficientnet_lite.run.artifacts import artifacts_of
from efficientnet_lite.run.folder import open_run
from efficientnet_lite.storage import files
from efficientnet_lite.storage.listing import is_own, seal

here, trained, format = Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
act = ""
KIND = KINDS[format]
TEXTS = ("first", "second", "third")
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "open"}
left, inside, written = None, False, False


def die(event, arguments):
    global left, written
    if not inside or event not in CHANGES or (event == "open" and not (arguments[2] & (os.O_WRONLY | os.O_RDWR))):
        return
    if "/content/" in str(arguments[0]):
        if written:  # one file more of a content that is not ready makes no difference
            return
        written = True
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(die)
os.fsync = lambda handle: None  # a kill is no loss of power


class OfText(Making):
    images = np.zeros((1, 2, 2, 3), np.uint8)


def write(text):
    def written(making, place):
        if KIND.folder is None:
            files.publish(place, text.encode())
        else:
            _, document, names = next(each for each in FOLDERS.values() if each[0] is KIND.folder)
            for name in names:
                foreign.write(place / name, text)
            (place / KIND.folder.marker).parent.mkdir(exist_ok=True)
            seal(place, KIND.folder, document)
        exported = Exported(making.out.absolute(), format, "float32", ("features",), Parity(0, 1, 99, None))
        return NewArtifact(exported, {"features": np.float32([TEXTS.index(text)])} if KIND.golden else None)

    return written


def export(place, text, **options):
    options = ExportOptions(format=format, **options)
    kind, entering, out = replace(KIND, write=write(text)), {}, place / f"m{KIND.ending}"
    if act.startswith("run"):
        run = Arrivals.to(place)
        run.recover()
        out, entering = run.place_of(KIND, replace(options, precision="float16")), {"entering": run.entering}
    return publish(kind, OfText(None, options, out), **entering).path


def export_another(place, meanwhile):
    "Of another kind into the same run; `meanwhile` happens while it is made."
    kind = KINDS["onnx" if format == "tflite" else "tflite"]
    run, options = Arrivals.to(place), ExportOptions(format=kind.format, precision="float16")
    run.recover()

    def written(making, path):
        meanwhile()
        files.publish(path, b"another")
        exported = Exported(making.out.absolute(), kind.format, "float32", ("features",), Parity(0, 1, 99, None))
        return NewArtifact(exported, {"features": np.float32([9])})

    making = OfText(None, options, run.place_of(kind, options))
    return publish(replace(kind, write=written), making, entering=run.entering).path


def text_at(path):
    if not files.exists(path):
        return None
    known = path
    if KIND.folder is not None:
        assert is_own(path, KIND.folder)
        names = next(each for each in FOLDERS.values() if each[0] is KIND.folder)[2]
        known = path / names[-1]
    return known.read_text()


def check(place, path):
    "No half lies there; gives what does."
    text = text_at(path)
    if text is not None and KIND.golden:
        assert read_golden(golden_path(path), ["features"])["features"] == [TEXTS.index(text)], "another golden file"
    if act.startswith("run"):
        artifacts = artifacts_of(open_run(place))
        listed = [each for each in artifacts if each.path != another]
        assert len(listed) == len(artifacts) - (another is not None), "the other artifact"
        assert [each.path for each in listed] == ([path] if text is not None else []), "the card's list"
        for each in json.loads((place / "card.json").read_text()).get("artifacts", []):
            assert files.exists(place / each["path"]), "the card lists what is not there"
        for each in listed:
            assert each.sha256 == (files.sha256_folder(path) if path.is_dir() else files.sha256_file(path))
    return text


for act in sys.argv[5:]:
    for number in range(1000):
        place = here / act / str(number) / "run"
        if act.startswith("run"):
            shutil.copytree(trained, place, copy_function=os.link)  # nothing is written in place
        else:
            place.mkdir(parents=True)
        path = another = None
        if act.endswith("over"):
            path = export(place, "first")
            if KIND.folder is not None:
                foreign.write(path / "notes.txt", "mine")
                export(place, "first", overwrite=True)  # which takes it over
        whole = foreign.held(place.parent)

        def kill():
            global killed, left, inside
            child = os.fork()
            if not child:
                if "full" in act:  # of which a limit for every file is a likeness
                    resource.setrlimit(resource.RLIMIT_FSIZE, (2**number, 2**number))
                else:
                    left, inside = number, True
                with suppress(OutputFailed):
                    export(place, "second", overwrite=act.endswith("over"))
                    os._exit(0)
                os._exit(1)
            killed = os.waitpid(child, 0)[1]

        if act.startswith("run beside"):
            another = export_another(place, kill)
        else:
            kill()
        if path is None:
            path = place / f"m{KIND.ending}"
            if act.startswith("run"):
                parts = KIND.in_a_run(ExportOptions(precision="float16"))
                path = place / "exports" / ("_".join(["run", *parts]) + KIND.ending)
        if "full" in act:
            assert not [name for name in foreign.held(place.parent) if ".part" in name], "a stage is left"
        found = check(place, path)
        assert found in ((None, "first", "second") if act.endswith("over") else (None, "second")), found
        export(place, "third", overwrite=True)
        assert check(place, path) == "third"
        after = foreign.held(place.parent)
        assert not [name for name in after if ".part" in name or ".previous" in name or ".lock" in name], sorted(after)
        if act.startswith("run"):
            card = json.loads((place / "card.json").read_text())
            assert "arriving" not in card
            assert {f"run/{name}" for name in card["files"]} <= set(after)
            assert set(after) - set(whole) <= {f"run/{name}" for name in card["files"]}, "not listed"
        if act.endswith("over") and KIND.folder is not None:
            assert (path / "notes.txt").read_text() == "mine"
        if not killed:
            break
    print(number)
"""


@pytest.fixture(scope="module")
def small(trained, tmp_path_factory):
    """That run with little in its files and its card, which are hashed and read a thousand times."""
    folder = tmp_path_factory.mktemp("small") / "run"
    card = dict(run_folder.open_run(trained.run).card)
    for part in ("metrics", "verification", "head", "int8", "data"):
        card[part] = {}
    for name in card["files"]:
        foreign.write(folder / name, name)
    run_folder.seal(folder, card)
    return folder


@pytest.mark.parametrize("format", [*map(_where_it_is_made, KINDS)])
def test_a_kill_at_any_change_leaves_no_half(small, tmp_path, format):
    acts = ["alone", "alone over", "run", "run over"]
    if format in ("tflite", "tf1-checkpoint"):  # a file, a folder
        acts += ["run beside over", "alone full over", "run full over"]
    elif KINDS[format].folder is None:  # as the first
        acts = ["alone over", "run over"]

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(HERE), str(tmp_path), str(small), format, *acts],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    changes = list(map(int, done.stdout.split()))  # so many were killed before
    assert len(changes) == len(acts)
    assert min(changes) > 8
