"""A run's card with any field changed, taken out or of another kind: `info` answers, or refuses it by name."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.cli.app import run
from efficientnet_lite.run import folder as run_folder

CARD = {
    "schema": 1,
    "variant": "lite0",
    "size": 224,
    "labels": ["a", "b"],
    "contract": {"size": 224},
    "metrics": {"top1": 1.0, "photos": 9},
    "verification": {"passed": True},
    "exports": [
        {
            "path": "exports/a_int8.tflite",
            "precision": "int8",
            "sha256": "0" * 64,
            "bytes": 1234,
            "as": {"crop": {"top1": 0.75}},
        }
    ],
    "files": ["card.json"],
}


def places(value, place=()):
    if place:
        yield place
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*place, key))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60)
@given(place=st.sampled_from(list(places(CARD))), value=VALUES, gone=st.booleans())
def test_whatever_stands_in_a_card_is_shown_or_refused(tmp_path_factory, place, value, gone):
    card = json.loads(json.dumps(CARD))
    inner = card
    for key in place[:-1]:
        inner = inner[key]
    if gone:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    folder = tmp_path_factory.mktemp("run")
    (folder / run_folder.CARD).write_text(json.dumps(card))

    for options in ([], ["--json"]):
        try:
            code = run(["info", str(folder), *options])
        except SystemExit as done:
            code = done.code
        assert code in (0, None, 4)


def test_the_card_that_is_changed_is_sound_itself(tmp_path, capsys):
    (tmp_path / run_folder.CARD).write_text(json.dumps(CARD))

    assert run(["info", str(tmp_path)]) == 0
    assert "top-1 crop 75.0 %" in capsys.readouterr().out


def test_an_integer_of_20000_bits_in_a_config_is_named(tmp_path, capsys):
    config = tmp_path / "config.toml"
    config.write_text(f"seed = 0x{'f' * 5000}\n")

    assert run(["train", str(tmp_path), "--config", str(config), "--out", str(tmp_path / "out")]) == 3
    assert "a whole number has 20,000 bits, more than 63" in capsys.readouterr().err


@pytest.mark.parametrize("digits", [30, 4000, 6021])
def test_an_integer_of_20000_bits_in_a_card_is_named(tmp_path, capsys, digits):
    (tmp_path / run_folder.CARD).write_text(json.dumps(CARD).replace("1234", "9" * digits))

    assert run(["info", str(tmp_path)]) == 4
    assert f"a whole number has {digits:,} digits, more than 64 bits hold" in capsys.readouterr().err
