"""Every format in the table has a writer, a card and a proof: each is made of a toy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from foreign_folders import (
    byte_level,
    gemma_like,
    llama_like,
    unigram_with_bytes,
    write_tokenizer,
)
from laws.shapes import shape
from toys import CHAT_KINDS, lively_decoder, toy_texts, toy_tokenizer

from endonym.errors import ExportError
from endonym.export.adapters import Adapter
from endonym.export.card import Card
from endonym.export.config import FORMATS, Content, Export, FormatName
from endonym.export.formats import (
    MAKING,
    make_adapter_export,
    make_corpus_export,
    make_export,
    require_formats,
)
from endonym.export.record import README, content_of, record_of
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.model.adapt_config import Adapt
from endonym.model.lora import new_changes
from endonym.store import open_artifact
from endonym.tokenizer.tokenizer import Tokenizer


def toy_export(name: FormatName, finished: Path, out: Path) -> None:
    """Export a toy, and look at its proof."""
    export = Export(format=name)
    if export.row.content == "corpus":
        (corpus,) = (finished / "store" / "corpus").iterdir()
        quiet = Log(quiet=True)
        made = make_corpus_export(
            export, open_artifact(corpus), out, card=Card("toy", "tt"), log=quiet
        )
        assert all(check.ok for check in made.checks)
        assert len(made.checks) == (4 if name == "dictionary" else 0)
        return
    tokenizer = toy_tokenizer("keyboard" if name == "keyboard" else "bpe")
    decoder = lively_decoder(shape("llama", vocab=tokenizer.vocab, context=64), seed=1)
    model = LanguageModel(decoder, tokenizer)
    given: Any = {"texts": toy_texts()[:8], "made_of": "ab12cd34ef56", "log": Log(quiet=True)}
    if export.row.content == "model":
        made = make_export(export, model, out, card=Card("toy", "tt"), **given)
    else:
        changes = new_changes(decoder, Adapt(rank=2).resolved(), 1)
        adapter = Adapter(model, changes, "toy", "base")
        made = make_adapter_export(export, adapter, out, card=Card("toy"), **given)
    assert made.checks
    assert all(check.ok for check in made.checks)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_described_and_proven(
    name: FormatName, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.export.dictionary.write.LEAST_WORDS", 10)
    toy_export(name, finished, tmp_path)
    record = record_of(tmp_path)
    assert record["format"] == name
    assert content_of(record) == FORMATS[name].content
    assert "toy" in (tmp_path / README).read_text(encoding="utf-8")


def test_the_table_has_the_words_of_the_recipe() -> None:
    assert tuple(FORMATS) == get_args(FormatName)
    assert {row.content for row in FORMATS.values()} == set(get_args(Content))
    assert list(MAKING) == list(FORMATS)
    for row in FORMATS.values():
        assert row.words
        assert (
            row.use.format(folder="DIR", file="FILE", dictionary="tt", program="endonym") != row.use
        )


ENGINES: dict[str, Callable[[], Any]] = {
    "as Gemma": gemma_like,
    "as Llama 2": llama_like,
    "as Llama 2, new": lambda: llama_like(is_new=True),
    "as GPT-2": byte_level,
    "as CLIP": lambda: byte_level("</w>"),
    "unigram with bytes": unigram_with_bytes,
}


@pytest.mark.parametrize("name", [*ENGINES, *CHAT_KINDS])
def test_what_an_export_would_refuse_is_refused_before_training(name: str, tmp_path: Path) -> None:
    """A requirement knows no more than shape, tokenizer and texts; the export tries all."""
    if name in ENGINES:
        write_tokenizer(ENGINES[name](), tmp_path)
        tokenizer = Tokenizer.load(tmp_path / "tokenizer.json")
    else:
        tokenizer = toy_tokenizer(name)
    config = shape("llama", vocab=tokenizer.vocab, context=64)
    decoder = lively_decoder(config, seed=1)
    model, texts = LanguageModel(decoder, tokenizer), toy_texts()[:8]
    changes = new_changes(decoder, Adapt(rank=2).resolved(), 1)
    given: Any = {"texts": texts, "made_of": "ab12cd34ef56", "log": Log(quiet=True)}
    for number, format_name in enumerate(FORMATS):
        export, out = Export(format=format_name), tmp_path / str(number)
        if export.row.content == "corpus":
            continue
        try:
            require_formats([export], config, tokenizer, texts)
        except ExportError:
            assert name in ENGINES or format_name == "keyboard"
            continue
        if export.row.content == "model":
            make_export(export, model, out, card=Card("toy", "tt"), **given)
        else:
            adapter = Adapter(model, changes, "toy", "base")
            make_adapter_export(export, adapter, out, card=Card("toy"), **given)


def test_pieces_that_a_program_reads_or_writes_otherwise_are_refused_of_bases_too(tmp_path: Path):
    write_tokenizer(unigram_with_bytes(), tmp_path)
    tokenizer = Tokenizer.load(tmp_path / "tokenizer.json")
    config = shape("llama", vocab=tokenizer.vocab, context=64)
    for format_name, what in (
        ("huggingface", "<0x0A>"),
        ("adapter", "<0x0A>"),
        ("gguf", "llama.cpp has no tokenizer"),
        ("gguf-adapter", "llama.cpp has no tokenizer"),
    ):
        with pytest.raises(ExportError, match=what):
            require_formats([Export(format=format_name)], config, tokenizer, toy_texts()[:8])
