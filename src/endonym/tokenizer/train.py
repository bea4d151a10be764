"""Trains a tokenizer on a corpus, and measures how well it fits."""

import itertools
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from endonym.batching import in_batches
from endonym.disk import Json
from endonym.errors import TokenizerError
from endonym.formats.config import REST
from endonym.tokenizer import bpe
from endonym.tokenizer.config import BYTE_VOCAB, END_OF_TEXT, SPECIALS, TokenizerConfig
from endonym.tokenizer.keyboard import START, keyboard
from endonym.tokenizer.measure import WORD
from endonym.tokenizer.tokenizer import Tokenizer, half_characters
from endonym.tokenizer.unigram import BYTE_TOKENS, unigram
from endonym.tokenizer.words import Counts, Texts, count_words

FIT_DOCUMENTS = 256
_LISTS = tomllib.loads(Path(__file__).with_name("strange.toml").read_text(encoding="utf-8"))
STRANGE = (*_LISTS["strings"], *SPECIALS.values(), *_LISTS["byte_names"])
"""Strings on which tokenizers of two programs are known to differ, or that tokenizers lose."""


def train_tokenizer(config: TokenizerConfig, texts: Texts) -> Tokenizer:
    """Train the tokenizer of a recipe.

    texts: a function that iterates over the training documents; it is called several times.
    The vocabulary is smaller than asked for if the corpus is too small. Raises TokenizerError if
    decoding does not restore the text, or a strange string such as the name of a special token.
    """
    try:
        sample = evenly(texts, config.sample_bytes)
        counts = Counts() if config.kind == "byte" else count_words(sample())
    except UnicodeEncodeError as error:
        raise (half_characters(texts()) or error) from error
    if config.kind == "unigram":
        engine = unigram(config, counts, sample)
    elif config.kind == "keyboard":
        engine = keyboard(config, counts, sample)
    elif config.kind == "byte":
        if config.vocab not in (None, BYTE_VOCAB):
            raise TokenizerError(
                f"bytes and special tokens are {BYTE_VOCAB} ids, not {config.vocab}",
                where="tokenizer.vocab",
                do="Leave vocab out.",
            )
        engine = bpe.byte_level([])
    else:
        engine = (
            bpe.pair_merges(config, counts)
            if config.kind == "bpe"
            else bpe.characters(config, counts)
        )
    tokenizer = Tokenizer(engine, START if config.kind == "keyboard" else END_OF_TEXT)
    tokenizer.check_lossless(itertools.chain(checked_texts(texts()), STRANGE, BYTE_TOKENS))
    return tokenizer


def checked_texts(texts: Iterator[str]) -> Iterator[str]:
    """The beginnings of the first 200 documents, and of every hundredth after them."""
    return (text[:20_000] for n, text in enumerate(texts) if n < 200 or n % 100 == 0)


def fit(tokenizer: Tokenizer, texts: Iterable[tuple[str, str]]) -> Json:
    """Bytes per token and tokens per word, by source.

    texts: pairs of source and text. A word is a run of letters, marks and digits; in scripts
    without spaces it may be a clause, so compare tokens per word within one language only.
    """
    totals: dict[str, Counter[str]] = {}
    for batch in in_batches(texts, lambda _: 1, FIT_DOCUMENTS):
        encoded = tokenizer.encode_many([text for _, text in batch])
        for (source, text), ids in zip(batch, encoded, strict=True):
            counts = {
                "documents": 1,
                "bytes": len(text.encode("utf-8")),
                "chars": len(text),
                "tokens": len(ids),
                "words": sum(1 for _ in WORD.finditer(text)),
            }
            totals.setdefault(source, Counter()).update(counts)

    def with_ratios(counts: Counter[str]) -> dict[str, float]:
        tokens = max(1, counts["tokens"])
        words = max(1, counts["words"])
        return {
            **counts,
            "bytes_per_token": round(counts["bytes"] / tokens, 4),
            "tokens_per_word": round(counts["tokens"] / words, 4),
        }

    return {
        "vocab": tokenizer.vocab,
        "total": with_ratios(sum(totals.values(), Counter[str]())),
        "sources": {source: with_ratios(counts) for source, counts in sorted(totals.items())},
    }


LEAST_PART = 0.1
"""Of the text without shares. A sample of given shares that is smaller is refused."""


def evenly(texts: Texts, limit_bytes: int) -> Texts:
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


def by_shares(
    documents: Callable[[], Iterator[tuple[str, str]]], shares: Mapping[str, float], limit: int
) -> Texts:
    """The most text, up to `limit` bytes, in which the sources have these shares of the bytes.

    documents: pairs of source and text. Of each source documents are taken evenly, and none twice,
    so the source with the least text for its share limits the others. One without text has no
    share. Raises TokenizerError if there is no text, or if a source that is named has so little
    that next to nothing would be left.
    """

    def shared(source: str) -> str:
        return source if source in shares else REST

    sizes: Counter[str] = Counter()
    for source, text in documents():
        sizes[shared(source)] += len(text.encode("utf-8"))
    shares = {name: share for name, share in shares.items() if sizes[name]} or shares
    scarce = min(shares, key=lambda source: sizes[source] / shares[source])
    total = min(limit, int(sizes[scarce] / shares[scarce]))
    usual = min(limit, sizes.total())
    if (total < LEAST_PART * usual and scarce != REST) or total == 0:
        raise TokenizerError(
            f"{scarce} has {sizes[scarce]:,} bytes of training text. As a share of "
            f"{shares[scarce]:g} they leave {total:,} bytes to train on, instead of {usual:,}",
            where=f"tokenizer.sources.{scarce}",
            do=f"Give {scarce} a smaller share, or leave it out.",
        )
    quotas = {source: int(total * share) for source, share in shares.items()}

    def chosen() -> Iterator[str]:
        seen: Counter[str] = Counter()
        taken: Counter[str] = Counter()
        for source, text in documents():
            source = shared(source)
            quota = quotas.get(source, 0)
            data = text.encode("utf-8")
            seen[source] += len(data)
            # While less of the quota is taken than of the source was seen.
            if taken[source] * sizes[source] < quota * seen[source]:
                data = data[: quota - taken[source]]
                taken[source] += len(data)
                yield data.decode("utf-8", errors="ignore")

    return chosen
