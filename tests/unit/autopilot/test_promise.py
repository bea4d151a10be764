"""How long a run takes, by its parts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from endonym.autopilot.model_size import Facts
from endonym.autopilot.promise import promised_parts
from endonym.autopilot.resolve import resolve_training, training_choices
from endonym.recipe.recipe import Recipe

FACTS = Facts(4_000_000, 1_000_000, 100.0)


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    return Recipe.load(small_recipe(tmp_path / "project"))


def parts(recipe: Recipe, pace: float = 1e-3) -> dict[str, float]:
    """The promise for a million tokens, with so many seconds for each token of training."""
    training = resolve_training(recipe, training_choices(recipe, FACTS, 400), FACTS, 400)
    return promised_parts(recipe, training, FACTS, [pace])


def test_every_part_of_a_run_is_promised(recipe: Recipe) -> None:
    found = parts(recipe)
    assert found["training"] == pytest.approx(40 * 256 * 1e-3)
    # Six validations of 32,768 tokens, each for a third of its training.
    assert found["validations"] == pytest.approx(6 * 32_768 * 1e-3 / 3)
    assert all(found[part] > 0 for part in ("samples", "evaluation", "export"))
    assert parts(recipe, 2e-3)["training"] == pytest.approx(2 * found["training"])


def test_what_a_recipe_does_not_ask_for_takes_no_time(recipe: Recipe) -> None:
    found = parts(recipe.with_values({"evaluate": None, "export": None}))
    assert (found["evaluation"], found["export"]) == (0.0, 0.0)
    bare = parts(recipe.with_values({"evaluate.0.baselines": False}))["evaluation"]
    assert bare < parts(recipe)["evaluation"]
