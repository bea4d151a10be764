"""Figures of the benchmarks: repeats are kept, a peer is quoted at its best, pages are current."""

import importlib
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmarks' modules by name, as their programs import them."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def test_repeats_of_a_cell_are_kept_and_a_peer_is_quoted_by_its_best(
    benchmarks: Any, tmp_path: Path
) -> None:
    path = tmp_path / "cells.json"
    path.write_text('{"tt nanoGPT": {"bits": 1.2121}}', encoding="utf-8")
    cells = benchmarks("cells").Cells(path)
    cells.keep("tt nanoGPT", {"bits": 1.2246})
    cells.keep("tt nanoGPT, other rate", {"bits": 1.23})
    again = benchmarks("cells").Cells(path)
    assert [cell["bits"] for cell in again.repeats("tt nanoGPT")] == [1.2121, 1.2246]
    assert again["tt nanoGPT"]["bits"] == 1.2246, "by its key alone the newest"
    assert {"commit", "machine", "versions"} <= set(again["tt nanoGPT"])
    key, cell = again.best(again, lambda cell: cell["bits"])
    assert (key, cell["bits"]) == ("tt nanoGPT", 1.2121)
    key, cell = again.best(again, lambda cell: cell["bits"], highest=True)
    assert (key, cell["bits"]) == ("tt nanoGPT, other rate", 1.23)


def test_of_nanogpt_the_better_repeat_is_quoted(benchmarks: Any) -> None:
    cells = benchmarks("cells").Cells(ROOT / "benchmarks" / "results" / "quality.json")
    keys = [key for key in cells if key.startswith("tt 10 min val · nanoGPT")]
    on_dev = partial(benchmarks("training_page").chosen_by, text="document", split="val")
    key, cell = cells.best(keys, on_dev)
    assert key.endswith("nanoGPT 12M lr 0.001 dropout 0")
    values = [each["rows"][0]["value"] for each in cells.repeats(key)]
    assert values == pytest.approx([1.2121, 1.2246], abs=5e-5)
    assert cell["rows"][0]["value"] == min(values)


def test_nanogpt_is_chosen_by_dev_text_and_quoted_by_test_text(
    benchmarks: Any, tmp_path: Path
) -> None:
    def cell(**values: float) -> dict[str, Any]:
        rows = [row_of("list", value) | {"split": split} for split, value in values.items()]
        return {"language": "tt", "rows": rows}

    page, cells = benchmarks("readme_page"), benchmarks("cells").Cells(tmp_path / "cells.json")
    cells.found["tt 5 min split 1 · nanoGPT 2M lr 0.001"] = [cell(dev=1.2, test=1.3)]
    cells.found["tt 5 min split 1 · nanoGPT 2M lr 0.003"] = [cell(dev=1.4, test=1.1)]
    lines, blocks = (page.Reading("", text, ("list",)) for text in ("document", "block"))
    assert page.nanogpt("tt", lines, cells) == "1.300"
    assert page.nanogpt("tt", blocks, cells) == page.nanogpt("km", lines, cells) == "–"


def test_a_figure_is_bold_from_100_kB_of_test_text_and_earlier_ones_stand_beside(
    benchmarks: Any, tmp_path: Path
) -> None:
    def cell(n_bytes: int) -> dict[str, Any]:
        names = ("model", "unigram", "bigram", "compressor")
        rows = [row_of("list", 1.5, n_bytes=n_bytes, model=name) for name in names]
        return {"rows": [row_of(None, 1.5), *rows]}

    cells, earlier = (benchmarks("cells").Cells(tmp_path / f"{n}.json") for n in range(2))
    cells.found["tt 5 min split 1 seed 1"] = [cell(150_000)]
    cells.found["sw 5 min split 1 seed 1"] = [cell(90_000)]
    earlier.found["tt 5 min split 1 seed 1"] = earlier.found["ky 5 min split 1 seed 1"] = [
        cell(150_000)
    ]
    table = benchmarks("readme_page").scores(cells, earlier).splitlines()[2:]
    ends = {line.split(" | ")[0][2:]: line.split(" | ")[-3:] for line in table}
    assert ends["Tatar"] == ["**1.500**", "–", "1.500 |"]
    assert ends["Swahili"] == ["1.500", "–", "– |"]
    assert "Kyrgyz" not in ends


def test_every_figure_is_of_a_commit_of_the_history_or_says_that_it_is_not(
    benchmarks: Any,
) -> None:
    git = ["git", "-C", str(ROOT), "rev-list", "HEAD"]
    found = subprocess.run(git, capture_output=True, text=True, check=False)
    if found.returncode or (ROOT / ".git" / "shallow").exists():
        pytest.skip("there is no history here")
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        cells = benchmarks("cells").Cells(path)
        for key in cells:
            for cell in (each for each in cells.repeats(key) if isinstance(each, dict)):
                commit = str(cell.get("commit", "unknown")).partition("-")[0]
                if commit != "unknown" and "commit_is_lost" not in cell:
                    assert f"\n{commit}" in f"\n{found.stdout}", f"{path.name}: {key}"


