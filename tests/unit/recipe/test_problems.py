"""Problems of a recipe: the line that each is shown at, and all of them in one error."""

from pathlib import Path

import pytest

from endonym.errors import MissingSource, RecipeError
from endonym.recipe.problems import Origin, Problem, RecipeLines, refuse

TEXT = """\
name = "tatar"
seed = 7

[model]
dim = 64
mixer.heads = 3

[[phase]]
name = "әкият"

[variant.wide.model]
dim = 96
"""
FILE = Path("r.toml")
ORIGIN = Origin(FILE, TEXT)


def drawn(problem: Problem, origin: Origin = ORIGIN) -> list[str]:
    """Where it is said to be, the line that is shown, and what the carets point at."""
    block = RecipeLines(origin).block(problem)
    message, *rest = block.message.split("\n")
    assert message == problem.message
    assert block.do == problem.do
    if not rest:
        return [block.where]
    line, carets = rest
    assert f":{block.line}" in block.where
    return [block.where, line.strip(), line[carets.index("^") : len(carets)]]


def test_a_problem_points_at_its_key_or_at_its_value() -> None:
    heads = ("model", "mixer", "heads")
    assert drawn(Problem(heads, "3 heads.")) == ["r.toml:6", "mixer.heads = 3", "heads"]
    assert drawn(Problem(heads, "3 heads.", at_value=True)) == ["r.toml:6", "mixer.heads = 3", "3"]
    name = Problem(("phase", 0, "name"), "a name.", "Change it.", at_value=True)
    assert drawn(name) == ["r.toml:9", 'name = "әкият"', '"әкият"']


def test_a_key_that_is_not_written_is_shown_at_the_nearest_table_above_it() -> None:
    deep = Problem(("model", "mixer", "kv_heads", 0), "it is missing.", at_value=True)
    assert drawn(deep) == ["r.toml:6", "mixer.heads = 3", "mixer"]
    inline = Origin(FILE, "[model]\nffn = { hidden = 3 }\n")
    kind = Problem(("model", "ffn", "kind"), "it is missing.", at_value=True)
    assert drawn(kind, inline) == ["r.toml:2", "ffn = { hidden = 3 }", "ffn"]
    assert drawn(Problem(("model", "layers"), "it is missing.")) == ["r.toml:4", "[model]", "model"]
    assert drawn(Problem(("phase", 0, "lr"), "it is wrong.")) == ["r.toml:8", "[[phase]]", "phase"]


def test_what_has_no_place_in_the_file_is_said_at_its_first_line() -> None:
    assert drawn(Problem(("source",), "source is missing.")) == ["r.toml:1"]
    assert drawn(Problem((), "it is no recipe.")) == ["r.toml:1"]


def test_a_table_that_a_variant_replaces_is_shown_in_the_variant() -> None:
    wide = Origin(FILE, TEXT, variant="wide")
    assert drawn(Problem(("model", "dim"), "96."), wide) == ["r.toml:12", "dim = 96", "dim"]
    missing = Problem(("model", "mixer"), "it is missing.")
    assert drawn(missing, wide) == ["r.toml:11", "[variant.wide.model]", "model"]
    assert drawn(Problem(("seed",), "7."), wide) == ["r.toml:2", "seed = 7", "seed"]


def test_a_value_from_the_command_line_is_named_as_it_was_typed() -> None:
    labels = {("model", "dim"): "--set model.dim=65", ("phase", 0): "--set phase.0.lr=1"}
    laid = Origin(FILE, TEXT, labels=labels)
    assert drawn(Problem(("model", "dim"), "65."), laid) == ["--set model.dim=65"]
    assert drawn(Problem(("phase", 0, "name"), "it."), laid) == ["--set phase.0.lr=1"]
    assert drawn(Problem(("seed",), "7.", where="--set seed"), laid) == ["--set seed"]


def test_a_line_is_shown_with_the_override_that_it_does_not_fit() -> None:
    laid = Origin(FILE, TEXT, labels={("model", "dim"): "--set model.dim=65"})
    heads = Problem(("model", "mixer", "heads"), "3 heads.", about=(("model", "dim"),))
    place = "r.toml:6, with --set model.dim=65"
    assert drawn(heads, laid) == [place, "mixer.heads = 3", "heads"]
    assert drawn(Problem(("model", "layers"), "1.", about=(("model",),)), laid) == [
        "--set model.dim=65"
    ]


def refused(*found: tuple[list[Problem], Origin]) -> str:
    with pytest.raises(RecipeError) as caught:
        refuse(found)
    return str(caught.value)


def test_without_a_problem_nothing_is_refused() -> None:
    refuse([([], ORIGIN), ([], Origin(FILE, "no TOML [", variant="wide"))])


def test_one_problem_is_the_error_itself() -> None:
    with pytest.raises(MissingSource) as caught:
        refuse([([Problem(("seed",), "7.", "Take 8.")], ORIGIN)], MissingSource)
    assert (caught.value.where, caught.value.do) == ("r.toml:2", "Take 8.")
    assert caught.value.message.startswith("7.\n")


def test_problems_stand_in_the_order_of_the_lines_and_each_once() -> None:
    heads, seed = Problem(("model", "dim"), "64."), Problem(("seed",), "7.")
    typed = Problem((), "a key is needed.", where="--set")
    blocks = refused(([typed, heads, seed, heads], ORIGIN)).split("\n\n")
    assert [block.partition(": ")[0] for block in blocks] == ["r.toml:2", "r.toml:5", "--set"]


def test_what_only_a_variant_has_wrong_is_said_with_its_name() -> None:
    dim, seed = Problem(("model", "dim"), "wrong."), Problem(("seed",), "7.")
    wide = Origin(FILE, TEXT, variant="wide")
    blocks = refused(([seed, dim], ORIGIN), ([seed, dim], wide)).split("\n\n")
    assert [block.partition(": ")[0] for block in blocks] == [
        "r.toml:2",
        "r.toml:5",
        "r.toml:12, in variant wide",
    ]
    assert refused(([dim], wide)).startswith("r.toml:12: ")
