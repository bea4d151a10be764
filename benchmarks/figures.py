"""Measures every figure that a page quotes, and writes the tables: `make figures`.

    python benchmarks/figures.py [PROGRAM …] [--tiny] [--again] [--data FOLDER] [--peers FOLDER]
    python benchmarks/figures.py --tables      writes the tables of what was measured, and no more

Cells are measured one after another, and each is kept at once: after an interruption the same
command continues. A cell that was measured with today's code on a processor of this kind is not
measured again. The exit status is 0 if each program has measured all cells that this machine can
have, now or before, and none of them got worse by more than its noise. `--accept` accepts what got
worse: from then on it is what others are compared with.
"""

import difflib
import os
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path

from benchmark import (
    Benchmark,
    Outcome,
    accept,
    arguments,
    bench_of,
    report,
    run,
    say_accepted,
)
from cells import RESULTS, ROOT, Cells
from pages import Table, renewed

PROGRAMS = (
    "five_minutes",
    "training_speed",
    "memory",
    "tokenizers_fit",
    "language_id",
    "near_copies",
    "doctor",
    "extraction",
    "corpus",
    "architectures",
    "intervals",
    "flores",
    "starts",
    "probes",
    "exports",
    "serve",
    "key_presses",
    "dictionaries",
    "proofreading",
    "gpu_speed",
)
"""In the order in which they run: later programs use the models of the first one."""


def benchmark_of(program: str) -> Benchmark:
    """The benchmark that a program describes."""
    return import_module(program).BENCHMARK


def page_tables(results: Path = RESULTS) -> dict[Path, dict[str, Table]]:
    """All tables by page and name, from the cells in a folder of results."""
    pages: dict[Path, dict[str, Table]] = {}
    for program in PROGRAMS:
        benchmark = benchmark_of(program)
        cells = Cells(results / benchmark.file.name)
        for (page, name), table in benchmark.tables.items():
            tables = pages.setdefault(ROOT / page, {})
            tables[name] = Table(partial(table, cells), cells, benchmark.code_hash())
    return pages


def write_tables() -> None:
    """Write every page whose tables changed, and name it."""
    for page, tables in page_tables().items():
        text = renewed(page, tables)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: tables written")


def main() -> None:
    """Measure, write the tables, and say what got worse."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    parser = arguments(__doc__.splitlines()[0], "programs")
    parser.add_argument("--tables", action="store_true", help="write the tables and no more")
    parser.epilog = f"programs: {', '.join(PROGRAMS)}"
    asked = parser.parse_args()
    if asked.tables:
        write_tables()
        return
    for unknown in sorted(set(asked.programs) - set(PROGRAMS)):
        near = difflib.get_close_matches(unknown, PROGRAMS, 1)
        parser.error(f"no such program: {unknown}" + (f"; is it {near[0]}?" if near else ""))
    bench, outcomes, began = bench_of(asked), list[Outcome](), time.time()
    programs = asked.programs or PROGRAMS
    if asked.accept:
        files = [asked.results / benchmark_of(program).file.name for program in programs]
        say_accepted([line for file in files for line in accept(file)])
        return
    for program in programs:
        benchmark = benchmark_of(program)
        results = asked.results / benchmark.file.name
        outcomes.append(run(benchmark, bench, results, again=asked.again))
        print(f"{program}: {(time.time() - began) / 60:.1f} minutes since the start", flush=True)
    if not asked.tiny:
        write_tables()
    sys.exit(report(outcomes, tiny=asked.tiny))


if __name__ == "__main__":
    main()
