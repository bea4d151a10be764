"""Unigram tokenizers: one best way to cut a text, so that every program finds it."""

import json
import random
from collections.abc import Iterator

import pytest
from toys import toy_texts, toy_tokenizer

from endonym.errors import TokenizerError
from endonym.tokenizer import unigram
from endonym.tokenizer import unigram as module
from endonym.tokenizer.config import BYTE_VOCAB, SPECIALS, TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer
from endonym.tokenizer.words import count_words

ALPHABET = dict.fromkeys("abteiroа", -5000000)


def pieces(kind: str = "unigram") -> dict[str, float]:
    vocab = json.loads(toy_tokenizer(kind).to_json())["model"]["vocab"]
    return dict(vocab[BYTE_VOCAB:])


def test_scores_are_whole_numbers_that_llama_cpp_can_hold() -> None:
    found = pieces()
    assert all(score == round(score) for score in found.values())
    assert min(found.values()) == pytest.approx(unigram.LOWEST, rel=1e-3)
    assert {*"".join(found)} == {piece for piece in found if len(piece) == 1}
    assert {*unigram.SPELLING, "\n"} <= {*found}
    assert not [piece for piece in found if len(piece) > 1 and "\n" in piece]


def test_names_of_specials_and_bytes_are_spelled_by_the_rarest_letters() -> None:
    made = Tokenizer(unigram.engine(dict.fromkeys(unigram.SPELLING, 2 * unigram.LOWEST)))
    for name in [*SPECIALS.values(), *unigram.BYTE_TOKENS]:
        assert [made.token(index) for index in made.encode(name)] == [*name]


def test_no_piece_repeats_a_shorter_one() -> None:
    texts = ["хаха хаха... -- haha ---- хахаха"] * 50
    made = train_tokenizer(TokenizerConfig(kind="unigram", vocab=340), lambda: iter(texts))
    found = [made.token(index) for index in range(BYTE_VOCAB, made.vocab)]
    longer = [piece for piece in found if len(piece) > 1]
    assert longer
    assert not [piece for piece in longer if piece in (piece + piece)[1:-1]]


def test_two_best_ways_are_found() -> None:
    text = ["atata"]
    scores = ALPHABET | {"ata": -5_500_000}
    assert unigram.ties(text, scores) == [(["ata", "t", "a"], ["a", "t", "ata"])]
    assert unigram.ties(text, scores | {"at": -5_100_000}) == []


def test_two_pairs_of_one_text_never_have_the_same_score() -> None:
    scores = ALPHABET | {"ot": -5_787_946, "ier": -5_733_814, "tier": -6_521_760}
    assert unigram.equal_overlaps(scores) == {"ot"}
    assert unigram.equal_overlaps(scores | {"tier": -6_521_761}) == set()
    # A piece that is as good as two others is found, too.
    assert unigram.equal_overlaps(ALPHABET | {"ab": -10_000_000}) == {"ab"}


def test_pieces_of_two_ways_are_changed_or_left_out() -> None:
    single = dict.fromkeys(ALPHABET, -5.0)
    longer = {"ata": -5.5, "ot": -5.787946, "ier": -5.733814, "tier": -6.52176, "хаха": -6.0}
    found = unigram._whole_numbers(single, longer, 20, ["otier", "atata"])
    assert "ata" not in found
    assert "хаха" not in found
    assert {"ot", "ier", "tier"} <= {*found}
    assert unigram.ties(["otier", "atata"], found) == []


def test_texts_of_pieces_that_begin_as_they_end_are_settled_without_being_given() -> None:
    for piece in ("ata", "abtab"):
        scores = ALPHABET | {piece: -5_500_000}
        unigram._break_ties(scores, [])
        texts = [piece + piece[n:] for n in range(1, len(piece)) if piece.endswith(piece[:n])]
        assert texts
        assert unigram.ties(texts, scores) == []


