"""Noticing that other programs take the processor from training."""

from collections import deque
from statistics import median

WINDOW = 20
SLOWER = 5.0
"""Steps that take so many times as long as the best are no chance: looks and checkpoints are not
in them, and documents change them by a tenth."""


class Crowding:
    """Told how long each step took, says once when steps have become many times as slow.

    Threads that share a step wait for each other, so that one busy core slows all of them.
    """

    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=WINDOW)
        self.best = float("inf")
        self.is_said = False

    def slower(self, seconds: float) -> float | None:
        """How many times as long steps take now, the first time that it is too many."""
        self.recent.append(seconds)
        if len(self.recent) < WINDOW or self.is_said:
            return None
        pace = median(self.recent)
        self.best = min(self.best, pace)
        self.is_said = pace > SLOWER * self.best
        return pace / self.best if self.is_said else None
