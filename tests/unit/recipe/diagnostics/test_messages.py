"""What a wrong recipe says: the line, the carets, what was expected, and what to do."""

from pathlib import Path

import pytest
from wrong_recipes import problem_drawn, refusal

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

WRONG = {
    "a misspelt key of a phase": (
        "step = 10",
        7,
        "phase.0.step is not a key of a phase.",
        "step",
        "Did you mean `steps`?  All keys: endonym explain phase",
    ),
    "another program's name for a key": (
        "learning_rate = 3e-4",
        7,
        "phase.0.learning_rate is not a key of a phase.",
        "learning_rate",
        "Did you mean `lr`?  All keys: endonym explain phase",
    ),
    "a key of a table inside this one": (
        "[model]\n\nheads = 8",
        9,
        "model.heads is not a key of a model.",
        "heads",
        "Did you mean `mixer.heads`?  All keys: endonym explain model",
    ),
    "a key that belongs to another table": (
        "[model]\nvocab = 8_192",
        8,
        "model.vocab is not a key of a model.",
        "vocab",
        "Did you mean `vocab` in [tokenizer]?  All keys: endonym explain model",
    ),
    "a key of the top below a header": (
        "[pack]\nseed = 1",
        8,
        "pack.seed is not a key of packing.",
        "seed",
        "Did you mean `seed` at the top of the recipe?  All keys: endonym explain pack",
    ),
    "a misspelt table": (
        "[tokeniser]\nvocab = 300",
        7,
        "tokeniser is not a key of a recipe.",
        "tokeniser",
        "Did you mean `tokenizer`?  Tables: endonym explain",
    ),
    "a misspelt list of tables": (
        "[[evaluation]]\nkind = 'bits'",
        7,
        "evaluation is not a key of a recipe.",
        "evaluation",
        "Did you mean `evaluate`?  Tables: endonym explain",
    ),
    "a key with a hyphen": (
        "[clean]\nmin-chars = 20",
        8,
        "clean.min-chars is not a key of cleaning.",
        "min-chars",
        "Did you mean `min_chars`?",
    ),
    "a key that resembles nothing": (
        '[clean]\n"сүзләр" = 20',
        8,
        "clean.сүзләр is not a key of cleaning.",
        '"сүзләр"',
        "All keys: endonym explain clean",
    ),
    "a misspelt key in the second source": (
        '[[source]]\nname = "китап"\npth = "books"\npath = "books"',
        9,
        "source.китап.pth is not a key of a source.",
        "pth",
        "Did you mean `path`?  All keys: endonym explain source",
    ),
    "a missing key": (
        '[[source]]\npath = "b"',
        7,
        "source.1.name is missing.",
        "source",
        "name: what scores and tables call it.  All keys: endonym explain source",
    ),
    "two budgets": (
        "steps = 10\ntokens = 100",
        6,
        "phase.0: give one of steps, tokens and epochs, not steps and tokens.",
        "phase",
        "More: endonym explain phase",
    ),
    "a threshold without its subject": (
        "[clean]\nmin_script_share = 0.8",
        7,
        "clean: min_script_share needs script.",
        "clean",
        "More: endonym explain clean",
    ),
    "prompts without their file": (
        "[[evaluate]]\nkind = 'bits'\n[[evaluate]]\nkind = 'prompts'",
        9,
        'evaluate.1: kind = "prompts" needs file, one prompt a line.',
        "evaluate",
        "More: endonym explain evaluate",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_recipe_names_its_line_its_key_and_what_to_do(case: str, tmp_path: Path) -> None:
    body, line, message, under, do = WRONG[case]
    (advice,) = problem_drawn(tmp_path, HEAD + body, line=line, message=message, under=under)
    assert advice.startswith(do)


def test_a_recipe_without_texts_and_phases_says_so_at_its_first_line(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'name = "basme"\nlanguage = "ro"\n') == (
        "r.toml:1: source is missing.\n"
        "Write it under [[source]].  All keys: endonym explain source\n\n"
        "r.toml:1: phase is missing.\n"
        "Write it under [[phase]].  All keys: endonym explain phase"
    )


def test_a_language_is_a_code_and_not_a_name(tmp_path: Path) -> None:
    text = HEAD.replace('"tt"', '"română"')
    assert refusal(tmp_path, text).splitlines()[0] == (
        'r.toml:2: language must be a language code such as "tt", "ro" or "zh-Hant", '
        'not the text "română".'
    )


@pytest.mark.parametrize("name", ["..", ".", "-q", "a/b", "a b", "", "ә" * 65])
def test_a_recipe_cannot_be_called_what_no_folder_can(name: str, tmp_path: Path) -> None:
    text = HEAD.replace('"tatar"', f'"{name}"')
    assert refusal(tmp_path, text).startswith("r.toml:1: name must be 1 to 64 letters")


@pytest.mark.parametrize("code", ["tt", "ro", "km", "kmr", "zh-Hant", "tt-Cyrl-RU", "x-gagauz"])
def test_codes_of_small_languages_are_languages(code: str, tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text(HEAD.replace('"tt"', f'"{code}"'), encoding="utf-8")
    assert Recipe.load(file).language == code


def test_all_problems_are_reported_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    body = "lr = -1\n[model]\nlayer = 2\n[clean]\nscript = 7\n[variant.b.pack]\ncontxt = 9\n"
    blocks = refusal(tmp_path, HEAD.replace('"tt"', "7") + body).split("\n\n")
    assert [block.split(": ")[0] for block in blocks] == [
        "r.toml:2",
        "r.toml:7",
        "r.toml:9",
        "r.toml:11",
        "r.toml:13",
    ]


def test_a_value_is_reported_once_even_if_it_is_wrong_in_several_ways(tmp_path: Path) -> None:
    body = '[[source]]\nname = "b"\npath = "b"\ncolumn = 0\n'
    assert refusal(tmp_path, HEAD + body).count("column") == 3
