"""Contradictions between keys, files that are not there, and what a folder of a model may be."""

import os
from pathlib import Path
from typing import Any

import pytest
from wrong_recipes import HEAD, cases, problem_drawn, refusal

from endonym.errors import Damaged, RecipeError
from endonym.recipe.checks import base_model, contradictions, missing_files, missing_sources
from endonym.recipe.recipe import Recipe
from endonym.store import write_sealed
from endonym.tokenizer.chat_template import CHATML
from endonym.train.config import Phase

CONTRADICTIONS = """
[[source]] ⏎ name = "leipzig" ⏎ path = "b"
    8 ¦ "leipzig" ¦ source 2 is called "leipzig", as source 1 is.
    Give each its own name.
steps = 3 ⏎ [[phase]]
    8 ¦ phase ¦ phase 2 is called "pretrain", as phase 1 is.
    Give each its own name.
[tokenizer] ⏎ kind = "byte" ⏎ vocab = 300
    9 ¦ 300 ¦ kind = "byte" always has 259 ids, not 300.
    Leave vocab out, or choose kind = "bpe".
steps = 3 ⏎ subword_dropout = 0.2 ⏎ [tokenizer] ⏎ kind = "char"
    8 ¦ 0.2 ¦ kind = "char" has no tokens that can be split.
    Leave subword_dropout out, or choose kind = "bpe".
objective = "autocorrect"
    7 ¦ "autocorrect" ¦ objective = "autocorrect" reads keys from A to Z, and Tatar is written in Cyrillic.
    Leave this phase out: the keyboard asks a model of another script for the next word alone.
[[export]] ⏎ format = "keyboard"
    8 ¦ "keyboard" ¦ format = "keyboard" needs pieces that carry the blank behind them, which kind = "bpe" has not.
    Write kind = "keyboard" in [tokenizer].
[tokenizer] ⏎ sources = { khmer = 1.0 }
    8 ¦ { khmer = 1.0 } ¦ no source is called "khmer".
    Sources here: leipzig.
[[clean.replace]] ⏎ find = "э" ⏎ sources = ["khmer"]
    9 ¦ ["khmer"] ¦ no source is called "khmer".
    Sources here: leipzig.
[[source]] ⏎ name = "en" ⏎ path = "b" ⏎ clean = { dedup = ["exact"] }
    10 ¦ dedup ¦ dedup is of all texts together, and no source has its own.
    Write it in [clean].
[[source]] ⏎ name = "en" ⏎ path = "b" ⏎ clean = { min_char = 5 }
    10 ¦ min_char ¦ min_char is not a key of [clean].
    Did you mean `min_chars`?  All keys: endonym explain clean
[[source]] ⏎ name = "en" ⏎ path = "b" ⏎ clean = { min_chars = "5" }
    10 ¦ "5" ¦ min_chars must be a whole number, not the text "5".
    Write it without quotes: min_chars = 5
[pack] ⏎ join = ["leipzig", "шигырь"]
    8 ¦ ["leipzig", "шигырь"] ¦ no source is called "шигырь".
    Sources here: leipzig.
[tokenizer] ⏎ sources = { leipzig = 0.7 }
    8 ¦ { leipzig = 0.7 } ¦ the shares of tokenizer.sources sum up to 0.7, not to 1.
    Write them as parts of one whole, such as 0.6 and 0.4.
flops = 1e12
    7 ¦ 1e12 ¦ flops needs a model whose size is given.
    Write model.dim and model.layers, or give the phase tokens or epochs.
batch_tokens = 128 ⏎ [pack] ⏎ context = 256
    7 ¦ 128 ¦ batch_tokens = 128 holds no row of context = 256.
    Choose a multiple of 256, or a smaller pack.context.
[model] ⏎ layers = 2 ⏎ dim = 512 ⏎ mixer.heads = 7
    10 ¦ 7 ¦ dim 512 is not divisible by 7 heads.
    Choose heads that divide dim, or give mixer.head_width.
[model] ⏎ layers = 2 ⏎ dim = 512 ⏎ [model.mixer] ⏎ heads = 8 ⏎ kv_heads = 3
    12 ¦ 3 ¦ 8 heads are not divisible by 3 kv_heads.
    Choose kv_heads that divide heads.
[model] ⏎ layers = 2 ⏎ dim = 24 ⏎ mixer = { heads = 8 }
    10 ¦ mixer ¦ rotary positions rotate pairs of channels, but 3 of 3 rotate.
    Choose an even number of channels.
[model] ⏎ family = "gpt2" ⏎ layers = 2 ⏎ dim = 64 ⏎ mixer.heads = 4 ⏎ mixer.rope_base = 5.0
    12 ¦ 5.0 ¦ positions are learned, not rotary.
    Leave the key out, or set model.position = "rope".
[model] ⏎ layers = 2 ⏎ dim = 64 ⏎ [[model.mixer]] ⏎ heads = 4 ⏎ [[model.mixer]] ⏎ heads = 5
    13 ¦ 5 ¦ dim 64 is not divisible by 5 heads.
    Choose heads that divide dim, or give mixer.head_width.
[model] ⏎ layers = 2 ⏎ dim = 64 ⏎ mixer = [{ heads = 4 }, { kind = 'mamba', window = 8 }]
    10 ¦ 8 ¦ window has no effect with kind = "mamba".
    Leave it out; it belongs to attention.
[model] ⏎ layers = 2 ⏎ dim = 64 ⏎ mixer = { heads = 4, window = 33 } ⏎ [pack] ⏎ context = 32
    10 ¦ 33 ¦ a window of 33 keys in a context of 32 tokens.
    A window is at most the context; leave it out to see everything.
[model] ⏎ layers = 2 ⏎ dim = 64 ⏎ mixer.heads = 4 ⏎ mixer.rope_scaling = { kind = 'yarn', factor = 2.0 }
    11 ¦ rope_scaling ¦ yarn needs the original context length.
    Give the number of tokens the model was first trained with.
[model] ⏎ layers = 1 ⏎ dim = 64 ⏎ [[model.mixer]] ⏎ heads = 4 ⏎ [[model.mixer]] ⏎ heads = 2
    10 ¦ mixer ¦ 2 kinds of mixer in 1 layers.
    Name at most 1, or set more layers.
[model] ⏎ layers = 2 ⏎ dim = 64 ⏎ mixer.heads = 4 ⏎ shared_norm = true
    11 ¦ true ¦ one norm can be shared only by branches that read the same stream.
    Set parallel = true as well, or leave shared_norm out.
[model] ⏎ family = 'moe' ⏎ layers = 2 ⏎ dim = 64 ⏎ mixer.heads = 4 ⏎ ffn = { active = 9 }
    12 ¦ 9 ¦ 9 active experts of 8.
    Choose 1 to 8, or "all" for the dense mixture.
[model] ⏎ family = 'mamba' ⏎ layers = 2 ⏎ dim = 64 ⏎ mixer.heads = 4
    11 ¦ 4 ¦ heads has no effect with kind = "mamba".
    Leave it out; it belongs to attention.
[model] ⏎ family = 'mamba2' ⏎ layers = 2 ⏎ dim = 33
    7 ¦ model ¦ dim · expand = 66 is not divisible by heads of 64 channels.
    Choose a head_width that divides dim · expand.
[clean] ⏎ decontaminate = ["tasks/*.jsonl"]
    8 ¦ ["tasks/*.jsonl"] ¦ no file matches tasks/*.jsonl.
    Correct it, or leave it out: it is a path or a glob from the recipe's folder.
[[evaluate]] ⏎ kind = "prompts" ⏎ file = "prompts/җөмләләр.txt"
    9 ¦ "prompts/җөмләләр.txt" ¦ there is no file prompts/җөмләләр.txt.
    Put it there, or correct the path: it starts at the recipe's folder.
"""  # noqa: E501


