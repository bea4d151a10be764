"""What is held out."""

from collections.abc import Iterator

import numpy as np
import pytest
from text_samples import ROMANIAN, TATAR, numbered

from endonym.copies.hashes import Marks
from endonym.copies.held_out.split import (
    FEW_BLOCKS,
    Blocks,
    HeldOut,
    NearCopySearch,
    Texts,
    candidates_of,
    digest,
    held_out,
    split_keys,
)
from endonym.errors import CorpusError
from endonym.formats.config import BLOCK_BYTES, Split


def keys(texts: list[str], seed: int = 1) -> np.ndarray:
    return digests(texts, seed)[:, 0]


def split_texts(sources: list[list[str]], split: Split, seed: int = 1) -> HeldOut:
    texts = [text for source in sources for text in source]
    every = [keys(source, seed) for source in sources]
    return held_out(every, split, NearCopySearch(reader(texts)))


def reader(texts: list[str]) -> Texts:
    def read(chosen: Marks) -> Iterator[str]:
        return (text for text, is_chosen in zip(texts, chosen, strict=True) if is_chosen)

    return read


def shares(chosen: tuple[Marks, Marks]) -> tuple[float, float]:
    dev, test = chosen
    assert not (dev & test).any()
    return float(dev.mean()), float(test.mean())


def blocks_of(texts: list[str], seed: int = 1) -> tuple[list[int], np.ndarray]:
    """The number of each text's block, and the key of it."""
    names, sizes = digests(texts, seed), np.array([len(text.encode()) for text in texts])
    numbers, found = Blocks().add(names, sizes, np.zeros(len(texts), dtype=np.bool_))
    return numbers.tolist(), found


def digests(texts: list[str], seed: int) -> np.ndarray:
    names = b"".join(digest(text.encode(), seed) for text in texts)
    return np.frombuffer(names, dtype=">u8").reshape(-1, 2).astype(np.uint64)


def test_blocks_are_those_of_the_rule_however_their_documents_come():
    """The rule, document by document: a block ends with a file or a long document; it begins with
    a probability of its first document's size / 2,000."""
    random = np.random.Generator(np.random.Philox(3))
    texts = numbered(3_000)
    texts = [text * int(n) for text, n in zip(texts, random.integers(1, 40, 3_000), strict=True)]
    starts = random.random(3_000) < 0.01
    names, sizes = digests(texts, 1), np.array([len(text.encode()) for text in texts])
    number, key, is_over = -1, 0, True
    expected: list[tuple[int, int]] = []
    for (first, second), size, start in zip(names.tolist(), sizes.tolist(), starts, strict=True):
        if is_over or start or second * BLOCK_BYTES < size << 64:
            number, key = number + 1, first
        is_over = size >= BLOCK_BYTES
        expected.append((number, key))
    blocks, found = Blocks(), list[tuple[int, int]]()
    for part in np.split(np.arange(3_000), [0, 1, 700, 2_999]):
        numbers, keys_ = blocks.add(names[part], sizes[part], starts[part])
        found += zip(numbers.tolist(), keys_.tolist(), strict=True)
    assert found == expected


def test_about_three_hundredths_each_are_dev_and_test():
    (chosen,) = candidates_of([keys(numbered(20_000))], Split())
    for share in shares(chosen):
        assert 0.026 < share < 0.034


def test_of_a_large_source_a_few_bytes_are_enough_and_growth_moves_nothing_into_them():
    split, texts = Split(val_share=0.2, val_bytes=20_000), numbered(6_000)
    held = []
    for count in (3_000, 6_000):
        every = texts[:count]
        size = sum(len(text.encode()) for text in every)
        ((dev, test),) = candidates_of([keys(every)], split, [size])
        chosen = {text for text, is_held in zip(every, dev | test, strict=True) if is_held}
        assert 14_000 < sum(len(text.encode()) for text in chosen) < 26_000
        assert dev.any()
        assert test.any()
        held.append(chosen)
    assert held[1] & set(texts[:3_000]) < held[0]


def test_a_share_is_taken_of_each_source():
    both = [keys(numbered(5_000)), keys(numbered(500, 5_000))]
    first, second = candidates_of(both, Split(val_share=0.4))
    for share in shares(first):
        assert 0.18 < share < 0.22
    for share in shares(second):
        assert 0.12 < share < 0.28


