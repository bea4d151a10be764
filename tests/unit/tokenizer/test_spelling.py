"""What the ids of a new tokenizer replace in an old one."""

import tokenizers
from foreign_folders import byte_level, gemma_like
from text_samples import FRENCH, KHMER, TATAR
from tokenizers import AddedToken
from toys import toy_tokenizer

from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.extend import extend_tokenizer
from endonym.tokenizer.spelling import spelled
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer


def french(kind: str = "bpe") -> Tokenizer:
    vocab = 380 if kind == "bpe" else None
    config = TokenizerConfig.model_validate({"kind": kind, "vocab": vocab})
    return train_tokenizer(config, lambda: iter(FRENCH))


def test_of_the_same_tokenizer_every_id_is_itself() -> None:
    for given in (french(), toy_tokenizer("unigram"), Tokenizer(gemma_like(), "<eos>", "<bos>")):
        assert spelled(given, given) == [[index] for index in range(given.vocab)]


def test_an_extended_one_keeps_its_ids_and_spells_new_pieces_as_it_cut_them_before() -> None:
    given = french()
    made = extend_tokenizer(given, TokenizerConfig(extend=50), lambda: iter(KHMER * 2))
    found = spelled(made, given)
    assert found[: given.vocab] == [[index] for index in range(given.vocab)]
    for index in range(given.vocab, made.vocab):
        piece = made.bytes_of(index)
        assert b"".join(given.bytes_of(each) for each in found[index]) == piece
        if index > given.vocab + 20 and len(piece) % 3 == 0:
            assert found[index] == given.encode(piece.decode())


def test_another_one_shares_pieces_by_their_bytes_and_specials_by_name_and_use() -> None:
    """The bytes of both are the same, whatever their ids and their ways to write them."""
    new, old = (
        train_tokenizer(TokenizerConfig(kind="unigram", vocab=420), lambda: iter(TATAR)),
        Tokenizer(byte_level(), "<eos>", "<bos>"),
    )
    found = spelled(new, old)
    assert found[new.end_id] == [old.end_id]
    for index, ids in enumerate(found):
        piece = new.bytes_of(index)
        if piece:
            assert b"".join(old.bytes_of(each) for each in ids) == piece
    turn = new.special_ids["turn_start"]
    assert "".join(old.token(each) for each in found[turn]) == "<|im_start|>"
    assert sum(len(ids) == 1 for ids in found) > 256


def test_part_of_a_character_is_spelled_by_bytes() -> None:
    new, old = train_tokenizer(TokenizerConfig(kind="char"), lambda: iter(KHMER)), french("byte")
    found = spelled(new, old)
    letters = [index for index in range(new.vocab) if new.char_counts[index] == 1]
    parts = [index for index in letters if len(new.bytes_of(index)) == 2]
    assert parts
    for index in parts:
        assert b"".join(old.bytes_of(each) for each in found[index]) == new.bytes_of(index)


def test_what_the_old_one_cannot_write_replaces_nothing() -> None:
    old = Tokenizer(byte_level(), "<eos>", "<bos>")
    lacking = bytes([0xE1])
    known = next(index for index in range(old.vocab) if old.bytes_of(index) == lacking)
    old._bytes[known] = b""  # a tokenizer of letters, which has no bytes
    new = train_tokenizer(TokenizerConfig(kind="byte"), lambda: iter(KHMER))
    found = spelled(new, old)
    index = next(each for each in range(new.vocab) if new.bytes_of(each) == lacking)
    assert found[index] == []


def test_a_letter_is_spelled_by_its_own_piece_and_not_by_the_token_of_its_byte() -> None:
    old = Tokenizer(gemma_like(), "<eos>", "<bos>")
    names: dict[bytes, list[str]] = {}
    for index in range(old.vocab):
        if len(piece := old.bytes_of(index)) == 1:
            names.setdefault(piece, []).append(old.name_of(index) or "")
    both = {piece for piece, each in names.items() if len(each) > 1}
    assert both >= {b"a", b"e"}
    new = train_tokenizer(TokenizerConfig(kind="byte"), lambda: iter(FRENCH))
    found = spelled(new, old)
    for index in range(new.vocab):
        if (piece := new.bytes_of(index)) in both:
            (same,) = found[index]
            assert old.name_of(same) == next(n for n in names[piece] if not n.startswith("<0x"))


def renamed(engine: tokenizers.Tokenizer, *names: tuple[str, str]) -> tokenizers.Tokenizer:
    """The same with other names of special tokens."""
    text = engine.to_str()
    for old, new in names:
        text = text.replace(f'"{old}"', f'"{new}"')
    return tokenizers.Tokenizer.from_str(text)


def test_the_start_of_a_text_goes_by_its_use() -> None:
    names = (("<eos>", "</s>"), ("<bos>", "<s>"))
    old = Tokenizer(renamed(byte_level(), *names), "</s>", "<s>")
    new = Tokenizer(gemma_like(), "<eos>", "<bos>")
    found = spelled(new, old)
    assert (found[new.end_id], found[new.start_id]) == ([old.end_id], [old.start_id])
    assert old.start_id != old.end_id


def test_plain_text_of_the_name_of_a_special_token_is_not_that_token() -> None:
    engine = byte_level()
    engine.add_tokens([AddedToken("<|endoftext|>", special=False, normalized=False)])
    old, new = Tokenizer(engine, "<eos>", "<bos>"), french()
    assert old.bytes_of(old.id_of("<|endoftext|>") or 0) == b"<|endoftext|>"
    assert spelled(new, old)[new.end_id] == [old.end_id]


def test_part_of_a_character_is_spelled_by_the_longest_pieces() -> None:
    new, old = (
        train_tokenizer(TokenizerConfig(kind="char"), lambda text=text: iter([text * 3]))
        for text in ("😀", "🤖")
    )
    pieces = {old.bytes_of(index): index for index in range(old.vocab)}
    part = next(n for n in range(new.vocab) if new.bytes_of(n) == b"\xf0\x9f\x98")
    assert spelled(new, old)[part] == [pieces[b"\xf0\x9f"], pieces[b"\x98"]]
