"""The evaluation stage: scores, continuations of prompts, speed."""

import gc
import json
import math
import shutil
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from progress_bars import bars_of
from toys import END, distinct_documents, toy_config, toy_tokenizer, write_toy_shards

from endonym.commands.load import find_artifact
from endonym.data.config import PackConfig
from endonym.data.shards import ShardDocument, write_shards
from endonym.disk import read_json, write_json
from endonym.errors import RecipeError
from endonym.evaluate import compressor, neighbours, speed
from endonym.evaluate.bits import Texts
from endonym.evaluate.score import Score
from endonym.evaluate.speed import Efficiency, measured_efficiency
from endonym.evaluate.tables import table
from endonym.export.huggingface import load_pretrained
from endonym.generate.language_model import LanguageModel
from endonym.log import Log, read_jsonl
from endonym.pipeline import evaluation
from endonym.pipeline.evaluation import (
    evaluate,
    evaluate_speed,
    held_texts,
    questions,
    training_text,
)
from endonym.pipeline.stage import EvaluationConfig, StageContext
from endonym.recipe.recipe import Recipe
from endonym.store import Artifact, Store
from endonym.tokenizer.chat_template import CHATML
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

Patch = pytest.MonkeyPatch


def scores(finished: Path) -> list[dict[str, Any]]:
    (path,) = (finished / "store" / "evaluation").glob("*/scores.json")
    return json.loads(path.read_text(encoding="utf-8"))


def pick(
    found: list[dict[str, Any]],
    metric: str,
    model: str,
    source: str | None = None,
    text: str = "document",
) -> Any:
    """The one score of that kind, over all bytes."""
    wanted = {"metric": metric, "model": model, "source": source, "weighting": "bytes"}
    wanted["text"] = text
    (one,) = [each for each in found if wanted.items() <= each.items()]
    return one


def test_every_score_has_its_baselines_and_its_counts(finished: Path) -> None:
    found = scores(finished)
    sources = {each["source"] for each in found}
    assert sources == {None, "tatar", "romanian", "others"}
    for model in ("model", "uniform", "unigram", "bigram", "compressor"):
        total = pick(found, "bits_per_byte", model)
        parts = [pick(found, "bits_per_byte", model, name) for name in sources - {None}]
        assert total["n_bytes"] == sum(part["n_bytes"] for part in parts)
        weighted = sum(part["value"] * part["n_bytes"] for part in parts)
        assert total["value"] == pytest.approx(weighted / total["n_bytes"], rel=1e-9)
        assert total["split"] == "test"
        assert total["sampled_from"] is None
        blocks = pick(found, "bits_per_byte", model, text="block")
        assert blocks["n_documents"] > 0
        assert pick(found, "bits_per_byte", model, "tatar", text="block")["n_bytes"] > 0
    assert pick(found, "perplexity", "uniform")["value"] == pytest.approx(400, rel=1e-9)


def test_the_measures_of_one_model_agree(finished: Path) -> None:
    found = scores(finished)
    nats = pick(found, "nats_per_token", "model")
    bits = pick(found, "bits_per_byte", "model")
    total_bits = nats["value"] * nats["n_tokens"] / math.log(2)
    assert bits["value"] == pytest.approx(total_bits / bits["n_bytes"], rel=1e-9)
    letters = pick(found, "bits_per_character", "model")
    assert letters["value"] == pytest.approx(total_bits / letters["n_chars"], rel=1e-9)
    perplexity = pick(found, "perplexity", "model")["value"]
    assert perplexity == pytest.approx(math.exp(nats["value"]), rel=1e-9)