def test_typed_words_need_a_tokenizer_with_keys(tmp_path: Path) -> None:
    romanian = HEAD.replace('"tt"', '"ro"') + 'objective = "autocorrect"\n'
    message = (
        'objective = "autocorrect" needs a token for each typed key, and kind = "bpe" has none.'
    )
    given = {"line": 7, "under": '"autocorrect"', "message": message}
    advice = problem_drawn(tmp_path, romanian, **given)
    assert advice[0].strip() == 'Write kind = "keyboard" in [tokenizer].'
    Recipe.model_validate(
        {
            "name": "ro",
            "language": "ro",
            "source": [{"name": "a", "path": "b"}],
            "tokenizer": {"kind": "keyboard"},
            "phase": [{"objective": "autocorrect"}],
        }
    )


def test_a_keyboards_model_has_the_code_of_a_language(tmp_path: Path) -> None:
    tokenizer, export = '[tokenizer]\nkind = "keyboard"\n', '[[export]]\nformat = "keyboard"\n'
    made_up = HEAD.replace('"tt"', '"x-yalan"')
    message = "the keyboard finds a model by the code of its language, and x-yalan is none."
    for keys, line, under in (
        (tokenizer + export, 10, '"keyboard"'),
        ('objective = "autocorrect"\n' + tokenizer, 7, '"autocorrect"'),
        (tokenizer, 8, '"keyboard"'),
    ):
        text = made_up + keys
        advice = problem_drawn(tmp_path, text, line=line, under=under, message=message)
        assert advice[0].startswith("Write the code of ISO 639")


