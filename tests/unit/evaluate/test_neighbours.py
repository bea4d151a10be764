"""What training text beside held-out text saves."""

import random
from pathlib import Path

import numpy as np
import pytest

from endonym.data.baselines import DocumentCounts, count
from endonym.data.shards import ShardDocument, TokenShards, write_shards
from endonym.evaluate import neighbours as module
from endonym.evaluate.neighbours import Gain, Places, gains
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

Patch = pytest.MonkeyPatch

NAMES = ["Айсылу", "Булат", "Гөлнара", "Дамир", "Зөлфия", "Илнар", "Камилә", "Ленар", "Мәдинә"]
VERBS = ["килде", "китте", "укыды", "көлде", "сөйләде", "җырлады"]
PLACES = ["урманга", "авылга", "мәктәпкә", "күлгә", "базарга", "бакчага"]


def chapters(seed: int, count: int = 40, lines: int = 60) -> list[str]:
    """A book by lines: each chapter has words of its own, which its lines repeat."""
    rng, book = random.Random(seed), list[str]()
    for _ in range(count):
        made = ["".join(rng.choices("абвгдеҗзиклмнңоөпрст", k=7)) for _ in range(6)]
        for _ in range(lines):
            word, other = rng.choices(made, k=2)
            parts = (rng.choice(NAMES), word, rng.choice(VERBS), other, rng.choice(PLACES))
            book.append(" ".join(parts) + ".")
    return book


def corpus(
    folder: Path, books: dict[str, list[list[str]]], every: int = 12
) -> tuple[TokenShards, TokenShards, TokenShards]:
    """Shards of sources with several files each; one block of lines in so many is held out."""
    splits: dict[str, list[ShardDocument]] = {"train": [], "dev": [], "test": []}
    position, block = 0, 0
    for name, files in books.items():
        for lines in files:
            position += 1
            for number, line in enumerate(lines):
                block += number % 10 == 0
                side = {0: "test", 1: "dev"}.get(block % every, "train")
                splits[side].append(ShardDocument(name, line, block, position))
                position += 1
    config = TokenizerConfig(kind="bpe", vocab=600)
    tokenizer = train_tokenizer(config, lambda: (each.text for each in splits["train"]))
    folder.mkdir()
    write_shards(
        folder, tokenizer, sorted(books), lambda side: splits[side], advance=lambda n: None
    )
    return TokenShards(folder, "train"), TokenShards(folder, "test"), TokenShards(folder, "dev")


def measured(folder: Path, books: dict[str, list[list[str]]]) -> list[Gain]:
    train, test, dev = corpus(folder, books)
    return gains(train, test, dev, count(train))


def test_neighbours_of_a_block_may_have_two_documents_missing_between_them(tmp_path: Path) -> None:
    lines = [f"{name} {verb} {place}." for name in NAMES for verb in VERBS for place in PLACES]
    places = {"train": range(100, 200), "dev": (60, 61), "test": (1, 2, 5, 9, 10)}
    splits = {
        side: [ShardDocument("китап", lines[at], 7, at) for at in some]
        for side, some in places.items()
    }
    config = TokenizerConfig(kind="bpe", vocab=300)
    tokenizer = train_tokenizer(config, lambda: iter(lines))
    write_shards(tmp_path, tokenizer, ["китап"], splits.__getitem__, advance=lambda n: None)
    assert module.neighbours(TokenShards(tmp_path, "test")).tolist() == [0, 0, 0, 1, 1]


def test_a_book_by_lines_flatters_until_it_is_shuffled(tmp_path: Path, monkeypatch: Patch):
    monkeypatch.setattr(module, "SIDE_BYTES", 3_000)
    book, other = chapters(1), chapters(2)
    random.Random(3).shuffle(other)
    found = measured(tmp_path / "a", {"book": [book], "list": [other]})
    ordered, shuffled = found
    assert (ordered.source, shuffled.source) == ("book", "list")
    assert ordered.is_certain
    assert ordered.bits_per_byte > 10 * abs(shuffled.bits_per_byte)
    assert ordered.low is not None
    assert ordered.low < ordered.bits_per_byte
    assert not shuffled.is_certain
    assert not Gain("test", "китап", 0.1, -0.01, 0.2, blocks=12).is_certain
    assert found == measured(tmp_path / "b", {"book": [book], "list": [other]})


def test_text_of_another_file_is_no_neighbour(tmp_path: Path) -> None:
    files = [[" ".join(random.Random(n).choices(NAMES, k=9))] * 10 for n in range(40)]
    train, test, dev = corpus(tmp_path / "a", {"files": files, "one": [chapters(4, count=20)]})
    positions = [each.index["position"] for each in (train, test, dev)]
    places = Places(train, test, np.sort(np.concatenate(positions)), 0)
    assert list(places.beside()) == []
    (found,) = gains(train, test, dev, count(train))
    assert found.source == "one"
    # The same from whole probabilities, in bits.
    every = np.sort(np.concatenate(positions))
    bits, size = 0.0, 0
    for beside in (book := Places(train, test, every, 1)).beside():
        ids = [test.document(int(each)).ids for each in beside.block]
        size += sum(int(test.byte_counts[each].sum()) for each in ids)
        for sign, some in ((1, beside.near), (-1, beside.elsewhere)):
            left_out = DocumentCounts(count(train), book.documents(some))
            chances = [np.exp(-count(train).nats(each, left_out)["bigram"]) for each in ids]
            bits -= sign * sum(float(np.log2(each).sum()) for each in chances)
    assert found.bits_per_byte == pytest.approx(bits / size)


def test_both_sides_of_a_block_are_beside_it(tmp_path: Path, monkeypatch: Patch):
    monkeypatch.setattr(module, "SIDE_BYTES", 800)
    train, test, dev = corpus(tmp_path / "a", {"book": [chapters(5)]})
    positions = [each.index["position"] for each in (train, test, dev)]
    places = Places(train, test, np.sort(np.concatenate(positions)), 0)
    for beside in places.beside():
        position = int(test.index["position"][beside.block[0]])
        near = train.index["position"][list(beside.near)]
        assert (near < position).any() or position < 20
        assert np.abs(near - position).max() < 60
        sizes = [sum(map(len, places.documents(some))) for some in beside[1:]]
        assert abs(sizes[0] - sizes[1]) < 0.2 * sizes[0]
        assert not set(beside.near) & set(beside.elsewhere)


def test_a_source_of_few_blocks_is_not_measured(tmp_path: Path) -> None:
    books = {"book": [chapters(6, count=20)], "page": [chapters(7, count=2, lines=50)]}
    train, test, dev = corpus(tmp_path / "a", books, every=5)
    every = np.sort(np.concatenate([each.index["position"] for each in (train, test, dev)]))
    counts = [len(list(Places(train, test, every, number).beside())) for number in range(2)]
    assert counts[0] >= module.FEWEST_BLOCKS > counts[1] > 0
    assert [each.source for each in gains(train, test, dev, count(train))] == ["book"]
