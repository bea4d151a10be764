"""What each stage writes from its inputs, called by hand and without a plan."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from foreign_folders import byte_level, gemma_like, write_tokenizer
from made_conversations import conversations, fresh_tokenizer, said, write_lines
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR, files, write
from tokenizers import normalizers
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.config import Config
from endonym.copies.held_out.split import SIDES
from endonym.corpus.corpus import Corpus
from endonym.data.examples import read_held_out
from endonym.data.shards import TokenShards
from endonym.disk import file_hash, write_json
from endonym.errors import ExportError, SourceError, TokenizerError
from endonym.export import formats
from endonym.export.card import Card
from endonym.export.config import Export
from endonym.export.history import history_of, is_of_split
from endonym.export.huggingface import export_huggingface, import_huggingface
from endonym.formats.config import Clean, Source, Split
from endonym.formats.files import RawFile, RawSet
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.model.weights import save_tensors
from endonym.pipeline import stages
from endonym.pipeline.evaluation import held_out_documents
from endonym.pipeline.sources import file_identity
from endonym.pipeline.stage import (
    CorpusConfig,
    ExamplesConfig,
    ExportConfig,
    NamedFiles,
    PretrainedFiles,
    PretrainedTokenizer,
    StageContext,
)
from endonym.store import Artifact, Store
from endonym.tokenizer.chat_template import CHATML
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer


def context(out: Path, **inputs: Path) -> StageContext:
    """Where a stage writes, and the folders that it reads, by name."""
    out.mkdir()
    lost = {"id": "0" * 64, "inputs": {"tokenizer": "0" * 64}}
    artifacts = {name: Artifact(folder, lost) for name, folder in inputs.items()}
    return StageContext(out, out, out / "journal", artifacts, Log(quiet=True))


def raw_lines(folder: Path, name: str, lines: list[str]) -> RawSet:
    path = write(folder, f"{name}.txt", lines)
    source = Source(name=name, path=str(path), document="line")
    return RawSet(source=source, files=tuple(files(source)), hashes=(file_hash(path),))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A corpus of two sources."""
    raw = [
        raw_lines(tmp_path, "tatar", TATAR),
        raw_lines(tmp_path, "others", [*KHMER, *ROMANIAN, *FRENCH]),
    ]
    ctx = context(tmp_path / "corpus")
    split = Split(val_share=0.3, seed=7)
    order = ("tatar", "others")
    config = CorpusConfig(order=order, sources=tuple(raw), clean=Clean(), split=split)
    stages.corpus(config, ctx)
    return ctx.out


@pytest.fixture
def model() -> LanguageModel:
    """A small llama that reads bytes."""
    tokenizer = toy_tokenizer("byte")
    config = toy_config("llama", vocab=tokenizer.vocab, context=32)
    return LanguageModel(lively_decoder(config), tokenizer)


def test_a_source_is_written_down_by_names_and_contents_and_not_copied(tmp_path: Path) -> None:
    path = write(tmp_path, "raw/ә.txt", TATAR)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = Source(name="tatar", path=str(path))
    raw = RawSet(source=source, files=(RawFile(path=path, name="ә.txt"),), hashes=(digest,))
    ctx = context(tmp_path / "out")
    assert stages.source(raw, ctx) == {"files": 1, "bytes": path.stat().st_size}
    (written,) = ctx.out.iterdir()
    assert json.loads(written.read_text(encoding="utf-8")) == [{"name": "ә.txt", "sha256": digest}]


def test_files_that_a_recipe_names_are_written_down_by_their_content(tmp_path: Path) -> None:
    paths = tuple(write(tmp_path, name, "Таң атты.\n") for name in ("a.txt", "b.txt"))
    config = NamedFiles(paths=paths, files=tuple(map(file_identity, paths)))
    ctx = context(tmp_path / "out")
    assert stages.named_files(config, ctx) == {"files": 2, "bytes": 2 * len("Таң атты.\n".encode())}
    one, two = json.loads((ctx.out / "files.json").read_text(encoding="utf-8"))
    assert one["sha256"] == two["sha256"] == hashlib.sha256(paths[0].read_bytes()).hexdigest()


