"""What a wrong recipe is told, for the tests that hold the messages to their form."""

from pathlib import Path

import pytest

from endonym.errors import RecipeError
from endonym.recipe.recipe import Recipe


def refusal(folder: Path, text: str) -> str:
    """What the recipe's error says, with the file called r.toml."""
    file = folder / "r.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        Recipe.load(file)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(str(file), "r.toml")


def problem_drawn(folder: Path, text: str, *, line: int, message: str, under: str) -> list[str]:
    """The advice of a recipe's one problem, its place, line and carets having been checked."""
    place, drawn, carets, *advice = refusal(folder, text).splitlines()
    assert place == f"r.toml:{line}: {message}"
    assert drawn.strip() == text.splitlines()[line - 1].strip()
    assert drawn[carets.index("^") : len(carets)] == under
    return advice
