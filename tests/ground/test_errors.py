"""The tree of failures: its drawing, its exit codes, and what reaches a terminal."""

import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite import errors
from efficientnet_lite.errors import EfficientNetLiteError, printable


def descendants(kind: type[EfficientNetLiteError]) -> list[type[EfficientNetLiteError]]:
    return [each for child in kind.__subclasses__() for each in (child, *descendants(child))]


def test_the_drawing_shows_every_class_in_its_place_with_its_exit_code():
    drawn = re.findall(r"^([│ ]*)[├└]── (\w+) +(\d)", errors.__doc__, flags=re.MULTILINE)
    least = min(len(indent) for indent, _, _ in drawn)  # Python 3.13 takes the docstring's indentation off

    found = [
        (
            sum(issubclass(each, EfficientNetLiteError) for each in kind.__mro__) - 1,
            kind.__name__,
            kind.exit_code,
        )
        for kind in descendants(EfficientNetLiteError)
        if kind.__module__ == errors.__name__  # tests of others make their own
    ]

    assert [((len(indent) - least) // 4 + 1, name, int(code)) for indent, name, code in drawn] == found


def test_no_failure_has_the_exit_code_of_success_or_of_a_bug():
    codes = {kind.exit_code for kind in descendants(EfficientNetLiteError)}

    assert codes == {errors.EXIT_USAGE, errors.EXIT_INPUT, errors.EXIT_ARTIFACT, errors.EXIT_VERIFICATION}
    assert not codes & {errors.EXIT_OK, errors.EXIT_UNEXPECTED, errors.EXIT_INTERRUPTED}


def test_a_failure_says_what_where_and_what_to_do_on_three_lines():
    error = errors.UnreadablePhoto("it is cut short", where=Path("a\nb.jpg"), fix="copy it again")

    assert str(error) == "it is cut short\n  in:  a\\nb.jpg\n  try: copy it again"


def test_a_message_that_quotes_a_megabyte_shows_its_beginning_and_end():
    error = errors.UnusableInput("line 1: " + "a" * 10**6, where="b" * 10**6, fix="mend it: " + "c" * 10**6)

    shown = str(error)

    assert shown.startswith("line 1: aaa")
    assert "(995,008 characters)" in shown
    assert len(shown) < 3 * errors.MAX_SHOWN + 200
    assert len(error.what) == 10**6 + 8  # whole for whoever handles it


@pytest.mark.parametrize("kind", descendants(EfficientNetLiteError), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("where", [Path("a/b.jpg"), "--out"], ids=repr)
def test_a_failure_comes_whole_out_of_another_process(kind, where):
    error = kind("it is cut short", where=where, fix="copy it again")

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert (again.what, again.where, again.fix, again.args) == (error.what, where, error.fix, error.args)
    assert str(again) == str(error)


def test_a_wrong_type_names_the_argument_and_the_type_and_is_a_type_error():
    error = errors.wrong_type("photos", Path(), fix="give a folder")

    assert isinstance(error, TypeError)
    assert isinstance(error, errors.UsageError)
    assert error.what == f"`photos=` has the type {Path.__module__}.{type(Path()).__name__}"
    assert errors.wrong_type("out", 3, fix="give a folder").what == "`out=` has the type int"


@given(st.text(st.characters(), max_size=40))
def test_printable_text_is_one_line_without_control_characters_that_any_stream_of_utf8_takes(text):
    shown = printable(text)

    assert shown.isprintable()
    assert shown.encode().decode() == shown
    assert shown == text or not text.isprintable()


@pytest.mark.parametrize("text", ["plain name.jpg", "Café 写真.jpg", "back\\slash", ""])
def test_what_is_printable_already_stays_as_it_is(text):
    assert printable(text) == text
    assert printable(Path("a") / text) == str(Path("a") / text)
