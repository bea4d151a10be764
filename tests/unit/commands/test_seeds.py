"""Runs that differ by their seed: grouped, summed up, and compared by their means."""

import math
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_contenders import SENTENCES, contender

from endonym.commands.compare import as_dict, cells, compare
from endonym.commands.finished_runs import FinishedRun
from endonym.commands.seeds import (
    seed_groups,
    seed_notes,
    t_quantile,
    under_seeds,
    welch_interval,
)
from endonym.store import Artifact

HARD = np.random.default_rng(3).gamma(4, 10, len(SENTENCES))
RECIPE = """
name = "tatar"
language = "tt"
seed = 5
[[source]]
name = "books"
path = "books.txt"
[[phase]]
steps = 1
[variant.wide.model]
dim = 64
"""


def under(tmp_path: Path, name: str, seed: int, nats: float, dim: int = 32) -> FinishedRun:
    """A run under a seed, with so many nats more for each document."""
    run = contender(tmp_path, f"{name}+seed={seed}" if seed else name, (HARD + nats).tolist())
    config = {"model": {"dim": dim}, "phase": {"lr": 0.006}, "seed": seed}
    manifest = {"config": config, "inputs": {"shards": "a"}}
    last = run.models[-1]
    return replace(run, models=[Artifact(last.folder, last.manifest | manifest)])


def test_runs_are_one_group_if_nothing_but_the_seed_differs(tmp_path: Path) -> None:
    runs = [under(tmp_path, "tt", seed, nats) for seed, nats in ((1, 3.0), (0, 1.0), (2, 2.0))]
    wide = [under(tmp_path, "tt@wide", 0, 9.0, dim=64)]
    groups = seed_groups([*wide, *runs])
    assert [(group.name, [run.seed for run in group.runs]) for group in groups] == [
        ("tt", [0, 1, 2]),
        ("tt@wide", [0]),
    ]
    values = [run.score.value for run in runs]
    assert groups[0].mean == pytest.approx(statistics.fmean(values))
    assert groups[0].deviation == pytest.approx(statistics.stdev(values))
    (note,) = seed_notes(groups)
    assert note.startswith(f"tt: {statistics.fmean(values):.4f} bits per byte on average over 3")
    assert as_dict(compare([*wide, *runs]))["seeds"][1]["deviation"] is None


def test_a_difference_of_recipes_is_claimed_by_their_seeds_not_by_documents(
    tmp_path: Path,
) -> None:
    """Each document is dearer for the wide one's best seed, but its seeds are far apart."""
    base = [under(tmp_path, "tt", seed, seed / 10) for seed in range(3)]
    wide = [under(tmp_path, "tt@wide", seed, 1 + 20 * seed, dim=64) for seed in range(3)]
    notes = compare([*base, *wide]).notes
    assert not any("needs the fewest" in note for note in notes)
    assert not any("Another seed" in note for note in notes)
    (note,) = [note for note in notes if "Welch" in note]
    assert "no difference is claimed" in note
    worse = [under(tmp_path, "tt@long", seed, 30 + seed / 10, dim=96) for seed in range(3)]
    (note,) = [note for note in compare([*base, *worse]).notes if "Welch" in note]
    assert "no difference is claimed" not in note


def test_a_single_training_is_told_that_another_seed_may_move_it(tmp_path: Path) -> None:
    runs = [under(tmp_path, "tt", 0, 0.0), under(tmp_path, "tt@wide", 0, 5.0, dim=64)]
    assert any("--seeds 3" in note for note in compare(runs).notes)


def test_welch_s_interval_is_that_of_a_sum_by_hand() -> None:
    """The means are 1.1466… and 1.23, the variances 7/30000 and 13/10000, each over three seeds.

    Welch's degrees of freedom are (7 + 39)² / (7² / 2 + 39² / 2) = 2.695, rounded down to two,
    of which the tables say 4.303. R's t.test does not round, so that its interval is narrower.
    """
    low, high = welch_interval([1.13, 1.15, 1.16], [1.20, 1.22, 1.27])
    assert (low + high) / 2 == pytest.approx(-0.25 / 3)
    assert (high - low) / 2 == pytest.approx(4.303 * math.sqrt((7 / 30_000 + 13 / 10_000) / 3))
    assert welch_interval([1.0, 1.0], [2.0, 2.0]) == (-1.0, -1.0)


@pytest.mark.parametrize("freedom", [*range(1, 21), 50, 100, 1_000])
def test_quantiles_leave_a_fortieth_of_student_s_t_above_them(freedom: int) -> None:
    """The density of Student's t, summed from its middle to the quantile in 100,000 steps."""
    reach = t_quantile(freedom)
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    height = math.exp(scale) / math.sqrt(math.pi * freedom)
    middles = (np.arange(10**5) + 0.5) * (reach / 10**5)
    density = height * (1 + middles**2 / freedom) ** (-(freedom + 1) / 2)
    below = 0.5 + density.sum() * reach / 10**5
    at = height * (1 + reach**2 / freedom) ** (-(freedom + 1) / 2)
    assert abs(below - 0.975) / at < (5.1e-4 if freedom <= 10 else 3e-3)


def test_a_recipe_runs_under_its_own_seed_and_the_next_ones(tmp_path: Path) -> None:
    (tmp_path / "books.txt").write_text("Таң атканда авыл өстендә.", encoding="utf-8")
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE, encoding="utf-8")
    found = under_seeds(path, [None, "wide"], ["phase.0.steps=2"], count=2)
    assert [(each.variant, each.seed) for each in found] == [
        (None, 5),
        ("wide", 5),
        (None, 6),
        ("wide", 6),
    ]
    assert {each.phase[0].steps for each in found} == {2}
    assert {each.split.seed for each in found} == {42}
    assert len({each.run_name for each in found}) == 4
    assert found[0].run_name == "tatar+phase.0.steps=2"
    assert [each.seed for each in under_seeds(path, [None], ["seed=8"], count=2)] == [8, 9]


def test_seeds_of_one_recipe_are_no_competitors(tmp_path: Path) -> None:
    """The best of them on test is no better model: what comes next is the recipe's own."""
    found = compare([under(tmp_path, "tt", seed, 3.0 - seed) for seed in range(3)])
    assert found.runs[0].name == "tt+seed=2"
    assert found.first.name == "tt"
    assert cells(found)[0][:4] == ["run", "bits/byte", "95 %", "family"]
    assert not any("fewest" in note or "To choose" in note for note in found.notes)
    assert any("standard deviation" in note for note in found.notes)
    data = as_dict(found)
    assert data["same_documents"]
    assert data["runs"][1]["difference"]["value"] > 0
    wide = [under(tmp_path, "tt@wide", seed, -9.0 - seed, dim=64) for seed in range(2)]
    both = compare([*found.runs, *wide])
    assert (both.runs[0].name, both.first.name) == ("tt@wide+seed=1", "tt@wide")
    assert "to the best" in cells(both)[0]
    assert any("To choose" in note for note in both.notes)
