"""Trains a tokenizer on a corpus, and measures how well it fits."""

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tokenizers import Tokenizer as Engine

from endonym.errors import TokenizerError
from endonym.tokenizer import bpe
from endonym.tokenizer.config import BYTE_VOCAB, TokenizerConfig
from endonym.tokenizer.measure import WORD
from endonym.tokenizer.sample import evenly
from endonym.tokenizer.strange import STRANGE
from endonym.tokenizer.tokenizer import Tokenizer, half_characters
from endonym.tokenizer.unigram import BYTE_TOKENS, unigram
from endonym.tokenizer.words import Counts, count_words

FIT_DOCUMENTS = 256


def train_tokenizer(config: TokenizerConfig, texts: Callable[[], Iterator[str]]) -> Tokenizer:
    """Train the tokenizer of a recipe.

    texts: a function that iterates over the training documents; it is called several times.
    The vocabulary is smaller than asked for if the corpus is too small. Raises TokenizerError if
    decoding does not restore the text, or a strange string such as the name of a special token.
    """
    makers = {"bpe": bpe.pairs, "char": bpe.characters, "byte": _bytes}
    try:
        sample = evenly(texts, config.sample_bytes)
        counts = Counts() if config.kind == "byte" else count_words(sample())
    except UnicodeEncodeError as error:
        raise (half_characters(texts()) or error) from error
    if config.kind == "unigram":
        tokenizer = Tokenizer(unigram(config, counts, sample))
    else:
        tokenizer = Tokenizer(makers[config.kind](config, counts))
    # The first 200 documents and every hundredth after them.
    documents = (text[:20_000] for n, text in enumerate(texts()) if n < 200 or n % 100 == 0)
    tokenizer.check_lossless(itertools.chain(documents, STRANGE, BYTE_TOKENS))
    return tokenizer


def _bytes(config: TokenizerConfig, _: Counts) -> Engine:
    """Every byte is a token; needs no training."""
    if config.vocab not in (None, BYTE_VOCAB):
        raise TokenizerError(
            f"bytes and special tokens are {BYTE_VOCAB} ids, not {config.vocab}",
            where="tokenizer.vocab",
            do="Leave vocab out.",
        )
    return bpe.byte_level([])


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
