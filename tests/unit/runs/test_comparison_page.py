"""The page of a comparison: every run's curve and texts, and nothing that breaks it."""

import csv
import json
import os.path
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from artefacts import artefact_of
from made_contenders import SENTENCES, contender, validations
from made_scores import score

from endonym.evaluate.speed import Efficiency
from endonym.runs.compare import Comparison, compare
from endonym.runs.comparison_page import as_latex, chart, curve, levels, samples, write_comparison
from endonym.runs.finished_runs import FinishedRun
from endonym.store import write_sealed

HOSTILE = "</p><script>alert('Ярамый!')</script>"
COUNT = len(SENTENCES)


def pair(folder: Path) -> Comparison:
    one = contender(folder, "tt", [90.0] * COUNT)
    return compare([one, contender(folder, "tt@gpt2", [95.0] * COUNT)])


def csv_rows(page: Path) -> list[dict[str, str]]:
    return [*csv.DictReader(page.with_suffix(".csv").read_text(encoding="utf-8").splitlines())]


def test_the_page_stands_beside_the_runs_or_where_it_is_asked_for(tmp_path: Path) -> None:
    found = pair(tmp_path / "runs")
    assert write_comparison(found) == tmp_path / "runs" / "tt-comparison.html"
    assert write_comparison(found, tmp_path / "out") == tmp_path / "out" / "tt-comparison.html"
    mixed = compare([found.runs[0], contender(tmp_path, "ro", [1.0] * COUNT)])
    assert write_comparison(mixed, tmp_path).name == "comparison.html"


def test_the_same_stands_beside_it_as_csv_and_json(tmp_path: Path) -> None:
    page = write_comparison(pair(tmp_path))
    data = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert [run["name"] for run in data["runs"]] == ["tt", "tt@gpt2"]
    rows = csv_rows(page)
    assert [row["name"] for row in rows][:3] == ["tt", "tt@gpt2", "compressor"]
    assert float(rows[1]["bits_per_byte"]) == data["runs"][1]["score"]["value"]
    assert float(rows[1]["difference_low"]) == data["runs"][1]["difference"]["low"]
    assert int(rows[0]["parameters"]) == data["runs"][0]["parameters"]


def test_tables_for_a_paper_stand_beside_it(tmp_path: Path) -> None:
    page = write_comparison(pair(tmp_path))
    rows = page.with_suffix(".md").read_text(encoding="utf-8").splitlines()
    assert rows[0].startswith("| run | bits/byte | 95 % |")
    assert len({row.count("|") for row in rows}) == 1
    latex = page.with_suffix(".tex").read_text(encoding="utf-8")
    heads = r"model & seeds & bits/byte & 95 \% & std & to the best & 95 \% of difference \\"
    assert heads in latex
    for command in (r"\label{tab:tt-comparison}", r"\usepackage{booktabs}", "{lrrrrrr}"):
        assert command in latex
    assert "test documents of tt: 30 test documents in 30 groups of neighbours" in latex
    odd = [contender(tmp_path, name, [40.0] * len(SENTENCES)) for name in ("a_b", "c~\\")]
    said = as_latex(compare(odd))
    assert r"a\_b & 1 &" in said
    assert r"c\textasciitilde{}\textbackslash{} & 1 &" in said


def test_efficiency_has_a_table_a_plot_and_a_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = pair(tmp_path)
    assert not (tmp_path / "tt-comparison-efficiency.csv").exists()
    rows = [
        Efficiency("endonym fp32", 9_000, 2),
        Efficiency("llama.cpp F16", 5_000, 2, reason=HOSTILE),
    ]
    first = {"1": 0.001, "128": 0.02}
    rates = {"prompt_tokens_per_second": 9.0, "decode_tokens_per_second": 8.0}
    figures = {"load_seconds": 0.5, "peak_bytes": 7, "first_token_seconds": first}
    rows[0].add({**figures, **rates, "bits_per_byte": 1.25})
    monkeypatch.setitem(vars(found.runs[0]), "efficiency", rows)
    page = write_comparison(found)
    html = page.read_text(encoding="utf-8")
    assert html.count('<section class="efficiency">') == 1
    assert "Size on disk and bits per byte in each program" in html
    assert "<script>alert" not in html
    data = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert [run["efficiency"] for run in data["runs"]] == [[asdict(row) for row in rows], []]
    text = (tmp_path / "tt-comparison-efficiency.csv").read_text(encoding="utf-8")
    one, two = csv.DictReader(text.splitlines())
    assert (one["name"], one["runtime"], one["bits_per_byte"]) == ("tt", "endonym fp32", "1.25")
    assert (one["first_token_seconds_128"], one["first_token_seconds_1024"]) == ("0.02", "")
    assert two["reason"] == HOSTILE
    monkeypatch.setitem(vars(found.runs[0]), "efficiency", [])
    assert write_comparison(found) == page
    assert not (tmp_path / "tt-comparison-efficiency.csv").exists()


