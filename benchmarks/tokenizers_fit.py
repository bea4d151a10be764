"""How many tokens tokenizers need, and how long they are trained.

"fit": each kind is trained on the texts of a language (at most 4 MB), and measured on every
twentieth line, which training does not see. Kinds are endonym's, and byte-pair encoding by the
library `tokenizers` with the splits of GPT-2 and GPT-4.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

import tokenizers
from benchmark import Bench, Benchmark, Watch, main
from cells import Cell, Cells
from pages import markdown
from tokenizers import Regex, models, pre_tokenizers, trainers

from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

LANGUAGES = {"tt": "Tatar", "km": "Khmer", "ro": "Romanian", "fr": "French"}
SPLITS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
KINDS = {"bpe": "bpe", "unigram": "unigram", "gpt2": "GPT-2's split", "gpt4": "GPT-4's split"}
SIZES = (8_000, 32_000)
TRAINED_BYTES, HELD_EVERY = 4_000_000, 20


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """Fits of every language, size and kind."""
    languages = ["tt"] if bench.tiny else list(LANGUAGES)
    sizes = (400,) if bench.tiny else SIZES
    kinds = ("bpe", "gpt2") if bench.tiny else KINDS
    return {
        f"fit {language} {vocab} {kind}": partial(fit_cell, bench, language, vocab, kind)
        for language in languages
        for vocab in sizes
        for kind in kinds
    }


def fit_cell(bench: Bench, language: str, vocab: int, kind: str) -> Cell:
    """Tokens of lines that training did not see, a character and a byte."""
    lines = bench.lines(language)
    held = lines[::HELD_EVERY]
    rest = [line for number, line in enumerate(lines) if number % HELD_EVERY]
    every = max(1, sum(len(line.encode()) for line in rest) // TRAINED_BYTES)
    texts = rest[::every]
    started = time.perf_counter()
    if kind in SPLITS:
        engine = library_tokenizer(texts, vocab, SPLITS[kind])
        seconds = time.perf_counter() - started
        tokens = sum(len(encoding.ids) for encoding in engine.encode_batch_fast(held))
    else:
        config = TokenizerConfig.model_validate({"kind": kind, "vocab": vocab})
        tokenizer = train_tokenizer(config, lambda: iter(texts))
        seconds = time.perf_counter() - started
        tokens = sum(map(len, tokenizer.encode_many(held)))
    held_bytes = sum(len(line.encode()) for line in held)
    return {
        "train_bytes": sum(len(line.encode()) for line in texts),
        "train_seconds": round(seconds, 1),
        "held_lines": len(held),
        "held_bytes": held_bytes,
        "tokens": tokens,
        "tokens_per_character": round(tokens / sum(map(len, held)), 4),
        "bytes_per_token": round(held_bytes / tokens, 4),
    }


def library_tokenizer(texts: list[str], vocab: int, split: str) -> tokenizers.Tokenizer:
    """Byte-level byte-pair encoding by the library, with a split of others."""
    engine = tokenizers.Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, min_frequency=2, initial_alphabet=letters, show_progress=False
    )
    engine.train_from_iterator(texts, trainer)
    return engine


def fits(cells: Cells) -> str:
    """Tokens a character by language, vocabulary and kind; and bpe next to GPT-4's split."""
    rows: list[list[str]] = []
    for language, name in LANGUAGES.items():
        for vocab in SIZES:
            measured = {kind: cells.get(f"fit {language} {vocab} {kind}") for kind in KINDS}
            if any(cell is None for cell in measured.values()):
                continue
            found = {kind: cell for kind, cell in measured.items() if cell}
            fewer = 1 - found["bpe"]["tokens"] / found["gpt4"]["tokens"]
            figures = [f"{found[kind]['tokens_per_character']:.3f}" for kind in KINDS]
            tested = f"{found['bpe']['held_bytes'] / 1e3:,.0f}"
            rows.append([name, f"{vocab:,}", tested, *figures, f"{fewer:+.1%}"])
    head = ["text", "vocabulary", "kB tested", *KINDS.values(), "bpe needs fewer than GPT-4's"]
    return markdown(head, rows)


BENCHMARK = Benchmark(
    name="tokenizers-fit",
    code=("endonym.tokenizer",),
    cells=cells,
    tables={("docs/tokenizers.md", "tokenizers fit"): fits},
    watched={
        "tokens_per_character": Watch("lower", 0.01),
        "train_seconds": Watch("lower", 0.3, timed=True),
    },
)

if __name__ == "__main__":
    main(BENCHMARK)