@pytest.mark.parametrize("count", [2, 3, 4, 5, 10])
def test_a_small_source_holds_out_at_least_one_and_at_most_half(count: int):
    for start in range(0, 3_000, 10):
        ((dev, test),) = candidates_of([keys(numbered(count, start))], Split())
        assert test.sum() >= 1
        assert dev.sum() >= (1 if count >= 4 else 0)
        assert (dev | test).sum() <= max(1, count // 2)


def test_a_block_of_more_than_half_of_a_source_is_not_held_out():
    """All sentences of one article, for example, with the smallest key of all blocks."""
    for documents, dev, test in (
        ([1, 1, 1, 2], [], [3]),
        ([1, 1, 1, 1, 1, 2, 3, 4], [7], [5, 6]),
        ([1, 1, 2, 2], [], [0, 1]),
        ([1, 2, 2, 2, 3], [4], [0]),
    ):
        (found,) = candidates_of([np.array(documents, dtype=np.uint64)], Split())
        assert [indices(side) for side in found] == [dev, test]


def test_a_source_with_one_document_holds_out_nothing_beside_others():
    first, second = candidates_of([keys(numbered(100)), keys(["Кояш чыкты."])], Split())
    assert all(each.any() for each in first)
    assert not any(each.any() for each in second)


def test_sources_of_one_document_each_are_held_out_as_if_they_were_one():
    chosen = candidates_of([keys([text]) for text in TATAR], Split())
    assert sum(int(dev.sum()) for dev, _ in chosen) == 1
    assert sum(int(test.sum()) for _, test in chosen) == 1


def test_a_number_of_documents_is_halved_and_in_proportion():
    both = [keys(numbered(9_000)), keys(numbered(1_000, 9_000))]
    first, second = candidates_of(both, Split(val_documents=500))
    for side in (0, 1):
        assert first[side].sum() + second[side].sum() == 250
        assert 8 < second[side].sum() < 45


def test_a_number_of_documents_is_taken_in_whole_blocks():
    blocks = np.repeat(keys(numbered(300)), 10)
    ((dev, test),) = candidates_of([blocks], Split(val_documents=95))
    assert (int(dev.sum()), int(test.sum())) == (50, 50)


@pytest.mark.parametrize("count", [150, 158, 159])
def test_something_is_left_to_train_on_whatever_number_is_held_out(count: int):
    blocks = np.repeat(keys(numbered(16)), 10)
    ((dev, test),) = candidates_of([blocks], Split(val_documents=count))
    assert (~(dev | test)).sum() == 10
    assert dev.any()
    assert test.any()


def test_more_documents_than_there_are_cannot_be_held_out():
    with pytest.raises(CorpusError, match="only 6 documents"):
        candidates_of([keys(TATAR)], Split(val_documents=6))


def test_another_seed_chooses_other_documents():
    texts = numbered(1_000)
    one, two = (split_texts([texts], Split(), seed) for seed in (1, 2))
    assert one.dev.any()
    assert two.test.any()
    assert (one.dev != two.dev).any()
    assert (one.test != two.test).any()


def test_copies_fall_in_the_same_set():
    texts = numbered(300)
    doubled = texts + texts
    ((dev, test),) = candidates_of([keys(doubled)], Split(val_share=0.3))
    for side in (dev, test):
        assert list(side[:300]) == list(side[300:])


def test_neighbours_of_short_documents_are_held_out_together():
    texts = numbered(4_000)
    numbers, block_keys = blocks_of(texts)
    ((dev, test),) = candidates_of([split_keys(keys(texts), block_keys)], Split(val_share=0.2))
    sizes = np.bincount(numbers, weights=[len(text.encode()) for text in texts])
    assert 0.8 * BLOCK_BYTES < sizes.mean() < 1.2 * BLOCK_BYTES
    for side in (dev, test):
        held = set(np.array(numbers)[side])
        assert len(held) > 3
        assert side.sum() == sum(number in held for number in numbers)


def test_a_long_document_is_a_block_of_its_own():
    long = " ".join(numbered(40))
    assert len(long.encode()) > BLOCK_BYTES
    numbers, _ = blocks_of(["Кояш чыкты.", long, "Кич җитте.", long + " Бетте."])
    assert numbers == [0, 1, 2, 3]


def test_where_blocks_begin_depends_on_each_text_alone():
    texts = numbered(600)
    whole, _ = blocks_of(texts)
    later, _ = blocks_of(texts[200:])
    whole_starts = {n for n in range(201, 600) if whole[n] != whole[n - 1]}
    later_starts = {n + 200 for n in range(1, 400) if later[n] != later[n - 1]}
    assert whole_starts == later_starts


def test_a_source_of_few_blocks_is_divided_by_documents():
    texts = numbered(100)
    numbers, block_keys = blocks_of(texts)
    assert len(set(numbers)) < FEW_BLOCKS
    assert split_keys(keys(texts), block_keys).tolist() == keys(texts).tolist()


def ordered(count: int) -> np.ndarray:
    """Keys in the order of the documents: the first N are the N smallest."""
    return np.arange(1, count + 1, dtype=np.uint64)


def indices(side: Marks) -> list[int]:
    return np.nonzero(side)[0].tolist()


def ordered_split(texts: list[str], held: int) -> HeldOut:
    """So many of the first documents are chosen, half for test and half for dev."""
    return held_out([ordered(len(texts))], Split(val_documents=held), NearCopySearch(reader(texts)))


def test_a_near_copy_in_training_moves_a_document_to_training():
    texts = numbered(20)
    texts[12] = texts[1].upper() + " Тагын бер сүз."
    held = ordered_split(texts, 4)
    assert indices(held.near_copies) == [1]
    assert (indices(held.test), indices(held.dev)) == ([0], [2, 3])
    assert held.sides().tolist() == [2, 0, 1, 1] + [0] * 16


def test_near_copies_stay_held_out_where_the_recipe_keeps_them():
    texts = numbered(20)
    texts[12] = texts[1].upper() + " Тагын бер сүз."
    texts[2] = texts[0] + " Тагын бер сүз."
    split = Split(val_documents=4, keep_near_copies=True)
    held = held_out([ordered(20)], split, NearCopySearch(reader(texts)))
    assert not held.near_copies.any()
    assert (indices(held.test), indices(held.dev)) == ([0, 1], [2, 3])
    assert held.covered > 0.2


def test_near_copies_in_one_set_stay_and_those_of_dev_go_to_dev():
    for number, test, dev in ((1, [0, 1], [2, 3]), (2, [0], [1, 2, 3])):
        texts = numbered(20)
        texts[number] = texts[number - 1] + " Тагын бер сүз."
        held = ordered_split(texts, 4)
        assert (indices(held.test), indices(held.dev)) == (test, dev)


def test_what_has_moved_takes_its_own_near_copies_with_it():
    chain = ["abcdefghijklmnopqrst", "defghijklmnopqrstuvw", "ghijklmnopqrstuvwxyz"]
    texts = [chain[2], chain[1], *numbered(10), chain[0]]
    held = held_out([ordered(13)], Split(val_documents=4), NearCopySearch(reader(texts)))
    assert indices(held.near_copies) == [0, 1]
    assert indices(held.dev) == [2, 3]


def test_the_overlap_that_remains_is_measured():
    texts = numbered(20)
    texts[10] = texts[0][:20] + " башка сүзләр килә аннары"
    held = held_out([ordered(20)], Split(val_documents=2), NearCopySearch(reader(texts)))
    assert (held.dev | held.test).sum() == 2
    assert 0 < held.overlap < 0.5


def test_a_page_of_sentences_that_training_has_one_by_one_goes_to_training():
    lines = [f"{text} {number}." for number, text in enumerate(numbered(60))]
    page = "\n".join(f"— {line}" for line in lines[40:57]) + "\n" + " ".join(TATAR[:1])
    texts = [page, *numbered(20)[:3], *lines]
    held = held_out([ordered(len(texts))], Split(val_documents=4), NearCopySearch(reader(texts)))
    assert 0 in indices(held.near_copies)
    assert held.covered < 0.5


def test_what_stays_of_a_page_half_of_which_is_new_is_told_as_a_share():
    lines = [f"{text} {number}." for number, text in enumerate(numbered(60))]
    page = " ".join([*lines[40:43], *TATAR])
    texts = [page, *TATAR[:0], *lines]
    held = held_out([ordered(len(texts))], Split(val_documents=2), NearCopySearch(reader(texts)))
    assert 0 in indices(held.test | held.dev)
    assert 0.05 < held.covered < 0.5


def test_the_share_that_stays_covered_is_told_of_each_source():
    lines = [f"{text} {number}." for number, text in enumerate(numbered(60))]
    page = " ".join([*lines[40:43], *TATAR])
    texts = [page, *lines, *ROMANIAN]
    keys = [ordered(1), ordered(len(lines)) + 1, ordered(len(ROMANIAN)) + 1_000]
    held = held_out(keys, Split(val_documents=2), NearCopySearch(reader(texts)))
    of_pages, of_lines, of_others = held.covered_of
    assert 0 in indices(held.test | held.dev)
    assert of_pages > held.covered > of_lines == of_others == 0
