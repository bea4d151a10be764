"""What a wrong recipe is told, for the tests that hold the messages to their form."""

import re
from pathlib import Path

import pytest

from endonym.errors import RecipeError
from endonym.recipe.recipe import Recipe

HEAD = """\
name = "tatar"
language = "tt"
[[source]]
name = "leipzig"
path = "texts/*.txt"
[[phase]]
"""
"""Six right lines, so that a case's own lines begin with the seventh, inside a phase."""


def cases(table: str) -> list[tuple[str, int, str, str, str]]:
    """What follows the head (⏎ ends a line), and what is wrong: line, carets, message, advice.

    A case has three lines: the recipe's; "line ¦ what the carets are under ¦ message"; the advice.
    """
    lines = [line.strip() for line in table.strip().splitlines()]
    found: list[tuple[str, int, str, str, str]] = []
    for body, problem, advice in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        line, under, message = problem.split(" ¦ ")
        found.append((re.sub(" ?⏎ ?", "\n", body), int(line), under, message, advice))
    return found


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
