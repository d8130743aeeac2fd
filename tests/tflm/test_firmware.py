"""A folder for a microcontroller: its sources are compiled, and its main.cc is run on TFLite Micro's library.

The library's headers are in no registry; tests/tflm/headers declares what main.cc uses of them. main.cc is linked with
the Python package's own binary, which exports all of the library, and called in a Python that has loaded it.
"""

import ctypes
import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scenes

from efficientnet_lite.artifacts.firmware.microcontroller import FIRMWARE
from efficientnet_lite.chips import micro
from efficientnet_lite.cli import app
from efficientnet_lite.commands.export import export
from efficientnet_lite.commands.train import train
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import ArtifactError, UsageError, VerificationFailed
from efficientnet_lite.proof.golden import golden_path
from efficientnet_lite.run import folder as run_folder
from efficientnet_lite.storage.listing import is_own
from efficientnet_lite.vocabulary import CALIBRATION_PHOTOS

runtime = pytest.importorskip("tflite_micro", reason="in an environment of its own: requirements.txt").runtime
needs_gcc = pytest.mark.skipif(shutil.which("g++") is None, reason="needs gcc")
HEADERS = Path(__file__).with_name("headers")
LIBRARY = Path(runtime.__file__).with_name("_runtime.so")
CALL = "import ctypes, sys; ctypes.CDLL(sys.argv[1], ctypes.RTLD_GLOBAL); sys.exit(ctypes.CDLL(sys.argv[2]).main())"
NAMES = {"ball": 'b"a\\ll??', "box": "* box; *", "stripes": "Größe 靴"}
export_firmware = partial(export, format="tflm")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with class names that would be code if they could."""
    folder = tmp_path_factory.mktemp("firmware")
    scenes.photograph(folder / "photos")
    for label, name in NAMES.items():
        (folder / "photos" / label).rename(folder / "photos" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(folder / "cache"))
        weights = scenes.weights(folder)
        return train(
            folder / "photos", folder / "shapes", model=scenes.MODEL, weights=weights, calibration=8
        ).run


@pytest.fixture(scope="module")
def firmware(trained, tmp_path_factory):
    """What is exported of it; not to be changed."""
    return export_firmware(trained, tmp_path_factory.mktemp("out") / "firmware")


@pytest.fixture(scope="module")
def built(firmware, tmp_path_factory):
    """A copy of that folder, built once; its array takes the compiler seconds."""
    folder = shutil.copytree(firmware.path, tmp_path_factory.mktemp("built") / "sources")
    make(folder)
    return folder


@pytest.fixture
def sources(built, tmp_path):
    """A copy of that, to be spoiled and built anew."""
    return shutil.copytree(built, tmp_path / "sources")


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "runs" / "shapes")


def make(folder):
    """By the folder's own Makefile, which is told where the library is."""
    given = {
        "CFLAGS": "-O1 -fPIC -Werror",
        "CXXFLAGS": "-O1 -fPIC -Werror",
        "LDFLAGS": "-shared",
        "TFLM_CPPFLAGS": f"-I{HEADERS}",
        "TFLM_LIBS": f"{LIBRARY} -Wl,-rpath,{LIBRARY.parent}",
    }
    words = [f"{name}={value}" for name, value in given.items()]
    subprocess.run(["make", "-C", str(folder), *words], check=True, capture_output=True)


