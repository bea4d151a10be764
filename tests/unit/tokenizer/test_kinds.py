"""What kind a tokenizer.json is, and its parts for programs that read it in their own way."""

import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from foreign_folders import byte_level, gemma_like
from toys import KINDS, toy_texts, toy_tokenizer

from endonym.tokenizer.config import END_OF_TEXT
from endonym.tokenizer.kinds import GGUF_SCALE, gguf_scores, kind_of, merges_of
from endonym.tokenizer.tokenizer import Tokenizer


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_seen_in_the_file(kind: str, tmp_path: Path) -> None:
    toy_tokenizer(kind).save(tmp_path)
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    assert kind_of(again) == kind


def test_tokenizers_of_others_have_no_kind() -> None:
    for engine in (gemma_like(), byte_level()):
        assert kind_of(Tokenizer(engine, "<eos>")) is None
    described = json.loads(toy_tokenizer("unigram").to_json())
    described["normalizer"] = {"type": "NFC"}
    other = tokenizers.Tokenizer.from_str(json.dumps(described))
    assert kind_of(Tokenizer(other)) is None


def test_characters_of_an_older_version_are_read_and_have_no_kind() -> None:
    vocab = {END_OF_TEXT: 0, **{f"<0x{byte:02X}>": byte + 1 for byte in range(256)}, "а": 257}
    engine = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=[], byte_fallback=True))
    steps = [tokenizers.decoders.ByteFallback(), tokenizers.decoders.Fuse()]
    engine.decoder = tokenizers.decoders.Sequence(steps)
    engine.add_special_tokens([END_OF_TEXT])
    old = Tokenizer(engine)
    assert old.encode("аә") == [257, 1 + 0xD3, 1 + 0x99]
    assert kind_of(old) is None


def test_merges_make_the_tokens() -> None:
    made = toy_tokenizer("bpe")
    assert all(made.id_of(left + right) is not None for left, right in merges_of(made))
    assert merges_of(toy_tokenizer("byte")) == []


def test_scores_are_the_same_whole_numbers_in_32_bits() -> None:
    made = toy_tokenizer("unigram")
    exact = [score for _, score in json.loads(made.to_json())["model"]["vocab"]][259:]
    single = np.array(gguf_scores(made)[259:], dtype=np.float32).astype(np.float64)
    assert np.round(single * GGUF_SCALE).tolist() == exact


def test_a_character_is_one_token_and_few_ids_are_parts_of_one() -> None:
    made = toy_tokenizer("char")
    for text in toy_texts():
        assert len(made.encode(text)) <= len(text) * 1.05
    parts = [
        n for n in range(259, made.vocab) if "\ufffd" in made.bytes_of(n).decode("utf-8", "replace")
    ]
    assert 0 < len(parts) < 10
