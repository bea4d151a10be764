"""Runs a module of endonym in a process of its own, whose memory and time are measured alone."""

import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping

ENOUGH_CHARS = 200
"""So much of what a process has said last is told in an error."""


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
            lines = stderr.read().decode("utf-8", "replace").strip().splitlines()
            reason = lines[-1][-ENOUGH_CHARS:] if lines else "it says nothing"
            raise ProcessFailed(f"ended with {process.returncode}: {reason}")
