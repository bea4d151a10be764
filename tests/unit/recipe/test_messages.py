"""What a wrong recipe says: the line, the carets, what was expected, and what to do."""

from pathlib import Path

import pytest
from wrong_recipes import HEAD, cases, problem_drawn, refusal

from endonym.errors import MissingSource, RecipeError
from endonym.recipe.problems import Origin, Problem, block_of, refuse
from endonym.recipe.recipe import Recipe
from endonym.recipe.text import normal, scan

WRONG = """
batch_size = 8
    7 ¦ batch_size ¦ phase.0.batch_size is not a key of a phase.
    Did you mean `batch_tokens`?  batch_size: batch_tokens = batch size × context.  All keys: endonym explain phase
[train] ⏎ lr = 3e-4 ⏎ steps = 9
    7 ¦ train ¦ train is not a key of a recipe.
    Did you mean `lr` in [[phase]]?  Tables: endonym explain
resume = true
    7 ¦ resume ¦ phase.0.resume is not a key of a phase.
    It needs no key: the same `endonym run` goes on where it was stopped.
[model] ⏎ ⏎ heads = 8
    9 ¦ heads ¦ model.heads is not a key of a model.
    Did you mean `mixer.heads`?  All keys: endonym explain model
[pack] ⏎ seed = 1
    8 ¦ seed ¦ pack.seed is not a key of packing.
    Did you mean `seed` at the top of the recipe?  All keys: endonym explain pack
[[evaluation]] ⏎ kind = 'bits'
    7 ¦ evaluation ¦ evaluation is not a key of a recipe.
    Did you mean `evaluate`?  Tables: endonym explain
[clean] ⏎ min-chars = 20
    8 ¦ min-chars ¦ clean.min-chars is not a key of cleaning.
    Did you mean `min_chars`?
[clean] ⏎ "сүзләр" = 20
    8 ¦ "сүзләр" ¦ clean.сүзләр is not a key of cleaning.
    All keys: endonym explain clean
[[source]] ⏎ name = "китап" ⏎ pth = "books" ⏎ path = "books"
    9 ¦ pth ¦ source.китап.pth is not a key of a source.
    Did you mean `path`?  All keys: endonym explain source
[[source]] ⏎ path = "b"
    7 ¦ source ¦ source.1.name is missing.
    name: what scores and tables call it.  All keys: endonym explain source
steps = 10 ⏎ tokens = 100
    6 ¦ phase ¦ phase.0: give one of steps, tokens, epochs and flops, not steps and tokens (--set phase.steps= takes steps away, --set phase.tokens= takes tokens away).
    More: endonym explain phase
[model] ⏎ mixer.head = 8
    8 ¦ head ¦ model.mixer.head is not a key of a mixer.
    Did you mean `heads`?  All keys: endonym explain model.mixer
[[model.mixer]] ⏎ heads = 4 ⏎ [[model.mixer]] ⏎ head = 4
    10 ¦ head ¦ model.mixer.1.head is not a key of a mixer.
    Did you mean `heads`?  All keys: endonym explain model.mixer
[model] ⏎ mixer = [{ heads = 4 }, { kind = 'mamba', state = '8' }]
    8 ¦ '8' ¦ model.mixer.1.state must be a whole number, not the text "8".
    Write it without quotes: state = 8
[model] ⏎ mixer.kind = 'rwkv'
    8 ¦ 'rwkv' ¦ model.mixer.kind = "rwkv" is not one of "attention", "mamba", "mamba2".
    Meanings: endonym explain model.mixer.kind
[[model.mixer]] ⏎ rope_scaling = { kind = 'linear' }
    8 ¦ rope_scaling ¦ model.mixer.0.rope_scaling.factor is missing.
    factor: how many times longer the new context is.
[model] ⏎ ffn.active = 0
    8 ¦ 0 ¦ model.ffn.active must be at least 1, not 0.
    More: endonym explain model.ffn.active
[model] ⏎ mixer = [8]
    8 ¦ 8 ¦ model.mixer must be a table, not 8.
    More: endonym explain model.mixer
[model] ⏎ layers = "12"
    8 ¦ "12" ¦ model.layers must be a whole number, not the text "12".
    Write it without quotes: layers = 12
steps = 1e4
    7 ¦ 1e4 ¦ phase.0.steps must be a whole number, not 10000.0.
    Write steps = 10000: a point or an exponent makes a number not whole.
batch_tokens = true
    7 ¦ true ¦ phase.0.batch_tokens must be a whole number, not true.
    More: endonym explain phase.batch_tokens
name = "әкият" ⏎ lr = "3e-4"
    8 ¦ "3e-4" ¦ phase.әкият.lr must be a number, not the text "3e-4".
    More: endonym explain phase.lr
[model] ⏎ tied = "True"
    8 ¦ "True" ¦ model.tied must be true or false, not the text "True".
    Write it without quotes and small: tied = true
[clean] ⏎ script = 7
    8 ¦ 7 ¦ clean.script must be text, not 7.
    Write it in quotes: script = "7"
[clean] ⏎ dedup = "exact"
    8 ¦ "exact" ¦ clean.dedup must be a list, not the text "exact".
    Write it in brackets: dedup = ["exact"]
[export] ⏎ format = 'huggingface'
    7 ¦ export ¦ export must be a list, not a table.
    Write [[export]], in two brackets: there may be several.
[[model]] ⏎ layers = 2
    7 ¦ model ¦ model must be a table, not [{"layers": 2}].
    Write [model], in single brackets: there is one.
[model] ⏎ mixer = 8
    8 ¦ 8 ¦ model.mixer must be a table, not 8.
    More: endonym explain model.mixer
[[source]] ⏎ name = "b" ⏎ path = "b" ⏎ column = 1.5
    10 ¦ 1.5 ¦ source.b.column must be a whole number or text, not 1.5.
    More: endonym explain source.column
[tokenizer] ⏎ kind = 'bep'
    8 ¦ 'bep' ¦ tokenizer.kind = "bep" is not one of "bpe", "unigram", "char", "byte", "keyboard".
    Did you mean `bpe`?  Meanings: endonym explain tokenizer.kind
[clean] ⏎ normalize = [ ⏎   "nfc", ⏎   "space", ⏎ ]
    10 ¦ "space" ¦ clean.normalize = "space" is not one of "mojibake", "nfc", "controls", "zero_width", "look_alikes", "bashkir_letters", "chuvash_letters", "persian_letters", "french_apostrophes", "french_spaces", "kazakh_letters", "khmer_order", "kyrgyz_letters", "romanian_commas", "tatar_letters", "spaces".
    Did you mean `spaces`?  Meanings: endonym explain clean.normalize
[split] ⏎ val_share = 5
    8 ¦ 5 ¦ split.val_share must be below 1, not 5.
    More: endonym explain split.val_share
betas = [0.9]
    7 ¦ betas ¦ phase.0.betas has too few values.
    More: endonym explain phase.betas
betas = [0.9, 0.95, 0.99]
    7 ¦ [0.9, 0.95, 0.99] ¦ phase.0.betas must hold at most 2, not [0.9, 0.95, 0.99].
    More: endonym explain phase.betas
name = "a/b"
    7 ¦ "a/b" ¦ phase.0.name must be 1 to 64 letters, digits, `_`, `.` or `-`, not the text "a/b".
    More: endonym explain phase.name
sources = "leipzig"
    7 ¦ "leipzig" ¦ phase.0.sources must be a table or a list, not the text "leipzig".
    More: endonym explain phase.sources
name = 2024-05-01
    7 ¦ 2024-05-01 ¦ phase.0.name = 2024-05-01 is a date, which no key takes.
    Write it in quotes: "2024-05-01"
lr = inf
    7 ¦ inf ¦ phase.0.lr = inf is not a number one can use.
    Write a finite number.
"""  # noqa: E501


@pytest.mark.parametrize(("body", "line", "under", "message", "do"), cases(WRONG))
def test_a_wrong_recipe_names_its_line_its_key_and_what_to_do(
    body: str, line: int, under: str, message: str, do: str, tmp_path: Path
) -> None:
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
        "r.toml:2", "r.toml:7", "r.toml:9", "r.toml:11", "r.toml:13",
    ]  # fmt: skip


def test_a_value_is_reported_once_even_if_it_is_wrong_in_several_ways(tmp_path: Path) -> None:
    body = '[[source]]\nname = "b"\npath = "b"\ncolumn = 0\n'
    assert refusal(tmp_path, HEAD + body).count("column") == 3


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
    text = normal(origin.text)
    block = block_of(problem, origin, text, scan(text))
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
    places = [block.partition(": ")[0] for block in blocks]
    assert places == ["r.toml:2", "r.toml:5", "r.toml:12, in variant wide"]
    assert refused(([dim], wide)).startswith("r.toml:12: ")