@pytest.mark.parametrize(("body", "line", "under", "message", "do"), cases(CONTRADICTIONS))
def test_a_contradiction_names_its_line_and_what_to_do(
    body: str, line: int, under: str, message: str, do: str, tmp_path: Path
) -> None:
    assert problem_drawn(tmp_path, HEAD + body, line=line, message=message, under=under) == [do]


FITTING = [
    'start = "previous"',
    "batch_tokens = 300\n[pack]\ncontext = 256",
    "batch_tokens = 256\n[pack]\ncontext = 256",
    '[tokenizer]\nkind = "byte"',
    '[tokenizer]\nkind = "byte"\nvocab = 259',
    '[model]\nfamily = "gpt2"\ndim = 64\nlayers = 2\nmixer.heads = 4',
    '[model]\nfamily = "gpt2"\ndim = 64\nlayers = 2\nmixer.heads = 4\ntied = false',
    '[model]\nfamily = "mamba"\ndim = 64\nlayers = 2',
    '[model]\nfamily = "mistral"\ndim = 64\nlayers = 2\nmixer = { heads = 4, window = 300 }',
    "[model]\ndim = 64\nlayers = 2\nmixer = [{ heads = 4 }, { kind = 'mamba' }]",
    "[model]\ndim = 66\nlayers = 2\n[[model.mixer]]\nheads = 4\n[[model.mixer]]\nwindow = 8",
    "[model]\ndim = 100\nmixer.heads = 3",
]


@pytest.mark.parametrize("body", FITTING)
def test_what_may_yet_fit_is_accepted(body: str, tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text(HEAD + body, encoding="utf-8")
    assert Recipe.load(file).name == "tatar"


def test_contradictions_are_reported_together_and_beside_wrong_keys(tmp_path: Path) -> None:
    body = (
        '[[phase]]\n[[source]]\nname = "leipzig"\npath = "b"\n[split]\nval_shares = 0.1\n'
        '[tokenizer]\nkind = "byte"\nvocab = 300\n[[evaluate]]\nkind = "bits"\nfile = "x.txt"\n'
    )
    blocks = refusal(tmp_path, HEAD + body).split("\n\n")
    assert [block.split(": ")[0] for block in blocks] == [
        "r.toml:7", "r.toml:9", "r.toml:12", "r.toml:15", "r.toml:18",
    ]  # fmt: skip


def test_a_third_of_one_name_is_as_the_first() -> None:
    same = [{"name": "роман", "path": "a"}] * 3
    messages = [each.message for each in contradictions({"source": same}, None)]
    found = [each for each in messages if "is called" in each]
    assert [each.rpartition("as ")[2] for each in found] == ["source 1 is."] * 2


def test_adapters_are_exported_if_the_last_phase_makes_them() -> None:
    whole, adapted = {"name": "a"}, {"name": "b", "adapt": {}}

    def found(*phases: dict[str, Any]) -> list[Any]:
        data = {"phase": [*phases], "export": [{"format": "adapter"}, {"format": "gguf"}]}
        return [each.path for each in contradictions(data, None) if "no adapter" in each.message]

    assert found(adapted, whole) == found(whole) == [("export", 0, "format")]
    assert found(whole, adapted) == found() == []


def test_a_later_phase_of_adapters_alone_is_no_first_one() -> None:
    data = {"model": {"folder": "gemma"}, "tokenizer": {"extend": 40}}
    given = [5, {"name": "b", "adapt": {}}]  # The first phase has a mistake of its own.
    found = [each.message for each in contradictions({**data, "phase": given}, None)]
    assert not any("adapters train no embeddings" in each for each in found)


@pytest.mark.parametrize(("names", "problems"), [("", 1), ("a", 0), ("ab", 0), ("aa", 1)])
def test_a_phase_names_each_of_its_sources_once_and_at_least_one(names: str, problems: int):
    sources = [{"name": name, "path": name} for name in "ab"]
    data = {"source": sources, "phase": [{"sources": [*names]}]}
    found = [each for each in contradictions(data, None) if "each source once" in each.message]
    assert [each.path for each in found] == [("phase", 0, "sources")] * problems


def test_an_extended_tokenizer_keeps_its_kind_and_its_vocabulary() -> None:
    tokenizer = {"extend": 40, "kind": "bpe", "vocab": 400}
    data = {"model": {"folder": "gemma"}, "tokenizer": tokenizer, "phase": [{}]}
    found = [each.path for each in contradictions(data, None) if "extend keeps" in each.message]
    assert found == [("tokenizer", "kind"), ("tokenizer", "vocab")]


def test_operations_need_both_sizes_of_a_model() -> None:
    def found(**model: int) -> bool:
        problems = contradictions({"model": model, "phase": [{"flops": 1e12}]}, None)
        return any("flops needs a model" in each.message for each in problems)

    assert all([found(), found(dim=64), found(layers=2)])
    assert not found(dim=64, layers=2)


def test_of_an_evaluation_every_file_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "сораулар.txt").write_text("Кояшлы көндә\n", encoding="utf-8")
    names = ("сораулар.txt", "юк.txt")
    asked = [{"kind": "prompts", "file": name} for name in names]
    found = list(missing_files({"evaluate": [*asked, {"kind": "bits"}]}, tmp_path))
    assert [each.path for each in found] == [("evaluate", 1, "file")]


