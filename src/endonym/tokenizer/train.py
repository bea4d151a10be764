"""Trains a tokenizer on a corpus, and measures how well it fits."""

import collections
import functools
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import regex
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Engine

from endonym.errors import TokenizerError
from endonym.tokenizer.config import BYTE_VOCAB, TokenizerConfig
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer, byte_alphabet

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The split of Qwen3.5: combining marks stay with their letters. llama.cpp calls it `qwen35`."""

TRAINING_SPLIT = SPLIT.replace(r"[\p{L}\p{M}]+", r"[\p{L}\p{M}]{1,24}").replace(
    r"[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+", r"[^\s\p{L}\p{M}\p{N}]{1,24}|[\r\n]"
)
"""The same with pieces of at most 24 letters: in scripts without spaces a piece may be a page.

Line ends are pieces of their own and are never merged, so that lines that are joined in training
(data/order.py) have the same ids as their joined text.
"""

WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
FIT_DOCUMENTS = 256


def train_tokenizer(config: TokenizerConfig, texts: Callable[[], Iterator[str]]) -> Tokenizer:
    """Train the tokenizer of a recipe.

    texts: a function that iterates over the training documents; it is called several times.
    The vocabulary is smaller than asked for if the corpus is too small. Raises TokenizerError if
    decoding does not restore the text.
    """
    makers = {"bpe": _bpe, "char": _characters, "byte": _bytes}
    sample = _sample(texts, config.sample_bytes)
    tokenizer = Tokenizer(makers[config.kind](config, sample))
    # The first 200 documents and every hundredth after them.
    checked = (text[:20_000] for n, text in enumerate(texts()) if n < 200 or n % 100 == 0)
    tokenizer.check_lossless(checked)
    return tokenizer


def _sample(texts: Callable[[], Iterator[str]], limit_bytes: int) -> Callable[[], Iterator[str]]:
    """Every k-th document, up to the limit; the last one may be cut."""
    total = sum(len(text.encode("utf-8")) for text in texts())
    every = max(1, -(-total // limit_bytes))

    def chosen() -> Iterator[str]:
        left = limit_bytes
        for number, text in enumerate(texts()):
            if number % every == 0 and left > 0:
                data = text.encode("utf-8")[:left]
                left -= len(data)
                yield data.decode("utf-8", errors="ignore")

    return chosen


def _bpe(config: TokenizerConfig, texts: Callable[[], Iterator[str]]) -> Engine:
    """Byte-pair encoding of split words. Source: arXiv:1508.07909, algorithm 1.

    The bytes of each frequent character are merged first, from its first byte on, and then whole
    characters with each other. So no merge begins inside a character; rare ones stay bytes.
    """
    vocab = config.vocab or 4096
    counts = _character_counts(texts)
    whole, merges = _whole_characters(counts, config.min_count, vocab)
    found = _merged(whole, texts, config, len(merges))
    pairs = [(_letters(left), _letters(right)) for left, right in found]
    letters = sorted(byte_alphabet())
    tokens = [END_OF_TEXT, *letters, *dict.fromkeys("".join(pair) for pair in [*merges, *pairs])]
    ids = {token: index for index, token in enumerate(tokens)}
    engine = Engine(models.BPE(vocab=ids, merges=[*merges, *pairs]))
    engine.pre_tokenizer = _byte_level(SPLIT)
    engine.decoder = decoders.ByteLevel()
    engine.add_special_tokens([END_OF_TEXT])
    return engine


def _character_counts(texts: Callable[[], Iterator[str]]) -> collections.Counter[str]:
    """How often each character stands in the texts."""
    counts: collections.Counter[str] = collections.Counter()
    for text in texts():
        counts.update(text)
    return counts


def _whole_characters(
    counts: collections.Counter[str], min_count: int, vocab: int
) -> tuple[list[str], list[tuple[str, str]]]:
    """The characters that get an id of their own, and the merges of their bytes.

    A character gets one if it is as frequent as the rarest of `vocab` ids would be by Zipf's law,
    the most frequent first, while ids are left.
    """
    least = max(min_count, sum(counts.values()) / (vocab * math.log(vocab)))
    whole: list[str] = []
    merges: dict[tuple[str, str], None] = {}
    for character, count in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        letters = _letters(character)
        new = {(letters[:n], letters[n]): None for n in range(1, len(letters))}
        total = len(merges) + sum(each not in merges for each in new)
        if len(letters) == 1 or (count >= least and total <= vocab - BYTE_VOCAB):
            whole.append(character)
            merges |= new
    return whole, list(merges)


def _merged(
    whole: Sequence[str], texts: Callable[[], Iterator[str]], config: TokenizerConfig, spent: int
) -> list[tuple[str, str]]:
    """Merges of whole characters, the most frequent pair first. Others divide a word."""
    if not whole:
        return []
    # As ranges: a class of the regular expression may have 10,000 of them.
    codes = enumerate(sorted(map(ord, whole)))
    ranges = [list(run) for _, run in itertools.groupby(codes, lambda each: each[1] - each[0])]
    others = "".join(f"\\x{{{run[0][1]:x}}}-\\x{{{run[-1][1]:x}}}" for run in ranges)
    engine = Engine(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(TRAINING_SPLIT), behavior="isolated"),
            pre_tokenizers.Split(Regex(f"[^{others}]"), behavior="removed"),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=len(whole) + (config.vocab or 4096) - BYTE_VOCAB - spent,
        min_frequency=config.min_count,
        initial_alphabet=list(whole),
        show_progress=False,
    )
    engine.train_from_iterator(texts(), trainer)
    return [(left, right) for left, right in json.loads(engine.to_str())["model"]["merges"]]


def _letters(text: str) -> str:
    """The bytes of a text in the alphabet of bytes."""
    alphabet = _byte_letters()
    return "".join(alphabet[byte] for byte in text.encode("utf-8"))


@functools.cache
def _byte_letters() -> list[str]:
    """The letter of each byte."""
    return sorted(byte_alphabet(), key=byte_alphabet().__getitem__)


def _byte_level(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _characters(config: TokenizerConfig, texts: Callable[[], Iterator[str]]) -> Engine:
    """The characters of the corpus by frequency; all others as bytes."""
    counts = _character_counts(texts)
    kept = [letter for letter, count in counts.items() if count >= config.min_count]
    kept.sort(key=lambda letter: (-counts[letter], letter))
    if config.vocab is not None:
        kept = kept[: config.vocab - BYTE_VOCAB]
    tokens = [END_OF_TEXT, *(f"<0x{byte:02X}>" for byte in range(256)), *kept]
    vocab = {token: index for index, token in enumerate(tokens)}
    engine = Engine(models.BPE(vocab=vocab, merges=[], byte_fallback=True))
    engine.pre_tokenizer = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    engine.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    engine.add_special_tokens([END_OF_TEXT])
    return engine


def _bytes(config: TokenizerConfig, texts: Callable[[], Iterator[str]]) -> Engine:
    """Every byte is a token; needs no training."""
    if config.vocab not in (None, BYTE_VOCAB):
        raise TokenizerError(
            f"bytes and end-of-text are {BYTE_VOCAB} ids, not {config.vocab}",
            where="tokenizer.vocab",
            do="Leave vocab out.",
        )
    vocab = {token: index for index, token in enumerate([END_OF_TEXT, *_byte_letters()])}
    engine = Engine(models.BPE(vocab=vocab, merges=[]))
    engine.pre_tokenizer = _byte_level(SPLIT)
    engine.decoder = decoders.ByteLevel()
    engine.add_special_tokens([END_OF_TEXT])
    return engine


def fit(tokenizer: Tokenizer, texts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Bytes per token and tokens per word, by source.

    texts: pairs of source and text. A word is a run of letters, marks and digits; in scripts
    without spaces it may be a clause, so compare tokens per word within one language only.
    """
    totals: dict[str, collections.Counter[str]] = {}
    rest = iter(texts)
    while batch := list(itertools.islice(rest, FIT_DOCUMENTS)):
        encoded = tokenizer.encode_many([text for _, text in batch])
        for (source, text), ids in zip(batch, encoded, strict=True):
            counts = {
                "documents": 1,
                "bytes": len(text.encode("utf-8")),
                "chars": len(text),
                "tokens": len(ids),
                "words": sum(1 for _ in WORD.finditer(text)),
            }
            totals.setdefault(source, collections.Counter()).update(counts)
    every = sum(totals.values(), collections.Counter[str]())
    return {
        "vocab": tokenizer.vocab,
        "total": _ratios(every),
        "sources": {source: _ratios(counts) for source, counts in sorted(totals.items())},
    }


def _ratios(counts: collections.Counter[str]) -> dict[str, float]:
    tokens, words = max(1, counts["tokens"]), max(1, counts["words"])
    return {
        **counts,
        "bytes_per_token": round(counts["bytes"] / tokens, 4),
        "tokens_per_word": round(counts["tokens"] / words, 4),
    }
