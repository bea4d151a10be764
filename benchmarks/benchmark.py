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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, Literal

from cells import RESULTS, ROOT, Cell, Cells, busy_cores, machine, surroundings
from named_texts import NAMED, WHERE, fetched, lines_of

from endonym.errors import EndonymError

SOURCE = ROOT / "src"
TINY_TEXTS = ROOT / "tests" / "texts"
TINY = {"tt": "tatar.txt", "km": "khmer.txt", "ro": "romanian.txt", "fr": "french.txt"}
"""Texts that the project holds itself, in which every benchmark can be tried."""
QUIET_CORES = 0.15
"""Share of one core that other programs may use while a timed cell starts."""


MAKES_A_MODEL = (
    "endonym.autopilot",
    "endonym.batching",
    "endonym.cleaning",
    "endonym.commands.check",
    "endonym.commands.new",
    "endonym.commands.run",
    "endonym.copies",
    "endonym.corpus",
    "endonym.data",
    "endonym.device",
    "endonym.evaluate.bits",
    "endonym.evaluate.compressor",
    "endonym.export",
    "endonym.formats",
    "endonym.generate",
    "endonym.model",
    "endonym.pipeline",
    "endonym.recipe",
    "endonym.runs",
    "endonym.script",
    "endonym.seed",
    "endonym.store",
    "endonym.survey",
    "endonym.tokenizer",
    "endonym.train",
    "endonym.workers",
)
"""What decides the bits and the minutes of a model that `endonym new` and `endonym run` make."""
NO_MEASURING = ("benchmark", "cells", "figures", "pages")
"""Programs of benchmarks/ that keep, compare and print figures, and measure none."""


class Unavailable(Exception):
    """A cell cannot be measured yet: it says what is missing, and how to give it."""


class NotThisMachine(Unavailable):
    """A cell that a machine of this kind cannot have; nothing fails without it."""


class Waiting(Exception):
    """A timed cell was not measured because other programs were using the cores."""


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
            try:
                return [str(fetched(name, self.work)) for name in NAMED[language]]
            except EndonymError as error:
                raise Unavailable(
                    f"no folder {language} of texts in the folder of --data, and "
                    f"{' and '.join(NAMED[language])} cannot be fetched: {error}"
                ) from error
        raise Unavailable(f"no texts of {language!r}: give their folder with --data")

    def lines(self, language: str) -> list[str]:
        """The lines of the texts of a language."""
        return [line for text in self.texts(language) for line in lines_of(Path(text))]

    def has(self, *names: str) -> bool:
        """Whether the data folder has all of these files."""
        return self.data is not None and all((self.data / name).exists() for name in names)

    def file(self, name: str) -> Path:
        """A file of the data folder, such as "parallel/flores200_devtest.jsonl"."""
        if self.data is None or not self.has(name):
            where = next(said for start, said in WHERE.items() if name.startswith(start))
            raise Unavailable(f"no {name} in the folder of --data. It is {where}")
        return self.data / name

    def kept_folder(self, name: str, code: str) -> Path:
        """A folder for what the cells of a benchmark share, made by code of this hash."""
        path = self.work / f"{name}{'-tiny' if self.tiny else ''}" / code
        path.mkdir(parents=True, exist_ok=True)
        return path

    def folder(self, name: str) -> Path:
        """An empty folder for one cell."""
        path = self.work / name.replace(" ", "-").replace("/", "-")
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def quiet(self, cell: str) -> None:
        """Stop with Waiting if other programs use the cores that a cell is timed on."""
        if not (self.tiny or self.anyway) and (busy := busy_cores()) > QUIET_CORES:
            raise Waiting(
                f"{cell}: other programs use {busy:.2f} cores. Wait until the machine is idle, or "
                "give --anyway: the cell then says so."
            )


