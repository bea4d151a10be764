"""Runs a module of endonym in a process of its own, whose memory and time are measured alone."""

import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping

ENOUGH_CHARS = 200
"""Of what a process says."""


class ProcessFailed(Exception):
    """The process has failed: its exit code, and the end of what it said."""


def output_lines(module: str, request: bytes, environment: Mapping[str, str]) -> Generator[bytes]:
    """The lines that a process of this module prints, as they come. request: its standard input.

    Raises ProcessFailed.
    """
    # -P: nothing is imported from the current folder.
    command = [sys.executable, "-P", "-m", module]
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
        asked.write(request)
        asked.seek(0)
        with subprocess.Popen(
            command, stdin=asked, stdout=subprocess.PIPE, stderr=said, env=environment
        ) as process:
            assert process.stdout is not None, "a pipe"
            try:
                yield from process.stdout
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").strip().splitlines()
            why = lines[-1][-ENOUGH_CHARS:] if lines else "it says nothing"
            raise ProcessFailed(f"ended with {process.returncode}: {why}")
