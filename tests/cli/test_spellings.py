"""What was mistyped is answered with what was meant, and what makes no sense with who said it and where."""

import pytest
import scenes

from efficientnet_lite.cli import reference
from efficientnet_lite.cli.app import COMMANDS, parser, run
from efficientnet_lite.cli.spellings import nearest, options_of
from efficientnet_lite.commands.train import train
from efficientnet_lite.errors import UsageError, WrongArgument, wrong_argument

NAMES = [command.name for command in COMMANDS]


def options(command):
    app = parser()
    for name in command.split():
        app = app[name]
    return options_of(app.assemble_argument_collection())


def mistyped(word):
    """`word` with one letter gone, two of them turned, and one twice."""
    start = len(word) - len(word.lstrip("-"))
    for at in range(start, len(word)):
        yield word[:at] + word[at + 1 :]
        yield word[: at + 1] + word[at:]
        if at + 1 < len(word):
            yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def said(capfd, line):
    try:
        code = run(line.split())
    except SystemExit as ending:
        code = ending.code
    return code, capfd.readouterr().err


@pytest.mark.parametrize("command", NAMES)
def test_every_option_is_found_again_whatever_letter_is_wrong(command):
    known = options(command)

    assert "--json" in known
    for option in known:
        if len(option.lstrip("-")) < 3:
            continue
        for typo in mistyped(option):
            near = nearest(typo, known)
            assert near, (command, typo)
            assert option in near or typo in known or len(option) < 6, (command, typo, near)


@pytest.mark.parametrize("command", NAMES)
def test_every_command_is_found_again_whatever_letter_is_wrong(capfd, command):
    word = command.split()[-1]

    for typo in {*mistyped(word)} - {*NAMES, word}:
        code, err = said(capfd, " ".join([*command.split()[:-1], typo]))
        assert code == 2, typo
        assert word in err.partition("Did you mean ")[2].partition("?")[0].replace('"', "").split(" or "), (
            typo,
            err,
        )


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("train p --out o --modle lite0", "--model"),
        ("train p --out o --modle=lite0", "--model"),
        ("train p --out o -modle lite0", "--model"),
        ("train p --out o --Model lite0", "--model"),
        ("train p --out o --views crop --learning_rte 1", "--learning-rate"),
        ("train p --out o --lr 3", "--learning-rate"),
        ("predict m p --topk 3", "--top-k"),
        ("predict m p --jsn", "--json"),
        ("embed m p --otu x", "--out"),
        ("hub-cache lite0 --rm", "--remove"),
        ("export lite0 -o x", "--out"),
        ("cahce list", '"cache"'),
        ("--verison", "--version"),
        ("train p --out o --class-weights balancd", '"balanced"'),
        ("export lite0 --out x --format onx", '"onnx"'),
    ],
)
def test_a_command_line_is_answered_with_what_was_meant(capfd, line, meant):
    code, err = said(capfd, line)

    assert code == 2
    assert meant in err.lower().partition("did you mean ")[2].partition("?")[0].split(" or ")


@pytest.mark.parametrize(("weights", "hint"), [("imagnet", "did you mean imagenet? "), ("gone.pth", "")])
def test_weights_of_no_such_name_or_path_are_answered_with_what_there_is(
    photos, tmp_path, capfd, weights, hint
):
    code, err = said(capfd, f"train {photos} --out {tmp_path / 'run'} --weights {weights}")

    assert code == 3
    assert f"  try: {hint}give imagenet, hub, or the path of a checkpoint\n" in err


def test_what_is_near_to_nothing_gets_no_guess(capfd):
    code, err = said(capfd, "train p --out o --zzzzqq")

    assert code == 2
    assert "no such option: --zzzzqq\n" in err


@pytest.mark.parametrize("value", ["1.5", "1e3", "x", "", "9" * 40])
def test_a_whole_number_is_not_made_of_something_else(capfd, value):
    try:
        code = run(["train", "p", "--out", "o", "--seed", value])
    except SystemExit as ending:
        code = ending.code

    err = capfd.readouterr().err
    assert code == 2
    assert "--seed" in err


# Option, its value in TOML, and the argument of Python's call with its value.
SENSELESS = (
    ("val", "2.0", "val", 2.0),
    ("val", "0", "val", 0),
    ("val", "nan", "val", float("nan")),
    ("calibration", "0", "calibration", 0),
    ("max_drop", "-0.5", "max_drop", -0.5),
    ("min_agreement", "7.5", "min_agreement", 7.5),
    ("views", '["crop-mirrored"]', "views", ("crop-mirrored",)),
)


