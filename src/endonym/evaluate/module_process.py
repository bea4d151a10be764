"""Runs a module of endonym in a process of its own, whose memory and time are measured alone."""

import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping

ENOUGH_CHARS = 200
"""So much of what a process has said last is told in an error."""


PROGRESS = re.compile(r"\d+%\|.*\||\d+(it|s|B|examples)?/s\b|\?it/s|\[\d+:\d+")
"""A line of a progress bar, as tqdm writes it."""


class ProcessFailed(Exception):
    """The process has failed: its exit code, and the end of what it said."""


def output_lines(module: str, request: bytes, environment: Mapping[str, str]) -> Generator[bytes]:
    """The lines that a process of this module prints, as they come. request: its standard input.

    Raises ProcessFailed.
    """
    # -P: nothing is imported from the current folder.
    command = [sys.executable, "-P", "-m", module]
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
        stdin.write(request)
        stdin.seek(0)
        with subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=environment
        ) as process:
            assert process.stdout is not None, "a pipe"
            try:
                yield from process.stdout
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            stderr.seek(0)
            raise ProcessFailed(reason(process.returncode, stderr.read()))


def reason(code: int, said: bytes) -> str:
    """Why a process has failed, by its exit code and what it has said on standard error."""
    # A progress bar overwrites itself after a carriage return.
    lines = [line.rpartition("\r")[2] for line in said.decode("utf-8", "replace").splitlines()]
    lines = [line.strip() for line in lines if line.strip() and not PROGRESS.search(line)]
    last = lines[-1][-ENOUGH_CHARS:] if lines else "it says nothing"
    if code == -signal.SIGKILL:
        return f"ended with {code}: the system has killed it, mostly because memory ran out"
    if code < 0:
        return f"ended with {code} ({signal.Signals(-code).name}): {last}"
    return f"ended with {code}: {last}"
