"""Formats x options: what a format has no use for is refused, at its usual value too, by both front doors."""

import inspect
import json
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
import scenes

from efficientnet_lite.artifacts import kinds
from efficientnet_lite.artifacts.kinds import chosen_kind
from efficientnet_lite.artifacts.options import BARS, FORMATS, SORTS, USES, ExportOptions, require_used
from efficientnet_lite.cli.app import main
from efficientnet_lite.cli.export import export as export_command
from efficientnet_lite.cli.wording import option, spelled
from efficientnet_lite.commands.export import export
from efficientnet_lite.commands.verify import verify
from efficientnet_lite.errors import UsageError
from efficientnet_lite.proof.golden import find_golden, golden_path
from efficientnet_lite.vocabulary import PRECISIONS

USUAL = {  # option -> its usual value, in Python and on the command line, and another one
    "precision": ("float32", "float32"),
    "batch": ("1", "dynamic"),
    "endpoints": (("reduction_4",), ("reduction_4",)),
    "labels_locale": ({"de": "de.txt"}, {"de": "de.txt"}),
    "outputs": (("probabilities",), ("features",)),
    "data": ("photos", "photos"),
    "max_drop": (0.01, 0.5),
    "min_agreement": (0.97, 0.5),
    "io": ("uint8", "int8"),
    "calibration": (100, 3),
    "calibration_seed": (0, 1),
    "effort": ("standard", "best"),
    "keep": (("stem",), ("stem",)),
    "dense": ("per-tensor", "per-channel"),
    "target": ("ethos-u55-128", "ethos-u85-512"),
    "sram": (384, 256),
}
PAIRS = [(kind, name, number) for kind in SORTS for name in USUAL for number in (0, 1)]


def of_kind(kind):
    """Format, and the options that make it a file of that kind."""
    return ("tflite", {"precision": kind}) if kind in PRECISIONS else (kind, {})


def on_command_line(name, value):
    if name == "labels_locale":
        return ["--labels-locale", "de=de.txt"]
    return [option(name), str(value[0] if isinstance(value, tuple) else value)]


def test_the_table_knows_every_option_of_both_doors():
    of_source_and_target = {"source", "out", "format", "model", "weights", "ema", "no_ema", "overwrite"}
    of_output = {"json", "verbose", "quiet", "progress"}
    spelled = {"output": "outputs", "endpoint": "endpoints"}
    names = {spelled.get(name, name) for name in inspect.signature(export_command).parameters}
    python = set(inspect.signature(export).parameters)
    record = {field.name for field in fields(ExportOptions)}

    assert names - of_source_and_target - of_output == set(USES)
    assert python - of_source_and_target - of_output == set(USES)
    assert record == python - {"source", "out", "progress"}
    assert set(USES) == {*USUAL, "workers"}


@pytest.mark.parametrize(("kind", "name", "number"), PAIRS)
def test_an_option_is_used_or_refused(kind, name, number):
    format, options = of_kind(kind)
    if name == "precision" and format == "tflite":
        pytest.skip("it is what makes the kind")
    options |= {"data": "photos"} if name in BARS and kind in USES["data"] else {}
    options |= {"target": "ethos-u55-128"} if name == "sram" and kind in USES["sram"] else {}

    def call():
        require_used(format, ExportOptions(**options | {name: USUAL[name][number]}))

    if kind in USES[name]:
        call()
    else:
        with pytest.raises(UsageError, match=f"`{name}=`") as failure:
            call()
        assert failure.value.exit_code == 2


@pytest.mark.parametrize("kind", SORTS)
def test_the_command_line_and_python_refuse_alike(kind, tmp_path, capsys):
    format, options = of_kind(kind)
    out = tmp_path / "m"
    for name in (name for name in USUAL if kind not in USES[name]):
        value = USUAL[name][0]
        if name in options:
            continue
        with pytest.raises(UsageError) as failure:
            export("lite0", out, format=format, **options, **{name: value})
        precision = ["--precision", kind] if options else []
        with pytest.raises(SystemExit) as ending:
            main(
                [
                    "export",
                    "lite0",
                    "--out",
                    str(out),
                    "--format",
                    format,
                    *precision,
                    *on_command_line(name, value),
                ]
            )

        assert ending.value.code == 2
        assert spelled(failure.value.what) in capsys.readouterr().err
        assert failure.value.what.startswith(f"`{name}=` is for ")
    assert scenes.names(tmp_path) == []


