"""Figures of the benchmarks: cells are kept and resumed, old code is marked, pages are current."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmarks' modules by name, as their programs import them."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def one_of(benchmarks: Any, cells: dict[str, Any], **fields: Any) -> Any:
    """A benchmark with these cells; their figures are of the code of one small module."""
    frame = benchmarks("benchmark")
    described = {"name": "intervals", "code": ("endonym.seed",), "tables": {}} | fields
    return frame.Benchmark(cells=lambda bench: cells, **described)


def test_a_cell_is_kept_at_once_and_not_measured_again_by_the_same_code(
    benchmarks: Any, tmp_path: Path
) -> None:
    frame, calls = benchmarks("benchmark"), list[str]()

    def measure() -> dict[str, Any]:
        calls.append("measured")
        return {"bits": 1.25}

    def fail() -> dict[str, Any]:
        raise ZeroDivisionError("no bytes")

    benchmark = one_of(benchmarks, {"first": measure, "second": fail, "third": measure})
    bench, results = frame.Bench(tmp_path), tmp_path / "cells.json"
    outcome = frame.run(benchmark, bench, results)
    assert outcome.measured == ["first", "third"], "one failure stops nothing"
    assert outcome.failed == {"second": "ZeroDivisionError: no bytes"}
    (cell,) = json.loads(results.read_text(encoding="utf-8"))["first"]
    assert cell["bits"] == 1.25
    assert cell["code"] == benchmark.code_hash()
    assert {"date", "elapsed_minutes", "commit", "machine", "versions"} <= set(cell)
    assert frame.run(benchmark, bench, results, only=["f*"]).current == ["first"]
    assert len(calls) == 2
    assert frame.run(benchmark, bench, results, only=["first"], again=True).measured == ["first"]
    assert len(json.loads(results.read_text(encoding="utf-8"))["first"]) == 2, "none is overwritten"


def test_other_code_and_another_processor_are_measured_again(
    benchmarks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, results = benchmarks("benchmark"), tmp_path / "cells.json"
    bench, cells = frame.Bench(tmp_path), {"one": lambda: {"bits": 1.0}}
    frame.run(one_of(benchmarks, cells), bench, results)
    other = one_of(benchmarks, cells, code=("endonym.seed", "endonym.errors"))
    assert frame.run(other, bench, results).measured == ["one"]
    assert frame.run(other, bench, results).measured == []
    for part in ("device.processor", "processor_model"):  # a provider may hide the name
        monkeypatch.setattr(f"cells.{part}", lambda: "another one")
        assert frame.run(other, bench, results).measured == ["one"]
        assert frame.run(other, bench, results).measured == []


def test_the_hash_of_code_counts_what_it_does_and_not_how_it_is_written(
    benchmarks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, path = benchmarks("benchmark"), tmp_path / "module.py"
    monkeypatch.setattr(frame, "ROOT", tmp_path)

    def hash_of(text: str) -> str:
        path.write_text(text, encoding="utf-8")
        return frame.hash_of_files([path])

    plain = hash_of("def half(x: int) -> float:\n    return x / 2\n")
    said = hash_of('def half(x: int) -> float:\n    """Half."""\n    # why\n    return (x / 2)\n')
    assert said == plain
    assert hash_of("def half(x: int) -> float:\n    return x // 2\n") != plain


@pytest.mark.parametrize(
    ("now", "is_worse"),
    [(1.01, False), (1.05, True), (0.5, False)],
    ids=["noise", "worse", "better"],
)
def test_a_figure_that_got_worse_by_more_than_its_noise_fails(
    benchmarks: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], now: float, is_worse: bool
) -> None:
    frame, results, figures = benchmarks("benchmark"), tmp_path / "cells.json", [1.0, now]
    watched = {"scores/*/bits": frame.Watch("lower", 0.02)}
    cells = {"tt": lambda: {"scores": [{"bits": figures.pop(0)}]}}
    benchmark = one_of(benchmarks, cells, watched=watched)
    assert frame.report([frame.run(benchmark, frame.Bench(tmp_path), results)]) == 0
    outcome = frame.run(benchmark, frame.Bench(tmp_path), results, again=True)
    assert frame.report([outcome]) == int(is_worse)
    assert ("tt: scores/0/bits 1 → 1.05" in capsys.readouterr().out) == is_worse


def test_a_timing_is_compared_on_the_same_machine_alone(benchmarks: Any, tmp_path: Path) -> None:
    frame = benchmarks("benchmark")
    benchmark = one_of(benchmarks, {}, watched={"speed": frame.Watch("higher", 0.1, timed=True)})
    here = {"machine": {"processor": "EPYC"}, "speed": 50.0}
    before = {"machine": {"processor": "EPYC"}, "speed": 100.0}
    assert frame.worse_figures(benchmark, here, [before])
    there = before | {"machine": {"processor": "Xeon"}}
    assert not frame.worse_figures(benchmark, here, [there])


def test_a_program_that_measures_nothing_says_so_and_fails(
    benchmarks: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = benchmarks("benchmark")

    def missing() -> dict[str, Any]:
        raise frame.Unavailable("no texts of 'tt': give their folder with --data")

    outcome = frame.run(one_of(benchmarks, {"tt": missing}), frame.Bench(tmp_path), tmp_path / "c")
    assert frame.report([outcome]) == 1
    out = capsys.readouterr().out
    assert "tt: no texts of 'tt': give their folder with --data" in out
    assert "Nothing was measured" in out


def test_a_table_of_older_code_says_so_with_the_date(benchmarks: Any, tmp_path: Path) -> None:
    pages, cells = benchmarks("pages"), benchmarks("cells").Cells(tmp_path / "cells.json")
    cells.all = {
        "tt": [{"bits": 1.1, "code": "new", "date": "2026-11-30"}],
        "km": [{"bits": 0.7, "code": "old", "date": "2026-11-02"}],
        "sw": [{"bits": 1.6, "commit": "974c15ae"}],
    }
    page = tmp_path / "page.md"
    page.write_text("A\n\n<!-- table bits -->\nold\n<!-- end -->\n\nB\n", encoding="utf-8")

    def written(*names: str) -> str:
        rows = lambda: pages.markdown(["text", "bits"], [[n, str(cells[n]["bits"])] for n in names])  # noqa: E731
        return pages.renewed(page, {"bits": pages.Table(rows, cells, "new")})

    assert written("tt") == (
        "A\n\n<!-- table bits -->\n| text | bits |\n| --- | --: |\n| tt | 1.1 |\n"
        "<!-- end -->\n\nB\n"
    )
    assert "Measured with older code (2026-11-02): “km”." in written("tt", "km")
    assert "Measured with older code (2026-11-02 to commit 974c15ae): All figures." in written(
        "km", "sw"
    )


def test_a_table_says_on_what_and_how_long_it_was_measured(benchmarks: Any) -> None:
    pages = benchmarks("pages")
    cell = {
        "elapsed_minutes": 6.2,
        "date": "2026-11-30",
        "machine": {"processor": "EPYC", "cores": 2},
    }
    line = pages.measured({"tt": cell, "km": cell | {"date": "2026-12-01"}})
    assert line == "\nMeasured 2026-11-30 to 2026-12-01 in 12.4 minutes on 2 cores of EPYC.\n"
    other = cell | {"machine": {"processor": "Xeon", "cores": 1}}
    assert pages.measured({"tt": cell, "km": other}).count("Measured") == 2
    assert pages.measured({"older": {"commit": "974c15ae", "bits": 1.6}}) == ""


def test_the_tables_of_all_pages_are_those_of_the_results(benchmarks: Any) -> None:
    for page, tables in benchmarks("figures").page_tables().items():
        text = benchmarks("pages").renewed(page, tables)
        message = f"{page.name}: run python benchmarks/figures.py --tables"
        assert text == page.read_text(encoding="utf-8"), message


def test_every_table_of_a_page_is_one_of_a_program(benchmarks: Any) -> None:
    known = benchmarks("figures").page_tables()
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        names = {match[2] for match in benchmarks("pages").MARKED.finditer(page.read_text("utf-8"))}
        assert names == set(known.get(page, {})), page.name


def test_every_result_is_of_a_program_that_stays(benchmarks: Any) -> None:
    figures = benchmarks("figures")
    files = {figures.benchmark_of(program).file for program in figures.PROGRAMS}
    assert set((ROOT / "benchmarks" / "results").glob("*")) <= files


def test_make_figures_refuses_an_unknown_program() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "figures.py"), "five_minute"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such program: five_minute" in done.stderr
