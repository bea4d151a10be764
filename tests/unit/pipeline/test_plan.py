"""The plan is the pipeline: which stage reads what."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from artefacts import DECLARED, nobody
from plans import planned
from toys import toy_config, toy_decoder, toy_tokenizer

from endonym.autopilot.resolve import resolve_tokenizer
from endonym.disk import write_json
from endonym.errors import Damaged
from endonym.log import Log
from endonym.model.weights import save_tensors
from endonym.pipeline import plan, sources
from endonym.pipeline.stage import (
    CorpusConfig,
    EvaluationConfig,
    ExamplesConfig,
    ExportConfig,
    PhaseTraining,
    Stage,
)
from endonym.recipe.recipe import Recipe
from endonym.store import Store, fingerprint
from endonym.tokenizer.chat_template import CHATML

StagesOf = Callable[..., dict[str, Stage]]

Written = Callable[[Path], Path]

MORE = """
[[phase]]
name = "books"
steps = 4
{start}
"""


@pytest.fixture
def stages_of(small_recipe: Written, tmp_path: Path) -> Callable[..., dict[str, Stage]]:
    """The stages of the small recipe, with more written after it, by name."""
    path = small_recipe(tmp_path / "project")
    ground = path.read_text(encoding="utf-8")

    def stages(more: str = "") -> dict[str, Stage]:
        path.write_text(ground + more, encoding="utf-8")
        recipe = Recipe.load(path)
        raw = sources.hash_all(sources.find(recipe), Store(tmp_path / "store"), Log(quiet=True))
        return {stage.name: stage for stage in planned(recipe, raw)}

    return stages


def reads(stages: dict[str, Stage]) -> dict[str, set[str]]:
    """What each stage reads, by name."""
    return {name: {each.name for each in stage.inputs.values()} for name, stage in stages.items()}


def test_every_stage_reads_what_was_made_before_it(stages_of: StagesOf) -> None:
    found = reads(stages_of())
    texts = {"source tatar", "source romanian", "source others"}
    assert found == {
        **{name: set() for name in [*texts, "source prompts.txt"]},
        "corpus": texts,
        "tokenizer": {"corpus"},
        "shards": {"corpus", "tokenizer"},
        "model pretrain": {"shards", "tokenizer"},
        "evaluation bits": {"model pretrain", "shards"},
        "evaluation prompts": {"model pretrain", "shards", "source prompts.txt"},
        "export huggingface": {"model pretrain", "evaluation bits", "shards"},
    }
    seen: set[str] = set()
    for name, inputs in found.items():
        assert inputs <= seen
        seen.add(name)


def test_speed_is_measured_after_the_exports_of_what_they_hold(stages_of: StagesOf) -> None:
    found = reads(stages_of('[[evaluate]]\nkind = "speed"\n'))
    assert list(found)[-2:] == ["export huggingface", "evaluation speed"]
    assert found["evaluation speed"] == {"model pretrain", "shards", "export huggingface"}
    assert "evaluation speed" not in found["export huggingface"]


def test_a_phase_starts_where_the_previous_one_ended_unless_it_says_otherwise(stages_of: StagesOf):
    after = reads(stages_of(MORE.format(start="")))
    assert "model pretrain" in after["model books"]
    assert after["evaluation bits"] == {"model books", "shards"}
    assert after["export huggingface"] == {"model books", "evaluation bits", "shards"}
    third = reads(stages_of(MORE.format(start="") + MORE.format(start="").replace("books", "news")))
    assert third["model news"] & {"model pretrain", "model books"} == {"model books"}
    fresh = reads(stages_of(MORE.format(start='start = "scratch"')))
    assert fresh["model books"] == {"shards", "tokenizer"}


def test_an_identity_is_the_hash_of_what_is_declared_and_declares_its_inputs(stages_of: StagesOf):
    found = stages_of()
    for stage in found.values():
        declared = stage.declared()
        assert set(declared) == {"stage", "version", "config", "inputs"}
        assert stage.id == fingerprint(declared)
        assert declared["inputs"] == {name: each.id for name, each in stage.inputs.items()}
    assert len({stage.id for stage in found.values()}) == len(found)


def test_names_are_known_before_anything_is_planned(stages_of: StagesOf, tmp_path: Path) -> None:
    found = stages_of(MORE.format(start=""))
    recipe = Recipe.load(tmp_path / "project" / "recipe.toml")
    names = plan.stage_names(recipe)
    kinds = {stage.name: stage.kind for stage in found.values()}
    assert {name: name.split()[0] for name in names} == kinds
    assert len(names) == len(kinds)


def test_what_is_scored_is_kept_out_of_the_corpus(stages_of: StagesOf, tmp_path: Path):
    folder = tmp_path / "project"
    for name in ("unseen.txt", "tasks/a.jsonl", "tasks/b.jsonl"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text('{"text": "Кояш чыкты."}', encoding="utf-8")
    before = stages_of()["corpus"]
    scored = '\n[[evaluate]]\nkind = "bits"\nfile = "unseen.txt"\n'
    found = stages_of(scored)
    assert "source unseen.txt" in reads(found)["corpus"]
    assert "source prompts.txt" not in reads(found)["corpus"]
    assert found["corpus"].id != before.id
    (folder / "unseen.txt").write_text("Башка текст.", encoding="utf-8")
    assert stages_of(scored)["corpus"].id != found["corpus"].id
    path = folder / "recipe.toml"
    text = path.read_text(encoding="utf-8")
    named = text.replace("[clean]", '[clean]\ndecontaminate = ["tasks/*.jsonl", "unseen.txt"]')
    path.write_text(named, encoding="utf-8")
    recipe = Recipe.load(path)
    assert [each.name for each in recipe.evaluation_texts] == ["unseen.txt", "a.jsonl", "b.jsonl"]
    names = plan.stage_names(recipe)
    assert {"source a.jsonl", "source b.jsonl"} <= set(names)
    assert len(names) == len(set(names))


def a_model(store: Store) -> Path:
    """A model artefact."""
    tokenizer = toy_tokenizer("bpe")
    decoder = toy_decoder(toy_config(vocab=tokenizer.vocab))
    identifier = fingerprint("a model")
    with store.workspace("model", identifier, waiting=nobody) as ctx:
        write_json(ctx.out / "config.json", decoder.config.model_dump(mode="json"))
        save_tensors(dict(decoder.state_dict()), ctx.out / "weights.safetensors")
        tokenizer.save(ctx.out)
        said = {**DECLARED, "stage": "model", "id": identifier, "numbers": {}}
        return store.publish(ctx, said).folder


def test_a_damaged_artefact_is_not_trained_on(tmp_path: Path) -> None:
    folder = a_model(Store(tmp_path / "store"))
    recipe = tmp_path / "recipe.toml"
    words = 'name = "a"\nlanguage = "tt"\n[[source]]\nname = "a"\npath = "a.txt"\n[[phase]]\n'
    recipe.write_text(f'{words}[model]\nfolder = "{folder}"\n', encoding="utf-8")
    plan.pretrained_stage(folder, Recipe.load(recipe))
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match="SHA-256 differs") as caught:
        plan.pretrained_stage(folder, Recipe.load(recipe))
    assert caught.value.where == str(path)
    assert "take a whole copy" in caught.value.do
    (folder / "manifest.json").unlink()
    plan.pretrained_stage(folder, Recipe.load(recipe))


def test_only_the_last_phase_answers_for_the_exports_of_adapters(stages_of: StagesOf) -> None:
    books = MORE.format(start="adapt = { dora = true }")
    more = books + MORE.replace("books", "tales").format(start="adapt = {}")
    stages = stages_of(more + '\n[[export]]\nformat = "gguf-adapter"\n')
    models = [stages[f"model {name}"] for name in ("pretrain", "books", "tales")]
    assert [cast("PhaseTraining", each.config).is_last for each in models] == [False, False, True]
    assert models[0].id == stages_of()["model pretrain"].id
    assert set(stages["export gguf-adapter"].inputs) == {"model", "shards", "start"}


def test_every_export_knows_the_words_of_the_recipe(small_recipe: Written, tmp_path: Path) -> None:
    """Its own name, whatever was set; licenses by source; and all sources that no person wrote."""
    path = small_recipe(tmp_path / "project")
    text = path.read_text(encoding="utf-8")
    for name, more in {
        "tatar": "synthetic = true",
        "romanian": 'license = "CC-BY-4.0"',
        "others": 'license = "CC0-1.0"\nsynthetic = true',
    }.items():
        text = text.replace(f'name = "{name}"\n', f'name = "{name}"\n{more}\n')
    kinds = ("huggingface", "dataset", "adapter")
    exports = "".join(f'[[export]]\nformat = "{kind}"\n' for kind in kinds[1:])
    path.write_text(text + MORE.format(start="adapt = {}") + exports, encoding="utf-8")
    store = Store(tmp_path / "store")

    def configs(*sets: str) -> list[ExportConfig]:
        recipe = Recipe.load(path, sets=["phase.1.number_format=fp32", *sets])
        assert recipe.run_name != recipe.name
        raw = sources.hash_all(sources.find(recipe), store, Log(quiet=True))
        stages = planned(recipe, raw)
        return [cast("ExportConfig", each.config) for each in stages if each.kind == "export"]

    found = configs()
    assert [each.export.format for each in found] == ["dataset", "huggingface", "adapter"]
    licenses = {"romanian": "CC-BY-4.0", "others": "CC0-1.0"}
    words = {"name": "kechkena", "language": "tt", "licenses": licenses}
    for each in found:
        said = each.model_dump(exclude={"export", "training"}, mode="python")
        assert said == words | {"synthetic": ("tatar", "others")}
    assert [each.training is not None for each in found] == [False, False, True]
    none = configs(*(f"source.{name}.license=" for name in licenses))[0]
    assert none.licenses is None
    person = configs("source.tatar.synthetic=false", "source.others.synthetic=")[0]
    assert (person.synthetic, person.licenses) == (None, licenses)


def test_evaluations_have_names_of_their_own_and_dev_judges_no_export(stages_of: StagesOf):
    dev = '[[evaluate]]\nkind = "bits"\nsplit = "dev"\n'
    prompts = '[[evaluate]]\nkind = "prompts"\nfile = "prompts.txt"\n'
    found = reads(stages_of(dev + prompts + dev))
    names = ["bits", "prompts", "bits dev", "prompts 3", "bits dev 4"]
    assert [name for name in found if name.startswith("evaluation")] == [
        f"evaluation {name}" for name in names
    ]
    assert found["export huggingface"] == {"model pretrain", "evaluation bits", "shards"}


def test_a_phase_continues_the_first_file_of_prompts_alone(stages_of: StagesOf, tmp_path: Path):
    (tmp_path / "project").mkdir(exist_ok=True)
    (tmp_path / "project" / "more.txt").write_text("Кояш\n", encoding="utf-8")
    found = stages_of('[[evaluate]]\nkind = "prompts"\nfile = "more.txt"\n')
    config = cast("PhaseTraining", found["model pretrain"].config)
    assert [path.name for path in config.prompts] == ["prompts.txt"]


PENALTIES = [
    ([], False),
    (["model.family=moe", "model.ffn={ balance = 'penalty' }"], True),
    (["model.family=moe", "model.ffn={ balance = 'bias' }"], False),
]


@pytest.mark.parametrize(("sets", "penalty"), PENALTIES)
def test_micro_batches_are_identity_where_experts_have_a_penalty_within_each(
    small_recipe: Written, tmp_path: Path, sets: list[str], penalty: bool
) -> None:
    recipe = Recipe.load(small_recipe(tmp_path), sets=["export=[]", *sets])
    raw = sources.hash_all(sources.find(recipe), Store(tmp_path / "store"), Log(quiet=True))
    (model,) = (each for each in planned(recipe, raw) if each.kind == "model")
    config = cast("PhaseTraining", model.config)
    wanted = config.phase.execution.micro_tokens if penalty else None
    assert config.penalty_tokens == wanted


ONWARD = """\
name = "onward"
language = "tt"
[model]
folder = "{folder}"
[[source]]
name = "tatar"
path = "texts/tatar.txt"
[split]
seed = 11
[[phase]]
steps = 4
batch_tokens = 256
[[evaluate]]
kind = "bits"
[[evaluate]]
kind = "prompts"
file = "prompts.txt"
"""


def test_a_model_that_is_trained_further_is_scored_beside_it(small_recipe: Written, tmp_path: Path):
    folder = a_model(Store(tmp_path / "store"))
    path = small_recipe(tmp_path / "project").with_name("onward.toml")
    path.write_text(ONWARD.format(folder=folder), encoding="utf-8")
    recipe = Recipe.load(path, sets=["pack.context=16"])
    raw = sources.hash_all(sources.find(recipe), Store(tmp_path / "store"), Log(quiet=True))
    found = {each.name: each for each in planned(recipe, raw)}
    bits, prompts = (found[f"evaluation {kind}"] for kind in ("bits", "prompts"))
    assert bits.inputs["folder"].config == found[f"source {folder.name}"].config
    assert cast("EvaluationConfig", bits.config).folder == folder
    assert "folder" not in prompts.inputs
    assert cast("EvaluationConfig", prompts.config).folder is None
    assert "folder" in found["model pretrain"].inputs


def test_examples_are_kept_out_of_what_judges_them(small_recipe: Written, tmp_path: Path):
    path = small_recipe(tmp_path / "project")
    (path.parent / "chat.jinja").write_text(CHATML, encoding="utf-8")
    (path.parent / "unseen.txt").write_text("Кояш чыкты.", encoding="utf-8")
    (path.parent / "a.jsonl").write_text("{}\n", encoding="utf-8")
    words = '\n[[evaluate]]\nkind = "bits"\nfile = "unseen.txt"\n[chat]\ntemplate = "chat.jinja"\n'
    text = path.read_text(encoding="utf-8") + words
    path.write_text(text, encoding="utf-8")
    assert "chat.jinja" not in {each.name for each in plan.named_files(Recipe.load(path))}
    chat = '[[phase]]\nname = "chat"\nobjective = "chat"\ndata = "a.jsonl"\nsteps = 4\n'
    path.write_text(text + chat, encoding="utf-8")
    recipe = Recipe.load(path, sets=["seed=8", "split.seed=11"])
    names = [each.name for each in plan.named_files(recipe)]
    assert names == ["prompts.txt", "unseen.txt", "a.jsonl", "chat.jinja"]
    raw = sources.hash_all(sources.find(recipe), Store(tmp_path / "store"), Log(quiet=True))
    data = plan.plan_data(recipe, raw, resolve_tokenizer(recipe, {}))
    twice = recipe.model_copy(update={"phase": (*recipe.phase, recipe.phase[1])})
    first, second = plan.plan_examples(twice, data, 32).values()
    # What the first phase holds out is not learnt by the second.
    assert second.inputs["examples before"] is first
    found = plan.plan_examples(recipe, data, 32)
    assert list(found) == [1]
    config = cast("ExamplesConfig", found[1].config)
    assert (config.seed, config.context, config.objective) == (11, 32, "chat")
    assert (config.template_file, config.template) == (path.parent / "chat.jinja", None)
    assert config.evaluation == tuple(recipe.evaluation_texts) == (path.parent / "unseen.txt",)
    read = {name: stage.name for name, stage in found[1].inputs.items()}
    assert read == {
        "data 0": "source a.jsonl",
        "template": "source chat.jinja",
        "evaluation text 0": "source unseen.txt",
        "corpus": "corpus",
        "tokenizer": "tokenizer",
    }


CHAT = """
[[phase]]
name = "answers"
objective = "chat"
data = "talks.jsonl"
steps = 4
"""


def test_prompts_are_questions_where_a_phase_learns_conversations(
    stages_of: StagesOf, tmp_path: Path
) -> None:
    talks = tmp_path / "project" / "talks.jsonl"
    talks.write_text('{"prompt": "Нинди?", "completion": "Яхшы."}\n', encoding="utf-8")
    of_texts, of_talks = (
        cast(EvaluationConfig, stages_of(more)["evaluation prompts"].config).evaluation.chat
        for more in ("", CHAT)
    )
    assert (of_texts, of_talks) == (None, True)


def test_tasks_of_one_file_name_have_other_names_and_other_places_than_texts(
    stages_of: StagesOf, tmp_path: Path
) -> None:
    asked = '\n[[evaluate]]\nkind = "{}"\nfile = "{}"\n'
    for name in (".", "зат"):
        path = tmp_path / "project" / name / "парлар.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"good": "Мин укыйм.", "bad": "Мин укый."}\n', encoding="utf-8")
    (tmp_path / "project" / "a.txt").write_text("Балалар уйный.\n", encoding="utf-8")
    more = asked.format("task", "парлар.jsonl")
    one = stages_of(more)
    assert cast(EvaluationConfig, one["evaluation task"].config).task == "парлар.jsonl"
    more += asked.format("bits", "a.txt") + asked.format("task", "зат/парлар.jsonl")
    more += '\n[[evaluate]]\nkind = "minimal_pairs"\n'
    stages = stages_of(more)
    named = [each for each in stages.values() if isinstance(each.config, EvaluationConfig)]
    names = [cast(EvaluationConfig, each.config).task for each in named]
    assert [each for each in names if each] == [
        "парлар.jsonl",
        "зат/парлар.jsonl",
        "minimal pairs, test",
    ]
    assert cast(CorpusConfig, stages["corpus"].config).tasks == (0, 2)
    assert cast(CorpusConfig, stages_of()["corpus"].config).tasks is None
    # As a text to score the same file is read in another way.
    as_text = stages_of(asked.format("bits", "парлар.jsonl"))
    assert as_text["corpus"].id != one["corpus"].id


def test_answers_from_a_folder_of_endonym_write_are_other_examples_than_a_copy_of_them(
    small_recipe: Written, tmp_path: Path
) -> None:
    path = small_recipe(tmp_path / "project")
    folders = [tmp_path / name for name in ("project", "язылган")]
    folders[1].mkdir()
    write_json(folders[1] / "written.json", {"writer": "model"})
    for folder in folders:
        line = '{"prompt": "Нинди?", "completion": "Яхшы."}\n'
        (folder / "talks.jsonl").write_text(line, encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8") + CHAT, encoding="utf-8")

    def examples_of(data: list[str]) -> tuple[Stage, tuple[str, ...] | None]:
        recipe = Recipe.load(path).with_values({"phase.1.data": data})
        raw = sources.hash_all(sources.find(recipe), Store(tmp_path / "store"), Log(quiet=True))
        of_data = plan.plan_data(recipe, raw, resolve_tokenizer(recipe, {}))
        (found,) = plan.plan_examples(recipe, of_data, 32).values()
        return found, cast("ExamplesConfig", found.config).written

    copied, none = examples_of(["talks.jsonl"])
    written, names = examples_of(["../язылган/talks.jsonl"])
    assert (none, names) == (None, ("talks.jsonl",))
    assert "written" not in copied.declared()["config"]
    assert copied.inputs["data 0"].id == written.inputs["data 0"].id
    assert copied.id != written.id
    assert examples_of(["../язылган/talks.jsonl", "talks.jsonl"])[1] == ("talks.jsonl",)


def test_a_sources_own_rules_are_those_of_all_with_its_keys_over_them(
    small_recipe: Written, tmp_path: Path
) -> None:
    path = small_recipe(tmp_path / "own")
    recipe = Recipe.load(path).with_values(
        {
            **{"clean.script": "cyrillic", "clean.min_script_share": 0.5},
            **{"clean.expected_letters": "әөү", "source.1.language": "ro"},
            "source.0.clean": {"min_chars": 7},
        }
    )
    assert recipe.own_rules is not None
    first, second = (recipe.own_rules[each.name] for each in recipe.source[:2])
    assert first == recipe.clean.model_copy(update={"min_chars": 7})
    assert (second.language, second.script, second.min_script_share) == ("ro", "latin", 0.5)
    assert (second.expected_letters, second.min_chars) == (None, recipe.clean.min_chars)
    assert recipe.clean.language == recipe.language  # so that it is known to be another one