def test_a_shape_that_no_other_program_has_can_be_exported_as_an_adapter_alone() -> None:
    model = {"dim": 64, "layers": 2, "mixer": [{"heads": 4}, {"kind": "mamba"}]}
    formats = ("adapter", "huggingface", "gguf", "dataset")
    data = {"model": model, "phase": [{"name": "a"}, {"name": "b", "adapt": {}}]}
    found = contradictions({**data, "export": [{"format": each} for each in formats]}, None)
    about = [each.path for each in found if each.path[0] == "export"]
    assert about == [("export", 1), ("export", 2)]


def test_all_that_does_not_fit_a_model_is_told_beside_each_other() -> None:
    """Adapters, prunes and exports of the pruned shape, each at its own place, about the model."""
    model = {"family": "gpt2", "dim": 64, "layers": 4, "mixer": {"heads": 4}}
    phases: list[Any] = [
        {"name": "ад", "adapt": {"rank": 90}},
        {"name": "буш", "prune": {"layers": 0.1}},
        5,  # a mistake of its own
        {"name": "иң", "adapt": {"rank": 80}},
        {"name": "баш", "prune": {"heads": 0.5}},
        {"name": "тар", "prune": {"heads": 0.1}},
    ]
    exports = [{"format": each} for each in ("dataset", "huggingface", "adapter", "gguf")]
    found = contradictions({"model": model, "phase": phases, "export": exports}, None)
    told = [each for each in found if each.about == (("model",),)]
    assert [each.path for each in told] == [
        ("phase", 0, "adapt", "rank"),
        ("phase", 3, "adapt", "rank"),
        ("phase", 1, "prune", "layers"),
        ("phase", 5, "prune", "heads"),
        ("export", 1),
        ("export", 3),
    ]
    assert [each.at_value for each in told] == [True] * 4 + [False] * 2
    beginnings = ("rank = 90, ", "rank = 80, ", "0.1 of 4 ", "0.1 of 2 ", "GPT2LMHead", "llama.cpp")
    for problem, begins in zip(told, beginnings, strict=True):
        assert problem.message.startswith(begins)
        assert problem.message.endswith(".")
        assert problem.do.split()[0] in ("Choose", "Give", "Remove")


def test_a_name_too_long_for_a_folder_is_refused(tmp_path: Path) -> None:
    long = "ភាសាខ្មែរ" * 7
    text = HEAD.replace("tatar", long) + f"[variant.'{'x' * 40}'.pack]\ncontext = 64\n"
    file = tmp_path / "r.toml"
    file.write_text(text, encoding="utf-8")
    assert Recipe.load(file).name == long
    with pytest.raises(RecipeError, match="a run's name holds at most 200 bytes"):
        Recipe.load(file, variant="x" * 40)


def load_with_folder(folder: Path, body: str) -> Recipe:
    """A recipe that stands beside a model's folder called gemma."""
    (folder / "gemma").mkdir(exist_ok=True)
    (folder / "gemma" / "config.json").write_text("{}", encoding="utf-8")
    path = folder / "recipe.toml"
    path.write_text(HEAD.removesuffix("[[phase]]\n") + body, encoding="utf-8")
    return Recipe.load(path)