def built_and_run(folder):
    """The lines of main.cc and its exit code."""
    make(folder)
    command = [sys.executable, "-c", CALL, str(LIBRARY), str(folder / "firmware_test")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines(), done.returncode


@needs_gcc
def test_its_main_is_built_and_passes_on_tflite_micro_with_names_that_look_like_code(sources, trained):
    lines, code = built_and_run(sources)

    assert code == 0, lines
    labels = run_folder.open_run(trained).labels
    assert lines[0] == "shapes: 3 classes"
    assert lines[1] == "preprocessing: 8 of 8 frames as expected"
    outputs = [
        re.fullmatch(r"input (\d): code \d+ for (.*), at most (\d+) from what is expected", line)
        for line in lines[2:5]
    ]
    assert [(each[1], each[3]) for each in outputs] == [("0", "0"), ("1", "0"), ("2", "0")]  # to the code
    assert {each[2] for each in outputs} <= set(labels)
    assert lines[5:] == ["model: 3 of 3 outputs as expected", "pass"]


@needs_gcc
@pytest.mark.parametrize(
    ("name", "pattern", "by", "said"),
    [
        ("preprocess.c", r"at\[0\] : at\[1\]", "at[1] : at[1]", "frame 0: another input than expected"),
        ("golden.c", r"(golden_outputs.*\n *{\n)\d+", r"\g<1>77", "model: 2 of 3 outputs as expected"),
        ("model.h", r"(MODEL_ARENA_BYTES) \d+", r"\1 4096", "the model cannot be opened"),
        ("op_resolver.h", r"(MODEL_OPERATORS) \d+", r"\1 3", "an operator is not there"),
        ("op_resolver.h", r"resolver.AddAdd\(\) == 0 &&", "", "the model cannot be opened"),
    ],
)
def test_a_fault_in_any_of_it_makes_the_test_fail(sources, name, pattern, by, said):
    text = (sources / name).read_text()
    changed, count = re.subn(pattern, by, text, count=1)
    assert count == 1
    (sources / name).write_text(changed)

    lines, code = built_and_run(sources)

    assert code == 1
    assert lines[-1] == "fail"
    assert any(re.match(said, line) for line in lines), lines


@pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="needs arm-none-eabi-g++")
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_it_compiles_for_a_cortex_m_and_the_model_stays_in_flash(firmware, tmp_path, cpu):
    flags = ["-mthumb", f"-mcpu={cpu}", "-Os", "-Wall", "-Wextra", "-Werror", "-c"]
    small = ["-fno-exceptions", "-fno-rtti", f"-I{HEADERS}"]
    for path in sorted([*firmware.path.glob("*.c"), firmware.path / "main.cc"]):
        of_c = path.suffix == ".c"
        compiler = (
            ["arm-none-eabi-gcc", "-std=c99", "-pedantic"]
            if of_c
            else ["arm-none-eabi-g++", "-std=c++17", *small]
        )
        subprocess.run([*compiler, *flags, str(path), "-o", str(tmp_path / f"{path.stem}.o")], check=True)

    said = subprocess.run(
        ["arm-none-eabi-size", str(tmp_path / "model.o")], capture_output=True, text=True, check=True
    )
    text, data, bss = map(int, said.stdout.splitlines()[1].split()[:3])
    assert text >= (firmware.path / "model.tflite").stat().st_size
    assert data + bss == 0


def test_it_holds_the_runs_own_int8_file_to_the_byte(firmware, trained):
    own = run_folder.open_run(trained).export("int8")

    text = (firmware.path / "model.c").read_text()
    array = text[text.rindex("{") + 1 : text.rindex("}")]

    assert (firmware.path / "model.tflite").read_bytes() == own.read_bytes()
    assert bytes(map(int, array.split(","))) == own.read_bytes()
    assert is_own(firmware.path, FIRMWARE)
    assert (firmware.format, firmware.precision, firmware.outputs) == ("tflm", "int8", ("probabilities",))


def test_what_is_said_of_it_is_what_tflite_micro_says(firmware):
    header = (firmware.path / "model.h").read_text()
    marker = json.loads((firmware.path / "efficientnet-lite.json").read_text())

    arena = int(re.search(r"#define MODEL_ARENA_BYTES (\d+)", header)[1])
    assert arena >= firmware.micro.arena_bytes * 1.03 + firmware.micro.scratch_bytes
    assert arena % 1024 == 0
    assert f"{firmware.micro.arena_bytes:,} bytes were needed" in header
    assert marker["micro"] == firmware.micro.to_json()
    assert firmware.to_json()["micro"]["arena_bytes"] == firmware.micro.arena_bytes
    golden = np.load(golden_path(firmware.path))["probabilities"]
    text = (firmware.path / "golden.c").read_text()
    found = re.search(r"golden_outputs.*?= {(.*)};\n\nconst struct", text, re.DOTALL)
    assert [int(code) for code in re.findall(r"\d+", found[1])] == golden.ravel().tolist()


