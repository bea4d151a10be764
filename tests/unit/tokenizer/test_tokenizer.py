"""Text to ids and back, by a file that anybody can read."""

import json
from pathlib import Path

import pytest
import tokenizers
from tokenizers.pre_tokenizers import ByteLevel
from toys import KINDS, toy_texts, toy_tokenizer

from endonym.errors import TokenizerError
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer, byte_alphabet

KHMER = "ស្រីតូចបោះគ្រាប់ពូជលើដីសើម"


def test_the_byte_alphabet_is_the_one_the_format_uses() -> None:
    alphabet = byte_alphabet()
    assert sorted(alphabet.values()) == list(range(256))
    assert set(alphabet) == set(ByteLevel.alphabet())
    splitter = ByteLevel(add_prefix_space=False, use_regex=False)
    for text in [*map(chr, range(128)), "é", KHMER, "🚀"]:
        ((letters, _),) = splitter.pre_tokenize_str(text)
        assert bytes(alphabet[letter] for letter in letters) == text.encode("utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_end_of_text_is_id_zero_and_stands_for_no_bytes(kind: str) -> None:
    tokenizer = toy_tokenizer(kind)
    assert tokenizer.end_id == 0
    assert tokenizer.bytes_of(0) == b""
    assert tokenizer.token(0) == END_OF_TEXT
    assert tokenizer.decode([0, *tokenizer.encode("су"), 0]) == "су"


@pytest.mark.parametrize("kind", KINDS)
def test_a_written_tokenizer_is_read_back_the_same(kind: str, tmp_path: Path) -> None:
    tokenizer, path = toy_tokenizer(kind), tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json(), encoding="utf-8")
    again = Tokenizer.load(path)
    assert again.to_json() == tokenizer.to_json()
    for text in toy_texts():
        assert again.encode(text) == tokenizer.encode(text)
    assert again.byte_counts.tolist() == tokenizer.byte_counts.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_encoding_many_texts_is_encoding_each(kind: str) -> None:
    tokenizer = toy_tokenizer(kind)
    many = tokenizer.encode_many(toy_texts())
    assert [ids.tolist() for ids in many] == [tokenizer.encode(text) for text in toy_texts()]


def test_a_letter_cut_in_two_shows_as_a_replacement_and_hurts_nothing_else() -> None:
    tokenizer = toy_tokenizer("byte")
    ids = tokenizer.encode("су ស")
    assert tokenizer.decode(ids[:-1]) == "су \ufffd"
    assert tokenizer.token(ids[0]) == "<D1>"
    assert tokenizer.token(ids[4]) == " "


def test_a_token_of_a_whole_word_is_shown_as_the_word() -> None:
    tokenizer = toy_tokenizer("char")
    assert [tokenizer.token(index) for index in tokenizer.encode("ស្រី")] == list("ស្រី")


@pytest.mark.parametrize("content", ["{", "[]", '{"version": "1.0"}', ""])
def test_a_file_that_is_no_tokenizer_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.load(path)
    assert caught.value.where == str(path)
    with pytest.raises(TokenizerError):
        Tokenizer.load(tmp_path / "missing.json")


def test_a_tokenizer_without_end_of_text_is_refused() -> None:
    engine = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={"a": 0}, merges=[]))
    with pytest.raises(TokenizerError, match="has no <"):
        Tokenizer(engine)


def broken(change: dict[str, object]) -> Tokenizer:
    description = json.loads(toy_tokenizer("bpe").to_json()) | change
    return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(description)))


def test_a_tokenizer_that_loses_letters_is_refused_with_the_position() -> None:
    lossy = broken({"normalizer": {"type": "Lowercase"}})
    lossy.check_lossless(["алма пешә"])
    with pytest.raises(TokenizerError, match="'Җир' comes back as 'җир'") as caught:
        lossy.check_lossless(["алма пешә", "алма Җир"])
    assert caught.value.where == "character 5 of 'алма Җир'"


def test_a_tokenizer_whose_file_decodes_otherwise_than_it_encodes_is_refused() -> None:
    lossy = broken({"decoder": {"type": "Fuse"}})
    with pytest.raises(TokenizerError, match="comes back as"):
        lossy.check_lossless(["алма"])


def test_text_lost_at_the_end_is_found_too() -> None:
    lossy = broken({"normalizer": {"type": "Strip", "strip_left": False, "strip_right": True}})
    with pytest.raises(TokenizerError, match="'  ' comes back as ''"):
        lossy.check_lossless(["алма  "])
