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
    "a key that others write in another unit": (
        "batch_size = 8",
        7,
        "phase.0.batch_size is not a key of a phase.",
        "batch_size",
        "Did you mean `batch_tokens`?  batch_size: batch_tokens = batch size × context.  "
        "All keys: endonym explain phase",
    ),
    "a table that others have": (
        "[train]\nlr = 3e-4\nsteps = 9",
        7,
        "train is not a key of a recipe.",
        "train",
        "Did you mean `lr` in [[phase]]?  Tables: endonym explain",
    ),
    "what needs no key": (
        "resume = true",
        7,
        "phase.0.resume is not a key of a phase.",
        "resume",
        "It needs no key: the same `endonym run` goes on where it was stopped.",
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
        "phase.0: give one of steps, tokens, epochs and flops, not steps and tokens.",
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
    assert not advice.startswith("More") or advice == do


def test_a_recipe_without_texts_and_phases_says_so_at_its_first_line(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'name = "basme"\nlanguage = "ro"\n') == (
        "r.toml:1: phase is missing.\n"
        "Write it under [[phase]].  All keys: endonym explain phase\n\n"
        "r.toml:1: source is missing.\n"
        "Write it under [[source]].  All keys: endonym explain source"
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


WRONG_PARTS = {
    "a misspelt key of a dotted table": (
        "[model]\nmixer.head = 8",
        8,
        "model.mixer.head is not a key of a mixer.",
        "head",
        "Did you mean `heads`?  All keys: endonym explain model.mixer",
    ),
    "a misspelt key in braces": (
        "[model]\nffn = { hiden = 256 }",
        8,
        "model.ffn.hiden is not a key of a feed-forward.",
        "hiden",
        "Did you mean `hidden`?  All keys: endonym explain model.ffn",
    ),
    "a misspelt key of the second mixer": (
        "[[model.mixer]]\nheads = 4\n[[model.mixer]]\nhead = 4",
        10,
        "model.mixer.1.head is not a key of a mixer.",
        "head",
        "Did you mean `heads`?  All keys: endonym explain model.mixer",
    ),
    "a number out of bounds": (
        "[[model.mixer]]\nheads = 0",
        8,
        "model.mixer.0.heads must be at least 1, not 0.",
        "0",
        "More: endonym explain model.mixer.heads",
    ),
    "text for a number of the second mixer": (
        "[model]\nmixer = [{ heads = 4 }, { kind = 'mamba', state = '8' }]",
        8,
        'model.mixer.1.state must be a whole number, not the text "8".',
        "'8'",
        "Write it without quotes: state = 8",
    ),
    "a kind that is not in the table": (
        "[model]\nmixer.kind = 'rwkv'",
        8,
        'model.mixer.kind = "rwkv" is not one of "attention", "mamba", "mamba2".',
        "'rwkv'",
        "Meanings: endonym explain model.mixer.kind",
    ),
    "a scaling that is not in the table": (
        "[model]\nmixer.rope_scaling = { kind = 'dynamic', factor = 2 }",
        8,
        'model.mixer.rope_scaling.kind = "dynamic" is not one of "linear", "llama3", "yarn".',
        "'dynamic'",
        "Meanings: endonym explain model.mixer.rope_scaling.kind",
    ),
    "a scaling without its factor": (
        "[[model.mixer]]\nrope_scaling = { kind = 'linear' }",
        8,
        "model.mixer.0.rope_scaling.factor is missing.",
        "rope_scaling",
        "factor: how many times longer the new context is.",
    ),
    "no active expert": (
        "[model]\nffn.active = 0",
        8,
        "model.ffn.active must be at least 1, not 0.",
        "0",
        "More: endonym explain model.ffn.active",
    ),
    "a number for a mixer of a list": (
        "[model]\nmixer = [8]",
        8,
        "model.mixer must be a table, not 8.",
        "8",
        "More: endonym explain model.mixer",
    ),
}


@pytest.mark.parametrize("case", WRONG_PARTS)
def test_what_is_wrong_inside_a_part_is_reported_where_it_stands(case: str, tmp_path: Path) -> None:
    body, line, message, under, do = WRONG_PARTS[case]
    (advice,) = problem_drawn(tmp_path, HEAD + body, line=line, message=message, under=under)
    assert advice.startswith(do)
    assert not advice.startswith("More") or advice == do


def test_a_list_of_no_mixers_is_refused(tmp_path: Path) -> None:
    message = "model.mixer must hold at least 1, not []."
    problem_drawn(tmp_path, HEAD + "[model]\nmixer = []", line=8, message=message, under="[]")


def test_a_value_for_a_part_is_refused(tmp_path: Path) -> None:
    message = "model.ffn must be a table, not 8."
    problem_drawn(tmp_path, HEAD + "[model]\nffn = 8", line=8, message=message, under="8")


def test_every_wrong_key_of_a_list_is_reported(tmp_path: Path) -> None:
    body = "[[model.mixer]]\nhead = 4\n[[model.mixer]]\nkind = 'mamba'\nstates = 4\n"
    blocks = refusal(tmp_path, HEAD + body).split("\n\n")
    assert [block.split(" is not")[0] for block in blocks] == [
        "r.toml:8: model.mixer.0.head",
        "r.toml:11: model.mixer.1.states",
    ]


WRONG_VALUES = {
    "a number in quotes": (
        '[model]\nlayers = "12"',
        8,
        'model.layers must be a whole number, not the text "12".',
        '"12"',
        "Write it without quotes: layers = 12",
    ),
    "a whole number with an exponent": (
        "steps = 1e4",
        7,
        "phase.0.steps must be a whole number, not 10000.0.",
        "1e4",
        "Write steps = 10000: a point or an exponent makes a number not whole.",
    ),
    "true for a number": (
        "batch_tokens = true",
        7,
        "phase.0.batch_tokens must be a whole number, not true.",
        "true",
        "More: endonym explain phase.batch_tokens",
    ),
    "a learning rate in quotes": (
        'name = "әкият"\nlr = "3e-4"',
        8,
        'phase.әкият.lr must be a number, not the text "3e-4".',
        '"3e-4"',
        "More: endonym explain phase.lr",
    ),
    "a word for true": (
        '[model]\ntied = "True"',
        8,
        'model.tied must be true or false, not the text "True".',
        '"True"',
        "Write it without quotes and small: tied = true",
    ),
    "a number for text": (
        "[clean]\nscript = 7",
        8,
        "clean.script must be text, not 7.",
        "7",
        'Write it in quotes: script = "7"',
    ),
    "one value for a list": (
        '[clean]\ndedup = "exact"',
        8,
        'clean.dedup must be a list, not the text "exact".',
        '"exact"',
        'Write it in brackets: dedup = ["exact"]',
    ),
    "one table for a list of tables": (
        "[export]\nformat = 'huggingface'",
        7,
        "export must be a list, not a table.",
        "export",
        "Write [[export]], in two brackets: there may be several.",
    ),
    "a list of tables for one table": (
        "[[model]]\nlayers = 2",
        7,
        'model must be a table, not [{"layers": 2}].',
        "model",
        "Write [model], in single brackets: there is one.",
    ),
    "a value for a table": (
        "[model]\nmixer = 8",
        8,
        "model.mixer must be a table, not 8.",
        "8",
        "More: endonym explain model.mixer",
    ),
    "a column that is neither number nor name": (
        '[[source]]\nname = "b"\npath = "b"\ncolumn = 1.5',
        10,
        "source.b.column must be a whole number or text, not 1.5.",
        "1.5",
        "More: endonym explain source.column",
    ),
    "a column below one": (
        '[[source]]\nname = "b"\npath = "b"\ncolumn = 0',
        10,
        "source.b.column must be at least 1, not 0.",
        "0",
        "More: endonym explain source.column",
    ),
    "a misspelt choice": (
        "[tokenizer]\nkind = 'bep'",
        8,
        'tokenizer.kind = "bep" is not one of "bpe", "unigram", "char", "byte".',
        "'bep'",
        "Did you mean `bpe`?  Meanings: endonym explain tokenizer.kind",
    ),
    "a choice in a list": (
        '[clean]\nnormalize = [\n  "nfc",\n  "space",\n]',
        10,
        'clean.normalize = "space" is not one of "mojibake", "nfc", "controls", "zero_width", '
        '"look_alikes", "bashkir_letters", "chuvash_letters", "persian_letters", '
        '"french_apostrophes", "french_spaces", "kazakh_letters", "khmer_order", '
        '"kyrgyz_letters", "romanian_commas", "tatar_letters", "spaces".',
        '"space"',
        "Did you mean `spaces`?  Meanings: endonym explain clean.normalize",
    ),
    "a family that is not in the table": (
        '[model]\nfamily = "bert"',
        8,
        'model.family = "bert" is not one of "qwen3", "llama", "mistral", "gpt2", "gptneox", '
        '"falcon", "mamba", "mamba2", "moe".',
        '"bert"',
        "Meanings: endonym explain model.family",
    ),
    "a share above one": (
        "[split]\nval_share = 5",
        8,
        "split.val_share must be below 1, not 5.",
        "5",
        "More: endonym explain split.val_share",
    ),
    "too small a vocabulary": (
        "[tokenizer]\nvocab = 100",
        8,
        "tokenizer.vocab must be at least 259, not 100.",
        "100",
        "More: endonym explain tokenizer.vocab",
    ),
    "too few numbers in a pair": (
        "betas = [0.9]",
        7,
        "phase.0.betas has too few values.",
        "betas",
        "More: endonym explain phase.betas",
    ),
    "too many numbers in a pair": (
        "betas = [0.9, 0.95, 0.99]",
        7,
        "phase.0.betas must hold at most 2, not [0.9, 0.95, 0.99].",
        "[0.9, 0.95, 0.99]",
        "More: endonym explain phase.betas",
    ),
    "a name with a slash": (
        'name = "a/b"',
        7,
        'phase.0.name must be 1 to 64 letters, digits, `_`, `.` or `-`, not the text "a/b".',
        '"a/b"',
        "More: endonym explain phase.name",
    ),
    "a share in per cent": (
        "sources = { leipzig = 90 }",
        7,
        "phase.0.sources.leipzig must be at most 1, not 90.",
        "90",
        "More: endonym explain phase.sources",
    ),
    "a share in quotes": (
        'sources = { leipzig = "0.9" }',
        7,
        'phase.0.sources.leipzig must be a number, not the text "0.9".',
        '"0.9"',
        "Write it without quotes: leipzig = 0.9",
    ),
    "a number in a list of sources": (
        "sources = [7]",
        7,
        "phase.0.sources must be text, not 7.",
        "7",
        "Write it in quotes",
    ),
    "a source without a list": (
        'sources = "leipzig"',
        7,
        'phase.0.sources must be a table or a list, not the text "leipzig".',
        '"leipzig"',
        "More: endonym explain phase.sources",
    ),
    "a date": (
        "name = 2024-05-01",
        7,
        "phase.0.name = 2024-05-01 is a date or a time.",
        "2024-05-01",
        'Write it in quotes: "2024-05-01"',
    ),
    "an infinite number": (
        "lr = inf",
        7,
        "phase.0.lr = inf is not a number one can use.",
        "inf",
        "Write a finite number.",
    ),
}


@pytest.mark.parametrize("case", WRONG_VALUES)
def test_a_wrong_value_names_its_line_and_what_was_expected_and_found(
    case: str, tmp_path: Path
) -> None:
    body, line, message, under, do = WRONG_VALUES[case]
    (advice,) = problem_drawn(tmp_path, HEAD + body, line=line, message=message, under=under)
    assert advice.startswith(do)
    assert not advice.startswith("More") or advice == do
