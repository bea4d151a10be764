"""Runs that differ by their seed: grouped, summed up, and compared by their means."""

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


def test_welch_s_interval_and_the_quantiles_are_those_of_the_books() -> None:
    """R: t.test(c(1.13, 1.15, 1.16), c(1.20, 1.22, 1.27)); qt(0.975, c(11, 20, 100))."""
    low, high = welch_interval([1.13, 1.15, 1.16], [1.20, 1.22, 1.27])
    assert (low + high) / 2 == pytest.approx(-0.083333, abs=1e-6)
    error = ((0.000233333 + 0.0013) / 3) ** 0.5
    assert (high - low) / 2 == pytest.approx(4.303 * error, abs=1e-6)  # 2.69 degrees: two
    assert welch_interval([1.0, 1.0], [2.0, 2.0]) == (-1.0, -1.0)
    found = [t_quantile(freedom) for freedom in (1, 2, 11, 20, 100)]
    assert found == pytest.approx([12.706, 4.303, 2.201, 2.086, 1.984], abs=3e-3)


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