def test_a_given_model_is_tried_before_it_is_noted(model: LanguageModel, tmp_path: Path):
    folder = tmp_path / "given"
    export_huggingface(model, folder)
    paths = (folder / "config.json", folder / "model.safetensors")
    hashed = tuple(map(file_identity, paths))
    config = PretrainedFiles(folder=folder, paths=paths, files=hashed)
    ctx = context(tmp_path / "out")
    size = sum(path.stat().st_size for path in paths)
    assert stages.pretrained(config, ctx) == {"files": 2, "bytes": size}
    assert len(json.loads((ctx.out / "files.json").read_text(encoding="utf-8"))) == 2
    listed = {each["name"]: {"sha256": each["sha256"]} for each in hashed}
    write_json(folder / "export.json", {"model": "ab12cd34ef56", "files": listed})
    ctx = context(tmp_path / "exported")
    assert stages.pretrained(config, ctx)["made_of"] == "ab12cd34ef56"
    paths[1].unlink()
    ctx = context(tmp_path / "again")
    with pytest.raises(ExportError, match=r"no model\.safetensors"):
        stages.pretrained(config, ctx)
    assert list(ctx.out.iterdir()) == []


def test_a_corpus_has_every_source_and_tells_its_counts(corpus: Path) -> None:
    card = Corpus(corpus).card
    kept = {
        name: sum(each["documents"] for each in stats["kept"].values())
        for name, stats in card["sources"].items()
    }
    assert kept == {"tatar": len(TATAR), "others": len(KHMER + ROMANIAN + FRENCH)}


def test_a_tokenizer_learns_from_training_text_alone(corpus: Path, tmp_path: Path):
    config, texts = TokenizerConfig(kind="bpe", vocab=300), Corpus(corpus)
    ctx = context(tmp_path / "tokenizer", corpus=corpus)
    numbers = stages.tokenizer(config, ctx)
    made = Tokenizer.load(ctx.out / "tokenizer.json")
    train = [each.text for each in texts.documents("train")]
    every = [*train, *(each.text for side in ("dev", "test") for each in texts.documents(side))]
    assert made.to_json() == train_tokenizer(config, lambda: iter(train)).to_json()
    assert made.to_json() != train_tokenizer(config, lambda: iter(every)).to_json()
    assert numbers["vocab"] == 300
    dev = sum(len(each.text.encode()) for each in texts.documents("dev"))
    assert numbers["held_out"]["total"]["bytes"] == dev
    report = json.loads((ctx.out / "report.json").read_text(encoding="utf-8"))
    assert report == numbers["held_out"]


def test_a_given_tokenizer_is_taken_as_it_is_if_every_text_comes_back(corpus: Path, tmp_path: Path):
    write_tokenizer(gemma_like(), tmp_path / "gemma")
    ctx = context(tmp_path / "tokenizer", corpus=corpus)
    config = PretrainedTokenizer(folder=tmp_path / "gemma")
    assert stages.pretrained_tokenizer(config, ctx)["vocab"] == 600
    taken = Tokenizer.load(ctx.out / "tokenizer.json")
    assert taken.encode(TATAR[0]) == Tokenizer(gemma_like(), "<eos>", "<bos>").encode(TATAR[0])


@pytest.mark.parametrize("side", ["train", "dev", "test"])
def test_a_given_tokenizer_that_loses_letters_is_refused(corpus: Path, tmp_path: Path, side: str):
    """A sign that stands in one set alone is read as another."""
    texts = {name: [each.text for each in Corpus(corpus).documents(name)] for name in SIDES}
    others = set("".join(text for name in SIDES if name != side for text in texts[name]))
    letter = next(each for each in "".join(texts[side]) if each not in others)
    engine = byte_level()
    engine.normalizer = normalizers.Replace(letter, "#")
    write_tokenizer(engine, tmp_path / "lossy")
    ctx = context(tmp_path / "tokenizer", corpus=corpus)
    with pytest.raises(TokenizerError, match="comes back as"):
        stages.pretrained_tokenizer(PretrainedTokenizer(folder=tmp_path / "lossy"), ctx)
    assert list(ctx.out.iterdir()) == []


def test_shards_hold_the_ids_of_every_document_of_every_set(corpus: Path, tmp_path: Path) -> None:
    reader = toy_tokenizer("bpe")
    (tmp_path / "tokenizer").mkdir()
    reader.save(tmp_path / "tokenizer")
    ctx = context(tmp_path / "shards", corpus=corpus, tokenizer=tmp_path / "tokenizer")
    stages.shards(Config(), ctx)
    for side in ("train", "dev", "test"):
        written = TokenShards(ctx.out, side)
        documents = list(Corpus(corpus).documents(side))
        assert len(written) == len(documents)
        for number, document in enumerate(documents):
            found = written.document(number)
            assert found.ids.tolist() == reader.encode(document.text)
            assert written.sources[found.source] == document.source


