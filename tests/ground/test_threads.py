"""Work for several threads: in order, and no more of it under way than was said."""

import subprocess
import sys
import threading

import pytest

from efficientnet_lite.threads import beside, in_threads


def test_only_a_few_items_are_taken_ahead_of_the_caller():
    taken = []

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    results = in_threads(lambda number: number, items(), workers=2)
    next(results)
    assert len(taken) <= 8
    results.close()
    assert len(taken) <= 8


def test_outcomes_come_in_order_and_an_error_at_its_place():
    gate = threading.Event()

    def slow_first(number):
        if number == 0:
            gate.wait(10)
        if number == 7:
            raise RuntimeError("seven")
        gate.set()
        return number

    results = in_threads(slow_first, range(10), workers=3, ahead=1)

    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(RuntimeError, match="seven"):
        next(results)


def test_few_items_are_under_way_however_slowly_they_are_taken():
    begun = []
    stream = in_threads(lambda item: begun.append(item) or str(item), range(100), workers=2, ahead=2)
    for number in range(100):
        assert next(stream) == str(number)
        assert len(begun) <= number + 1 + 4


def test_what_goes_wrong_beside_is_told_as_soon_as_it_is_known():
    def fail():
        raise ValueError("no such model")

    failing, working = beside(fail), beside(lambda: 7)

    assert working.result() == 7
    assert working.done()
    with pytest.raises(ValueError, match="no such model"):
        failing.result()
    assert failing.done()


def test_nobody_waits_for_what_is_computed_beside_but_who_asks():
    program = (
        "import threading\n"
        "from efficientnet_lite.threads import beside\n"
        "beside(threading.Event().wait)\n"
        "raise SystemExit(7)\n"
    )

    assert subprocess.run([sys.executable, "-c", program], timeout=20).returncode == 7