def test_prompts_are_continued_each_with_a_seed_of_its_own(finished: Path) -> None:
    (path,) = (finished / "store" / "evaluation").glob("*/continuations.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert [each["prompt"] for each in found] == ["Әбием мич янында", "Le facteur"]
    assert len({each["text"] for each in found}) == 2
    assert all(each["finish_reason"] in ("length", "end") for each in found)


def test_questions_stand_in_the_models_template_and_without_one_chat_is_refused() -> None:
    tokenizer = toy_tokenizer.__wrapped__("bpe")  # one of its own: it gets a template
    with pytest.raises(RecipeError, match="no chat template"):
        questions(["Әбием кайда?"], tokenizer)
    tokenizer.chat_template = CHATML
    first, second = questions(["Әбием кайда?", "Où est <|im_end|> ?"], tokenizer)
    # Marks of the template are no text; what a person wrote is, whatever it names.
    assert [tokenizer.token(index) for index in first[:2]] == ["<|endoftext|>", "<|im_start|>"]
    assert tokenizer.decode(first) == "user\nӘбием кайда?\nassistant\n"
    assert tokenizer.decode(second) == "user\nOù est <|im_end|> ?\nassistant\n"
    # The template opens a text itself here, and the model would do so again.
    tokenizer.chat_template = "{{ bos_token }}" + CHATML
    assert questions(["Әбием кайда?"], tokenizer) == [first]


def test_the_same_prompt_is_continued_in_another_way_each_time(finished: Path, tmp_path: Path):
    project = tmp_path / "project"
    shutil.copytree(finished, project, ignore=shutil.ignore_patterns("store", "runs"))
    (project / "prompts.txt").write_text("Таңи\u0306\n" * 17 + "\n", encoding="utf-8")
    recipe = Recipe.load(project / "recipe.toml")
    model = find_artifact("kechkena", Store(finished / "store"))
    assert model is not None
    log, inputs = Log(quiet=True), {"model": model}
    ctx = StageContext(tmp_path, tmp_path, tmp_path / "journal", inputs, log)
    asked, pack = recipe.evaluate[1], PackConfig(context=32)
    config = EvaluationConfig(
        evaluation=asked, files=tuple(asked.files(recipe.folder)), pack=pack, seed=recipe.seed
    )
    found = evaluate(config, ctx)
    assert found["continuations"] == 17  # one more than are continued at once
    text = (tmp_path / "continuations.json").read_text(encoding="utf-8")
    first, second, *_, last = [each["text"] for each in json.loads(text)]
    assert len({first, second, last}) == 3
    keys = {"temperature": asked.temperature, "max_tokens": asked.max_tokens}
    alone = LanguageModel.load(model.folder).generate("Таңй", seed=recipe.seed + 16, **keys)
    assert last == alone


def judged(store: Store) -> tuple[Artifact, dict[str, Any], PackConfig]:
    """The evaluation that has scores, what it read, and how rows were packed."""
    (first,) = [each for each in store.artifacts() if (each.folder / "scores.json").is_file()]
    named = first.manifest["inputs"]
    inputs = {name: store.find(name, named[name]) for name in ("model", "shards")}
    return first, inputs, PackConfig.model_validate(first.manifest["config"]["pack"])


def test_a_lost_model_is_replaced_by_the_first(finished: Path, tmp_path: Path, monkeypatch: Patch):
    store, recipe = Store(finished / "store"), Recipe.load(finished / "recipe.toml")
    _, inputs, pack = judged(store)
    loaded: list[weakref.ref[LanguageModel]] = []
    held: list[LanguageModel | None] = []
    load = LanguageModel.load

    def load_trained(*given: Any) -> LanguageModel:
        model = load(*given)
        loaded.append(weakref.ref(model))
        return model

    def load_before(folder: Path) -> LanguageModel:
        gc.collect()
        held.extend(each() for each in loaded)
        return load_pretrained(folder)

    monkeypatch.setattr(LanguageModel, "load", load_trained)
    monkeypatch.setattr(evaluation, "load_pretrained", load_before)
    monkeypatch.setattr(neighbours, "FEWEST_BLOCKS", 1)
    keys = {"folder": inputs["model"].folder, "files": (), "pack": pack, "seed": recipe.seed}
    ctx = StageContext(tmp_path, tmp_path, tmp_path / "j", inputs, Log(quiet=True))
    for update in ({"split": "dev"}, {"baselines": False}):  # The second measures no neighbours.
        asked = recipe.evaluate[0].model_copy(update=update)
        evaluate(EvaluationConfig(evaluation=asked, **keys), ctx)
    assert {*held} == {None}
    gains, found = (read_json(tmp_path / name) for name in ("neighbours.json", "scores.json"))
    assert {each["split"] for each in gains} == {"dev"}
    names = ("model", "before")
    for text in ("document", "block"):
        after, before = (pick(found, "bits_per_byte", name, "tatar", text) for name in names)
        assert before["value"] == pytest.approx(after["value"], rel=1e-9)
    kinds = [(each["text"], each["model"]) for each in found]
    assert [*dict.fromkeys(kinds)] == [(text, n) for text in ("document", "block") for n in names]


def test_no_more_held_out_text_is_scored_than_the_training_pays_for(
    finished: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    store, recipe = Store(finished / "store"), Recipe.load(finished / "recipe.toml")
    made, inputs, pack = judged(store)
    assert made.manifest["config"]["tokens"] == 16_384  # the least: its training is very short
    drawn: list[int | None] = []
    read = held_texts

    def drawing(*given: Any, tokens: int | None) -> list[Texts]:
        drawn.append(tokens)
        return [
            replace(each, held_out_bytes={"tatar": 7000}) for each in read(*given, tokens=tokens)
        ]

    monkeypatch.setattr(evaluation, "held_texts", drawing)
    asked = recipe.evaluate[0].model_copy(update={"baselines": False})
    config = EvaluationConfig(evaluation=asked, files=(), pack=pack, seed=recipe.seed, tokens=90)
    evaluate(config, StageContext(tmp_path, tmp_path, tmp_path / "j", inputs, Log(quiet=True)))
    found = [Score(**each) for each in read_json(tmp_path / "scores.json")]
    assert drawn == [90]
    assert "of the 7.0 kB that are held out" in table(found)


def test_texts_that_are_no_lists_are_read_as_documents_alone(finished: Path) -> None:
    (folder,) = (finished / "store" / "model").iterdir()
    base = load_pretrained(folder)
    (shards,) = (finished / "store" / "shards").iterdir()
    found = held_texts(shards, "test", base.tokenizer, PackConfig(context=32))
    assert [each.text for each in found] == ["document"], "no source is a list of sentences"


def test_compressors_are_run_once(finished: Path, tmp_path: Path, monkeypatch: Patch, capsys: Any):
    """Its artefact has the bytes of the first, and other runs in the store see no artefact more."""
    shutil.copytree(finished / "store", tmp_path / "store")
    store, recipe = Store(tmp_path / "store"), Recipe.load(finished / "recipe.toml")
    kinds = [(each.stage, each.id) for each in store.artifacts()]
    first, inputs, pack = judged(store)
    config = EvaluationConfig(evaluation=recipe.evaluate[0], files=(), pack=pack, seed=recipe.seed)
    asked: list[bytes] = []
    measured = compressor.sizes_by_end
    monkeypatch.setattr(
        compressor, "sizes_by_end", lambda data: (asked.append(data), measured(data))[1]
    )

    def again(out: Path) -> tuple[dict[str, bytes], Any, int, bool]:
        out.mkdir()
        asked.clear()
        ctx = StageContext(out, out, out / "journal", inputs, Log())
        numbers = evaluate(config, ctx)
        files = {path.name: path.read_bytes() for path in out.iterdir()}
        return files, numbers, len(asked), "reused" in capsys.readouterr().err

    reused = again(tmp_path / "a")
    shutil.rmtree(store.cache)
    anew = again(tmp_path / "b")
    assert reused == (anew[0], anew[1], 0, True)
    assert anew[2:] == (2, False)
    made = {name: (first.folder / name).read_bytes() for name in anew[0]}
    assert (anew[0], anew[1]) == (made, first.numbers)
    assert {**anew[1], "compressor": 0} == {"kind": "bits", "split": "test", "compressor": 0}
    assert [(each.stage, each.id) for each in store.artifacts()] == kinds
    assert store.unfinished() == []
    assert not [each for each in store.unreferred() if "cache" in str(each.folder)]


def test_bigrams_are_counted_with_the_line_ends_that_a_model_has_read(tmp_path: Path) -> None:
    """No document holds one: each follows a sentence of the list."""
    documents, line_end = distinct_documents([3, 2, 4, 2, 5, 3] * 60)
    write_toy_shards(tmp_path, documents, vocab=line_end + 1, line_end=line_end)
    packs = PackConfig(context=64), PackConfig(context=64, join=("letters",))
    found = [training_text(tmp_path, pack) for pack in packs]
    alone, joined = (each.counts.tokens for each in found if each is not None)
    assert alone[line_end] == 0
    assert joined[line_end] > 0
    assert joined[line_end] + joined[END] == alone[END]


def test_a_recipe_of_conversations_alone_has_no_training_text(tmp_path: Path) -> None:
    write_toy_shards(tmp_path, [], vocab=8)
    assert training_text(tmp_path, PackConfig(context=64)) is None
    for split in ("test", "dev"):
        with pytest.raises(RecipeError, match=rf"^{split} doc.* none .*\[\[source\]\]") as caught:
            held_texts(tmp_path, split, toy_tokenizer("bpe"), PackConfig(context=64))
        assert "--text FILE" in caught.value.do


TEXTS = ["Таң атты, кошлар сайрый.", "Plouă mărunt peste sat."]


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    """A model with one export, and its held-out text, in a store."""
    names = ("model", "shards", "export", "evaluation")
    folders = {name: tmp_path / "store" / name / "a" for name in names}
    for folder in folders.values():
        folder.mkdir(parents=True)
    tokenizer = train_tokenizer(TokenizerConfig(kind="byte"), lambda: iter([]))
    tokenizer.save(folders["model"])
    write_json(folders["model"] / "config.json", toy_config().model_dump())
    write_json(folders["export"] / "config.json", {})
    pieces = [ShardDocument("tatar", text, 0, number) for number, text in enumerate(TEXTS)]
    write_shards(
        folders["shards"], tokenizer, ["tatar"], lambda split: iter(pieces), advance=lambda n: None
    )
    store = Store(tmp_path / "store")
    inputs = {name: Artifact(folders[name], {}) for name in ("model", "shards")}
    inputs["export huggingface"] = Artifact(folders["export"], {})
    out = folders["evaluation"]
    return StageContext(out, out, store.journal("evaluation", "a" * 64), inputs, Log(quiet=True))


def test_times_stand_in_the_journal_alone(context: StageContext, monkeypatch: Patch):
    def measured(given: Any, text: Any, *, threads: int, advance: Any) -> list[Efficiency]:
        assert threads > 0
        keys = {"load_seconds": 0.5, "bits_per_byte": 1.0}
        return [Efficiency(each.name, each.bytes, threads, **keys) for each in given]

    monkeypatch.setattr(speed, "measure_speed", measured)
    context.journal.parent.mkdir()
    bars = bars_of(monkeypatch)
    numbers = evaluate_speed(context)
    assert numbers == {
        "kind": "speed",
        "runtimes": 3,
        "documents": 2,
        "bytes": 2 * (toy_config().context - 1),  # of bytes, after the start token
    }
    kept = json.loads((context.out / "efficiency.json").read_text(encoding="utf-8"))
    assert bars == {"speed": [0, 3 * speed.ROUNDS]}
    runtimes = ["endonym fp32", "transformers fp32", "transformers bf16"]
    exported = (context.inputs["export huggingface"].folder / "config.json").stat().st_size
    assert [each["runtime"] for each in kept["runtimes"]] == runtimes
    assert [each["bytes"] for each in kept["runtimes"]][1:] == [exported] * 2
    assert kept["sample"] == {"documents": 2, "bytes": numbers["bytes"]}
    (line,) = read_jsonl(context.journal)
    assert {"event", "at", "processor", "versions", "rows"} == set(line)
    found = measured_efficiency(Artifact(context.out, {"id": "a" * 64}))
    assert [row.load_seconds for row in found] == [0.5] * 3
    context.journal.unlink()
    assert measured_efficiency(Artifact(context.out, {"id": "a" * 64})) == []
