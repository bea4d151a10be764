"""One quantity for the column, the order, the differences and the means over seeds."""

import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_contenders import SENTENCES, contender
from plans import planned

from endonym.log import Log
from endonym.pipeline import sources
from endonym.recipe.recipe import Recipe
from endonym.runs import quantity
from endonym.runs.compare import as_dict, compare
from endonym.runs.comparison_tables import cells, describe, recipes
from endonym.runs.finished_runs import FinishedRun
from endonym.store import Artifact, Store, open_artifact, write_sealed

NATS = [40.0 + n % 7 for n in range(len(SENTENCES))]
SOURCES = ["роман"] * 13 + ["хикәя"] * 13 + ["мәкаль"] * 4
"""The four proverbs are too few for an interval."""


def test_runs_of_the_same_documents_keep_their_own_scores(tmp_path: Path) -> None:
    runs = [contender(tmp_path, n, [x + d for x in NATS]) for n, d in (("a", 0), ("b", 1))]
    found = quantity.Quantity.of(runs)
    assert found.is_whole
    assert [each.value for each in found.bits] == [run.score.value for run in runs]
    assert found.notes == found.sources == []


def test_of_one_source_that_is_left_no_mean_over_sources_is_said(tmp_path: Path) -> None:
    sources = ["роман"] * 26 + ["мәкаль"] * 4
    runs = [
        contender(tmp_path, n, [x + d for x in NATS], sources=sources)
        for n, d in (("a", 0), ("b", 1))
    ]
    assert quantity.Quantity.of(runs).sources == []
    assert not any("means over the sources" in note for note in compare(runs).notes)


def test_a_run_whose_documents_are_all_shared_is_not_whole_beside_one_with_more(tmp_path: Path):
    runs = [
        contender(tmp_path, "a", NATS[:24], texts=SENTENCES[:24]),
        contender(tmp_path, "b", [*NATS[:24], *[90.0] * 6], texts=SENTENCES),
    ]
    found = quantity.Quantity.of(runs)
    assert not found.is_whole
    assert found.bits[0].value == pytest.approx(runs[0].score.value)
    assert found.bits[1].value == pytest.approx(found.bits[0].value)
    assert found.bits[1].value < runs[1].score.value


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


def groups_of(runs: list[FinishedRun]) -> list[quantity.SeedGroup]:
    return quantity.seed_groups(runs, [run.score.value for run in runs])


def test_runs_are_one_group_if_nothing_but_the_seed_differs(tmp_path: Path) -> None:
    runs = [under(tmp_path, "tt", seed, nats) for seed, nats in ((1, 3.0), (0, 1.0), (2, 2.0))]
    wide = [under(tmp_path, "tt@wide", 0, 9.0, dim=64)]
    groups = groups_of([*wide, *runs])
    assert [(group.name, [run.seed for run in group.runs]) for group in groups] == [
        ("tt", [0, 1, 2]),
        ("tt@wide", [0]),
    ]
    values = [run.score.value for run in runs]
    assert groups[0].mean == pytest.approx(statistics.fmean(values))
    assert groups[0].deviation == pytest.approx(statistics.stdev(values))
    judged = compare([*wide, *runs])
    assert judged.notes[0] == "Of one seed only, so not judged beside the others: tt@wide."
    note = compare(runs).notes[0]
    assert note.startswith(f"tt: {statistics.fmean(values):.4f} bits per byte on average over 3")
    single = as_dict(judged)["seeds"][1]
    assert (single["deviation"], single["difference"]) == (None, None)


def test_later_phases_begin_with_other_weights_under_each_seed(tmp_path: Path) -> None:
    """What a phase starts from has the seed in it, so it tells recipes apart no more than that."""
    runs = [under(tmp_path, "tt", seed, 1.0 + seed) for seed in (0, 1)]
    for run in runs:
        first = run.models[0]
        inputs = {**first.manifest["inputs"], "start": f"{run.seed}" * 64}
        run.models.append(Artifact(first.folder, {**first.manifest, "inputs": inputs}))
    (group,) = groups_of([replace(run) for run in runs])
    assert [run.seed for run in group.runs] == [0, 1]


