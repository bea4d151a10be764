"""Words are counted as a plain split counts them, in a table that does not grow with the text."""

import collections

import pytest
import regex
from toys import toy_texts

from endonym.tokenizer import words as module
from endonym.tokenizer.words import LINE_END, TRAINING_SPLIT, count_words, fed

HARD = [
    "Ак  кош\tоча ",
    " \n\n x",
    "a \r\n b",
    "e\u0301té  \u00a0d’été",
    "ស្រី\u200bតូច  បោះ",
    "",
    "\n",
]


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
    assert counts.pruned == 0


def test_a_long_text_is_read_in_parts_that_end_with_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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
    assert found.pruned > 2_000
    assert sum(found.words.values()) + found.pruned == pytest.approx(2 * len(texts), abs=450)
    kept = [rare.index(word) for word in found.words if word in rare]
    assert len(kept) > 100, "words that stand once are sampled, not all dropped"
    assert sum(number < 200 for number in kept) < 50, "and not only the first ones stay"


def test_a_trainer_reads_each_part_as_often_as_it_was_counted() -> None:
    parts = [("кош", 3), ("é" * 9_000, 4), ("ел", 20_001)]
    texts = list(fed(parts))
    assert max(map(len, texts)) < 30_000
    found = collections.Counter(part for text in texts for part in text.split(LINE_END) if part)
    assert found == dict(parts)


def test_words_are_cut_at_characters_that_are_no_piece() -> None:
    counts = count_words(["алма алма", "ал𒀀ма\n"])
    assert sorted(counts.cut_at("𒀀")) == [(" алма", 1), ("ал", 1), ("алма", 1), ("ма", 1)]
