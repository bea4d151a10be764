"""How long a run takes, by its parts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from endonym.autopilot.machine import promised_parts
from endonym.autopilot.model_size import Facts
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


def test_each_part_is_counted_for_what_the_recipe_asks(recipe: Recipe) -> None:
    plain: dict[str, object] = {"evaluate": None, "export": None}
    bare = parts(recipe.with_values(plain))
    assert (bare["start"], bare["evaluation"], bare["export"]) == (3.0, 0.0, 0.0)
    # A fifth is held out, so a quarter of what is learnt; half of that is dev, and half test.
    judged = 1_000_000 / 4 / 2
    bits = plain | {"evaluate": [{"kind": "bits", "baselines": False}]}
    assert parts(recipe.with_values(bits))["evaluation"] == pytest.approx(2 * judged * 1e-3 / 3)
    unjoined = recipe.with_values(bits | {"pack.join": None})
    assert parts(unjoined)["evaluation"] == pytest.approx(judged * 1e-3 / 3)
    prompts = plain | {"evaluate": [{"kind": "prompts", "file": "prompts.txt", "max_tokens": 30}]}
    assert parts(recipe.with_values(prompts))["evaluation"] == pytest.approx(30 * 2 * 0.001)
    exports = [{"format": "huggingface"}, {"format": "gguf"}, {"format": "dataset"}]
    speed = {"evaluate": [{"kind": "speed"}], "export": exports}
    found = parts(recipe.with_values(speed))
    assert found["evaluation"] == pytest.approx(20 * (1 + 2 * 2))
    assert found["export"] == pytest.approx(2 * 0.5)


def test_held_out_documents_that_are_counted_are_read_in_validations(recipe: Recipe) -> None:
    few = recipe.with_values({"split.val_share": None, "split.val_documents": 40})
    # Half of forty documents of a hundred tokens, six times.
    assert parts(few)["validations"] == pytest.approx(6 * 2000 * 1e-3 / 3)
    often = few.with_values({"phase.0.eval_every_steps": 20})
    assert parts(often)["validations"] == pytest.approx(3 * 2000 * 1e-3 / 3)
