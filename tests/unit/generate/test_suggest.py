"""Suggested words: their probabilities by all spellings in tokens, the letters typed, bad input."""

import math
from collections.abc import Iterator, Sequence
from functools import cache

import pytest
import regex
import torch
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.generate import suggest
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import OF_WORDS, Logits, first
from endonym.generate.suggest import Prefix, begin_of_last_word, is_of_one_script
from endonym.model.families import FAMILIES

KHMER = regex.compile(r"\p{Khmer}")
"""A toy model writes a sign of Khmer behind a letter of Tatar."""
KHMER_SIGN = regex.compile(r"\p{M}|[\u00ad\u200c\u200d\u2060]")
INSIDE_WORDS = regex.compile(rf"{OF_WORDS}|['’ʼ-]")
TOKENS = 3
"""Of a word, so that all can be counted."""


def lively_model(family: str, kind: str, *, context: int = 256) -> LanguageModel:
    tokenizer = toy_tokenizer(kind)
    decoder = lively_decoder(toy_config(family, vocab=tokenizer.vocab, context=context))
    return LanguageModel(decoder, tokenizer)


def spellings(model: LanguageModel, written: bytes) -> Iterator[tuple[list[int], bool]]:
    """All rows of at most TOKENS tokens that write these bytes; whether the word ends in the last.

    That is so if the last token goes on with something else than a word; it may be one more.
    """
    pieces = [model.tokenizer.bytes_of(index) for index in range(model.tokenizer.vocab)]
    word = written.decode()

    def rows(left: bytes, most: int) -> Iterator[tuple[list[int], bool]]:
        if not left:
            yield [], False
        for index, piece in enumerate(pieces) if left else ():
            if piece and most and left.startswith(piece):
                for row, ends in rows(left[len(piece) :], most - 1):
                    yield [index, *row], ends
            after = piece.removeprefix(left)
            if piece not in (left, after) and begins_another(after, word):
                yield [index], True

    yield from rows(written, TOKENS)


def probability(model: LanguageModel, before: str, written: str) -> float:
    """That the text goes on with a word and then begins another, by whole rows without a cache."""
    tokenizer = model.tokenizer
    given = tokenizer.begun_ids(before)
    pieces = [tokenizer.bytes_of(index) for index in range(tokenizer.vocab)]
    ends = [
        tokenizer.end_id,
        *(n for n, piece in enumerate(pieces) if piece and begins_another(piece, written)),
    ]
    total = 0.0
    for row, ends_inside in spellings(model, written.encode()):
        logits = model.decoder.logits(torch.tensor([[*given, *row]]))[0].detach().double()
        logs = logits.log_softmax(-1)
        nats = sum(float(logs[len(given) - 1 + n, index]) for n, index in enumerate(row))
        total += math.exp(nats) * (1.0 if ends_inside else float(logs[-1, ends].exp().sum()))
    return total


def chance_of(model: LanguageModel, given: str, sign: str) -> float:
    """That a text goes on with a sign of one byte, whatever its token writes behind it."""
    tokenizer = model.tokenizer
    ids = tokenizer.begun_ids(given)
    chances = model.decoder.logits(torch.tensor([ids]))[0, -1].double().softmax(-1).tolist()
    pieces = map(tokenizer.bytes_of, range(tokenizer.vocab))
    return sum(
        n for n, piece in zip(chances, pieces, strict=True) if piece.startswith(sign.encode())
    )


@cache
def begins_another(piece: bytes, word: str) -> bool:
    """Whether a token cannot go on with a word, whatever its bytes become.

    A word of Khmer ends before any letter, and a token goes on with it by a sign of its last one.
    """
    goes_on = KHMER_SIGN if "\u1780" <= word[-1] <= "\u17ff" else INSIDE_WORDS
    letters = piece.decode(errors="ignore")[:1] or first(piece)
    return letters != "" and not any(map(goes_on.match, letters))


@torch.inference_mode()
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bpe", "Күрше әби к"),
        ("bpe", "Әби,"),
        ("char", "Мин "),
        ("keyboard", "Күрше әби ки"),
        ("keyboard", "Мин "),
        ("keyboard", "Әби,"),
    ],
)
def test_probabilities_are_sums_over_all_spellings(
    monkeypatch: pytest.MonkeyPatch, kind: str, text: str
) -> None:
    monkeypatch.setattr(suggest, "BEAM", 100_000)
    monkeypatch.setattr(suggest, "MOST_TOKENS", TOKENS + 1)
    model = lively_model("qwen3", kind)
    begin = begin_of_last_word(text, model.tokenizer)
    before = ""
    if kind == "keyboard":
        begin += text.startswith(" ", begin)
        before = "," if text.endswith(",") else ""
    given = text[: begin - len(before)]
    found = [each for each in model.suggest(text, count=100) if not KHMER.search(each.word)]
    assert len(found) > 3
    for each in found[:3]:
        written = text[begin:] + each.rest
        expected = probability(model, given, before + written) / chance_of(model, given, before)
        # Rows less likely than the hundredth word are not followed; a sign that ends a word may
        # be several tokens, which is not counted here.
        assert 0.99 * expected <= each.probability <= 1.01 * expected
        assert each.word == written.removeprefix(" ")


