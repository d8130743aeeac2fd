"""Answers of a confined process that come piece by piece: in order, bounded, one process for many questions."""

import os
import sys

import pytest

from efficientnet_lite.storage import confined_pieces
from efficientnet_lite.storage.confined import Failed
from efficientnet_lite.storage.confined_pieces import Declined, end_idle, pieces

LIMITED = sys.platform.startswith("linux")  # in memory, and in processor time to the second
CHILD = """
import ctypes, os, sys
from efficientnet_lite.storage.confined_pieces import Declined

def respond(question, far):
    yield from eval(question)

def refuse():
    yield b"first"
    raise Declined("no\\nsuch thing")

def far_away(far):
    far.measured(10)
    far.seek(3)
    yield far.read(4)
    far.seek(-2, 2)
    yield far.read(100)
"""


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Gives what asks a child for the pieces of an expression."""
    (tmp_path / "answering.py").write_text(CHILD)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(confined_pieces, "SECONDS", 1)

    def asked(expression, limit=10**6, read=None):
        given = {"library": "json", "memory": 2**26, "limit": limit, "read": read}
        return pieces("answering", expression.encode(), **given)

    yield asked
    end_idle()


def test_pieces_come_as_they_are_made_and_one_process_answers_one_question_after_another(ask):
    first = list(ask("[b'', str(os.getpid()).encode(), bytes(10**6)]"))

    assert first[0] == b""
    assert first[2] == bytes(10**6)
    assert list(ask("[str(os.getpid()).encode()]")) == [first[1]]
    assert list(ask("[]")) == []


def test_a_process_is_free_before_its_last_piece_is_used_and_ends_where_an_answer_is_left(ask):
    whole = ask("[str(os.getpid()).encode()]")
    (again,) = (ask("[str(os.getpid()).encode()]"),)
    number = next(whole)
    assert next(again) == number
    left = ask("(str(os.getpid()).encode() for _ in range(10**9))")
    assert next(left) == number
    left.close()

    with pytest.raises(ProcessLookupError):
        os.kill(int(number), 0)
    assert next(ask("[str(os.getpid()).encode()]")) != number


def test_what_is_refused_there_is_refused_here_and_the_process_goes_on(ask):
    (number,) = ask("[str(os.getpid()).encode()]")
    answer = ask("refuse()")

    assert next(answer) == b"first"
    with pytest.raises(Declined, match="no\nsuch thing"):
        next(answer)
    assert list(ask("[str(os.getpid()).encode()]")) == [number]


def test_bytes_that_only_this_process_has_are_read_by_it(ask):
    data = bytes(range(10))

    assert list(ask("far_away(far)", read=lambda start, count: data[start : start + count])) == [
        data[3:7],
        data[8:],
    ]

    def gone(start, count):
        raise OSError("the line is dead")

    with pytest.raises(OSError, match="the line is dead"):
        list(ask("far_away(far)", read=gone))


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("[ctypes.string_at(0)]", "died of it"),
        ("[os._exit(0)]", r"died of it \(0\)"),
        ("[1 / 0]", r"died of it \(1\)"),
        ("far_away(far)", "no sensible answer"),
        ("[os.write(3, bytes(9)), *[bytes(10**6)] * 9]", "no sensible answer"),
        ("[bytes(10**6 + 1)]", "unfolds to more than 1,000,000 bytes"),
        pytest.param(
            "[b'x', bytes(2**30)]",
            "asks for more than 67,108,864 bytes of memory",
            marks=pytest.mark.skipif(not LIMITED, reason="the system's limits"),
        ),
        pytest.param(
            "[all(True for _ in iter(int, 1))]",
            "busy for more than 1 s",
            marks=pytest.mark.skipif(not LIMITED, reason="the system's limits"),
        ),
    ],
)
def test_whatever_happens_in_the_process_is_one_error_in_ours(ask, expression, reason):
    with pytest.raises(Failed, match=reason):
        list(ask(expression))
    assert list(ask("[b'the next']")) == [b"the next"]
