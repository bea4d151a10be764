"""What a text can feed."""

from pathlib import Path

from text_samples import TATAR, write

from endonym.autopilot.model_size import BYTES_PER_TOKEN
from endonym.autopilot.resolve import training_choices
from endonym.autopilot.text_size import TextSize
from endonym.recipe.recipe import Recipe
from endonym.survey.diagnosis import potential


def test_more_text_feeds_a_larger_model():
    small = potential(200_000, 110_000, 1_000, TATAR * 20)
    large = potential(200_000_000, 110_000_000, 1_000_000, TATAR * 20)
    assert small.parameters < large.parameters
    assert small.vocab < large.vocab
    assert small.as_dict()["layers"] == small.layers


def test_tokens_follow_from_a_tokenizer_that_is_tried():
    found = potential(100_000, 55_000, 500, TATAR * 30)
    assert 100_000 / 20 < found.tokens < 100_000
    assert potential(100_000, 55_000, 500, []).tokens == 25_000


def test_the_model_is_the_one_that_a_recipe_gets(tmp_path: Path):
    text = "name = 'a'\nlanguage = 'tt'\n[[source]]\nname = 'a'\npath = 'a'\n[[phase]]\nname = 'a'"
    recipe = Recipe.load(write(tmp_path, "recipe.toml", text))
    for size in (1_000_000, 10_000_000, 30_000_000, 100_000_000):
        found = potential(size, size // 2, size // 100, [])
        facts = TextSize(size, size // 2, 1.0, 100.0, ()).facts(recipe.split, BYTES_PER_TOKEN)
        chosen = training_choices(recipe, facts, found.vocab)
        keys = (chosen["model.dim"].value, chosen["model.layers"].value)
        assert (found.dim, found.layers) == keys
        assert found.is_enough


def test_ten_bytes_are_enough_for_no_model():
    assert not potential(10, 6, 1, TATAR[:1]).is_enough


def test_no_text_is_no_error():
    assert potential(0, 0, 0, []).tokens == 0
