"""The prose of the reference keeps its word: its example is a recipe, its overrides are taken."""

import re
from pathlib import Path

import pytest

from endonym.errors import RecipeError
from endonym.recipe.recipe import Recipe
from endonym.recipe.reference import FOLDER, markdown


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example, with the file that it names."""
    file = tmp_path / "tatar.toml"
    file.write_bytes((FOLDER / "example.toml").read_bytes())
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "tatar.txt").write_text("Кояшлы көндә\n", encoding="utf-8")
    return file


def test_the_example_on_the_page_is_a_recipe_and_so_are_its_variants(example: Path) -> None:
    assert Recipe.load(example).language == "tt"
    for variant in Recipe.variants(example):
        assert Recipe.load(example, variant=variant).run_name == f"tatar@{variant}"


def test_every_override_that_is_shown_can_be_typed(example: Path) -> None:
    shown = re.findall(r"`--set (\S+=\w*)", markdown().partition("## `--set`")[2])
    assert len(shown) >= 4
    assert "phase.0.tokens=" in shown
    for override in shown:
        assert Recipe.load(example, sets=(override,)).sets == (override,)
    assert Recipe.load(example, sets=("model.layers=2",)).model.layers == 2
    assert Recipe.load(example, sets=("phase.pretrain.steps=10",)).phase[0].steps == 10


def test_a_variant_replaces_a_table_and_shares_the_rest(example: Path) -> None:
    """As the page says, and the comments of the example."""
    plain, wide = Recipe.load(example), Recipe.load(example, variant="wide")
    assert (wide.model.dim, wide.model.layers, wide.model.mixer.heads) == (768, 4, 12)
    assert wide.model.family == type(wide.model).model_fields["family"].default
    for table in ("source", "clean", "split", "tokenizer", "pack", "phase"):
        assert getattr(wide, table) == getattr(plain, table)
    assert "does not merge" in " ".join(markdown().split())


def test_a_phase_may_have_one_budget_or_none(example: Path) -> None:
    """As the rules of the page say."""
    assert "one of `steps`, `tokens` and `epochs`" in markdown()
    with pytest.raises(RecipeError, match="steps"):
        Recipe.load(example, sets=("phase.0.epochs=2",))
    none = Recipe.load(example, sets=("phase.0.steps=",)).phase[0]
    assert (none.steps, none.tokens, none.epochs) == (None, None, None)