def taught(recipe: Recipe, name: str, seed: int, **phase: Any) -> FinishedRun:
    """A run under a seed whose first phase has these keys, too; its artefacts are those planned."""
    first, *others = [each.model_dump(exclude_unset=True) for each in recipe.phase]
    phases = [first | phase, *others]
    recipe = recipe.with_values({"seed": seed, "phase": phases})
    store = Store(recipe.folder / "store")
    raw = sources.hash_all(sources.find(recipe), store, Log(quiet=True))
    models: list[Artifact] = []
    for stage in planned(recipe, raw):
        folder = store.folder(stage.kind, stage.id)
        if not folder.is_dir():
            folder.mkdir(parents=True)
            said = {"name": stage.name, "id": stage.id, "numbers": {}, "files": {}}
            write_sealed(folder / "manifest.json", stage.declared() | said)
        models += [open_artifact(folder)] if stage.kind == "model" else []
    return replace(contender(recipe.folder, name, (HARD + seed).tolist()), models=models)


@pytest.mark.parametrize("is_live", [False, True])
def test_what_teaches_under_each_seed_tells_recipes_apart_but_not_seeds(
    small_recipe: Callable[[Path], Path], tmp_path: Path, finished: Path, *, is_live: bool
) -> None:
    """Members, and what is kept of a teacher, have the seed in them."""
    recipe = Recipe.load(small_recipe(tmp_path / "project"))
    later = {"name": "later", "steps": 3, "batch_tokens": 256, "lr": 1e-3}
    first = recipe.phase[0].model_dump(exclude_unset=True)
    recipe = recipe.with_values({"phase": [first, later]})
    folders = [next((finished / "store" / kind).iterdir()) for kind in ("model", "export")]
    teachings: list[dict[str, Any]] = [{"members": 2}, {"members": 3}]
    teachings += [{"distill": {"model": str(each)}} for each in folders]
    for each in teachings:
        each["distill"] = {"live": is_live, **each.get("distill", {})}
    runs = [
        [taught(recipe, f"{number}+seed={seed}", seed, **each) for seed in (7, 8)]
        for number, each in enumerate(teachings)
    ]
    alone = taught(recipe, "alone", 7)
    groups = groups_of([alone, *(run for pair in runs for run in pair)])
    found = {frozenset(run.name for run in group.runs) for group in groups}
    assert found == {frozenset(run.name for run in pair) for pair in [[alone], *runs]}


def test_a_lucky_run_of_one_seed_is_not_gone_on_with_beside_recipes_of_several(tmp_path: Path):
    both = [under(tmp_path, "tt", seed, 3.0 + seed) for seed in (1, 0)]
    lucky = under(tmp_path, "tt@wide", 0, 1.0, dim=64)
    found = compare([*both, lucky])
    assert (found.runs[0].name, found.first.name) == ("tt@wide", "tt")
    assert compare([both[0], lucky]).first.name == "tt@wide"


def test_a_difference_of_recipes_is_claimed_over_seeds_and_not_over_documents_alone(tmp_path: Path):
    """Each document is dearer for the wide one's best seed, but its seeds are far apart."""
    base = [under(tmp_path, "tt", seed, seed / 10) for seed in range(3)]
    wide = [under(tmp_path, "tt@wide", seed, 1 + 20 * seed, dim=64) for seed in range(3)]
    notes = compare([*base, *wide]).notes
    assert not any("needs the fewest" in note for note in notes)
    assert not any("Another seed" in note for note in notes)
    assert "tt@wide cannot be told apart" in notes[0]
    worse = [under(tmp_path, "tt@long", seed, 30 + seed / 10, dim=96) for seed in range(3)]
    notes = compare([*base, *worse]).notes
    assert "cannot be told apart" not in notes[0]


def test_no_difference_of_recipes_is_claimed_by_seeds_that_agree_on_documents_that_do_not(
    tmp_path: Path,
) -> None:
    """Seeds that agree to a thousandth say nothing of other documents than these."""
    uneven = np.where(np.arange(len(HARD)) % 2, 9.0, -8.0)
    runs = [
        replace(
            contender(tmp_path, f"{name}+seed={seed}", (HARD + seed / 1000 + more).tolist()),
            models=under(tmp_path / "models", f"{name}{seed}", seed, 0.0, dim).models,
        )
        for name, dim, more in (("tt", 32, 0.0), ("tt@wide", 64, uneven))
        for seed in range(3)
    ]
    found = compare(runs)
    difference = found.groups[1].difference
    assert difference is not None
    assert difference.value > 5 * max(group.deviation or 0.0 for group in found.groups)
    assert not difference.is_claimed


