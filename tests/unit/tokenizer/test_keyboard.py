"""The keyboard's tokenizer: the ids of its SentencePiece model, its form, its reserved ids."""

import random

import numpy as np
import pytest
import sentencepiece
from toys import toy_texts, toy_tokenizer

from endonym.errors import TokenizerError
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.keyboard import KEYS, NAMES, PARTS, START, pieces_of, sentencepiece_model
from endonym.tokenizer.kinds import kind_of
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer
from endonym.tokenizer.unigram import BYTE_TOKENS, SPACE

HARD = [
    "",
    " ",
    "   ике   өч буш урын   ",
    "юл ахыры \n\n яңа юл\r\n\ttab ",
    "l’été, aujourd'hui — « déjà » !",
    "ស្រីតូច លេងបាល់\u200bនៅក្រោមដើមស្វាយ។",
    "👩🏽\u200d🚀 һәм 漢字, e\u0301 é \ufeff \ufffd \x01 \x7f",
    "Ţara și țara; ﷺ \U0001f9d1\u200d🌾",
    "<XBU><CHAR_A><CHAR_B><XBC>ab <XEC> <s></s><pad><unk> <0x41><0x0A>",
    *NAMES,
    *BYTE_TOKENS[60:70],
]


def sentencepiece_of(tokenizer: Tokenizer) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model(tokenizer))


def test_sentencepiece_gives_our_ids() -> None:
    ours = toy_tokenizer("keyboard")
    theirs = sentencepiece_of(ours)
    pieces = [ours.token(index) for index in range(len(NAMES) + 256, ours.vocab)]
    generator = random.Random(0)
    mixed = ["".join(generator.choices(pieces, k=9)) for _ in range(2_000)]
    whole = "\n".join(toy_texts() * 20)
    for text in [*toy_texts(), *HARD, *mixed, whole]:
        assert theirs.encode(text) == ours.encode(text), text[:60]


def test_sums_of_scores_are_exact_as_32_bit_numbers() -> None:
    scores = [piece.score for piece in pieces_of(toy_tokenizer("keyboard")) if piece.score]
    assert len(scores) > 300
    assert all((PARTS * score).is_integer() for score in scores)
    total, exact = np.float32(0), 0.0
    for score in scores * 200:
        total, exact = total + np.float32(score), exact + score
    assert exact < -300_000
    assert float(total) == exact


def test_sentencepiece_gives_our_text() -> None:
    ours = toy_tokenizer("keyboard")
    theirs = sentencepiece_of(ours)
    for text in [*toy_texts(), *HARD]:
        assert theirs.decode(ours.encode(text)) == text == ours.decode(ours.encode(text))


def test_a_word_carries_the_blank_behind_it() -> None:
    ours = toy_tokenizer("keyboard")
    pieces = [ours.token(index) for index in range(len(NAMES) + 256, ours.vocab)]
    longer = [piece for piece in pieces if len(piece) > 1 and " " in piece]
    assert len(longer) > 20
    assert all(piece.index(" ") == len(piece) - 1 for piece in longer)


def test_the_first_ids_are_those_that_the_keyboard_looks_up() -> None:
    ours = toy_tokenizer("keyboard")
    theirs = sentencepiece_of(ours)
    assert theirs.get_piece_size() == ours.vocab
    assert [theirs.id_to_piece(index) for index in range(len(NAMES))] == NAMES
    assert [ours.id_of(name) for name in NAMES] == [*range(len(NAMES))]
    assert [theirs.piece_to_id(key) for key in KEYS] == [*range(7, 33)]
    assert ours.token(theirs.piece_to_id(SPACE)) == " "
    assert (ours.end, ours.end_id, theirs.bos_id(), theirs.unk_id()) == (START, 1, 1, 3)
    assert all(ours.bytes_of(index) == b"" for index in range(len(NAMES)))


def test_the_kind_is_known_by_its_file() -> None:
    assert kind_of(toy_tokenizer("keyboard")) == "keyboard"
    assert kind_of(toy_tokenizer("unigram")) == "unigram"


def test_the_sign_for_a_blank_in_a_text_is_no_blank_here() -> None:
    texts = ["су▁су ▁ бар▁"] * 50
    ours = train_tokenizer(TokenizerConfig(kind="keyboard", vocab=400), lambda: iter(texts))
    assert ours.decode(ours.encode(texts[0])) == texts[0]
    assert sentencepiece_of(ours).encode("су су") == ours.encode("су су")


def test_a_vocabulary_without_room_for_the_names_is_refused() -> None:
    with pytest.raises(TokenizerError, match=r"a keyboard tokenizer needs 33[0-9] ids at least"):
        train_tokenizer(TokenizerConfig(kind="keyboard", vocab=300), lambda: iter(["су"]))
