"""Bits a byte of held-out text, beside what needs no learning."""

import math
from pathlib import Path

import numpy as np
import pyppmd
import pytest
from reference.counting import SlowCounts
from reference.reading import document_nats
from toys import lively_decoder, toy_config, toy_texts, toy_tokenizer

from endonym.data.baselines import count
from endonym.data.shards import TokenShards, write_shards
from endonym.errors import SourceError, TokenizerError
from endonym.evaluate.bits import (
    Texts,
    baseline_scores,
    by_source,
    compressor_scores,
    documents_of,
    held_out,
    measure,
    priming_text,
)
from endonym.evaluate.score import Score, find
from endonym.generate.language_model import LanguageModel
from endonym.tokenizer.tokenizer import Tokenizer

READER = toy_tokenizer("bpe")
TRAIN, VAL = toy_texts()[:40], toy_texts()[40:54]


@pytest.fixture
def splits(tmp_path: Path) -> tuple[TokenShards, TokenShards]:
    """Two sources, taking turns."""
    texts = {"train": TRAIN, "val": VAL}

    def documents(split: str) -> list[tuple[str, str]]:
        return [("ab"[n % 2], text) for n, text in enumerate(texts[split])]

    write_shards(tmp_path, READER, ["a", "b"], documents, lambda n: None)
    return TokenShards(tmp_path, "train"), TokenShards(tmp_path, "val")


def value(found: list[Score], metric: str, model: str, source: str | None = None) -> float:
    score = find(found, metric=metric, model=model, source=source)
    assert score is not None
    return score.value


def test_held_out_documents_are_whole(splits: tuple[TokenShards, TokenShards]) -> None:
    texts = held_out(splits[1], READER)
    assert [READER.decode(ids.tolist()) for ids in texts.ids] == VAL
    assert list(texts.sources) == ["a", "b"] * 7


def test_the_models_bits_are_those_of_reading_each_document_alone(
    splits: tuple[TokenShards, TokenShards],
) -> None:
    decoder = lively_decoder(toy_config(vocab=READER.vocab))
    told: list[int] = []
    texts = held_out(splits[1], READER)
    assert list(texts.each()) == VAL
    measured = measure(LanguageModel(decoder, READER), texts, advance=told.append)
    found = by_source(texts, measured, model="model", split="val")
    ids = [READER.encode(text) for text in VAL]
    nats = [sum(document_nats(decoder, each, READER.end_id)) for each in ids]
    for source, here in ((None, slice(None)), ("a", slice(0, None, 2)), ("b", slice(1, None, 2))):
        n_bytes = sum(len(text.encode("utf-8")) for text in VAL[here])
        bits = sum(nats[here]) / math.log(2)
        assert value(found, "bits_per_byte", "model", source) == pytest.approx(bits / n_bytes)
        n_chars = sum(len(text) for text in VAL[here])
        assert value(found, "bits_per_character", "model", source) == pytest.approx(bits / n_chars)
    assert sum(told) == sum(len(each) for each in ids)
    total = find(found, metric="bits_per_byte", model="model", source=None)
    assert total is not None
    assert total.low is not None
    assert total.low < total.value < (total.high or 0)
    part = find(found, metric="bits_per_byte", model="model", source="a")
    assert part is not None
    assert part.low is None


def test_the_baselines_are_counted_on_the_training_text(
    splits: tuple[TokenShards, TokenShards],
) -> None:
    found = baseline_scores(count(splits[0]), held_out(splits[1], READER), split="val")
    slow = SlowCounts([READER.encode(text) for text in TRAIN], vocab=READER.vocab, end_id=0)
    pairs = [
        pair
        for ids in (READER.encode(text) for text in VAL)
        for pair in zip([0, *ids[:-1]], ids, strict=True)
    ]
    bigram = -sum(math.log(slow.bigram(*pair)) for pair in pairs) / len(pairs)
    unigram = -sum(math.log(slow.unigram(token)) for _, token in pairs) / len(pairs)
    assert value(found, "nats_per_token", "uniform") == pytest.approx(math.log(READER.vocab))
    assert value(found, "nats_per_token", "unigram") == pytest.approx(unigram)
    assert value(found, "nats_per_token", "bigram") == pytest.approx(bigram)
    assert value(found, "perplexity", "uniform") == pytest.approx(READER.vocab)
    assert {score.split for score in found} == {"val"}


