"""What the benchmarks share: resumable cells in one JSON file, and a quiet machine."""

import contextlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from endonym import device
from endonym.cpu_contention import OtherProcesses

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


Cell = dict[str, Any]


class Cells:
    """The measured cells of one benchmark in a JSON file: for each key a list of repeats.

    The oldest repeat comes first, and none is ever overwritten. Where the file holds a figure
    alone instead of a list, that is one repeat.

    Quoted is the newest repeat, `cells[key]`: that is what the code at hand does. The best of
    several would be luck, and their median would mix the code of several days.

    quoted: the cells that were looked up, by name, for the note below a table.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.all: dict[str, list[Cell]] = {}
        self.quoted: dict[str, Cell] = {}
        if path.is_file():
            content = json.loads(path.read_text(encoding="utf-8"))
            self.all = {
                key: cells if isinstance(cells, list) else [cells] for key, cells in content.items()
            }

    def __contains__(self, key: str) -> bool:
        return key in self.all

    def __iter__(self) -> Iterator[str]:
        return iter(self.all)

    def __getitem__(self, key: str) -> Cell:
        """The newest repeat."""
        self.quoted[key] = self.all[key][-1]
        return self.quoted[key]

    def get(self, key: str) -> Cell | None:
        """The newest repeat; None if it was never measured."""
        repeats = self.repeats(key)
        return self[key] if repeats else None

    def repeats(self, key: str) -> list[Cell]:
        """All repeats, the oldest first; none if it was never measured."""
        return self.all.get(key, [])

    def keep(self, key: str, cell: Cell) -> None:
        """Add a repeat, and write the file."""
        self.all.setdefault(key, []).append(cell)
        self.write()

    def write(self) -> None:
        """Write the file anew."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        text = json.dumps(self.all, ensure_ascii=False, indent=1, sort_keys=True)
        fresh.write_text(text + "\n", encoding="utf-8")
        fresh.replace(self.path)


def surroundings() -> dict[str, Any]:
    """What figures hold for: commit, machine, versions."""
    return {"commit": commit(), "machine": machine(), "versions": versions()}


def machine() -> dict[str, Any]:
    """What decides how fast this machine is. Machines with equal ones are compared in time."""
    found: dict[str, Any] = {
        "processor": device.processor(),
        "processor_model": processor_model(),
        "cores": device.cores(),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def processor_model() -> str:
    """Family, model and stepping, where Linux says them: providers of machines hide the name."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    numbers = (said.get(key) for key in ("cpu family", "model", "stepping"))
    return ", ".join(filter(None, numbers))


def commit() -> str:
    """The last one that changed the code, so that repeats of the same code say the same.

    "-dirty" if the code was changed since. Results are no code: cells are kept among them.
    """
    git, code = ["git", "-C", str(ROOT)], ["--", "src", "benchmarks", ":!benchmarks/results"]
    found = subprocess.run(
        [*git, "log", "-1", "--format=%h", *code], capture_output=True, text=True, check=False
    )
    if found.returncode:
        return "unknown"
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", *code], check=False).returncode
    return found.stdout.strip() + ("-dirty" if changed else "")


def versions() -> dict[str, str]:
    """Of the packages that a figure may depend on, as far as they are installed."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in ("endonym", "torch", "numpy", "tokenizers", "transformers", "accelerate"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def busy_cores(seconds: float = 3.0) -> float:
    """Cores that others use while we wait; the load average where the system does not say."""
    others = OtherProcesses()
    time.sleep(seconds)
    found = others.cores_used()
    return os.getloadavg()[0] if found is None else found
