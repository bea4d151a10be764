"""Byte-pair encoding from word counts is what the library makes of the texts themselves."""

import collections
import json

import pytest
import regex
import tokenizers
from tokenizers import Regex, models, pre_tokenizers, trainers
from toys import toy_texts

from endonym.tokenizer import bpe
from endonym.tokenizer import words as module
from endonym.tokenizer.config import BYTE_VOCAB, TokenizerConfig
from endonym.tokenizer.words import LINE_END, TRAINING_SPLIT, count_words, repeated_lines


@pytest.mark.parametrize("vocab", [300, 450, 900])
def test_merges_are_those_of_the_library_on_the_whole_text(vocab: int) -> None:
    texts = [*toy_texts(), *toy_texts()[::3], "汉字 汉字汉"]
    counts = count_words(texts)
    config = TokenizerConfig(kind="bpe", vocab=vocab)
    least = max(2, bpe.zipf_least(counts, vocab))
    whole, merges = bpe.merged_bytes(counts, least, vocab)
    others = "".join(f"\\x{{{ord(each):x}}}" for each in counts.characters.keys() - {*whole})
    engine = tokenizers.Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(TRAINING_SPLIT), behavior="isolated")
    ends = pre_tokenizers.Split(Regex(f"[{LINE_END}{others}]"), behavior="removed")
    engine.pre_tokenizer = pre_tokenizers.Sequence([words, ends])
    size = len(whole) + vocab - BYTE_VOCAB - len(merges)
    keys = {"min_frequency": 2, "initial_alphabet": whole, "show_progress": False}
    trainer = trainers.BpeTrainer(vocab_size=size, **keys)
    engine.train_from_iterator(texts, trainer)
    plain = json.loads(engine.to_str())["model"]["merges"]
    made = json.loads(bpe.pair_merges(config, counts).to_str())["model"]["merges"]
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


HARD = [
    "Ак  кош\tоча ", " \n\n x", "a \r\n b", "e\u0301té  \u00a0d’été", "ស្រី\u200bតូច  បោះ", "",
    "\n",
]  # fmt: skip


@pytest.mark.parametrize("characters", [7, 4_000_000])
def test_words_are_those_of_a_plain_split(characters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*toy_texts(), *HARD, "\n".join(toy_texts())]
    if characters < 10:
        texts = [text for text in texts if LINE_END not in text and len(text) < characters]
    monkeypatch.setattr(module, "BATCH_CHARACTERS", characters)
    counts = count_words(texts)
    plain = collections.Counter(w for text in texts for w in regex.findall(TRAINING_SPLIT, text))
    assert counts.words == plain
    assert counts.characters == collections.Counter("".join(texts))


def test_a_long_text_is_read_in_parts_that_end_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"сүз{n} һәм сүз" for n in range(500)]
    monkeypatch.setattr(module, "BATCH_CHARACTERS", 40)
    found = count_words([LINE_END.join(lines)])
    assert found.words["сүз"] == 500
    assert found.words[" сүз"] == 500
    assert found.words[LINE_END] == 499


def test_a_long_text_without_line_ends_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "ស្រីតូច " * 60 + "\nкош"
    monkeypatch.setattr(module, "BATCH_CHARACTERS", 100)
    assert count_words([text]).characters == collections.Counter(text)


def test_the_rarest_words_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_CHARACTERS", 200)
    rare = [chr(0x4E00 + n) for n in range(3_000)]
    texts = ["кош", *rare[:1500], "кош", *rare[1500:], "кош"] * 1
    found = count_words([text for each in texts for text in (each, "ел")], max_words=400)
    assert len(found.words) <= 450
    assert found.words["ел"] == len(texts)
    kept = [rare.index(word) for word in found.words if word in rare]
    assert len(kept) > 100, "words that stand once are sampled, not all dropped"
    assert sum(number < 200 for number in kept) < 50, "and not only the first ones stay"


def test_a_trainer_reads_each_part_as_often_as_it_was_counted() -> None:
    parts = [("кош", 3), ("é" * 9_000, 4), ("ел", 20_001)]
    texts = list(repeated_lines(parts))
    assert max(map(len, texts)) < 30_000
    found = collections.Counter(part for text in texts for part in text.split(LINE_END) if part)
    assert found == dict(parts)


def test_words_are_cut_at_characters_that_are_no_piece() -> None:
    counts = count_words(["алма алма", "ал𒀀ма\n"])
    assert sorted(counts.cut_at("𒀀")) == [(" алма", 1), ("ал", 1), ("алма", 1), ("ма", 1)]
