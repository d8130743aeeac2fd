"""The line that says why photos were skipped."""

import pytest

from efficientnet_lite.photos.accounting import account

CUT, LINK = ("cut.jpg", "it ends early"), ("b.jpg", "a second link to the same file; the first is 'a.jpg'")


@pytest.mark.parametrize(
    ("skipped", "said"),
    [
        ([], ""),
        ([CUT], "1 x it ends early: 'cut.jpg'"),
        ([CUT, ("d.jpg", "it ends early")], "2 x it ends early: 'cut.jpg' and others"),
        ([CUT, LINK], "1 x a second link to the same file: 'b.jpg'; 1 for other reasons"),
        (
            [CUT, ("d.jpg", "it ends early"), LINK],
            "2 x it ends early: 'cut.jpg' and others; 1 for other reasons",
        ),
    ],
)
def test_others_are_named_only_where_there_are_others(skipped: list[tuple[str, str]], said: str) -> None:
    assert account(1, skipped).reasons() == said