def test_an_exported_model_scores_the_same(model: LanguageModel, corpus: Path, tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    write_json(folder / "config.json", model.decoder.config.model_dump())
    weights = {name: each.detach() for name, each in model.decoder.named_parameters()}
    save_tensors(weights, folder / "weights.safetensors")
    model.tokenizer.save(folder)
    shards = context(tmp_path / "shards", corpus=corpus, tokenizer=folder)
    stages.shards(Config(), shards)
    ctx = context(tmp_path / "export", model=folder, shards=shards.out)
    config = ExportConfig(export=Export(format="huggingface"), name="kechkena", language="tt")
    numbers = stages.export(config, ctx)
    assert numbers["format"] == "huggingface"
    assert all(check["ok"] for check in numbers["checks"])
    assert sorted(numbers["files"]) == sorted(path.name for path in ctx.out.iterdir())
    assert import_huggingface(ctx.out).score(TATAR[0]) == pytest.approx(model.score(TATAR[0]))


CHAT = {"objective": "chat", "val_share": 0.2, "max_rejected": 0.0, "seed": 1}


@pytest.mark.parametrize("changed", ["a.jsonl", "own.jinja"])
def test_a_changed_file_of_examples_is_refused(
    changed: str, tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, template = tmp_path / "a.jsonl", tmp_path / "own.jinja"
    write_lines(path, conversations(20))
    template.write_text(CHATML + "{# strftime_now #}", encoding="utf-8")
    toy_tokenizer("bpe").save(tmp_path)
    config = ExamplesConfig(paths=(path,), template_file=template, context=400, **CHAT)
    given = {"data 0": path, "template": template}
    hashed = {name: {"config": {"files": [file_identity(file)]}} for name, file in given.items()}
    files = {name: Artifact(tmp_path, manifest) for name, manifest in hashed.items()}

    def ctx(name: str) -> StageContext:
        made = context(tmp_path / name, tokenizer=tmp_path, corpus=corpus)
        return replace(made, inputs={**made.inputs, **files})

    counted = stages.examples(config, ctx("as hashed"))
    assert (counted["kept"], counted["written"]) == (20, [])
    assert "chat: its chat template may write the date" in capsys.readouterr().err
    (tmp_path / changed).write_text((tmp_path / changed).read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(SourceError, match="has changed") as caught:
        stages.examples(config, ctx("changed"))
    assert caught.value.where == str(tmp_path / changed)


def test_answers_that_endonym_wrote_are_noted_as_the_config_says(
    corpus: Path, tmp_path: Path
) -> None:
    """And not by what stands beside the file, of which the id says nothing."""
    toy_tokenizer("bpe").save(tmp_path)
    path = write_lines(tmp_path / "a.jsonl", conversations(20))
    listed = Artifact(tmp_path, {"config": {"files": [file_identity(path)]}})

    def noted(name: str, written: tuple[str, ...] | None) -> list[str]:
        config = ExamplesConfig(paths=(path,), written=written, context=400, **CHAT)
        ctx = context(tmp_path / name, tokenizer=tmp_path, corpus=corpus)
        ctx = replace(ctx, inputs={**ctx.inputs, "data 0": listed})
        return stages.examples(config, ctx)["written"]

    assert noted("written", ("a.jsonl",)) == ["a.jsonl"]
    write(tmp_path, "written.json", ["{}"])
    assert noted("not written", None) == []


def test_held_out_is_not_learnt(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    texts = Corpus(corpus)
    held = [each.text for split in ("dev", "test") for each in texts.documents(split)]
    judge = write(tmp_path, "judge.txt", ["Кояш чыкты, кар эреде, елгалар тулды."])
    asked = [said(f"Сөйлә, {n}.", text) for n, text in enumerate([*held, judge.read_text("utf-8")])]
    asked[0] = {**asked[0], "weight": 2}
    unsure = [said("Ничек?", "Әйбәт."), said("Ничек?", "Начар.")]
    path = write_lines(tmp_path / "a.jsonl", [*conversations(18), *unsure, *asked])
    fresh_tokenizer("bpe", CHATML + "{# strftime_now #}").save(tmp_path)
    config = ExamplesConfig(paths=(path,), evaluation=(judge,), context=4000, **CHAT)
    ctx = context(tmp_path / "out", tokenizer=tmp_path, corpus=corpus)
    listed = Artifact(tmp_path, {"config": {"files": [file_identity(path)]}})
    ctx = replace(ctx, inputs={**ctx.inputs, "data 0": listed}, log=Log())
    counted = stages.examples(config, ctx)
    assert len(held) > 1
    assert (counted["kept"], counted["dropped"]) == (20, {"held_out": len(asked)})
    told = capsys.readouterr().err
    assert f"chat: {len(asked)} of {20 + len(asked)} records left out" in told
    assert "chat: its chat template may write the date" in told
    assert "chat: 1 question has more than one answer, such as “Ничек?”" in told
    assert 'chat: the data have fields that are not read: "weight" (1)' in told


def test_a_phase_learns_no_question_that_an_earlier_one_holds_out(corpus: Path, tmp_path: Path):
    path = write_lines(tmp_path / "a.jsonl", conversations(40))
    toy_tokenizer("bpe").save(tmp_path)
    listed = Artifact(tmp_path, {"config": {"files": [file_identity(path)]}})
    given = {"data 0": listed}

    def held_out(name: str, share: float) -> set[int]:
        config = ExamplesConfig(paths=(path,), context=400, **{**CHAT, "val_share": share})
        ctx = context(tmp_path / name, tokenizer=tmp_path, corpus=corpus)
        stages.examples(config, replace(ctx, inputs={**ctx.inputs, **given}))
        return set(read_held_out(ctx.out))

    fewer, many = held_out("alone", 0.1), held_out("before", 0.5)
    given["examples before"] = Artifact(tmp_path / "before", listed.manifest)
    assert fewer < many
    assert held_out("after", 0.1) == many


def test_the_card_of_a_data_set_knows_what_the_recipe_says(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(
        formats,
        "make_corpus_export",
        lambda *each, card, log: given.append((*each, card)) or formats.Exported(["a"], []),
    )
    config = ExportConfig(
        export=Export(format="dataset"),
        name="тел",
        language="tt",
        licenses={"tatar": "CC0-1.0"},
        synthetic=("others",),
    )
    stages.export_corpus(config, context(tmp_path / "out", corpus=corpus))
    ((export, made_of, out, card),) = given
    assert (export.format, made_of.folder, out) == ("dataset", corpus, tmp_path / "out")
    assert card == Card("тел", "tt", {"tatar": "CC0-1.0"}, synthetic=("others",))


def test_the_card_of_an_exported_model_knows_its_scores_and_what_the_recipe_says(
    finished: Path, tmp_path: Path
) -> None:
    """Of every evaluation that the plan gives; and the export is proven on all held-out texts."""
    artifacts = [*Store(finished / "store").artifacts()]
    made = {each.stage: each for each in artifacts}
    model, shards, export = made["model"], made["shards"], Export(format="huggingface")
    judged = [each for each in artifacts if each.stage == "evaluation"]
    other, bits = sorted(judged, key=lambda each: is_of_split(each.manifest["config"]))
    given = {"evaluation 1": other, "shards": shards, "evaluation 2": bits, "model": model}
    given["evaluation 3"] = other
    loaded, corpus = LanguageModel.load(model.folder), Corpus(made["corpus"].folder)
    texts = [each.text for side in ("test", "dev") for each in corpus.documents(side)]
    assert held_out_documents(shards.folder, loaded.tokenizer) == texts
    known = history_of(model, [other, bits, other])
    for number, (licenses, synthetic) in enumerate([({"tatar": "CC0"}, ("others",)), (None, None)]):
        config = ExportConfig(
            export=export, name="тел", language="tt", licenses=licenses, synthetic=synthetic
        )
        ctx = replace(context(tmp_path / f"out {number}"), inputs=given)
        numbers = stages.export(config, ctx)
        card = Card("тел", "tt", licenses or {}, known, synthetic=synthetic or ())
        wanted = context(tmp_path / f"wanted {number}").out
        words: dict[str, Any] = {"card": card, "texts": texts, "made_of": model.id, "log": ctx.log}
        files, checks = formats.make_export(export, loaded, wanted, **words)
        told = {"files": files, "checks": [asdict(check) for check in checks]}
        assert numbers == {"format": "huggingface", **told}
        found, same = (
            {each.name: each.read_bytes() for each in folder.iterdir()}
            for folder in (ctx.out, wanted)
        )
        assert found == same
        assert b"type: bits_per_byte\n" in found["README.md"]
