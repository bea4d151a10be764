"""Teachers of a phase: who they are, what is counted of them, and what they may not be."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_conversations import conversations, write_lines
from plans import FACTS, planned
from toys import lively_decoder, toy_config, toy_tokenizer, train_config

from endonym.autopilot.model_size import Facts
from endonym.autopilot.teachers import kept_bytes
from endonym.commands.check import check, describe
from endonym.commands.run import standing
from endonym.data.config import PackConfig
from endonym.data.example_tokens import ExampleTokens
from endonym.data.teacher_cache import TeacherCache, cache_bytes
from endonym.disk import write_json
from endonym.errors import ShapeError
from endonym.evaluate.bits import Texts
from endonym.evaluate.score import Score
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.model.count import parameters
from endonym.pipeline import evaluation, execute, plan, sources, teaching
from endonym.pipeline.stage import PhaseTraining, StageContext
from endonym.recipe.recipe import Recipe
from endonym.store import Artifact, Store, sealed
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train.config import Distill
from endonym.train.teacher import CachedTeacher

CHAT = {"name": "chat", "objective": "chat", "data": "chats.jsonl", "steps": 9, "lr": 1e-3}
CHAT |= {"batch_tokens": 256, "number_format": "fp32", "members": 3, "distill": {"live": True}}


KINDS = ("member", "teacher", "model")


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    """A phase of texts with two members, and one of conversations with three."""
    recipe = Recipe.load(small_recipe(tmp_path / "project"))
    write_lines(recipe.folder / "chats.jsonl", conversations(40))
    text = recipe.phase[0].model_dump(exclude_unset=True) | {"members": 2}
    settled = {"weight_decay": 0.1, "embedding_lr": 1e-2, "betas": [0.9, 0.95]}
    return recipe.with_values({"phase": [text | settled, CHAT | settled]})


def test_members_and_what_is_kept_of_them_come_before_their_student(recipe: Recipe) -> None:
    raw = sources.hash_all(sources.find(recipe), Store(recipe.folder / "hashes"), Log(quiet=True))
    stages = planned(recipe, raw)
    trained = [each for each in stages if each.kind in KINDS]
    names = [each.name for each in trained]
    assert names == [
        *("member 1 of pretrain", "member 2 of pretrain", "teacher of pretrain", "model pretrain"),
        *("member 1 of chat", "member 2 of chat", "member 3 of chat", "model chat"),
    ]
    said = [name for name in plan.stage_names(recipe) if name.split()[0] in KINDS]
    assert said == names, "as --until knows them"
    first, second, kept, student, *of_chat, answering = trained
    assert first.inputs.keys() == {"tokenizer", "shards"}
    assert [kept.inputs[f"teacher {n}"] for n in (1, 2)] == [first, second]
    assert student.inputs["teacher"] is kept
    assert (first.config.phase.distill, student.config.phase.distill.top_k) == (None, 32)
    assert [answering.inputs[f"teacher {n}"] for n in (1, 2, 3)] == of_chat
    assert all(each.inputs["start"] is student for each in (*of_chat, answering))
    assert len({each.config.seed for each in trained if each.kind != "teacher"}) == 1 + 3
    (scored,) = [each for each in stages if each.name == "evaluation bits"]
    assert [scored.inputs[f"member {n}"] for n in (1, 2, 3)] == of_chat
    (prompts,) = [each for each in stages if each.name == "evaluation prompts"]
    assert "member 1" not in prompts.inputs


def test_members_of_texts_are_scored_where_conversations_have_none(recipe: Recipe) -> None:
    recipe = recipe.with_values({"phase.1.members": None, "phase.1.distill": None})
    raw = sources.hash_all(sources.find(recipe), Store(recipe.folder / "hashes"), Log(quiet=True))
    stages = planned(recipe, raw)
    members = [each for each in stages if each.kind == "member"]
    assert [each.name for each in members] == ["member 1 of pretrain", "member 2 of pretrain"]
    (scored,) = [each for each in stages if each.name == "evaluation bits"]
    found = [scored.inputs[f"member {n}"] for n in (1, 2)]
    assert (found, scored.inputs["before"].name) == (members, "model pretrain")


def test_a_teacher_reads_the_sources_of_its_phase_alone(recipe: Recipe) -> None:
    store = Store(recipe.folder / "store")
    raw = sources.hash_all(sources.find(recipe), store, Log(quiet=True))
    names = [each.name for each in recipe.source]
    free = {"source": tuple(each.model_copy(update={"repeatable": True}) for each in recipe.source)}

    def taught(*read: str) -> Any:
        keys = {"phase.0.sources": dict.fromkeys(read, 1 / len(read)) if read else None}
        found = planned(recipe.model_copy(update=free).with_values(keys), raw)
        return next(each for each in found if each.kind == "teacher")

    some = taught(names[1])
    assert some.config.sources == (names[1],)
    assert taught().config.sources is None
    assert taught(*names).config == taught().config, "the whole text, however it is mixed"
    facts = replace(FACTS, sources={name: Facts(400, 100 * n, 1.0) for n, name in enumerate(names)})
    one = recipe.model_copy(update=free).with_values({"phase.0.sources": {names[1]: 1.0}})
    assert kept_bytes(one, facts, 400)["pretrain"] == cache_bytes(200, 32, 400)
    assert kept_bytes(recipe, facts, 400)["pretrain"] == cache_bytes(FACTS.positions, 32, 400)


def test_check_says_what_teachers_take(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endonym.commands.check.paces_here", lambda *given: [0.001, 0.002])
    found = check(recipe, Store(recipe.folder / "store"))
    texts, chats = found.facts.positions, found.facts.examples[1].positions
    steps = {each.name: each.steps * each.batch_tokens for each in found.training.phases}
    assert found.parts["training"] == pytest.approx(0.001 * steps["pretrain"])
    members = 2 * 0.001 * steps["pretrain"] + 3 * 0.002 * steps["chat"]
    assert found.parts["members"] > members + 2 * found.parts["start"]
    read = 2 * texts * 0.001 + 3 * steps["chat"] * 0.002  # the kept one once, the live one always
    assert found.parts["teacher"] == pytest.approx(read / 3, rel=0.01)
    assert chats != steps["chat"]
    said = describe(found)
    assert "members" in said
    assert (
        f"phase pretrain learns from its members, {texts * 32 * 4 / 1000:.1f} kB of their" in said
    )
    assert "phase chat learns from its members, beside it" in said
    kept = recipe.with_values({"phase.1.distill.live": False, "phase.1.distill.top_k": 5})
    said = describe(check(kept, Store(recipe.folder / "store")))
    assert f"phase chat learns from its members, {chats * 5 * 4 / 1000:.1f} kB of their" in said


def test_the_time_of_a_teacher_without_members_is_counted_once(
    recipe: Recipe, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.commands.check.paces_here", lambda *given: [0.001])
    text = recipe.phase[0].model_dump(exclude_unset=True) | {"members": None}
    text |= {"distill": {"model": str(finished / "runs" / "kechkena")}}
    store, named = Store(recipe.folder / "store"), recipe.with_values({"phase": [text]})
    found = check(named, store)
    assert found.parts["members"] == 0
    text |= {"members": 5, "distill": None}
    own = check(recipe.with_values({"phase": [text]}), Store(recipe.folder / "store")).parts
    one = sum(own[name] for name in ("training", "start", "validations", "samples"))
    assert own["members"] == pytest.approx(5 * one)
    assert found.parts["teacher"] == pytest.approx(found.facts.positions * 0.001 / 3, rel=0.01)
    small = check(named.with_values({"model.layers": 1}), store)
    flops = [each.as_dict()["flops_per_token"] for each in (found, small)]
    ratio = small.parts["teacher"] / found.parts["teacher"]
    assert ratio == pytest.approx(flops[0] / flops[1], rel=0.01), (
        "the teacher is as large as before"
    )
    assert ratio > 1.2


def test_the_time_of_scoring_the_members_is_counted(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.commands.check.paces_here", lambda *given: [0.001, 0.002])
    bits = {"evaluate": [{"kind": "bits", "baselines": False}]}
    store = Store(recipe.folder / "store")
    found = check(recipe.with_values(bits), store).parts["evaluation"]
    nothing: dict[str, object] = {"phase.1.members": None, "phase.1.distill": None}
    of_texts = check(recipe.with_values({**bits, **nothing}), store).parts["evaluation"]
    nothing |= {"phase.0.members": None, "phase.0.distill": None}
    alone = check(recipe.with_values({**bits, **nothing}), store).parts["evaluation"]
    assert of_texts == pytest.approx(alone * (2 + 2) / 2), "the members of the last phase of texts"
    assert found == pytest.approx(alone * (2 + 3) / 2), "and the one before"


def test_memory_of_all_teachers_together_is_checked(
    recipe: Recipe, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(recipe.folder / "store")
    alone: dict[str, object] = {"phase.0.members": None, "phase.1.members": None}
    few = recipe.with_values({**alone, "phase.1.distill": None})
    most = recipe.with_values({"phase.0.members": 64, "phase.1.distill": None})
    live = recipe.with_values({"phase.0.members": None, "phase.1.members": 64})
    needed = [check(each, store).memory_bytes for each in (few, recipe, most, live)]
    weights = 4 * parameters(check(few, store).shape).total
    assert needed[1] > needed[0]
    assert min(needed[2:]) > 64 * weights
    for each, free, words in (
        (most, needed[2] - 1, "64 teachers that read the text before"),
        (live, 64 * weights, "beside 64 teachers"),
    ):
        monkeypatch.setattr("endonym.commands.check.free_memory_bytes", lambda _, free=free: free)
        found = check(each, store)
        assert not found.fits
        (warning,) = [each for each in found.warnings if words in each]
        assert "end other programs" in warning, "what to do"
    monkeypatch.setattr("endonym.commands.check.free_memory_bytes", lambda _: needed[2] - 1)
    assert check(recipe, store).fits
    assert not any("teacher" in warning for warning in check(recipe, store).warnings)
    named = {**alone, "phase.1.distill": {"model": str(finished / "runs" / "kechkena")}}
    assert check(recipe.with_values(named), store).memory_bytes > needed[0]


@pytest.mark.parametrize("is_known", [False, True])
def test_what_does_not_fit_on_the_disk_is_said_before_the_corpus_is_made(
    is_known: bool, prepared: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = prepared.parent / ("store" if is_known else "empty")
    keys = ("--set", "phase.0.members=2", "--store", store)
    said = "what is kept of the teacher takes"
    if is_known:
        assert command("run", prepared, *keys, "--until", "shards").code == 0
    monkeypatch.setattr("endonym.data.teacher_cache.free_bytes", lambda folder: 1_000)
    live = ("--set", "phase.0.distill={ live = true }")
    checked = [command("check", prepared, *keys, *more) for more in ((), live)]
    assert [said in each.out for each in checked] == [True, False]
    dry = [command("run", prepared, *keys, "--dry-run", *more) for more in ((), live)]
    assert [said in each.err for each in dry] == [True, False]
    if not is_known:
        ran = command("run", prepared, *keys, "--until", "corpus")
        assert said in ran.err
        assert ran.err.index(said) < ran.err.index("corpus  ")
        return
    monkeypatch.undo()
    assert command("run", prepared, *keys).code == 0
    monkeypatch.setattr("endonym.data.teacher_cache.free_bytes", lambda folder: 1_000)
    assert said not in command("check", prepared, *keys).out, "it is kept already"
    assert said not in command("run", prepared, *keys, "--dry-run").err


def test_what_does_not_fit_on_the_disk_ends_a_run_before_anything_is_trained(
    prepared: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.data.teacher_cache.free_bytes", lambda folder: 1_000)
    keys = ("--set", "phase.0.members=2", "--store", prepared.parent / "store")
    said = command("run", prepared, *keys)
    assert said.code == 2
    assert "1.0 kB are free" in said.err
    assert "member 1" not in said.err
    assert command("run", prepared, *keys, "--set", "phase.0.distill={ live = true }").code == 0
    monkeypatch.undo()
    assert command("run", prepared, *keys).code == 0
    monkeypatch.setattr("endonym.data.teacher_cache.free_bytes", lambda folder: 1_000)
    assert command("run", prepared, *keys).code == 0, "what is kept already needs no room"


def test_a_teacher_reads_the_same_ids(
    prepared: Path, finished: Path, command: Callable[..., Any]
) -> None:
    named = (finished / "runs" / "kechkena").as_posix()
    keys = ("--set", f'phase.0.distill={{ model = "{named}" }}')
    given = (*keys, "--store", prepared.parent / "store")
    other, kind = "tokenizer.vocab=300", "tokenizer.kind=unigram"
    for sets in (other, kind, other, kind):  # and again, now that the run is known
        said = command("run", prepared, *given, "--set", sets)
        assert said.code == 2
        assert f'the teacher "{named}" has another tokenizer' in said.err
        assert "phase pretrain: distill.model" in said.err
        assert "model pretrain" not in said.err, "before anything is trained"


def test_special_tokens_in_another_order_are_other_ids(tmp_path: Path) -> None:
    ours = toy_tokenizer("byte")
    assert teaching.difference(ours, ours, ["Бүген"]) == ""
    marks = [n for n in range(ours.vocab) if not ours.bytes_of(n) and n != ours.end_id]
    names = [json.dumps(ours.name_of(number)) for number in marks[:2]]
    parts = [part.replace(names[1], names[0]) for part in ours.to_json().split(names[0])]
    (tmp_path / "tokenizer.json").write_text(names[1].join(parts), encoding="utf-8")
    theirs = Tokenizer.load(tmp_path / "tokenizer.json")
    assert [theirs.name_of(each) for each in marks[:2]] == [*map(json.loads, reversed(names))]
    assert f"id {marks[0]} is" in teaching.difference(theirs, ours, [])


def test_a_phase_learns_by_the_share_that_its_recipe_gives_to_the_teacher(tmp_path: Path) -> None:
    TeacherCache.new(tmp_path, places=3, top_k=2, vocab=9)
    distill = Distill(model="a", share=0.9, top_k=7)
    phase = train_config(context=16).but(distill=distill)
    config = PhaseTraining(
        model=toy_config(vocab=9), folder=None, pack=PackConfig(context=16), phase=phase, seed=1
    )
    inputs = {"teacher": Artifact(tmp_path, {})}
    ctx = StageContext(tmp_path, tmp_path, tmp_path / "journal", inputs, Log(quiet=True))
    found = teaching.teach_of(config, ctx, "cpu")
    assert isinstance(found, CachedTeacher)
    assert found.share == 0.9
    alone = config.model_copy(update={"phase": phase.but(distill=None)})
    assert teaching.teach_of(alone, ctx, "cpu") is None


def test_a_teacher_of_the_same_corpus_is_taken_and_one_that_never_read_so_long_rows_refused(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(finished / "store")
    inputs = {each.stage: each for each in store.artifacts()}
    (model,) = [each for each in store.artifacts() if each.stage == "model"]
    ctx = StageContext(finished, finished, finished / "journal", inputs, Log(quiet=True))
    warnings = list[str]()
    monkeypatch.setattr(ctx.log, "warn", warnings.append)
    assert len(teaching.teachers(ctx, model.folder, 32, "cpu")) == 1
    assert warnings == [], "it has read what this corpus holds out"
    with pytest.raises(ShapeError):
        teaching.teachers(ctx, model.folder, 64, "cpu")


def test_what_a_teacher_learnt_from_decides_whether_it_may_know_the_held_out_texts(
    finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished / "store", tmp_path / "store")
    store = Store(tmp_path / "store")
    (model,) = [each for each in store.artifacts() if each.stage == "model"]
    inputs = model.manifest["inputs"]

    def teacher(letter: str, **more: str) -> Path:
        """A model of the same shards that has these inputs, too."""
        folder = store.folder("model", letter * 64)
        shutil.copytree(model.folder, folder)
        files = {"files": {}} if "teacher" in more or "folder" in more else {}
        manifest = {**model.manifest, "id": letter * 64, "inputs": {**inputs, **more}, **files}
        write_json(folder / "manifest.json", sealed(manifest))
        return folder

    def is_known(folder: Path, shards: str = inputs["shards"]) -> bool:
        return teaching.is_of_this_corpus(folder, shards)

    assert is_known(model.folder)
    assert not is_known(model.folder, "0" * 64)
    assert not is_known(tmp_path), "it is no artefact"
    second = teacher("a", start=model.manifest["id"])
    assert is_known(second), "its first phase is of the same shards"
    assert not is_known(teacher("b", start="0" * 64))
    assert not is_known(teacher("c", folder="0" * 64))
    assert not is_known(teacher("d", teacher="0" * 64))
    assert not is_known(teacher("e", start=model.manifest["id"], shards="0" * 64))


def test_room_for_the_teacher_of_conversations_is_counted_by_their_tokens(
    recipe: Recipe, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[int]()
    monkeypatch.setattr(execute, "require_room", lambda folder, needed: asked.append(needed))
    chat = {**CHAT, "steps": 2, "members": 2, "distill": {"top_k": 3}}
    text = recipe.phase[0].model_dump(exclude_unset=True) | {"steps": 2, "members": None}
    store = Store(recipe.folder / "store")
    execute.run_recipe(
        recipe.with_values({"phase": [text, chat], "pack.context": 160}), store, Log(quiet=True)
    )
    (kept,) = [each for each in store.artifacts() if each.stage == "teacher"]
    (examples,) = [each for each in store.artifacts() if each.stage == "examples"]
    tokens = ExampleTokens(examples.folder, "train")
    assert asked == [cache_bytes(len(tokens.ids), 3, tokens.vocab)] == [kept.numbers["bytes"]]


def test_the_members_are_scored_by_the_mean_of_their_probabilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, nats = toy_tokenizer("byte"), {"a": [1.0, 2.0, 4.0], "b": [3.0, 0.5, 4.0]}
    decoder = lively_decoder(toy_config(vocab=tokenizer.vocab, context=32))
    read = [np.array(nats[name]) for name in ("a", "b")]
    monkeypatch.setattr(LanguageModel, "load", lambda *given: LanguageModel(decoder, tokenizer))
    monkeypatch.setattr(evaluation, "read_nats", lambda *given, again: [read.pop(0)])
    members = [Artifact(tmp_path, {})] * 2
    given: dict[str, Any] = {"device_name": None, "log": Log(quiet=True)}
    texts = Texts([np.array([65, 66, 67])], ["хат"], tokenizer)
    (found,) = evaluation.ensemble_scores(members, [("test", texts)], **given)
    pairs = zip(nats["a"], nats["b"], strict=True)
    mean = [-math.log((math.exp(-one) + math.exp(-other)) / 2) for one, other in pairs]
    (score,) = [each for each in found if each.metric == "bits_per_byte" and each.source is None]
    assert (score.model, score.split) == ("ensemble", "test")
    assert score.value == pytest.approx(sum(mean) / math.log(2) / score.n_bytes)
    assert evaluation.ensemble_scores([], [("test", texts)], **given) == [[]]


def test_a_run_says_what_its_members_need_together() -> None:
    words: dict[str, Any] = {"metric": "bits_per_byte", "unit": "bits", "low": None, "high": None}
    words |= {"split": "test", "source": None, "weighting": "bytes", "text": "document"}
    words |= {"n_documents": 3, "n_bytes": 90, "n_chars": 50, "n_tokens": 30}
    values = {"model": 1.25, "ensemble": 1.125}
    both = [Score(model=name, value=value, **words) for name, value in values.items()]
    assert "1.2500 bits/byte" in standing(both)
    assert "members' mean probability 1.1250" in standing(both)
    assert "members" not in standing(both[:1])
