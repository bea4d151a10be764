"""Bits per byte by position and length, calibration, and the surprise of single tokens."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from text_samples import KHMER, TATAR
from toys import lively_decoder, toy_config, toy_texts, toy_tokenizer

from endonym.evaluate.bits import Texts, read_closely
from endonym.evaluate.breakdown import (
    EDGES,
    SHOWN_CHARS,
    Bin,
    bins,
    calibration_error,
    letters,
    surprises,
)
from endonym.evaluate.score import TOO_FEW
from endonym.generate.language_model import LanguageModel
from endonym.generate.reading import TokenNats

READER = toy_tokenizer("bpe")


def texts_of(texts: Sequence[str], sources: str = "") -> Texts:
    """Texts as ids, each of a source of one letter."""
    return Texts(READER.encode_many(texts), list(sources or "a" * len(texts)), READER)


def said(nats: Sequence[float], likeliest: Sequence[float] = (), right: Sequence[int] = ()):
    """What a model might say of the tokens of a text."""
    zeros = [0.0] * len(nats)
    given = (nats, likeliest or zeros), np.array(right or zeros, dtype=np.bool_)
    return TokenNats(*(np.array(each) for each in given[0]), given[1])


def found_by(found: Sequence[Bin], by: str) -> list[Bin]:
    return [each for each in found if each.by == by]


def test_the_bins_of_positions_are_those_of_counting_token_by_token() -> None:
    lines = toy_texts()
    long_texts = [" ".join(lines[n : n + 9]) for n in range(0, len(lines) - 9, 3)]
    texts = texts_of(long_texts)
    model = LanguageModel(lively_decoder(toy_config(vocab=READER.vocab)), READER)
    read = list(read_closely(model, texts, advance=lambda n: None))
    found = list(bins(texts, read, split="test"))
    bits: dict[str, list[float]] = {}
    for ids, tokens in zip(texts.ids, read, strict=True):
        whole, begin = sum(len(READER.bytes_of(index)) for index in ids.tolist()), 0
        for index, nats in zip(ids.tolist(), tokens.nats.tolist(), strict=True):
            size = len(READER.bytes_of(index))
            for by, place in (("position", begin), ("length", whole)):
                name = f"{by} {max(edge for edge in EDGES if edge <= place)}"
                sums = bits.setdefault(name, [0.0, 0.0])
                sums[0], sums[1] = sums[0] + nats / math.log(2), sums[1] + size
            begin += size
    counted = {f"{each.by} {each.begin}": each for each in found if each.by != "confidence"}
    assert counted.keys() == bits.keys()
    assert {"position 0", "position 100", "position 300"} < counted.keys()
    for name, (total, size) in bits.items():
        assert counted[name].value == pytest.approx(total / size)
        assert counted[name].size == size
    first = counted["position 0"]
    assert first.n_documents == len(long_texts)
    assert first.low is not None
    assert first.low < first.value < (first.high or 0)


def test_the_length_of_a_text_is_that_of_the_whole_one_also_where_its_beginning_is_read() -> None:
    texts = texts_of(TATAR[:3])
    read = [said([1.0] * len(ids)) for ids in texts.ids]
    cut = replace(texts, lengths=np.array([50_000, 200, 250]))
    found = found_by([*bins(cut, read, split="test")], "length")
    assert [(each.begin, each.n_documents) for each in found] == [(100, 2), (30_000, 1)]
    sizes = [len(text.encode()) for text in TATAR[:3]]
    assert [each.size for each in found] == [sum(sizes[1:]), sizes[0]]


def test_texts_of_one_group_are_drawn_together() -> None:
    texts = texts_of(TATAR * 3)
    noise = np.random.default_rng(0)
    read = [said(noise.exponential(2, len(ids)).tolist()) for ids in texts.ids]
    alone = found_by([*bins(texts, read, split="test")], "position")[0]
    pairs = Texts(texts.ids, texts.sources, READER, groups=np.arange(len(texts.ids)) // 9)
    together = found_by([*bins(pairs, read, split="test")], "position")[0]
    assert alone.low is not None
    assert (together.value, together.low) == (alone.value, None)
    assert (alone.no_interval, together.no_interval) == (None, TOO_FEW)


def test_a_model_is_calibrated_where_it_is_right_as_often_as_it_says() -> None:
    """Of twenty places at 0.25 five are right, of five at 0.9 two."""
    ids = np.full(25, READER.encode(TATAR[0])[0])
    likeliest = [-math.log(0.25)] * 20 + [-math.log(0.9)] * 5
    right = [1] * 5 + [0] * 15 + [1, 1, 0, 0, 0]
    texts = Texts([ids], ["a"], READER)
    read = [said([1.0] * 25, likeliest, right)]
    low, high = found = found_by([*bins(texts, read, split="test")], "confidence")
    assert (low.begin, low.end, low.value, low.size) == (0.2, pytest.approx(0.3), 0.25, 20)
    assert low.expected == pytest.approx(0.25)
    assert (high.value, high.size) == (0.4, 5)
    assert high.expected == pytest.approx(0.9)
    assert calibration_error(found) == pytest.approx(5 / 25 * 0.5)
    assert calibration_error([]) is None


def test_a_certain_model_and_a_text_without_tokens_have_their_bins() -> None:
    ids = np.array(READER.encode(TATAR[0]))
    texts = Texts([ids, ids[:0]], ["a", "a"], READER)
    read = [said([0.0] * len(ids), right=[1] * len(ids)), said([])]
    found = [*bins(texts, read, split="test")]
    (sure,) = found_by(found, "confidence")
    assert (sure.begin, sure.end, sure.value, sure.n_documents) == (0.9, None, 1.0, 1)
    assert all(each.value == 0 for each in found_by(found, "position"))
    assert [*bins(Texts([ids[:0]], ["a"], READER), [said([])], split="test")] == []


@pytest.mark.parametrize("kind", ["bpe", "byte", "char", "unigram"])
def test_the_tokens_of_one_letter_are_one_piece(kind: str) -> None:
    """Half of a Khmer letter would stand on a dotted circle, half of a character nowhere."""
    tokenizer = toy_tokenizer(kind)
    text = f"{KHMER[0]} {TATAR[0]} स्त्री é"
    ids = tokenizer.encode(text)
    bits = [2.0**-n for n in range(len(ids))]
    found = letters(tokenizer, ids, bits)
    assert "".join(piece for piece, _ in found) == text
    assert sum(of_piece for _, of_piece in found) == pytest.approx(sum(bits))
    assert not [piece for piece, _ in found if piece[0] in "្ាិុើ់្ី\u0301" or piece[-1] == "្"]


def test_the_texts_that_are_shown_do_not_depend_on_what_the_model_says_there() -> None:
    lines = [f"{n} {TATAR[n % 6]}" for n in range(20)]
    texts = texts_of([*lines, " ".join(TATAR * 9)], "a" * 20 + "b")
    rising = [said([float(n)] * len(ids)) for n, ids in enumerate(texts.ids)]
    falling = [said([20.0 - n] * len(ids)) for n, ids in enumerate(texts.ids)]
    one, other = ([*surprises(texts, read, split="test")] for read in (rising, falling))
    shown = [["".join(piece for piece, _ in text.pieces) for text in each] for each in (one, other)]
    assert shown[0] == shown[1]
    assert {each.source for each in one} == {"a", "b"}
    long_one = one[-1]
    assert long_one.is_cut
    assert SHOWN_CHARS - 20 < len(shown[0][-1]) <= SHOWN_CHARS
    assert not one[0].is_cut
    assert [bits for _, bits in one[0].pieces] == [0.0] * len(one[0].pieces)
    # A piece of two tokens has twice the bits of one.
    assert min(bits for _, bits in long_one.pieces) == pytest.approx(20 / math.log(2))
