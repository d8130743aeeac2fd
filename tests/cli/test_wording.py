"""What the package says of its arguments, and how a command line says it."""

import pickle

import pytest

import efficientnet_lite as el
from efficientnet_lite.cli import reference
from efficientnet_lite.cli.app import run
from efficientnet_lite.cli.wording import spelled
from efficientnet_lite.errors import CALL, UsageError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("choose another `out=`, or give `overwrite=True`", "choose another --out, or give --overwrite"),
        ("give `data=FOLDER`", "give --data FOLDER"),
        ("leave `io=` out, or give `precision='int8'`", "leave --io out, or give --precision int8"),
        ("give `outputs=['features']`", "give --output features"),
        ("leave `links=False` out", "leave --no-links out"),
        ("`calibration=` is for int8", "--calibration is for int8"),
        ("use `embed`, not `a = 1` or `x`", "use `embed`, not `a = 1` or `x`"),
        (CALL, "the command line"),
    ],
)
def test_an_argument_becomes_an_option(text, shown):
    assert spelled(text) == shown


def test_the_reference_spells_its_own_way(tmp_path, capsys):
    arguments = ["--model_name=efficientnet-b0", f"--ckpt_dir={tmp_path}", "--output_tflite=m.tflite"]

    assert reference.run(arguments) == 2

    assert "  in:  --model_name\n" in capsys.readouterr().err


def test_python_reads_its_own_names_and_the_command_line_its_own(tmp_path, capsys):
    (tmp_path / "model.tflite").write_bytes(b"no model")
    with pytest.raises(UsageError) as caught:
        el.verify(tmp_path / "model.tflite")

    assert caught.value.fix == "give `parent=FLOAT.tflite` and `data=PHOTOS`, or give a run folder"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert run(["verify", str(tmp_path / "model.tflite")]) == 2
    assert "give --parent FLOAT.tflite and --data PHOTOS, or" in capsys.readouterr().err


def test_the_call_itself_is_where_an_argument_of_python_is_wrong(tmp_path, capsys):
    with pytest.raises(UsageError) as caught:
        el.verify(tmp_path, parent=tmp_path)

    assert (caught.value.what, caught.value.where) == (
        "`parent=` is for a single file: a run has both of its files",
        CALL,
    )
    assert run(["verify", str(tmp_path), "--parent", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "error: --parent is for a single file" in said
    assert "  in:  the command line\n" in said
