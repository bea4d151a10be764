"""What teachers are given to read, what is kept of it, and whose ids they must write."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_conversations import write_toy_examples
from progress_bars import bars_of
from toys import (
    distinct_documents,
    lively_decoder,
    toy_config,
    toy_texts,
    toy_tokenizer,
    train_config,
    write_toy_shards,
)

from endonym import device
from endonym.data.config import PackConfig
from endonym.data.example_tokens import ExampleOrder, ExampleTokens
from endonym.data.order import training_order
from endonym.data.shards import ShardDocument, TokenShards, write_shards
from endonym.data.teacher_cache import TeacherCache, cache_bytes
from endonym.disk import read_json, write_json
from endonym.errors import OutOfMemory, RecipeError
from endonym.generate.language_model import LanguageModel
from endonym.log import Log, read_jsonl
from endonym.model.decoder import Decoder
from endonym.pipeline import teaching
from endonym.pipeline.stage import PhaseTraining, StageContext, TeacherConfig
from endonym.store import Artifact
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer
from endonym.train.config import Distill, Phase
from endonym.train.teacher import LiveTeacher

PACK = PackConfig(context=16, join=("khmer",))


def context_of(folder: Path, inputs: dict[str, Path]) -> StageContext:
    """A stage on another device that has these folders as inputs."""
    found = {name: Artifact(path, {"id": f"id of {name}"}) for name, path in inputs.items()}
    out = folder / "out"
    out.mkdir(exist_ok=True)
    log = Log(quiet=True)
    return StageContext(out, folder, folder / "journal.jsonl", found, log, device="asked")


@pytest.fixture
def picked(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What was asked of the device: it is prepared before one is picked, which is "chosen"."""
    asked = list[str | None]()

    def pick(name: str | None) -> str:
        asked.append(name)
        return "chosen"

    monkeypatch.setattr(device, "prepare", lambda: asked.append("prepared"))
    monkeypatch.setattr(device, "pick", pick)
    return asked


def inputs_of(folder: Path, *, is_chat: bool) -> dict[str, Path]:
    """Shards of two sources, one of which is joined, and conversations if the phase learns them."""
    documents, vocab = distinct_documents([30, 9, 22, 14])
    names = ("tatar", "khmer")
    shards = folder / "shards"
    write_toy_shards(shards, documents, vocab=vocab + 1, line_end=vocab, sources=names)
    if is_chat:
        write_toy_examples(folder / "examples", "chat", vocab=50, longest=16)
    return {"shards": shards, **({"examples": folder / "examples"} if is_chat else {})}