def test_everything_that_the_folder_settles_is_reported_with_its_line(tmp_path: Path) -> None:
    body = (
        '[model]\nfolder = "gemma"\ndim = 64\nmixer.heads = 2\n[tokenizer]\nvocab = 400\n'
        '[[phase]]\nstart = "scratch"\n'
    )
    with pytest.raises(RecipeError) as caught:
        load_with_folder(tmp_path, body)
    text = str(caught.value)
    scratch = 'start = "scratch" forgets what model.folder holds.'
    set_there = [(8, "dim is set by model.folder."), (9, "mixer is set by model.folder.")]
    for line, message in (*set_there, (13, scratch)):
        assert f"recipe.toml:{line}: {message}" in text
    assert text.count("Leave one of the two out.") == 3
    assert "vocab" not in text, "it is that of a new tokenizer"


@pytest.mark.parametrize("tokenizer", ["extend = 40", 'kind = "bpe"\nvocab = 400'])
def test_adapters_leave_no_new_rows_of_a_vocabulary_as_they_begin(tmp_path: Path, tokenizer: str):
    body = '[model]\nfolder = "gemma"\n{}[[phase]]\nadapt = {{}}\n'
    with pytest.raises(RecipeError, match="adapters train no embeddings") as caught:
        load_with_folder(tmp_path, body.format(f"[tokenizer]\n{tokenizer}\n"))
    assert "recipe.toml:" in str(caught.value)
    assert "Let a phase without adapt come before it" in str(caught.value)
    assert load_with_folder(tmp_path, body.format("")).phase[0].adapt is not None
    rows = f'[tokenizer]\n{tokenizer}\n[[phase]]\nname = "rows"\n'
    assert load_with_folder(tmp_path, body.format(rows)).phase[1].adapt is not None


ANSWERS = [
    ({"objective": "chat"}, "needs data"),
    ({"data": "a.jsonl"}, "data is not read"),
    ({"objective": "chat", "data": "a.jsonl", "temperature": 2.0}, "temperature is for phases"),
    ({"objective": "preferences", "data": "a.jsonl", "sources": {"a": 1}}, "sources is for"),
]


@pytest.mark.parametrize(("phase", "problem"), ANSWERS)
def test_answers_need_data_and_read_no_sources(phase: dict[str, Any], problem: str) -> None:
    found = [each.message for each in contradictions({"phase": [phase]}, None)]
    assert any(problem in each for each in found), found


def test_texts_are_needed_unless_a_model_only_learns_to_answer() -> None:
    chat, model = {"objective": "chat", "data": "a.jsonl"}, {"folder": "gemma"}

    def found(**data: Any) -> list[Any]:
        given = {"model": model, "phase": [chat], **data}
        return [each.path for each in contradictions(given, None)]

    assert found() == []
    assert found(evaluate=[{"kind": "bits", "file": "a.txt"}], export=[{"format": "gguf"}]) == []
    assert found(evaluate=[{"kind": "prompts", "file": "a.txt"}]) == []
    for more in ({"model": {}}, {"phase": [{"name": "texts"}, chat]}, {"phase": [{"name": "a"}]}):
        assert ("source",) in found(**more)
    for more in ({"tokenizer": {"extend": 9}}, {"evaluate": [{"kind": "bits"}]}):
        (name,) = more
        assert found(**more) == [(name, 0) if name == "evaluate" else (name,)]
    assert found(export=[{"format": "dataset"}]) == [("export", 0)]
    assert found(evaluate=[{"kind": "speed"}]) == [("evaluate", 0)]
    assert found(evaluate=[{"kind": "speed"}], source=[{"name": "a", "path": "a"}]) == []


def test_preferences_need_a_model_that_has_learned_something() -> None:
    likes = {"objective": "preferences", "data": "a.jsonl"}

    def found(**data: Any) -> list[tuple[Any, str]]:
        problems = contradictions(data, None)
        return [(each.path, each.do) for each in problems if "random weights" in each.message]

    ((path, do),) = found(phase=[likes])
    assert path == ("phase", 0, "objective")
    assert "model.folder" in do
    (again,) = found(phase=[{"name": "a"}, {**likes, "start": "scratch"}])
    assert again[0] == ("phase", 1, "objective")
    assert not found(phase=[{"name": "a"}, likes])
    assert not found(phase=[likes], model={"folder": "gemma"})
    (adapted,) = found(phase=[{"adapt": {"rank": 4}}])
    assert adapted[0] == ("phase", 0, "adapt")