@pytest.mark.parametrize("seeds", [(0, 1, 2), (5, 6, 7)])
def test_recipes_of_the_same_seeds_are_paired_by_seed(tmp_path: Path, seeds: tuple[int, ...]):
    """What a seed does to both is no difference of the two; other seeds do something else."""
    moved = (0.0, 9.0, 21.0)
    base = [under(tmp_path, "tt", seed, nats) for seed, nats in enumerate(moved)]
    pairs = zip(seeds, moved, strict=True)
    wide = [under(tmp_path, "tt@wide", seed, 1.0 + nats, dim=64) for seed, nats in pairs]
    found = compare([*base, *wide]).groups[1].difference
    assert found is not None
    assert found.is_claimed == (seeds == (0, 1, 2))


def test_no_difference_of_recipes_is_claimed_on_fewer_texts_than_an_interval_takes(tmp_path: Path):
    """Seeds that agree say nothing about other texts than these nine."""
    runs = [
        replace(
            contender(tmp_path, name, [40.0 + n + seed / 9] * 9, texts=SENTENCES[:9]),
            models=under(tmp_path / "models", name, seed, 0.0, dim).models,
        )
        for dim, n in ((32, 0), (64, 5))
        for seed, name in ((seed, f"tt{dim}+seed={seed}") for seed in (1, 2, 3))
    ]
    found = compare(runs)
    difference = found.groups[1].difference
    assert difference is not None
    assert (difference.value > 0, difference.low, difference.is_claimed) == (True, None, False)
    assert "no difference is claimed" in found.notes[0]


def test_differences_of_recipes_are_numbers_and_stand_in_a_table_above_the_runs(tmp_path: Path):
    base = [under(tmp_path, "ro", seed, seed / 10) for seed in range(3)]
    wide = [under(tmp_path, "ro@wide", seed, 9 + seed / 5, dim=64) for seed in range(3)]
    found = compare([*wide, *base])
    best, other = as_dict(found)["seeds"]
    values = sorted(run.score.value for run in base)
    runs = {"name": "ro", "runs": [run.name for run in base], "seeds": [0, 1, 2]}
    spread = {"min": values[0], "max": values[-1], "deviation": statistics.stdev(values)}
    mean, between = statistics.fmean(values), best.pop("interval")
    assert best == {**runs, "mean": mean, **spread, "difference": None}
    assert between["low"] < mean < between["high"]
    groups = found.groups
    wanted = groups[1].difference
    assert wanted is not None
    assert wanted.value == pytest.approx(groups[1].mean - groups[0].mean)
    ends_of = {"value": wanted.value, "low": wanted.low, "high": wanted.high}
    assert other["difference"] == ends_of | {"no_interval": None, "is_claimed": True}
    heads, first, second = recipes(found)
    assert heads[2:] == ["bits/byte", "95 %", "std", "to the best", "95 % of difference"]
    ends = f"{between['low']:.4f}–{between['high']:.4f}"
    assert first[:4] == ["ro", "3", f"{groups[0].mean:.4f}", ends]
    assert first[4:] == [f"{groups[0].deviation:.4f}", "best", ""]
    span = f"{wanted.low:+.4f} to {wanted.high:+.4f}"
    assert second[4:] == [f"{groups[1].deviation:.4f}", f"{wanted.value:+.4f}", span]
    lines = describe(found).splitlines()
    assert lines[1].split()[:2] == ["model", "seeds"]
    assert lines[5].split()[:2] == ["run", "bits/byte"]
    assert not any(f"{groups[1].mean:.4f}" in note for note in found.notes)
    assert recipes(compare([base[0], wide[0]])) == []
    old = contender(tmp_path, "ro@old", NATS, has_documents=False)
    assert describe(compare([*base, old])).splitlines()[1].split()[:2] == ["model", "seeds"]
    beside_one = compare([*base, wide[0]])
    assert beside_one.differences == [], "no run is compared with the luckiest of several seeds"
    mixed = recipes(beside_one)
    assert [row[1:5:3] for row in mixed] == [["seeds", "std"], ["3", first[4]], ["1", "–"]]


