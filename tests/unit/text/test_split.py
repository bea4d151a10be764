"""What is held out."""

import random
from collections.abc import Iterator

import numpy as np
import pytest

from endonym.errors import CorpusError
from endonym.text.config import Split
from endonym.text.split import Chosen, HeldOut, Texts, candidates_of, digest, held_out
from text.samples import FRENCH, ROMANIAN, TATAR

WORDS = " ".join(TATAR + ROMANIAN + FRENCH).split()


def keys(texts: list[str], seed: int = 1) -> np.ndarray:
    return np.array(
        [int.from_bytes(digest(text.encode(), seed)[:8], "big") for text in texts], dtype=np.uint64
    )


def numbered(count: int, start: int = 0) -> list[str]:
    """Texts that are no near copies of one another."""
    draws = (random.Random(number).choices(WORDS, k=9) for number in range(start, start + count))
    return [" ".join(words) for words in draws]


def split_texts(sources: list[list[str]], split: Split, seed: int = 1) -> HeldOut:
    texts = [text for source in sources for text in source]
    return held_out([keys(source, seed) for source in sources], split, reader(texts))


def reader(texts: list[str]) -> Texts:
    def read(chosen: Chosen) -> Iterator[str]:
        return (text for text, is_chosen in zip(texts, chosen, strict=True) if is_chosen)

    return read


def test_about_a_twentieth_is_held_out():
    (chosen,) = candidates_of([keys(numbered(20_000))], Split())
    assert 0.045 < chosen.mean() < 0.055


def test_a_share_is_taken_of_each_source():
    first, second = candidates_of(
        [keys(numbered(5_000)), keys(numbered(500, 5_000))], Split(val_share=0.2)
    )
    assert 0.18 < first.mean() < 0.22
    assert 0.12 < second.mean() < 0.28


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_a_small_source_holds_out_at_least_one_and_at_most_half(count: int):
    for start in range(0, 3_000, 10):
        (chosen,) = candidates_of([keys(numbered(count, start))], Split())
        assert 1 <= chosen.sum() <= max(1, count // 2)


def test_a_source_with_one_document_holds_out_nothing_beside_others():
    first, second = candidates_of([keys(numbered(100)), keys(["Кояш чыкты."])], Split())
    assert first.any()
    assert not second.any()


def test_sources_of_one_document_each_are_held_out_as_if_they_were_one():
    chosen = candidates_of([keys([text]) for text in TATAR], Split())
    assert sum(int(each.sum()) for each in chosen) == 1


def test_a_number_of_documents_is_exact_and_in_proportion():
    first, second = candidates_of(
        [keys(numbered(9_000)), keys(numbered(1_000, 9_000))], Split(val_documents=500)
    )
    assert first.sum() + second.sum() == 500
    assert 25 < second.sum() < 80


def test_more_documents_than_there_are_cannot_be_held_out():
    with pytest.raises(CorpusError, match="only 6 documents"):
        candidates_of([keys(TATAR)], Split(val_documents=6))


def test_another_seed_chooses_other_documents():
    texts = numbered(1_000)
    one, two = (split_texts([texts], Split(), seed).chosen for seed in (1, 2))
    assert one.any()
    assert two.any()
    assert (one != two).any()


def test_copies_fall_on_the_same_side():
    texts = numbered(300)
    doubled = texts + texts
    (chosen,) = candidates_of([keys(doubled)], Split(val_share=0.3))
    assert list(chosen[:300]) == list(chosen[300:])


def ordered(count: int) -> np.ndarray:
    """Keys in the order of the documents: the first N are the N smallest."""
    return np.arange(1, count + 1, dtype=np.uint64)


def test_a_near_copy_in_training_moves_a_document_to_training():
    texts = numbered(20)
    texts[12] = texts[1].upper() + " Тагын бер сүз."
    held = held_out([ordered(20)], Split(val_documents=4), reader(texts))
    assert list(np.nonzero(held.near_copies)[0]) == [1]
    assert list(np.nonzero(held.chosen)[0]) == [0, 2, 3]


def test_near_copies_that_are_both_held_out_stay():
    texts = numbered(20)
    texts[2] = texts[1] + " Тагын бер сүз."
    held = held_out([ordered(20)], Split(val_documents=4), reader(texts))
    assert list(np.nonzero(held.chosen)[0]) == [0, 1, 2, 3]


def test_what_has_moved_takes_its_own_near_copies_with_it():
    chain = ["abcdefghijklmnopqrst", "defghijklmnopqrstuvw", "ghijklmnopqrstuvwxyz"]
    texts = [chain[2], chain[1], *numbered(10), chain[0]]
    held = held_out([ordered(13)], Split(val_documents=3), reader(texts))
    assert list(np.nonzero(held.near_copies)[0]) == [0, 1]
    assert list(np.nonzero(held.chosen)[0]) == [2]


def test_the_overlap_that_remains_is_told():
    texts = numbered(20)
    texts[10] = texts[0][:20] + " башка сүзләр килә аннары"
    held = held_out([ordered(20)], Split(val_documents=2), reader(texts))
    assert held.chosen.sum() == 2
    assert 0 < held.overlap < 0.5
