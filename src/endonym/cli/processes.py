"""`--processes N`: starts, watches and ends the processes of a training on this machine.

Unlike torchrun it restarts nothing, and reports a failure in one line. `torchrun` works as well, on
several machines.
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

from endonym.device import ProcessInfo, process_info, signals_to
from endonym.errors import LostProcess, RecipeError

LOST = 75
"""Exit code of a process that lost another one; the failure of the other one is reported."""
STOPPED = 130
GRACE_SECONDS = 5.0
"""How long the other processes may take to end by themselves after one has failed."""
POLL_SECONDS = 0.05
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


@contextmanager
def among_others(device: str | None) -> Generator[bool]:
    """Whether this process runs the recipe: true for rank 0 and for a single process.

    The other ranks take part in its training until it dismisses them. They print nothing when it
    stops or a process is lost: rank 0 or the launcher reports it.
    """
    own = process_info()
    if own.size == 1:
        yield True
        return
    if own.meeting:
        threading.Thread(target=_end_with_launcher, daemon=True).start()
    try:
        require_able(device)
        yield own.rank == 0
        if own.rank > 0:
            from endonym.pipeline.stages import help_training

            help_training(device)
    except LostProcess:
        if own.meeting:
            raise click.exceptions.Exit(LOST) from None
        if own.rank > 0:
            raise click.exceptions.Exit(1) from None
        raise
    except KeyboardInterrupt:
        if own.rank > 0:
            raise click.exceptions.Exit(STOPPED) from None
        raise
    finally:
        if own.rank == 0:
            from endonym.train.distributed import dismiss

            dismiss()


def require_able(device: str | None) -> None:
    """Raise RecipeError for a device without collective operations."""
    kind = (device or "cpu").split(":")[0]
    if kind not in ("cpu", "cuda"):
        message = f"several processes compute on cpu or cuda, not on {kind}"
        raise RecipeError(message, where="--device", do="Leave --processes out.")


def _end_with_launcher() -> None:
    """Send SIGTERM to this process when the launcher is gone, which closes standard input."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def launch(count: int, arguments: Sequence[str]) -> None:
    """Run the same command in `count` processes and wait for them.

    Ctrl-C stops them all after the step. Raises click's Exit with rank 0's code if that is not
    zero, and LostProcess if a process was lost.
    """
    with tempfile.TemporaryDirectory(prefix="endonym-") as folder:
        group = ProcessGroup(count, arguments, Path(folder))
        with signals_to(group.hand_on, signal.SIGINT, signal.SIGTERM):
            group.watch()
        code = group.verdict()
    if code:
        raise click.exceptions.Exit(code)


class ProcessGroup:
    """The processes. Rank 0 prints; the output of the others goes to files."""

    def __init__(self, count: int, arguments: Sequence[str], folder: Path) -> None:
        self.folder = folder
        self.killed = set[int]()
        self.processes = [self._start(rank, count, arguments) for rank in range(count)]

    def _start(self, rank: int, count: int, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        """One process, in its own session, so that only hand_on sends it Ctrl-C."""
        meeting = str(self.folder / "meet")
        info = ProcessInfo(
            rank=rank, size=count, local_rank=rank, local_size=count, meeting=meeting
        )
        output = None if rank == 0 else self._output_file(rank).open("wb")
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "endonym", *arguments],
                env={"GLOO_SOCKET_IFNAME": LOOPBACK, **os.environ, **info.variables()},
                stdin=subprocess.PIPE,  # closes when the launcher dies, which ends the process
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()

    def _output_file(self, rank: int) -> Path:
        return self.folder / f"said-{rank}.txt"

    def hand_on(self, number: int, frame: Any) -> None:
        """Pass a signal on to every process."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.send_signal(number)

    def watch(self) -> None:
        """Wait for all to end; kill the others GRACE_SECONDS after one has failed."""
        due = float("inf")
        while any(process.poll() is None for process in self.processes):
            if any(process.poll() not in (None, 0, STOPPED) for process in self.processes):
                due = min(due, time.monotonic() + GRACE_SECONDS)
            if time.monotonic() > due:
                running = {rank for rank, each in enumerate(self.processes) if each.poll() is None}
                self.killed |= running
                for rank in running:
                    self.processes[rank].kill()
            time.sleep(POLL_SECONDS)
        for each in self.processes:
            assert each.stdin is not None
            each.stdin.close()

    def verdict(self) -> int:
        """The exit code of rank 0, if it ended by itself.

        Raises LostProcess, naming the process that failed, if it did not.
        """
        codes = [process.returncode for process in self.processes]
        if codes[0] >= 0 and codes[0] != LOST:
            return codes[0]
        failed = [
            rank
            for rank, code in enumerate(codes)
            if code not in (0, LOST, STOPPED) and rank not in self.killed
        ]
        rank = failed[0] if failed else 0
        if codes[rank] == -signal.SIGKILL:
            reason = "was killed (SIGKILL; if nobody did it, memory ran out)"
        elif codes[rank] < 0:
            reason = f"was ended by {signal.Signals(-codes[rank]).name}"
        else:
            output = ""
            if rank:
                output = self._output_file(rank).read_text(encoding="utf-8").strip()
            reason = output or "lost the others"
        raise LostProcess(
            reason,
            where=f"process {rank + 1} of {len(codes)}",
            do="The others were stopped. What was saved is kept: the same command goes on.",
        )
