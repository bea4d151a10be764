"""Tokenizers in llama.cpp's terms, and those that it does not have."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from laws.shapes import shape
from toys import toy_tokenizer

from endonym.errors import ExportError
from endonym.export.gguf.vocabulary import CONTROL, NORMAL, UNUSED, reading_of, vocabulary_of
from endonym.export.gguf.write import write_vocabulary
from endonym.generate.llama_cpp import LlamaCpp
from endonym.tokenizer.tokenizer import Tokenizer


def changed(change: Callable[[dict[str, Any]], object]) -> Tokenizer:
    """A bpe whose tokenizer.json was changed."""
    described = json.loads(toy_tokenizer("bpe").to_json())
    change(described)
    return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(described)))


def test_bpe_has_the_split_of_qwen35() -> None:
    ours = toy_tokenizer("bpe")
    words = vocabulary_of(ours, ours.vocab)
    assert (words["model"], words["pre"]) == ("gpt2", "qwen35")
    assert len(words["tokens"]) == ours.vocab
    assert len(words["merges"]) == len(json.loads(ours.to_json())["model"]["merges"])
    assert words["token_type"][ours.end_id] == CONTROL
    assert words["token_type"].count(NORMAL) == ours.vocab - words["token_type"].count(CONTROL)


@pytest.mark.parametrize("kind", ["unigram", "byte"])
def test_no_text_is_read_as_a_row_beyond_the_vocabulary(kind: str, tmp_path: Path) -> None:
    ours = toy_tokenizer(kind)
    config = shape("qwen3", vocab=ours.vocab + 3, context=64)
    write_vocabulary(config, ours, tmp_path / "x.gguf")
    text = f"су [unused {ours.vocab + 1}] ага"
    with LlamaCpp(tmp_path / "x.gguf", context=0) as engine:
        assert engine.encode(text) == ours.encode(text)


def test_rows_beyond_the_vocabulary_are_unused() -> None:
    ours = toy_tokenizer("byte")
    words = vocabulary_of(ours, ours.vocab + 3)
    assert words["token_type"][-3:] == [UNUSED] * 3
    assert len(set(words["tokens"])) == len(words["tokens"])


def test_bytes_alone_need_a_merge_that_never_applies() -> None:
    ours = toy_tokenizer("byte")
    (merge,) = vocabulary_of(ours, ours.vocab)["merges"]
    left, right = merge.split(" ")
    assert len(left) > 1
    assert len(right) > 1
    assert not {left, right} & set(vocabulary_of(ours, ours.vocab)["tokens"])


OTHERS = json.loads(toy_tokenizer("unigram").to_json()) | {"decoder": None}
SPACE = {"id": 5, "content": "\u0120", "special": False}


def minding(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda d: d["added_tokens"].append(d["added_tokens"][0] | SPACE | {key: True})


def pattern_of(described: dict[str, Any]) -> dict[str, Any]:
    return described["pre_tokenizer"]["pretokenizers"][0]["pattern"]


LACKING = [
    (lambda d: d.update(normalizer={"type": "NFD"}), r"\(NFD, Split"),
    (lambda d: d.update(normalizer={"type": "Lowercase"}), r"\(Lowercase, Split"),
    (lambda d: pattern_of(d).update(Regex=r"\p{L}+"), r"\(Split '.*p\{L\}\+', ByteLevel\)"),
    (lambda d: d.update(pre_tokenizer={"type": "Whitespace"}), r"\(Whitespace\). The nearest is"),
    (lambda d: d["model"].update(end_of_word_suffix="</w>"), "where a word starts or ends"),
    (lambda d: d.update(OTHERS), "a Unigram of this kind"),
    *((minding(key), "the added token") for key in ("lstrip", "rstrip", "single_word")),
]


@pytest.mark.parametrize(("change", "named"), LACKING)
def test_what_llama_cpp_lacks_is_named(change: Callable[[dict[str, Any]], object], named: str):
    with pytest.raises(ExportError, match=named):
        vocabulary_of(changed(change), 400)


def test_nothing_is_dropped_from_a_text_of_bytes() -> None:
    assert reading_of(toy_tokenizer("bpe")).limits() == []
    assert reading_of(toy_tokenizer("unigram")).dropped == "\ufeff"
