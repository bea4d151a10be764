"""Shards: end-of-text between documents, an index, and files that fit it."""

from pathlib import Path

import numpy as np
import pytest
from toys import END, IdTokenizer, distinct_documents, write_toy_shards

from endonym.data.shards import ShardDocument, TokenShards, follow, write_shards
from endonym.errors import Damaged
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

Patch = pytest.MonkeyPatch

KHMER = "ស្រីតូចបោះគ្រាប់ពូជលើដីសើមក្បែររបង។"
TATAR = "Күрше малае бәрәңге бакчасында пычкы тапкан."
FRENCH = "Le vieux meunier n’a jamais dit où passait l’âne."


def test_a_shard_opens_with_end_of_text_which_then_closes_every_document(tmp_path: Path) -> None:
    shards, _ = write_toy_shards(tmp_path, [[5, 6, 7], [8], [9, 9]], vocab=10)
    assert shards.parts[0].tolist() == [END, 5, 6, 7, END, 8, END, 9, 9, END]
    assert shards.lengths().tolist() == [4, 2, 3]


def test_a_new_shard_opens_with_end_of_text(tmp_path: Path, monkeypatch: Patch):
    monkeypatch.setattr("endonym.data.shards.SHARD_TOKENS", 5)
    documents, vocab = distinct_documents([3, 2, 9, 1])
    shards, _ = write_toy_shards(tmp_path, documents, vocab=vocab)
    parts = [part.tolist() for part in shards.parts]
    assert parts[0] == [END, 1, 2, 3, END, 4, 5, END]
    assert parts[1] == [END, *range(6, 15), END]
    assert parts[2] == [END, 15, END]
    assert [shards.document(n).ids.tolist() for n in range(4)] == documents


@pytest.mark.parametrize(("vocab", "width"), [(1 << 16, 2), ((1 << 16) + 1, 4)])
def test_ids_take_two_bytes_while_the_vocabulary_lets_them(tmp_path: Path, vocab: int, width: int):
    shards, _ = write_toy_shards(tmp_path, [[vocab - 1, 1]], vocab=vocab)
    assert (tmp_path / "train-00000.bin").stat().st_size == 4 * width
    assert shards.document(0).ids.tolist() == [vocab - 1, 1]


def test_totals_count_documents_tokens_bytes_and_letters_by_source(tmp_path: Path) -> None:
    given = [("tatar", TATAR), ("khmer", KHMER), ("tatar", TATAR + FRENCH)]
    texts = [ShardDocument(source, text, n, n) for n, (source, text) in enumerate(given)]
    tokenizer = train_tokenizer(
        TokenizerConfig(kind="char", min_count=1), lambda: iter([KHMER, TATAR])
    )
    numbers = write_shards(
        tmp_path, tokenizer, ["khmer", "tatar"], lambda split: texts, advance=lambda n: None
    )
    tatar, khmer = numbers["train"]["tatar"], numbers["train"]["khmer"]
    assert tatar["documents"] == 2
    assert tatar["bytes"] == len((TATAR + TATAR + FRENCH).encode("utf-8"))
    assert tatar["chars"] == len(TATAR + TATAR + FRENCH)
    sizes = {"tokens": len(KHMER), "bytes": len(KHMER.encode("utf-8")), "chars": len(KHMER)}
    assert khmer == {"documents": 1, **sizes, "unused": tokenizer.vocab - 3 - len(set(KHMER))}
    french_bytes = set("".join(sorted(set(FRENCH) - set(TATAR + KHMER))).encode("utf-8"))
    used = len(set(KHMER + TATAR)) + len(french_bytes)
    assert numbers["unused"] == tokenizer.vocab - 3 - used
    assert numbers["dev"] == numbers["train"]