def test_it_joins_a_run_and_verify_replays_it_on_tflite_micro(run, monkeypatch):
    found = export_firmware(run)

    assert found.path == run / "exports" / "shapes_tflm"
    replayed = verify(run)
    assert replayed.passed
    assert not replayed.notes
    with monkeypatch.context() as patch:
        patch.setattr(micro, "run", lambda data, images, where: {"probabilities": np.zeros((3, 3), np.uint8)})
        assert "differ from the expected ones" in verify(run).faults[0]
    (found.path / "model.c").write_text("const unsigned char model_data[1] = {0};")
    assert "SHA-256 differs" in verify(run).faults[0]


def test_a_model_too_far_from_litert_gets_no_folder(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(micro, "MOST_CODES", -1)

    with pytest.raises(VerificationFailed, match=r"TFLite Micro .* gives probabilities"):
        export_firmware(trained, tmp_path / "firmware")

    assert not list(tmp_path.iterdir())


def test_an_int8_file_that_is_not_the_cards_is_refused(run, tmp_path):
    own = run_folder.open_run(run).export("int8")
    own.write_bytes(own.read_bytes() + b"\0")

    with pytest.raises(ArtifactError, match="not the file that the run's card names"):
        export_firmware(run, tmp_path / "firmware")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "float32"}, "a microcontroller gets an int8 model, not float32"),
        ({"outputs": "features"}, "does not give features"),
        ({"outputs": ("logits", "probabilities")}, "does not give logits and probabilities"),
        ({"outputs": "logits"}, "`outputs=` is about an int8 file that is made anew"),
        ({"calibration": CALIBRATION_PHOTOS}, "`calibration=` is about an int8 file that is made anew"),
        ({"io": "int8"}, "`io=` is for int8"),
        ({"keep": "stem"}, "`keep=` is for int8"),
    ],
)
def test_what_makes_no_sense_for_a_runs_own_file_is_refused(trained, tmp_path, options, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        export_firmware(trained, tmp_path / "firmware", **options)

    assert not list(tmp_path.iterdir())


def test_other_weights_need_photos(tmp_path, capsys):
    weights = scenes.write_random_weights(tmp_path / "w.safetensors")

    given = ["--weights", str(weights), "--format", "tflm", "--out", str(tmp_path / "f")]
    code = app.run(["export", scenes.MODEL, *given])

    assert code == 2
    assert "int8 needs photos to set its ranges" in capsys.readouterr().err
    assert scenes.names(tmp_path) == ["w.safetensors"]


def test_with_photos_an_int8_file_is_made_and_many_classes_end_in_logits(tmp_path):
    weights = scenes.write_random_weights(tmp_path / "w.safetensors")
    photos = scenes.photograph(tmp_path / "photos", count=4)

    found = export_firmware(
        scenes.MODEL,
        tmp_path / "f",
        weights=weights,
        data=photos,
        calibration=8,
        min_agreement=0,
        precision="int8",
    )

    assert found.outputs == ("logits",)  # of 1,000 classes SOFTMAX would end the program
    assert found.comparison.count == 12
    assert "AddSoftmax" not in (found.path / "op_resolver.h").read_text()
    assert "1000 logits" in (found.path / "README.md").read_text()


def test_the_binary_has_what_the_declarations_name():
    ctypes.CDLL(str(LIBRARY))  # of the very version that requirements.txt pins
    symbols = subprocess.run(["nm", "-DC", str(LIBRARY)], capture_output=True, text=True, check=True).stdout

    assert "tflite::micro::MicroInterpreter::AllocateTensors()" in symbols
    assert "tflite::micro::MicroMutableOpResolver" in symbols
