"""`info --target tflm` on real files: what an engineer with a microcontroller reads, and the exit code."""

import json

import pytest

pytest.importorskip("tflite_micro", reason="in an environment of its own: requirements.txt")

from efficientnet_lite.cli.app import main
from efficientnet_lite.commands.export import export
from efficientnet_lite.commands.info import info
from efficientnet_lite.errors import WeightsMissing


@pytest.fixture(scope="module")
def photos(shared, tmp_path_factory):
    """Sixteen photos."""
    folder = tmp_path_factory.mktemp("photos")
    for photo in sorted((shared / "data/imagenet-300").glob("*.JPEG"))[::20]:
        (folder / photo.name).symlink_to(photo)
    return folder


@pytest.fixture(scope="module")
def exported(photos, tmp_path_factory):
    """Gives an int8 file of lite0 at 96 pixels, made with the given options, its golden file beside it."""
    place, made = tmp_path_factory.mktemp("exports"), {}

    def make(name, **options):
        if name not in made:
            loose = {"max_drop": 1.0, "min_agreement": 0.0, "calibration": 8, "data": photos}
            out = place / f"{name}.tflite"
            try:
                export("lite0@96", out=out, precision="int8", **loose, **options)
            except WeightsMissing as missing:
                pytest.skip(str(missing))
            made[name] = out
        return made[name]

    return make


def ended(arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_a_file_of_export_runs_and_all_that_firmware_needs_is_said(exported, capsys):
    file = exported("logits", outputs=["logits"])

    assert ended(["info", str(file), "--target", "tflm"]) == 0

    out = capsys.readouterr().out
    assert "it runs, and answers as LiteRT does" in out
    assert "arena          459,328 bytes (449 KiB) of RAM" in out
    assert "activations    276,480 bytes (270 KiB)" in out
    assert "6 operators: AddAdd, AddAveragePool2D, AddConv2D, AddDepthwiseConv2D, AddFullyConnected" in out
    assert f"3 inputs of {file.name}.golden.npz" in out
    assert "note" not in out


def test_kernels_of_export_round_alike_on_a_microcontroller_too(exported):
    report = info(exported("logits", outputs=["logits"]), target="tflm")

    assert report.difference.codes <= 2


def test_a_script_gets_one_document(exported, capsys):
    assert ended(["info", str(exported("probabilities")), "--target", "tflm", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert (document["target"], document["within"], document["inputs"]) == ("tflm", True, 3)
    assert document["arena_bytes"] == document["activation_bytes"] + document["persistent_bytes"]
    assert "--output logits" in document["notes"][0]


@pytest.mark.parametrize(
    ("name", "options", "words", "fix"),
    [
        (
            "dense",
            {"keep": ["head/dense"]},
            "operator 63, QUANTIZE; its own words: Input FLOAT32",
            "--io int8",
        ),
        ("dense8", {"keep": ["head/dense"], "io": "int8"}, None, None),
    ],
)
def test_a_file_with_float_layers_runs_or_the_way_out_is_said(exported, capsys, name, options, words, fix):
    file = exported(name, **options)

    code = ended(["info", str(file), "--target", "tflm"])

    error = capsys.readouterr().err
    assert code == (0 if words is None else 4)
    assert words is None or (words in error and f"try: export it with {fix}" in error)


def test_a_model_is_opened_and_not_run(capsys):
    assert ended(["info", "lite0@96", "--target", "tflm"]) == 0

    out = capsys.readouterr().out
    assert "it opens; it was not run" in out
    assert "459,504 bytes" in out
    assert "run on" not in out
