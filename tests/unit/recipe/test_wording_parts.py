"""What is wrong with a mixer or a feed-forward, which may be one table or a list of them."""

from pathlib import Path

import pytest
from wrong_recipes import problem_drawn, refusal

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


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_inside_a_part_is_reported_where_it_stands(case: str, tmp_path: Path) -> None:
    body, line, message, under, do = WRONG[case]
    (advice,) = problem_drawn(tmp_path, HEAD + body, line=line, message=message, under=under)
    assert advice.startswith(do)


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