def test_means_over_seeds_are_of_the_documents_that_all_runs_share(tmp_path: Path) -> None:
    """The wide ones were also scored on ten dear documents, which the others lack."""
    base = [under(tmp_path, "ro", seed, 1 + seed / 10) for seed in range(3)]
    wide = [under(tmp_path, "ro@wide", seed, seed / 10, dim=64) for seed in range(3)]
    more = (*SENTENCES, *(f"Câinele {n} latră la lună." for n in range(10)))
    for n, run in enumerate(wide):
        again = contender(tmp_path / "more", run.name, [*HARD + n / 10, *[900.0] * 10], texts=more)
        wide[n] = replace(run, folder=again.folder, judged=again.judged)
    found = compare([*base, *wide])
    assert [group.name for group in found.groups] == ["ro@wide", "ro"]
    assert found.groups[0].own.score.value > found.groups[1].own.score.value
    (value,) = [each["difference"]["value"] for each in as_dict(found)["seeds"][1:]]
    size = sum(len(text.encode("utf-8")) for text in SENTENCES)
    assert value == pytest.approx(len(SENTENCES) / size / math.log(2))


def test_few_seeds_are_told_to_be_few(tmp_path: Path) -> None:
    two = [under(tmp_path, "ro", seed, seed / 10) for seed in range(2)]
    three = [under(tmp_path, "ro@wide", seed, 9 + seed / 5, dim=64) for seed in range(3)]
    (note,) = [note for note in compare([*two, *three]).notes if "decide little" in note]
    assert "Two seeds decide little (ro): with five" in note.replace("2 seeds", "Two seeds")
    assert "7 times narrower" in note, "12.71 / √2 by 2.78 / √5"
    assert not any("decide little" in note for note in compare(three).notes)
    more = [
        under(tmp_path, f"ro@{dim}", seed, dim + seed / 5, dim=dim)
        for dim in (96, 128, 160, 192)
        for seed in range(3)
    ]
    assert any("decide little" in note for note in compare([*three, *more]).notes)


def test_one_training_in_two_stores_is_no_second_seed(tmp_path: Path) -> None:
    (group,) = groups_of([under(tmp_path / each, "ro", 0, 1.0) for each in ("a", "b")])
    assert not group.has_several
    again = [
        under(tmp_path, name, seed, seed + 1.0) for name in ("ro", "ro@bpe") for seed in (0, 1)
    ]
    (group,) = groups_of(again)
    assert len(group.values) == 2


def test_a_single_training_is_told_that_another_seed_may_move_it(tmp_path: Path) -> None:
    runs = [under(tmp_path, "tt", 0, 0.0), under(tmp_path, "tt@wide", 0, 5.0, dim=64)]
    assert any("--seeds 3" in note for note in compare(runs).notes)


def test_a_recipe_runs_under_its_own_seed_and_the_next_ones(tmp_path: Path) -> None:
    (tmp_path / "books.txt").write_text("Таң атканда авыл өстендә.", encoding="utf-8")
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE, encoding="utf-8")
    given = quantity.under_seeds(path, [None], ["phase.0.steps=2", "seed = 7"], count=3)
    assert [each.seed for each in given] == [7, 8, 9]
    assert given[1].sets == ("phase.0.steps=2", "seed=8"), "a name says the seed once"
    found = quantity.under_seeds(path, [None, "wide"], ["phase.0.steps=2"], count=2)
    named = [(each.variant, each.seed) for each in found]
    assert named == [(None, 5), ("wide", 5), (None, 6), ("wide", 6)]
    assert {each.phase[0].steps for each in found} == {2}
    assert {each.split.seed for each in found} == {42}
    assert len({each.run_name for each in found}) == 4
    assert found[0].run_name == "tatar+phase.0.steps=2"
    assert [each.seed for each in quantity.under_seeds(path, [None], ["seed=8"], count=2)] == [8, 9]


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
    assert [run["difference"] for run in data["runs"]] == [None, None, None]
    wide = [under(tmp_path, "tt@wide", seed, -9.0 - seed, dim=64) for seed in range(2)]
    both = compare([*found.runs, *wide])
    assert (both.runs[0].name, both.first.name) == ("tt@wide+seed=1", "tt@wide")
    assert "to the best" not in cells(both)[0], "no run is set against the luckiest one"
    assert "to the best" in recipes(both)[0]
    assert any("To choose" in note for note in both.notes)


def test_rows_stand_in_the_order_of_the_figure_that_they_print(tmp_path: Path):
    base = [under(tmp_path, "tt", seed, seed / 10) for seed in range(3)]
    wide = [under(tmp_path, "tt@wide", seed, 20 * seed - 1, dim=64) for seed in range(3)]
    found = compare([*wide, *base])
    figures = [float(row[1]) for row in cells(found)[1:7]]
    assert figures == sorted(figures)
    assert (found.runs[0].name, found.first.name) == ("tt@wide", "tt")
    means = [float(row[2]) for row in recipes(found)[1:]]
    assert means == sorted(means)
