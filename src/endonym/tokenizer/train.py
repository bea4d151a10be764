"""Making a tokenizer from a corpus, and the report of how well it fits."""

import collections
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import regex
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Engine

from endonym.errors import TokenizerError
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer, byte_alphabet

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The split of Qwen3.5: letters keep their marks, and llama.cpp implements it as `qwen35`."""

TRAINING_SPLIT = SPLIT.replace(r"[\p{L}\p{M}]+", r"[\p{L}\p{M}]{1,24}").replace(
    r"[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+", r"[^\s\p{L}\p{M}\p{N}]{1,24}|[\r\n]"
)
"""The same with pieces of at most 24 letters: in scripts without blanks a piece may be a page.

And each line end alone, so that none is merged with what stands beside it: then lines that are
joined in training (data/order.py) have the ids that their text has.
"""

WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
BYTES = 256
FIT_DOCUMENTS = 256


def train_tokenizer(config: TokenizerConfig, texts: Callable[[], Iterator[str]]) -> Tokenizer:
    """Make the tokenizer a recipe asks for.

    texts: called for a fresh pass over the training documents (one pass, or two for `char`).
    A corpus that cannot fill the vocabulary asked for gets a smaller one. Raises TokenizerError if
    text is lost.
    """
    makers = {"bpe": _bpe, "char": _characters, "byte": _bytes}
    sample = _sample(texts, config.sample_bytes)
    tokenizer = Tokenizer(makers[config.kind](config, sample))
    tokenizer.check_lossless(_some(texts()))
    return tokenizer


def _sample(texts: Callable[[], Iterator[str]], limit_bytes: int) -> Callable[[], Iterator[str]]:
    """Every k-th document, spread evenly; reading stops at the limit, in a document if need be."""
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


def _some(texts: Iterable[str], documents: int = 200, chars: int = 20_000) -> Iterator[str]:
    """Documents for the round trip: the first ones, and every hundredth after them."""
    for number, text in enumerate(texts):
        if number < documents or number % 100 == 0:
            yield text[:chars]


def _bpe(config: TokenizerConfig, texts: Callable[[], Iterator[str]]) -> Engine:
    """Byte-pair encoding over the bytes of split words. Source: arXiv:1508.07909, algorithm 1."""
    engine = Engine(models.BPE())
    engine.pre_tokenizer = _byte_level(TRAINING_SPLIT)
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab or 4096,
        min_frequency=config.min_count,
        initial_alphabet=sorted(byte_alphabet()),
        special_tokens=[END_OF_TEXT],
        show_progress=False,
    )
    engine.train_from_iterator(texts(), trainer)
    engine.pre_tokenizer = _byte_level(SPLIT)
    return engine


def _byte_level(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _characters(config: TokenizerConfig, texts: Callable[[], Iterator[str]]) -> Engine:
    """The corpus's characters by frequency; all others as their bytes."""
    counts: collections.Counter[str] = collections.Counter()
    for text in texts():
        counts.update(text)
    kept = [letter for letter, count in counts.items() if count >= config.min_count]
    kept.sort(key=lambda letter: (-counts[letter], letter))
    if config.vocab is not None:
        kept = kept[: config.vocab - BYTES - 1]
    tokens = [END_OF_TEXT, *(f"<0x{byte:02X}>" for byte in range(BYTES)), *kept]
    vocab = {token: index for index, token in enumerate(tokens)}
    engine = Engine(models.BPE(vocab=vocab, merges=[], byte_fallback=True))
    engine.pre_tokenizer = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    engine.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    engine.add_special_tokens([END_OF_TEXT])
    return engine


def _bytes(config: TokenizerConfig, texts: Callable[[], Iterator[str]]) -> Engine:
    """Every byte is a token; nothing is learnt from the corpus."""
    if config.vocab not in (None, BYTES + 1):
        raise TokenizerError(
            f"bytes and end-of-text are {BYTES + 1} ids, not {config.vocab}",
            where="tokenizer.vocab",
            do="Leave vocab out.",
        )
    letters = sorted(byte_alphabet(), key=byte_alphabet().__getitem__)
    vocab = {token: index for index, token in enumerate([END_OF_TEXT, *letters])}
    engine = Engine(models.BPE(vocab=vocab, merges=[]))
    engine.pre_tokenizer = _byte_level(SPLIT)
    engine.decoder = decoders.ByteLevel()
    engine.add_special_tokens([END_OF_TEXT])
    return engine


def fit(tokenizer: Tokenizer, texts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """How the tokenizer fits texts: bytes per token and tokens per word, by source.

    texts: pairs of source and text. A word is a run of letters, marks and digits; in scripts
    without blanks it may be a clause, so compare tokens per word within one language only.
    """
    totals: dict[str, collections.Counter[str]] = {}
    for batch in _batches(texts):
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


def _batches(texts: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Texts in groups, for the tokenizer's threads."""
    rest = iter(texts)
    while batch := list(itertools.islice(rest, FIT_DOCUMENTS)):
        yield batch


def _ratios(counts: collections.Counter[str]) -> dict[str, float]:
    tokens, words = max(1, counts["tokens"]), max(1, counts["words"])
    return {
        **counts,
        "bytes_per_token": round(counts["bytes"] / tokens, 4),
        "tokens_per_word": round(counts["tokens"] / words, 4),
    }


def report_json(report: dict[str, Any]) -> str:
    """The fit as a readable file."""
    return json.dumps(report, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
