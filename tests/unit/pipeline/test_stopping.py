"""How a training is asked to stop, once and twice."""

import os
import signal
import threading

import pytest

from endonym.device import ProcessInfo
from endonym.pipeline.stopping import stop_requests


def ask_twice() -> None:
    """Stop by SIGTERM, then by Ctrl-C."""
    with stop_requests() as asked:
        assert not asked.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.wait(5)
        os.kill(os.getpid(), signal.SIGINT)
        asked.wait(5)
        raise AssertionError("the second signal was not heeded")


def test_a_first_signal_asks_and_a_second_does_not_wait() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        ask_twice()
    assert signal.getsignal(signal.SIGINT) is before


def ask_at_the_end() -> None:
    """Ctrl-C when no step is left that could heed it."""
    with stop_requests() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked.wait(5)


def test_a_signal_after_the_last_step_still_stops_the_run() -> None:
    with pytest.raises(KeyboardInterrupt):
        ask_at_the_end()


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def run() -> None:
        with stop_requests() as asked:
            seen.append((asked.is_set(), signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(False, True)]


def test_what_a_launcher_hands_on_at_once_is_no_second_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ProcessInfo(1, 2, 1, 2).variables().items():
        monkeypatch.setenv(name, value)
    seen: list[str] = []

    def ask_twice_at_once() -> None:
        with stop_requests() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert asked.wait(5)
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("saved")

    with pytest.raises(KeyboardInterrupt):
        ask_twice_at_once()
    assert seen == ["saved"]
