"""Text as editors and systems leave it: what they put around it goes, what spoils it is named with its line."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite.plaintext import plain_lines, plain_text, printed, shortened, without_traceback

lines = st.lists(
    st.text(st.characters(exclude_characters="\n\r\0\ufeff", exclude_categories=["Cs"])), min_size=1
)


@given(lines, st.booleans(), st.booleans(), st.integers(0, 3), st.integers(0, 600))
def test_mark_carriage_returns_and_nuls_at_the_ends_make_no_difference(lines, mark, returns, nuls, filling):
    ending = "\0" * nuls + ("\r\n" if returns else "\n")
    data = (b"\xef\xbb\xbf" if mark else b"") + ending.join(lines).encode() + b"\0" * filling

    assert plain_text(data) == "\n".join(lines)


@given(lines, st.data())
def test_a_nul_within_and_what_is_no_utf_8_are_named_with_their_line(lines, data):
    at = data.draw(st.integers(0, len(lines) - 1))
    encoded = [line.encode() for line in lines]

    for spoiled, said in ((b"a\0b", "has a NUL character"), (b"\xff\xfeb", "byte 1 is not UTF-8")):
        with pytest.raises(ValueError, match=f"line {at + 1}:? {said}"):
            plain_text(b"\n".join([*encoded[:at], spoiled, *encoded[at + 1 :]]))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_named_as_such(encoding):
    mark = codecs.BOM_UTF16_LE if encoding.endswith("le") else codecs.BOM_UTF16_BE

    with pytest.raises(ValueError, match="UTF-16"):
        plain_text(mark + "lemon\n".encode(encoding))
    with pytest.raises(ValueError, match="UTF-16"):
        plain_lines(mark + "lemon\n".encode(encoding))


def test_what_a_program_printed_is_safe_to_show():
    assert printed(b"\x1b[1;31merror\x1b[0m:\tNode\r\n\n \r\x1b]0;title\x07 \xff\n") == (
        "error: Node\n\\x1b]0;title\\x07 \N{REPLACEMENT CHARACTER}"
    )
    assert printed(b"") == ""


def test_long_words_are_shortened_to_their_end():
    assert shortened("a\nb\nc", lines=2) == "…\nb\nc"
    assert shortened("a\nb", lines=2) == "a\nb"
    assert shortened("abcdef", width=3) == "abc…"


def test_of_a_traceback_the_exception_stays():
    trace = 'on my way\nTraceback (most recent call last):\n  File "a.py", line 1\n    f()\nValueError: node 3\n - more'

    assert without_traceback(trace) == "on my way\nValueError: node 3\n - more"
    assert without_traceback("all is well") == "all is well"
