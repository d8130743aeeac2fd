"""The reference's script: its flags as they are written, its files, and refusals in one message."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from efficientnet_lite.cli import reference
from efficientnet_lite.cli.reference import parse, run
from efficientnet_lite.commands.reference import Flags, reference_name
from efficientnet_lite.errors import UsageError
from efficientnet_lite.photos.contract import MEAN, STDDEV, Contract
from efficientnet_lite.photos.views import prepare
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.model_files import open_model
from records import example, record

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("--model_name=efficientnet-lite0", "--ckpt_dir=c")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENTNET_LITE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def place(tmp_path, monkeypatch, shared):
    """A folder with the official checkpoint of lite0 under the name that the page gives it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "efficientnet-lite0").symlink_to(shared / "reference" / "efficientnet-lite0")
    return tmp_path


# Flags


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), True),
        (("--quantize",), True),
        (("--quantize=False",), False),
        (("--quantize=0",), False),
        (("--quantize=f",), False),
        (("--quantize=True",), True),
        (("-quantize=t",), True),
        (("--quantize", "False"), False),
        (("--noquantize",), False),
        (("-noquantize",), False),
        (("--noquantize", "--quantize=1"), True),
        (("--quantize", "--num_steps=3"), True),
    ],
)
def test_a_boolean_is_spelled_as_absl_takes_it(given, expected):
    assert parse([*NEEDED, *given]).quantize is expected


def test_values_come_behind_an_equals_sign_or_a_space_with_one_dash_or_two():
    flags = parse(
        ["-model_name=efficientnet-lite1", "--ckpt_dir", "c", "-num_steps", "7", "--endpoint_name=stem"]
    )

    assert flags == Flags("efficientnet-lite1", "c", num_steps=7, endpoint_name="stem")
    assert parse(NEEDED).num_steps == 2000
    assert parse([*NEEDED, "--noenable_ema"]).enable_ema is False


@pytest.mark.parametrize(
    "given",
    [("--quant=False",), ("--quantize=perhaps",), ("--unknown=1",), ("more",), ("--num_steps=many",)],
)
def test_what_is_no_flag_or_value_is_refused(given):
    with pytest.raises(UsageError):
        parse([*NEEDED, *given])


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("efficientnet-lite0", 224),
        ("efficientnet-lite3", 280),
        ("efficientnet-lite4", 300),
        ("efficientnet-lite4@380", 380),
    ],
)
def test_the_size_is_the_variants_own_in_the_reference(name, size):
    assert reference_name(Flags(name, "c")).size == size
    assert reference_name(Flags("efficientnet-lite3", "c", image_size=192)).size == 192


@pytest.mark.parametrize(
    "name",
    ["efficientnet-b0", "efficientnet-edgetpu-S", "efficientnet-condconv-b0-4e", "efficientnet-lite0-qat"],
)
def test_a_name_of_another_family_is_refused_with_the_reason(name):
    with pytest.raises(UsageError, match="not of the Lite family"):
        reference_name(Flags(name, "c"))


# Refusals of the whole command


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (("--output_tflite=q.tflite",), 2, "needs --data_dir"),
        ((), 2, "nothing to write"),
        (("--output_tflite=q.tflite", "--data_dir=none"), 3, "no such folder"),
        (("--output_tflite=q.tflite", "--data_dir=empty"), 3, "0 photos can be used"),
        (("--output_tflite=q.tflite", "--data_dir=train"), 3, "records for training"),
        (("--output_tflite=q.tflite", "--data_dir=bad"), 3, "no TFRecord file"),
        (("--output_tflite=empty", "--noquantize"), 2, "is a folder"),
        (("--output_tflite=no/q.tflite", "--noquantize"), 2, "does not exist"),
        (("--output_tflite=q.tflite", "--noquantize", "--ckpt_dir=none"), 3, "no such checkpoint"),
        (("--output_tflite=q.tflite", "--noquantize", "--model_name=efficientnet-lite1"), 4, ""),
        (("--output_tflite=q.tflite", "--noquantize", "--endpoint_name=block_99"), 2, "no endpoint"),
        (("--output_tflite=q.tflite", "--noquantize", "--image_size=8"), 2, "outside 32"),
        (("--output_tflite=q.tflite", "--noquantize", "--batch_size=0"), 2, "is 0"),
        (("--output_saved_model_dir=bad", "--noquantize"), 2, "SavedModel exists"),
    ],
)
def test_a_command_that_cannot_work_says_so_once_and_leaves_nothing(place, capsys, given, code, says):
    for folder in ("empty", "train", "bad"):
        (place / folder).mkdir()
    (place / "train" / "train-00000-of-01024").touch()
    (place / "bad" / "validation-00000-of-00128").write_bytes(b"no record at all")
    before = sorted(place.iterdir())
    needed = ["--model_name=efficientnet-lite0", "--ckpt_dir=efficientnet-lite0", "--image_size=32"]

    assert run([*needed, *given]) == code

    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.count("error: ") == 1
    assert sorted(place.iterdir()) == before


