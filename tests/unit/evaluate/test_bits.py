"""Bits a byte of held-out text, beside what needs no learning."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyppmd
import pytest
from reference.counting import SlowCounts
from reference.reading import document_nats
from toys import lively_decoder, toy_config, toy_texts, toy_tokenizer

from endonym.data.baselines import count
from endonym.data.shards import ShardDocument, TokenShards, write_shards
from endonym.evaluate.bits import (
    Texts,
    baseline_scores,
    blocks_of,
    by_source,
    compressor_scores,
    held_out_texts,
    measure_nats,
    priming_text,
    spaced_sample,
)
from endonym.evaluate.compressor import ends
from endonym.evaluate.score import Measured, Score, find, headline
from endonym.evaluate.tables import remarks, score_rows
from endonym.generate.language_model import LanguageModel

Splits = tuple[TokenShards, TokenShards]

Patch = pytest.MonkeyPatch

READER = toy_tokenizer("bpe")
TRAIN, VAL = toy_texts()[:40], toy_texts()[40:54]


@pytest.fixture(autouse=True)
def _a_few_bytes_are_enough(monkeypatch: Patch) -> None:
    monkeypatch.setattr("endonym.evaluate.bits.SOURCE_BYTES", 50)
    monkeypatch.setattr("endonym.evaluate.bits.JUDGED_BYTES", 20)


@pytest.fixture
def splits(tmp_path: Path) -> tuple[TokenShards, TokenShards]:
    """Two sources that alternate."""
    texts = {"train": TRAIN, "dev": VAL, "test": []}

    def documents(split: str) -> list[ShardDocument]:
        return [ShardDocument("ab"[n % 2], text, n, n) for n, text in enumerate(texts[split])]

    write_shards(tmp_path, READER, ["a", "b"], documents, advance=lambda n: None)
    return TokenShards(tmp_path, "train"), TokenShards(tmp_path, "dev")


def value(found: list[Score], metric: str, model: str, source: str | None = None) -> float:
    score = find(found, metric=metric, model=model, source=source)
    return score.value


def test_the_models_bits_are_those_of_reading_each_document_alone(splits: Splits) -> None:
    decoder = lively_decoder(toy_config(vocab=READER.vocab))
    counts: list[int] = []
    texts = held_out_texts(splits[1], READER)
    assert list(texts.each()) == VAL
    measured = measure_nats(LanguageModel(decoder, READER), texts, advance=counts.append)
    found = by_source(texts, measured, model="model", split="dev")
    ids = [READER.encode(text) for text in VAL]
    nats = [sum(document_nats(decoder, each, READER.end_id)) for each in ids]
    for source, here in ((None, slice(None)), ("a", slice(0, None, 2)), ("b", slice(1, None, 2))):
        n_bytes = sum(len(text.encode("utf-8")) for text in VAL[here])
        bits = sum(nats[here]) / math.log(2)
        assert value(found, "bits_per_byte", "model", source) == pytest.approx(bits / n_bytes)
        n_chars = sum(len(text) for text in VAL[here])
        assert value(found, "bits_per_character", "model", source) == pytest.approx(bits / n_chars)
    assert sum(counts) == sum(len(each) for each in ids)
    mean = headline(found, model="model")
    assert mean == found[0]
    parts = [value(found, "bits_per_byte", "model", name) for name in "ab"]
    assert mean.value == pytest.approx(sum(parts) / 2)
    for total in (mean, find(found, metric="bits_per_byte", model="model", source=None)):
        assert total.low is not None
        assert total.low < total.value < (total.high or 0)
        assert total.n_bytes == sum(len(text.encode("utf-8")) for text in VAL)
    part = find(found, metric="bits_per_byte", model="model", source="a")
    assert part.low is None


def test_the_baselines_are_counted_on_the_training_text(splits: Splits) -> None:
    found = baseline_scores(count(splits[0]), held_out_texts(splits[1], READER), split="dev")
    slow = SlowCounts([READER.encode(text) for text in TRAIN], vocab=READER.vocab, end_id=0)
    encoded = [READER.encode(text) for text in VAL]
    pairs = [pair for ids in encoded for pair in zip([0, *ids[:-1]], ids, strict=True)]
    bigram = -sum(math.log(slow.bigram(*pair)) for pair in pairs) / len(pairs)
    unigram = -sum(math.log(slow.unigram(token)) for _, token in pairs) / len(pairs)
    assert value(found, "nats_per_token", "uniform") == pytest.approx(math.log(READER.vocab))
    assert value(found, "nats_per_token", "unigram") == pytest.approx(unigram)
    assert value(found, "nats_per_token", "bigram") == pytest.approx(bigram)
    assert value(found, "perplexity", "uniform") == pytest.approx(READER.vocab)
    assert {score.split for score in found} == {"dev"}


def compressed(data: bytes) -> int:
    encoder = pyppmd.Ppmd8Encoder(16, 1 << 30)
    return len(encoder.encode(data)) + len(encoder.flush())


def silent(texts: Texts) -> Measured:
    """A model that says one nat of every document."""
    return texts.measured([[1.0]] * len(texts.ids))


def test_the_compressor_reads_the_training_text_first(splits: Splits, monkeypatch: Patch) -> None:
    monkeypatch.setattr("endonym.evaluate.compressor.MOST_LEFT_OUT", 0.1)
    done, texts = list[float](), held_out_texts(splits[1], READER)
    keys = {"split": "dev", "advance": done.append}
    found, sample = compressor_scores(splits[0], texts, silent(texts), **keys)
    assert sum(done) == pytest.approx(1)
    train = "\n\n".join(TRAIN).encode("utf-8")
    begun = [train[:end] for end in ends(train, 8)]
    beside = [[compressed(each + b"\n\n" + text.encode()) for text in VAL] for each in begun]
    added = np.array(beside) - np.array([[compressed(each)] for each in begun])
    n_bytes = np.array([len(text.encode("utf-8")) for text in VAL])
    total = find(found, metric="bits_per_byte", model="compressor", source=None)
    values = 8 * added.sum(1) / n_bytes.sum()
    assert total.value == pytest.approx(values.mean())
    assert len(begun) > 2
    assert total.deviation == pytest.approx(values.std(ddof=1))
    parts = [8 * added[:, n::2].sum(1) / n_bytes[n::2].sum() for n in (0, 1)]
    mean = headline(found, model="compressor")
    assert mean.value == pytest.approx(np.mean(parts))
    assert {score.metric for score in found} == {"bits_per_byte", "bits_per_character"}
    assert {score.model for score in found} == {"compressor"}
    assert {score.sampled_from for score in found} == {None}
    assert sample == {
        "training_bytes": len(train),
        "training_documents": 40,
        "order": 16,
        "draws": len(begun),
        "held_out_documents": 14,
    }


def test_priming_is_spread_over_all_documents_and_said(splits: Splits, monkeypatch: Patch) -> None:
    monkeypatch.setattr("endonym.evaluate.compressor.PRIMING_LIMIT_BYTES", 600)
    data, sample = priming_text(splits[0], READER, b"\n\n")
    share = 600 / (sum(len(text.encode("utf-8")) for text in TRAIN) + 2)
    passed = [int(n * share) for n in range(len(TRAIN) + 1)]
    chosen = [text for n, text in enumerate(TRAIN) if passed[n + 1] > passed[n]]
    assert 1 < len(chosen) < len(TRAIN)
    assert data == "\n\n".join(chosen).encode("utf-8")[:600]
    assert sample == {"training_bytes": len(data), "training_documents": len(chosen)}


def test_a_compressor_line_of_a_sample_says_so_and_has_the_model_beside_it(
    splits: Splits, monkeypatch: Patch
) -> None:
    monkeypatch.setattr("endonym.evaluate.compressor.MOST_DOCUMENTS", 6)
    texts = held_out_texts(splits[1], READER)
    model = texts.measured([[float(n)] for n in range(14)])
    found, said = compressor_scores(splits[0], texts, model, split="dev")
    chosen = [0, 1, 4, 5, 8, 9]
    assert said["held_out_documents"] == 6
    models = {(score.model, score.sampled_from) for score in found}
    assert models == {("compressor", 14), ("model_on_sample", 14)}
    expected = sum(len(VAL[n].encode("utf-8")) for n in chosen)
    assert {score.n_bytes for score in found if score.source is None} == {expected}
    bits = value(found, "bits_per_byte", "model_on_sample")
    assert bits == pytest.approx(sum(chosen) / math.log(2) / expected)


def test_a_sample_has_documents_of_every_source_and_more_of_a_small_one() -> None:
    sources = ["роман"] * 900 + ["мәкаль"] * 90 + ["такмак"] * 10 + ["бер"]
    indices = spaced_sample(sources, 80)
    counts = {name: sum(sources[n] == name for n in indices) for name in set(sources)}
    # Half of 80 shared out equally, half by documents.
    assert counts == {"роман": 45, "мәкаль": 13, "такмак": 10, "бер": 1}
    steps = np.diff(indices[: counts["роман"]])
    assert set(steps.tolist()) == {20}
    assert spaced_sample(sources, len(sources)) == list(range(len(sources)))
    assert spaced_sample(["а"] * 10, 5) == [0, 2, 4, 6, 8]
    assert len(spaced_sample(sources, 1)) == 4


def test_blocks_are_scored_as_documents_are_and_called_blocks() -> None:
    ids = [np.array(READER.encode(text)) for text in VAL]
    texts = Texts(ids, ["a"] * 14, READER, "block")
    found = by_source(texts, silent(texts), model="model", split="dev")
    assert {score.text for score in found} == {"block"}
    assert texts.only([3, 5]).text == "block"


def test_before_blocks_training_texts_are_joined_by_lines(splits: Splits, monkeypatch: Patch):
    asked: list[tuple[bytes, bytes]] = []

    def sizes(train: bytes, documents: list[bytes], separator: bytes, **_: Any) -> Any:
        asked.append((train, separator))
        return np.ones((2, len(documents)), dtype=np.int64)

    monkeypatch.setattr("endonym.evaluate.compressor.compressed_bytes", sizes)
    one = held_out_texts(splits[1], READER)
    for texts in (one, Texts(one.ids, one.sources, READER, "block")):
        found, _ = compressor_scores(splits[0], texts, silent(texts), split="dev")
        assert {score.text for score in found} == {texts.text}
    expected = [("\n\n".join(TRAIN), "\n\n"), ("\n".join(TRAIN), "\n")]
    assert asked == [(train.encode(), separator.encode()) for train, separator in expected]


def test_blocks_are_the_neighbours_of_joined_sources_with_line_ends_between(tmp_path: Path) -> None:
    given = [("lines", 0, 0), ("lines", 0, 1), ("book", 1, 2), ("lines", 2, 4), ("lines", 3, 5),
             ("lines", 3, 6), ("lines", 3, 9), ("lines", 3, 13)]  # fmt: skip

    def documents(split: str) -> list[ShardDocument]:
        pairs = zip(given, VAL, strict=False)
        return [ShardDocument(place[0], text, *place[1:]) for place, text in pairs]

    write_shards(tmp_path, READER, ["book", "lines"], documents, advance=lambda n: None)
    texts = blocks_of(TokenShards(tmp_path, "test"), READER, ["lines"])
    # Within block 3 two documents went to another set, and those around them meet; then three did.
    expected = ["\n".join(VAL[:2]), VAL[3], "\n".join(VAL[4:7]), VAL[7]]
    assert list(texts.each()) == expected
    assert [ids.tolist() for ids in texts.ids] == [READER.encode(text) for text in expected]
    assert texts.sources == ["lines"] * 4
    assert texts.text == "block"
    assert silent(texts).bytes.tolist() == [len(text.encode("utf-8")) for text in expected]
    assert blocks_of(TokenShards(tmp_path, "test"), READER, []).ids == []
    # Each alone they are drawn together: those of the book's block, too, stay one group.
    alone = held_out_texts(TokenShards(tmp_path, "test"), READER)
    assert silent(alone).groups.tolist() == [0, 0, 1, 2, 3, 3, 3, 4]
    assert alone.only([1, 4, 5]).groups.tolist() == [0, 3, 3]


def test_what_is_judged_may_be_drawn_and_smaller_draws_are_part_of_larger_ones(tmp_path: Path):
    """Whole blocks, evenly spread; the book of five blocks stays whole, as an interval takes it."""
    given = [("lines", n // 2, n) for n in range(128)]
    given += [("book", 1000 + n, 1000 + n) for n in range(5)]

    def documents(split: str) -> list[ShardDocument]:
        return [ShardDocument(s, f"{VAL[place % 14]} {place}", n, place) for s, n, place in given]

    write_shards(tmp_path, READER, ["book", "lines"], documents, advance=lambda n: None)
    shards = TokenShards(tmp_path, "test")
    whole, total = list(held_out_texts(shards, READER).each()), int(shards.index["length"].sum())
    draws = [set(whole)]
    for share in (1.0, 0.7, 0.4, 0.1, 1e-9):
        texts = held_out_texts(shards, READER, int(share * total))
        drawn = set(texts.each())
        assert drawn <= draws[-1]
        draws.append(drawn)
        assert texts.sources.count("book") == 5
        groups = np.unique(texts.groups[np.array(texts.sources) == "lines"])
        assert len(np.unique(np.diff(groups))) == 1  # every second, fourth, … block
        assert texts.sources.count("lines") == 2 * len(groups)
        blocks = blocks_of(shards, READER, ["lines"], int(share * total))
        assert "\n".join(blocks.each()) == "\n".join(t for t in texts.each() if t in whole[:128])
    assert [len(draw) for draw in draws[2:]] == [69, 37, 21, 21]
    scores = by_source(texts, silent(texts), model="model", split="test")
    sizes = [len(text.encode("utf-8")) for text in whole]
    assert {(s.source, s.n_documents, s.held_out_bytes) for s in scores} == {
        *((None, 21, sum(sizes)), ("book", 5, sum(sizes[128:])), ("lines", 16, sum(sizes[:128])))
    }
    assert "that are held out" in remarks(score_rows(scores))[0]
    assert held_out_texts(shards, READER, total).held_out_bytes == {}


def test_of_whole_books_the_beginnings_are_judged(tmp_path: Path) -> None:
    """The same bytes for every tokenizer, a power of two; a short book stays as it is."""
    books = ["\n".join(f"{VAL[n % 14]} {n}" for n in range(size)) for size in (900, 2000, 3)]

    def documents(split: str) -> list[ShardDocument]:
        return [ShardDocument("book", text, n, n) for n, text in enumerate(books)]

    write_shards(tmp_path, READER, ["book"], documents, advance=lambda n: None)
    shards = TokenShards(tmp_path, "test")
    total, sizes = int(shards.index["length"].sum()), [len(text.encode()) for text in books]
    for share, first in ((0.5, 65_536), (0.3, 32_768), (1e-9, 8192)):
        texts = held_out_texts(shards, READER, int(share * total))
        assert list(texts.each()) == [
            each.encode()[:first].decode("utf-8", "ignore") for each in books
        ]
        assert texts.held_out_bytes == {"book": sum(sizes)}
        assert texts.lengths is not None
        assert texts.lengths.tolist() == sizes, "those of the whole books"
    assert list(held_out_texts(shards, READER, total).each()) == books


def test_means_are_over_sources_with_enough_text(tmp_path: Path, monkeypatch: Patch):
    # Of "a" much is trained on and a line is test; "b" is all test and still too small.
    given = {"train": ["a"] * 12, "dev": [], "test": ["a"] + ["b"] * 3}

    def documents(split: str) -> list[ShardDocument]:
        pairs = zip(given[split], VAL, strict=False)
        return [
            ShardDocument(source, text, 0, position)
            for position, (source, text) in enumerate(pairs)
        ]

    write_shards(tmp_path, READER, ["a", "b"], documents, advance=lambda n: None)
    shards = TokenShards(tmp_path, "test")
    sizes = [len(text.encode("utf-8")) for text in VAL]
    assert shards.source_bytes == {"a": sum(sizes[:12]) + sizes[0], "b": sum(sizes[1:4])}
    monkeypatch.setattr("endonym.evaluate.bits.SOURCE_BYTES", shards.source_bytes["b"] + 1)
    lines, blocks = held_out_texts(shards, READER), blocks_of(shards, READER, ["a", "b"])
    assert lines.in_mean() == blocks.in_mean() == {"a"}
    monkeypatch.setattr("endonym.evaluate.bits.JUDGED_BYTES", sizes[0] + 1)
    assert held_out_texts(shards, READER).in_mean() == set()
    assert blocks_of(shards, READER, ["a"]).sources == ["a"]


def test_a_source_that_is_not_averaged_has_its_row_and_no_part_in_the_mean() -> None:
    ids = [np.array(READER.encode(text)) for text in VAL[:9]]
    texts = Texts(ids, [*"aaaabbbbc"], READER, averaged=frozenset("ab"))
    measured = texts.measured([[float(n + 1)] for n in range(9)])
    found = by_source(texts, measured, model="model", split="test")
    mean = headline(found, model="model")
    assert mean.averaged == ("a", "b")
    parts = [value(found, "bits_per_byte", "model", name) for name in "abc"]
    assert mean.value == pytest.approx((parts[0] + parts[1]) / 2)
    # A sample is averaged over the same sources, however few of their texts it holds.
    some = texts.only([0, 4, 8])
    found = by_source(some, measured.only(np.array([0, 4, 8])), model="model", split="test")
    mean = headline(found, model="model")
    parts = [value(found, "bits_per_byte", "model", name) for name in "ab"]
    assert mean.value == pytest.approx(sum(parts) / 2)


def test_one_source_has_one_total() -> None:
    ids = [np.array(READER.encode(text)) for text in VAL]
    texts = Texts(ids, ["a"] * 14, READER)
    found = by_source(texts, silent(texts), model="model", split="dev")
    bits = [score for score in found if score.metric == "bits_per_byte"]
    assert [(score.source, score.weighting) for score in bits] == [(None, "bytes"), ("a", "bytes")]
    assert headline(found, model="model") == bits[0]


def test_the_interval_of_all_bytes_is_drawn_within_each_source() -> None:
    """Each source costs the same everywhere, so there is no doubt about either."""
    ids = [np.array(READER.encode(text)) for text in VAL[:12]]
    texts = Texts(ids, [*"aaaaaabbbbbb"], READER)
    sizes = texts.measured([[1.0]] * 12).bytes
    nats = [[float(size) * (1 + n // 6)] for n, size in enumerate(sizes)]
    found = by_source(texts, texts.measured(nats), model="model", split="test")
    total = find(found, metric="bits_per_byte", model="model", source=None)
    assert total.low == pytest.approx(total.value, rel=0.05)
    assert total.high == pytest.approx(total.value, rel=0.05)


def test_one_source_that_is_averaged_makes_no_mean() -> None:
    ids = [READER.encode(text) for text in TRAIN[:4]]
    arrays = [np.array(each, dtype=np.int64) for each in ids]
    for averaged, weightings in ((frozenset("a"), {"bytes"}), (None, {"bytes", "sources"})):
        texts = Texts(arrays, ["a", "b", "a", "b"], READER, averaged=averaged)
        found = by_source(texts, silent(texts), model="model", split="dev")
        assert {score.weighting for score in found} == weightings
