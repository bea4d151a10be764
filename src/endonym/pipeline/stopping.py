"""Ctrl-C while training: the step is finished first, and a checkpoint is saved."""

import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from endonym.device import process_info


@contextmanager
def stop_requests() -> Generator[threading.Event]:
    """Ctrl-C and SIGTERM ask for a stop after the step; a second one stops at once.

    torchrun passes on a Ctrl-C that its processes also get from the terminal: two within a second
    count as one.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    echo_seconds = 1.0 if process_info().size > 1 else 0.0
    over = 0.0

    def ask(number: int, frame: Any) -> None:
        nonlocal over
        if asked.is_set() and time.monotonic() >= over:
            raise KeyboardInterrupt
        over = over or time.monotonic() + echo_seconds
        asked.set()

    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if asked.is_set():  # Asked for after the last step: what follows training must not run.
        raise KeyboardInterrupt
