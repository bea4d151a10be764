"""One benchmark: which cells it has, which code they measure, when a figure got worse.

A program of `benchmarks/` describes itself by one `Benchmark` and ends with
`if __name__ == "__main__": main(BENCHMARK)`. `figures.py` runs all of them (`make figures`).
"""

import argparse
import ast
import hashlib
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, Literal

from cells import RESULTS, ROOT, Cell, Cells, busy_cores

from endonym import device

SOURCE = ROOT / "src"
TINY_TEXTS = ROOT / "tests" / "texts"
TINY = {"tt": "tatar.txt", "km": "khmer.txt", "ro": "romanian.txt", "fr": "french.txt"}
"""Texts that the project holds itself, in which every benchmark can be tried."""
NAMED = {
    "tt": ("leipzig:tat_mixed_2015_100K", "wikipedia:tt"),
    "km": ("wikipedia:km",),
    "ro": ("leipzig:ron_wikipedia_2021_100K",),
    "fr": ("leipzig:fra_wikipedia_2021_100K",),
    "en": ("leipzig:eng_wikipedia_2016_100K",),
}
"""Where texts of a language are fetched from if no folder is given."""
QUIET_CORES = 0.15
"""Share of one core that other programs may use while a timed cell starts."""


class Unavailable(Exception):
    """A cell cannot be measured here: it says what is missing, and how to give it."""


@dataclass(frozen=True)
class Bench:
    """Where and how large benchmarks run.

    tiny: in seconds instead of minutes, on texts of the project itself. data: a folder with a
    folder of texts for each language, and `eval` and `parallel` next to them. peers: a folder with
    the archives of nanoGPT and nanochat. work: a folder for what is made on the way.
    """

    work: Path
    tiny: bool = False
    data: Path | None = None
    peers: Path | None = None
    anyway: bool = False

    def texts(self, language: str) -> list[str]:
        """The texts of a language, as arguments of `endonym new --text`."""
        if self.tiny:
            folder = self.work / "tiny-texts" / language
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(TINY_TEXTS / TINY.get(language, TINY["fr"]), folder)
            return [str(folder)]
        if self.data is not None and (self.data / language).is_dir():
            return [str((self.data / language).resolve())]
        if language in NAMED:
            return list(NAMED[language])
        raise Unavailable(f"no texts of {language!r}: give their folder with --data")

    def file(self, name: str) -> Path:
        """A file of the data folder, such as "parallel/flores200_devtest.jsonl"."""
        if self.data is None or not (self.data / name).exists():
            raise Unavailable(f"no {name}: give the folder that has it with --data")
        return self.data / name

    def folder(self, name: str) -> Path:
        """An empty folder for one cell."""
        path = self.work / name.replace(" ", "-").replace("/", "-")
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def quiet(self, cell: str) -> None:
        """Stop with Unavailable if other programs use the cores that a cell is timed on."""
        if not (self.tiny or self.anyway) and (busy := busy_cores()) > QUIET_CORES:
            raise Unavailable(
                f"{cell}: other programs use {busy:.2f} cores. Wait until the machine is idle, or "
                "give --anyway: the cell then says so."
            )


@dataclass(frozen=True)
class Watch:
    """When a figure got worse: by more than its noise, in the direction that is bad.

    noise: relative to the earlier figure. timed: compared on the same processor only.
    """

    better: Literal["lower", "higher"]
    noise: float
    timed: bool = False

    def is_worse(self, now: float, before: float) -> bool:
        """Whether the figure moved in the bad direction by more than its noise."""
        change = now - before if self.better == "lower" else before - now
        return change > self.noise * abs(before)


@dataclass(frozen=True)
class Benchmark:
    """One program of `benchmarks/`.

    name: of the file in benchmarks/results. code: the packages and modules of endonym whose code
    decides the figures. cells: the names of the cells, in their order, and what measures each; a
    cell is a JSON object. tables: of the pages, by page and name. watched: patterns of figures in a
    cell ("scores/*/bits"), and when they got worse.
    """

    name: str
    code: tuple[str, ...]
    cells: Callable[[Bench], Mapping[str, Callable[[], Cell]]]
    tables: Mapping[tuple[str, str], Callable[[Cells], str]]
    watched: Mapping[str, Watch] = field(default_factory=dict[str, Watch])

    @property
    def file(self) -> Path:
        """Where its cells are kept."""
        return RESULTS / f"{self.name}.json"

    def code_hash(self) -> str:
        """The hash of the code that its figures are of: of endonym's, and of its own."""
        own = ROOT / "benchmarks" / f"{self.name.replace('-', '_')}.py"
        return hash_of_files((own, *(path for name in self.code for path in files_of(name))))


@dataclass
class Outcome:
    """What came of a benchmark: names of cells, with a reason where there is one."""

    measured: list[str] = field(default_factory=list[str])
    current: list[str] = field(default_factory=list[str])
    unavailable: dict[str, str] = field(default_factory=dict[str, str])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    worse: list[str] = field(default_factory=list[str])


def files_of(module: str) -> list[Path]:
    """The source files of a module or package of endonym, with its tables. Raises ValueError."""
    path = SOURCE / Path(*module.split("."))
    if path.is_dir():
        kept = (".py", ".toml", ".tsv", ".txt")
        return sorted(each for each in path.rglob("*") if each.suffix in kept)
    if path.with_suffix(".py").is_file():
        return [path.with_suffix(".py")]
    raise ValueError(f"{module} is no module of endonym")