@pytest.mark.parametrize("is_chat", [False, True])
def test_teachers_read_the_training_text_of_the_phase_once(
    is_chat: bool, tmp_path: Path, picked: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = context_of(tmp_path, inputs_of(tmp_path, is_chat=is_chat))
    asked, read = list[Any](), list[dict[str, Any]]()
    clock = SimpleNamespace(now=10.0)

    def keep(cache: TeacherCache, decoders: Any, order: Any, **keys: Any) -> None:
        read.append({"cache": cache, "decoders": decoders, "order": order, **keys})
        keys["advance"](order.positions_per_epoch)
        clock.now = 12.3456

    monkeypatch.setattr(teaching, "keep_likely", keep)
    monkeypatch.setattr(teaching, "teachers", lambda *given: asked.append(given) or ["a", "b"])
    monkeypatch.setattr(teaching, "require_room", lambda *given: asked.append(given))
    monkeypatch.setattr(teaching, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    bars = bars_of(monkeypatch)
    config = TeacherConfig(folder=Path("named"), pack=PACK, top_k=5, seed=11)
    numbers = teaching.keep_teacher(config, ctx)
    if is_chat:
        tokens = ExampleTokens(tmp_path / "examples", "train")
        order, vocab = ExampleOrder(tokens, context=16, seed=11), tokens.vocab
        places = len(tokens.ids)
    else:
        order = training_order(tmp_path / "shards", PACK, 11)
        places, vocab = sum(map(len, order.shards.parts)), order.shards.vocab
    needed = cache_bytes(places, 5, vocab)
    assert numbers == {"teachers": 2, "places": places, "top_k": 5, "bytes": needed}
    assert asked == [(ctx.out, needed), (ctx, Path("named"), 16, "chosen")]
    assert picked == ["prepared", "asked"]
    (given,) = read
    assert (given["decoders"], given["vocab"], given["device"]) == (["a", "b"], vocab, "chosen")
    rows = [each.rows(0, 5) for each in (given["order"], order)]
    assert [part.tolist() for part in rows[0][:3]] == [part.tolist() for part in rows[1][:3]]
    assert given["cache"].ids.shape == (places, 5)
    assert read_json(ctx.out / "teacher.json") == {"places": places, "top_k": 5, "vocab": vocab}
    total = order.positions_per_epoch
    assert bars == {"reading with 2 teachers": [total, total]}
    assert read_jsonl(ctx.journal) == [{"event": "read", "seconds": 2.346}]


def test_only_the_sources_of_the_phase_are_read_and_kept(
    tmp_path: Path, picked: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their documents stand between those of another source: at every place what all would hold.

    A row holds the whole text, so that each document is read from its beginning.
    """
    monkeypatch.setattr("endonym.data.shards.SHARD_TOKENS", 40)
    inputs = inputs_of(tmp_path, is_chat=False)
    train = TokenShards(inputs["shards"], "train")
    assert [len(part) for part in train.parts] == [1 + 30 + 1 + 9 + 1, 1 + 22 + 1 + 14 + 1]
    decoders = [lively_decoder(toy_config(vocab=train.vocab, context=128))]
    monkeypatch.setattr(teaching, "teachers", lambda *given: decoders)
    monkeypatch.setattr(device, "pick", lambda name: "cpu")
    found = dict[str, TeacherCache]()
    pack = PackConfig(context=128, join=())
    for name, sources in {"all": None, "some": ("khmer",), "both": ("khmer", "tatar")}.items():
        (tmp_path / name).mkdir()
        ctx = context_of(tmp_path / name, inputs)
        config = TeacherConfig(folder=None, pack=pack, top_k=4, seed=1, sources=sources)
        numbers = teaching.keep_teacher(config, ctx)
        found[name] = TeacherCache.read(ctx.out)
        assert numbers["places"] == len(found[name].ids) == train.n_places(sources)
    of_khmer, every = [*range(32, 42), *range(66, 81)], [*range(1, 42), *range(43, 81)]
    for name, places in {"some": of_khmer, "both": every}.items():
        kept = found[name]
        assert kept.rows(np.array(places)).tolist() == [*range(len(kept.ids))]
        assert (kept.ids == found["all"].ids[places]).all()
        np.testing.assert_allclose(kept.chances, found["all"].chances[places], rtol=2e-3)
        assert (kept.chances[:, 0] > 0).all(), "every place was read"
    assert found["all"].rows(np.arange(81)).tolist() == [*range(81)]


@pytest.mark.parametrize("place", ["teachers", "keep_likely"])
def test_memory_that_ends_while_teachers_read_is_told_with_what_to_do(
    place: str, tmp_path: Path, picked: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*given: Any, **keys: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: you tried to allocate 4096000 bytes.")

    monkeypatch.setattr(teaching, "teachers", lambda *given: [])
    monkeypatch.setattr(teaching, place, end)
    ctx = context_of(tmp_path, inputs_of(tmp_path, is_chat=False))
    with pytest.raises(OutOfMemory, match=r"4\.1 MB more was asked for") as caught:
        teaching.keep_teacher(TeacherConfig(folder=None, pack=PACK, top_k=5, seed=1), ctx)
    assert "fewer members" in caught.value.do


def test_a_live_teacher_is_that_of_the_phase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[tuple[Any, ...]]()
    monkeypatch.setattr(teaching, "teachers", lambda *given: asked.append(given) or ["a"])
    distill = Distill(model="a", share=0.9, top_k=7, live=True)
    phase = train_config(context=16).but(distill=distill)
    config = PhaseTraining(
        **{"model": toy_config(vocab=9), "folder": tmp_path / "base", "pack": PACK},
        **{"phase": phase, "seed": 1, "teacher": tmp_path / "named"},
    )
    ctx = context_of(tmp_path, {})
    found = teaching.teach_of(config, ctx, "there")
    assert asked == [(ctx, tmp_path / "named", 16, "there")]
    assert isinstance(found, LiveTeacher)
    assert asdict(found) == {"decoders": ["a"], "vocab": 9, "top_k": 7, "share": 0.9}


def model() -> LanguageModel:
    """One that is about to be trained."""
    decoder = lively_decoder(toy_config(context=32)).train()
    return LanguageModel(decoder, toy_tokenizer("byte"))


def require_ready(decoders: Sequence[Any], moved: list[str]) -> None:
    assert moved == ["there"] * len(decoders)
    for each in decoders:
        assert not each.training
        assert not any(weight.requires_grad for weight in each.parameters())


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices to which decoders were moved."""
    devices = list[str]()
    to = lambda decoder, where: devices.append(where) or decoder  # noqa: E731
    monkeypatch.setattr(Decoder, "to", to)
    return devices


def test_all_members_teach_and_nothing_else_that_a_phase_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: list[str]
) -> None:
    names = ("tokenizer", "teacher 2", "start", "teacher 1", "teacher 3")
    loaded = list[Path]()
    monkeypatch.setattr(LanguageModel, "load", lambda folder: loaded.append(folder) or model())
    ctx = context_of(tmp_path, {name: tmp_path / name for name in names})
    found = teaching.teachers(ctx, None, 16, "there")
    assert loaded == [tmp_path / f"teacher {number}" for number in (1, 2, 3)]
    assert len(found) == 3
    require_ready(found, moved)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_named_teacher_that_may_know_the_held_out_texts_is_told(
    is_known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: list[str]
) -> None:
    asked, warnings = list[Any](), list[str]()
    monkeypatch.setattr(teaching, "load_pretrained", lambda folder: asked.append(folder) or model())
    monkeypatch.setattr(
        teaching, "is_of_this_corpus", lambda *given: asked.append(given) or is_known
    )
    ctx = context_of(tmp_path, {"shards": tmp_path, "teacher 1": tmp_path})
    monkeypatch.setattr(ctx.log, "warn", warnings.append)
    folder = tmp_path / "зур модель"
    found = teaching.teachers(ctx, folder, 32, "there")
    assert asked == [(folder, "id of shards"), folder]
    assert [each.config.context for each in found] == [32]
    assert warnings == ([] if is_known else [teaching.MAY_KNOW.format(name="зур модель")])
    require_ready(found, moved)


@pytest.fixture(scope="module")
def prepared_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer and shards of real sentences; others in each split."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "tokenizer").mkdir()
    toy_tokenizer("bpe").save(folder / "tokenizer")
    texts = toy_texts()
    parts = {"train": texts[9:], "dev": texts[3:9], "test": texts[:3]}
    write_texts(folder / "shards", parts)
    return folder


def write_texts(folder: Path, parts: Mapping[str, Sequence[str]]) -> None:
    """The shards of these texts, by split."""
    folder.mkdir()

    def documents(split: str) -> list[ShardDocument]:
        return [ShardDocument("тел", text, 0, n) for n, text in enumerate(parts.get(split, ()))]

    write_shards(folder, toy_tokenizer("bpe"), ["тел"], documents, advance=lambda _: None)


def other_tokenizer(folder: Path, what: str) -> Tokenizer:
    """The tokenizer of a teacher, which differs in this."""
    if what == "vocab":
        toy_tokenizer("byte").save(folder)
    elif what == "words":
        config = TokenizerConfig(kind="bpe", vocab=400)
        train_tokenizer(config, lambda: iter(toy_texts()[:200:2])).save(folder)
    else:
        toy_tokenizer("bpe").save(folder)
    if what == "end":
        settings = {"eos_token": toy_tokenizer("bpe").token(1)}
        write_json(folder / "tokenizer_config.json", settings)
    return Tokenizer.load(folder / "tokenizer.json")


@pytest.mark.parametrize("what", ["", "vocab", "words", "end"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_teacher_with_another_tokenizer_is_refused_by_the_phase_that_names_it(
    what: str, place: int, prepared_texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "READ_DOCUMENTS", 4)
    theirs = other_tokenizer(tmp_path, what)
    assert (theirs.vocab == 400) == (what != "vocab")
    phases = [Phase(name="әкият"), Phase(name="хикәя")]
    phases[place] = phases[place].model_copy(update={"distill": Distill(model="../зур")})
    folders = [tmp_path if number == place else None for number in range(2)]
    recipe: Any = SimpleNamespace(phase=phases, teacher_folder=folders.__getitem__)
    tokenizer, shards = (Artifact(prepared_texts / name, {}) for name in ("tokenizer", "shards"))
    read, encode = list[list[str]](), Tokenizer.encode_many

    def encode_many(each: Tokenizer, texts: Sequence[str]) -> list[np.ndarray]:
        read.append([*texts])
        return encode(each, texts)

    monkeypatch.setattr(Tokenizer, "encode_many", encode_many)
    with pytest.raises(RecipeError) if what else nullcontext() as caught:
        teaching.require_same_ids(recipe, tokenizer, shards)
    if caught is None:
        assert read == [toy_texts()[3:7]] * 2, "held-out texts, but not those of the test split"
        return
    said = caught.value
    assert said.message.startswith('the teacher "../зур" has another tokenizer: ')
    assert said.where == f"phase {phases[place].name}: distill.model"
    assert said.do == "Name a run of the same texts with the same [clean] and [tokenizer]."


def test_other_ids_are_found_without_any_text(prepared_texts: Path, tmp_path: Path) -> None:
    """A recipe of conversations alone holds no texts out, and other sizes are the least of it."""
    ours = toy_tokenizer("bpe")
    theirs = other_tokenizer(tmp_path, "words")
    assert (theirs.vocab, theirs.end_id) == (ours.vocab, ours.end_id)
    first = next(n for n in range(400) if theirs.bytes_of(n) != ours.bytes_of(n))
    words = f"id {first} is {theirs.token(first)!r}, here {ours.token(first)!r}"
    assert teaching.difference(theirs, ours, []) == words
    assert teaching.difference(ours, ours, toy_texts()) == ""
    write_texts(tmp_path / "empty", {})
    phases = [Phase(name="сөйләшү").model_copy(update={"distill": Distill(model="../зур")})]
    recipe: Any = SimpleNamespace(phase=phases, teacher_folder=lambda number: tmp_path)
    given = Artifact(prepared_texts / "tokenizer", {}), Artifact(tmp_path / "empty", {})
    with pytest.raises(RecipeError, match=re.escape(words)):
        teaching.require_same_ids(recipe, *given)


def test_the_same_ids_are_not_enough_if_texts_are_written_otherwise(tmp_path: Path) -> None:
    """Merges in another order: the same tokens, but other words of them."""
    ours = toy_tokenizer("bpe")
    described = json.loads(ours.to_json())
    described["model"]["merges"].reverse()
    write_json(tmp_path / "tokenizer.json", described)
    theirs = Tokenizer.load(tmp_path / "tokenizer.json")
    assert teaching.difference(theirs, ours, []) == ""
    assert "with other ids" in teaching.difference(theirs, ours, toy_texts())