@pytest.fixture
def photos(tmp_path):
    return scenes.photograph(tmp_path / "photos", count=2)


@pytest.mark.parametrize(("option", "toml", "argument", "value"), SENSELESS)
def test_a_senseless_value_is_shown_as_the_one_who_gave_it_wrote_it(
    photos, tmp_path, capfd, option, toml, argument, value
):
    config, out = tmp_path / "config.toml", tmp_path / "run"
    config.write_text(f"{option} = {toml}\n")
    words = toml.strip('[]"').split()

    in_config = said(capfd, f"train {photos} --out {out} --config {config}")
    flag = f"--{option.replace('_', '-')}"
    on_line = said(
        capfd, f"train {photos} --out {out} {flag}{'=' if toml[0] == '-' else ' '}{' '.join(words)}"
    )
    with pytest.raises(WrongArgument) as in_python:
        train(photos, out, **{argument: value})

    assert in_config[0] == on_line[0] == 2
    assert f"error: the field {option} is " in in_config[1]
    assert f"  in:  {config}\n" in in_config[1]
    assert "command line" not in in_config[1]
    assert "--" not in in_config[1]
    assert f"error: {flag} is " in on_line[1]
    assert "  in:  the command line\n" in on_line[1]
    assert str(in_python.value).startswith(f"{argument}=")
    assert "--" not in str(in_python.value)
    assert "command line" not in str(in_python.value)
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "said_of_it"),
    [
        ('model = "lite9"', "lite9 (the field model of "),
        ('model = "lite0@100000"', "lite0@100000 (the field model of "),
        ('weights = "gone.pth"', "gone.pth (the field weights of "),
        ('val = "much"', "the field val is 'much'"),
        ("vall = 0.3", "did you mean val?"),
        ("epochs = 3", "the field epochs is given without --fine-tune"),
        ('class_weights = "some"', "the field class_weights is 'some'"),
    ],
)
def test_what_a_config_says_wrongly_is_said_of_the_config(photos, tmp_path, capfd, text, said_of_it):
    config = tmp_path / "config.toml"
    config.write_text(text)

    code, err = said(capfd, f"train {photos} --out {tmp_path / 'run'} --config {config}")

    assert code in (2, 3)
    assert said_of_it in err
    assert str(config) in err
    assert "the command line" not in err


def test_a_wrong_argument_survives_a_process(tmp_path):
    import pickle

    error = pickle.loads(pickle.dumps(wrong_argument("val", 2, fix="give less")))

    assert isinstance(error, UsageError)
    assert (error.argument, error.value, error.fix, error.what) == ("val", 2, "give less", "val=2")


@pytest.mark.parametrize(
    ("flag", "meant"),
    [("--model_nam", "--model_name"), ("-ckptdir", "--ckpt_dir"), ("--ouput_tflite", "--output_tflite")],
)
def test_a_mistyped_flag_of_the_references_command_line_is_answered_too(capfd, flag, meant):
    assert reference.run([f"{flag}=x", "--ckpt_dir=y"]) == 2
    assert f"no such flag: {flag}. Did you mean {meant}?" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "what", "fix"),
    [
        ("predict photo.jpg", "PHOTOS is missing", "give efficientnet-lite predict MODEL PHOTOS; see"),
        ("info", "SOURCE is missing", "give efficientnet-lite info SOURCE; see"),
        ("train photos --out", "--out has no value", "see efficientnet-lite train --help"),
        ("predict photo.jpg lite0", "lite0 is a model, and photos", "the model first, then the photos"),
        ("embed photo.jpg lite4@300 --out x", "lite4@300 is a model", "the model first, then the photos"),
        (
            "info lite0 --target edgetpu",
            "--target edgetpu is a question about a .tflite",
            "make an int8 file",
        ),
    ],
)
def test_what_is_missing_or_stands_in_the_wrong_place_is_named(capfd, tmp_path, monkeypatch, line, what, fix):
    monkeypatch.chdir(tmp_path)

    code, err = said(capfd, line)

    assert code == 2
    assert what in err
    assert fix in " ".join(err.split())


@pytest.mark.parametrize("command", NAMES)
def test_no_line_of_a_commands_help_ends_within_a_sentence(command):
    app = parser()
    for name in command.split():
        app = app[name]
    prose = app.help.partition("Args:")[0]

    assert all(line.strip().endswith((".", ":")) for line in prose.splitlines() if line.strip())
