"""What is held out."""

from collections.abc import Iterator

import numpy as np
import pytest

from endonym.errors import CorpusError
from endonym.text.config import Split
from endonym.text.split import Chosen, candidates_of, digest, held_out
from text.samples import KHMER, TATAR


def keys(texts: list[str], seed: int = 1) -> np.ndarray:
    return np.array(
        [int.from_bytes(digest(text.encode(), seed)[:8], "big") for text in texts], dtype=np.uint64
    )


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"{number * 7919} нче көн: {TATAR[number % 6][:9]}" for number in range(start, start + count)]


def chosen_texts(sources: list[list[str]], split: Split, seed: int = 1) -> set[str]:
    texts = [text for source in sources for text in source]

    def read(chosen: Chosen) -> Iterator[str]:
        return (text for text, is_chosen in zip(texts, chosen, strict=True) if is_chosen)

    held = held_out([keys(source, seed) for source in sources], split, read)
    return {text for text, is_chosen in zip(texts, held.chosen, strict=True) if is_chosen}


def test_about_a_twentieth_is_held_out():
    (chosen,) = candidates_of([keys(numbered(20_000))], Split())
    assert 0.045 < chosen.mean() < 0.055


def test_a_share_is_taken_of_each_source():
    first, second = candidates_of([keys(numbered(5_000)), keys(numbered(500, 5_000))], Split(val_share=0.2))
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
    assert chosen_texts([texts], Split(), seed=1) != chosen_texts([texts], Split(), seed=2)


def test_copies_fall_on_the_same_side():
    texts = numbered(300)
    doubled = texts + texts
    (chosen,) = candidates_of([keys(doubled)], Split(val_share=0.3))
    assert list(chosen[:300]) == list(chosen[300:])


def test_a_near_copy_in_training_moves_a_document_to_training():
    texts = [f"{KHMER[0]} {number * 977} {TATAR[number % 6]}" for number in range(2)]
    (chosen,) = candidates_of([keys(texts)], Split())
    read = lambda mask: (t for t, m in zip(texts, mask, strict=True) if m)  # noqa: E731
    held = held_out([keys(texts)], Split(), read)
    assert chosen.sum() == 1
    assert held.near_copies.sum() == 1 or held.chosen.sum() == 1


def test_what_has_moved_takes_its_own_near_copies_with_it():
    chain = ["abcdefghijklmnopqrst", "defghijklmnopqrstuvw", "ghijklmnopqrstuvwxyz"]
    others = numbered(30)
    texts = chain + others
    every = np.sort(keys(texts))
    positions = {text: int(np.searchsorted(every, key)) for text, key in zip(texts, keys(texts), strict=True)}
    order = np.zeros(len(texts), dtype=np.uint64)
    for place, text in enumerate([*chain[1:], others[0], chain[0], *others[1:]]):
        order[texts.index(text)] = place + 1
    read = lambda mask: (t for t, m in zip(texts, mask, strict=True) if m)  # noqa: E731
    held = held_out([order], Split(val_documents=3), read)
    assert positions
    assert list(np.nonzero(held.near_copies)[0]) == [1, 2]
    assert list(np.nonzero(held.chosen)[0]) == [3]
    assert held.overlap == 0.0
