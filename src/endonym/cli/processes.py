"""`--processes N`: the processes of one training on this machine, started, watched, ended together.

torch's own launcher restarts and reports in its own words, long tables of them; here one process is
like another, and what a person needs is one line. `torchrun` works as well, on many machines.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from endonym.device import ProcessInfo, process_info
from endonym.errors import LostProcess, RecipeError

LOST = 75
"""How a process ends when another one is gone; that one's end is what a person is told."""
STOPPED = 130
GRACE_SECONDS = 5.0
"""How long the others have to end by themselves when one of them has failed."""
POLL_SECONDS = 0.05
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


@contextmanager
def among_others(device: str | None) -> Generator[bool]:
    """Whether this process runs the recipe: the first of its training does, or one alone.

    The others help it to train, until it lets them go. They end without a word when it stops, or
    when one of them is gone: the first one says so, or the launcher does.
    """
    here = process_info()
    if here.size == 1:
        yield True
        return
    if here.meeting:
        _heed_launcher()
    try:
        require_able(device)
        yield here.rank == 0
        if here.rank > 0:
            from endonym.pipeline.stages import help_training

            help_training(device)
    except LostProcess:
        if here.meeting:
            raise click.exceptions.Exit(LOST) from None
        if here.rank > 0:
            raise click.exceptions.Exit(1) from None
        raise
    except KeyboardInterrupt:
        if here.rank > 0:
            raise click.exceptions.Exit(STOPPED) from None
        raise
    finally:
        if here.rank == 0:
            from endonym.train.distributed import dismiss

            dismiss()


def require_able(device: str | None) -> None:
    """Raise RecipeError for a device on which processes cannot share sums."""
    kind = (device or "cpu").split(":")[0]
    if kind not in ("cpu", "cuda"):
        raise RecipeError(
            f"several processes compute on cpu or cuda, not on {kind}",
            where="--device",
            do="Leave --processes out.",
        )


def _heed_launcher() -> None:
    """Stop as by SIGTERM when the launcher is gone: then its end of standard input is closed."""

    def heed() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=heed, daemon=True).start()


def launch(count: int, arguments: Sequence[str]) -> None:
    """Run the same command in so many processes, to its end.

    Ctrl-C stops them all after the step. Raises click's Exit with the first one's code if that is
    not zero, and LostProcess if a process ended that should not have.
    """
    with tempfile.TemporaryDirectory(prefix="endonym-") as folder:
        crew = Crew(count, arguments, Path(folder))
        with crew.signals_passed_on():
            crew.watch()
        code = crew.verdict()
    if code:
        raise click.exceptions.Exit(code)


class Crew:
    """The processes. The first one speaks for itself; what the others say is kept."""

    def __init__(self, count: int, arguments: Sequence[str], folder: Path) -> None:
        self.folder = folder
        self.killed: set[int] = set()
        self.processes: list[subprocess.Popen[bytes]] = []
        for rank in range(count):
            self.processes.append(self._start(ProcessInfo(rank, count, rank, count), arguments))

    def _start(self, where: ProcessInfo, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        """One process, in a session of its own, so that Ctrl-C reaches it through us alone."""
        meeting = ProcessInfo(
            where.rank, where.size, where.rank, where.size, str(self.folder / "meet")
        )
        said = None if where.rank == 0 else self._said(where.rank).open("wb")
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "endonym", *arguments],
                env={"GLOO_SOCKET_IFNAME": LOOPBACK, **os.environ, **meeting.variables()},
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        finally:
            if said is not None:
                said.close()

    def _said(self, rank: int) -> Path:
        return self.folder / f"said-{rank}.txt"

    @contextmanager
    def signals_passed_on(self) -> Generator[None]:
        """Hand Ctrl-C and SIGTERM to every process, and wait for them to stop."""

        def hand_on(number: int, frame: Any) -> None:
            for each in self.processes:
                with suppress(ProcessLookupError):
                    each.send_signal(number)

        before = {each: signal.signal(each, hand_on) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def watch(self) -> None:
        """Wait for all to end; when one has failed, the others have a few seconds."""
        due = float("inf")
        while any(each.poll() is None for each in self.processes):
            if any(each.poll() not in (None, 0, STOPPED) for each in self.processes):
                due = min(due, time.monotonic() + GRACE_SECONDS)
            if time.monotonic() > due:
                self._kill()
            time.sleep(POLL_SECONDS)
        for each in self.processes:
            assert each.stdin is not None
            each.stdin.close()

    def _kill(self) -> None:
        for rank, each in enumerate(self.processes):
            if each.poll() is None:
                self.killed.add(rank)
                each.kill()

    def verdict(self) -> int:
        """The exit code, if the first process ended by itself and said why.

        Raises LostProcess, naming the process that failed first, if it did not.
        """
        codes = [each.returncode for each in self.processes]
        if codes[0] >= 0 and codes[0] != LOST:
            return codes[0]
        failed = [
            rank
            for rank, code in enumerate(codes)
            if code not in (0, LOST, STOPPED) and rank not in self.killed
        ]
        rank = failed[0] if failed else 0
        raise LostProcess(
            self._end_of(rank, codes[rank]),
            where=f"process {rank + 1} of {len(codes)}",
            do="The others were stopped. What was saved is kept: the same command goes on.",
        )

    def _end_of(self, rank: int, code: int) -> str:
        """How a process ended, or what it said of it."""
        if code == -signal.SIGKILL:
            return "was killed (SIGKILL; if nobody did it, memory ran out)"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        said = self._said(rank).read_text(encoding="utf-8").strip() if rank else ""
        return said or "lost the others"
