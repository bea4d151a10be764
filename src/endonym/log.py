"""All output: lines and progress bars on stderr for people, metrics for machines."""

import json
import os
import re
import shutil
import sys
import unicodedata
import zlib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from endonym.disk import require_regular
from endonym.errors import Damaged, printable_lines

THIN = "\u202f"
"""Between thousands: a narrow blank at which no line breaks, and no word or number is parted."""


def number(value: float) -> str:
    """A whole number with narrow blanks between thousands."""
    return f"{value:,.0f}".replace(",", THIN)


def rounded(value: float) -> int:
    """An estimate to two digits, for people."""
    return int(float(f"{value:.1e}"))


def counted(count: int, what: str) -> str:
    """A number of things: "1 file", "2 files"."""
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Names joined for a sentence."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def size(n_bytes: float) -> str:
    """A number of bytes in a readable unit."""
    for unit in ("B", "kB", "MB"):
        if abs(n_bytes) < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"


def duration(seconds: float) -> str:
    """Seconds in a readable unit."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = seconds / 60
    days = seconds / 86_400
    if minutes < 90:
        return f"{minutes:.0f} min"
    if days < 4:
        return f"{minutes / 60:.1f} h"
    return f"{days:.0f} days" if days < 700 else f"{days / 365.25:.1f} years"


COMMAND = (
    r"(?:(?:python -m )?\S*endonym|apt-get install|pip install) [\w-]+"
    r"(?: \S+(?= -))?(?: (?:--?\w\S*(?: [^ -]\S*)?|'[^']*'|\S*[^a-z ,.;:)]\S*))*"
)
"""A command inside a text. A value of plain letters is known by the option before or behind it."""
LABEL = re.compile(r"\s*(?:(?:[-•]|\d+\.) |\S.*?\s{2,})")
"""A name before a text, or the sign or number of an item of a list."""
LONGEST_LABEL = 26
FIRST_LINE = 30.0
"""Seconds after which progress is told without a terminal."""
WIDE = 100
NARROW = 80
"""Columns of a screen from which on a bar is long, and from which on there is one."""


def screen_width() -> int | None:
    """The columns of the terminal, or of COLUMNS; None if nothing says how many there are."""
    return shutil.get_terminal_size((0, 0)).columns or None


def folded(text: str) -> str:
    """A text whose lines fit the screen, broken at blanks only; as it is without a terminal.

    Lines go on below their own start, or below the text after a label such as "chosen      ". A
    command is never broken: pasted, it would be two.
    """
    width = screen_width()
    return "\n".join(_folded(line, width) for line in text.split("\n")) if width else text


def for_screen(text: str) -> str:
    """A text as a terminal gets it: folded, and its control characters escaped."""
    return folded(printable_lines(text))


def _folded(line: str, width: int) -> str:
    """One line, broken into several of at most so many columns."""
    if columns(line) <= width:
        return line
    label = LABEL.match(line)
    start = len(line) - len(line.lstrip(" "))
    if label is not None and columns(label.group()) <= LONGEST_LABEL:
        start = columns(label.group())
    lines: list[str] = []
    for gap, word in re.findall(rf"( *)({COMMAND}\S*|[^ ]+)", line):
        if lines and columns(lines[-1] + gap + word) <= width:
            lines[-1] += gap + word
        else:
            # An isolated part ends with its line, and goes on in the next one.
            is_open = bool(lines) and lines[-1].rfind("\u2068") > lines[-1].rfind("\u2069")
            lines[-1:] = [f"{line}\u2069" if is_open else line for line in lines[-1:]]
            begin = " " * start + "\u2068" * is_open
            lines.append(begin + word if lines else gap + word)
    return "\n".join(lines)


class Log:
    """Writes to the terminal, and to the run's `log.txt` if it has a folder."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.file: Path | None = None
        self._live = None
        self._warned = set[str]()

    def line(self, text: str) -> None:
        """Write one line. Controls of a terminal in it, as in a file's name, are escaped."""
        self._write(text, is_shown=not self.quiet)

    def detail(self, text: str) -> None:
        """Write a line that is shown only with `-v`."""
        self._write(text, is_shown=self.verbose and not self.quiet)

    def warn(self, text: str, *, once: str = "") -> None:
        """Write a warning; it is shown even with `--quiet`.

        once: its kind, if only the first one of this kind is shown.
        """
        is_shown = not once or once not in self._warned
        self._warned.add(once)
        self._write(f"warning: {text}", is_shown=is_shown, style="yellow")

    def _write(self, text: str, *, is_shown: bool, style: str = "") -> None:
        """Add a line to the file, and print it if it is to be shown."""
        text = printable_lines(text)
        if self.file is not None:
            require_regular(self.file)
            with self.file.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        if not is_shown:
            return
        console = None if self._live is None else self._live.console
        if console is None and style and sys.stderr.isatty():
            from rich.console import Console  # 80 ms

            console = Console(stderr=True)
        if console is not None:
            plain: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}
            console.print(folded(text), style=style or None, **plain)
            return
        try:
            sys.stderr.write(folded(text) + "\n")
            sys.stderr.flush()
        except BrokenPipeError:  # Nobody reads on, as with `| head`; the work goes on.
            sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115

    @contextmanager
    def progress(
        self, what: str, total: float, note: str = "", *, done: int = 0
    ) -> Generator[Callable[..., None]]:
        """A progress bar; yields `advance(n, note="")`. Without a terminal a few lines.

        what: the label. done: of the total, what an earlier run has done already. note: stands
        behind; parts after " · " that have no room are left out. A narrow screen has no bar.
        """
        if self.quiet or not sys.stderr.isatty() or total <= 0:
            yield self._told(what, total, done)
            return
        # Importing rich takes 80 ms.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
        from rich.table import Column
        from rich.text import Text

        class TimeLeft(TimeRemainingColumn):
            def render(self, task: Task) -> Text:
                return Text() if task.time_remaining is None else super().render(task) + " left"

        console = Console(stderr=True)
        bar_width = 30 if console.width >= WIDE else 10 if console.width >= NARROW else 0
        room = console.width - max(12, columns(what)) - bar_width - len("  100 % 0:00:00 left ")
        cut = Column(no_wrap=True, max_width=max(1, room))
        parts = (
            TextColumn("{task.description:<12}"),
            *([BarColumn(bar_width=bar_width)] if bar_width else []),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeLeft(),
            TextColumn("{task.fields[note]}", table_column=cut, markup=False),
        )
        with Progress(*parts, console=console, transient=True) as bar:
            task = bar.add_task(what, total=total, completed=done, note=_fitting(note, room))
            self._live = bar

            def advance(n: float, note: str = note) -> None:
                bar.update(task, advance=n, note=_fitting(note, room))

            try:
                yield advance
            finally:
                self._live = None

    def _told(self, what: str, total: float, done: float) -> Callable[..., None]:
        """Progress as lines with the time left, ever more rarely: after half a minute, one minute,
        two, four …"""
        begun = done
        started = monotonic()
        wait = FIRST_LINE

        def advance(n: float, note: str = "") -> None:
            nonlocal done, wait
            done += n
            if total > 0 and (seconds := monotonic() - started) >= wait:
                wait *= 2
                said = [f"{what}: {100 * done / total:.0f} %", note]
                if begun < done < total:
                    left = duration((total - done) * seconds / (done - begun))
                    said.append(f"about {left} left")
                self.line(" · ".join(filter(None, said)))

        return advance


