"""Runs a command of endonym, and writes the most memory that one of its processes held, in bytes.

python benchmarks/peak.py FILE COMMAND …
"""

import resource
import sys
from pathlib import Path


def peak_bytes() -> int:
    """The most memory that this process held, in bytes.

    Linux has it as VmHWM. `ru_maxrss` counts the process that started this one, too.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1_024


def main() -> None:
    """Run the command, and write the file when it ends."""
    file = Path(sys.argv.pop(1))
    from endonym.cli import main as cli

    try:
        cli.main()
    finally:
        of_workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1_024
        file.write_text(str(max(peak_bytes(), of_workers)), encoding="utf-8")


if __name__ == "__main__":
    main()
