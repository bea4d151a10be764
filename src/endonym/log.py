"""All output: lines and progress bars on stderr for people, metrics for machines."""

import json
import sys
import unicodedata
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from endonym.errors import printable_lines

THIN = "\u2009"


def number(value: float) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", THIN)


def size(n_bytes: float) -> str:
    """A number of bytes in a readable unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(n_bytes) < 1000 or unit == "GB":
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    raise AssertionError("unreachable")


def duration(seconds: float) -> str:
    """Seconds in a readable unit."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, days = seconds / 60, seconds / 86_400
    if minutes < 90:
        return f"{minutes:.0f} min"
    if days < 4:
        return f"{minutes / 60:.1f} h"
    return f"{days:.0f} days" if days < 700 else f"{days / 365.25:.1f} years"


class Log:
    """Writes to the terminal, and to the run's `log.txt` if it has a folder."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.file: Path | None = None
        self._live = None

    def line(self, text: str) -> None:
        """Write one line. Controls of a terminal in it, as in a file's name, are escaped."""
        text = printable_lines(text)
        self._keep(text)
        if not self.quiet:
            self._print(text)

    def detail(self, text: str) -> None:
        """Write a line that is shown only with `-v`."""
        text = printable_lines(text)
        self._keep(text)
        if self.verbose and not self.quiet:
            self._print(text)

    def warn(self, text: str) -> None:
        """Write a warning; it is shown even with `--quiet`."""
        text = printable_lines(text)
        self._keep(f"warning: {text}")
        self._print(f"warning: {text}")

    def _print(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _keep(self, text: str) -> None:
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    @contextmanager
    def progress(
        self, what: str, total: float, unit: str, *, done: int = 0
    ) -> Generator[Callable[..., None]]:
        """A progress bar; yields `advance(n, note="")`. Hidden without a terminal.

        done: what an earlier run has done already.
        """
        if self.quiet or not sys.stderr.isatty() or total <= 0:
            yield _no_advance
            return
        # Importing rich takes 80 ms.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total, completed=done, note=unit)
            self._live = bar
            try:
                yield lambda n, note="": bar.update(task, advance=n, note=note or unit)
            finally:
                self._live = None


def _no_advance(n: float, note: str = "") -> None:
    """Progress without a bar."""


def columns(text: str) -> int:
    """The width of a text in a terminal: two for wide characters, none for combining ones."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    none = sum(unicodedata.category(sign) in ("Mn", "Me", "Cf") for sign in text)
    return len(text) + wide - none


def append_jsonl(path: Path, value: dict[str, Any]) -> None:
    """Append one flat object to a JSON lines file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSON lines file; a last line cut off by a kill is left out."""
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1] if line.strip()]
