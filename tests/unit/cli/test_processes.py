"""The launcher of `--processes`: who speaks when one of several processes ends."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endonym.cli import processes
from endonym.cli.processes import LOST, STOPPED, ProcessGroup
from endonym.errors import LostProcess


def group_of(folder: Path, monkeypatch: pytest.MonkeyPatch, *programs: str) -> ProcessGroup:
    """Processes that run these programs instead of endonym."""
    real, left = subprocess.Popen, list(programs)

    def start(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        return real([sys.executable, "-c", left.pop(0)], **options)

    with monkeypatch.context() as patch:
        patch.setattr(processes.subprocess, "Popen", start)
        return ProcessGroup(len(programs), ["run", "recipe.toml"], folder)


ENDS = "import sys; sys.exit({})"
KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
LASTS = "import time; time.sleep(60)"


FIRST_SAYS = [
    (ENDS.format(0), ENDS.format(0), 0),
    (ENDS.format(STOPPED), ENDS.format(STOPPED), STOPPED),
    (ENDS.format(2), ENDS.format(LOST), 2),
]


@pytest.mark.parametrize(("first", "second", "code"), FIRST_SAYS)
def test_what_the_first_process_says_of_itself_counts(
    first: str, second: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = group_of(tmp_path, monkeypatch, first, second)
    group.watch()
    assert group.verdict() == code


FAILURES_OF_MANY = [
    ([ENDS.format(LOST), KILLED, ENDS.format(LOST)], "process 2 of 3", "SIGKILL"),
    ([KILLED, ENDS.format(LOST)], "process 1 of 2", "SIGKILL"),
    ([ENDS.format(LOST), "import sys; sys.exit('no disk')"], "process 2 of 2", "no disk"),
    ([ENDS.format(LOST), ENDS.format(LOST)], "process 1 of 2", "lost the others"),
]


@pytest.mark.parametrize(("programs", "who", "what"), FAILURES_OF_MANY)
def test_the_process_that_failed_is_named_once(
    programs: list[str], who: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = group_of(tmp_path, monkeypatch, *programs)
    group.watch()
    with pytest.raises(LostProcess) as failed:
        group.verdict()
    assert failed.value.where == who
    assert what in failed.value.message
    assert "same command" in failed.value.do


def test_a_process_that_does_not_notice_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.2)
    group = group_of(tmp_path, monkeypatch, LASTS, KILLED)
    group.watch()
    assert [each.returncode for each in group.processes] == [-signal.SIGKILL] * 2
    with pytest.raises(LostProcess, match="process 2 of 2"):
        group.verdict()


def test_several_processes_on_a_device_that_cannot_are_refused_at_once(
    small_recipe: Callable[[Path], Path], command: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = small_recipe(tmp_path / "project")
    said = command("run", recipe, "--processes", 2, "--device", "mps")
    assert said.code == 2
    assert "cpu or cuda, not on mps" in said.err
    assert not (tmp_path / "project" / "store").exists()