def test_what_ends_a_word_does_not_crowd_out_longer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    model = lively_model("qwen3", "bpe")
    suggester = model.suggester
    after = suggester.prefix.after

    def ending(rows: Sequence[Sequence[int]]) -> Logits:
        logs_BV = after(rows)
        logs_BV[:, : len(suggester.pieces)][:, suggester.ends_word] += 50
        return logs_BV

    monkeypatch.setattr(suggester.prefix, "after", ending)
    assert len(model.suggest("Күрше әби")) == 3


def test_behind_a_sign_a_word_is_counted_once() -> None:
    model = lively_model("qwen3", "bpe")
    blank = {each.word: each.probability for each in model.suggest("Әби, ", 50)}
    sign = {each.rest: each.probability for each in model.suggest("Әби,", 100)}
    both = [word for word in blank if f" {word}" in sign]
    assert len(both) >= 2
    assert all(sign[f" {word}"] == pytest.approx(blank[word], rel=0.05) for word in both)


@torch.inference_mode()
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_behind_a_kept_prefix_are_those_of_whole_texts(family: str) -> None:
    decoder = lively_decoder(toy_config(family, context=64))
    prefix = Prefix(decoder)
    given, rows = [n % 39 + 1 for n in range(40)], [(3, 5), (7, 2), (1, 1)]
    prefix.read(given[:30])
    prefix.read(given)
    whole = decoder.logits(torch.tensor([[*given, *row] for row in rows]))[:, -1]
    expected = whole.log_softmax(-1)
    prefix.after([rows[0], (2, 2)])  # what is known of a row is that row's, in any order
    for order in (rows, rows[::-1]):
        places = [rows.index(row) for row in order]
        found = torch.from_numpy(prefix.after(order))
        torch.testing.assert_close(found, expected[places], rtol=1e-4, atol=1e-4)


def test_a_cache_that_is_kept_changes_nothing() -> None:
    kept = lively_model("qwen3", "bpe")
    text = "Күрше әби кичә безгә килде, ә бүген"
    for end in [*range(len(text)), 20, 7]:
        fresh = lively_model("qwen3", "bpe")
        expected, found = fresh.suggest(text[:end]), kept.suggest(text[:end])
        assert [each.word for each in found] == [each.word for each in expected]
        chances = [each.probability for each in expected]
        assert [each.probability for each in found] == pytest.approx(chances, rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_suggests_beyond_its_context(family: str) -> None:
    model = lively_model(family, "bpe", context=32)
    text = "Күрше әби кичә безгә килде, ә бүген "
    for end in (len(text) // 2, len(text) - 3, len(text)):
        found = model.suggest(text[:end])
        assert [len(each.word) > 0 for each in found] == [True] * 3


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Мин кит", " кит"),
        ("Мин ", " "),
        ("aujourd'hu", "aujourd'hu"),
        ("dis-m", "dis-m"),
        ("Әби, ", " "),
        ("Әби,", ""),
        ("", ""),
        ("بابا می\u200cر", " می\u200cر"),
    ],
)
def test_where_the_half_typed_word_begins(text: str, typed: str) -> None:
    begin = begin_of_last_word(text, toy_tokenizer("bpe"))
    assert text[begin:] == typed


def test_khmer_goes_on_from_its_last_token_and_whole_letters() -> None:
    tokenizer = toy_tokenizer("byte")
    text = "ស្រីតូច"
    assert text[begin_of_last_word(text, tokenizer) :] == "ច"
    assert text[:6][begin_of_last_word(text[:6], tokenizer) :] == "តូ"


@pytest.mark.parametrize("text", ["а" * 200, "\x00\x01", "漢字", "🙂", "\n\n", "ק", "1"])
def test_strange_texts_get_an_answer(text: str) -> None:
    found = lively_model("qwen3", "bpe").suggest(text)
    assert all(each.word and each.word.endswith(each.rest.strip()) for each in found)


def test_no_word_of_two_scripts_is_suggested() -> None:
    assert [*map(is_of_one_script, ("китап", "語okie", "bar-нчы", "食べ物", "5-нче", "l'été"))] == [
        *(True, False, False, True, True, True),
    ]


def test_none_is_suggested_if_none_is_asked_for() -> None:
    assert lively_model("qwen3", "bpe").suggest("Әби", 0) == []