def test_a_table_says_how_many_of_its_measurements_nobody_can_make_again(benchmarks: Any) -> None:
    clean, dirty = {"commit": "0a1b2c3"}, {"commit": "0a1b2c3-dirty"}
    lost = {"commit": "ffffff0-dirty", "commit_is_lost": True}
    said = benchmarks("cells").doubts([clean, dirty, lost, clean])
    assert "3 measurements" in said
    assert "1 of code with uncommitted changes, 1 of a commit" in said
    assert benchmarks("cells").doubts([clean]) == ""


def test_the_tables_of_all_pages_are_those_of_the_results(benchmarks: Any) -> None:
    for page, tables in benchmarks("tables").PAGES.items():
        text = benchmarks("pages").renewed(page, tables)
        assert text == page.read_text(encoding="utf-8"), "run python benchmarks/tables.py"
        missing = {name for name in tables if f"<!-- table {name} -->" not in text}
        assert not missing, page


def test_lines_and_blocks_are_means_over_the_same_sources_of_all_seeds_together(
    benchmarks: Any,
) -> None:
    page = benchmarks("readme_page")

    def row(source: str, text: str, value: float, n_bytes: int) -> dict[str, Any]:
        frame = {"model": "model", "split": "test", "sampled_from": None, "averaged": []}
        return frame | {"source": source, "text": text, "value": value, "n_bytes": n_bytes}

    one = [row("list", "document", 1.0, 9_000), row("list", "block", 0.9, 9_300)]
    one += [row("few", "document", 9.0, 3_900), row("few", "block", 9.0, 4_100)]
    two = [row("list", "document", 2.0, 3_000), row("list", "block", 1.8, 3_100)]
    two += [row("book", "document", 4.0, 20_000), row("few", "document", 9.0, 3_900)]
    # Only one seed averages "few", so the table does not.
    found = [
        {"rows": [row_of(None, 0.0, averaged=names), *rows]}
        for names, rows in ((["book", "list"], one), (["book", "few", "list"], two))
    ]
    # Where a seed averages fewer than two sources there is no mean, and it decides nothing.
    found.append({"rows": [row_of(None, 0.0)]})
    documents, lines, blocks = page.readings(found)
    assert [each.name for each in (documents, lines, blocks)] == ["documents", "lines", "blocks"]
    assert documents.sources == ("book", "list")
    assert lines.sources == blocks.sources == ("list",)
    values = [page.value_of(found, "model", each) for each in (documents, lines, blocks)]
    mean = (9_000 * 1.0 + 3_000 * 2.0) / 12_000
    both = (9_300 * 0.9 + 3_100 * 1.8) / 12_400
    assert values == pytest.approx([(4.0 + mean) / 2, mean, both])


def row_of(source: str | None, value: float, **others: Any) -> dict[str, Any]:
    """A row of 9 kB of test text, each document read alone."""
    frame = {"model": "model", "split": "test", "text": "document", "n_bytes": 9_000}
    frame |= {"low": None, "high": None, "deviation": None, "sampled_from": None, "averaged": []}
    frame |= {"weighting": "sources" if "averaged" in others else "bytes"}
    return frame | {"source": source, "value": value} | others


def test_the_only_source_of_a_reading_has_its_own_interval_and_some_of_several_have_none(
    benchmarks: Any,
) -> None:
    page, both = benchmarks("readme_page"), ["fables", "list"]
    rows = [row_of(None, 1.5, averaged=both, low=1.4, high=1.6), row_of("fables", 2.0)]
    found = [{"rows": [*rows, row_of("list", 1.0, low=0.9, high=1.1)]}]
    readings = [page.Reading("", "document", names) for names in (("list",), ("fables", "list"))]
    assert [page.span(found, each) for each in readings] == [
        "0.900–1.100 (95 %)",
        "1.400–1.600 (95 %)",
    ]
    assert page.span(found, page.Reading("", "document", ("fables",))) == "–", "it has none itself"
    found[0]["rows"][0]["averaged"] = [*both, "novels"]
    assert page.span(found, readings[1]) == "–"


def test_a_compressor_line_of_a_sample_has_our_figure_on_the_sample_beside_it(
    benchmarks: Any,
) -> None:
    page = benchmarks("readme_page")
    rows = [
        row_of(source, value, model=model, sampled_from=4_291, deviation=0.04)
        for model, value in (("compressor", 1.8), ("model_on_sample", 1.61))
        for source in ("list", None)
    ]
    found, reading = (
        [{"rows": [row_of("list", 1.5), *rows]}],
        page.Reading("", "document", ("list",)),
    )
    expected = "1.800 ± 0.040 (of a sample, endonym 1.610)"
    assert page.line_of(found, "compressor", reading) == expected
    for row in rows:
        row["sampled_from"] = None
    assert page.line_of(found, "compressor", reading) == "1.800 ± 0.040"


