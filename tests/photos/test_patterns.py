"""What patterns of paths match."""

from pathlib import Path

import pytest
from trees import touch

from efficientnet_lite.photos.patterns import matches, ranges


@pytest.fixture
def tree(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.jpg", "a/2.png", "a/b/3.jpg", "c/4.jpg", "c/.hidden.jpg", ".d/5.jpg", "odd[1].jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*/*.jpg", ["a/1.jpg", "c/4.jpg", ".d/5.jpg"]),
        ("a/?.*", ["a/1.jpg", "a/2.png"]),
        ("**/*.jpg", ["a/1.jpg", "a/b/3.jpg", "c/4.jpg", "odd[1].jpg", ".d/5.jpg"]),
        ("a/**", ["a", "a/b"]),
        ("c/.*", ["c/.hidden.jpg"]),
        ("[ac]", ["a", "c"]),
        ("odd[[]1].jpg", ["odd[1].jpg"]),
        ("a/nothing*", []),
        ("nowhere/*", []),
        ("*/nothing", []),
    ],
)
def test_a_pattern_matches_as_pathlib_says_it_does_and_no_hidden_last_name(tree, pattern, found):
    expected = {path for path in Path().glob(pattern) if not path.name.startswith(".") or "/." in pattern}

    assert set(matches(Path(pattern))) == {Path(name) for name in found}
    assert {str(path) for path in matches(tree / pattern)} == {str(tree / name) for name in found}
    assert set(matches(Path(pattern))) == expected


def test_a_run_of_numbers_is_written_out():
    assert list(ranges("s/{098..101}.tar")) == ["s/098.tar", "s/099.tar", "s/100.tar", "s/101.tar"]
    assert list(ranges("{2..1}/{a}{0..1}")) == ["2/{a}0", "2/{a}1", "1/{a}0", "1/{a}1"]
    assert list(ranges("plain{}.jpg")) == ["plain{}.jpg"]
