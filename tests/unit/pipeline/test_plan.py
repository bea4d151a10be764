"""The plan is the pipeline: which stage reads what."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from artefacts import nobody
from plans import planned
from toys import toy_config, toy_decoder, toy_tokenizer

from endonym.disk import write_json
from endonym.errors import Damaged
from endonym.log import Log
from endonym.model.weights import save_tensors
from endonym.pipeline import sources
from endonym.pipeline.plan import Stage, pretrained_stage, stage_names
from endonym.pipeline.types import PhaseTraining
from endonym.recipe.recipe import Recipe
from endonym.store import Store, fingerprint

MORE = """
[[phase]]
name = "books"
steps = 4
{start}
"""


@pytest.fixture
def stages_of(
    small_recipe: Callable[[Path], Path], tmp_path: Path
) -> Callable[..., dict[str, Stage]]:
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


def test_every_stage_reads_what_was_made_before_it(
    stages_of: Callable[..., dict[str, Stage]],
) -> None:
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


def test_speed_is_measured_after_the_exports_of_what_they_hold(
    stages_of: Callable[..., dict[str, Stage]],
) -> None:
    found = reads(stages_of('[[evaluate]]\nkind = "speed"\n'))
    assert list(found)[-2:] == ["export huggingface", "evaluation speed"]
    assert found["evaluation speed"] == {"model pretrain", "shards", "export huggingface"}
    assert "evaluation speed" not in found["export huggingface"]


def test_a_phase_starts_where_the_previous_one_ended_unless_it_says_otherwise(
    stages_of: Callable[..., dict[str, Stage]],
) -> None:
    after = reads(stages_of(MORE.format(start="")))
    assert "model pretrain" in after["model books"]
    assert after["evaluation bits"] == {"model books", "shards"}
    assert after["export huggingface"] == {"model books", "evaluation bits", "shards"}
    fresh = reads(stages_of(MORE.format(start='start = "scratch"')))
    assert fresh["model books"] == {"shards", "tokenizer"}


def test_an_identity_is_the_hash_of_what_is_declared_and_declares_its_inputs(
    stages_of: Callable[..., dict[str, Stage]],
) -> None:
    found = stages_of()
    for stage in found.values():
        declared = stage.declared()
        assert set(declared) == {"stage", "version", "config", "inputs"}
        assert stage.id == fingerprint(declared)
        assert declared["inputs"] == {name: each.id for name, each in stage.inputs.items()}
    assert len({stage.id for stage in found.values()}) == len(found)


def test_names_are_known_before_anything_is_planned(
    stages_of: Callable[..., dict[str, Stage]], tmp_path: Path
) -> None:
    found = stages_of(MORE.format(start=""))
    recipe = Recipe.load(tmp_path / "project" / "recipe.toml")
    names = stage_names(recipe)
    assert sorted(names) == sorted((stage.name, stage.kind) for stage in found.values())


def test_what_is_scored_and_what_is_named_is_kept_out_of_the_corpus(
    stages_of: Callable[..., dict[str, Stage]], tmp_path: Path
) -> None:
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
    names = [name for name, _ in stage_names(recipe)]
    assert {"source a.jsonl", "source b.jsonl"} <= set(names)
    assert len(names) == len(set(names))


def a_model(store: Store) -> Path:
    """A model artefact."""
    tokenizer = toy_tokenizer("bpe")
    decoder = toy_decoder(toy_config(vocab=tokenizer.vocab))
    identifier = fingerprint("a model")
    with store.workspace("model", identifier, waiting=nobody) as ctx:
        assert ctx is not None
        write_json(ctx.out / "config.json", decoder.config.model_dump(mode="json"))
        save_tensors(dict(decoder.state_dict()), ctx.out / "weights.safetensors")
        tokenizer.save(ctx.out)
        said = {"stage": "model", "id": identifier, "numbers": {}}
        return store.publish(ctx, said).folder


def test_a_damaged_artefact_is_not_trained_on(tmp_path: Path) -> None:
    folder = a_model(Store(tmp_path / "store"))
    recipe = tmp_path / "recipe.toml"
    words = 'name = "a"\nlanguage = "tt"\n[[source]]\nname = "a"\npath = "a.txt"\n[[phase]]\n'
    recipe.write_text(f'{words}[model]\nfolder = "{folder}"\n', encoding="utf-8")
    assert pretrained_stage(Recipe.load(recipe)) is not None
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match="SHA-256 differs") as caught:
        pretrained_stage(Recipe.load(recipe))
    assert caught.value.where == str(path)
    assert "take a whole copy" in caught.value.do
    (folder / "manifest.json").unlink()
    assert pretrained_stage(Recipe.load(recipe)) is not None


def test_only_the_last_phase_answers_for_the_exports_of_adapters(
    stages_of: Callable[..., dict[str, Stage]],
) -> None:
    books = MORE.format(start="adapt = { dora = true }")
    more = books + MORE.replace("books", "tales").format(start="adapt = {}")
    stages = stages_of(more + '\n[[export]]\nformat = "gguf-adapter"\n')
    models = [stages[f"model {name}"] for name in ("pretrain", "books", "tales")]
    assert [cast("PhaseTraining", each.config).is_last for each in models] == [False, False, True]
    assert models[0].id == stages_of()["model pretrain"].id
    assert set(stages["export gguf-adapter"].inputs) == {"model", "shards", "start"}