@dataclass(frozen=True)
class Watch:
    """When a figure got worse: by more than its noise, in the direction that is bad.

    noise: relative to the best figure since the last accepted one. timed: compared on the same
    machine only. bound: worse beyond it, even where nothing was measured before.
    """

    better: Literal["lower", "higher"]
    noise: float
    timed: bool = False
    bound: float | None = None

    def is_worse(self, now: float, before: float) -> bool:
        """Whether the figure moved in the bad direction by more than its noise."""
        change = now - before if self.better == "lower" else before - now
        return change > self.noise * abs(before)

    def base(self, before: Sequence[float]) -> float | None:
        """What a figure is compared with: the best one before it; None if nothing is known."""
        known = [*before] if self.bound is None else [self.bound]
        return (min if self.better == "lower" else max)(known, default=None)


@dataclass(frozen=True)
class Benchmark:
    """One program of `benchmarks/`.

    name: of the file in benchmarks/results, and of the program. code: the packages and modules of
    endonym whose code decides the figures, beside those that the program imports. cells: the names
    of the cells, in their order, and what measures each; a cell is a JSON object. tables: of the
    pages, by page and name. watched: patterns of figures in a cell ("scores/*/bits"), and when they
    got worse.
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
        files = set(programs_of(ROOT / "benchmarks" / f"{self.name.replace('-', '_')}.py"))
        modules = {*self.code, *(name for path in files for name in references(path).modules)}
        files |= {path for name in modules for path in files_of(name)}
        return hash_of_files(sorted(files))


@dataclass
class Outcome:
    """What came of a benchmark: names of cells, with a reason where there is one."""

    name: str = ""
    measured: list[str] = field(default_factory=list[str])
    current: list[str] = field(default_factory=list[str])
    unavailable: dict[str, str] = field(default_factory=dict[str, str])
    elsewhere: dict[str, str] = field(default_factory=dict[str, str])
    waiting: dict[str, str] = field(default_factory=dict[str, str])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    worse: list[str] = field(default_factory=list[str])

    def is_whole(self, *, tiny: bool = False) -> bool:
        """Whether all cells that this machine can have are measured and none got worse.

        In tiny form some may be missing.
        """
        if self.failed or self.worse or self.waiting or (self.unavailable and not tiny):
            return False
        return bool(self.measured or self.current or (self.elsewhere and not self.unavailable))


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


def _meaning(path: Path) -> str:
    """What a file does, as it stands now."""
    return _meaning_at(path, path.stat().st_mtime_ns)


@cache
def _meaning_at(path: Path, changed: int) -> str:
    """A file's syntax tree without docstrings, and without the description of a benchmark and the
    functions that write its tables; the text of a file that is not Python."""
    del changed
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    tree = ast.parse(text)
    tree.body = list(_measuring(tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)


def _measuring(statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module without `BENCHMARK = …`, and without what it names as tables."""
    described = [each for each in statements if _is_description(each)]
    tables = {
        name.id
        for each in described
        for word in ast.walk(each)
        if isinstance(word, ast.keyword) and word.arg == "tables"
        for name in ast.walk(word.value)
        if isinstance(name, ast.Name)
    }
    for each in statements:
        is_table = isinstance(each, ast.FunctionDef) and each.name in tables
        if not is_table and each not in described:
            yield each


def _is_description(statement: ast.stmt) -> bool:
    """Whether a statement is `BENCHMARK = …`."""
    if not isinstance(statement, ast.Assign):
        return False
    return [ast.unparse(target) for target in statement.targets] == ["BENCHMARK"]


@dataclass(frozen=True)
class References:
    """What a program names: other programs of the project, and modules of endonym."""

    programs: frozenset[Path]
    modules: frozenset[str]


def references(path: Path) -> References:
    """What a program imports, and the programs that it starts by the names of their files."""
    known = {each.stem: each for each in (ROOT / "tests").glob("*.py")}
    known |= {each.stem: each for each in (ROOT / "benchmarks").rglob("*.py")}
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and str(node.value).endswith(".py"):
            names.add(Path(str(node.value)).stem)
    modules = {name for name in names if name.startswith("endonym.") and is_module(name)}
    return References(
        frozenset(known[name] for name in names & set(known)),
        frozenset(modules - {"endonym.log", "endonym.errors"}),
    )


