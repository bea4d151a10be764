"""A tokenizer learns pieces of another language; what it could do before, it does as before."""

import itertools
import json
import unicodedata
from collections.abc import Iterator

import pytest
import tokenizers
from foreign_folders import byte_level, gemma_like, llama_like
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR
from tokenizers import AddedToken, normalizers
from toys import toy_tokenizer

from endonym.errors import TokenizerError
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.extend import extend_tokenizer
from endonym.tokenizer.kinds import kind_of
from endonym.tokenizer.tokenizer import Tokenizer, without_first_space
from endonym.tokenizer.train import STRANGE, train_tokenizer

OTHERS = [*FRENCH, *ROMANIAN]


def khmer() -> Iterator[str]:
    return itertools.chain(KHMER, KHMER)


def romance(kind: str = "bpe") -> Tokenizer:
    """A tokenizer that has never seen a Khmer letter."""
    vocab = 420 if kind == "bpe" else None
    config = TokenizerConfig.model_validate({"kind": kind, "vocab": vocab})
    return train_tokenizer(config, lambda: iter(OTHERS))


def extended(given: Tokenizer, extend: int, **keys: object) -> Tokenizer:
    config = TokenizerConfig.model_validate({"extend": extend} | keys)
    return extend_tokenizer(given, config, khmer)


@pytest.mark.parametrize("kind", ["bpe", "char", "byte"])
def test_every_old_id_keeps_its_piece_and_new_ones_follow(kind: str) -> None:
    given = romance(kind)
    made = extended(given, 60)
    assert made.vocab == given.vocab + 60
    for index in range(given.vocab):
        assert made.name_of(index) == given.name_of(index)
        assert made.bytes_of(index) == given.bytes_of(index)
    assert (made.end_id, made.start_id) == (given.end_id, given.start_id)
    assert made.special_ids == given.special_ids


def test_khmer_takes_fewer_tokens_and_french_as_many_as_before() -> None:
    given = romance()
    made = extended(given, 60)
    before, after = (sum(len(each.encode(text)) for text in KHMER) for each in (given, made))
    assert after < 0.5 * before
    for text in OTHERS:
        assert made.encode(text) == given.encode(text)


def test_no_new_piece_begins_inside_a_character_or_ends_inside_a_second_one() -> None:
    given = romance()
    made = extended(given, 80)
    for index in range(given.vocab, made.vocab):
        piece = made.bytes_of(index)
        assert piece[0] & 0xC0 != 0x80
        try:
            piece.decode("utf-8")
        except UnicodeDecodeError:
            assert sum(byte & 0xC0 != 0x80 for byte in piece) == 1


def test_new_merges_come_after_the_old_ones_the_most_frequent_pair_first() -> None:
    given = romance("char")
    old, new = (
        json.loads(each.to_json())["model"]["merges"] for each in (given, extended(given, 9))
    )
    assert new[: len(old)] == old
    text = "".join(KHMER)
    added = [extended(given, 9).bytes_of(given.vocab + n) for n in range(9)]
    whole = [piece.decode() for piece in added if len(piece) == 3]
    counts = [text.count(each) for each in whole]
    assert len(whole) >= 3
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("given", [romance(), Tokenizer(byte_level(), "<eos>", "<bos>")])
def test_every_text_comes_back(given: Tokenizer) -> None:
    made = extended(given, 50)
    for text in [*KHMER, *OTHERS, *STRANGE, "<|im_start|>", "<bos>a<eos>"]:
        assert made.decode(made.encode(text)) == text


def normalizing() -> Tokenizer:
    """A tokenizer that writes every text in NFC, as Qwen's do."""
    engine = byte_level()
    engine.normalizer = normalizers.NFC()
    return Tokenizer(engine, "<eos>", "<bos>")


def test_a_tokenizer_that_normalizes_is_extended_and_restores_what_it_restored() -> None:
    given = normalizing()
    assert not all(given.restores(text) for text in STRANGE)
    made = extended(given, 50)
    assert made.vocab > given.vocab
    for text in [*KHMER, *OTHERS]:
        assert made.restores(text)
    assert [made.restores(text) for text in STRANGE] == [given.restores(text) for text in STRANGE]


def test_texts_of_the_corpus_that_do_not_come_back_are_refused() -> None:
    apart = unicodedata.normalize("NFD", "".join(FRENCH))
    with pytest.raises(TokenizerError, match="comes back as"):
        extend_tokenizer(normalizing(), TokenizerConfig(extend=5), lambda: iter([apart]))


def test_it_is_still_of_its_kind_so_that_llama_cpp_has_it() -> None:
    assert kind_of(extended(romance(), 50)) == "bpe"
    assert kind_of(extended(romance("byte"), 300)) == "bpe"


def test_tokens_that_were_added_behind_the_vocabulary_keep_their_ids() -> None:
    """As Qwen's, whose ids follow those of the vocabulary."""
    engine = byte_level()
    engine.add_special_tokens([AddedToken("<|turn|>", special=True)])
    engine.add_tokens([AddedToken("កម្ពុជា", special=False, normalized=False)])
    given = Tokenizer(engine, "<eos>", "<bos>")
    made = extended(given, 20)
    again = Tokenizer(tokenizers.Tokenizer.from_str(made.to_json()), "<eos>", "<bos>")
    for name in ("<|turn|>", "កម្ពុជា", "<eos>"):
        assert made.id_of(name) == again.id_of(name) == given.id_of(name)
    assert again.encode("កម្ពុជា") == [given.id_of("កម្ពុជា")]
    assert given.vocab < made.vocab <= given.vocab + 20


