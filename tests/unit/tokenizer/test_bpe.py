"""Byte-pair encoding from word counts is what the library makes of the texts themselves."""

import json

import pytest
import tokenizers
from tokenizers import Regex, models, pre_tokenizers, trainers
from toys import toy_texts

from endonym.tokenizer import bpe
from endonym.tokenizer.config import BYTE_VOCAB, TokenizerConfig
from endonym.tokenizer.words import LINE_END, TRAINING_SPLIT, count_words


@pytest.mark.parametrize("vocab", [300, 450, 900])
def test_merges_are_those_of_the_library_on_the_whole_text(vocab: int) -> None:
    texts = [*toy_texts(), *toy_texts()[::3], "汉字 汉字汉"]
    counts = count_words(texts)
    config = TokenizerConfig(kind="bpe", vocab=vocab)
    least = max(2, bpe.zipf_least(counts, vocab))
    whole, merges = bpe.merged_bytes(counts, least, vocab)
    others = "".join(f"\\x{{{ord(each):x}}}" for each in counts.characters.keys() - {*whole})
    engine = tokenizers.Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(TRAINING_SPLIT), behavior="isolated"),
            pre_tokenizers.Split(Regex(f"[{LINE_END}{others}]"), behavior="removed"),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=len(whole) + vocab - BYTE_VOCAB - len(merges),
        min_frequency=2,
        initial_alphabet=whole,
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    plain = json.loads(engine.to_str())["model"]["merges"]
    made = json.loads(bpe.pairs(config, counts).to_str())["model"]["merges"]
    expected = [list(map(bpe.in_byte_letters, pair)) for pair in plain]
    assert made[len(merges) :] == expected
    assert len(made) > 20


def test_letters_stand_for_bytes() -> None:
    assert bpe.in_byte_letters("é ") == "Ã©Ġ"
    assert len(bpe.byte_letters()) == 256


def test_the_most_frequent_characters_get_what_ids_there_are() -> None:
    counts = count_words(["កកកកកក ខខខខ គគ ы"])
    whole, merges = bpe.merged_bytes(counts, 1, 10_000)
    assert whole == [*"កខ គы"]
    vocab = BYTE_VOCAB + len(merges)
    assert bpe.merged_bytes(counts, 1, vocab) == (whole, merges)
    assert bpe.merged_bytes(counts, 1, vocab - 1) == (whole[:-1], merges[:-1])
    assert bpe.merged_bytes(counts, 3, 10_000)[0] == [*"កខ "]
