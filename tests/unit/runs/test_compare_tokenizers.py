"""Tokenizers of runs, files and folders side by side on the same texts."""

import json
from pathlib import Path

import pytest
import tokenizers
from toys import toy_texts, toy_tokenizer

from endonym.errors import RecipeError, TokenizerError
from endonym.log import Log
from endonym.runs.compare_tokenizers import compare_tokenizers, tokenizer_figures, tokenizer_table
from endonym.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in ("bpe", "unigram", "char"):
        (tmp_path / kind).mkdir()
        toy_tokenizer(kind).save(tmp_path / kind)
    (tmp_path / "texts.txt").write_text("\n".join(toy_texts()), encoding="utf-8")
    return tmp_path


def test_files_and_folders_are_measured_on_a_text(folder: Path) -> None:
    names = [str(folder / "bpe"), str(folder / "unigram" / "tokenizer.json")]
    (folder / "bpe" / "manifest.json").write_text('{"made by": "another program"}', "utf-8")
    found = compare_tokenizers(
        names, [folder / "texts.txt"], Store(folder / "store"), Log(quiet=True)
    )
    rows = tokenizer_figures(found)["tokenizers"]
    assert [row["name"] for row in rows] == names
    assert all(row["is_lossless"] and row["train_seconds"] is None for row in rows)
    assert [row["vocab"] for row in rows] == [400, 400]
    assert all(list(row["sources"]) == ["texts.txt"] for row in rows)
    shown = tokenizer_table(found)
    assert "bytes/token" in shown
    assert all(name in shown for name in names)


def test_a_tokenizer_of_words_is_measured_and_marked(folder: Path) -> None:
    vocab = {"[UNK]": 0, "Кояш": 1}
    engine = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocab, unk_token="[UNK]"))
    engine.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    engine.save(str(folder / "words.json"))
    found = compare_tokenizers(
        [str(folder / "words.json")], [folder / "texts.txt"], Store(folder / "s"), Log(quiet=True)
    )
    assert not tokenizer_figures(found)["tokenizers"][0]["is_lossless"]
    assert "* " in tokenizer_table(found)


def test_what_is_no_tokenizer_is_named(folder: Path) -> None:
    store, log = Store(folder / "store"), Log(quiet=True)
    with pytest.raises(RecipeError, match="no tokenizer is called"):
        compare_tokenizers([str(folder / "nothing")], [folder / "texts.txt"], store, log)
    with pytest.raises(RecipeError, match="no text"):
        compare_tokenizers([str(folder / "bpe")], [], store, log)
    described = json.loads(toy_tokenizer("bpe").to_json())
    described["model"]["type"] = "Telepathy"
    (folder / "new.json").write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(TokenizerError, match=r"tokenizers .* reads") as caught:
        compare_tokenizers([str(folder / "new.json")], [folder / "texts.txt"], store, log)
    assert caught.value.where == str(folder / "new.json")
