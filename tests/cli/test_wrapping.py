"""Lines of prose: what must not break stands on one line at every width, and nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from efficientnet_lite.cli.wrapping import atoms, wrapped

SENTENCES = {
    "crop: top-1 drops by 0.29 points (-1.11 to 1.85) on 341 photos, allowed 1.00": [
        "0.29 points (-1.11 to 1.85)",
        "341 photos,",
    ],
    "agreement is 0.982 (0.962 to 0.992), and top-1 88.4 % (84.1-91.0) in 7.8 ms": [
        "0.982 (0.962 to 0.992),",
        "88.4 % (84.1-91.0)",
        "7.8 ms",
    ],
    "it took 1 min 52 s for 16.5 MB, 99 % of it": ["1 min 52 s", "16.5 MB,", "99 %"],
    "no report.html: pip install 'efficientnet-lite[report]', then efficientnet-lite report runs/clothing": [
        "pip install 'efficientnet-lite[report]',",
        "efficientnet-lite report runs/clothing",
    ],
    "give --val 0.2, --as mediapipe, --out DIR or --overwrite (see --data 'my photos')": [
        "--val 0.2,",
        "--out DIR",
        "--data 'my photos')",
    ],
    "no class 'polar bear' is in it's card, but \"giant panda\"": ["'polar bear'", '"giant panda"'],
}


@pytest.mark.parametrize("text", SENTENCES)
def test_numbers_with_units_quoted_names_options_and_commands_stay_whole(text):
    assert set(SENTENCES[text]) <= set(atoms(text))
    for width in (5, 20, 40, 60, 80):
        for line in wrapped(text, width, hang=2):
            assert cell_len(line) <= width or line in atoms(text), "only what cannot break is wider"


def test_what_a_caller_names_stays_whole_and_what_is_wider_stands_alone():
    path = "/home/ann/holiday photos/of 2026"
    text = f"  the run lies in {path}, which is there"

    assert wrapped(text, 24, hang=4, keep=[path]) == ["  the run lies in", f"{path},", "    which is there"]
    assert wrapped(text, 40, hang=4, keep=[path]) == [
        "  the run lies in",
        f"    {path},",
        "    which is there",
    ]
    assert wrapped(text, None, keep=[path]) == [text]


def test_columns_of_a_line_stay_apart():
    text = "  export   Write one artifact from a run"

    assert wrapped(text, 30, hang=11) == ["  export   Write one artifact", "           from a run"]


@given(st.text("ab -%.'\"(),1234写\u0301é", max_size=80), st.integers(1, 60), st.integers(0, 4))
def test_no_text_loses_anything_and_no_line_is_wider_than_it_must_be(text, width, hang):
    lines = wrapped(text, width, hang=hang)

    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    parts = atoms(text.strip(" "))
    assert " ".join(parts).replace(" ", "") == text.replace(" ", "")
    for line in lines:
        assert cell_len(line) <= width or line.strip(" ") in parts or text in lines


def test_a_megabyte_of_quotes_is_split_in_no_time():
    hostile = " '" * 2500 + " 1 (2 (3" * 300

    assert wrapped(hostile, 80)
