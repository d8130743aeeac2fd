"""A process for what may die: whatever happens in it is one error in ours, in bounded time and memory."""

import os
import sys
import time

import pytest

from efficientnet_lite.storage import confined

LIMITED = sys.platform.startswith("linux")  # in memory, and in processor time to the second


@pytest.fixture
def respond(tmp_path, monkeypatch):
    """Gives what asks a child whose `respond` has the given body."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(confined, "SECONDS", 1)

    def ask(body, data=b"question", limit=100, library="json"):
        lines = ["import ctypes, os, sys, time", "def respond(data, out):", *(f"    {line}" for line in body)]
        (tmp_path / "misbehaving.py").write_text("\n".join(lines))
        return confined.answer("misbehaving", data, library=library, limit=limit)

    return ask


def test_the_answer_is_what_the_child_writes_and_not_what_it_prints(respond):
    assert respond(["print('noise')", "os.write(1, b'more')", "out.write(data[::-1])"]) == b"noitseuq"


def test_a_question_larger_than_a_pipe_arrives_whole(respond):
    data = os.urandom(3 * 10**6)

    assert respond(["out.write(data)"], data, limit=len(data)) == data


def test_nobody_has_to_read_the_question(respond):
    assert respond(["os.close(0)", "out.write(b'no')"], bytes(10**7)) == b"no"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (["ctypes.string_at(0)"], "died of it"),
        (["os.abort()"], "died of it"),
        (["os._exit(3)"], r"died of it \(3\)"),
        (["raise KeyError(1)"], "died of it"),
        (["while True: out.write(bytes(10**6))"], "unfolds to more than 100 bytes"),
        (["out.write(bytes(101))"], "unfolds to more than 100 bytes"),
        pytest.param(
            ["while True: pass"],
            "busy for more than 1 s",
            marks=pytest.mark.skipif(not LIMITED, reason="the system's limits"),
        ),
        pytest.param(
            ["bytearray(2**30)"],
            "more than .* bytes of memory",
            marks=pytest.mark.skipif(not LIMITED, reason="the system's limits"),
        ),
    ],
    ids=lambda value: value[0][:30] if isinstance(value, list) else "",
)
def test_whatever_happens_in_the_child_is_one_error(respond, body, reason):
    started = time.monotonic()

    with pytest.raises(confined.Failed, match=reason):
        respond(body)

    assert time.monotonic() - started < 30


@pytest.mark.skipif(not LIMITED, reason="the system's limits")
def test_nothing_can_be_written_to_a_file(respond, tmp_path):
    with pytest.raises(confined.Failed, match="died of it"):
        respond(["file = open(data, 'w')", "file.write('loot')", "file.flush()"], bytes(tmp_path / "loot"))

    assert (tmp_path / "loot").read_bytes() == b""


def test_a_child_that_sleeps_is_ended_by_the_clock(respond, monkeypatch):
    monkeypatch.setattr(confined, "PATIENCE", 1)

    with pytest.raises(confined.Failed, match="busy for more than 1 s"):
        respond(["time.sleep(60)"])


def test_a_library_that_cannot_be_imported_is_named(respond):
    with pytest.raises(confined.Failed, match="no_such_library is installed, but cannot be imported"):
        respond(["pass"], library="no_such_library")


def test_without_a_python_to_start_the_reason_is_said(respond, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(confined.Failed, match="no process could be started: No such file"):
        respond(["pass"])

    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(confined.Failed, match="no Python here"):
        respond(["pass"])


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Gives what asks a tool whose `respond` has the given body."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def ask(body, question=b"question", limit=100, **limits):
        lines = ["import ctypes, os, sys, time", "def respond(data, out):", *(f"    {line}" for line in body)]
        (tmp_path / "working.py").write_text("\n".join(lines))
        return confined.ask_tool("working", question, library="json", limit=limit, **limits)

    return ask


def test_a_tool_answers_and_what_it_prints_is_heard_beside_that(tool):
    told = tool(["print('one'); os.write(2, b'two\\n'); out.write(data)"])

    assert told == (b"question", "one\ntwo")


@pytest.mark.parametrize(
    ("body", "reason", "words"),
    [
        (["print('on my way'); os.abort()"], r"it died of it \(SIGABRT\)", "on my way"),
        (
            ["os.write(2, b'bad \\x1b[31mred\\x1b[0m \\x07 \\xff'); os._exit(9)"],
            r"ended with an error \(9\)",
            r"bad red \x07 �",
        ),
        (["raise KeyError('no such kernel')"], r"ended with an error \(1\)", "KeyError: 'no such kernel'"),
        (["print('still'); time.sleep(60)"], "busy for more than 6 s", "still"),
        (["out.write(bytes(101))"], "answers more than 100 bytes", ""),
    ],
    ids=("aborts", "exits", "raises", "hangs", "answers too much"),
)
def test_a_tool_that_fails_is_quoted(tool, body, reason, words):
    with pytest.raises(confined.Failed, match=reason) as caught:
        tool(body, seconds=6)

    assert caught.value.words.endswith(words)


def test_a_tool_that_prints_without_end_is_read_and_kept_at_both_ends(tool):
    told = tool(["print('first')", "for _ in range(10**5): print('again' * 20)", "print('last')"])

    assert told.words.startswith("first\nagain")
    assert told.words.endswith("again\nlast")
    assert len(told.words) < 3 * confined.HEARD_BYTES


@pytest.mark.skipif(not LIMITED, reason="the system's limits")
def test_a_tool_gets_no_more_memory_than_it_may_take(tool):
    with pytest.raises(confined.Failed, match="more than 134,217,728 bytes of memory"):
        tool(["bytearray(2**30)"], memory=2**27)
