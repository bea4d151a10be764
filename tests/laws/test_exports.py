"""Every format in the table has a writer, a card and a proof: each is made of a toy."""

from pathlib import Path
from typing import Any, get_args

import pytest
from laws.shapes import shape
from toys import lively_decoder, toy_texts, toy_tokenizer

from endonym.export.adapters import Adapter
from endonym.export.card import Card
from endonym.export.config import FORMATS, Content, Export, FormatName
from endonym.export.formats import MAKING, make_adapter_export, make_corpus_export, make_export
from endonym.export.record import README, content_of, record_of
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.model.adapt_config import Adapt
from endonym.model.lora import new_changes
from endonym.store import open_artifact


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
