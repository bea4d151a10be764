"""What a wrong value says: what was expected, what was found, and how to write it."""

from pathlib import Path

import pytest
from wrong_recipes import problem_drawn

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
        'tokenizer.kind = "bep" is not one of "bpe", "char", "byte".',
        "'bep'",
        "Did you mean `bpe`?  Meanings: endonym explain tokenizer.kind",
    ),
    "a choice in a list": (
        '[clean]\nnormalize = [\n  "nfc",\n  "space",\n]',
        10,
        'clean.normalize = "space" is not one of "nfc", "spaces", "zero_width".',
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
        "tokenizer.vocab must be at least 257, not 100.",
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


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_names_its_line_and_what_was_expected_and_found(
    case: str, tmp_path: Path
) -> None:
    body, line, message, under, do = WRONG[case]
    (advice,) = problem_drawn(tmp_path, HEAD + body, line=line, message=message, under=under)
    assert advice.startswith(do)
