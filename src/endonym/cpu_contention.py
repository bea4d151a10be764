"""Noticing that other programs take the processor from training."""

import os
import time
from collections import deque
from pathlib import Path
from statistics import median

from endonym import device

STAT = Path("/proc/stat")
WORKING = (0, 1, 2, 5, 6, 7)
"""Columns of proc(5): user, nice, system, both kinds of interrupts, stolen by another guest."""
WINDOW = 20
SLOWER = 5.0
"""Steps that take so many times as long as the best are slowed by others: validations and
checkpoints are no steps."""
TOO_MANY = 0.5
"""Cores that others take from the threads of a step, beyond which it is worth a word."""


class Others:
    """What programs other than this process do on its cores, since this was made.

    Other processes of the same training count as others.
    """

    def __init__(self) -> None:
        self.began, self.all, self.own = time.perf_counter(), _worked(), time.process_time()

    def cores(self) -> float | None:
        """Cores that they took on average; None where the system does not say."""
        now = _worked()
        if self.all is None or now is None:
            return None
        theirs = now - self.all - (time.process_time() - self.own)
        return round(max(0.0, theirs / (time.perf_counter() - self.began)), 2)

    def in_the_way(self) -> float | None:
        """Cores that they took of those that threads of this process want, if that is too many."""
        cores = self.cores()
        if cores is None or device.process_info().local_size > 1:
            return None
        taken = cores - (len(_own_cores()) - device.threads())
        return taken if taken > TOO_MANY else None


def _own_cores() -> set[int]:
    """The numbers of the cores that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _worked() -> float | None:
    """Seconds that the cores of this process have worked since the machine began, for anybody."""
    try:
        lines = STAT.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    columns = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("cpu")}
    counted = [columns[name] for core in _own_cores() if (name := f"cpu{core}") in columns]
    ticks = sum(int(each[place]) for each in counted for place in WORKING)
    return ticks / os.sysconf("SC_CLK_TCK")


class Crowding:
    """Told how long each step took, says once when others are in the way.

    Of two signs: as training begins, cores that others use; later, steps many times as slow as
    they were. Threads that share a step wait for each other, so that one busy core slows all.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.recent: deque[float] = deque(maxlen=WINDOW)
        self.best = float("inf")
        self.is_said = False
        self.others: Others | None = None

    def said(self, seconds: float) -> str | None:
        """What to say after a step, with what helps; None while all is well, or all is said."""
        if self.is_said:
            return None
        if self.others is None:  # After the first step, for which compilers may have worked.
            self.others = Others()
        self.recent.append(seconds)
        if len(self.recent) < WINDOW:
            return None
        sign = self._busy() if self.best == float("inf") else None
        sign = sign or self._slower(median(self.recent))
        self.is_said = sign is not None
        return None if sign is None else sign + self._help()

    def _busy(self) -> str | None:
        """Whether others were in the way of the first steps."""
        taken = self.others.in_the_way() if self.others and self.place == "cpu" else None
        if taken is None:
            return None
        return f"other programs take {taken:.1f} of the {device.threads()} cores of training."

    def _slower(self, pace: float) -> str | None:
        """Whether steps have become many times as slow."""
        self.best = min(self.best, pace)
        if pace <= SLOWER * self.best:
            return None
        times = f"{pace / self.best:.0f} times as long as they did"
        return f"steps take {times}: do other programs compute here?"

    def _help(self) -> str:
        """What to do. Another number of threads rounds otherwise: that is said, too."""
        if self.place != "cpu" or (threads := device.threads()) == 1:
            return ""
        return (
            " Stop them, or leave them a core: after Ctrl-C the same command goes on from here, "
            f"with OMP_NUM_THREADS={threads - 1} before it on fewer threads (the model is as good, "
            "but not the same to the last bit)"
        )