def test_the_csv_says_how_each_run_was_made_and_the_mean_over_seeds(tmp_path: Path) -> None:
    made: list[FinishedRun] = []
    for seed, nats in ((7, 90.0), (8, 91.0)):
        run = contender(tmp_path, f"ro@wide+seed={seed}", [nats] * COUNT)
        config = {"phase": {"lr": 0.003}, "seed": seed}
        models = [
            replace(each, manifest={**each.manifest, "config": config}) for each in run.models
        ]
        plan = {"variant": "wide", "sets": [f"seed={seed}", "model.layers=2"]}
        write_sealed(run.folder / "plan.json", plan)
        made.append(replace(run, models=models))
    path = made[0].folder / "evaluation 2" / "scores.json"
    path.parent.mkdir()
    path.write_text(json.dumps([asdict(score("model", 1.75, split="dev"))]), encoding="utf-8")
    made[0].evaluations.append(artefact_of(path.parent))
    page = write_comparison(compare(made))
    one, two, mean, *_ = csv_rows(page)
    assert [each["row"] for each in (one, two, mean)] == ["run", "run", "seeds"]
    assert [one[key] for key in ("variant", "seed", "lr")] == ["wide", "7", "0.003"]
    assert (one["sets"], two["sets"]) == ("seed=7 model.layers=2", "seed=8 model.layers=2")
    assert (one["dev_bits_per_byte"], two["dev_bits_per_byte"]) == ("1.75", "")
    values = [float(each["bits_per_byte"]) for each in (one, two)]
    assert float(mean["bits_per_byte"]) == pytest.approx(sum(values) / 2)
    assert float(mean["deviation"]) == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert (mean["name"], mean["seed"], mean["variant"]) == ("ro@wide", "7 8", "wide")
    data = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert data["runs"][1]["sets"] == ["seed=8", "model.layers=2"]


def seeded(folder: Path, name: str, seeds: range, nats: float, dim: int) -> list[FinishedRun]:
    """Runs of a recipe under several seeds, each a bit worse than the one before."""
    made: list[FinishedRun] = []
    for seed in seeds:
        end = f"+seed={seed}" if seed != seeds[0] else ""
        run = contender(folder, f"{name}{end}", [nats + seed / 10] * COUNT)
        config = {"phase": {"lr": 0.003}, "seed": seed, "model": {"dim": dim}}
        model = replace(run.models[0], manifest={**run.models[0].manifest, "config": config})
        made.append(replace(run, models=[model]))
    return made


def test_recipes_with_several_seeds_have_a_table_and_a_csv(tmp_path: Path):
    runs = seeded(tmp_path, "studiu", range(42, 45), 90.0, 32)
    runs += seeded(tmp_path, "studiu@highlr", range(42, 45), 99.0, 64)
    page = write_comparison(compare(runs))
    html = page.read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)">', html) == ["recipes", "table", "curves", "samples"]
    data = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    wanted = data["seeds"][1]["difference"]
    assert f"<td>{wanted['low']:+.4f} to {wanted['high']:+.4f}</td>" in html
    ends = f"{wanted['value']:+.4f} & {wanted['low']:+.4f} to {wanted['high']:+.4f}"
    latex = page.with_suffix(".tex").read_text(encoding="utf-8")
    assert re.search(rf"studiu@highlr & 3 & .* & {re.escape(ends)} ", latex)
    assert "Rows of several seeds are means" in latex
    best, other = [row for row in csv_rows(page) if row["row"] == "seeds"]
    assert best["difference_value"] == best["difference_is_claimed"] == ""
    assert [float(other[f"difference_{key}"]) for key in ("value", "low", "high")] == [
        wanted[key] for key in ("value", "low", "high")
    ]
    assert other["difference_is_claimed"] == "True"


