"""A recipe with variants becomes a study: all are run, share what is the same, and are compared."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endonym.recipe.recipe import overrides_name

Say = Callable[..., Any]
VARIANTS = """
[variant.wide.model]
family = "gpt2"
dim = 64
layers = 1
mixer.heads = 2

[variant.letters.tokenizer]
kind = "char"

[[variant.twice.phase]]
name = "first"
steps = 6
batch_tokens = 256
lr = 4e-3
number_format = "fp32"

[[variant.twice.phase]]
name = "second"
steps = 6
batch_tokens = 256
lr = 1e-3
number_format = "fp32"
"""
KINDS = ("corpus", "tokenizer", "shards", "model")
SETS = ("--set", "split.val_share=0.5", "--set", "evaluate.1.max_tokens=4")
END = "+evaluate.1.max_tokens=4,split.val_share=0.5"
"""A hash of the overrides, which are too long for a name: users know their runs by it."""
PLAIN, WIDE, TWICE = (f"kechkena{variant}{END}" for variant in ("", "@wide", "@twice"))
NAMES = [PLAIN, WIDE, f"kechkena@letters{END}", TWICE]


@pytest.fixture(scope="module")
def study(
    tmp_path_factory: pytest.TempPathFactory,
    small_recipe: Callable[[Path], Path],
    command: Say,
) -> tuple[Path, Any]:
    """A folder in which a recipe and its three variants were run; and what the command said."""
    recipe = small_recipe(tmp_path_factory.mktemp("study") / "project")
    text = recipe.read_text(encoding="utf-8").replace("steps = 40", "steps = 12")
    text = text.replace("seed = 7", "seed = 5")
    recipe.write_text(text + VARIANTS, encoding="utf-8")
    args = ["run", recipe, "--variant", "all", *SETS, "--store", recipe.parent / "store"]
    said = command(*args)
    assert said.code == 0, said.err
    return recipe.parent, said


def test_each_variant_runs_and_what_is_the_same_is_made_once(
    study: tuple[Path, Any], command: Say
) -> None:
    folder, said = study
    assert sorted(path.name for path in (folder / "runs").iterdir() if path.is_dir()) == sorted(
        NAMES
    )
    counts = {kind: len(list((folder / "store" / kind).iterdir())) for kind in ("corpus", "shards")}
    assert counts == {"corpus": 1, "shards": 2}
    assert f"{WIDE}, 2 of 4" in said.err
    assert " of 4\n" not in (folder / "runs" / NAMES[0] / "log.txt").read_text(encoding="utf-8")
    args = ["run", folder / "recipe.toml", "--variant", "all", *SETS]
    again = command(*args, "--store", folder / "store", "--json").json()
    assert [Path(run["run"]).name for run in again["runs"]] == NAMES
    assert not any(stage["made"] for run in again["runs"] for stage in run["stages"])
    assert {run["name"] for run in again["comparison"]["runs"]} == set(NAMES)


def test_at_the_end_stands_the_table_that_compare_prints(
    study: tuple[Path, Any], command: Say
) -> None:
    folder, said = study
    table = said.out[said.out.index("test documents") :]
    again = command("compare", folder / "recipe.toml", "--store", folder / "store")
    assert again.code == 0, again.err
    assert again.out.strip() == table.strip()
    rows = {line.split()[0]: line for line in table.splitlines()[1:6]}
    assert set(rows) == {"run", *NAMES}
    assert "gpt2" in rows[WIDE]
    assert "page  " in table
    assert said.err.splitlines()[-1] == again.err.splitlines()[-1]
    assert said.err.splitlines()[-1].startswith(
        f"next: endonym generate {folder / 'runs'}/kechkena"
    )
    assert (folder / "runs" / "kechkena-comparison.html").is_file()
    assert said.out.count("next ") == 0


def test_differences_are_paired_even_where_the_tokenizers_differ(
    study: tuple[Path, Any], command: Say
) -> None:
    folder, _ = study
    found = command("compare", folder / "recipe.toml", "--store", folder / "store", "--json").json()
    assert found["same_documents"]
    values = [run["score"]["value"] for run in found["runs"]]
    assert values == sorted(values)
    assert len({run["score"]["n_bytes"] for run in found["runs"]}) == 1
    for run, value in zip(found["runs"], values, strict=True):
        beside = run["difference"]
        assert beside["value"] == pytest.approx(value - values[0], abs=1e-9)
        assert beside["low"] <= beside["value"] <= beside["high"]
        assert beside["is_claimed"] == (beside["low"] > 0)
    by_name = {run["name"]: run for run in found["runs"]}
    assert by_name[TWICE]["train_tokens"] == 12 * 256
    assert by_name[TWICE]["steps"] == 6
    rows = {line["model"].partition("+")[0] for line in found["baselines"]}
    counted = {
        f"{kind} of {name}"
        for kind in ("unigram", "bigram")
        for name in ("kechkena", "kechkena@letters")
    }
    assert rows == counted | {"compressor"}


def test_runs_that_hold_out_other_texts_are_not_subtracted(
    study: tuple[Path, Any], command: Say, tmp_path: Path
) -> None:
    folder, _ = study
    store = ["--store", folder / "store"]
    sets = ["--set", "name=other", "--set", "split.val_share=0.3", "--set", "phase.0.steps=2"]
    recipe = shutil.copy(folder / "recipe.toml", folder / "other.toml")
    assert command("run", recipe, *sets, *store, "-q").code == 0
    said = command(
        "compare", PLAIN, f"other{overrides_name(sets[1::2])}", *store, "--out", tmp_path
    )
    assert said.code == 0
    assert "scored on different test documents" in said.out
    assert "to the best" not in said.out
    assert "--text FILE" in said.err
    html = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "scored on different test documents" in html


def test_whether_a_source_helps_is_answered_on_held_out_texts_of_the_others(
    tmp_path: Path, small_recipe: Callable[[Path], Path], command: Say
) -> None:
    recipe = small_recipe(tmp_path / "project")
    keys = ["phase.0.steps=12", "evaluate.1=", "clean.min_chars=20"]
    keys += ["split.val_share=0.85", "split.block_bytes=150"]  # enough texts for an interval
    keys += ['tokenizer.sources={ others = 0.5, "*" = 0.5 }']
    sets = [word for key in keys for word in ("--set", key)]
    store = ("--store", recipe.parent / "store")
    said = command("run", recipe, "--ablate", "others", *sets, *store, "--json")
    assert said.code == 0, said.err
    found = said.json()["comparison"]
    by_name = {run["name"].partition("+")[0]: run for run in found["runs"]}
    whole, without = by_name["kechkena"], by_name["kechkena-without-others"]
    assert found["shared_documents"] == without["score"]["n_documents"]
    assert whole["score"]["n_documents"] > found["shared_documents"], "others have their own"
    assert without["compared"]["value"] == pytest.approx(without["score"]["value"])
    apart = abs(without["compared"]["value"] - whole["compared"]["value"])
    beside = found["runs"][1]["difference"]
    assert beside["value"] == pytest.approx(apart)
    assert beside["low"] < beside["value"] < beside["high"]
    assert beside["is_claimed"] == (beside["low"] > 0)
    assert whole["train_tokens"] == without["train_tokens"] == 12 * 256


def test_under_three_seeds_the_same_documents_are_held_out_and_the_spread_is_told(
    tmp_path: Path, small_recipe: Callable[[Path], Path], command: Say
) -> None:
    recipe = small_recipe(tmp_path / "project")
    text = recipe.read_text(encoding="utf-8").replace("steps = 40", "steps = 3")
    recipe.write_text(text.replace("eval_every_steps = 8", "eval_every_steps = 3"), "utf-8")
    store = ("--store", recipe.parent / "store")
    planned = command("run", recipe, "--seeds", "3", "--dry-run", *store, "--json").json()
    assert len(planned["runs"]) == 3
    said = command("run", recipe, "--seeds", "3", *store)
    assert said.code == 0, said.err
    counts = {kind: len(list((recipe.parent / "store" / kind).iterdir())) for kind in KINDS}
    assert counts == {"corpus": 1, "tokenizer": 1, "shards": 1, "model": 3}
    assert "kechkena: " in said.out
    lines = [line for line in said.out.splitlines() if line.startswith("unigram")]
    assert len(lines) == 1, "the table of each run stands in its report"
    assert said.out.count("report  ") == 3
    found = command("compare", recipe, *store, "--json").json()
    assert found["same_documents"]
    (group,) = found["seeds"]
    values = [run["score"]["value"] for run in found["runs"]]
    assert len(set(values)) == 3
    assert (group["name"], group["seeds"]) == ("kechkena", [7, 8, 9])
    assert group["mean"] == pytest.approx(sum(values) / 3)
    assert group["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert f"{group['mean']:.4f} bits per byte on average over 3 seeds" in found["notes"][0]
    assert "bigram" in {line["model"] for line in found["baselines"]}
    folders = {Path(run["run"]).name for run in found["runs"]}
    assert len(folders) == 3
    assert "kechkena" in folders
    alone = command("run", recipe, "--seeds", "2", "--set", "evaluate.0=", *store)
    assert "not compared" in alone.err
    assert alone.out.count("\nsample\n") == 4, "else each run's own results: two prompts each"
