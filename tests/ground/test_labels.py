"""Class names: which are possible, which look the same, and the digest of their order."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite import labels

twins = st.text("aAsSßéE\u0301", min_size=1, max_size=4)  # possible names that often look the same


@pytest.mark.parametrize(
    "label",
    [
        "hat",
        "t-shirt",
        "Café au lait",
        "写真",
        "👨\u200d👩\u200d👧",
        "क्\u200dष",
        "=1+1",
        "a/b",
        "x" * 255,
        "1",
    ],
)
def test_names_of_every_script_are_possible(label):
    assert labels.fault(label) is None


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("\u200b", "invisible"),
        ("\u2060\ufeff", "invisible"),
        ("\u3000", "empty"),
        (" hat", "white space"),
        ("hat ", "white space"),
        ("hat\u00a0", "white space"),
        ("a\nb", "line break"),
        ("a\rb", "line break"),
        ("a\x85b", "control"),
        ("a\u2028b", "line break"),
        ("a\u2029b", "line break"),
        ("a\tb", "control"),
        ("a\0b", "control"),
        ("\x1b[31mhat", "control"),
        ("hat\x7f", "control"),
        ("caf\udce9", "no UTF-8"),
        ("x" * 256, "256 characters, more than 255"),
    ],
)
def test_a_name_that_is_no_visible_line_is_refused_with_the_reason(label, reason):
    fault = labels.fault(label)

    assert fault is not None
    assert reason in fault


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300))
def test_a_possible_name_is_one_line_of_a_label_file(text):
    if labels.fault(text) is not None:
        return

    assert text.encode().decode().splitlines() == [text]
    assert text.strip() == text != ""


@given(st.lists(twins, min_size=1, max_size=3), st.lists(twins, min_size=1, max_size=3))
def test_digests_are_equal_just_where_names_and_order_are(first, second):
    assert (labels.digest(first) == labels.digest(second)) == (first == second)


def test_the_digest_is_that_of_the_label_file_without_its_last_line_break():
    # printf 'dress\nhat' | sha256sum
    expected = "cf7400b243e31d4e9dd6fe1cb91d5252b0611a701f94d650a47d663623c44a95"

    assert labels.digest(["dress", "hat"]) == expected
    assert labels.digest(["hat", "dress"]) != expected


def test_names_that_differ_in_unicode_form_only_are_paired_with_the_first():
    composed, decomposed = "café", unicodedata.normalize("NFD", "café")

    assert labels.same_after_normalization([composed, "hat", decomposed]) == [(composed, decomposed)]
    assert labels.same_after_normalization([composed, "cafe", "CAFÉ", composed]) == []


def test_names_that_differ_in_case_only_are_paired_with_the_first():
    assert labels.same_but_for_case(["Hat", "dress", "hat", "HAT"]) == [("Hat", "hat"), ("Hat", "HAT")]
    assert labels.same_but_for_case(["straße", "STRASSE"]) == [("straße", "STRASSE")]


def test_a_difference_of_unicode_form_is_none_of_case():
    composed, decomposed = "café", unicodedata.normalize("NFD", "café")

    assert labels.same_but_for_case([composed, decomposed]) == []
    assert labels.same_but_for_case([composed, decomposed.upper()]) == [(composed, decomposed.upper())]


@given(st.lists(twins, max_size=8, unique=True))
def test_twins_are_those_that_a_comparison_of_all_pairs_finds(names):
    def pairs_by(key):
        found = []
        for index, name in enumerate(names):
            twins = [other for other in names[:index] if key(other) == key(name)]
            found += [(twins[0], name)] if twins else []
        return found

    def nfc(name):
        return unicodedata.normalize("NFC", name)

    assert labels.same_after_normalization(names) == pairs_by(nfc)
    assert labels.same_but_for_case(names) == [
        (first, second)
        for first, second in pairs_by(lambda name: nfc(name).casefold())
        if nfc(first) != nfc(second)
    ]