# Files


def test_a_float_file_takes_normalized_images_and_gives_what_the_reference_gave(place, shared):
    code = run(
        [
            "--model_name=efficientnet-lite0",
            "--ckpt_dir=efficientnet-lite0",
            "--output_tflite=f.tflite",
            "--quantize=False",
        ]
    )

    assert code == 0
    runner, opened = LiteRT((place / "f.tflite").read_bytes()), open_model(place / "f.tflite")
    assert (runner.inputs[0].shape, runner.inputs[0].dtype) == ((1, 224, 224, 3), np.float32)
    stored = np.load(shared / "reference" / "lite0_eval.npz")
    for name, wanted in zip(stored["file_names"], stored["probabilities"], strict=True):
        photo = shared / "reference" / "eval-photos" / str(name)
        (image,) = prepare(photo.read_bytes(), ["reference"], Contract(224), where=photo).images
        normalized = ((image - MEAN) / STDDEV).astype(np.float32)
        assert np.array_equal(opened.encode(image), normalized)  # its metadata says how it is normalized
        (found,) = runner(normalized[None]).values()
        assert np.abs(found[0] - wanted).max() < 1e-5, name


def test_an_endpoint_takes_the_place_of_the_softmax(place):
    arguments = ["--model_name=efficientnet-lite0", "--ckpt_dir=efficientnet-lite0", "--image_size=64"]

    assert run([*arguments, "--output_tflite=e.tflite", "--noquantize", "--endpoint_name=features"]) == 0

    (output,) = LiteRT((place / "e.tflite").read_bytes()).outputs
    assert output.shape == (1, 2, 2, 320)


@pytest.fixture(scope="session")
def photos(shared):
    """Thirty real photos."""
    return sorted((shared / "data" / "imagenet-300").rglob("*.*"))[:400:13]


def test_records_and_a_folder_of_the_same_photos_give_the_same_uint8_file(place, photos):
    usable = [path for path in photos if path.suffix.lower() in (".jpg", ".jpeg")]
    (place / "records").mkdir()
    (place / "folder").mkdir()
    for number in range(2):
        content = b"".join(record(example(path.read_bytes(), 1)) for path in usable[number::2])
        (place / "records" / f"validation-0000{number}-of-00002").write_bytes(content)
    for place_, path in enumerate([*usable[0::2], *usable[1::2]]):
        shutil.copy(path, place / "folder" / f"{place_:03}.jpg")
    arguments = ["--model_name=efficientnet-lite0", "--ckpt_dir=efficientnet-lite0", "--image_size=96"]

    for source in ("records", "folder"):
        assert run([*arguments, f"--data_dir={source}", f"--output_tflite={source}.tflite"]) == 0

    assert (place / "records.tflite").read_bytes() == (place / "folder.tflite").read_bytes()
    runner = LiteRT((place / "records.tflite").read_bytes())
    assert (runner.inputs[0].dtype, runner.outputs[0].dtype) == (np.uint8, np.uint8)
    assert (runner.inputs[0].scale, runner.inputs[0].zero_point) == (1 / 128, 127)


def test_a_file_too_far_from_float_is_not_written_and_the_advice_names_flags_of_this_script(
    place, photos, capsys
):
    (place / "folder").mkdir()
    for path in photos[:3]:
        shutil.copy(path, place / "folder")
    arguments = ["--model_name=efficientnet-lite0", "--ckpt_dir=efficientnet-lite0", "--image_size=32"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("efficientnet_lite.artifacts.reference_cli.Bars", lambda: _impossible())
        code = run([*arguments, "--data_dir=folder", "--output_tflite=q.tflite"])

    assert code == 5
    assert "--data_dir, --num_steps" in capsys.readouterr().err
    assert not (place / "q.tflite").exists()


def _impossible():
    from efficientnet_lite.proof.gate import Bars

    return Bars(min_agreement=1.01)


def test_the_module_and_the_script_at_the_root_are_one():
    assert (ROOT / "export_model.py").read_text().count("efficientnet_lite.cli.reference import main") == 1
    done = subprocess.run(
        [sys.executable, "-m", "efficientnet_lite.export_model", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    for name in (
        "model_name",
        "ckpt_dir",
        "output_tflite",
        "data_dir",
        "quantize",
        "num_steps",
        "image_size",
    ):
        assert f"--{name}" in done.stdout
    assert reference.NAME == "export_model.py"
