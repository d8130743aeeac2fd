"""SIGINT and SIGTERM as a block of work takes them, and that they are given back."""

import signal
import threading

import pytest

from efficientnet_lite.stop_signals import asked_to_end, interrupted_by_sigterm

FREE = signal.SIG_DFL


def test_sigterm_interrupts_once_and_is_given_back():
    cleaned = []

    def work():
        with interrupted_by_sigterm():
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGTERM)
                cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()

    assert cleaned
    assert signal.getsignal(signal.SIGTERM) == FREE


def test_what_a_caller_does_about_sigterm_stays():
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        with interrupted_by_sigterm():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert came == [signal.SIGTERM]


def test_in_another_thread_nothing_is_taken():
    found = []

    def look():
        with interrupted_by_sigterm(), asked_to_end() as is_asked:
            found.append((signal.getsignal(signal.SIGTERM), is_asked()))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert found == [(FREE, False)]


def test_who_asks_is_told_and_the_second_sigint_interrupts():
    told = []

    def work():
        with asked_to_end() as is_asked:
            told.append(is_asked())
            signal.raise_signal(signal.SIGTERM)
            told.append(is_asked())
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()

    assert told == [False, True]
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
