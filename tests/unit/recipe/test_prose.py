"""The prose of the reference keeps its word: its example is a recipe, its overrides are taken."""

from pathlib import Path

from endonym.recipe.prose import EXAMPLE
from endonym.recipe.recipe import Recipe


def test_the_example_on_the_page_is_a_recipe_and_so_are_its_variants(tmp_path: Path) -> None:
    file = tmp_path / "tatar.toml"
    file.write_text(EXAMPLE, encoding="utf-8")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "tatar.txt").write_text("Кояшлы көндә\n", encoding="utf-8")
    assert Recipe.load(file).language == "tt"
    for variant in Recipe.variants(file):
        assert Recipe.load(file, variant=variant).run_name == f"tatar@{variant}"