def test_the_deviation_of_a_compressor_line_is_of_the_very_sources_it_is_a_mean_of(
    benchmarks: Any,
) -> None:
    page, frame = benchmarks("readme_page"), {"model": "compressor"}
    names = ["fables", "list", "novels"]
    rows = [row_of(name, 1.5, deviation=0.1, **frame) for name in names]
    found = [{"rows": [row_of(None, 1.5, deviation=0.03, averaged=names, **frame), *rows]}]
    readings = [page.Reading("", "document", some) for some in (names[:1], names[:2], names)]
    lines = [page.line_of(found, "compressor", each) for each in readings]
    assert lines == ["1.500 ± 0.100", "1.500", "1.500 ± 0.030"]


def test_cells_of_other_minutes_are_no_part_of_the_table(benchmarks: Any, tmp_path: Path) -> None:
    cells = benchmarks("cells").Cells(tmp_path / "cells.json")
    cells.found["tt 1 min split 1 seed 1"] = [{"minutes": 1.0}]
    cells.found["tt 5 min split 1 seed 1"] = [{"minutes": 5.0}]
    ((language, found),) = benchmarks("readme_page").languages(cells)
    assert (language, [each["minutes"] for each in found]) == ("tt", [5.0])


def test_of_a_peer_the_repeat_beside_the_newest_code_counts_where_ours_leads_least(
    benchmarks: Any, tmp_path: Path
) -> None:
    speed, cells = benchmarks("training_speed"), benchmarks("cells").Cells(tmp_path / "cells.json")

    def repeat(commit: str, plain: float, equal: float) -> dict[str, Any]:
        its = {"nanoGPT bf16": plain, "nanoGPT bf16, equal settings": equal, "ours again": 0.9}
        ways = {name: {"ours_to_it": {"median": ratio}} for name, ratio in its.items()}
        return {"commit": commit, "contenders": ways}

    cells.found["5M nanoGPT"] = [
        repeat("old", 1.0, 0.5),
        repeat("new", 1.3, 1.2),
        repeat("new", 1.4, 1.1),
    ]
    assert speed.quoted(cells, "5M nanoGPT", equal=False).ratio["median"] == 1.3
    assert speed.quoted(cells, "5M nanoGPT", equal=True).ratio["median"] == 1.1
    assert speed.quoted(cells, "5M nanochat", equal=True) is None


def test_the_plain_recipe_is_quoted_with_its_better_warm_up(benchmarks: Any) -> None:
    cells = benchmarks("cells").Cells(ROOT / "benchmarks" / "results" / "data-efficiency.json")
    efficiency, head = benchmarks("data_efficiency"), "km 10 min val"
    curve = efficiency.curve_of(head, cells)
    assert ["warm-up of ours" in key for key in curve.values()] == [True, True, False]
    assert efficiency.needed_megabytes(head, cells) / 1.5 == pytest.approx(1.69, abs=0.005)


def test_ranks_by_pairs_made_automatically_are_compared_with_gold(
    benchmarks: Any, tmp_path: Path
) -> None:
    pairs, cells = benchmarks("minimal_pairs"), benchmarks("cells").Cells(tmp_path / "cells.json")
    assert pairs.summary(cells) == ""
    figures = ((1, 0.5, 0.1, 0.9), (20, 0.6, 0.7, 0.8), (300, 0.6, 0.3, 0.7), (900, 0.9, 0.8, 0.7))
    steps = [
        {
            **{"step": step, "bits_per_byte": 2.0, "gold": gold, "made": made},
            **{"gold_pairs": 90, "made_pairs": 600, "kinds": {"word order": order, "form": 0.5}},
        }
        for step, gold, made, order in figures
    ]
    cells.found["fr"] = [{"language": "fr", "steps": steps}]
    text = pairs.summary(cells)
    assert "90 pairs of CLAMS, 600 made pairs" in text
    assert "| 900 | 2.000 | 0.900 | 0.800 | 0.700 | 0.500 |" in text
    assert "| Spearman with CLAMS |  |  | 0.95 | -0.83 | undefined |" in text


def test_skew_is_of_what_groups_add_to_the_error_within_their_source(benchmarks: Any) -> None:
    """Groups of one source are exponential; a mean weighs a small source as a large one."""
    intervals, random = benchmarks("intervals"), np.random.default_rng(8)

    def skew(*sources: tuple[float, float, NDArray[Any]], is_mean: bool) -> float:
        parts = list[Any]()
        for number, (level, size, noise) in enumerate(sources):
            part = intervals.documents(level + 0.1 * noise, np.full(len(noise), size))
            part["group"] += number * 100_000
            part["source"], part["averaged"] = number, is_mean
            parts.append(part)
        return intervals.skew_in(np.concatenate(parts))["skew"]

    skewed, even = random.exponential(size=20_000), random.normal(size=20_000)
    assert skew((2.0, 1000.0, skewed), is_mean=True) == pytest.approx(2, abs=0.2)
    both = (2.0, 1000.0, skewed), (4.0, 1000.0, skewed)
    for is_mean in (True, False):
        assert skew(*both, is_mean=is_mean) == pytest.approx(2, abs=0.2), "levels add nothing"
    unlike = (2.0, 1000.0, even), (2.0, 50_000.0, skewed)
    assert skew(*unlike, is_mean=False) == pytest.approx(2 * 2**0.5, abs=0.3)
    assert skew(*unlike, is_mean=True) == pytest.approx(1, abs=0.15)