@pytest.mark.parametrize("name", BARS)
def test_bars_without_photos_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match="about photos, and none are given"):
        export("lite0", tmp_path / "m.tflite", precision="float16", **{name: 0.5})


# The name of the target


@pytest.mark.parametrize("given", [None, *FORMATS])
@pytest.mark.parametrize(
    "suffix", ["", ".tflite", ".TFLITE", ".onnx", ".Onnx", ".ckpt", ".2", ".h5", ".zip", ".pb"]
)
def test_the_ending_chooses_the_format_or_contradicts_it(tmp_path, given, suffix):
    says = kinds.SUFFIXES.get(suffix.lower())
    out = tmp_path / f"m{suffix}"

    if suffix in kinds.FOREIGN or (says and given and says != given):
        with pytest.raises(UsageError, match="ending"):
            chosen_kind(given, out)
        with pytest.raises(UsageError, match="ending"):
            export("lite0", out, format=given)
        assert scenes.names(tmp_path) == []
    else:
        assert chosen_kind(given, out).format == (given or says or "tflite")


@pytest.mark.parametrize("name", [".onnx", ".ONNX", "m.onnx ", "sub.tflite/m.onnx"])
def test_a_name_that_is_all_ending_or_ends_in_a_space_says_the_same(name):
    assert chosen_kind(None, Path(name)).format == "onnx"
    with pytest.raises(UsageError, match="contradicts"):
        chosen_kind("tflite", Path(name))


def test_a_format_that_is_none_is_refused():
    with pytest.raises(UsageError, match="no such format"):
        chosen_kind("tensorrt", None)


def test_a_tflite_file_is_never_written_under_another_ending(tmp_path, weights, capsys):
    for arguments in (["--format", "tflite"], ["--precision", "float32"], ["--batch", "1"]):
        with pytest.raises(SystemExit) as ending:
            main(
                ["export", scenes.MODEL, "--weights", weights, "--out", str(tmp_path / "m.onnx"), *arguments]
            )
        assert ending.value.code == 2
    capsys.readouterr()

    assert scenes.names(tmp_path) == []


# Golden files


def test_golden_files_beside_each_other_do_not_collide(tmp_path):
    (tmp_path / "m").mkdir()
    paths = {
        golden_path(tmp_path / name) for name in ("m", "m.tflite", "m.onnx", "m.lite", "m.2", "n.tflite")
    }

    assert len(paths) == 6
    assert all(path.parent == tmp_path and path.name.endswith(".golden.npz") for path in paths)


def test_a_run_of_an_older_version_is_verified_by_its_golden_file(run, weights):
    found = export(run, precision="float16")
    new = golden_path(found.path)
    old = new.with_name("shapes_float16.golden.npz")
    shutil.move(new, old)
    assert find_golden(found.path) == old

    assert verify(run).faults == ()
    old.write_bytes(golden_path(export(run, precision="dynamic").path).read_bytes())
    assert [fault for fault in verify(run).faults if "float16" in fault]


def test_an_exported_file_says_what_the_photos_say_of_it(trained, photos, tmp_path, capsys):
    command = [
        "export",
        trained.run,
        "--precision",
        "float16",
        "--data",
        photos,
        "--out",
        tmp_path / "m.tflite",
    ]
    with pytest.raises(SystemExit):
        main([*map(str, command), "--json"])

    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "not refuted"
    assert document["doubts"]
    with pytest.raises(SystemExit):
        main([*map(str, command), "--overwrite", "--min-agreement", "0.5", "--max-drop", "1"])
    assert f"verified: {tmp_path / 'm.tflite'}" in capsys.readouterr().out.replace("\n", "")
