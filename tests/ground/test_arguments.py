"""What public functions are given, held to their annotations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import pytest

from efficientnet_lite.arguments import called
from efficientnet_lite.errors import UsageError, WrongArgument, WrongType

View = Literal["crop", "squash"]


@called
def look(
    photos: str | Path,
    *,
    view: View | None = None,
    views: Sequence[View] = (),
    top_k: int = 1,
    val: float = 0.2,
    links: bool = True,
    names: Mapping[str, Path] | None = None,
    blocks: int | Literal["all"] | None = 5,
    progress: bool | Callable[[str], None] = False,
) -> dict[str, object]:
    """What it was given."""
    return dict(locals())


@pytest.mark.parametrize(
    ("argument", "value", "made"),
    [
        ("view", "crop", "crop"),
        ("view", None, None),
        ("views", ["crop", "squash"], ("crop", "squash")),
        ("views", {"crop": 1}.keys(), ("crop",)),
        ("top_k", np.int64(3), 3),
        ("val", np.float32(0.5), 0.5),
        ("val", 1, 1.0),
        ("links", np.False_, False),
        ("names", {"de": PurePosixPath("de.txt")}, {"de": Path("de.txt")}),
        ("blocks", "all", "all"),
        ("blocks", None, None),
        ("progress", len, len),
    ],
    ids=repr,
)
def test_a_value_comes_as_the_annotation_says(argument, value, made):
    got = look("photos", **{argument: value})[argument]

    assert got == made
    assert type(got) is type(made)


def test_a_path_may_be_a_text_or_anything_path_like():
    assert look("photos")["photos"] == "photos"
    assert look(PurePosixPath("photos"))["photos"] == Path("photos")


@pytest.mark.parametrize(
    ("arguments", "says", "fix"),
    [
        ({"photos": 3}, "`photos=` has the type int", "give text or a path"),
        ({"photos": None}, "`photos=` has the type NoneType", "give text or a path"),
        ({"photos": b"photos"}, "`photos=` has the type bytes", "give text or a path"),
        ({"view": 1}, "`view=` has the type int", "give 'crop', 'squash' or None"),
        ({"views": "crop"}, "`views=` has the type str", "give a list, each 'crop' or 'squash'"),
        ({"views": 1}, "`views=` has the type int", "give a list, each 'crop' or 'squash'"),
        ({"top_k": 1.5}, "`top_k=` has the type float", "give a whole number"),
        ({"top_k": True}, "`top_k=` has the type bool", "give a whole number"),
        ({"val": "0.3"}, "`val=` has the type str", "give a number"),
        ({"links": 1}, "`links=` has the type int", "give True or False"),
        ({"links": "no"}, "`links=` has the type str", "give True or False"),
        ({"names": ["de"]}, "`names=` has the type list", "give a dictionary, text to a path or None"),
        ({"progress": 1}, "`progress=` has the type int", "give True or False or a function"),
        ({"topk": 1}, "look() has no argument 'topk'", "did you mean `top_k=`?"),
        ({"colour": 1}, "look() has no argument 'colour'", "it takes photos, view, views"),
    ],
    ids=str,
)
def test_a_wrong_type_or_name_is_said_and_is_a_type_error(arguments, says, fix):
    with pytest.raises(WrongType) as caught:
        look(**{"photos": "photos", **arguments})

    assert isinstance(caught.value, TypeError)
    assert caught.value.what == says
    assert caught.value.fix.startswith(fix)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"view": "crp"}, "view='crp'"),
        ({"views": ["crop", "crp"]}, "views=['crop', 'crp']"),
        ({"blocks": "most"}, "blocks='most'"),
        ({"photos": ""}, "photos=''"),
    ],
    ids=str,
)
def test_a_word_that_is_no_choice_is_said_and_is_no_type_error(arguments, says):
    with pytest.raises(WrongArgument) as caught:
        look(**{"photos": "photos", **arguments})

    assert not isinstance(caught.value, TypeError)
    assert caught.value.what == says


def test_what_is_missing_or_too_much_is_said():
    with pytest.raises(WrongType, match="missing a required argument: 'photos'"):
        look()
    with pytest.raises(WrongType, match="too many positional arguments"):
        look("photos", "crop")


def test_an_error_of_the_function_itself_stays_what_it_is():
    @called
    def fails(text: str) -> Iterator[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails("x")


def test_every_wrong_argument_is_wrong_usage():
    with pytest.raises(UsageError):
        look(3)
