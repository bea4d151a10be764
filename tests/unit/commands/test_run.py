"""`endonym run`: everything is checked before the first run, and what a run says afterwards."""

from collections.abc import Callable
from pathlib import Path

import pytest

from endonym.autopilot import resolve
from endonym.autopilot.model_size import Facts
from endonym.commands.run import describe_plan
from endonym.log import Log
from endonym.recipe.recipe import Recipe
from endonym.store import Store


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    return Recipe.load(small_recipe(tmp_path / "project"))


def test_a_dry_run_names_what_the_device_that_was_named_would_make(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its batches are larger, so that the model is another one; the shards are the same."""
    monkeypatch.setattr(resolve, "estimate", lambda n_bytes: Facts(n_bytes, 10**7, 30.0))
    lines = [line for line in recipe.text.split("\n") if not line.startswith("batch_tokens")]
    recipe.path.write_text("\n".join(lines), encoding="utf-8")
    bare, store, log = Recipe.load(recipe.path), Store(tmp_path / "store"), Log(quiet=True)
    here, there = (describe_plan(bare, store, log, target=each) for each in ("cpu", "cuda"))
    differing = {one["name"] for one, two in zip(here, there, strict=True) if one != two}
    assert "shards" not in differing
    assert any(name.startswith("model") for name in differing)