def test_a_small_corpus_adds_fewer_pieces() -> None:
    given = romance()
    made = extended(given, 5_000)
    assert given.vocab < made.vocab < given.vocab + 5_000
    assert extended(given, 5_000, min_count=10**6).vocab == given.vocab
    nothing = TokenizerConfig(extend=5)
    assert extend_tokenizer(given, nothing, lambda: iter(())).vocab == given.vocab


@pytest.mark.parametrize(("letters", "extend"), [("ក", 2), ("កខ", 3)])
def test_a_character_takes_only_the_room_of_its_new_pieces(letters: str, extend: int) -> None:
    """Both letters begin with the same two bytes, which are one piece."""
    given = romance("byte")
    config = TokenizerConfig(extend=extend)
    made = extend_tokenizer(given, config, lambda: iter([letters * 2] * 9))
    added = [made.bytes_of(index) for index in range(given.vocab, made.vocab)]
    assert added == ["ក".encode()[:2], *(each.encode() for each in letters)]


def test_a_chat_template_stays_with_the_tokenizer() -> None:
    given = romance()
    given.chat_template = "{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}"
    assert extended(given, 20).chat_template == given.chat_template


def test_a_piece_that_the_tokenizer_has_already_costs_no_id() -> None:
    """Every added id has bytes of its own."""
    given = toy_tokenizer("bpe")
    made = extended(given, 70)
    pieces = [made.bytes_of(index) for index in range(made.vocab) if made.bytes_of(index)]
    assert len(set(pieces)) == len(pieces)


def test_merges_that_make_a_known_piece_leave_room_for_others() -> None:
    """This tokenizer has "abc" as a + bc, but merges ab first: it writes "abc" as ab c."""
    described = json.loads(romance("byte").to_json())
    model = described["model"]
    for merge in (("a", "b"), ("b", "c"), ("a", "bc")):
        model["merges"].append(list(merge))
        model["vocab"].setdefault("".join(merge), len(model["vocab"]))
    given = Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(described)))
    assert given.pieces(given.encode("abc")) == [("ab", 1), ("c", 1)]
    lines = ["abc"] * 9 + ["de"] * 5
    made = extend_tokenizer(given, TokenizerConfig(extend=1), lambda: iter(lines))
    assert made.encode("abc") == [given.id_of("abc")]
    assert (made.vocab, made.encode("de")) == (given.vocab + 1, [given.vocab])


def test_pieces_hold_no_line_end() -> None:
    lines = ["\n".join(KHMER)] * 3
    made = extend_tokenizer(romance(), TokenizerConfig(extend=80), lambda: iter(lines))
    first = romance().vocab
    assert not any(b"\n" in made.bytes_of(index) for index in range(first, made.vocab))


def test_the_same_texts_make_the_same_file() -> None:
    assert extended(romance(), 60).to_json() == extended(romance(), 60).to_json()


CLIP_LIKE = Tokenizer(byte_level("</w>"), "<eos>", "<bos>")


def without_bytes() -> Tokenizer:
    """Pairs of letters; what it does not know is lost."""
    described = json.loads(gemma_like().to_str())
    described["model"]["byte_fallback"] = False
    return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(described)), "<eos>", "<bos>")


@pytest.mark.parametrize("engine", [gemma_like(), llama_like(), llama_like(is_new=True)])
@pytest.mark.parametrize("texts", [TATAR, KHMER])
def test_a_tokenizer_of_characters_with_bytes_for_others_learns_characters_and_pieces(
    engine: tokenizers.Tokenizer, texts: list[str]
) -> None:
    given = Tokenizer(without_first_space(engine), "<eos>", "<bos>")
    made = extend_tokenizer(given, TokenizerConfig(extend=70), lambda: iter(texts * 3))
    assert made.vocab == given.vocab + 70
    assert [made.name_of(n) for n in range(given.vocab)] == [
        given.name_of(n) for n in range(given.vocab)
    ]
    new = [made.name_of(n) or "" for n in range(given.vocab, made.vocab)]
    assert not any(piece.startswith("<0x") or "\n" in piece for piece in new)
    assert any(len(piece) == 1 for piece in new)
    assert any(len(piece) > 3 for piece in new)
    before, after = (sum(len(each.encode(text)) for text in texts) for each in (given, made))
    assert after < 0.8 * before
    library = tokenizers.Tokenizer.from_str(made.to_json())
    unseen = "中文 ῷ 😀"
    for text in [*texts, *OTHERS, unseen, " а  б\n", ""]:
        assert made.restores(text)
        assert library.encode(text, add_special_tokens=False).ids == made.encode(text)
    assert "<0xE4>" in [made.name_of(each) for each in made.encode(unseen)]
    # Texts without the new letters are cut as before.
    old = [each for each in OTHERS if not {*each} & {*new}]
    assert old
    assert [made.encode(each) for each in old] == [given.encode(each) for each in old]


@pytest.mark.parametrize("given", [toy_tokenizer("unigram"), without_bytes(), CLIP_LIKE])
def test_a_tokenizer_that_does_not_read_every_byte_cannot_be_extended(given: Tokenizer) -> None:
    with pytest.raises(TokenizerError, match="BPE that reads every byte") as caught:
        extended(given, 10)
    assert caught.value.where == "tokenizer.extend"
    assert 'kind = "bpe"' in caught.value.do


def test_half_a_character_is_named() -> None:
    with pytest.raises(TokenizerError, match="half a character"):
        extend_tokenizer(romance(), TokenizerConfig(extend=5), lambda: iter(["ក\ud800ខ"]))