def test_of_a_large_text_every_so_many_lines_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*toy_texts()]
    counts = count_words(texts)
    asked: list[int] = []

    def cut(given: object, others: object, every: int = 1) -> Iterator[str]:
        asked.append(every)
        return iter(())

    monkeypatch.setattr(module, "cut_lines", cut)
    total = sum(counts.characters.values())
    for most in (total, total - 1, total // 3):
        monkeypatch.setattr(module, "MOST_CHARACTERS", most)
        module.train_pieces(lambda: iter(texts), counts, [], 100)
    assert asked == [1, 2, 4 if total % 3 else 3]


def test_two_sides_of_one_equation_are_not_changed_alike_for_ever() -> None:
    # вб + в = в + бв, and в + б = вб, and б + в = бв: both pairs are changed in each pass.
    scores = {"а": -5, "б": -2, "в": -2, "вб": -2, "бв": -2}
    unigram._break_ties(scores, [])
    assert unigram.equal_overlaps(scores) == set()


def test_random_texts_of_pieces_have_one_best_way() -> None:
    scores = {piece: int(score) for piece, score in pieces().items()}
    generator, names = random.Random(0), list(scores)
    texts = ["".join(generator.choices(names, k=6)) for _ in range(2_000)]
    assert unigram.ties(texts, scores) == []


def test_every_kth_line_is_read_and_cut_where_a_character_is_no_piece() -> None:
    texts = ["су ага\nкояш  \r\n\n", "x" * 2_500, "бала ыu"]
    long = ["x" * n for n in (1_000, 1_000, 500)]
    assert list(unigram.cut_lines(texts, "u")) == ["су ага", "кояш", *long, "бала ы"]
    assert list(unigram.cut_lines(texts, "", every=5)) == ["су ага", "бала ыu"]


def test_an_ending_that_stands_before_blanks_alone_is_a_piece() -> None:
    parts = [
        "ки", "бар", "кил", "яз", "ук", "сөй", "күр", "йө", "ут", "тор", "әш", "ба", "са", "ти",
        "чы",
    ]  # fmt: skip
    words = [f"{one}{other}мастан" for one in parts for other in parts]
    texts = [" ".join(words[n : n + 5]) for n in range(0, len(words), 5)]
    tokenizer = train_tokenizer(TokenizerConfig(kind="unigram", vocab=420), lambda: iter(texts))
    assert tokenizer.token(tokenizer.encode("көләмастан")[-1]) == "мастан"


def test_names_of_specials_and_bytes_are_spelled_in_any_language() -> None:
    tokenizer = toy_tokenizer("unigram")
    for name in [*SPECIALS.values(), "<0x41>", "<0x0A>"]:
        tokens = [tokenizer.token(index) for index in tokenizer.encode(name)]
        assert "".join(tokens) == name
        assert len(tokens) > 2


def test_a_vocabulary_without_room_for_them_is_refused() -> None:
    least = BYTE_VOCAB + len(unigram.SPELLING) + 1
    with pytest.raises(TokenizerError, match=f"{least} ids at least, not 280"):
        train_tokenizer(TokenizerConfig(kind="unigram", vocab=280), lambda: iter(["су"]))
    made = train_tokenizer(TokenizerConfig(kind="unigram", vocab=least), lambda: iter(["су"]))
    assert made.vocab == least
    assert made.decode(made.encode("су")) == "су"


def test_a_word_of_a_megabyte_is_no_trouble() -> None:
    texts = [*toy_texts(), "ស្រី" * 90_000]
    made = train_tokenizer(TokenizerConfig(kind="unigram", vocab=400), lambda: iter(texts))
    assert made.decode(made.encode(texts[-1])) == texts[-1]


def test_an_empty_tokenizer_still_reads_bytes() -> None:
    made = unigram.engine({})
    assert made.get_vocab_size() == BYTE_VOCAB
    assert made.decode(made.encode("су").ids) == "су"
    assert module.BYTE_TOKENS[10] == "<0x0A>"


def test_letters_that_no_text_has_are_among_the_rarest_pieces() -> None:
    texts = [text for text in toy_texts() if "ា" in text]
    made = train_tokenizer(TokenizerConfig(kind="unigram", vocab=420), lambda: iter(texts))
    vocab = json.loads(made.to_json())["model"]["vocab"]
    scores = dict(vocab[BYTE_VOCAB:])
    unseen = [scores[letter] for letter in unigram.SPELLING if letter not in "".join(texts)]
    assert unseen
    assert max(unseen) < sorted(scores.values(), reverse=True)[len(scores) // 10]
