"""`[model] folder`: what may not be said beside it, with its lines."""

from pathlib import Path

import pytest

from endonym.config import identity
from endonym.errors import RecipeError
from endonym.recipe.recipe import Recipe

HEAD = """\
name = "tatar"
language = "tt"
[[source]]
name = "leipzig"
path = "texts"
"""


def load(folder: Path, body: str) -> Recipe:
    (folder / "gemma").mkdir(exist_ok=True)
    (folder / "gemma" / "config.json").write_text("{}", encoding="utf-8")
    path = folder / "recipe.toml"
    path.write_text(HEAD + body, encoding="utf-8")
    return Recipe.load(path)


def test_the_folder_starts_at_the_recipe_and_is_no_identity(tmp_path: Path) -> None:
    recipe = load(tmp_path, '[model]\nfolder = "gemma"\n[[phase]]\n')
    assert recipe.model_folder == tmp_path / "gemma"
    assert "folder" not in identity(recipe.model)
    assert load(tmp_path, "[[phase]]\n").model_folder is None


def test_everything_that_the_folder_settles_is_reported_with_its_line(tmp_path: Path) -> None:
    body = (
        '[model]\nfolder = "gemma"\ndim = 64\nmixer.heads = 2\n[tokenizer]\nvocab = 400\n'
        '[[phase]]\nstart = "scratch"\n'
    )
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, body)
    text = str(caught.value)
    for line, message in {
        8: "dim is set by model.folder.",
        9: "mixer is set by model.folder.",
        11: "vocab is set by model.folder.",
        13: 'start = "scratch" forgets what model.folder holds.',
    }.items():
        assert f"recipe.toml:{line}: {message}" in text
    assert text.count("Leave one of the two out.") == 4


def test_a_folder_that_is_not_there_is_reported_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.toml:7: there is no config\.json in gemini\."):
        load(tmp_path, '[model]\nfolder = "gemini"\n[[phase]]\n')
