"""Tokenizers of runs, files and folders side by side on the same texts."""

import json
from pathlib import Path

import pytest
import tokenizers
from text_samples import KHMER, TATAR
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
    store, log = Store(folder / "store"), Log(quiet=True)
    found = compare_tokenizers(names, [folder / "texts.txt"], store, log)
    rows = tokenizer_figures(found)["tokenizers"]
    assert [row["name"] for row in rows] == names
    assert all(row["is_lossless"] and row["train_seconds"] is None for row in rows)
    assert [row["vocab"] for row in rows] == [400, 400]
    assert all(list(row["sources"]) == ["texts.txt"] for row in rows)
    shown = tokenizer_table(found)
    assert "bytes/token" in shown
    assert all(name in shown for name in names)


def test_each_source_has_a_row_and_a_tokenizer_named_twice_stands_once(folder: Path) -> None:
    (folder / "texts").mkdir()
    for name, texts in (("a.txt", TATAR), ("b.txt", KHMER)):
        (folder / "texts" / name).write_text("\n".join(texts), encoding="utf-8")
    names = [str(folder / kind) for kind in ("bpe", "unigram", "bpe")]
    store, log = Store(folder / "store"), Log(quiet=True)
    files = [folder / "texts" / name for name in ("a.txt", "b.txt")]
    found = compare_tokenizers(names, files, store, log)
    figures = tokenizer_figures(found)["tokenizers"]
    assert [list(each["sources"]) for each in figures] == [["a.txt", "b.txt"]] * 2
    _, *lines = tokenizer_table(found).splitlines()
    for told in tokenizer_figures(found)["tokenizers"]:
        for text, fit in {"all": told["total"], **told["sources"]}.items():
            named = f"{told['name']} all {told['vocab']}" if text == "all" else text
            row = f"{named} {fit['bytes_per_token']:.2f} {fit['tokens_per_word']:.2f} "
            row += f"{fit['tokens_per_character']:.3f} {100 * fit['cut_letters_per_token']:.2f} %"
            cells = lines.pop(0).split()
            if text == "all":  # The speed is rounded once more in JSON.
                assert float(cells.pop(-2)) == pytest.approx(told["megabytes_per_second"], abs=0.1)
                row += f" {told['unused']} –"
            assert cells == row.split()
    assert not lines[0], "nor has it a line more"


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
    with pytest.raises(RecipeError, match=r"^TOKENIZER: no tokenizer is called"):
        compare_tokenizers([str(folder / "nothing")], [folder / "texts.txt"], store, log)
    with pytest.raises(RecipeError, match=r"^--text: there is no text"):
        compare_tokenizers([str(folder / "bpe")], [], store, log)
    described = json.loads(toy_tokenizer("bpe").to_json())
    described["model"]["type"] = "Telepathy"
    (folder / "new.json").write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(TokenizerError, match=r"tokenizers .* reads") as caught:
        compare_tokenizers([str(folder / "new.json")], [folder / "texts.txt"], store, log)
    assert caught.value.where == str(folder / "new.json")