def test_all_bytes_that_are_read_are_noted(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("endonym.data.shards.BATCH_CHARS", 4)
    sizes: list[int] = []
    pairs = [
        ShardDocument("a", text, 0, position) for position, text in enumerate(["1 2 3", "4", "5"])
    ]
    write_shards(tmp_path, IdTokenizer(9), ["a"], lambda split: pairs, advance=sizes.append)
    assert sizes == [5, 2] * 3


@pytest.mark.parametrize("extra", [-2, 2])
def test_a_file_that_does_not_fit_the_index_is_damaged(tmp_path: Path, extra: int) -> None:
    write_toy_shards(tmp_path, [[3, 1], [2]], vocab=4)
    path = tmp_path / "train-00000.bin"
    data = path.read_bytes()
    path.write_bytes(data[:extra] if extra < 0 else data + b"\0" * extra)
    with pytest.raises(Damaged, match="the index needs 6 tokens"):
        TokenShards(tmp_path, "train")


def test_a_missing_shard_is_damage_and_no_crash_later(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("endonym.data.shards.SHARD_TOKENS", 3)
    write_toy_shards(tmp_path, [[3, 1], [2, 2]], vocab=4)
    (tmp_path / "train-00001.bin").unlink()
    with pytest.raises(Damaged, match="needs 2 shards of train, there are 1"):
        TokenShards(tmp_path, "train")


def test_a_shard_without_documents_has_one_token(tmp_path: Path, monkeypatch: Patch):
    monkeypatch.setattr("endonym.data.shards.SHARD_TOKENS", 3)
    shards, _ = write_toy_shards(tmp_path, [[3, 1], [2, 2]], vocab=4)
    np.save(tmp_path / "train.index.npy", shards.index[1:])
    with pytest.raises(Damaged, match="the index needs 1 tokens, the file has 4") as caught:
        TokenShards(tmp_path, "train")
    assert caught.value.where == str(tmp_path / "train-00000.bin")
    (tmp_path / "train-00000.bin").write_bytes(np.array([END], dtype="<u2").tobytes())
    assert TokenShards(tmp_path, "train").document(0).ids.tolist() == [2, 2]


@pytest.mark.parametrize("chunk", [2, 5, 1_000])
def test_bytes_are_those_of_each_source(tmp_path: Path, monkeypatch: Patch, chunk: int):
    """A document without text has none; one that is longer than a chunk has all of its own."""
    monkeypatch.setattr("endonym.data.shards.CHUNK_TOKENS", chunk)
    documents = [[3, 1], [], [2] * 9, [3], []]
    shards, dev = write_toy_shards(tmp_path, documents, vocab=4, sources=("a", "b"))
    sizes = [sum(int(shards.byte_counts[ids].sum()) for ids in documents[n::2]) for n in range(2)]
    assert shards.sums_by_source(shards.byte_counts).tolist() == sizes
    assert dev.sums_by_source(dev.byte_counts).tolist() == [0, 0]
    shards.space_first = True  # as a tokenizer that puts a space before each text
    ids = [np.array(document, dtype=np.int64) for document in documents]
    sizes = [sum(map(shards.bytes_of, ids[n::2])) for n in range(2)]
    assert shards.sums_by_source(shards.byte_counts).tolist() == sizes


def test_a_document_follows_its_predecessor_in_the_shard(tmp_path: Path, monkeypatch: Patch):
    monkeypatch.setattr("endonym.data.shards.SHARD_TOKENS", 7)
    positions = [0, 1, 3, 4, 5]  # the document at 2 is held out
    shards, _ = write_toy_shards(
        tmp_path, [[1], [2], [3, 1], [2], [3]], vocab=4, positions=positions
    )
    assert shards.index["shard"].tolist() == [0, 0, 0, 1, 1]
    assert follow(shards.index).tolist() == [True, False, False, True]


def test_reading_at_offsets_follows_the_shard_numbers(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("endonym.data.shards.SHARD_TOKENS", 3)
    shards, _ = write_toy_shards(tmp_path, [[3, 1], [2, 2]], vocab=4)
    numbers, offsets = np.array([[1, 0], [0, 1]], dtype=np.int32), np.array([[1, 1], [2, 0]])
    assert shards.at(numbers, offsets).tolist() == [[2, 3], [1, END]]


def test_shards_of_an_earlier_endonym_say_what_to_do(tmp_path: Path) -> None:
    write_toy_shards(tmp_path, [[1]], vocab=4)
    index = np.load(tmp_path / "dev.index.npy")
    index.dtype.names = tuple("place" if n == "position" else n for n in index.dtype.names)
    np.save(tmp_path / "dev.index.npy", index)
    with pytest.raises(Damaged, match="another version of endonym") as caught:
        TokenShards(tmp_path, "dev")
    assert "run again" in caught.value.do


def test_the_longest_document_counts_its_end_of_text(tmp_path: Path) -> None:
    documents, vocab = distinct_documents([3, 7, 2])
    train, dev = write_toy_shards(tmp_path, documents, vocab=vocab)
    assert (train.longest_document, dev.longest_document) == (8, 0)
    assert train.lengths().tolist() == [4, 8, 3]