def test_missing_conversations_and_templates_are_told(tmp_path: Path) -> None:
    data = {"chat": {"template": "a.jinja"}}
    phases = [Phase(name="chat", objective="chat", data="*.jsonl")]

    def found(*, but: tuple[str, ...] = ()) -> list[Any]:
        missing = [*missing_files(data, tmp_path), *missing_sources([], phases, tmp_path, but=but)]
        return [each.path for each in missing]

    assert found() == [("chat", "template"), ("phase", 0, "data")]
    assert found(but=("chat",)) == [("chat", "template")]
    (tmp_path / "b.jsonl").touch()
    (tmp_path / "a.jinja").write_text(CHATML, encoding="utf-8")
    assert not found()


TEMPLATES = [
    ("Җавап {{ messages }}".encode("cp1251", "replace"), "no UTF-8 at byte"),
    (b" \n", "is empty"),
    (b"{% for %}", "cannot be filled in"),
    (b"{{ raise_exception('no') }}", "says: no"),
]


@pytest.mark.parametrize(("template", "problem"), TEMPLATES)
def test_a_template_that_cannot_be_used_is_told(template: bytes, problem: str, tmp_path: Path):
    (tmp_path / "a.jinja").write_bytes(template)
    (found,) = missing_files({"chat": {"template": "a.jinja"}}, tmp_path)
    assert problem in found.message
    assert found.path == ("chat", "template")
    assert found.do


ID = "0123456789ab" + "0" * 52


def a_run(folder: Path, *, is_finished: bool = True, stages: list[Any] | None = None) -> Path:
    """A run whose store lies beside its folder's parent, as `run` makes it."""
    run = folder / "runs" / "kechkena"
    run.mkdir(parents=True)
    planned = [{"stage": "model", "id": "ffffffffffff"}, {"stage": "model", "id": ID[:12]}]
    plan = {"store": "../../store", "recipe": "../../recipe.toml", "stages": stages or planned}
    write_sealed(run / "plan.json", plan)
    made = folder / "store" / "model" / ID[:12]
    made.mkdir(parents=True)
    if is_finished:
        (made / "manifest.json").write_text("{}", encoding="utf-8")
    return run


def test_a_folder_with_a_config_is_itself(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert base_model(tmp_path) == tmp_path


def test_a_run_is_the_model_of_its_last_phase(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    assert base_model(run) == (tmp_path / "store" / "model" / ID[:12]).resolve()


def test_a_run_that_is_not_finished_says_how_to_finish_it(tmp_path: Path) -> None:
    run = a_run(tmp_path, is_finished=False)
    with pytest.raises(RecipeError, match="the run kechkena has no finished model yet") as caught:
        base_model(run)
    assert caught.value.where == "model.folder"
    assert caught.value.do.endswith(f" run {os.path.relpath(run)}")


def test_a_run_that_was_moved_away_from_its_store_is_not_called_unfinished(tmp_path: Path) -> None:
    away = tmp_path / "other" / "place" / "kechkena"
    away.parent.mkdir(parents=True)
    a_run(tmp_path).rename(away)
    with pytest.raises(RecipeError, match="the store of the run kechkena is not found") as caught:
        base_model(away)
    assert str(tmp_path / "other" / "store") in caught.value.message
    assert "STORE/model/ID" in caught.value.do


def test_a_run_without_a_model_in_its_plan_has_none(tmp_path: Path) -> None:
    run = a_run(tmp_path, stages=[{"stage": "corpus", "id": ID[:12]}])
    with pytest.raises(RecipeError, match="no finished model yet"):
        base_model(run)


@pytest.mark.parametrize("plan", ["no JSON", "{}", "[]", '{"store": "../../store", "stages": []}'])
def test_a_damaged_plan_is_named(tmp_path: Path, plan: str) -> None:
    run = a_run(tmp_path)
    (run / "plan.json").write_text(plan, encoding="utf-8")
    with pytest.raises(Damaged, match="the file is not what was written") as caught:
        base_model(run)
    assert caught.value.where == str(run / "plan.json")


def test_other_folders_and_missing_ones_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nirgends is not there"):
        base_model(tmp_path / "nirgends")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match="empty holds no model") as caught:
        base_model(tmp_path / "empty")
    assert caught.value.where == "model.folder"
    assert "runs/NAME" in caught.value.do
