"""A run's card with any field changed, taken out or of another kind: `info` answers, or refuses it by name."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.cli.app import run
from efficientnet_lite.run import folder as run_folder


def scored(top1):
    return {
        "as": "crop",
        "count": 8,
        "top1": top1,
        "top1_interval": [0.4, 0.9],
        "confusion": [[3, 1], [1, 3]],
    }


def exported(precision, size):
    return {
        "path": f"exports/a_{precision}.tflite",
        "precision": precision,
        "sha256": "0" * 64,
        "bytes": size,
        "as": {"crop": {"top1": 0.75}},
        "latency_ms": 3.5,
        "latency_p90_ms": 4,
    }


CARD = {
    "schema": 1,
    "package": {"efficientnet-lite": "0.1.0"},
    "variant": "lite0",
    "size": 224,
    "labels": ["a", "b"],
    "contract": {"size": 224, "view": "crop"},
    "weights": {"source": "somewhere", "license": "unknown", "notice": ""},
    "data": {
        "photos": {"train": 32, "validation": 9, "test": 0},
        "skipped": 2,
        "exact_duplicates": 0,
        "near_duplicates": 1,
        "leaks": 1,
        "notes": ["a note"],
        "lost": [{"path": "b/1.png", "split": "validation", "reason": "gone"}],
    },
    "head": {"strength": 0.01, "path": [{"strength": 0.01, "loss": 0.5, "top1": 0.75}]},
    "metrics": {"split": "validation", "float32": [scored(0.75)], "int8": [scored(0.75)]},
    "verification": {
        "max_drop": 0.01,
        "min_agreement": 0.97,
        "comparisons": [
            {
                "as": "crop",
                "count": 8,
                "agreement": 1.0,
                "agreement_interval": [0.7, 1.0],
                "drop": 0.0,
                "drop_interval": [-0.1, 0.1],
            }
        ],
        "verdict": "not refuted",
    },
    "exports": [exported("float32", 5678), exported("int8", 1234)],
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
    said = capsys.readouterr().out
    assert "75 % (40-90)" in said
    assert "0.0012 MB" in said


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