def test_a_mean_over_seeds_of_texts_that_not_all_share_has_no_interval(tmp_path: Path) -> None:
    other = contender(tmp_path, "cuptor", [9.0], texts=["Le boulanger ouvre sa boutique."])
    found = compare([*seeded(tmp_path, "studiu", range(42, 44), 90.0, 32), other])
    assert found.best.has_several
    assert all(each.low is not None for each in found.bits if each.value in found.best.values)
    assert f"\nstudiu & 2 & {found.best.mean:.4f} & -- & " in as_latex(found)


def test_runs_of_one_seed_that_share_no_texts_keep_their_own_intervals(tmp_path: Path) -> None:
    halves = {"pâine": SENTENCES[:15], "făină": SENTENCES[15:]}
    runs = [contender(tmp_path, n, range(80, 95), texts=halves[n]) for n in halves]
    found = compare(runs)
    assert not found.documents
    latex = as_latex(found)
    for run in runs:
        ends = f"{run.score.low:.4f}--{run.score.high:.4f}"
        assert f"\n{run.name} & 1 & {run.score.value:.4f} & {ends} & -- \\\\" in latex


def test_the_csv_has_the_figures_over_the_texts_that_all_share(tmp_path: Path) -> None:
    whole = contender(tmp_path, "wide", [40.0] * 10 + [90.0] * (COUNT - 10))
    part = contender(tmp_path, "tt", [95.0] * (COUNT - 10), texts=SENTENCES[10:])
    page = write_comparison(compare([whole, part]))
    data = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    (wide,) = [run for run in data["runs"] if run["name"] == "wide"]
    (row,) = [row for row in csv_rows(page) if row["name"] == "wide"]
    assert float(row["bits_per_byte"]) == wide["compared"]["value"] > wide["score"]["value"]


def test_each_curve_names_its_seed_where_there_are_several(tmp_path: Path) -> None:
    runs = seeded(tmp_path, "studiu", range(42, 44), 90.0, 32)
    runs += seeded(tmp_path, "studiu@highlr", range(42, 44), 99.0, 64)
    runs += seeded(tmp_path, "studiu@gpt2", range(42, 43), 99.0, 96)
    drawn = chart(compare(runs))
    assert {line.name for line in drawn.series} == {
        "studiu, seed 42", "studiu, seed 43", "highlr, seed 42", "highlr, seed 43", "gpt2",
    }  # fmt: skip
    ((_, texts),) = samples(compare(runs))
    assert {name for name, _ in texts} == {line.name for line in drawn.series}


def test_a_seed_is_named_once_whatever_else_the_run_overrides(tmp_path: Path) -> None:
    runs = seeded(tmp_path, "studiu+phase.lr=0.1,seed=7", range(7, 8), 90.0, 32)
    runs += seeded(tmp_path, "studiu+phase.lr=0.1,seed=8", range(8, 9), 90.0, 32)
    found = compare(runs)
    assert [found.short(run) for run in runs] == [f"+phase.lr=0.1, seed {n}" for n in (7, 8)]


def test_a_page_of_other_runs_is_not_overwritten(tmp_path: Path) -> None:
    found = pair(tmp_path / "runs")
    first = write_comparison(found)
    other = compare([found.runs[0], contender(tmp_path / "runs", "tt@mamba", [96.0] * COUNT)])
    second = write_comparison(other)
    assert (first.name, second.name) == ("tt-comparison.html", "tt-comparison-2.html")
    kept = first.read_bytes()
    assert write_comparison(other) == second
    assert write_comparison(found) == first
    assert first.read_bytes() == kept
    first.with_suffix(".json").unlink()
    assert write_comparison(found).name == "tt-comparison-3.html"


def test_a_page_of_dev_scores_says_so_and_leaves_that_of_test_scores_alone(tmp_path: Path) -> None:
    found = pair(tmp_path)
    first = write_comparison(found)
    kept = first.read_bytes()
    for run in found.runs:
        path = run.judged.folder / "scores.json"
        lines = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps([{**each, "split": "dev"} for each in lines]), "utf-8")
    dev = compare([replace(run) for run in found.runs])
    page = write_comparison(dev)
    assert page.name == "tt-comparison-dev.html"
    assert first.read_bytes() == kept
    html = page.read_text(encoding="utf-8")
    assert "side by side on dev documents</title>" in html
    assert "<h2>Table: dev documents</h2>" in html
    for kind in (".html", ".csv", ".json"):
        page.with_suffix(kind).rename(first.with_suffix(kind))
    assert write_comparison(found).name == "tt-comparison-2.html"