QUIET = Log(quiet=True)
"""For those whom nobody told where to write."""


def _fitting(note: str, room: int) -> str:
    """The first parts of a note, as many as have room; at least one."""
    while columns(note) > room and " · " in note:
        note = note.rpartition(" · ")[0]
    return note


def columns(text: str) -> int:
    """The width of a text in a terminal: two for wide characters, none for combining ones."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    without_width = sum(unicodedata.category(sign) in ("Mn", "Me", "Cf") for sign in text)
    return len(text) + wide - without_width


def padded(text: str, width: int, *, right: bool = False) -> str:
    """A text with blanks up to so many columns of a terminal: after it, or before it if `right`."""
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


CHECK = re.compile(rb', "~": "([0-9a-f]{8})"\}')
"""The end of a journal's line: the CRC-32 of the line without this key."""
CHECK_BYTES = len(', "~": "01234567"}')


def journal_line(value: dict[str, Any]) -> bytes:
    """One flat object as a line of a journal, with a checksum as its last key."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    data = text.encode("utf-8", "backslashreplace")
    return data[:-1] + f', "~": "{zlib.crc32(data):08x}"}}\n'.encode()


def append_jsonl(path: Path, value: dict[str, Any]) -> None:
    """Append one flat object to a journal."""
    require_regular(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(journal_line(value))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; a last line cut off by a kill is left out. Raises Damaged."""
    return journal_values(path.read_bytes(), path) if path.is_file() else []


def journal_values(data: bytes, path: Path) -> list[dict[str, Any]]:
    """The objects in whole lines of a journal, without their checksums.

    Raises Damaged for a line that `journal_line` did not write, so no reader checks types.
    """
    values: list[dict[str, Any]] = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        check = CHECK.fullmatch(line, max(0, len(line) - CHECK_BYTES))
        content = line[:-CHECK_BYTES] + b"}"
        if check is None or int(check[1], 16) != zlib.crc32(content):
            raise Damaged(
                f"line {number} is not what was written: it was changed or damaged",
                where=path,
                do="Remove this line, or the file. It holds times and metrics, and nothing is made "
                "of it.",
            )
        values.append(json.loads(content))
    return values
