"""Reads a folder as the corpus does, and prints what that takes: one cell of extraction.py.

A process of its own, which imports nothing else, so that its peak memory is that of reading.
"""

import json
import os
import resource
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.files import source_files
from endonym.formats.reader import read_file

SAMPLED_SECONDS = 0.02


def read_folder(folder: Path) -> dict[str, Any]:
    """What the readers make of a folder, and what that takes. Scans are read by `fra`."""
    tally, reasons = Counter[str](), Counter[str]()
    started, workers = time.perf_counter(), Workers()
    ocr = ("fra",) if folder.name == "ocr" else None
    source = Source(name="x", path=str(folder), ocr=ocr)
    for file in source_files(source, folder):
        tally["files"] += 1
        tally["bytes"] += file.path.stat().st_size
        for record in read_file(source, file):
            count(record, tally, reasons)
    seconds = time.perf_counter() - started
    alive = sum(map(processor_seconds, below(os.getpid())))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    workers.end()
    return {
        **tally,
        "rejects": dict(sorted(reasons.items())),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(alive + sum(each.ru_utime + each.ru_stime for each in used), 2),
        "own_mib": high_water(os.getpid()) >> 10,
        "worker_mib": workers.peak >> 10,
    }


def count(record: Document | Reject, tally: Counter[str], reasons: Counter[str]) -> None:
    """Count a record, and its pages or chapters."""
    if isinstance(record, Reject):
        reasons[record.reason] += 1
        return
    parts = record.meta.get("pages") or record.meta.get("chapters") or "1"
    tally.update(documents=1, pages=int(parts), characters=len(record.text))


class Workers(threading.Thread):
    """Watches the processes below this one. peak: the most memory that one of them took, in KiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.is_over = 0, threading.Event()
        self.start()

    def run(self) -> None:
        """Look again and again."""
        while not self.is_over.wait(SAMPLED_SECONDS):
            for process in below(os.getpid()):
                self.peak = max(self.peak, high_water(process))

    def end(self) -> None:
        """Look no more."""
        self.is_over.set()
        self.join()


def below(process: int) -> list[int]:
    """The processes below a process, which any of its threads may have started. A parser's is below
    another one, which says how it ended."""
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *below(child)]
    return found


def processor_seconds(process: int) -> float:
    """What a running process has used of processors, to a hundredth, without its children."""
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def high_water(process: int) -> int:
    """The most memory that a process has taken, in KiB; 0 if it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1])
    return 0


if __name__ == "__main__":
    print(json.dumps(read_folder(Path(sys.argv[1])), ensure_ascii=False))