def test_the_page_holds_the_table_the_curves_and_the_samples_and_needs_nothing_else(tmp_path: Path):
    html = write_comparison(pair(tmp_path)).read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)">', html) == ["table", "curves", "samples"]
    assert not re.findall(r'(?:src|href)="(?!#)|https?://|@import|url\(', html)
    for word in ("tt@gpt2", "to the best", "paired 95 %", "compressor", "Таң атты."):
        assert word in html
    assert html.count('class="line run0"') == html.count('class="line run1"') == 2
    assert ".line.run14 {" in html


def test_texts_of_models_stay_texts(tmp_path: Path) -> None:
    journal = validations([3.0, 2.0])
    journal[-1]["text"] = HOSTILE
    runs = [contender(tmp_path, n, [9.0] * COUNT, journals=[journal]) for n in ("a", "b")]
    html = write_comparison(compare(runs)).read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_curve_goes_on_from_phase_to_phase(tmp_path: Path) -> None:
    phases = [validations([3.0, 2.0, 1.9]), validations([1.9, 1.8])]
    run = contender(tmp_path, "tt", [9.0] * COUNT, journals=phases)
    assert curve(run) == [(0, 3.0), (640, 2.0), (1280, 1.9), (1280, 1.9), (1920, 1.8)]


def test_the_picture_shows_the_ends_of_the_curves_not_their_steep_beginnings(tmp_path: Path):
    drawn = chart(pair(tmp_path))
    assert [line.name for line in drawn.series] == ["tt", "gpt2"]
    assert list(drawn.levels) == ["compressor", "bigram", "unigram"]
    assert (drawn.high or 9) < 3.0
    assert "gpt2 ends at 1.500." in drawn.description


def test_the_lines_of_the_curves_are_over_all_bytes_as_the_validations_are(tmp_path: Path) -> None:
    found = pair(tmp_path)
    for run in found.runs:
        path = run.judged.folder / "scores.json"
        lines = json.loads(path.read_text(encoding="utf-8"))
        lines.append(asdict(score("bigram", 2.9, weighting="sources")))
        path.write_text(json.dumps(lines), encoding="utf-8")
    again = compare([replace(run) for run in found.runs])
    assert {line.model: line.value for line in again.baselines}["bigram"] == 2.9
    assert levels(again)["bigram"] == 2.31


def test_without_journals_there_is_a_page_without_curves(tmp_path: Path) -> None:
    runs = [contender(tmp_path, n, [9.0] * COUNT, journals=[[]]) for n in ("a", "b")]
    found = compare(runs)
    assert chart(found) is None
    html = write_comparison(found).read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)">', html) == ["table"]


def test_each_prompt_is_shown_with_what_every_run_made_of_it(tmp_path: Path) -> None:
    found = pair(tmp_path)
    assert samples(found) == [("", [("tt", "Таң атты."), ("gpt2", "Таң атты.")])]
    for run in found.runs:
        written = [{"prompt": "Кояш", "text": run.name}, {"prompt": "Ай", "text": "яктысы"}]
        path = run.judged.folder / "continuations.json"
        path.write_text(json.dumps(written), encoding="utf-8")
    assert samples(found) == [
        ("Кояш", [("tt", "tt"), ("gpt2", "tt@gpt2")]),
        ("Ай", [("tt", "яктысы"), ("gpt2", "яктысы")]),
    ]


def test_runs_of_another_project_are_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Both projects have runs of the same names; their paths are relative to where one stands."""
    pages: list[Path] = []
    for project in ("a", "b"):
        pair(tmp_path / project / "runs")
    for place, runs in (("a", "runs"), ("b", "runs"), (".", "a/runs"), ("b", "../b/runs")):
        monkeypatch.chdir(tmp_path / place)
        found = pair(tmp_path / "copies" / str(len(pages)))
        here = [replace(each, folder=Path(runs) / each.name) for each in found.runs]
        out = Path(os.path.relpath(tmp_path / "cmp"))
        pages.append(write_comparison(compare(here), out).resolve())
    names = [page.name for page in pages]
    assert names == [f"tt-comparison{end}.html" for end in ("", "-2", "", "-2")]


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    for name, content in (("a", "[]"), ("b", "не JSON"), ("c", '{"runs": [1]}'), ("d", "")):
        foreign = tmp_path / name / f"tt-comparison.{'json' if content else 'csv'}"
        foreign.parent.mkdir()
        foreign.write_text(content, encoding="utf-8")
        assert write_comparison(pair(foreign.parent)).name == "tt-comparison-2.html"
        assert foreign.read_text(encoding="utf-8") == content