def hash_of_files(paths: Sequence[Path]) -> str:
    """The hash of what programs do: comments, docstrings and layout do not count."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.relative_to(ROOT).as_posix().encode())
        total.update(_meaning(path).encode())
    return total.hexdigest()[:12]


@cache
def _meaning(path: Path) -> str:
    """A file's syntax tree without docstrings; the text of a file that is not Python."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)


def run(
    benchmark: Benchmark,
    bench: Bench,
    results: Path,
    *,
    only: Sequence[str] = (),
    again: bool = False,
) -> Outcome:
    """Measure the cells that are not of today's code and machine, and keep each at once.

    only: patterns of names. again: measure all of them. A cell that fails is named; the others go
    on. Figures are compared with the newest repeat before.
    """
    outcome, cells, code = Outcome(), Cells(results), benchmark.code_hash()
    for name, measure in benchmark.cells(bench).items():
        if only and not any(fnmatch(name, pattern) for pattern in only):
            continue
        earlier = list(cells.repeats(name))
        if not again and any(is_current(cell, code) for cell in earlier[-1:]):
            outcome.current.append(name)
            continue
        print(f"{benchmark.name}: {name} …", flush=True)
        started = time.time()
        try:
            cell = measure()
        except Unavailable as reason:
            outcome.unavailable[name] = str(reason)
            continue
        except Exception as error:  # noqa: BLE001 - the other cells are measured all the same
            traceback.print_exc()
            outcome.failed[name] = f"{type(error).__name__}: {error}"
            continue
        minutes = round((time.time() - started) / 60, 2)
        date = time.strftime("%Y-%m-%d", time.gmtime())
        cells.keep(name, cell | {"code": code, "date": date, "elapsed_minutes": minutes})
        outcome.measured.append(name)
        if earlier:
            outcome.worse += worse_figures(benchmark, name, cells.repeats(name)[-1], earlier[-1])
    return outcome


def is_current(cell: Cell, code: str) -> bool:
    """Whether a cell is of this code, and was measured on a processor of this kind."""
    return cell.get("code") == code and cell["machine"]["processor"] == device.processor()


def worse_figures(benchmark: Benchmark, name: str, now: Cell, before: Cell) -> list[str]:
    """The watched figures of a cell that got worse by more than their noise, in words."""
    earlier, is_same = figures_of(before), now["machine"] == before["machine"]
    return [
        f"{benchmark.name}: {name}: {path} {earlier[path]:.4g} → {figure:.4g}"
        for path, figure in figures_of(now).items()
        for pattern, watch in benchmark.watched.items()
        if fnmatch(path, pattern) and path in earlier and (is_same or not watch.timed)
        if watch.is_worse(figure, earlier[path])
    ]


def figures_of(cell: Any, path: str = "") -> dict[str, float]:
    """All numbers within a cell, by their paths."""
    if isinstance(cell, bool) or not isinstance(cell, dict | list | int | float):
        return {}
    if isinstance(cell, int | float):
        return {path: float(cell)}
    items = cell.items() if isinstance(cell, dict) else enumerate(cell)
    found: dict[str, float] = {}
    for key, value in items:
        found |= figures_of(value, f"{path}/{key}" if path else str(key))
    return found


def arguments(description: str) -> argparse.ArgumentParser:
    """What every benchmark can be told."""
    shared = ROOT.parent / "shared"
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("cells", nargs="*", help="patterns of cells; all of them if none is given")
    parser.add_argument("--tiny", action="store_true", help="in seconds, to try the program")
    parser.add_argument("--again", action="store_true", help="measure what is up to date, too")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine, too")
    parser.add_argument("--data", type=Path, default=existing(shared / "data"))
    parser.add_argument("--peers", type=Path, default=existing(shared / "peers"))
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a folder")
    return parser


def existing(path: Path) -> Path | None:
    """The path if there is a folder."""
    return path if path.is_dir() else None


def bench_of(asked: argparse.Namespace) -> Bench:
    """Where benchmarks run, as they were told."""
    asked.work.mkdir(parents=True, exist_ok=True)
    if asked.tiny and asked.results == RESULTS:
        asked.results = asked.work / "tiny-results"
    return Bench(
        work=asked.work.resolve(),
        tiny=asked.tiny,
        data=asked.data,
        peers=asked.peers,
        anyway=asked.anyway,
    )


def main(benchmark: Benchmark) -> None:
    """The command line of one benchmark."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    description = (sys.modules["__main__"].__doc__ or "").splitlines()[0]
    asked = arguments(description).parse_args()
    bench = bench_of(asked)
    results = asked.results / benchmark.file.name
    outcome = run(benchmark, bench, results, only=asked.cells, again=asked.again)
    cells = Cells(results)
    for table in benchmark.tables.values():
        print(table(cells))
    sys.exit(report([outcome]))


def report(outcomes: Sequence[Outcome]) -> int:
    """Print what came of benchmarks; the exit code: 1 if nothing was measured or something is
    wrong."""
    failed = {name: why for outcome in outcomes for name, why in outcome.failed.items()}
    unavailable = {name: why for outcome in outcomes for name, why in outcome.unavailable.items()}
    worse = [line for outcome in outcomes for line in outcome.worse]
    measured = sum(len(outcome.measured) for outcome in outcomes)
    current = sum(len(outcome.current) for outcome in outcomes)
    for name, why in unavailable.items():
        print(f"not measured: {name}: {why}")
    for name, why in failed.items():
        print(f"failed: {name}: {why}")
    for line in worse:
        print(f"worse by more than its noise: {line}")
    print(f"{measured} cells measured, {current} up to date, {len(unavailable)} not available here")
    if not measured and not failed:
        print("Nothing was measured. To measure cells that are up to date: --again")
    return int(bool(failed or worse or not measured))
