"""Detects other programs that slow training down."""

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
"""Steps that take this many times as long as the best ones are slowed by others. Validations and
checkpoints do not count as steps."""
TOO_MANY = 0.5
"""Number of training's cores that others may use without a warning."""


class OtherProcesses:
    """CPU time that other processes use on this process's cores, since this object was made.

    Other processes of the same training count as others.
    """

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.all_seconds = _cpu_seconds()
        self.own_seconds = time.process_time()

    def cores_used(self) -> float | None:
        """Cores that they used on average; None if the system does not say."""
        now = _cpu_seconds()
        if self.all_seconds is None or now is None:
            return None
        own = time.process_time() - self.own_seconds
        others = now - self.all_seconds - own
        return round(max(0.0, others / (time.perf_counter() - self.began)), 2)

    def cores_taken(self) -> float | None:
        """Cores that they took from this process's threads, if more than TOO_MANY; else None."""
        cores = self.cores_used()
        if cores is None or device.process_info().local_size > 1:
            return None
        taken = cores - (len(_own_cores()) - device.threads())
        return taken if taken > TOO_MANY else None


def _own_cores() -> set[int]:
    """The numbers of the cores that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _cpu_seconds() -> float | None:
    """Seconds of work of this process's cores since boot, for all processes."""
    try:
        lines = STAT.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    columns = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("cpu")}
    rows = [columns[name] for core in _own_cores() if (name := f"cpu{core}") in columns]
    ticks = sum(int(row[column]) for row in rows for column in WORKING)
    return ticks / os.sysconf("SC_CLK_TCK")


class ContentionMonitor:
    """Warns once if other processes slow training down.

    There are two signs: at the start of training, cores that others use; later, steps many times as
    slow as before. Threads that share a step wait for each other, so one busy core slows all of
    them.
    """

    def __init__(self, device_name: str) -> None:
        self.device_name = device_name
        self.recent: deque[float] = deque(maxlen=WINDOW)
        self.best = float("inf")
        self.has_warned = False
        self.others: OtherProcesses | None = None

    def warning(self, seconds: float) -> str | None:
        """The warning after a step, with advice; None if there is none or it was given."""
        if self.has_warned:
            return None
        if self.others is None:  # Not before the first step: compilation uses more cores.
            self.others = OtherProcesses()
        self.recent.append(seconds)
        if len(self.recent) < WINDOW:
            return None
        pace = median(self.recent)
        threads = device.threads()
        taken = None
        if self.best == float("inf") and self.device_name == "cpu":
            taken = self.others.cores_taken()
        if taken is not None:
            sign = f"other programs take {taken:.1f} of the {threads} cores of training."
        else:
            self.best = min(self.best, pace)
            if pace <= SLOWER * self.best:
                return None
            times = f"{pace / self.best:.0f} times as long as they did"
            sign = f"steps take {times}. Other programs may be using this machine."
        self.has_warned = True
        if self.device_name != "cpu" or threads == 1:
            return sign
        # With another number of threads, results are rounded differently.
        return sign + (
            " Stop them, or leave them a core: after Ctrl-C the same command goes on from here, "
            f"with OMP_NUM_THREADS={threads - 1} before it on fewer threads (the model is as good, "
            "but not the same to the last bit)"
        )