def programs_of(program: Path) -> Iterator[Path]:
    """A program and all others that it imports or starts, as far as they measure."""
    seen, left = set[Path](), [program]
    while left:
        path = left.pop()
        if path not in seen:
            seen.add(path)
            left += references(path).programs
            if path.stem not in NO_MEASURING:
                yield path


def is_module(name: str) -> bool:
    """Whether a name is one of a module or package of endonym."""
    path = SOURCE / Path(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


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
    on. What got worse is that of all cells of today's code, whenever they were measured.
    """
    outcome, cells, code = Outcome(benchmark.name), Cells(results), benchmark.code_hash()
    for name, measure in benchmark.cells(bench).items():
        if not is_asked(name, only):
            continue
        if not again and any(is_current(cell, code) for cell in cells.repeats(name)[-1:]):
            outcome.current.append(name)
            continue
        print(f"{benchmark.name}: {name} …", flush=True)
        started = time.time()
        try:
            cell = measure()
            if benchmark.code_hash() != code:
                raise RuntimeError("the code was changed while it was measured: measure again")
        except NotThisMachine as reason:
            outcome.elsewhere[name] = str(reason)
        except Unavailable as reason:
            outcome.unavailable[name] = str(reason)
        except Waiting as reason:
            outcome.waiting[name] = str(reason)
        except Exception as error:  # noqa: BLE001 - the other cells are measured all the same
            traceback.print_exc()
            outcome.failed[name] = f"{type(error).__name__}: {error}"
        else:
            keep(benchmark, cells, name, cell, code=code, seconds=time.time() - started)
            outcome.measured.append(name)
    outcome.worse = [
        f"{benchmark.name}: {name}: {figure}"
        for name, repeats in cells.all.items()
        if is_asked(name, only) and repeats[-1].get("code") == code
        for figure in unaccepted(repeats[-1])
    ]
    return outcome


def keep(
    benchmark: Benchmark, cells: Cells, name: str, cell: Cell, *, code: str, seconds: float
) -> None:
    """Add a repeat to the file, with what it holds for and with the figures that got worse.

    A cell may have counted its minutes itself.
    """
    date = time.strftime("%Y-%m-%d", time.gmtime())
    kept = {"code": code, "date": date, "elapsed_minutes": round(seconds / 60, 2)}
    cell = kept | cell | surroundings()
    worse = worse_figures(benchmark, cell, cells.repeats(name))
    cells.keep(name, cell | ({"worse": worse} if worse else {}))


def is_asked(name: str, only: Sequence[str]) -> bool:
    """Whether a cell is one of those that were asked for."""
    return not only or any(fnmatch(name, pattern) for pattern in only)


def unaccepted(cell: Cell) -> list[str]:
    """What got worse in a cell and was not accepted."""
    return [] if "accepted" in cell else cell.get("worse", [])


def accept(results: Path, only: Sequence[str] = ()) -> list[str]:
    """Accept what got worse in the newest repeats: later ones are compared with these. In words."""
    cells, accepted = Cells(results), list[str]()
    for name, repeats in cells.all.items():
        if is_asked(name, only) and (worse := unaccepted(repeats[-1])):
            repeats[-1]["accepted"] = time.strftime("%Y-%m-%d", time.gmtime())
            accepted += [f"{results.stem}: {name}: {figure}" for figure in worse]
    if accepted:
        cells.write()
    return accepted


def is_current(cell: Cell, code: str) -> bool:
    """Whether a cell is of this code, and was measured on a machine like this one."""
    return cell.get("code") == code and cell["machine"] == machine()


def worse_figures(benchmark: Benchmark, now: Cell, earlier: Sequence[Cell]) -> list[str]:
    """The watched figures of a cell that got worse by more than their noise, in words.

    earlier: its repeats before, the oldest first. Each figure is compared with the best one since
    the last repeat that was accepted, so that many small steps add up.
    """
    accepted = [number for number, cell in enumerate(earlier) if "accepted" in cell]
    since = [(figures_of(cell), cell) for cell in earlier[max(accepted, default=0) :]]
    worse: list[str] = []
    for path, figure in figures_of(now).items():
        for pattern, watch in benchmark.watched.items():
            if not fnmatch(path, pattern):
                continue
            base = watch.base(
                [
                    figures[path]
                    for figures, cell in since
                    if path in figures
                    if not watch.timed or cell["machine"] == now["machine"]
                ]
            )
            if base is not None and watch.is_worse(figure, base):
                worse.append(f"{path} {base:.4g} → {figure:.4g}")
    return worse


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


def arguments(description: str, what: str = "cells") -> argparse.ArgumentParser:
    """What every benchmark can be told. what: of which it takes names."""
    shared = ROOT.parent / "shared"
    kind = "patterns of cells" if what == "cells" else what
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(what, nargs="*", help=f"{kind}; all of them if none is given")
    parser.add_argument("--tiny", action="store_true", help="in seconds, to try the program")
    parser.add_argument("--again", action="store_true", help="measure what is up to date, too")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine, too")
    parser.add_argument(
        "--accept", action="store_true", help="accept what got worse, and measure nothing"
    )
    parser.add_argument("--data", type=folder, default=existing(shared / "data"))
    parser.add_argument("--peers", type=folder, default=existing(shared / "peers"))
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a folder")
    return parser


def folder(given: str) -> Path:
    """A folder that an option names. Raises ArgumentTypeError if there is none."""
    path = Path(given)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {given}")
    return path


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
    parser = arguments(description)
    asked = parser.parse_args()
    bench = bench_of(asked)
    results = asked.results / benchmark.file.name
    if asked.accept:
        say_accepted(accept(results, asked.cells))
        return
    names = [*benchmark.cells(bench)]
    for pattern in asked.cells:
        if not any(is_asked(name, [pattern]) for name in names):
            parser.error(f"no cell is named {pattern}. There are: {'; '.join(names)}")
    outcome = run(benchmark, bench, results, only=asked.cells, again=asked.again)
    cells = Cells(results)
    for table in benchmark.tables.values():
        print(table(cells))
    sys.exit(report([outcome], tiny=asked.tiny))


def say_accepted(lines: Sequence[str]) -> None:
    """Print what was accepted."""
    for line in lines:
        print(f"accepted: {line}")
    if not lines:
        print("Nothing got worse that was not accepted.")


def report(outcomes: Sequence[Outcome], *, tiny: bool = False) -> int:
    """Print what came of benchmarks; the exit code: 0 if each of them is whole."""
    for outcome in outcomes:
        for said, reasons in {
            "not of this machine": outcome.elsewhere,
            "not measured": outcome.unavailable,
            "waiting": outcome.waiting,
            "failed": outcome.failed,
        }.items():
            for name, why in reasons.items():
                print(f"{said}: {outcome.name}: {name}: {why}")
        if not (outcome.measured or outcome.current or outcome.elsewhere):
            print(f"Nothing was measured: {outcome.name}")
    worse = [line for outcome in outcomes for line in outcome.worse]
    for line in worse:
        print(f"worse by more than its noise: {line}")
    if worse:
        print("What got worse stays so until it is better, or accepted with --accept.")
    measured, current, missing, waiting = (
        sum(len(getattr(outcome, kind)) for outcome in outcomes)
        for kind in ("measured", "current", "unavailable", "waiting")
    )
    print(f"{measured} cells measured, {current} up to date, {missing} not available here")
    if waiting:
        print(f"{waiting} cells wait for an idle machine: run the same command again")
    whole = all(outcome.is_whole(tiny=tiny) for outcome in outcomes)
    if whole and current and not measured:
        print("Everything is up to date. To measure it again: --again")
    return int(not whole)
