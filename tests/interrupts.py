"""Processes that tests start heed Ctrl-C, whatever started the tests."""

import signal


def heed_interrupts() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would all that the tests start from one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
