"""Byte-level tokenizers: byte-pair encoding, characters, bytes. In llama.cpp they are `gpt2`."""

import functools
import json
import math
from collections.abc import Iterable, Sequence

from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Engine

from endonym.tokenizer.config import BYTE_VOCAB, SPECIALS, TokenizerConfig
from endonym.tokenizer.words import LINE_END, SPLIT, Counts, repeated_lines

Merges = list[tuple[str, str]]
DEFAULT_VOCAB = 4096


def pair_merges(config: TokenizerConfig, counts: Counts) -> Engine:
    """Byte-pair encoding of split words. Source: arXiv:1508.07909, algorithm 1.

    The bytes of each frequent character are merged first, from its first byte on, and then whole
    characters with each other. So no merge begins inside a character; rare ones stay bytes.
    """
    vocab = config.vocab or DEFAULT_VOCAB
    least = max(config.min_count, zipf_least(counts, vocab))
    whole, merges = merged_bytes(counts, least, vocab)
    words = counts.cut_at(counts.characters.keys() - set(whole))
    room = vocab - BYTE_VOCAB - len(merges)
    pairs = learnt_merges(words, whole, len(whole) + room, min_count=config.min_count)
    return byte_level([*merges, *((in_byte_letters(a), in_byte_letters(b)) for a, b in pairs)])


def characters(config: TokenizerConfig, counts: Counts) -> Engine:
    """The characters of the corpus by frequency, all others as bytes.

    A character is a merge of its bytes. Some ids are therefore first bytes of characters: one for
    every 64 neighbours in Unicode from U+0800 on, and seldom used. In Latin and Cyrillic there are
    none, in Khmer two.
    """
    _, merges = merged_bytes(counts, config.min_count, config.vocab or 0x110000)
    return byte_level(merges)


def zipf_least(counts: Counts, vocab: int) -> float:
    """How often the rarest of `vocab` ids would stand by Zipf's law, were ids characters."""
    return sum(counts.characters.values()) / (vocab * math.log(vocab))


def merged_bytes(counts: Counts, least: float, vocab: int) -> tuple[list[str], Merges]:
    """The characters that get an id of their own, and the merges of their bytes.

    Those that stand at least `least` times in the texts, the most frequent first, while ids are
    left of `vocab`; and those of one byte.
    """
    whole = list[str]()
    merges: dict[tuple[str, str], None] = {}
    for character in sorted(counts.characters, key=lambda c: (-counts.characters[c], c)):
        letters = in_byte_letters(character)
        new = {(letters[:n], letters[n]): None for n in range(1, len(letters))}
        total = len(merges) + sum(each not in merges for each in new)
        is_frequent = counts.characters[character] >= least and total <= vocab - BYTE_VOCAB
        if len(letters) == 1 or is_frequent:
            whole.append(character)
            merges |= new
    return whole, list(merges)


def byte_level(merges: Merges) -> Engine:
    """A tokenizer of special tokens, bytes, and what is merged from them."""
    tokens = [*SPECIALS.values(), *byte_letters(), *dict.fromkeys(map("".join, merges))]
    ids = {token: index for index, token in enumerate(tokens)}
    engine = Engine(models.BPE(vocab=ids, merges=merges))
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    engine.decoder = decoders.ByteLevel()
    engine.add_special_tokens(list(SPECIALS.values()))
    return engine


def learnt_merges(
    words: Iterable[tuple[str, int]], alphabet: Sequence[str], vocab: int, *, min_count: int
) -> Merges:
    """Merges of neighbours, learnt from words with their counts, the most frequent pair first.

    vocab: how many ids letters and merges have together.
    """
    if not alphabet:
        return []
    engine = Engine(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Split(LINE_END, behavior="removed")
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        min_frequency=min_count,
        initial_alphabet=list(alphabet),
        show_progress=False,
    )
    engine.train_from_iterator(repeated_lines(words), trainer)
    return [(left, right) for left, right in json.loads(engine.to_str())["model"]["merges"]]


def in_byte_letters(text: str) -> str:
    """The bytes of a text in the alphabet of bytes."""
    alphabet = byte_letters()
    return "".join(alphabet[byte] for byte in text.encode("utf-8"))


@functools.cache
def byte_alphabet() -> dict[str, int]:
    """The printable character for each byte in a byte-level `tokenizer.json`.

    GPT-2's convention: printable bytes stand for themselves, the others take U+0100 and following.
    """
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    letters = {chr(byte): byte for byte in printing}
    return letters | {chr(0x100 + i): byte for i, byte in enumerate(others)}


@functools.cache
def byte_letters() -> list[str]:
    """The 256 letters of `byte_alphabet`, in the order of their bytes."""
    return sorted(byte_alphabet(), key=byte_alphabet().__getitem__)
