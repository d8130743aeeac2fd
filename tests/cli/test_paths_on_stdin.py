"""Paths on stdin and addresses, as a command line hands them on."""

import io
import sys
from pathlib import Path

import pytest

from efficientnet_lite.cli import paths_on_stdin as module
from efficientnet_lite.cli.common import photos_given
from efficientnet_lite.errors import UnusableInput
from efficientnet_lite.photos.found import Verbatim


class Counting(io.BytesIO):
    asked = 0

    def read(self, count=-1):
        assert 0 < count <= module.CHUNK_BYTES
        self.asked += 1
        return super().read(count)


@pytest.fixture
def stdin(monkeypatch):
    def give(data):
        class Stdin:
            buffer = Counting(data)

        monkeypatch.setattr(sys, "stdin", Stdin)
        return Stdin.buffer

    return give


@pytest.mark.parametrize("end", ["\n", "\r\n", "\0"])
def test_a_long_list_is_read_as_it_is_asked_for(stdin, end):
    names = [f"photos/{number:06d}é.jpg" for number in range(20_000)]
    buffer = stdin(end.join(names).encode())

    given = photos_given(["-"])
    assert buffer.asked == 0
    given = iter(given)
    assert next(given) == Verbatim(Path(names[0]))
    assert buffer.asked == 1
    assert [str(each.path) for each in given] == names[1:]


def test_addresses_stay_as_they_are_where_they_are_taken(stdin):
    stdin(b"a.jpg\nhttps://h/b*.jpg\n")

    assert list(photos_given(["s3://x/{0..1}.tar", "-", "c*"], addresses=True)) == [
        "s3://x/{0..1}.tar",
        Verbatim(Path("a.jpg")),
        Verbatim("https://h/b*.jpg"),
        Path("c*"),
    ]


@pytest.mark.parametrize(
    ("data", "has"),
    [
        (b"a.jpg\n" + b"x" * 10**7, "more than 65,536 bytes without an end"),
        (b"a.jpg\n" * 20_000 + b"b\0.jpg\nc.jpg\n", "a NUL character"),
    ],
)
def test_what_is_no_path_is_refused_before_all_of_it_is_held(stdin, data, has):
    buffer = stdin(data)

    with pytest.raises(UnusableInput, match=f"one of them has {has}"):
        list(photos_given(["-"]))
    assert buffer.asked <= 4
