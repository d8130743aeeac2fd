"""One step at a time behind the work, and none of their errors is lost."""

import threading

import pytest

from efficientnet_lite.features.background import Background


def fail():
    raise OSError("the disk is gone")


def test_steps_are_taken_in_order_in_a_thread_of_their_own():
    taken = []

    with Background() as background:
        for number in range(5):
            background.do(lambda number: taken.append((number, threading.current_thread())), number)

    assert [number for number, _ in taken] == list(range(5))
    assert {thread for _, thread in taken}.isdisjoint({threading.main_thread()})


def taking(*steps, look=False, error=None):
    """Take these steps; then look whether the last has gone wrong until it has, or have another error."""
    with Background() as background:
        for step in steps:
            background.do(step)
        while look:
            background.check()
        if error is not None:
            raise error


@pytest.mark.parametrize("look", [False, True])
def test_an_error_reaches_who_looks_and_who_ends(look):
    with pytest.raises(OSError, match="the disk is gone"):
        taking(fail, look=look)


def test_an_error_reaches_who_comes_next_whose_step_is_not_taken():
    taken = threading.Event()

    with pytest.raises(OSError, match="the disk is gone"):
        taking(fail, taken.set)
    assert not taken.is_set()


def test_another_error_is_not_hidden_and_the_step_is_waited_for():
    goes_on, done = threading.Event(), threading.Event()

    def slow():
        goes_on.wait()
        done.set()

    threading.Timer(0.05, goes_on.set).start()
    with pytest.raises(KeyError):
        taking(slow, error=KeyError())

    assert done.is_set()
