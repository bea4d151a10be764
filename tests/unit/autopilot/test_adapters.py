"""Adapters are held against the model's shape and the exports, and refused by their lines."""

from collections.abc import Callable
from pathlib import Path

import pytest
from laws.shapes import shape
from toys import train_config

from endonym.autopilot.cautions import require_adapters
from endonym.errors import RecipeError
from endonym.model.config import ModelConfig
from endonym.recipe.recipe import Recipe
from endonym.train.config import TrainConfig

Refused = Callable[..., tuple[str, Callable[[str], int]]]
PHASE = """
[[phase]]
name = "{}"
steps = 4
adapt = {}
"""
ALONE = '\n[[export]]\nformat = "{}"\n'


def configs(recipe: Recipe) -> tuple[TrainConfig, ...]:
    """The phases as the check receives them."""
    return tuple(
        train_config(name=each.name).but(adapt=each.adapt.resolved() if each.adapt else None)
        for each in recipe.phase
    )


@pytest.fixture
def refusal_of(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Refused:
    """What is said of the small recipe with more after it, on a model, and the lines of words."""
    path = small_recipe(tmp_path / "project")
    ground = path.read_text(encoding="utf-8")

    def refusal(more: str, model: ModelConfig) -> tuple[str, Callable[[str], int]]:
        path.write_text(ground + more, encoding="utf-8")

        def line_of(words: str) -> int:
            return (ground + more).partition(words)[0].count("\n") + 1

        recipe = Recipe.load(path)
        try:
            require_adapters(recipe, model, configs(recipe))
        except RecipeError as error:
            return str(error), line_of
        return "", line_of

    return refusal


def test_adapters_that_do_not_fit_are_told_with_their_phase_and_line(refusal_of: Refused) -> None:
    narrow = shape("llama", dim=16)  # as of a folder; the recipe's own is wider
    short, long = "{ rank = 20 }", '{ rank = 32, on = ["query"] }'
    said, line_of = refusal_of(PHASE.format("кыска", short) + PHASE.format("озын", long), narrow)
    for keys in (short, long):
        assert f"recipe.toml:{line_of(keys)}: rank = " in said
        assert keys in said
    assert "Choose at most" in said


def test_a_format_that_cannot_hold_the_last_adapter_is_told_with_its_line(
    refusal_of: Refused,
) -> None:
    model = shape("llama")
    dora, plain = PHASE.format("a", "{ dora = true }"), PHASE.format("b", "{}")
    said, line_of = refusal_of(plain + dora + ALONE.format("gguf-adapter"), model)
    assert f"recipe.toml:{line_of('gguf-adapter')}: llama.cpp adds B A to a matrix" in said
    assert not refusal_of(plain + dora + ALONE.format("adapter"), model)[0]


def test_the_adapter_of_an_earlier_phase_is_not_exported(refusal_of: Refused) -> None:
    more = PHASE.format("a", "{ dora = true }") + PHASE.format("b", "{}")
    assert not refusal_of(more + ALONE.format("gguf-adapter"), shape("llama"))[0]
