"""Comparisons to their last character: of one seed and of two, beside a model from elsewhere."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from made_contenders import SENTENCES, contender

from endonym.runs.compare import Comparison, compare
from endonym.runs.comparison_page import as_latex, write_comparison
from endonym.runs.comparison_tables import describe
from endonym.runs.finished_runs import FinishedRun, PublicModel

NATS = [90.0] * len(SENTENCES)
EXPECTED = Path(__file__).with_name("comparisons.txt")
"""Each comparison as `endonym compare` prints it, then as its .tex."""


def bits(value: float, low: float, high: float) -> dict[str, str]:
    """Columns of the CSV, to four digits."""
    return {"bits_per_byte": f"{value:.4f}", "low": f"{low:.4f}", "high": f"{high:.4f}"}


def of_seed(folder: Path, name: str, seed: int, more: float = 0.0) -> FinishedRun:
    run = contender(folder, name, [each + more for each in NATS])
    config = {"phase": {"lr": 0.003}, "seed": seed, "model": {"dim": len(name.partition("+")[0])}}
    model = replace(run.models[0], manifest={**run.models[0].manifest, "config": config})
    return replace(run, models=[model])


def elsewhere(folder: Path, steps: float) -> PublicModel:
    run = contender(folder, "gpt2-tt", [92.0 + steps * n for n in range(len(NATS))])
    assert run.documents is not None
    return PublicModel("gpt2-tt", run.folder, "gpt2", 124_000_000, run.score, run.documents)


def made(case: str, folder: Path) -> Comparison:
    """The comparison of this name."""
    tt, again = of_seed(folder, "tt", 42), of_seed(folder, "tt+seed=43", 43, 0.1)
    wide, foreign = of_seed(folder, "tt@wide", 42, 5.0), elsewhere(folder, case == "seeds")
    if case == "other texts":
        nine = {"a": SENTENCES[:9], "b": SENTENCES[9:18]}
        return compare([contender(folder, n, NATS[:9], texts=nine[n]) for n in nine])
    runs = {"seeds": [tt, again, wide], "one seed": [tt, wide], "one recipe": [tt, again]}
    return compare(runs[case], [] if case == "one recipe" else [foreign])


@pytest.mark.parametrize("case", ["seeds", "one seed", "one recipe", "other texts"])
def test_a_comparison_is_printed_and_written_for_a_paper(case: str, tmp_path: Path) -> None:
    found = made(case, tmp_path)
    _, _, rest = EXPECTED.read_text(encoding="utf-8").partition(f"=== {case}\n")
    assert f"{describe(found)}\n{as_latex(found)}" == rest.partition("=== ")[0]


def test_the_csv_has_every_figure_of_runs_seeds_and_models_from_elsewhere(tmp_path: Path) -> None:
    page = write_comparison(made("seeds", tmp_path), tmp_path)
    lines = page.with_suffix(".csv").read_text(encoding="utf-8").splitlines()
    given = [{key: value for key, value in row.items() if value} for row in csv.DictReader(lines)]
    shape = {"family": "qwen3", "parameters": "5872", "lr": "0.003"}
    judged = {"split": "test", "n_documents": "30", "n_bytes": "2120", "n_groups": "30"}
    lengths = {"train_tokens": "1280", "epochs": "1.0", "seconds": "4.0", "steps": "20"}
    run = {**shape, **judged, **lengths, "kept_step": "10", "tokens_per_second": "320.0"}
    run |= {"row": "run", "name": "tt", "run": str(tmp_path / "tt"), "folder": "tt", "seed": "42"}
    run |= {
        "active_parameters": "5872",
        "processor": "abacus",
        "threads": "2",
        **bits(1.8374, 1.8327, 1.8420),
    }
    of_seeds = {"row": "seeds", "name": "tt", "seed": "42 43", **judged}
    of_seeds |= {**shape, "deviation": "0.0014", **bits(1.8384, 1.8289, 1.8480)}
    other = {"row": "other", "name": "gpt2-tt", "family": "gpt2", "parameters": "124000000"}
    other |= {**judged, **bits(2.1743, 2.1116, 2.2369)}
    ends = {"value": "0.3358", "low": "0.2690", "high": "0.4026", "is_claimed": "True"}
    other |= {f"difference_{key}": value for key, value in ends.items()}
    packed = {"row": "baseline", "name": "compressor", **bits(1.4, 1.37, 1.43), "split": "test"}
    packed |= {"n_documents": "412", "n_bytes": "90000"}
    figures = ("bits", "low", "high", "deviation", "difference_v", "difference_l", "difference_h")
    for row in given:
        row |= {key: f"{float(row[key]):.4f}" for key in row if key.startswith(figures)}
    assert [given[0], *given[3:6]] == [run, of_seeds, other, packed]