def compressed(data: bytes) -> int:
    encoder = pyppmd.Ppmd8Encoder(16, 1 << 30)
    return len(encoder.encode(data)) + len(encoder.flush())


def test_the_compressor_reads_the_training_text_first(
    splits: tuple[TokenShards, TokenShards],
) -> None:
    found, sample = compressor_scores(
        splits[0], held_out(splits[1], READER), split="val", tokenizer=READER
    )
    train = "\n\n".join(TRAIN).encode("utf-8")
    added = [compressed(train + b"\n\n" + text.encode("utf-8")) - compressed(train) for text in VAL]
    n_bytes = sum(len(text.encode("utf-8")) for text in VAL)
    assert value(found, "bits_per_byte", "compressor") == pytest.approx(8 * sum(added) / n_bytes)
    assert {score.metric for score in found} == {"bits_per_byte", "bits_per_character"}
    assert sample == {
        "training_bytes": len(train),
        "training_documents": 40,
        "order": 16,
        "held_out_documents": 14,
    }


def test_samples_are_spread_over_all_documents_and_said(
    splits: tuple[TokenShards, TokenShards], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.evaluate.bits.COMPRESSOR_DOCUMENTS", 5)
    monkeypatch.setattr("endonym.evaluate.bits.PRIMING_LIMIT_BYTES", 600)
    data, sample = priming_text(splits[0], READER)
    share = 600 / (sum(len(text.encode("utf-8")) for text in TRAIN) + 2)
    passed = [int(n * share) for n in range(len(TRAIN) + 1)]
    chosen = [text for n, text in enumerate(TRAIN) if passed[n + 1] > passed[n]]
    assert 1 < len(chosen) < len(TRAIN)
    assert data == "\n\n".join(chosen).encode("utf-8")[:600]
    assert sample == {"training_bytes": len(data), "training_documents": len(chosen)}
    found, said = compressor_scores(
        splits[0], held_out(splits[1], READER), split="val", tokenizer=READER
    )
    assert said["held_out_documents"] == 5
    expected = sum(len(VAL[n].encode("utf-8")) for n in (0, 2, 5, 8, 11))
    assert {score.n_bytes for score in found if score.source is None} == {expected}


def test_documents_of_a_file_are_separated_by_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "тест.txt"
    path.write_bytes("Бер.\nИке.\n\n\nӨч.\n \t\nДүрт.\n".encode())
    texts = documents_of(path, READER)
    decoded = [READER.decode(ids.tolist()) for ids in texts.ids]
    assert decoded == ["Бер.\nИке.", "Өч.", "Дүрт.\n"]
    assert list(texts.sources) == ["тест.txt"] * 3


@pytest.mark.parametrize(
    ("data", "message", "code"),
    [
        (None, "no such file", 2),
        ("Ә".encode("utf-16"), "byte 0 is not UTF-8", 1),
        (b" \n\n \n", "no text in this file", 1),
    ],
)
def test_a_file_that_cannot_be_scored_is_named(
    tmp_path: Path, data: bytes | None, message: str, code: int
) -> None:
    path = tmp_path / "text.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SourceError, match=message) as caught:
        documents_of(path, READER)
    assert (caught.value.where, caught.value.exit_code) == (str(path), code)


def test_a_text_that_the_tokenizer_would_lose_is_not_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text.txt"
    path.write_text("алма", encoding="utf-8")
    monkeypatch.setattr(Tokenizer, "decode", lambda self, ids: "")
    with pytest.raises(TokenizerError, match="comes back as"):
        documents_of(path, READER)


def test_sizes_of_documents_are_read_off_their_ids() -> None:
    ids = [np.array(READER.encode(text)) for text in VAL]
    measured = Texts(ids, ["a"] * 14, READER).measured([[1.0, 2.0]] * 14)
    assert measured.bytes.tolist() == [len(text.encode("utf-8")) for text in VAL]
    assert measured.chars.tolist() == [len(text) for text in VAL]
    assert measured.tokens.tolist() == [len(each) for each in ids]
    assert measured.nats.tolist() == [3.0] * 14
